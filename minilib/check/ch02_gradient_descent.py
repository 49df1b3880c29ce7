"""Exercises of chapter 02: walking downhill, and how fast one may."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


def pair_fault(got: Any, names: tuple[str, str], columns: int) -> str | None:
    """What is wrong with the form of an answer (weights, bias), or None if it has it."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        return f"give back two things, {names[0]} and {names[1]}"
    shapes = [np.shape(part) for part in got]
    if shapes[0] == () and shapes[1] != ():
        return f"the order: {names[0]} comes first, {names[1]} second"
    if shapes[1] == (columns,) and columns > 1:
        return f"{names[1]} is a single number, yours has one for each column: a sum is missing"
    if shapes[1] != ():
        return f"{names[1]} is a plain number, yours is an array of shape {shapes[1]}"
    return None


def first_hint(candidates: list[tuple[bool, str]], general: str) -> str:
    """The hint of the first mistake that explains the answer."""
    return next((hint for explains, hint in candidates if explains), general)


# 1. Walk the bowl ----------------------------------------------------------------------------------------------------
def _walk_cases(rng: np.random.Generator) -> list[Inputs]:
    return [(0.0, 0.1, 5), (10.0, 0.3, 4), (4.0, 0.2, 3), (float(rng.uniform(-9, 9)), 0.05, 12)]


@exercise("02.walk", "Walk the bowl", _walk_cases)
def _walk(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((w, rate, steps), got) in enumerate(zip(inputs, outputs, strict=True)):
        t = np.arange(steps + 1)

        def path(slope: float, w: float = w, rate: float = rate, t: Array = t) -> Array:
            return 4 + (w - 4) * (1 - slope * rate) ** t

        right = path(5)
        if close(got, right, 1e-5, 1e-6):
            continue
        if np.shape(got) != right.shape:
            form = f"give back {steps + 1} numbers: the start, then w after each of the {steps} steps"
            yield Problem(i, right, form)
            continue
        got = np.asarray(got, float)
        # a nudge h to one side measures the slope at w + h/2, so the walk ends h/2 beside the goal
        shift = (1 - (1 - 5 * rate) ** t) / 2
        h = float(shift @ (right - got) / (shift @ shift))
        hints = [
            (close(got, path(-5)), "you walk uphill: the step goes against the slope, w − rate · slope"),
            (
                close(got, path(2.5)),
                "half as far as expected: the slope of a square is 2 · (miss) · x; is the 2 there?",
            ),
            (
                close(got, path(1)),
                "a fifth as far as expected: a miss counts times its kilometres, and twice (a square)",
            ),
            (
                close(got, path(10)),
                "twice as far as expected: the loss is the mean over the two deliveries, not the sum",
            ),
            (
                close(got, w - rate * 5 * (w - 4) * t),
                "every step uses the slope of the start: ask for it again at each w",
            ),
            (close(got[:-1], right[1:]), "your list begins after the first step: the start itself comes first"),
            (close(got[1:], right[:-1]), "the start stands there twice: take the step first, then append"),
            (
                abs(h) < 1.5 and close(got, right - h * shift, 1e-5, 1e-5),
                f"a nudge to one side only: it measures the slope half a nudge beside w, and your walk ends "
                f"{abs(h) / 2:.2g} beside the goal; nudge both ways, or work the slope out on paper",
            ),
        ]
        general = "every step must multiply w − 4 by 1 − 5 · rate; compute one step by hand and compare"
        yield Problem(i, right, first_hint(hints, general))


# 2. Predict the cliff ------------------------------------------------------------------------------------------------
def _limit_cases(rng: np.random.Generator) -> list[Inputs]:
    # columns that go together and have means, so that no shortcut (one column, np.cov) comes out right
    table = rng.standard_normal((50, 3)) @ np.array([[2, 1, 0], [0, 3, 1], [0, 0, 0.5]]) + (1, 2, -1)
    return [(table,), (np.array([[1.0], [2.0], [4.0]]),), (3 * table,), (rng.standard_normal((12, 5)),)]


@exercise("02.rate_limit", "Predict the cliff", _limit_cases)
def _rate_limit(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((x,), got) in enumerate(zip(inputs, outputs, strict=True)):
        n, hessian = len(x), 2 * x.T @ x / len(x)
        curvatures, centred = np.linalg.eigvalsh(hessian), x - x.mean(0)
        right = 2 / curvatures[-1]
        if close(got, right, rtol=1e-3):
            continue
        if np.shape(got) != ():
            yield Problem(i, right, "one number is asked for: the limit of the direction that explodes first")
            continue
        stretch, steepest_centred = np.sqrt(curvatures[-1] * n / 2), np.linalg.eigvalsh(2 * centred.T @ centred)[-1]
        typical: list[tuple[list[float], str]] = [
            ([2 / n * right], "it differs by N/2: the curvature is 2·XᵀX/N, not XᵀX"),
            ([2 * right], "twice too high: the second derivative of a square is 2, so the curvature is 2·XᵀX/N"),
            ([right / n], "N times too low: the loss is a mean, so the curvature is divided by N"),
            ([right / 2], "half of the limit: safe, but the cliff stands at 2/curvature, not 1/curvature"),
            ([curvatures[-1]], "that is the steepest curvature itself; the limit is 2 divided by it"),
            ([2 / curvatures[0]], "that is the limit of the flattest direction; the steepest one explodes first"),
            (
                list(2 / curvatures[1:-1]),
                "that is the limit of a direction in between; `np.linalg.eig` does not sort, `eigvalsh` does",
            ),
            ([2 / (curvatures[0] + curvatures[-1])], "that is the rate with the best guarantee; the limit lies higher"),
            ([n / stretch, 2 / stretch, 1 / stretch], "a singular value of X must be squared to give a curvature"),
            (
                [right * x.shape[1] / n, right * x.shape[1]],
                "the mean of the loss is over the rows: divide by N = len(X), whatever the number of columns",
            ),
            (
                [2 / float(np.linalg.norm(hessian))],
                "a norm of the whole matrix; the limit asks for its largest eigenvalue",
            ),
            ([2 / curvatures.sum()], "the sum of all curvatures; only the steepest one counts"),
            ([2 / hessian.max()], "the curvature along one column alone; a direction between columns can be steeper"),
            (
                [2 * k / steepest_centred for k in (n, n - 1)] + [(n - 1) * 4 / steepest_centred],
                "the means of the columns were subtracted (`np.cov` does that): the limit is asked for X as it is",
            ),
        ]
        hints = [(any(close(got, wrong, rtol=1e-3) for wrong in wrongs), hint) for wrongs, hint in typical]
        general = "steps at 0.99 of the limit must shrink the error in every direction, at 1.01 of it grow in one"
        yield Problem(i, right, first_hint(hints, general))
