"""Convolution on MNIST-5k: the sweeps in which chapter 07's networks were given their rates, and a wider network.

`python -m benchmarks.convolution`, with OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1, takes some minutes and writes
benchmarks/results/convolution.json; with names of sweeps it repeats those alone. Every optimiser and rate is chosen on
500 of the 4,000 training digits (the plain ones with three seeds, the others with one), then the network trains on all
4,000 with each of three seeds; the 1,000 test digits are looked at once.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.machine import describe, rounded
from minilib import data, metrics
from minilib.schedules import warmup_cosine
from minilib.scratch import functional as F
from minilib.scratch import init, nn, optim
from minilib.scratch.tensor import Tensor, no_grad
from minilib.scratch.train import fit

RESULTS = Path(__file__).parent / "results" / "convolution.json"
SEEDS = (0, 1, 2)
Rates = dict[str, tuple[float, ...]]
RATES: Rates = {"SGD": (0.1, 0.2, 0.4), "AdamW": (0.004, 0.008, 0.016)}
ADAMW = {"AdamW": RATES["AdamW"]}
DIGITS = data.mnist_5k()
SHUFFLED = DIGITS.x[:, np.random.default_rng(99).permutation(784)]
Layers = Callable[[np.random.Generator], list[nn.Module]]


class Picture(nn.Module):
    """Rows (B, 784) as pictures (B, 1, 28, 28)."""

    def forward(self, x: Any) -> Any:
        return x.reshape(-1, 1, 28, 28)


def mlp(rng: np.random.Generator) -> list[nn.Module]:
    return [nn.Linear(784, 128, rng=rng), nn.ReLU(), nn.Linear(128, 10, rng=rng)]


def small(rng: np.random.Generator) -> list[nn.Module]:
    """9,226 weights, 103,488 multiply-adds a picture: chapter 07's network."""
    return [
        Picture(), nn.Conv2d(1, 8, 5, stride=2, padding=2, rng=rng), nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1, rng=rng), nn.ReLU(), nn.Flatten(), nn.Linear(784, 10, rng=rng),
    ]  # fmt: skip


def pooled(rng: np.random.Generator) -> list[nn.Module]:
    """20,490 weights: full resolution first, shrunk by pooling."""
    return [
        Picture(), nn.Conv2d(1, 16, 3, padding=1, rng=rng), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, rng=rng), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(1568, 10, rng=rng),
    ]  # fmt: skip


def started(layers: list[nn.Module], rng: np.random.Generator) -> nn.Sequential:
    """He's start, zero biases, the last layer at 0.3 of it, so that the first answers are not loud."""
    weighted = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in weighted:
        init.kaiming_normal_(layer.weight, nonlinearity="relu", rng=rng)
        if layer.bias is not None:
            init.zeros_(layer.bias)
    weighted[-1].weight.data *= 0.3
    return nn.Sequential(*layers)


def augmented(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return data.shift_images(data.turn_images(x, rng), rng, pixels=2)


def trained(
    layers: Layers, optimizer: str, rate: float, seed: int, *, epochs: int = 12, augment: bool = False,
    digits: np.ndarray = DIGITS.x, validate: bool = False,
) -> float:  # fmt: skip
    """Accuracy on held-out digits: the 1,000 of the test or, to choose, 500 of the others."""
    rng = np.random.default_rng(seed)
    x, x_out, y, y_out = data.split(digits, DIGITS.y, 1000, rng)
    if validate:
        x, x_out, y, y_out = x[:-500], x[-500:], y[:-500], y[-500:]
    model = started(layers(rng), rng)
    batches = data.Batches(x, y, 64, rng, augmented if augment else None)
    steps: optim.Optimizer = (
        optim.SGD(model.parameters(), lr=rate, momentum=0.9)
        if optimizer == "SGD"
        else optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.05)
    )
    schedule = warmup_cosine(rate, epochs * len(batches), warmup=50)
    fit(model, batches, F.cross_entropy, steps, epochs=epochs, schedule=schedule, progress=False)
    with no_grad():
        return metrics.accuracy(model(Tensor(x_out)).data, y_out)


def tuned(layers: Layers, rates: Rates = RATES, seeds: tuple[int, ...] = SEEDS[:1], **options: Any) -> dict[str, Any]:
    """Validation accuracy of every setting, mean of `seeds`; the best one; and its accuracy on the test digits."""
    valid = {
        f"{name} {rate}": float(np.mean([trained(layers, name, rate, s, validate=True, **options) for s in seeds]))
        for name in rates
        for rate in tqdm(rates[name], desc=f"{layers.__name__} {name}")
    }
    best = max(valid, key=lambda setting: valid[setting])
    name, rate = best.split()
    return {"valid": valid, "best": best, "test": [trained(layers, name, float(rate), s, **options) for s in SEEDS]}


MORE: dict[str, Any] = {"epochs": 20, "augment": True}
SWEEPS: dict[str, Callable[[], dict[str, Any]]] = {
    "plain mlp": lambda: tuned(mlp, seeds=SEEDS),
    "plain small": lambda: tuned(small, seeds=SEEDS),
    "pooled": lambda: tuned(pooled, {"AdamW": (0.002, 0.004)}),
    "shuffled mlp": lambda: tuned(mlp, digits=SHUFFLED),
    "shuffled small": lambda: tuned(small, digits=SHUFFLED),
    "augmented mlp": lambda: tuned(mlp, ADAMW, **MORE),
    "augmented small": lambda: tuned(small, ADAMW, **MORE),
}


def main() -> None:
    """Run the sweeps, and store after each, so that a long run shows what it has."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convolution", description=__doc__)
    parser.add_argument("sweeps", nargs="*", metavar="SWEEP", help="all of them if none is named")
    about = {**describe("python -m benchmarks.convolution", ("numpy",)), "seeds": SEEDS, "threads": 1}
    for name in parser.parse_args().sweeps or SWEEPS:
        found = SWEEPS[name]()
        stored = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else {}
        stored = {"about": about, **{key: stored[key] for key in SWEEPS if key in stored}, name: rounded(found)}
        ordered = {key: stored[key] for key in ("about", *SWEEPS) if key in stored}
        RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf8", newline="\n")


if __name__ == "__main__":
    main()
