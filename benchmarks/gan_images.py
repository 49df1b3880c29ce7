"""What do scores say of made digits, and do made digits help? `python -m benchmarks.gan_images`.

Fifteen CPU minutes of one core (OMP_NUM_THREADS=1). GANs play a number of steps that was fixed beforehand and are
judged after the last one. `cheaters` are "generators" that cheat a score; `study` trains small classifiers on 200 real
digits, with shifts or with digits made by a GAN that saw the same 200; rates and shares are tuned on one draw of 200
and a validation part, tests on five others and the 1,000 held out. It writes
results/gan_images.json and results/gan_figure.json, a small generator at 5 bits for the page's figure; after
`python -m benchmarks.gan_images PART …` those parts of it: parade, gans, study, figure.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.machine import describe, rounded
from minilib import data
from minilib.pt.gan import Discriminator, Generator, train_gan

RESULTS = Path(__file__).parent / "results" / "gan_images.json"
FIGURE = Path(__file__).parent / "results" / "gan_figure.json"
COMMAND = "python -m benchmarks.gan_images"
SEEDS, STUDY_SEEDS, TUNING_SEED = (0, 1, 2), (0, 1, 2, 3, 4), 9
STEPS, BATCH, RATE, MADE = 1500, 32, 1e-3, 1000
REAL, RATES, SHARES = 200, (1e-3, 2e-3, 4e-3), (0.25, 0.5)
FACTORS = (0.25, 0.5, 0.75, 1.25, 1.5)  # of the noise
JUDGE_EPOCHS, STUDY_STEPS = 15, 400
LATENT, CHANNELS = 32, 24
SMALL = (16, 14)  # latent and channels of the figure's generator
LEVELS, SHOWN = 15, 10  # its weights are whole numbers within ±15; training digits of each class beside it
Pictures = tuple[Tensor, Tensor]  # (N, 1, 28, 28) within ±1, and labels (N,)
LABELS = torch.arange(MADE) % 10


# Data ----------------------------------------------------------------------------------------------------------------
def digits() -> tuple[Pictures, Pictures]:
    """4,000 digits to train with and 1,000 held out."""
    found = data.mnist_5k()
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(found.x)))
    x, y = torch.from_numpy(found.x).view(-1, 1, 28, 28)[order] * 2 - 1, torch.from_numpy(found.y)[order]
    return (x[:4000], y[:4000]), (x[4000:], y[4000:])


def equally(y: Tensor, each: int, rng: torch.Generator) -> Tensor:
    """Places of `each` random rows of every class, the classes in turn: 0, 1, … 9, 0, 1, …"""
    places = torch.randperm(len(y), generator=rng)
    return torch.stack([places[y[places] == k][:each] for k in range(10)], 1).flatten()


def shifted(x: Tensor, rng: torch.Generator, pixels: int = 2) -> Tensor:
    """All pictures of a batch moved together by up to `pixels`: the margin of a digit is blank."""
    down, right = torch.randint(-pixels, pixels + 1, (2,), generator=rng).tolist()
    return x.roll((down, right), (2, 3))


# The judge -----------------------------------------------------------------------------------------------------------
def network(a: int, b: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, a, 5, 2, 2), nn.ReLU(), nn.Conv2d(a, b, 5, 2, 2), nn.ReLU(),
        nn.Flatten(), nn.Linear(49 * b, hidden), nn.ReLU(), nn.Linear(hidden, 10),
    )  # fmt: skip


def learn(net: nn.Module, draw: Callable[[], Pictures], steps: int, rate: float) -> None:
    """Adam; the rate rises and falls over the whole length."""
    adam = torch.optim.Adam(net.parameters(), rate)
    fall = torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=steps)
    for _ in range(steps):
        x, y = draw()
        adam.zero_grad()
        F.cross_entropy(net(x), y).backward()
        adam.step()
        fall.step()


def train_judge(x: Tensor, y: Tensor, seed: int, epochs: int = JUDGE_EPOCHS) -> nn.Sequential:
    """From digits that are moved, turned and stretched a little; chosen on 500 of the 4,000."""
    torch.manual_seed(seed)
    rng, chance = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    net = network(16, 32, 64)
    waiting: list[Tensor] = []

    def draw() -> Pictures:
        if not waiting:
            waiting.extend(torch.randperm(len(x), generator=rng).split(64))
        rows = waiting.pop()
        flat = (x[rows].flatten(1).numpy() + 1) / 2
        flat = data.turn_images(data.shift_images(flat, chance, 1), chance)
        return torch.from_numpy(flat * 2 - 1).view(-1, 1, 28, 28), y[rows]

    learn(net, draw, epochs * -(-len(x) // 64), 2e-3)
    return net.eval()


@torch.no_grad()
def share_right(net: nn.Module, x: Tensor, y: Tensor) -> float:
    return float((net(x).argmax(1) == y).float().mean())


@torch.no_grad()
def features(judge: nn.Sequential, x: Tensor) -> np.ndarray:
    return judge[:-1](x).double().numpy()


# The scores ----------------------------------------------------------------------------------------------------------
def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """|μa − μb|² + tr(A + B − 2 (AB)^½), of the features a (N, D) and b (M, D); A, B their covariances."""
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    middle = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * middle)


def reached(points: np.ndarray, centres: np.ndarray, k: int = 3) -> float:
    """Share of `points` in a ball round one of the `centres`, which reaches to its own k-th neighbour."""
    own = torch.cdist(torch.tensor(centres), torch.tensor(centres), compute_mode="donot_use_mm_for_euclid_dist")
    radius = own.sort(1).values[:, k]  # place 0 is the centre itself
    far = torch.cdist(torch.tensor(points), torch.tensor(centres), compute_mode="donot_use_mm_for_euclid_dist")
    return float((far <= radius).any(1).double().mean())


def to_nearest(x: Tensor, pool: Tensor) -> Tensor:
    """The distance of each picture to the nearest of the pool, in pixels from 0 to 1."""
    x, pool = x.flatten(1) / 2, pool.flatten(1) / 2
    return (x - pool[torch.cdist(x, pool).argmin(1)]).norm(dim=1)  # cdist alone is coarse near 0


def moved_to_nearest(x: Tensor, pool: Tensor, pixels: int = 2) -> Tensor:
    """The same, with each picture moved by every shift of up to `pixels`."""
    moves = product(range(-pixels, pixels + 1), repeat=2)
    return torch.stack([to_nearest(x.roll(move, (2, 3)), pool) for move in moves]).min(0).values


def scores(judge: nn.Sequential, x: Tensor, y: Tensor | None, train: Tensor, held: Tensor) -> dict[str, Any]:
    a, b = features(judge, held), features(judge, x)
    with torch.no_grad():
        said = judge(x).argmax(1)
    found: dict[str, Any] = {} if y is None else {
        "recognised": float((said == y).float().mean()),
        "worst_class": min(float((said == y)[y == k].float().mean()) for k in range(10)),
    }  # fmt: skip
    return found | {
        "frechet": frechet(a, b), "precision": reached(b, a), "recall": reached(a, b),
        "neighbour": float(to_nearest(x, train).median()),
        "shares": [float((said == k).float().mean()) for k in range(10)],
    }  # fmt: skip


# The cheaters --------------------------------------------------------------------------------------------------------
def cheaters(x: Tensor, y: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """1,000 pictures each, labelled 0, 1, … 9, 0, 1, …, from the training digits x (N, 1, 28, 28)."""
    rng = torch.Generator().manual_seed(seed)
    mean = torch.stack([x[y == k].mean(0) for k in range(10)])
    spread = torch.stack([x[y == k].std(0) for k in range(10)])
    copies, others = (x[equally(y, MADE // 10, rng)] for _ in range(2))
    moves = [move for move in product((-1, 0, 1), repeat=2) if any(move)]
    chosen = torch.randint(len(moves), (MADE,), generator=rng).tolist()
    typical = torch.stack([x[y == k][to_nearest(x[y == k], mean[k : k + 1]).argmin()] for k in range(10)])
    noise = torch.randn(MADE, 1, 28, 28, generator=rng)
    return {
        "copies": copies,
        "moved copies": torch.stack([one.roll(moves[i], (1, 2)) for one, i in zip(copies, chosen, strict=True)]),
        "ten digits": typical[LABELS],
        "halves": torch.cat([copies[:, :, :14], others[torch.randperm(MADE, generator=rng)][:, :, 14:]], 2),
        "pixel noise": (mean[LABELS] + spread[LABELS] * noise).clamp(-1, 1),
    }


# The GAN -------------------------------------------------------------------------------------------------------------
def train(
    x: Tensor, y: Tensor, seed: int, classes: int | None = 10, size: tuple[int, int] = (LATENT, CHANNELS),
    after: Callable[[int, Generator, Generator], None] | None = None,
) -> tuple[Generator, Generator]:  # fmt: skip
    """(averaged, raw) generator after STEPS steps; after(steps taken, averaged, raw)."""
    latent, channels = size
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    players = Generator(latent, channels, classes), Discriminator(channels, classes, spectral=True)
    adams = [torch.optim.Adam(player.parameters(), RATE, betas=(0.0, 0.99)) for player in players]
    average = AveragedModel(players[0], multi_avg_fn=get_ema_multi_avg_fn(0.995), use_buffers=True)

    def draw() -> tuple[Tensor, ...]:
        rows = torch.randint(len(x), (BATCH,), generator=rng)
        return (x[rows], y[rows]) if classes else (x[rows],)

    def each(step: int) -> None:
        average.update_parameters(players[0])
        for adam in adams:
            adam.param_groups[0]["lr"] = RATE * min(1, (STEPS - step - 1) / (0.4 * STEPS))
        if after:
            after(step + 1, average.module, players[0])

    train_gan(
        *players, draw, lambda n: torch.randn(n, latent, generator=rng), *adams,
        steps=STEPS, loss="hinge", after=each, progress=False,
    )  # fmt: skip
    return average.module.eval(), players[0].eval()


@torch.no_grad()
def make(generator: Generator, n: int = MADE, seed: int = 1000, truncation: float = 1.0) -> Pictures:
    """n pictures, the classes in turn; truncation: the noise is multiplied by it."""
    playing = generator.training
    y = torch.arange(n) % 10
    z = truncation * torch.randn(n, generator.latent, generator=torch.Generator().manual_seed(seed))
    x = generator.eval()(z, y) if generator.classes else generator.eval()(z)
    generator.train(playing)
    return x, y


# Parts ---------------------------------------------------------------------------------------------------------------
@cache
def judges() -> list[nn.Sequential]:
    (x, y), _ = digits()
    return [train_judge(x, y, seed) for seed in (0, 1)]


def parade() -> dict[str, Any]:
    """The cheaters, and real digits that nobody trained on, under two judges."""
    (x, y), (held, held_y) = digits()
    both = judges()
    rows = cheaters(x, y)
    found: dict[str, Any] = {
        "judges": [share_right(judge, held, held_y) for judge in both],
        "held_neighbour": float(to_nearest(held, x).median()),
        "held_moved_neighbour": float(moved_to_nearest(held, x, 1).median()),
        "rows": {name: [scores(judge, rows[name], LABELS, x, held) for judge in both] for name in rows},
        "moved_neighbour": {name: float(moved_to_nearest(rows[name], x, 1).median()) for name in rows},
    }
    say("parade", found["judges"], {name: row[0]["frechet"] for name, row in found["rows"].items()})
    return found


def gans() -> dict[str, Any]:
    """Three seeds with labels and three without; the stranger is a judge that saw none of the GAN's 4,000 digits."""
    (x, y), (held, held_y) = digits()
    both, stranger = judges(), train_judge(held, held_y, 2, 4 * JUDGE_EPOCHS)
    found: dict[str, Any] = {"stranger_on_real": share_right(stranger, x, y), "with labels": [], "without": []}
    for kind, classes in (("with labels", 10), ("without", None)):
        for seed in SEEDS:
            averaged, way = full(seed, classes)
            made, asked = make(averaged)
            end = [scores(judge, made, asked if classes else None, x, held) for judge in both]
            run = {"way": way, "end": end, "moved_neighbour": float(moved_to_nearest(made, x, 1).median())}
            if classes:
                run["stranger"] = share_right(stranger, made, asked)
                run["truncation"] = {str(t): scores(both[0], *make(averaged, truncation=t), x, held) for t in FACTORS}
            found[kind].append(run)
            say(kind, seed, {k: v for k, v in run["end"][0].items() if k != "shares"}, run.get("stranger"))
    return found


@cache
def full(seed: int, classes: int | None = 10) -> tuple[Generator, list[dict[str, Any]]]:
    """A GAN of all 4,000 digits and its scores on the way."""
    ((x, y), (held, _)), judge = digits(), judges()[0]
    way: list[dict[str, Any]] = []

    def after(step: int, average: Generator, raw: Generator) -> None:
        if step % (STEPS // 6) == 0:
            for name, player in (("averaged", average), ("raw", raw))[: 1 + (step == STEPS)]:
                made, asked = make(player)
                row = scores(judge, made, asked if classes else None, x, held)
                way.append({"step": step, "weights": name, **row})

    return train(x, y, seed, classes, after=after)[0], way


def study() -> dict[str, Any]:
    """Does made data help a classifier with 200 real digits? Each arm: tries on one draw, then five others."""
    (x, y), (held, held_y) = digits()
    judge = judges()[0]
    leaks = {seed: make(full(seed)[0], 2000, 2000) for seed in SEEDS}
    found: dict[str, Any] = {"gans": [], "tries": {}, "best": {}, "runs": {}}
    draws = {}
    for seed in (TUNING_SEED, *STUDY_SEEDS):
        rng = torch.Generator().manual_seed(100 + seed)
        order = equally(y, 220, rng)
        few, valid = order[:REAL], order[1000:2000]
        made = make(train(x[few], y[few], seed)[0], 2000, 2000)
        draws[seed] = {"real": (x[few], y[few]), "labels": (x[order[:1000]], y[order[:1000]]), "made": made,
                       "leak": leaks[seed % 3], "valid": (x[valid], y[valid])}  # fmt: skip
        row = scores(judge, made[0][:MADE], made[1][:MADE], x[few], held)
        row |= {"held_neighbour": float(to_nearest(held, x[few]).median()), "seed": seed}
        row |= {"train_neighbour": float(to_nearest(x[valid], x[few]).median())}
        found["gans"].append(row)
        say("GAN of 200", seed, {k: v for k, v in row.items() if k != "shares"})
    for name, arm in ARMS.items():
        tries = {}
        for rate, share in product(RATES, SHARES if arm["made"] else (0.0,)):
            right = [one_study(draws[TUNING_SEED], arm, rate, share, i, "valid") for i in SEEDS]
            tries[f"{rate}, {share}"] = float(np.mean(right))
        best = max(tries, key=tries.__getitem__)
        rate, share = map(float, best.split(", "))
        found["tries"][name], found["best"][name] = tries, {"rate": rate, "share": share}
        found["runs"][name] = [one_study(draws[s], arm, rate, share, s, (held, held_y)) for s in STUDY_SEEDS]
        say(name, best, found["runs"][name])
    return found


ARMS: dict[str, dict[str, Any]] = {
    "200 real": {"real": "real", "made": "", "shifts": False},
    "200 real, shifted": {"real": "real", "made": "", "shifts": True},
    "200 real, half as often": {"real": "real", "made": "", "shifts": False, "batch": BATCH // 2},
    "200 real, shifted, half as often": {"real": "real", "made": "", "shifts": True, "batch": BATCH // 2},
    "200 real + made": {"real": "real", "made": "made", "shifts": False},
    "200 real + made, shifted": {"real": "real", "made": "made", "shifts": True},
    "200 real + leak, shifted": {"real": "real", "made": "leak", "shifts": True},
    "1,000 real, shifted": {"real": "labels", "made": "", "shifts": True},
}


def one_study(draw: dict[str, Any], arm: dict[str, Any], rate: float, share: float, seed: int, judged: Any) -> float:
    """A small classifier from one draw of digits; its accuracy on the validation part or on what is handed over."""
    torch.manual_seed(seed)
    rng, net = torch.Generator().manual_seed(seed), network(16, 32, 64)
    batch = arm.get("batch", BATCH)
    made = round(share * batch)
    sources = [(draw[arm["real"]], batch - made)] + ([(draw[arm["made"]], made)] if made else [])

    def next_batch() -> Pictures:
        rows = [(source, torch.randint(len(source[0]), (n,), generator=rng)) for source, n in sources]
        x, y = (torch.cat([source[i][row] for source, row in rows]) for i in (0, 1))
        return (shifted(x, rng) if arm["shifts"] else x), y

    learn(net, next_batch, STUDY_STEPS, rate)
    return share_right(net, *(draw["valid"] if judged == "valid" else judged))


def figure() -> dict[str, Any]:
    """A smaller generator at 5 bits, batch norms folded in, its noise turned so that the first two numbers move most;
    and 100 training digits at 4 bits."""
    (x, y), (held, _) = digits()
    judge = judges()[0]
    generator, _ = train(x, y, 0, size=SMALL)
    before = scores(judge, *make(generator), x, held)
    latent, channels = SMALL
    first, norm1, up1, norm2, up2 = (generator.layers[i] for i in (0, 2, 4, 5, 7))
    packed: dict[str, Any] = {"latent": latent, "channels": channels, "layers": []}
    with torch.no_grad():
        turn = torch.linalg.svd(first.weight[:, :latent])[2]
        first.weight[:, :latent] = first.weight[:, :latent] @ turn.T
        gains = [(norm.weight / (norm.running_var + norm.eps).sqrt()) for norm in (norm1, norm2)]
        parts = [
            (first.weight * gains[0].repeat_interleave(49)[:, None], norm1.bias - norm1.running_mean * gains[0]),
            (up1.weight * gains[1][None, :, None, None], norm2.bias - norm2.running_mean * gains[1]),
            (up2.weight, up2.bias), (generator.label.weight, None),
        ]  # fmt: skip
        for weight, bias in parts:
            scale = float(weight.abs().max()) / LEVELS
            packed["layers"].append({
                "scale": scale, "weight": code((weight / scale).round().to(torch.int8).numpy()),
                **({} if bias is None else {"bias": [float(f"{b:.5g}") for b in bias.tolist()]}),
            })  # fmt: skip
        for (weight, _), to, gain in zip(parts, (first, up1, up2, generator.label), (*gains, None, None), strict=True):
            scale = float(weight.abs().max()) / LEVELS
            coarse = (weight / scale).round() * scale
            if to is first:
                coarse = coarse / gain.repeat_interleave(49)[:, None]
            elif gain is not None:
                coarse = coarse / gain[None, :, None, None]
            to.weight.copy_(coarse)
    after = scores(judge, *make(generator), x, held)
    rows = equally(y, SHOWN, torch.Generator().manual_seed(0))
    levels = ((x[rows] + 1) * 7.5).round().to(torch.uint8).numpy().ravel()
    packed["digits"] = code(levels[::2] * 16 + levels[1::2])
    FIGURE.write_text(json.dumps(packed) + "\n", encoding="utf8")
    found = {"before": before, "after": after, "bytes": FIGURE.stat().st_size}
    say("figure", {name: row["recognised"] for name, row in (("float", before), ("5 bits", after))}, found["bytes"])
    return found


def code(array: np.ndarray) -> str:
    return b64encode(array.tobytes()).decode()


def say(*what: Any) -> None:
    print(*(rounded(one) for one in what), flush=True)


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"parade": parade, "gans": gans, "study": study, "figure": figure}


def main() -> None:
    torch.set_num_threads(1)
    if wrong := set(sys.argv[1:]) - set(PARTS):
        sys.exit(f"parts are {', '.join(PARTS)}, got {', '.join(sorted(wrong))}")
    found = json.loads(RESULTS.read_text(encoding="utf8")) if RESULTS.exists() else {}
    found |= {name: PARTS[name]() for name in sys.argv[1:] or PARTS}
    settings = {"steps": STEPS, "batch": BATCH, "rate": RATE, "seeds": len(SEEDS), "study_steps": STUDY_STEPS}
    result = {**describe(COMMAND, ("numpy", "torch")), "threads": 1, **settings}
    RESULTS.write_text(json.dumps(rounded(found | result), indent=1, ensure_ascii=False) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
