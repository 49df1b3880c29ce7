"""Python's answer to the figure `loss_surface`: the same walk with NumPy, on the two columns of the real table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from minilib import data

PAGE = "notebooks/02_gradient_descent.html"


def table(columns: str) -> tuple[np.ndarray, np.ndarray]:
    patients = data.diabetes()
    x = patients.x[:, [2, 8]] - patients.x[:, [2, 8]].mean(0)
    return (x / x.std(0) if columns == "scaled" else x), patients.y - patients.y.mean()


def expected(settings: dict[str, Any]) -> dict[str, Any]:
    """What the figure must say for its settings: columns, rate, start and steps."""
    x, y = table(settings["columns"])
    hessian, goal = 2 * x.T @ x / len(x), np.linalg.lstsq(x, y, rcond=None)[0]
    curvatures, directions = np.linalg.eigh(hessian)
    path = [np.array(settings["start"], float)]
    for _ in range(2000):
        path.append(path[-1] - settings["rate"] * 2 * x.T @ (x @ path[-1] - y) / len(x))
    floor = np.mean((x @ goal - y) ** 2)
    excess = np.array([np.mean((x @ w - y) ** 2) - floor for w in path])
    left = excess / excess[0]
    before, after = (np.abs(directions.T @ (w - goal)) for w in (path[0], path[settings["steps"]]))
    arrived, gone = np.flatnonzero(left <= 0.01), np.flatnonzero(left > 100)
    return {
        "limit": 2 / curvatures[1],
        "end": path[settings["steps"]],
        "left": left[settings["steps"]],
        "loss": floor + excess[settings["steps"]],
        "flat": after[0] / before[0],
        "steep": after[1] / before[1],
        "arrives": int(arrived[0]) if len(arrived) else None,
        "leaves": int(gone[0]) if len(gone) else None,
    }


def agree(got: dict[str, Any]) -> None:
    wanted = expected(got)
    for name in ("limit", "end", "left", "loss", "flat", "steep"):
        assert np.allclose(got[name], wanted[name], rtol=1e-4, atol=1e-6), (name, got[name], wanted[name])
    for name in ("arrives", "leaves"):
        assert got[name] == wanted[name], (name, got[name], wanted[name])


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """Set the rate below and above the limit, the steps, the start and the scaling, all by keyboard."""
    rate, steps = root.get_by_label("Learning rate"), root.get_by_label("Steps", exact=True)
    first = result()
    assert first["columns"] == "raw"
    assert first["rate"] < first["limit"]
    agree(first)

    rate.focus()
    for _ in range(12):
        rate.press("ArrowRight")
    over = result()
    assert over["rate"] > over["limit"]
    assert over["leaves"] is not None
    assert over["steep"] > 1 > over["flat"]
    agree(over)
    assert f"diverges: a hundred times the starting excess after {over['leaves']} steps" in root.inner_text()

    steps.focus()
    for _ in range(3):
        steps.press("ArrowLeft")
    start = root.get_by_label("Start: weight of s5")
    start.focus()
    start.press("ArrowRight")
    moved = result()
    assert moved["steps"] == first["steps"] - 3
    assert moved["start"] == [0, 1]
    agree(moved)

    root.get_by_label("Columns").focus()
    root.get_by_label("Columns").press("ArrowDown")
    assert result()["columns"] == "scaled"
    rate.focus()
    rate.press("End")
    for _ in range(60):
        rate.press("ArrowLeft")
    scaled = result()
    assert scaled["start"] == [0, 0]
    assert abs(scaled["rate"] - 10**-0.3) < 1e-6
    assert scaled["arrives"] <= 5
    agree(scaled)
