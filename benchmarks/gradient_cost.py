"""What a gradient costs by three methods, in forward passes: `python -m benchmarks.gradient_cost`.

Networks 784-H-10 at batch 64 in float32, one thread, everything timed in turn, medians. Reverse mode is minilib's
engine; forward mode pushes one direction through the same network; differences repeat the forward pass. The last two
need one pass for each weight: the time of a pass is measured and multiplied, and for the smallest network the full
set of differences is really run, to see that multiplying is fair. Writes benchmarks/results/gradient_cost.json.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from minilib.scratch import Tensor, nn, no_grad
from minilib.scratch import functional as F

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python -m benchmarks.gradient_cost"
BATCH, INPUTS, CLASSES = 64, 784, 10
SHAPES = {"784-8-10": [8], "784-32-10": [32], "784-128-10": [128], "784-512-10": [512]}
DEEP = {"784-8×512-10": [512] * 8, "784-20×256-10": [256] * 20}


def network(hidden: list[int], rng: np.random.Generator) -> nn.Sequential:
    widths = [INPUTS, *hidden, CLASSES]
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out, rng=rng), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def tangent_pass(parameters: list[np.ndarray], direction: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
    """Forward mode: the loss's slope along one direction of the weights, carried beside the values."""
    value, slope = x, np.zeros_like(x)
    for i in range(0, len(parameters), 2):
        weight, bias, d_weight, d_bias = *parameters[i : i + 2], *direction[i : i + 2]
        # the first layer's input does not depend on the weights: no second product there
        carried = slope @ weight.T if i else np.float32(0)
        value, slope = value @ weight.T + bias, carried + value @ d_weight.T + d_bias
        if i + 2 < len(parameters):
            slope, value = slope * (value > 0), np.maximum(value, 0)
    p = np.exp(value - value.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    return float((p * slope).sum() / len(y))


def in_turn(tasks: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each task, A B C A B C …, after a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(rounds + 3):
        for name, task in tasks.items():
            started = time.perf_counter()
            task()
            if turn >= 3:
                times[name].append((time.perf_counter() - started) * 1e3)
    return {name: statistics.median(found) for name, found in times.items()}


def measure(hidden: list[int], rounds: int = 60) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x, y = rng.random((BATCH, INPUTS), np.float32), rng.integers(0, CLASSES, BATCH)
    model = network(hidden, rng)
    arrays = [p.data for p in model.parameters()]
    direction = [rng.standard_normal(a.shape).astype(np.float32) for a in arrays]

    def forward() -> None:
        with no_grad():
            F.cross_entropy(model(Tensor(x)), y)

    def reverse() -> None:
        model.zero_grad()
        F.cross_entropy(model(Tensor(x)), y).backward()

    reverse()
    by_reverse = sum(float((p.grad * d).sum()) for p, d in zip(model.parameters(), direction, strict=True))
    assert abs(by_reverse - tangent_pass(arrays, direction, x, y)) < 1e-3 * abs(by_reverse) + 1e-4
    ms = in_turn(
        {"forward": forward, "reverse": reverse, "tangent": lambda: tangent_pass(arrays, direction, x, y)}, rounds
    )
    weights = sum(a.size for a in arrays)
    return {
        "weights": weights,
        "ms": {name: round(value, 4) for name, value in ms.items()},
        "reverse_in_forwards": round(ms["reverse"] / ms["forward"], 3),
        "differences_in_forwards": weights + 1,
        "forward_mode_in_forwards": round(weights * ms["tangent"] / ms["forward"]),
    }


def fairness() -> float:
    """All one-sided differences of the smallest network really run, over their number times one forward pass."""
    rng = np.random.default_rng(0)
    x, y = rng.random((BATCH, INPUTS), np.float32), rng.integers(0, CLASSES, BATCH)
    model = network([8], rng)
    started, passes = time.perf_counter(), 0
    with no_grad():
        for p in model.parameters():
            for index in np.ndindex(p.shape):
                kept = p.data[index]
                p.data[index] = kept + np.float32(1e-3)
                F.cross_entropy(model(Tensor(x)), y).item()
                p.data[index] = kept
                passes += 1
    return (time.perf_counter() - started) * 1e3 / passes


def main() -> None:
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":
        raise SystemExit("one thread is what is measured: OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 " + COMMAND)
    shallow = {name: measure(hidden) for name, hidden in SHAPES.items()}
    deep = {name: measure(hidden, 25) for name, hidden in DEEP.items()}
    ratio = fairness() / shallow["784-8-10"]["ms"]["forward"]
    result = {
        **describe(COMMAND, ("numpy",)),
        "threads": 1, "seed": 0, "batch": BATCH, "dtype": "float32",
        "networks": shallow, "deep": deep, "one_difference_really_run_in_forwards": round(ratio, 2),
    }  # fmt: skip
    path = ROOT / "benchmarks" / "results" / "gradient_cost.json"
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf8")
    print(path.read_text("utf8"))


if __name__ == "__main__":
    main()
