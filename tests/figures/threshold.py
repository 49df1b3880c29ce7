"""Python's answer to the figure `threshold`: the filter of chapter 06, trained and judged again with NumPy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from minilib import data, metrics
from tests.figures.keyboard import press_keys

PAGE = "notebooks/06_evaluation.html"


@cache
def test_mails() -> tuple[np.ndarray, np.ndarray]:
    """Probability and truth of the 1,001 test mails of split 0."""
    mails = data.spam()
    order = np.random.default_rng(0).permutation(len(mails))
    x, y = np.log1p(mails.x * [1, 100, 100, 100, 100, 100])[order], mails.y[order]
    x = np.column_stack([(x - x[:2600].mean(0)) / x[:2600].std(0), np.ones(len(x))])
    w = np.zeros(7)
    for _ in range(1000):
        w -= x[:2600].T @ (1 / (1 + np.exp(-x[:2600] @ w)) - y[:2600]) / 2600
    return 1 / (1 + np.exp(-x[3600:] @ w)), y[3600:]


def expected(settings: dict[str, Any]) -> dict[str, Any]:
    """What the figure must say for threshold, price of a lost mail and share of spam."""
    p, y = test_mails()
    share, blocked = settings["share"], p >= settings["threshold"] - 1e-12
    weight = np.where(y == 1, share / (y == 1).sum(), (1 - share) / (y == 0).sum())

    def part(rows: np.ndarray) -> float:
        return 1000 * float(weight[rows].sum())

    tn, fp, fn, tp = (
        part(rows) for rows in ((y == 0) & ~blocked, (y == 0) & blocked, (y == 1) & ~blocked, (y == 1) & blocked)
    )
    precision, recall = tp / (tp + fp) if tp + fp else 1.0, tp / (tp + fn)
    order = np.argsort(-np.floor(p * 10_000), kind="stable")  # the figure holds four digits: ties stay together
    level = np.floor(p * 10_000)[order]
    last = np.append(level[1:] != level[:-1], True)
    right, wrong = (np.cumsum(weight[order] * (y[order] == k))[last] for k in (1, 0))
    return {
        "matrix": [[tn, fp], [fn, tp]],
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if recall else 0.0,
        "accuracy": (tn + tp) / 1000,
        "auc": metrics.roc_auc(np.floor(p * 10_000), y),
        "ap": float((np.diff(right, prepend=0) / share * right / (right + wrong)).sum()),
        "cost": settings["lost"] * fp + fn,
        "none": 1000 * share,
        "formula": settings["lost"] / (settings["lost"] + 1),
    }


def agree(got: dict[str, Any]) -> dict[str, Any]:
    for name, value in expected(got).items():
        assert np.allclose(got[name], value, rtol=1e-6, atol=1e-6), (name, got[name], value)
    return got


def best(name: str, **settings: Any) -> tuple[float, float]:
    """The threshold of the slider with the largest F1, or the smallest cost, and that number."""
    found = [(t, expected({**settings, "threshold": t})[name]) for t in np.arange(501) / 500]
    return (max if name == "f1" else min)(found, key=lambda pair: pair[1])


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """The page's challenges by keyboard: cheaper than no filter, the best F1, rare spam."""
    names = ("Threshold", "A lost mail costs", "Share of spam")
    threshold, lost, share = (root.get_by_role("slider", name=name) for name in names)

    def press(control: Locator, key: str, times: int = 1) -> dict[str, Any]:
        press_keys(control, key, times)
        return agree(result())

    first = agree(result())
    assert (first["threshold"], first["lost"]) == (0.5, 20)
    assert first["share"] == 408 / 1001
    assert np.isclose(first["matrix"][0][1], 1000 * 47 / 1001)
    assert first["cost"] > 2 * first["none"]
    assert "genuine ones are lost" in root.inner_text()

    formula = press(threshold, "ArrowRight", 226)
    assert np.isclose(formula["threshold"], 0.952)
    assert formula["cost"] < 0.76 * formula["none"]
    assert "less than no filter" in root.inner_text()
    cells = root.locator("td").all_inner_texts()
    assert cells[-4:] == [f"{x:.0f}" if x >= 10 else f"{x:.1f}" for row in formula["matrix"] for x in row]

    usual = {"lost": 20, "share": first["share"]}
    at, f1 = best("f1", **usual)
    press(threshold, "Home")
    good = press(threshold, "ArrowRight", round(500 * at))
    assert np.isclose(good["f1"], f1)
    assert good["cost"] > 2 * good["none"]

    press(share, "Home")
    rare = press(threshold, "ArrowRight", round(500 * (0.952 - at)))
    assert np.isclose(rare["share"], 0.01)
    assert np.isclose(rare["auc"], first["auc"])
    assert rare["ap"] < first["ap"] - 0.3
    assert 105 < rare["cost"] < 107 and np.isclose(rare["none"], 10)
    cheapest = best("cost", lost=20, share=0.01)
    hindsight = press(threshold, "ArrowRight", 12)
    assert np.isclose(hindsight["threshold"], 0.976) and np.isclose(hindsight["cost"], cheapest[1])
    assert 7 < hindsight["cost"] < 7.1

    cheap = press(lost, "Home")
    assert cheap["lost"] == 1 and np.isclose(cheap["formula"], 0.5)
    assert press(lost, "End")["lost"] == 100
    assert press(threshold, "End")["matrix"][1][1] == 0
    assert "no filter (10.0)" in root.inner_text()
