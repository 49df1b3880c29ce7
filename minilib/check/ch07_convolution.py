"""Exercises of chapter 07: windows, their sizes, and the way back through them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


# 1. Does it fit? -----------------------------------------------------------------------------------------------------
def _size_cases(rng: np.random.Generator) -> list[Inputs]:
    n = int(rng.integers(40, 400))
    return [
        (12, [(3, 1, 2), (4, 3, 1)]),
        (28, [(5, 2, 2), (3, 2, 1)]),
        (8, [(3, 1, 1), (3, 2, 0), (2, 2, 0), (3, 1, 0), (1, 1, 0)]),
        (n, [(3, 1, 0), (2, 2, 0), (3, 3, 1), (4, 2, 1)]),
        (4, [(5, 1, 0), (3, 1, 1)]),
        (4, [(3, 1, 1), (5, 1, 1)]),
        (4, [(3, 1, 0), (2, 1, 0)]),
    ]


def _sizes_by(n: int, layers: list[tuple[int, int, int]], slip: str = "") -> list[int]:
    found, first = [], n
    for k, s, p in layers:
        wide = (first if slip == "first" else n) + (0 if slip == "no padding" else p if slip == "one side" else 2 * p)
        if k + (slip == "too early") > (n if slip == "bare" else wide) and slip != "no stop":
            if slip == "skip":
                continue
            break
        n = -((k - wide) // s) + 1 if slip == "up" else (wide - k) // s + (slip != "no one")
        found.append(n)
    return found


@exercise("07.sizes", "Does it fit?", _size_cases)
def _sizes(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((n, layers), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _sizes_by(n, layers)
        if close(got, right):
            continue
        slips = {
            "up": "rounded up: the last window would hang over the edge of the picture; round down",
            "no padding": "the padding is missing: the kernel slides over n + 2p numbers",
            "one side": "the padding is on both sides: n + 2p, not n + p",
            "no one": "one too few: the window also has its first place, before any step; add 1",
            "first": "each layer reads what the layer before it has left, not the picture",
            "no stop": "a kernel that is larger than its padded input has no place: end the list before it",
            "skip": "after a layer that does not fit nothing follows: stop there, do not skip it",
            "bare": "a kernel may be larger than its input, if the padding makes room: compare it with n + 2p",
            "too early": "a kernel exactly as large as its padded input fits once: only a larger one ends the list",
        }
        hints = [(close(got, _sizes_by(n, layers, slip)), hint) for slip, hint in slips.items()]
        yield Problem(
            i, right, first_hint(hints, "count by hand where the window can begin: 0, s, 2s, … up to n + 2p − k")
        )


# 2. Yesterday, and a week ago ----------------------------------------------------------------------------------------
def _dilated_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (np.array([1.0, 2, 3, 4, 5]), np.array([10.0, 1]), 1),
        (np.array([1.0, 0, 0, 0, 0, 0, 2]), np.array([3.0, 2, 1]), 2),
        (rng.standard_normal(20), rng.standard_normal(3), 7),
        (rng.standard_normal(9), rng.standard_normal(4), 1),
        (rng.standard_normal(10), rng.standard_normal(3), 7),
    ]


def _dilated_by(x: Array, w: Array, d: int, back: bool = True) -> Array:
    """w[-1] meets the present; with back=False the kernel reaches into the future instead."""
    y = np.zeros(len(x))
    for u, weight in enumerate(w):
        steps = (len(w) - 1 - u) * d
        for t in range(len(x)):
            at = t - steps if back else t + u * d
            y[t] += weight * x[at] if 0 <= at < len(x) else 0
    return y


@exercise("07.look_back", "Yesterday, and a week ago", _dilated_cases)
def _look_back(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((x, w, d), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _dilated_by(x, w, d)
        if close(got, right):
            continue
        reach = (len(w) - 1) * d
        middle = np.pad(x, reach)[reach - reach // 2 :]
        centred = [sum(w[u] * middle[t + u * d] for u in range(len(w))) for t in range(len(x))]
        hints = [
            (np.shape(got) == (len(x) - reach,), f"{reach} numbers are missing: before the start stand zeros, as many"),
            (np.shape(got) == (len(x) + reach,), "too long: what lies after the last day is not asked for"),
            (
                close(got, _dilated_by(x, w, d, back=False)),
                "this looks into the future: the answer at t may read x[t] and what came before, nothing after",
            ),
            (close(got, _dilated_by(x, w[::-1], d)), "the kernel is turned round: its last weight meets the present"),
            (close(got, centred), "the window is centred on t, so half of it lies in the future: let it end at t"),
            (close(got, _dilated_by(x, w, 1)), "the steps between the weights are missing: they look back 0, d, 2d, …"),
            (
                close(got, _dilated_by(np.concatenate([np.full(reach, x[0]), x]), w, d)[reach:]),
                "before the start stand zeros, not copies of the first number",
            ),
            (
                close(got, sum(weight * np.roll(x, (len(w) - 1 - u) * d) for u, weight in enumerate(w))),
                "x[t − d] with t < d is Python's x[-…], a day from the *end*: days before the first count as 0",
            ),
            (
                reach >= len(x) and close(got, np.zeros(len(x))),
                "the kernel may look further back than the series is long: those days count as 0, the others stay",
            ),
        ]
        general = "y[t] = w[-1]·x[t] + w[-2]·x[t − d] + w[-3]·x[t − 2d] + …, with 0 for days before the first"
        yield Problem(i, right, first_hint(hints, general))


# 3. The way back -----------------------------------------------------------------------------------------------------
def _slope_cases(rng: np.random.Generator) -> list[Inputs]:
    def case(h: int, w: int, k: int) -> Inputs:
        return rng.standard_normal((h, w)), rng.standard_normal((k, k)), rng.standard_normal((h - k + 1, w - k + 1))

    return [
        (np.arange(9.0).reshape(3, 3), np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 0], [0, 2]])),
        case(5, 6, 3),
        case(7, 5, 2),
    ]


def _to_input(shape: tuple[int, ...], w: Array, g: Array) -> Array:
    blame = np.zeros(shape)
    for i, j in np.ndindex(*g.shape):
        blame[i : i + len(w), j : j + len(w)] += g[i, j] * w
    return blame


def _to_kernel(x: Array, k: int, g: Array) -> Array:
    blame = np.zeros((k, k))
    for u, v in np.ndindex(k, k):
        blame[u, v] = (g * x[u : u + g.shape[0], v : v + g.shape[1]]).sum()
    return blame


@exercise("07.way_back", "The way back", _slope_cases)
def _way_back(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((x, w, g), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _to_input(x.shape, w, g), _to_kernel(x, len(w), g)
        if not isinstance(got, tuple | list) or len(got) != 2:
            yield Problem(i, right, "give back two things: the gradient towards x, then the one towards w")
            continue
        if all(close(one, other) for one, other in zip(got, right, strict=True)):
            continue
        if close(got[0], right[1]) and close(got[1], right[0]):
            yield Problem(i, right, "the order: the gradient towards x comes first, towards w second")
            continue
        last = np.zeros(x.shape)
        for a, b in np.ndindex(*g.shape):
            last[a : a + len(w), b : b + len(w)] = g[a, b] * w
        turned = _to_input(x.shape, w[::-1, ::-1], g)
        hints = [
            (np.shape(got[0]) == g.shape != x.shape, "the gradient towards x has the shape of x"),
            (close(got[0], last), "the windows overlap: where two of them meet a pixel, their blames add (+=, not =)"),
            (
                close(got[0], turned),
                "the kernel is turned round once too often: the pixel under w[u, v] gets w[u, v] times the blame",
            ),
            (
                close(got[0], _to_input(x.shape, w, np.ones(g.shape))),
                "towards x, the blame g of the outputs is missing as a factor",
            ),
            (
                close(got[1], _to_kernel(x, len(w), np.ones(g.shape))),
                "towards w, the blame g of the outputs is missing as a factor",
            ),
            (
                close(got[1], right[1] / g.size),
                "a weight's blame is the sum over all places where it was used, not the mean",
            ),
            (close(got[1], right[1][::-1, ::-1]), "the gradient towards w is turned round"),
            (
                close(got[0], right[0]),
                "towards x is right; w[u, v] met x[i + u, j + v] and caused y[i, j]: sum over i, j",
            ),
            (close(got[1], right[1]), "towards w is right; the pixel x[i + u, j + v] caused y[i, j] through w[u, v]"),
        ]
        yield Problem(
            i, right, first_hint(hints, "y[i, j] = Σ w[u, v]·x[i + u, j + v]: nudge one number, see which y move")
        )


# 4. Mend the pooling -------------------------------------------------------------------------------------------------
def _pool_cases(rng: np.random.Generator) -> list[Inputs]:
    ties = np.array([[1.0, 1, 0, 0], [1, 0, 0, 0], [2, 3, 5, 4], [3, 2, 4, 5]])
    return [
        (np.array([[1.0, 4], [2, 3]]), np.array([[10.0]])),
        (ties, np.array([[1.0, 2], [3, 4]])),
        (-rng.random((6, 4)), rng.standard_normal((3, 2))),
        (rng.integers(0, 3, (4, 8)).astype(float), rng.standard_normal((2, 4))),
        (np.array([[-5.0, -3, -5e6, -3e6], [-9, -4, -9e6, -4e6]]), np.array([[1.0, 2]])),
    ]


def _pool_by(x: Array, g: Array, slip: str = "") -> Array:
    blame = np.zeros(x.shape)
    for i, j in np.ndindex(*g.shape):
        window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        top = window == window.max()
        place = 3 - int(np.argmax(top.ravel()[::-1])) if slip == "last" else int(np.argmax(top))
        share = np.zeros(4)
        share[place] = 1
        shares = {"all": top * 1.0, "divided": top / top.sum(), "mean": np.full((2, 2), 0.25), "zero": window != 0}
        blame[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = g[i, j] * shares.get(slip, share.reshape(2, 2))
    return blame


def _started_from(x: Array, g: Array, start: float, first: bool) -> Array:
    """Where no number of a window lies above `start`, nobody wins or, with first=True, its first pixel does."""
    blame = _pool_by(x, g)
    for i, j in np.ndindex(*g.shape):
        window = np.s_[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        if x[window].max() <= start:
            blame[window] = 0
            blame[2 * i, 2 * j] = g[i, j] * first
    return blame


@exercise("07.mend_pool", "Mend the pooling", _pool_cases)
def _mend_pool(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((x, g), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _pool_by(x, g)
        if close(got, right):
            continue
        largest = x.reshape(g.shape[0], 2, g.shape[1], 2).max((1, 3))
        padded = np.kron(np.maximum(largest, 0), np.ones((2, 2)))
        starts = [_started_from(x, g, -(10.0**n), first) for n in range(7) for first in (False, True)]
        hints = [
            (np.shape(got) != x.shape, f"every pixel gets a blame: the answer has the shape of x, {x.shape}"),
            (
                close(got, _pool_by(x, g, "all")),
                "equal pixels all get the whole blame, more than went in: only the first of them gets it",
            ),
            (
                close(got, _pool_by(x, g, "divided")),
                "the blame is divided among equals: here all of it goes to the first",
            ),
            (close(got, _pool_by(x, g, "last")), "among equals the last one gets the blame; it goes to the first"),
            (
                close(got, _pool_by(x, g, "mean")),
                "shared by all four: that is the gradient of a mean, not of a maximum",
            ),
            (
                x.min() < -1 and any(close(got, blame) for blame in starts),
                "the search must not start from any fixed number; start from the window's first pixel",
            ),
            (
                close(got, np.where(x == padded, np.kron(g, np.ones((2, 2))), 0)) or not np.any(got),
                "where all numbers are negative nobody wins: the search for the largest must not start from 0",
            ),
        ]
        yield Problem(
            i, right, first_hint(hints, "of each 2 × 2 window, one pixel gets the window's blame, the others 0")
        )
