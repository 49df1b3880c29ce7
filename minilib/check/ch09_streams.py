"""Exercises of chapter 09: positions that turn, two machines, maps to read, a decision about context."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


# 5. The turn of the clocks -------------------------------------------------------------------------------------------
def _turn_cases(rng: np.random.Generator) -> list[Inputs]:
    back, on = -int(rng.integers(2, 10)), int(rng.integers(4, 10))
    return [(1, 2), (3, 8), (back, 2 * int(rng.integers(2, 8))), (on, 2 * int(rng.integers(6, 20)))]


def _table(D: int, base: float = 10_000) -> Array:
    angles = np.arange(40)[:, None] / base ** (np.arange(0, D, 2) / D)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(40, D)


def _blocks(angles: Array) -> Array:
    """The matrix that turns each pair (sin, cos), as a row, on by its angle."""
    found = np.zeros((2 * len(angles),) * 2)
    for i, a in enumerate(angles):
        found[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    return found


@exercise("09.turn", "The turn of the clocks", _turn_cases)
def _turn(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((s, D), got) in enumerate(zip(inputs, outputs, strict=True)):
        rates = 10_000 ** (-np.arange(0, D, 2) / D)
        right, table = _blocks(s * rates), _table(D)
        found = np.asarray(got, float)
        if found.shape != (D, D):
            yield Problem(i, right, f"a matrix of shape ({D}, {D}) is asked for, yours has {found.shape}")
            continue
        start = np.arange(10, 30)
        if close(table[start] @ found, table[start + s], 1e-4, 1e-6):
            continue

        def is_(other: Array, found: Array = found) -> bool:
            return close(found, other, 1e-4, 1e-6)

        half = D // 2
        apart = np.block(
            [
                [np.diag(np.cos(s * rates)), np.diag(-np.sin(s * rates))],
                [np.diag(np.sin(s * rates)), np.diag(np.cos(s * rates))],
            ]
        )
        hints = [
            (is_(right.T), "that goes s places BACK, or stands on the other side: rows are turned by table[t] @ R"),
            (abs(s) != 1 and is_(_blocks(rates)), "that is one place: s places turn the hand s times as far"),
            (
                half > 1 and is_(_blocks(s * np.ones(half))),
                "all hands turn alike: the pair 2i, 2i+1 turns by s · 10,000^(−2i/D)",
            ),
            (
                half > 1 and is_(_blocks(s * 10_000 ** (-np.arange(half) / D))),
                "the rates fall too slowly: the exponent is −2i/D, with i counting pairs",
            ),
            (half > 1 and is_(apart), "sines and cosines stand in turn, in columns 2i and 2i+1, not in two halves"),
            (is_(np.eye(D)), "that leaves every position where it is"),
            (
                bool(np.allclose(np.abs(found), np.abs(right), atol=1e-6)),
                "right but for a sign: sin(a + b) = sin a cos b + cos a sin b, cos(a + b) = cos a cos b − sin a sin b",
            ),
        ]
        general = "for each pair write sin and cos of (t + s)·ω with sines and cosines of t·ω; read off the 2 × 2 block"
        yield Problem(i, right, first_hint(hints, general))


# 6. Two machines -----------------------------------------------------------------------------------------------------
def _part(scores: Array, values: Array) -> tuple[Array, Array, Array]:
    """What a machine hands over after reading some keys: largest score, sum, mean of the values."""
    if scores.shape[1] == 0:
        rows = len(scores)
        return np.full(rows, -np.inf), np.zeros(rows), np.zeros((rows, values.shape[1]))
    top = scores.max(1)
    raised = np.exp(scores - top[:, None])
    return top, raised.sum(1), raised @ values / raised.sum(1)[:, None]


def _merge_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for first, second, size in ((3, 5, 1.0), (4, 2, 3.0), (3, 3, 1e4), (0, 4, 1.0), (0, 0, 1.0)):
        scores, values = size * rng.standard_normal((3, first + second)), rng.standard_normal((first + second, 2))
        cases.append((_part(scores[:, :first], values[:first]), _part(scores[:, first:], values[first:])))
    return cases


@exercise("09.merge", "Two machines, one answer", _merge_cases)
def _merge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, (((m1, l1, o1), (m2, l2, o2)), got) in enumerate(zip(inputs, outputs, strict=True)):
        m = np.maximum(m1, m2)
        base = np.where(np.isinf(m), 0, m)
        a, b = l1 * np.exp(m1 - base), l2 * np.exp(m2 - base)
        total = np.where(a + b == 0, 1, a + b)
        o = (a[:, None] * o1 + b[:, None] * o2) / total[:, None]
        right = (m, a + b, o)
        if not isinstance(got, tuple | list) or len(got) != 3:
            yield Problem(i, right, "give back three things: the largest score, the sum, the mean of the values")
            continue
        top, summed, mean = (np.asarray(part, float) for part in got)
        fits = [close(x, y, 1e-5, 1e-7) for x, y in zip((top, summed, mean), right, strict=True)]
        if all(fits):
            continue
        with_top = f"the largest score of both is the larger of the two: expected {m}"
        empty = bool(np.isinf(np.stack([m1, m2])).any())
        share = (l1 / np.where(l1 + l2 == 0, 1, l1 + l2))[:, None]
        hints = [
            (
                any(x.shape != np.shape(y) for x, y in zip((top, summed, mean), right, strict=True)),
                f"the shapes stay as they came in: {[np.shape(x) for x in right]}",
            ),
            (
                empty and not all(np.isfinite(x).all() for x in (summed, mean)),
                "a machine that has read nothing hands over −∞, 0, 0: −∞ − (−∞) and 0/0 are nan",
            ),
            (
                not all(np.isfinite(x).all() for x in (summed, mean)),
                "e to the power of a large score overflows: shrink by e^(m_old − m_new), which is never above 1",
            ),
            (not fits[0], with_top),
            (
                close(summed, l1 + l2, 1e-4),
                "the sums belong to different largest scores: shrink each by e^(m_old − m_new) first",
            ),
            (
                close(summed, l1 * np.exp(base - m1) + l2 * np.exp(base - m2), 1e-4),
                "the factor is upside down: it is e^(m_old − m_new), at most 1",
            ),
            (
                fits[1] and close(mean, o * (a + b)[:, None], 1e-4, 1e-6),
                "that is the sum of the values: divide by the new sum",
            ),
            (
                fits[1] and close(mean, (o1 + o2) / 2, 1e-4, 1e-6),
                "the plain mean of the two means: each counts by its sum",
            ),
            (
                fits[1] and close(mean, share * o1 + (1 - share) * o2, 1e-4, 1e-6),
                "the means are weighed by the old sums: use the sums after shrinking",
            ),
            (
                fits[1]
                and close(
                    mean,
                    (np.exp(m1 - base)[:, None] * o1 + np.exp(m2 - base)[:, None] * o2) / total[:, None],
                    1e-4,
                    1e-6,
                ),
                "a mean was divided by its sum already: multiply by that sum before you add",
            ),
            (
                fits[0] and fits[1],
                "largest score and sum are right, the mean is not: weigh each mean by its shrunk sum",
            ),
        ]
        general = "shrink both sums by e^(m_old − m_new); the new mean weighs the old means by the shrunk sums"
        yield Problem(i, right, first_hint(hints, general))


# 7. Six maps ---------------------------------------------------------------------------------------------------------
_MAPS = {
    "A": ("previous", "the large numbers stand one column to the left of the diagonal"),
    "B": ("wrong axis", "its columns sum to 1, its rows do not: add up a row"),
    "C": ("first", "all rows have their large number in the same column, whatever token asks"),
    "D": ("uniform", "each row shares its weight equally among what it may see"),
    "E": ("leaks", "row 0 should see token 0 alone: look at what stands above the diagonal"),
    "F": ("itself", "the large numbers stand on the diagonal itself"),
}


@exercise("09.read_maps", "Six maps", once, letters="ABCDEF")
def _read_maps(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    right = {letter: name for letter, (name, _) in _MAPS.items()}
    for i, got in enumerate(outputs):
        if not isinstance(got, dict) or set(got) != set(right):
            yield Problem(i, "a dictionary with the letters A to F", "give each of the six maps one of the six names")
            continue
        unknown = [name for name in got.values() if name not in right.values()]
        if unknown:
            yield Problem(i, sorted(right.values()), f"{unknown[0]!r} is none of the six names")
            continue
        for letter, (name, hint) in _MAPS.items():
            if got[letter] != name:
                yield Problem(i, "another name for map " + letter, f"map {letter} is not {got[letter]!r}: {hint}")


# 8. The whole contract, or the right pages? --------------------------------------------------------------------------
LAYERS, WIDTH = 12, 768


def _work(T: float, layers: int = LAYERS, square: float = 2.0) -> float:
    return layers * (12 * T * WIDTH**2 + square * T**2 * WIDTH)


def _decision_cases(rng: np.random.Generator) -> list[Inputs]:
    some = (int(rng.integers(20, 90)) * 1000, 3000, 1.5, 0.93, 0.81, 0.4)
    return [
        (50_000, 2_000, 1.0, 0.95, 0.90, 5.0),
        (50_000, 2_000, 1.0, 0.95, 0.90, 0.5),
        (200_000, 4_000, 2.0, 0.90, 0.70, 10.0),
        (8_000, 2_000, 1.0, 0.85, 0.92, 1000.0),
        some,
    ]


@exercise("09.context", "The whole contract, or the right pages?", _decision_cases)
def _context(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((whole, retrieved, price, p_whole, p_retrieved, damage), got) in enumerate(
        zip(inputs, outputs, strict=True)
    ):
        gain = p_whole - p_retrieved

        def even(more: float, gain: float = gain, price: float = price) -> float:
            return price * more / 1e15 / gain if gain > 0 else np.inf

        limit = even(_work(whole) - _work(retrieved))
        right = (limit, "whole" if damage > limit else "retrieve")
        if not isinstance(got, tuple | list) or len(got) != 2:
            yield Problem(i, right, "give back two things: the damage at which both cost the same, and the choice")
            continue
        found, choice = float(got[0]), got[1]
        if close(found, limit, 1e-5):
            if choice != right[1]:
                turned = "the limit is right, the choice is turned: the whole document pays when an error costs MORE"
                yield Problem(
                    i, right, turned if choice in ("whole", "retrieve") else 'the choice is "whole" or "retrieve"'
                )
            continue
        linear = even(_work(whole, square=0) - _work(retrieved, square=0))
        once_each = even(_work(whole, square=1) - _work(retrieved, square=1))
        one_layer = even(_work(whole, 1) - _work(retrieved, 1))
        attention = even(LAYERS * (4 * (whole - retrieved) * WIDTH**2 + 2 * (whole**2 - retrieved**2) * WIDTH))
        hints = [
            (
                gain <= 0,
                "the whole document is right LESS often and costs more: no damage makes it pay, so the limit is ∞",
            ),
            (
                close(found, linear, 1e-4),
                "the part with T² is missing: each token pays for every other, 2·T²·D a layer",
            ),
            (close(found, once_each, 1e-4), "T²·D is paid twice a layer: once for the scores, once for the means"),
            (close(found, one_layer, 1e-4), "that is one layer: there are twelve"),
            (close(found, attention, 1e-4), "the network of each layer is missing: 8·T·D² besides the 4·T·D²"),
            (
                close(found, limit * (_work(whole) / (_work(whole) - _work(retrieved))), 1e-4),
                "the retrieved pages cost something too: it is the DIFFERENCE of the two bills that counts",
            ),
            (close(found, limit * 1e15, 1e-4), "the price is for 10¹⁵ multiplications: divide by 1e15"),
            (
                close(found, limit * gain / p_whole, 1e-4) or close(found, limit * gain, 1e-4),
                "divide by how many errors the whole document SAVES: right_whole − right_retrieved",
            ),
            (close(found, -limit, 1e-4), "the sign is turned: more work buys fewer errors"),
        ]
        general = "extra cost of the whole document, divided by the share of errors that it saves"
        yield Problem(i, right, first_hint(hints, general))
