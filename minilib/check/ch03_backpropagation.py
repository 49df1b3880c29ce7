"""Exercises of chapter 03 on graphs and rules: paths, slopes, broadcasting, reading a check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.spec import Inputs, Problem, close, exercise, once


# 1. (a·b + a)·c ------------------------------------------------------------------------------------------------------
def _by_hand_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (2.0, 3.0, 5.0),
        (0.0, -1.0, 4.0),
        *((float(a), float(b), float(c)) for a, b, c in rng.normal(0, 2, (3, 3))),
    ]


@exercise("03.blame_by_hand", "Blame by hand", _by_hand_cases)
def _blame_by_hand(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    def f(a: float, b: float, c: float) -> float:
        return (a * b + a) * c

    h = 1e-6
    for i, ((a, b, c), got) in enumerate(zip(inputs, outputs, strict=True)):
        expected = [
            (f(a + h, b, c) - f(a - h, b, c)) / (2 * h),
            (f(a, b + h, c) - f(a, b - h, c)) / (2 * h),
            (f(a, b, c + h) - f(a, b, c - h)) / (2 * h),
        ]
        if close(got, expected, rtol=1e-5, atol=1e-6):
            continue
        shown = tuple(round(x, 4) for x in expected)
        if np.shape(got) != (3,):
            yield Problem(i, shown, "give back three numbers: the blame of a, of b and of c, in this order")
        da, db, dc = (float(x) for x in got)
        if close(da, b * c) or close(da, c):
            yield Problem(i, shown, "a reaches the result by two paths, and one is lost: add both products, b·c and c")
        if close(db, b * c) or close(db, b):
            yield Problem(i, shown, "the slope of a·b towards b is the *other* factor, a; the blame of b is a·c")
        if close(db, a):
            yield Problem(
                i, shown, "the path from b to the result has two arrows: multiply by the second slope, c, too"
            )
        if close(dc, c):
            yield Problem(i, shown, "the slope towards c is what c is multiplied by, a·b + a, not c itself")
        yield Problem(i, shown, "write every path as a product of slopes; compare with a small nudge of each input")


# 2. Slopes of three new operations -----------------------------------------------------------------------------------
def _slopes_cases(rng: np.random.Generator) -> list[Inputs]:
    a, b = rng.normal(0, 2, (2, 6))
    return [
        (a, b),
        (np.array([-1000.0, -30.0, 30.0, 1000.0]), np.zeros(4)),
        (np.array([1.5, -2.0]), np.array([1.5, -2])),
    ]


@exercise("03.new_slopes", "Teach the engine new operations", _slopes_cases)
def _new_slopes(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((a, b), got) in enumerate(zip(inputs, outputs, strict=True)):
        softplus, absolute, first, second = (np.asarray(x, float) for x in got)
        sigmoid = 0.5 * (1 + np.tanh(0.5 * a))
        if not np.isfinite(softplus).all():
            yield Problem(
                i,
                sigmoid,
                "exp overflows above 709: write the sigmoid so that exp never sees a large "
                "positive number, for instance with tanh",
            )
        if close(softplus, 1 - sigmoid):
            yield Problem(i, sigmoid, "that is the sigmoid of −a: softplus rises with slope 1 for large positive a")
        if not close(softplus, sigmoid):
            yield Problem(i, sigmoid, "the slope of ln(1 + e^a) is e^a / (1 + e^a), which is the sigmoid of a")
        if not close(absolute, np.sign(a)):
            yield Problem(i, np.sign(a), "the slope of |a| is +1 for positive a and −1 for negative a: the sign of a")
        if close(first, np.greater_equal(a, b)) and close(second, np.greater_equal(b, a)) and np.equal(a, b).any():
            yield Problem(
                i,
                "two slopes that sum to 1",
                "at a tie both inputs get the full blame, so it counts twice: "
                "the two slopes must sum to 1, a half each for instance",
            )
        if close(first, np.less(a, b)):
            yield Problem(
                i,
                np.greater(a, b) + 0.5 * np.equal(a, b),
                "the blame goes to the larger input, not to the smaller: only the larger one moves the maximum",
            )
        if not close(first + second, np.ones_like(a)):
            yield Problem(
                i,
                "two slopes that sum to 1",
                "if both inputs rise by one unit, the maximum does: at every "
                "entry the two slopes must sum to 1, at a tie too",
            )
        if not close(first[a != b], (a > b)[a != b]):
            yield Problem(i, np.greater(a, b), "the larger input has slope 1 and the smaller slope 0")


# 3. How many paths? --------------------------------------------------------------------------------------------------
def _paths_cases(rng: np.random.Generator) -> list[Inputs]:
    coffee = [[], [0], [1], [0, 2]]
    ladder = [[], *([i, i] for i in range(60))]
    mesh: list[list[int]] = [[], []]
    for i in range(2, 12):
        mesh.append(sorted(rng.integers(0, i, 3).tolist()))
    return [(coffee, 0), ([[], [0, 0]], 0), (mesh, 0), (mesh, 1), ([[], [0], [1]], 2), (ladder, 0)]


@exercise("03.count_paths", "Count the paths", _paths_cases)
def _count_paths(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((parents, start), got) in enumerate(zip(inputs, outputs, strict=True)):
        expected = _ways(parents, start)
        if not isinstance(got, int | float | np.integer | np.floating) or isinstance(got, bool):
            yield Problem(i, expected, "give back one whole number")
        if got == expected:
            continue
        if got == _ways([sorted(set(p)) for p in parents], start):
            yield Problem(
                i, expected, "a parent that is used twice is two arrows, and so two paths: do not drop doubles"
            )
        if got == sum(map(len, parents)):
            yield Problem(i, expected, "that is the number of arrows; a path is a whole way from start to end")
        if start == len(parents) - 1 and got == 0:
            yield Problem(
                i, expected, "from a node to itself there is one path, the empty one: it starts the count at 1"
            )
        yield Problem(
            i,
            expected,
            "the number of ways to a node is the sum of the numbers of ways to its parents, one "
            "term an arrow; only the start begins with 1",
        )


def _ways(parents: list[list[int]], start: int) -> int:
    ways: list[int] = []
    for node, above in enumerate(parents):
        ways.append(1 if node == start else sum(ways[p] for p in above))
    return ways[-1]


# 4. Division with broadcasting ---------------------------------------------------------------------------------------
def _ratio_cases(rng: np.random.Generator) -> list[Inputs]:
    shapes = [
        ((3, 4), (3, 4)),
        ((3, 4), (4,)),
        ((3, 1), (3, 4)),
        ((2, 3, 4), (3, 1)),
        ((1, 4), (3, 1)),
        ((2, 1, 3), ()),
    ]
    cases = []
    for one, other in shapes:
        a, b = rng.normal(0, 1, one), rng.uniform(0.5, 2, other)
        cases.append((a, b, rng.normal(0, 1, np.broadcast_shapes(one, other))))
    return cases


@exercise("03.undo_broadcasting", "Undo broadcasting", _ratio_cases)
def _undo_broadcasting(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((a, b, g), got) in enumerate(zip(inputs, outputs, strict=True)):
        for which, x, full, one in zip(("a", "b"), (a, b), (g / b, -g * a / b**2), got, strict=True):
            expected, found = _summed(full, np.shape(x)), np.asarray(one, float)
            if close(found, expected):
                continue
            what = f"the gradient of {which}, {'a number' if not np.shape(x) else f'shape {np.shape(x)}'}"
            if found.shape == full.shape != expected.shape and found.ndim > expected.ndim:
                yield Problem(
                    i,
                    what,
                    f"{which} was copied on the way forward, and its gradient still has the shape of "
                    "the result: sum it over every copied axis",
                )
            if found.shape != expected.shape:
                yield Problem(
                    i,
                    what,
                    f"the gradient of {which} has shape {found.shape}: an axis of length 1 that was "
                    "stretched must be summed too, with keepdims=True, and new axes in front dropped",
                )
            copies = full.size // max(expected.size, 1)
            if copies > 1 and close(found * copies, expected):
                yield Problem(
                    i,
                    expected,
                    f"every copy of {which} is a path, and blame adds where paths meet: take the "
                    "sum over the copies, not the mean",
                )
            if close(-found, expected):
                yield Problem(i, expected, f"the sign for {which} is turned round: a / b falls when b grows")
            yield Problem(
                i,
                expected,
                f"check the slope of a / b towards {which}: 1/b for a, −a/b² for b, times g, then "
                "the sum over the copies",
            )


def _summed(full: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    padded = (1,) * (full.ndim - len(shape)) + shape
    axes = tuple(k for k, n in enumerate(padded) if n == 1 and full.shape[k] != 1)
    return full.sum(axis=axes, keepdims=True).reshape(shape)


# 7. Five reports -----------------------------------------------------------------------------------------------------
ANSWERS = {"A": "fine", "B": "bug", "C": "float32", "D": "step too small", "E": "kink"}
WHY = {
    "A": "the error is far below 10⁻⁶ at every usual step: nothing is wrong",
    "B": "the error is the same at every step: no choice of step helps, and no tolerance should hide it. A bug",
    "C": "the error is largest for the *small* steps, and the column dtype says why",
    "D": "a step of 10⁻¹¹ alone was tried: two nearly equal losses were subtracted; try 10⁻⁵ before calling it a bug",
    "E": "only the long step disagrees: it crossed a place where a slope jumps. At shorter steps all is well",
}


@exercise("03.read_reports", "Read a gradient-check report", once)
def _read_reports(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    (got,) = outputs
    if not isinstance(got, dict) or set(got) != set(ANSWERS):
        yield Problem(0, "a dictionary with the keys A to E", "give every report one diagnosis")
    unknown = [x for x in got.values() if x not in ANSWERS.values()]
    if unknown:
        yield Problem(0, ", ".join(sorted(ANSWERS.values())), f"{unknown[0]!r} is none of the five diagnoses")
    if got["B"] == "fine":
        yield Problem(0, "B: another diagnosis", "raising the tolerance would let B pass and hide a bug")
    if all(x == "bug" for x in got.values()):
        yield Problem(
            0, "different diagnoses", "not every disagreement is a bug: look at how the error changes with the step"
        )
    for name, right in ANSWERS.items():
        if got[name] != right:
            yield Problem(0, f"{name}: another diagnosis", f"report {name}: {WHY[name]}")
