"""The six logs of exercise 7 in chapter 06 are real: each run is made again, and every printed number compared."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest

from minilib import data, metrics
from minilib.scratch import Tensor, init, nn, optim
from minilib.scratch import functional as F
from minilib.scratch.train import fit
from tests.notebook_files import EXERCISES, read

SEED, ROWS, VALID, TEST = 3, slice(0, 1600), slice(3200, 4000), slice(4000, 5000)
RUNS = {
    "A": {"fault": "inputs differ", "epochs": 10},
    "B": {"fault": "healthy", "epochs": 20, "rate": 0.2, "dropout": 0.5},
    "C": {"fault": "memorises", "epochs": 30, "momentum": 0.9, "seed": 4},
    "D": {"fault": "dead", "epochs": 10},
    "E": {"fault": "labels unrelated", "epochs": 20, "rate": 0.2},
    "F": {"fault": "leak", "epochs": 10, "rate": 0.05, "momentum": 0.9},
}


def network(rng: np.random.Generator, dropout: float, dead: bool) -> nn.Sequential:
    layers = nn.Linear(784, 128, rng=rng), nn.Linear(128, 10, rng=rng)
    for layer in layers:
        init.kaiming_normal_(layer.weight, nonlinearity="relu", rng=rng)
        init.zeros_(layer.bias)
        if dead:
            init.zeros_(layer.weight)
        for parameter in (layer.weight, layer.bias):
            parameter.data = parameter.data.astype(float)
    return nn.Sequential(layers[0], nn.ReLU(), nn.Dropout(dropout, rng=rng), layers[1])


def run(
    fault: str, epochs: int, rate: float = 0.1, momentum: float = 0.0, dropout: float = 0.0, seed: int = SEED
) -> dict[str, list[float]]:
    """Train with one fault; losses and accuracies after every epoch."""
    rng, digits = np.random.default_rng(seed), data.mnist_5k()
    order = rng.permutation(len(digits))
    x, y = digits.x[order].astype(float), digits.y[order]
    labels, seen = y[ROWS].copy(), x[ROWS]
    if fault == "memorises":
        hit = rng.random(len(labels)) < 0.2
        labels[hit] = rng.integers(0, 10, hit.sum())
    if fault == "labels unrelated":
        labels = rng.permutation(labels)
    if fault == "leak":
        seen, labels = np.append(seen, x[VALID], 0), np.append(labels, y[VALID])
    scale = 255 if fault == "inputs differ" else 1
    model = network(rng, dropout, fault == "dead")

    def watch(model: nn.Module) -> dict[str, float]:
        valid = model(Tensor(scale * x[VALID]))
        return {
            "loss": F.cross_entropy(valid, y[VALID]).item(),
            "right": metrics.accuracy(valid.data, y[VALID]),
            "train": metrics.accuracy(model(Tensor(seen)).data, labels),
            "test": metrics.accuracy(model(Tensor(scale * x[TEST])).data, y[TEST]),
        }

    sgd = optim.SGD(model.parameters(), lr=rate, momentum=momentum)
    batches = data.Batches(seen, labels, 64, rng)
    return fit(model, batches, F.cross_entropy, sgd, epochs=epochs, evaluate=watch)


@cache
def printed() -> dict[str, list[list[str]]]:
    """The lines of each log as the exercise prints them."""
    notebook = read(next(path for path in EXERCISES if path.stem.startswith("06")))
    text = next(cell.source for cell in notebook.cells if "Read six logs" in cell.source)
    logs: dict[str, list[list[str]]] = {}
    for name, numbers in re.findall(r"^([A-F ]) +(\d+ .*)$", text, re.MULTILINE):
        logs.setdefault(name.strip() or list(logs)[-1], []).append(numbers.split())
    return logs


@pytest.mark.parametrize("name", RUNS)
def test_a_log_of_the_exercise_is_a_real_run(name):
    history, lines = run(**RUNS[name]), printed()[name]
    assert int(lines[-1][0]) == RUNS[name]["epochs"]
    for epoch, *numbers in lines:
        at = int(epoch) - 1
        columns = ("loss", "valid_train", "valid_loss", "valid_right", "valid_test")
        for number, column in zip(numbers, columns[: len(numbers)], strict=True):
            step = 10.0 ** -len(number.partition(".")[2])
            assert abs(history[column][at] - float(number)) <= 0.6 * step, (epoch, column, history[column][at])
    assert len(lines[-1]) == 6, "the last line holds the test"


def test_no_line_of_the_exercise_is_printed_in_the_chapter():
    """The chapter names the fault of each of its logs: a reader could look up the answer."""
    chapter = read(next(path for path in EXERCISES[0].parent.parent.glob("06*.ipynb")))
    told = "\n".join(out.text for cell in chapter.cells for out in cell.get("outputs", []) if "text" in out)
    rows = {tuple(line.split()[-4:]) for line in told.splitlines()}
    for lines in printed().values():
        assert not rows & {tuple(line[1:5]) for line in lines}
