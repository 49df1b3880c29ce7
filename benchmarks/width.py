"""Long sweeps on MNIST-5k: width, depth, amount of data, shifted copies, time per prediction.

`python -m benchmarks.width`, with OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1, takes some minutes and writes
benchmarks/results/width.json. Widths and shifts choose their rate on 500 of the 4,000 training digits, then train on
all 4,000; the 1,000 test digits are looked at once.
"""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.machine import describe, rounded
from minilib import data, metrics
from minilib.scratch import functional as F
from minilib.scratch import init, nn, optim
from minilib.scratch.tensor import Tensor, no_grad
from minilib.scratch.train import fit

ROOT = Path(__file__).resolve().parent.parent
SEEDS = (0, 1, 2)
RATES = (0.02, 0.05, 0.1, 0.2)
WIDTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
DEPTHS = (1, 2, 3, 5, 10, 20)
SIZES = (250, 500, 1000, 2000, 4000)
DIGITS = data.mnist_5k()


def mlp(widths: list[int], rng: np.random.Generator) -> nn.Sequential:
    """Linear layers with ReLU between them, He's start, zero biases: as chapter 04 builds it."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        linear = nn.Linear(n_in, n_out, rng=rng)
        init.kaiming_normal_(linear.weight, nonlinearity="relu", rng=rng)
        init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def score(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """Accuracy on (x, y)."""
    with no_grad():
        return metrics.accuracy(model(Tensor(x)).data, y)


def trained(
    widths: list[int], seed: int, *, epochs: int = 20, lr: float = 0.05, size: int | None = None, shifts: bool = False,
    validate: bool = False,
) -> tuple[float, float]:  # fmt: skip
    """Accuracy on held-out and on training digits; held out are the 1,000 test digits or, to choose, 500 others."""
    rng = np.random.default_rng(seed)
    x, x_out, y, y_out = data.split(DIGITS.x, DIGITS.y, 1000, rng)
    if validate:
        x, x_out, y, y_out = x[:-500], x[-500:], y[:-500], y[-500:]
    x, y = x[:size], y[:size]
    model = mlp(widths, rng)
    batches = data.Batches(x, y, 64, rng, data.shift_images if shifts else None)
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    fit(model, batches, F.cross_entropy, optimizer, epochs=epochs, progress=False)
    return score(model, x_out, y_out), score(model, x, y)


def tuned(widths: list[int], shifts: bool = False) -> dict[str, Any]:
    """For each seed: the rate chosen on validation digits, and both accuracies with it."""
    rates, test, train = [], [], []
    for seed in SEEDS:
        held_out = [trained(widths, seed, lr=lr, shifts=shifts, validate=True)[0] for lr in RATES]
        rates.append(RATES[int(np.argmax(held_out))])
        a, b = trained(widths, seed, lr=rates[-1], shifts=shifts)
        test.append(a)
        train.append(b)
    return {"rate": rates, "test": test, "train": train}


def seconds(width: int, batch: int) -> float:
    """Median time per image of one forward pass on a batch."""
    model, x = mlp([784, width, 10], np.random.default_rng(0)), Tensor(DIGITS.x[:batch])
    times = []
    with no_grad():
        for _ in range(300):
            start = time.perf_counter()
            model(x)
            times.append((time.perf_counter() - start) / batch)
    return float(np.median(times[50:]))


def main() -> None:
    """Run every sweep and store it."""
    about = {**describe("python -m benchmarks.width", ("numpy",)), "seeds": SEEDS, "rates": RATES, "threads": 1}
    width = {str(w): tuned([784, w, 10]) for w in tqdm(WIDTHS, desc="width")}
    shifts = {str(w): tuned([784, w, 10], shifts=True) for w in tqdm((32, 128, 512), desc="shifts")}
    depth: dict[str, list[float]] = {}
    for n in tqdm(DEPTHS, desc="depth"):
        layers = [784, *[100] * n, 10]
        depth[str(n)] = [trained(layers, s, epochs=10, lr=0.01)[0] for s in SEEDS]
    size = {
        str(n): [trained([784, 128, 10], s, size=n, epochs=20 * 4000 // n)[0] for s in SEEDS]
        for n in tqdm(SIZES, desc="data")
    }
    timing = {str(w): {"one": seconds(w, 1), "batch of 256": seconds(w, 256)} for w in (32, 128, 512, 2048)}
    result = {"about": about, "width": width, "shifts": shifts, "depth": depth, "data": size, "seconds": timing}
    path = ROOT / "benchmarks" / "results" / "width.json"
    path.write_text(json.dumps(rounded(result), indent=1) + "\n", encoding="utf8", newline="\n")


if __name__ == "__main__":
    main()
