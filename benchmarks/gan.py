"""The ring of eight Gaussians: which single change cures collapse, and does a penalty beat its matched control?

`python -m benchmarks.gan`, with OMP_NUM_THREADS=1, writes benchmarks/results/gan.json; half an hour on one core;
`--workers 8` shares the runs among processes. Every arm of `rivals` tries nine settings on a seed of its own, then
plays three fresh seeds; all play the same number of steps. `one` changes one thing of the arm that collapses.
"""

from __future__ import annotations

import argparse
import json
import math
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from tqdm import tqdm

from benchmarks.machine import describe, rounded
from minilib.pt import gan

ROOT = Path(__file__).resolve().parent.parent
SEEDS, TUNING = (0, 1, 2), 100
STEPS = 3000
ANGLES = torch.arange(8) * math.pi / 4
CENTRES = 2 * torch.stack([ANGLES.cos(), ANGLES.sin()], 1)  # (8, 2)
Setting = dict[str, Any]
COLLAPSES: Setting = {"leaky": False, "beta1": 0.9, "beta2": 0.999, "rate": 1e-3, "decay": False}
MATCHED: Setting = {"leaky": True, "beta1": 0.0, "beta2": 0.99, "rate": 2e-3, "decay": True}
ONE: dict[str, Setting] = {
    "nothing": {}, "β₂ = 0.99": {"beta2": 0.99}, "rate falls": {"decay": True}, "R1, γ = 0.3": {"r1": 0.3},
    "leaky ReLU": {"leaky": True}, "β₁ = 0": {"beta1": 0.0},
}  # fmt: skip
RATES = (2e-3, 4e-3, 8e-3)
RIVALS: dict[str, list[Setting]] = {
    "no penalty": [{"beta2": b} for b in (0.9, 0.99, 0.999)],
    "R1": [{"r1": s} for s in (0.03, 0.3, 3.0)],
    "WGAN-GP": [{"loss": "wasserstein", "gp": s} for s in (0.1, 1.0, 10.0)],
    "hinge + spectral norm": [{"loss": "hinge", "spectral": s} for s in (2.0, 8.0, 32.0)],
    "no penalty, β₁ = 0.9": [{"beta1": 0.9, "beta2": b} for b in (0.9, 0.99, 0.999)],
}  # fmt: skip


class Times(nn.Module):
    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * x


def score(samples: torch.Tensor) -> tuple[int, float, float]:
    """Modes with at least 1 % of all samples good there, share of good samples, their spread (real: 0.97)."""
    distance, nearest = torch.cdist(samples, CENTRES).min(1)
    good = distance < 0.3
    modes = sum(((nearest == k) & good).float().mean().item() >= 0.01 for k in range(8))
    spread = (distance[good].square().mean() / 2).sqrt().item() / 0.1 if good.any() else math.nan
    return modes, good.float().mean().item(), spread


def play(setting: Setting, seed: int, steps: int, every: int = 0) -> list[tuple[int, float, float]]:
    """One game; the scores of 2,000 samples after each `every` steps, or at the end alone."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    bend = (lambda: nn.LeakyReLU(0.2)) if setting["leaky"] else nn.ReLU
    made = nn.Sequential(nn.Linear(4, 64), bend(), nn.Linear(64, 64), bend(), nn.Linear(64, 2))
    judge = nn.Sequential(nn.Linear(2, 64), bend(), nn.Linear(64, 64), bend(), nn.Linear(64, 1))
    if "spectral" in setting:
        judge = nn.Sequential(*(spectral_norm(m) if isinstance(m, nn.Linear) else m for m in judge))
        judge.append(Times(setting["spectral"]))
    betas = (setting["beta1"], setting["beta2"])
    players = [torch.optim.Adam(net.parameters(), lr=setting["rate"], betas=betas) for net in (made, judge)]
    penalty = None
    if "r1" in setting:
        penalty = lambda real, fake: setting["r1"] * gan.r1_penalty(judge, real)  # noqa: E731
    elif "gp" in setting:
        penalty = lambda real, fake: setting["gp"] * gan.gradient_penalty(judge, real, fake, generator=chance)  # noqa: E731

    def draw() -> tuple[torch.Tensor]:
        which = torch.randint(8, (128,), generator=chance)
        return (CENTRES[which] + 0.1 * torch.randn(128, 2, generator=chance),)

    def noise(n: int) -> torch.Tensor:
        return torch.randn(n, 4, generator=chance)

    seen = []

    def after(step: int) -> None:
        if setting["decay"]:
            for player in players:
                player.param_groups[0]["lr"] = setting["rate"] * min(1, 2 * (steps - 1 - step) / steps)
        if step + 1 == steps or (every and (step + 1) % every == 0):
            with torch.no_grad():
                z = torch.randn(2000, 4, generator=torch.Generator().manual_seed(1000 + seed))
                seen.append(score(made(z)))

    try:
        gan.train_gan(
            made, judge, draw, noise, *players, steps=steps, loss=setting.get("loss", "non-saturating"),
            penalty=penalty, after=after, progress=False,
        )  # fmt: skip
    except FloatingPointError:
        seen.append((0, 0.0, math.nan))
    return seen


def _play(job: tuple[Setting, int, int, int]) -> list[tuple[int, float, float]]:
    return play(*job)


def table(seen: list[list[tuple[int, float, float]]]) -> dict[str, list]:
    last = [scores[-1] for scores in seen]
    return {name: [row[i] for row in last] for i, name in enumerate(("modes", "good", "spread"))}


def measure(workers: int, parts: list[str], before: dict[str, Any], share: float = 1.0) -> dict[str, Any]:
    """The named parts, beside what was measured `before`; `share` shortens all games (to try the script)."""
    steps = int(STEPS * share)
    found = {**before, "steps": steps, "every": max(1, steps // 40)}
    with ProcessPoolExecutor(workers) as pool:

        def run(jobs: list[tuple[Setting, int, int, int]], what: str) -> list:
            return list(tqdm(pool.map(_play, jobs), total=len(jobs), desc=what))

        if "one" in parts:
            found["one"] = {}
            for name, change in ONE.items():
                seen = run([({**COLLAPSES, **change}, seed, steps, found["every"]) for seed in SEEDS], name)
                columns = {"modes": 0, "good": 1}
                found["one"][name] = {what: [[s[i] for s in game] for game in seen] for what, i in columns.items()}
        if "rivals" in parts:
            found["rivals"] = {}
            for name, own in RIVALS.items():
                grid = [{**MATCHED, **s, "rate": r} for s, r in product(own, RATES)]
                value = [seen[-1][:2] for seen in run([(s, TUNING, steps, 0) for s in grid], f"{name}, tuning")]
                best = grid[max(range(len(grid)), key=value.__getitem__)]  # modes first, then good samples
                final = table(run([(best, seed, steps, 0) for seed in SEEDS], name))
                changed = {k: v for k, v in best.items() if MATCHED.get(k) != v or k == "rate"}
                found["rivals"][name] = {"chosen": changed, "tuning": value, **final}
        if "longer" in parts:
            best = {**MATCHED, **found["rivals"]["no penalty"]["chosen"]}
            jobs = [(best, seed, 4 * steps, 0) for seed in SEEDS]
            found["four times as long"] = table(run(jobs, "four times as long"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("parts", nargs="*", default=["one", "rivals", "longer"], help="parts to measure again")
    arguments = parser.parse_args()
    path = ROOT / "benchmarks" / "results" / "gan.json"
    before = json.loads(path.read_text(encoding="utf8")) if path.exists() else {}
    about = {**describe("python -m benchmarks.gan", ("torch",)), "seeds": SEEDS, "tuning seed": TUNING, "threads": 1}
    found = rounded({**measure(arguments.workers, arguments.parts, before), "about": about})
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf8", newline="\n")


if __name__ == "__main__":
    main()
