"""Python's answer to the figure `optimiser_race`: the same steps with NumPy, on the same surfaces."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from tests.figures.keyboard import press_keys

PAGE = "notebooks/05_optimisers.html"
Array = np.ndarray
SLOPES: dict[str, Callable[[Array], Array]] = {
    "bowl": lambda w: 4 * w,
    "valley": lambda w: np.array([1, 100]) * w,
    "banana": lambda w: np.array(
        [-2 * (1 - w[0]) - 400 * w[0] * (w[1] - w[0] * w[0]), 200 * (w[1] - w[0] * w[0])]
    ),
    "saddle": lambda w: np.array([w[0], w[1] ** 3 - w[1]]),
    "plateau": lambda w: 4 * w * math.exp(-2 * float(w @ w)),
}  # fmt: skip
GOALS = {"banana": [(1, 1)], "saddle": [(0, 1), (0, -1)]}
RULES = ("plain", "momentum", "rmsprop", "adam")


def path(rule: str, settings: dict[str, Any]) -> list[Array]:
    """Where one optimiser stands after each of up to 300 steps."""
    slope, rate, beta = SLOPES[settings["surface"]], settings["rates"][rule], settings["beta"]
    seen = [np.array(settings["start"], float)]
    v, m, q = np.zeros(2), np.zeros(2), np.zeros(2)
    for t in range(1, 301):
        w = seen[-1]
        g = slope(w)
        if rule == "plain":
            w = w - rate * g
        elif rule == "momentum":
            v = beta * v + g
            w = w - rate * v
        elif rule == "rmsprop":
            q = 0.99 * q + 0.01 * g * g
            w = w - rate * g / (np.sqrt(q) + 1e-8)
        else:
            m, q = beta * m + (1 - beta) * g, 0.999 * q + 0.001 * g * g
            fair = (1 - beta**t, 1 - 0.999**t) if settings["corrected"] else (1, 1)
            w = w - rate * (m / fair[0]) / (np.sqrt(q / fair[1]) + 1e-8)
        if not (np.abs(w) < 1e6).all():
            break
        seen.append(w)
    return seen


def arrival(surface: str, seen: list[Array]) -> int | None:
    goals = np.array(GOALS.get(surface, [(0, 0)]), float)
    far = np.array([np.linalg.norm(goals - w, axis=1).min() for w in seen])
    away = np.flatnonzero(far > 0.01 * far[0])
    first = int(away[-1]) + 1 if len(away) else 0
    return first if len(seen) == 301 and first < 301 else None


def agree(got: dict[str, Any]) -> None:
    for rule in RULES:
        seen = path(rule, got)
        end = seen[got["steps"]] if len(seen) > got["steps"] else None
        for name, wanted in (("firsts", seen[1] if len(seen) > 1 else None), ("ends", end)):
            found = got[name][rule]
            assert (found is None) == (wanted is None), (rule, name, found, wanted)
            if wanted is not None:
                assert np.allclose(found, wanted, rtol=1e-7, atol=1e-9), (rule, name, found, wanted)
        assert got["arrivals"][rule] == arrival(got["surface"], seen), (rule, got["arrivals"][rule])


def can_be_met() -> None:
    """What the page says can, and cannot, be found."""
    usual = {"surface": "valley", "start": [-1, 0.3], "beta": 0.9, "corrected": True}
    rates = 10 ** np.arange(-4, 1.001, 0.05)

    def found(rule: str) -> list[int | None]:
        return [arrival("valley", path(rule, {**usual, "rates": {rule: float(rate)}})) for rate in rates]

    assert [n for n in found("plain") if n] == [286, 255]
    assert min(n for n in found("momentum") if n) == 74
    assert all(n and n < 150 for n, rate in zip(found("adam"), rates, strict=True) if rate > 0.015)


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """Change rates, memory, correction, steps, start and surface, all by keyboard; compare after each."""
    can_be_met()
    first = result()
    assert (first["surface"], first["steps"]) == ("valley", 300)
    agree(first)
    assert first["arrivals"]["momentum"] is not None and first["arrivals"]["plain"] is None
    assert f"arrived in step {first['arrivals']['momentum']}" in root.inner_text()

    press_keys(root.get_by_label("Rate of Plain"), "ArrowRight", 5)
    faster = result()
    assert np.isclose(faster["rates"]["plain"], 10**-1.75)
    assert faster["arrivals"]["plain"] > 200
    agree(faster)
    press_keys(root.get_by_label("Rate of Plain"), "ArrowRight", 3)
    gone = result()
    assert gone["rates"]["plain"] > 2 / 100
    agree(gone)
    assert "Plain: flew off after step" in root.inner_text()

    press_keys(root.get_by_label("Bias correction"), "Space")
    raw = result()
    agree(raw)
    step, before = (abs(r["firsts"]["adam"][0] + 1) for r in (raw, first))
    assert math.isclose(step / before, 0.1 / math.sqrt(0.001), rel_tol=1e-6)
    press_keys(root.get_by_label("Bias correction"), "Space")

    press_keys(root.get_by_label("Memory β"), "ArrowLeft", 20)
    press_keys(root.get_by_label("Steps", exact=True), "Home")
    text = root.inner_text()
    assert "After 1 step, from a loss of" in text and "will arrive in step" in text and "arrived" not in text
    press_keys(root.get_by_label("Steps", exact=True), "End")
    press_keys(root.get_by_label("Steps", exact=True), "ArrowLeft", 100)
    press_keys(root.get_by_label("Start y"), "ArrowRight", 3)
    moved = result()
    assert (round(moved["beta"], 2), moved["steps"], moved["start"]) == (0.7, 200, [-1, 0.36])
    agree(moved)

    surface = root.get_by_label("Surface", exact=True)
    for name in ("banana", "saddle", "plateau"):
        press_keys(surface, "ArrowDown")
        press_keys(root.get_by_label("Rate of Plain"), "Home")
        assert result()["surface"] == name
        agree(result())
    press_keys(root.get_by_label("RMSProp", exact=True), "Space")
    assert result()["on"]["rmsprop"] is False
    assert "RMSProp:" not in root.inner_text()
    press_keys(root.get_by_role("button", name="Run"), "Enter")
    root.page.wait_for_timeout(300)
    press_keys(surface, "Home")
    assert result()["surface"] == "bowl"
    agree(result())
