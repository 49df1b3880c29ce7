"""The races of chapter 08: four networks on surnames at equal seconds, and one bit remembered over sixty steps.

`python -m benchmarks.sequences`, with OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1, takes 15 minutes and writes
benchmarks/results/sequences.json and sequences_lstm.json, the weights of the LSTM whose gates the chapter shows. A race
by the clock does not repeat; so the CPU time of a step is measured once (`step_times`), and each network gets as many
steps as fit into the budget by STEP. On Linux set MALLOC_TRIM_THRESHOLD_ and MALLOC_MMAP_THRESHOLD_ to 100000000: else
memory that is handed back and asked for again at each step costs one of the networks, by luck, a quarter of its time.
Every rate is chosen on 8,000 names of the first split's training part. Parts: `--parts LSTM:8 game --write FILE`.
"""

from __future__ import annotations

import argparse
import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe, rounded
from minilib import data
from minilib.schedules import warmup_cosine
from minilib.scratch import functional as F
from minilib.scratch import nn, optim
from minilib.scratch.tensor import Tensor, no_grad
from minilib.scratch.train import fit

RESULTS = Path(__file__).resolve().parent / "results"
SEEDS, BATCH = (0, 1, 2), 128
BUDGETS = {"MLP": (8,), "RNN": (8,), "GRU": (8, 24), "LSTM": (8, 24)}  # seconds of CPU
STEP = {"MLP": 2.6, "RNN": 4.2, "GRU": 6.1, "LSTM": 5.75}  # milliseconds of CPU a step, as measured
GAME_RATES = (0.0025, 0.005, 0.01)


def pack(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Names as ids (N, 14), a = 1, after a boundary 0, and what follows each (N, 14), with −1 behind the end."""
    x, y = np.zeros((len(names), 14), int), np.full((len(names), 14), -1)
    for row, name in enumerate(names):
        ids = [ord(letter) - ord("a") + 1 for letter in name]
        x[row, 1 : len(ids) + 1] = y[row, : len(ids)] = ids
        y[row, len(ids)] = 0
    return x, y


def split(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inputs and targets of nine tenths of the surnames, then of the held-out tenth."""
    order = np.random.default_rng(seed).permutation(len(X))
    held_out, train = order[: len(X) // 10], order[len(X) // 10 :]
    return X[train], Y[train], X[held_out], Y[held_out]


def places(ids: np.ndarray) -> np.ndarray:
    """True where there is something to predict: at the boundary in front, and at every letter."""
    real = ids > 0
    real[:, 0] = True
    return real


class Reader(nn.Module):
    """A recurrent layer: ids (B, T) → for each real place, row by row, 27 scores of what follows."""

    def __init__(self, cell: Callable[..., nn.Module], width: int, rng: np.random.Generator):
        self.letters = nn.Embedding(27, 16, rng=rng)
        self.memory = cell(16, width, rng=rng)
        self.head = nn.Linear(width, 27, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        real = places(x.data)
        steps = real.any(axis=0).sum()  # as long as the longest name of the batch
        states, _ = self.memory(self.letters(x.data.T[:steps]))  # (T, B, H)
        b, t = np.nonzero(real)
        return self.head(F.embedding(t * len(real) + b, states.reshape(-1, states.shape[-1])))


class Window(nn.Module):
    """The five letters before, side by side, through one hidden layer; used as `Reader`."""

    def __init__(self, width: int, rng: np.random.Generator):
        self.letters = nn.Embedding(27, 16, rng=rng)
        self.hidden = nn.Linear(5 * 16, width, rng=rng)
        self.head = nn.Linear(width, 27, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        padded = np.pad(x.data, ((0, 0), (4, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, 5, axis=1)[places(x.data)]  # (N, 5)
        return self.head(F.tanh(self.hidden(self.letters(windows).reshape(len(windows), 80))))


MODELS: dict[str, Callable[[np.random.Generator], nn.Module]] = {
    "MLP": lambda rng: Window(184, rng),
    "RNN": lambda rng: Reader(nn.RNN, 121, rng),
    "GRU": lambda rng: Reader(nn.GRU, 66, rng),
    "LSTM": lambda rng: Reader(nn.LSTM, 57, rng),
}


def loss(logits: Tensor, y: np.ndarray) -> Tensor:
    return F.cross_entropy(logits, y[y >= 0])


def bits(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """Bits per character, the end of a name counted, padding not."""
    total = 0.0
    with no_grad():
        for start in range(0, len(x), 1000):
            part = y[start : start + 1000]
            total += loss(model(Tensor(x[start : start + 1000])), part).item() * (part >= 0).sum()
    return total / (y >= 0).sum() / np.log(2)


class Draws:
    """`steps` batches of names, drawn anew at each step."""

    def __init__(self, x: np.ndarray, y: np.ndarray, steps: int, rng: np.random.Generator):
        self.x, self.y, self.steps, self.rng = x, y, steps, rng

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _ in range(self.steps):
            rows = self.rng.integers(0, len(self.x), BATCH)
            yield self.x[rows], self.y[rows]


def trained(name: str, seed: int, x: np.ndarray, y: np.ndarray, steps: int, lr: float) -> nn.Module:
    rng = np.random.default_rng(seed)
    model = MODELS[name](rng)
    fit(
        model, Draws(x, y, steps, rng), loss, optim.Adam(model.parameters(), lr=lr), epochs=1,
        schedule=warmup_cosine(lr, steps), max_norm=1.0, progress=False,
    )  # fmt: skip
    return model


def climb(score: Callable[[float], float], start: float) -> dict[float, float]:
    """Try a rate, its half and its double, and go on until the best one has both neighbours tried."""
    tried: dict[float, float] = {}
    best = start
    while True:
        for rate in (best, best / 2, best * 2):
            if rate not in tried:
                tried[rate] = score(rate)
        lowest = min(tried, key=lambda rate: tried[rate])
        if lowest == best:
            return dict(sorted(tried.items()))
        best = lowest


def race(name: str, budget: int) -> dict[str, Any]:
    """The steps that fit, what each rate gave on validation names, and the held-out bits of three splits."""
    steps = round(1000 * budget / STEP[name])
    x, y, _, _ = split(0)

    def score(lr: float) -> float:
        return bits(trained(name, 100, x[8000:], y[8000:], steps, lr), x[:8000], y[:8000])

    tried = climb(score, 0.016)
    rate = min(tried, key=lambda lr: tried[lr])
    scores = []
    for seed in SEEDS:
        x, y, test_x, test_y = split(seed)
        model = trained(name, seed, x, y, steps, rate)
        scores.append(bits(model, test_x, test_y))
        if (name, budget, seed) == ("LSTM", 24, 0):
            keep(model, steps, rate)
    found = {"steps": steps, "validation": {f"{lr:g}": b for lr, b in tried.items()}, "rate": rate, "bits": scores}
    print(name, budget, found, flush=True)
    return found


def keep(model: nn.Module, steps: int, rate: float) -> None:
    """Store the weights as float16, so that what is shown is what was trained."""
    packed = {
        name: {"shape": list(p.data.shape), "float16": base64.b64encode(p.data.astype("<f2").tobytes()).decode()}
        for name, p in model.named_parameters()
    }
    about = {**describe("python -m benchmarks.sequences", ("numpy",)), "steps": steps, "rate": rate, "split": 0}
    (RESULTS / "sequences_lstm.json").write_text(
        json.dumps({"about": about, "weights": packed}, indent=1) + "\n", encoding="utf8", newline="\n"
    )


def step_times(steps: int = 400, rounds: int = 5) -> dict[str, float]:
    """Median milliseconds of CPU of one training step, each network in its own runs, the four in turn."""
    x, y, _, _ = split(0)
    times: dict[str, list[float]] = {name: [] for name in MODELS}
    for seed in range(rounds):
        for name, found in times.items():
            start = time.process_time()
            trained(name, seed, x, y, steps, 0.008)
            found.append(1000 * (time.process_time() - start) / steps)
    return {name: float(np.median(found)) for name, found in times.items()}


# The memory game -----------------------------------------------------------------------------------------------------
class Player(nn.Module):
    """A recurrent layer reads one number a step; a score from its last state says which sign the first one had."""

    def __init__(
        self, cell: Callable[..., nn.Module], rng: np.random.Generator, forget: float | None = None,
        radius: float | None = None,
    ):  # fmt: skip
        self.memory = cell(1, 32, rng=rng)
        self.head = nn.Linear(32, 1, rng=rng)
        if radius is not None:
            weight = self.memory.weight_hh_l0.data
            weight *= radius / abs(np.linalg.eigvals(weight)).max()
        if forget is not None:
            self.memory.bias_ih_l0.data[32:64] = forget  # the rows of the forget gate; the two biases add up
            self.memory.bias_hh_l0.data[32:64] = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.memory(x)[0][-1]).reshape(-1)


def game(cell: Callable[..., nn.Module], start: dict[str, float], seed: int, lr: float, steps: int = 300) -> float:
    """Share of right answers over the last 30 of the training steps."""
    rng, right = np.random.default_rng(seed), []
    model = Player(cell, rng, **start)
    optimizer = optim.Adam(model.parameters(), lr=lr)
    for _ in range(steps):
        x = (0.3 * rng.standard_normal((61, 32, 1))).astype(np.float32)
        sign = rng.integers(0, 2, 32)
        x[0, :, 0] = 2 * sign - 1
        score = model(Tensor(x))
        right.append(np.mean((score.data > 0) == sign))
        model.zero_grad()
        F.binary_cross_entropy_with_logits(score, sign.astype(np.float32)).backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return float(np.mean(right[-30:]))


def games() -> dict[str, Any]:
    """Five seeds for each network, start and rate; and the LSTM as made with five times the steps."""
    players: dict[str, tuple[Any, dict[str, float]]] = {
        "RNN as made": (nn.RNN, {}), "RNN radius 1.1": (nn.RNN, {"radius": 1.1}), "LSTM as made": (nn.LSTM, {}),
        "LSTM bias 1": (nn.LSTM, {"forget": 1}), "LSTM bias 2": (nn.LSTM, {"forget": 2}),
        "LSTM bias 4": (nn.LSTM, {"forget": 4}),
    }  # fmt: skip
    found: dict[str, Any] = {}
    for name, (cell, start) in players.items():
        found[name] = {f"{lr:g}": [game(cell, start, seed, lr) for seed in range(5)] for lr in GAME_RATES}
        print(name, found[name], flush=True)
    found["LSTM 1,500 steps"] = {"0.005": [game(nn.LSTM, {}, seed, 0.005, 1500) for seed in range(3)]}
    print(found["LSTM 1,500 steps"], flush=True)
    return found


X, Y = pack(data.names())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sequences", description=__doc__)
    runs = [f"{name}:{budget}" for name in MODELS for budget in BUDGETS[name]]
    parser.add_argument("--parts", nargs="+", default=[*runs, "times", "game"], help="such as LSTM:8 or game")
    parser.add_argument("--write", type=Path, default=RESULTS / "sequences.json", help="where the result goes, as JSON")
    options = parser.parse_args()
    about = {**describe("python -m benchmarks.sequences", ("numpy",)), "seeds": SEEDS, "threads": 1, "batch": BATCH}
    result: dict[str, Any] = {"about": about}
    if options.write.exists():
        result = json.loads(options.write.read_text("utf8")) | result
    for part in options.parts:
        if part == "times":
            result["step ms"] = step_times()
        elif part == "game":
            result["game"] = games()
        else:
            name, budget = part.split(":")
            size = sum(p.data.size for p in MODELS[name](np.random.default_rng(0)).parameters())
            result.setdefault("race", {}).setdefault(name, {"weights": size})[budget] = race(name, int(budget))
        options.write.write_text(json.dumps(rounded(result), indent=1) + "\n", encoding="utf8", newline="\n")


if __name__ == "__main__":
    main()
