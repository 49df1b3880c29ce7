"""Python's answer to the figure `loss_surface`: the same walk with NumPy, on the two columns of the real table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from minilib import data
from tests.figures.keyboard import press_keys

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


def curvatures_of(columns: str) -> np.ndarray:
    x, _ = table(columns)
    return np.linalg.eigvalsh(2 * x.T @ x / len(x))


def best_anywhere(columns: str) -> float:
    """The rate with the best guarantee for any start."""
    return 2 / float(curvatures_of(columns).sum())


def fewest(columns: str) -> int:
    """The fewest steps from (0, 0) to within 1 % of the starting excess, over 1,000 rates below the limit."""
    (x, y), curvatures = table(columns), curvatures_of(columns)
    _, axes = np.linalg.eigh(2 * x.T @ x / len(x))
    goal = axes.T @ np.linalg.lstsq(x, y, rcond=None)[0]
    rates = np.linspace(0, 2 / curvatures[1], 1001)[1:-1]
    steps = np.arange(1, 2001)[:, None, None]
    left = ((1 - rates[:, None] * curvatures) ** (2 * steps) * curvatures * goal**2).sum(-1)
    arrived = left <= 0.01 * (curvatures * goal**2).sum()
    return int(steps[arrived.any(axis=1).argmax()].item())


def agree(got: dict[str, Any]) -> None:
    wanted = expected(got)
    for name in ("limit", "end", "left", "loss", "flat", "steep"):
        assert np.allclose(got[name], wanted[name], rtol=1e-4, atol=1e-6), (name, got[name], wanted[name])
    for name in ("arrives", "leaves"):
        assert got[name] == wanted[name], (name, got[name], wanted[name])


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """Meet the challenge on both scalings, cross the limit, move steps and start: all by keyboard."""
    rate, steps = root.get_by_label("Learning rate"), root.get_by_label("Steps", exact=True)
    columns, start = root.get_by_label("Columns"), root.get_by_label("Start: weight of s5")

    def press(control: Locator, key: str, times: int = 1) -> dict[str, Any]:
        press_keys(control, key, times)
        agree(result())
        return result()

    first = result()
    agree(first)
    assert (first["columns"], first["start"]) == ("raw", [0, 0])
    assert first["rate"] < first["limit"]
    assert first["best"] == {"steps": first["arrives"], "rate": first["rate"]}

    fine = press(rate, "ArrowRight")
    assert np.isclose(fine["rate"] - first["rate"], 0.0001)
    good = press(rate, "ArrowRight", 34)
    assert np.isclose(good["rate"], 0.0495)
    assert good["best"]["steps"] == fewest("raw") == 74
    assert expected({**good, "rate": best_anywhere("raw")})["arrives"] == 104
    assert f"{good['rate'] / good['limit']:.3f} of the limit" in root.inner_text()

    over = press(rate, "ArrowRight", 30)
    assert over["rate"] > over["limit"]
    assert over["steep"] > 1 > over["flat"]
    assert f"past all bounds (over 100 times the starting excess) after {over['leaves']} steps" in root.inner_text()
    assert "Best so far from this start: 74 steps" in root.inner_text()
    steps.focus()
    steps.press("End")  # 300 steps: rounding makes the path's end incomparable, the bars and the words stand
    gone = result()
    assert np.isclose(gone["flat"], abs(1 - gone["rate"] * curvatures_of("raw")[0]) ** 300)
    assert "After 300 steps the loss is past all bounds." in root.inner_text()
    assert "e+" not in root.inner_text()

    press(rate, "ArrowLeft", 40)
    press(steps, "Home")
    assert "After 1 step the loss is" in root.inner_text()
    moved = press(start, "ArrowRight")
    assert (moved["steps"], moved["start"]) == (1, [0, 1])
    assert moved["best"] == {"steps": moved["arrives"], "rate": moved["rate"]}  # another start, another record

    share = moved["rate"] / moved["limit"]
    scaled = press(columns, "ArrowDown")
    assert (scaled["columns"], scaled["start"]) == ("scaled", [0, 0])
    assert abs(scaled["rate"] / scaled["limit"] - share) < 0.001
    press(rate, "Home")
    landing = press(rate, "ArrowRight", 315)
    assert np.isclose(landing["rate"], 0.35)
    assert landing["arrives"] == landing["best"]["steps"] == fewest("scaled") == 1
    assert "It is within 1 % after 1 step. Best so far from this start: 1 step," in root.inner_text()
    assert expected({**landing, "rate": best_anywhere("scaled")})["arrives"] == 3
