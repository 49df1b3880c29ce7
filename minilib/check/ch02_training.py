"""Exercises of chapter 02 on a whole program: one to mend, one whose errors have a price."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


# 5. Mend the loop ----------------------------------------------------------------------------------------------------
BUGS = {
    "leak": "mean and std are taken from the test rows too: the future leaks into the training",
    "sign": "it learns to be wrong: the step must go against the gradient, which is Xᵀ(p − y)/N",
    "bias": "the bias never moves: it has a slope too, the mean of p − y",
    "threshold": "nearly every answer is yes: a probability is above 0 always; say yes from 0.5 on",
}


def _trained(bugs: tuple[str, ...], train_x: Array, train_y: Array, test_x: Array, rate: float, steps: int) -> Any:
    """What the program of the exercise gives with some of its bugs left in."""
    rows = np.concatenate([train_x, test_x]) if "leak" in bugs else train_x
    mean, std = rows.mean(0), rows.std(0)
    x, w, b = (train_x - mean) / std, np.zeros(train_x.shape[1]), 0.0
    for _ in range(steps):
        error = _sigmoid(x @ w + b) - train_y
        error = -error if "sign" in bugs else error
        w = w - rate * x.T @ error / len(x)
        b = b if "bias" in bugs else b - rate * error.mean()
    return w, b, (_sigmoid((test_x - mean) / std @ w + b) > (0 if "threshold" in bugs else 0.5)).astype(int)


def _mend_cases(rng: np.random.Generator) -> list[Inputs]:
    y = np.arange(60) % 4 == 0
    x = rng.standard_normal((60, 3)) * (1, 10, 0.1) + y[:, None] * (2, 15, 0) + (5, -20, 1)
    test_x = rng.standard_normal((30, 3)) * (1, 10, 0.1) + (7, -5, 1.05)
    return [(x, y.astype(int), test_x, 0.5, 60), (x, rng.permutation(y).astype(int), test_x, 0.5, 60)]


@exercise("02.mend_training", "Mend the program that trains", _mend_cases)
def _mend(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    def alike(got: Any, other: Any) -> bool:
        return len(got) == 3 and all(close(one, two, 1e-6, 1e-9) for one, two in zip(got, other, strict=True))

    left = [bugs for count in range(1, 5) for bugs in combinations(BUGS, count)]
    for i, (arguments, got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _trained((), *arguments)
        if alike(got, right):
            continue
        found = next((bugs for bugs in left if alike(got, _trained(bugs, *arguments))), None)
        if found:
            more = f" ({len(found) - 1} more after that)" if len(found) > 1 else ""
            hint = BUGS[found[0]] + more
        elif len(got) != 3 or np.shape(got[0]) != right[0].shape:
            hint = "give back w (D,), b and the answers for the test rows, as the broken program does"
        elif i == 1 and close(got[0], outputs[0][0]):
            hint = "shuffled labels gave the same weights: the labels are never used"
        else:
            hint = "start from zeros, scale by the training rows, take full steps along Xᵀ(p − y)/N and its mean for b"
        yield Problem(i, right, hint)


# 8. Price the errors -------------------------------------------------------------------------------------------------
def _price_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for n, sharpness, costs in ((400, 1.0, (20.0, 1.0)), (400, 3.0, (20.0, 1.0)), (300, 3.0, (1.0, 5.0))):
        z = rng.normal(-1, 1.5, n)
        y = (rng.random(n) < _sigmoid(z)).astype(int)
        cases.append((_sigmoid(sharpness * z), y, *costs))  # sharpness 3: more certain than it has a right to be
    return cases


def _price(threshold: float, p: Array, y: Array, miss: float, alarm: float) -> float:
    yes = p >= threshold
    return float(miss * ((y == 1) & ~yes).sum() + alarm * ((y == 0) & yes).sum())


@exercise("02.best_threshold", "Price the errors", _price_cases)
def _best_threshold(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((p, y, miss, alarm), got) in enumerate(zip(inputs, outputs, strict=True)):
        threshold = float(got)
        grid = np.linspace(0, 1, 201)
        prices = [_price(t, p, y, miss, alarm) for t in grid]
        paid, least = _price(threshold, p, y, miss, alarm), min(prices)
        if np.isfinite(threshold) and paid <= least:
            continue
        swapped = [_price(t, p, y, alarm, miss) for t in grid]
        if not 0 <= threshold <= 1:
            hint = "a threshold for probabilities lies between 0 and 1"
        elif threshold == 0.5:
            hint = "0.5 is right only if both errors cost the same"
        elif close(threshold, alarm / (alarm + miss)):
            hint = (
                "alarm/(alarm + miss) is best if the probabilities can be believed, which these cannot: "
                "count what each threshold costs on the samples"
            )
        elif close(threshold, miss / (alarm + miss)) or _price(threshold, p, y, alarm, miss) <= min(swapped):
            hint = "the prices are the wrong way round: where a miss is dear, say yes early, with a low threshold"
        else:
            hint = "try many thresholds, add up misses · price + alarms · price for each, keep the cheapest"
        yield Problem(i, f"a threshold at which the errors cost at most {least:g} (yours: {paid:g})", hint)
