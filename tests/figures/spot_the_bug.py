"""Python's answer to the figure `spot_the_bug`: the same network, start, rows and steps with NumPy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from minilib import data
from tests.figures.keyboard import press_keys
from tests.figures.train_in_browser import generator, normal

PAGE = "notebooks/11_from_numpy_to_pytorch.html"
BUGS = {"X": "heap", "Y": "none", "Z": "cut"}
WINS = {(0.01, 30): "X", (10**-0.5, 30): "Y", (1.0, 10): "Z"}
Array = np.ndarray


@cache
def rows() -> tuple[Array, Array]:
    table = data.digits()
    chosen = np.random.default_rng(11).permutation(len(table.y))[:400]
    return table.x[chosen].astype(float), table.y[chosen]


def start() -> list[Array]:
    random = generator(5)
    shapes = ((24, 64), (10, 24))
    w = [np.sqrt(2 / m) * np.array([[normal(random) for _ in range(m)] for _ in range(n)]) for n, m in shapes]
    return [w[0], np.zeros(24), w[1], np.zeros(10)]


def slopes(w: list[Array], x: Array, y: Array, cut: bool) -> tuple[float, list[Array]]:
    h = np.maximum(x @ w[0].T + w[1], 0)
    z = h @ w[2].T + w[3]
    log = z - z.max(1, keepdims=True)
    log -= np.log(np.exp(log).sum(1, keepdims=True))
    blame = (np.exp(log) - np.eye(10)[y]) / len(y)
    back = (blame @ w[2]) * (h > 0) * (not cut)
    return -log[np.arange(len(y)), y].mean(), [back.T @ x, back.sum(0), blame.T @ h, blame.sum(0)]


@cache
def expected(program: str, rate: float, batch: int) -> dict[str, float]:
    (x, y), w, bug, losses = rows(), start(), BUGS[program], []
    heap = [np.zeros_like(a) for a in w]
    for _ in range(10):
        total = 0.0
        for i in range(0, 300, batch):
            part = slice(i, min(i + batch, 300))
            loss, found = slopes(w, x[part], y[part], bug == "cut")
            heap = [a + g for a, g in zip(heap, found, strict=True)] if bug == "heap" else found
            w = [a - rate * g for a, g in zip(w, heap, strict=True)]
            total += loss * len(y[part])
        losses.append(total / 300)
    z = np.maximum(x[300:] @ w[0].T + w[1], 0) @ w[2].T + w[3]
    return {"first": losses[0], "last": losses[-1], "right": int((z.argmax(1) == y[300:]).sum())}


def agree(got: dict[str, Any]) -> None:
    wanted = expected(got["program"], got["rate"], int(got["batch"]))
    assert got["right"] == wanted["right"], (got, wanted)
    assert np.allclose([got["first"], got["last"]], [wanted["first"], wanted["last"]], rtol=1e-6), (got, wanted)
    assert got["clears"] == (got["program"] != "X")
    assert got["learns"] == (got["program"] != "Z")


def each_can_win() -> None:
    """What the page says of the three settings."""
    at = {setting: [expected(program, *setting)["right"] for program in "XYZ"] for setting in WINS}
    for (setting, winner), scores in zip(WINS.items(), at.values(), strict=True):
        others = [score for name, score in zip("XYZ", scores, strict=True) if name != winner]
        assert scores["XYZ".index(winner)] > max(others) + 10, (setting, scores)
    x, y, _ = at[0.01, 30]
    assert x > 2.5 * y
    rates = [10 ** (k / 4 - 3) for k in range(13)]  # those of the slider
    x, y = (max((expected(program, rate, 100)["right"], round(rate, 2)) for rate in rates) for program in "XY")
    assert (x, y) == ((91, 0.18), (85, 0.56))  # even at its best rate the right program loses


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """Compare the three programs by keyboard, meet the challenge, run the tests."""
    program, rate = root.get_by_label("Program", exact=True), root.get_by_label("Learning rate")
    batch = root.get_by_label("Rows in a batch")

    def press(control: Locator, key: str, times: int = 1) -> dict[str, Any]:
        press_keys(control, key, times)
        agree(result())
        return result()

    each_can_win()
    agree(result())
    # the challenge: at a small rate the wrong program beats the right one, at a larger one it does not
    found = {"X": result()["right"], "Y": press(program, "ArrowDown")["right"]}
    assert found["X"] > found["Y"] + 20
    assert press(rate, "ArrowRight", 6)["right"] > 85
    cut = press(program, "ArrowDown")
    assert cut["program"] == "Z"
    assert cut["right"] > 40
    assert "Tests" not in root.inner_text()
    press_keys(root.get_by_label("Run the tests"), "Space")
    assert '"clears" passed, "all parts learn" failed' in root.inner_text()
    press(batch, "ArrowUp")
    press(rate, "ArrowLeft", 6)  # at large rates the heap is chaotic: the last digits of a sum decide
    assert press(program, "Home")["program"] == "X"
    assert '"clears" failed, "all parts learn" passed' in root.inner_text()
