"""Exercises of chapter 03 on graphs and rules: paths, slopes, broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import numpy as np

from minilib.check.spec import Inputs, Problem, close, exercise


def _arrays(got: Any, count: int) -> list[np.ndarray] | None:
    """`count` arrays of numbers, or None if the answer does not unpack into them."""
    try:
        parts = [np.asarray(one, float) for one in got]
    except (TypeError, ValueError):
        return None
    return parts if len(parts) == count else None


def _made_by(mistake: Callable[..., Any], inputs: list[Inputs], outputs: list[Any]) -> bool:
    """Whether this mistake would give every one of the outputs: one case alone may be a coincidence."""
    return all(close(got, mistake(*case)) for case, got in zip(inputs, outputs, strict=True))


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
        if close(got, expected, rtol=1e-4, atol=1e-4):
            continue
        shown = tuple(round(x, 4) for x in expected)
        if np.shape(got) != (3,):
            yield Problem(i, shown, "give back three numbers: the blame of a, of b and of c, in this order")
        da, db, dc = (float(x) for x in got)
        if any(close((da, db, dc), other, rtol=1e-4, atol=1e-4) for other in permutations(expected)):
            yield Problem(i, shown, "the three blames are right, their order is not: first a, then b, then c")
        if close(da, b * c) or close(da, c):
            yield Problem(i, shown, "a reaches the result by two paths, and one is lost: add the products of both")
        if close(db, b * c) or close(db, b):
            yield Problem(i, shown, "look at b: the slope of a product towards one factor is the *other* factor")
        if close(db, a):
            yield Problem(i, shown, "the path from b to the result has two arrows: multiply by the second slope, too")
        if close(dc, c):
            yield Problem(i, shown, "the slope towards c is what c is multiplied by, not c itself")
        yield Problem(i, shown, "write every path as a product of slopes; compare with a small nudge of each input")


# 2. Slopes of three new operations -----------------------------------------------------------------------------------
def _slopes_cases(rng: np.random.Generator) -> list[Inputs]:
    a, b = rng.normal(0, 2, (2, 6))
    return [
        (a, b),
        (np.array([-1000.0, -30.0, 30.0, 1000.0]), np.array([1.0, -40.0, 20.0, 2000.0])),
        (np.array([1.5, -2.0, 3.0]), np.array([1.5, -2.0, 3.0])),
        (np.array([0.0, 0.0, 0.0]), np.array([-1.0, 0.0, 1.0])),
    ]


@exercise("03.new_slopes", "Teach the engine new operations", _slopes_cases)
def _new_slopes(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((a, b), got) in enumerate(zip(inputs, outputs, strict=True)):
        parts, four = _arrays(got, 4), "four arrays of the shape of a"
        if parts is None or any(part.shape != a.shape for part in parts):
            yield Problem(
                i,
                four,
                "give back four arrays of one shape: softplus, |a|, max towards a, max towards b, in this order",
            )
            return
        softplus, absolute, first, second = parts
        sigmoid = 0.5 * (1 + np.tanh(0.5 * a))
        if not np.isfinite(softplus).all():
            yield Problem(
                i,
                sigmoid,
                "exp overflows above 709: write the sigmoid so that exp never sees a large "
                "positive number, for instance with tanh",
            )
        if close(softplus, 1 - sigmoid) and not close(softplus, sigmoid):
            yield Problem(i, sigmoid, "that is the sigmoid of −a: softplus rises with slope 1 for large positive a")
        if not close(softplus, sigmoid):
            yield Problem(i, sigmoid, "the slope of ln(1 + e^a): e^a / (1 + e^a), a function of chapter 02")
        if not np.isfinite(absolute[a == 0]).all():
            yield Problem(
                i,
                "a finite slope at 0",
                "the slope of |a| at 0 is 0 divided by 0: at a kink *choose* a slope between −1 and 1",
            )
        if not close(absolute[a != 0], np.sign(a)[a != 0]):
            yield Problem(i, np.sign(a), "the slope of |a| is +1 for positive a and −1 for negative a")
        if (np.abs(absolute) > 1).any():
            yield Problem(
                i, "between −1 and 1", "at 0, choose a slope for |a| that lies between those of its two sides"
            )
        larger = np.greater(a, b) + 0.5 * np.equal(a, b)
        different, tie = a != b, a == b
        if different.any() and close(first[different], np.less(a, b)[different]):
            yield Problem(i, larger, "the blame goes to the larger input: only the larger one moves the maximum")
        if not close(first[different], larger[different]) or not close(second[different], 1 - larger[different]):
            yield Problem(i, larger, "where the inputs differ, the larger one has slope 1 and the smaller slope 0")
        if tie.any() and (close(first[tie], first[tie] * 0 + 1) and close(second[tie], first[tie] * 0 + 1)):
            yield Problem(i, "sum to 1", "at a tie both inputs get the full blame, so it counts twice: share it out")
        if tie.any() and (close(first[tie], first[tie] * 0) and close(second[tie], first[tie] * 0)):
            yield Problem(i, "sum to 1", "at a tie nobody gets any blame (> is false both ways): share it out")
        in_range = (np.minimum(first, second) >= -1e-9).all()
        if not close(first + second, np.ones_like(a)) or not in_range:
            yield Problem(
                i,
                "two shares from 0 to 1 that sum to 1",
                "if both inputs rise by one unit, so does the maximum: at a tie, too, the two slopes must sum to 1",
            )


# 3. How many paths? --------------------------------------------------------------------------------------------------
def _paths_cases(rng: np.random.Generator) -> list[Inputs]:
    coffee = [[], [0], [1], [0, 2]]
    ladder = [[], *([i, i] for i in range(60))]
    mesh: list[list[int]] = [[], []]
    for i in range(2, 12):
        mesh.append(sorted(rng.integers(0, i, 3).tolist()))
    apart = [[], [], [0, 0], [1], [3, 1]]
    cases = [(coffee, 0), ([[], [0, 0]], 0), (mesh, 0), (mesh, 1), (mesh, 5), (apart, 0), ([[], [0], [1]], 2)]
    return [*cases, (ladder, 0)]


@exercise("03.count_paths", "Count the paths", _paths_cases)
def _count_paths(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    found: list[Any] = [got if _is_number(got) else None for got in outputs]
    if None in found:
        case = found.index(None)
        yield Problem(case, _ways(*inputs[case]), "give back one whole number")
        return
    wrong = [i for i, case in enumerate(inputs) if int(found[i]) != _ways(*case)]
    if not wrong:
        return
    first, expected = wrong[0], _ways(*inputs[wrong[0]])
    for mistake, hint in PATH_MISTAKES:
        if _made_by(mistake, inputs, found):
            yield Problem(first, expected, hint)
    yield Problem(
        first,
        expected,
        "every way to a node comes in through one of its arrows, so its number is a sum over the arrows; "
        "only the start begins with 1, and what it cannot reach has 0",
    )


def _is_number(got: Any) -> bool:
    if isinstance(got, bool | str) or np.ndim(got) != 0 or not isinstance(got, int | float | np.number | np.ndarray):
        return False
    return bool(np.isfinite(float(got))) and float(got) == int(float(got))


def _ways(parents: list[list[int]], start: int) -> int:
    ways: list[int] = []
    for node, above in enumerate(parents):
        ways.append(1 if node == start else sum(ways[p] for p in above))
    return ways[-1]


def _without_doubles(parents: list[list[int]], start: int) -> int:
    return _ways([sorted(set(above)) for above in parents], start)


def _arrows(parents: list[list[int]], start: int) -> int:
    return sum(map(len, parents))


def _last_arrow_only(parents: list[list[int]], start: int) -> int:
    return _ways([above[-1:] for above in parents], start)


def _last_child_only(parents: list[list[int]], start: int) -> int:
    """Blame of 1 walked back with "=" in place of "+="."""
    counts = [0] * len(parents)
    counts[-1] = 1
    for node in reversed(range(len(parents))):
        for above in parents[node]:
            counts[above] = counts[node]
    return counts[start]


def _every_input(parents: list[list[int]], start: int) -> int:
    ways: list[int] = []
    for above in parents:
        ways.append(sum(ways[p] for p in above) if above else 1)
    return ways[-1]


def _none_to_itself(parents: list[list[int]], start: int) -> int:
    return 0 if start == len(parents) - 1 else _ways(parents, start)


def _plus_one(parents: list[list[int]], start: int) -> int:
    ways: list[int] = []
    for node, above in enumerate(parents):
        ways.append((node == start) + sum(ways[p] + 1 for p in above))
    return ways[-1]


OVERWRITTEN = 'each new way overwrites the count of those before: "=" where "+=" is needed'
PATH_MISTAKES = (
    (_without_doubles, "a parent that is used twice is two arrows, and so two paths: do not drop doubles"),
    (_arrows, "that is the number of arrows; a path is a whole way from start to end"),
    (_last_arrow_only, OVERWRITTEN),
    (_last_child_only, OVERWRITTEN),
    (_every_input, "that counts the ways from *every* input: only the start begins with 1, the other inputs with 0"),
    (_none_to_itself, "from a node to itself there is one path, the empty one: it starts the count at 1"),
    (_plus_one, "an arrow continues the ways that lead to its tail, it does not add one: sum, without + 1"),
)


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
        parts, full = _arrays(got, 2), (g / b, -g * a / b**2)
        if parts is None:
            yield Problem(i, "two arrays", "give back two arrays: the blame of a, then the blame of b")
            return
        right = [_summed(one, np.shape(x)) for one, x in zip(full, (a, b), strict=True)]
        if close(parts[0], right[1]) and close(parts[1], right[0]) and not close(right[0], right[1]):
            yield Problem(i, right[0], "the two blames are right, their order is not: first a, then b")
        for which, x, large, expected, found in zip("ab", (a, b), full, right, parts, strict=True):
            if close(found, expected):
                continue
            yield Problem(i, *_ratio_hint(which, np.shape(x), large, expected, found))


def _ratio_hint(which: str, shape: tuple, large: np.ndarray, expected: Any, found: np.ndarray) -> tuple[Any, str]:
    """What was expected, in words or numbers, and the hint."""
    copies, of_shape = large.size // max(expected.size, 1), f"the blame of {which}, shape {shape}"
    if found.shape == large.shape != shape and found.ndim > len(shape):
        return of_shape, (
            f"{which} was copied on the way forward, and its blame has still the shape {found.shape} of the "
            "result: sum it over every copied axis"
        )
    if found.shape != shape:
        return of_shape, (
            f"the blame of {which} came back in shape {found.shape}, but {which} has shape {shape}: new axes in "
            "front disappear, an axis of length 1 that was stretched is summed with keepdims=True"
        )
    if copies > 1 and close(found * copies, expected):
        return expected, (
            f"every copy of {which} is a path, and blame adds where paths meet: sum over the copies, not the mean"
        )
    if close(-found, expected):
        return expected, f"the sign for {which} is turned round: does a / b rise or fall when {which} grows?"
    return expected, f"check the slope of a / b towards {which}, times g, and then the sum over the copies"


def _summed(full: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    padded = (1,) * (full.ndim - len(shape)) + shape
    axes = tuple(k for k, n in enumerate(padded) if n == 1 and full.shape[k] != 1)
    return full.sum(axis=axes, keepdims=True).reshape(shape)
