"""Race the NumPy engine: one training step of two small networks, against PyTorch eager, HIPS autograd and micrograd.

"NumPy by hand" is the floor: our step with every array made beforehand and no engine at all. All in one process and one
thread, timed in turn after a warm-up, in CPU time, as medians. Run it with `make bench`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import autograd.numpy as anp
import numpy as np
import torch
from autograd import value_and_grad
from micrograd.engine import Value
from micrograd.nn import MLP as MicrogradMLP

from benchmarks.machine import describe
from minilib.scratch import Tensor, nn, optim
from minilib.scratch import functional as F

RESULTS = Path(__file__).parent / "results" / "engine.json"
SETTINGS = {"64-128-10": (64, 128, 10), "784-128-10": (784, 128, 10)}
BATCH, RATE = 64, 0.01
Step = Callable[[], float]


def our_network(widths: tuple[int, int, int]) -> nn.Sequential:
    rng = np.random.default_rng(0)
    return nn.Sequential(nn.Linear(*widths[:2], rng=rng), nn.ReLU(), nn.Linear(*widths[1:], rng=rng))


def numpy_engine(widths: tuple[int, int, int], x: np.ndarray, y: np.ndarray) -> Step:
    model = our_network(widths)
    optimizer = optim.SGD(model.parameters(), lr=RATE)

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(Tensor(x)), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def by_hand(widths: tuple[int, int, int], x: np.ndarray, y: np.ndarray) -> Step:
    """The step of `numpy_engine` written out, gradients and all; each array is reused from step to step."""
    w1, b1, w2, b2 = params = [p.data for p in our_network(widths).parameters()]
    gradients = [np.empty_like(p) for p in params]
    g_w1, g_b1, g_w2, g_b2 = gradients
    rows, share = np.arange(len(y)), np.float32(1 / len(y))
    hidden, logits = (np.empty((len(y), width), np.float32) for width in widths[1:])
    g_hidden, fires = np.empty_like(hidden), np.empty(hidden.shape, bool)

    def step() -> float:
        np.matmul(x, w1.T, out=hidden)
        np.add(hidden, b1, out=hidden)
        np.greater(hidden, 0, out=fires)
        np.maximum(hidden, 0, out=hidden)
        np.matmul(hidden, w2.T, out=logits)
        np.add(logits, b2, out=logits)
        np.subtract(logits, np.maximum.reduce(logits, axis=1, keepdims=True), out=logits)
        picked = logits[rows, y]
        p = np.exp(logits, out=logits)
        total = np.add.reduce(p, axis=1, keepdims=True)
        loss = np.add.reduce(np.log(total[:, 0]) - picked) * share
        np.divide(p, total, out=p)
        p[rows, y] -= 1
        np.multiply(p, share, out=p)  # from here on the gradient with respect to the logits
        np.matmul(p.T, hidden, out=g_w2)
        np.add.reduce(p, axis=0, out=g_b2)
        np.matmul(p, w2, out=g_hidden)
        np.multiply(g_hidden, fires, out=g_hidden)
        np.matmul(g_hidden.T, x, out=g_w1)
        np.add.reduce(g_hidden, axis=0, out=g_b1)
        for parameter, gradient in zip(params, gradients, strict=True):
            np.multiply(gradient, np.float32(RATE), out=gradient)
            np.subtract(parameter, gradient, out=parameter)
        return float(loss)

    return step


def pytorch(widths: tuple[int, int, int], x: np.ndarray, y: np.ndarray) -> Step:
    model = torch.nn.Sequential(torch.nn.Linear(*widths[:2]), torch.nn.ReLU(), torch.nn.Linear(*widths[1:]))
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    inputs, targets = torch.tensor(x), torch.tensor(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def hips_autograd(widths: tuple[int, int, int], x: np.ndarray, y: np.ndarray) -> Step:
    rng = np.random.default_rng(0)
    w1, w2 = (rng.standard_normal(widths[i : i + 2]).astype(np.float32) * 0.05 for i in (0, 1))
    params = [w1, np.zeros(widths[1], np.float32), w2, np.zeros(widths[2], np.float32)]
    rows = np.arange(len(y))

    def loss(p: list) -> float:
        logits = anp.maximum(anp.dot(x, p[0]) + p[1], 0) @ p[2] + p[3]
        shifted = logits - anp.max(logits, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(shifted), axis=1)) - shifted[rows, y])

    both = value_and_grad(loss)

    def step() -> float:
        value, gradients = both(params)
        for p, g in zip(params, gradients, strict=True):
            p -= RATE * g
        return float(value)

    return step


def micrograd_sample(widths: tuple[int, int, int], x: np.ndarray, y: np.ndarray) -> Step:
    """One sample of the batch: micrograd works on single numbers. Its time is multiplied by the batch size."""
    model = MicrogradMLP(widths[0], list(widths[1:]))
    inputs = [Value(float(v)) for v in x[0]]

    def step() -> float:
        model.zero_grad()
        loss = sum(z * z for z in model(inputs))  # its own loss: micrograd has no softmax
        loss.backward()
        for p in model.parameters():
            p.data -= RATE * p.grad
        return loss.data

    return step


def seconds(step: Step, repeat: int) -> float:
    started = time.process_time()
    for _ in range(repeat):
        step()
    return (time.process_time() - started) / repeat


def race(widths: tuple[int, int, int], rounds: int, repeat: int) -> dict[str, float]:
    """Median milliseconds of one step for each contestant, timed in turn."""
    rng = np.random.default_rng(1)
    x = rng.random((BATCH, widths[0]), dtype=np.float32)
    y = rng.integers(0, widths[2], BATCH)
    contestants = {
        "minilib": numpy_engine, "NumPy by hand": by_hand, "PyTorch eager": pytorch, "HIPS autograd": hips_autograd,
    }  # fmt: skip
    steps = {name: make(widths, x, y) for name, make in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        seconds(step, repeat)
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(seconds(step, repeat))
    times["micrograd"] = [BATCH * seconds(micrograd_sample(widths, x, y), 1)]
    return {name: 1000 * float(np.median(values)) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--repeat", type=int, default=40, help="steps a round")
    parser.add_argument("--write", type=Path, default=RESULTS, help="where the result goes, as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    print(f"{'network':<12}{'engine':<16}{'ms a step':>11}{'times minilib':>15}")
    for setting, widths in SETTINGS.items():
        times = race(widths, options.rounds, options.repeat)
        for name, ms in times.items():
            ratio = ms / times["minilib"]
            rows.append({"setting": setting, "engine": name, "ms": round(ms, 4), "ratio": round(ratio, 2)})
            print(f"{setting:<12}{name:<16}{ms:>11.3f}{ratio:>15.2f}")
    result = {**describe("make bench"), "batch": BATCH, "rows": rows}
    options.write.parent.mkdir(exist_ok=True)
    options.write.write_text(json.dumps(result, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
