"""Python's answer to the figure `wrong_winner`: the models trained again, another way, and the same draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from minilib import data
from tests.figures.keyboard import press_keys

PAGE = "notebooks/01_data.html"
NAMES = ("parrot", "pieces of 2", "pieces of 4", "pieces of 6")


def _votes(texts: list[str], labels: np.ndarray, size: int | None) -> Callable[[str], bool]:
    """A model that counts pieces of `size` characters; whole texts if None."""

    def cut(one: str) -> list[str]:
        return [one] if size is None else [one[i : i + size] for i in range(len(one) - size + 1)]

    good: Counter[str] = Counter()
    bad: Counter[str] = Counter()
    for one, label in zip(texts, labels, strict=True):
        (good if label else bad).update(cut(one))
    return lambda one: sum(math.log((good[p] + 1) / (bad[p] + 1)) for p in cut(one)) > 1e-9


@cache
def counts() -> dict[str, list[int]]:
    """How many test lines of the first random split, seen and new, have each pattern of right answers."""
    reviews = data.reviews_zh()
    train = np.random.default_rng(0).permutation(len(reviews)) >= len(reviews) // 5
    models = [_votes(list(reviews.x[train]), reviews.y[train], size) for size in (None, 2, 4, 6)]
    known = set(reviews.x[train])
    found = {"seen": [0] * 16, "new": [0] * 16}
    for one, label in zip(reviews.x[~train], reviews.y[~train], strict=True):
        pattern = sum((model(one) == label) << i for i, model in enumerate(models))
        found["seen" if one in known else "new"][pattern] += 1
    return found


def accuracies(kind: str) -> np.ndarray:
    patterns = np.array(counts()[kind])
    bits = np.arange(16)[:, None] >> np.arange(4) & 1
    return patterns @ bits / patterns.sum()


def uniform(seed: int) -> Callable[[], float]:
    """Mulberry32, as in common.js."""
    state = seed

    def number() -> float:
        nonlocal state
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = (state ^ state >> 15) * (1 | state) & 0xFFFFFFFF
        t = (t + ((t ^ t >> 7) * (61 | t) & 0xFFFFFFFF) & 0xFFFFFFFF) ^ t
        return ((t ^ t >> 14) & 0xFFFFFFFF) / 2**32

    return number


def drawn(share: int, size: int, seed: int) -> np.ndarray:
    random, right = uniform(seed), np.zeros(4)
    edges = {kind: np.cumsum(counts()[kind]) for kind in ("seen", "new")}
    copies = math.floor(share / 100 * size + 0.5)
    for line in range(size):
        edge = edges["seen" if line < copies else "new"]
        pattern = int(np.searchsorted(edge, random() * edge[-1], side="right"))
        right += pattern >> np.arange(4) & 1
    return right / size


def scores(share: int, size: str, seed: int) -> np.ndarray:
    if size == "all":
        return share / 100 * accuracies("seen") + (1 - share / 100) * accuracies("new")
    return drawn(share, int(size.removeprefix("n")), seed)


def leader(found: np.ndarray, contenders: list[int]) -> int | None:
    first = [i for i in contenders if abs(found[i] - max(found[contenders])) < 1e-12]
    return first[0] if len(first) == 1 else None


def agree(got: dict[str, Any]) -> None:
    contenders = [int(i) for i in got["pair"].split(",")]
    found = scores(got["share"], got["size"], got["seed"])
    assert np.allclose(got["seen"], accuracies("seen"))
    assert np.allclose(got["new"], accuracies("new"))
    assert np.allclose(got["scores"], found), (got["scores"], found)
    assert got["first"] == leader(found, contenders)
    assert got["best"] == leader(accuracies("new"), contenders)
    tests = [leader(scores(got["share"], got["size"], seed), contenders) for seed in range(1, got["seed"] + 1)]
    ties = sum(first is None for first in tests)
    worse = sum(first not in (None, got["best"]) for first in tests)
    assert got["tally"] == {"tests": len(tests), "worse": worse, "ties": ties}


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """Meet the three challenges by keyboard."""
    share, pair = root.get_by_label("Copies in the test", exact=True), root.get_by_label("To choose between")
    lines = root.get_by_label("Lines in the test")

    def press(control: Locator, key: str, times: int = 1) -> dict[str, Any]:
        press_keys(control, key, times)
        agree(result())
        return result()

    first = result()
    agree(first)
    assert (first["share"], first["pair"], first["size"]) == (77, "1,3", "all")
    assert (first["first"], first["best"]) == (3, 1)
    assert "The test ships pieces of 6, the wrong one" in root.inner_text()

    # 1: the least share at which pieces of 6 win
    wrong = press(share, "ArrowLeft", 77 - 43)
    right = press(share, "ArrowLeft")
    lead = np.subtract(*(accuracies("new")[[1, 3]]))
    flip = lead / (lead + np.subtract(*(accuracies("seen")[[3, 1]])))
    assert (wrong["share"], wrong["first"]) == (math.ceil(100 * flip), 3)
    assert (right["share"], right["first"]) == (math.floor(100 * flip), 1)
    assert "The test ships pieces of 2: the best on new texts too." in root.inner_text()

    # 2: the parrot against pieces of 2
    press(pair, "ArrowDown")
    assert result()["pair"] == "0,1"
    assert press(share, "ArrowRight", 33)["first"] == 1
    assert press(share, "ArrowRight", 2)["first"] == 0

    # 3: luck alone
    press(pair, "ArrowUp")
    press(share, "Home")
    press(lines, "ArrowDown")
    few = press(lines, "ArrowDown")
    assert (few["share"], few["size"], few["tally"]["tests"]) == (0, "n100", 1)
    press(root.get_by_role("button", name="Draw another test"), "Enter")
    many = press(root.get_by_role("button", name="Draw 100 more"), "Enter")
    assert many["tally"]["tests"] == 102
    assert 0 < many["tally"]["worse"] < 40
    assert f"a wrong winner in {many['tally']['worse']}" in root.inner_text()
