"""Exercises of chapter 09: look-ups by hand, masks, a gradient, weights that go round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


def softmax(scores: Array, axis: int = -1) -> Array:
    raised = np.exp(scores - scores.max(axis, keepdims=True))
    return raised / raised.sum(axis, keepdims=True)


# 1. A look-up by distance --------------------------------------------------------------------------------------------
def _distance_cases(rng: np.random.Generator) -> list[Inputs]:
    keys, values = rng.standard_normal((4, 2)), rng.standard_normal((4, 3))
    query = rng.standard_normal(2)
    far = np.array([[60.0, 0.0], [0.0, 61.0], [-62.0, 0.0]])
    return [
        (query, keys, values, 1.0),
        (query, keys, values, 0.3),
        (np.zeros(2), far, values[:3], 1.0),
        (rng.standard_normal(3), rng.standard_normal((3, 3)), rng.standard_normal((3, 1)), 2.0),
    ]


@exercise("09.by_distance", "A look-up by distance", _distance_cases)
def _by_distance(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((query, keys, values, temperature), got) in enumerate(zip(inputs, outputs, strict=True)):
        squares = ((keys - query) ** 2).sum(-1)
        right = softmax(-squares / temperature) @ values
        if close(got, right, 1e-5, 1e-7):
            continue
        found = np.asarray(got, float)

        def is_(other: Array, found: Array = found) -> bool:
            return close(found, other, 1e-4, 1e-6)

        raised = np.exp(-squares / temperature)
        hints = [
            (
                found.shape == (len(keys),) and is_(softmax(-squares / temperature)),
                "those are the weights: the answer is the mean of the values with them, weights @ values",
            ),
            (
                found.shape != right.shape,
                f"one row of values is asked for, shape {right.shape}, not {found.shape}",
            ),
            (
                not np.isfinite(found).all(),
                "far from every key all exponentials are 0, and 0/0 is nan: subtract the largest score first",
            ),
            (
                is_(softmax(squares / temperature) @ values),
                "the farthest key gets the most: the score is MINUS the square",
            ),
            (
                is_(softmax(-np.sqrt(squares) / temperature) @ values),
                "that is the distance: the score is minus the distance squared",
            ),
            (is_(softmax(keys @ query / temperature) @ values), "that is the dot product: here the distance decides"),
            (is_(softmax(-squares * temperature) @ values), "the temperature divides the scores, it does not multiply"),
            (is_(softmax(-squares) @ values), "the temperature is not used: the scores are divided by it"),
            (is_(raised @ values), "the weights do not sum to 1: divide the exponentials by their sum"),
            (is_(values.mean(0)), "that is the plain mean: the near keys must weigh more"),
            (is_(values[squares.argmin()]), "only the nearest key counts: a soft look-up mixes"),
            (
                is_(softmax(-((keys - query) ** 2).mean(-1) / temperature) @ values),
                "the squares of the coordinates are averaged: the squared distance is their sum",
            ),
        ]
        general = "scores −|query − key|² / temperature, a softmax over the keys, then weights @ values"
        yield Problem(i, right, first_hint(hints, general))


# 2. A window that leaks ----------------------------------------------------------------------------------------------
def _window_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for T, window in ((6, 3), (5, 2), (7, 4), (4, 1)):
        q, k = rng.standard_normal((2, T, 4))
        cases.append((q, k, rng.standard_normal((T, 2)), window))
    return cases


@exercise("09.windowed", "A window that leaks", _window_cases)
def _windowed(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((q, k, v, window), got) in enumerate(zip(inputs, outputs, strict=True)):
        T = len(q)
        scores = q @ k.T / np.sqrt(q.shape[-1])
        back = np.arange(T)[:, None] - np.arange(T)  # how far back column j lies

        def before(looks: Array, scores: Array = scores, v: Array = v) -> Array:
            return softmax(np.where(looks, scores, -np.inf)) @ v

        def after(looks: Array, scores: Array = scores, v: Array = v) -> Array:
            return (softmax(scores) * looks) @ v

        right = before((back >= 0) & (back < window))
        if close(got, right, 1e-5, 1e-7):
            continue
        found = np.asarray(got, float)
        masks = {
            "": (back >= 0) & (back < window),
            "the future can be seen: only columns j ≤ t are allowed": back < window,
            "the future can be seen, and the window is one too wide: t − window + 1 … t are allowed": back <= window,
            "the window is one too wide: it holds `window` tokens, t itself among them": (back >= 0) & (back <= window),
            "a token must see itself too: the window ends at t": (back > 0) & (back <= window),
            "the window is one too narrow: it holds `window` tokens, t itself among them": (
                (back >= 0) & (back < max(window - 1, 1))
            ),
            "the mask is turned: each token sees itself and the ones AFTER it": (back <= 0) & (back > -window),
            "the window is not used: every token of the past can be seen": back >= 0,
            "nothing is hidden at all": back == back,
        }
        hints: list[tuple[bool, str]] = [
            (found.shape != right.shape, f"one row for each token, shape {right.shape}, not {found.shape}"),
            (not np.isfinite(found).all(), "a row with nothing to look at gives 0/0: each token may see itself"),
        ]
        for what, looks in masks.items():
            if what and looks.any(axis=1).all():
                hints.append((close(found, before(looks), 1e-4, 1e-6), what))
            leaks = "the mask is right, but stands after the softmax: the hidden tokens still count in the sum below"
            both = f"{what}; and the mask stands after the softmax" if what else leaks
            hints.append((close(found, after(looks), 1e-4, 1e-6), both))
        unscaled = softmax(np.where(masks[""], q @ k.T, -np.inf)) @ v
        hints.append((close(found, unscaled, 1e-4, 1e-6), "the scores are not divided by √d any more"))
        general = "put −∞ where t may not look, before the softmax; t may look at t − window + 1 … t"
        yield Problem(i, right, first_hint(hints, general))


# 3. A number for each distance ---------------------------------------------------------------------------------------
def _bias_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for T in (4, 6, 2):
        q, k = rng.standard_normal((2, T, 3))
        cases.append((rng.standard_normal((T, 2)), q, k, rng.standard_normal((T, 2)), rng.standard_normal(T)))
    return cases


def _biased_weights(q: Array, k: Array, b: Array) -> Array:
    back = np.arange(len(q))[:, None] - np.arange(len(q))
    return softmax(np.where(back >= 0, q @ k.T / np.sqrt(q.shape[-1]) + b[back], -np.inf))


def _along(table: Array, by: Any = np.sum) -> Array:
    """The cells of the same distance, put together: 0 is the diagonal, then further back."""
    return np.array([by(np.diagonal(table, -n)) for n in range(len(table))])


@exercise("09.distance_gradient", "A number for each distance", _bias_cases)
def _distance_gradient(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((G, q, k, v, b), got) in enumerate(zip(inputs, outputs, strict=True)):
        T, h = len(b), 1e-5
        # the judge knows only the forward pass; the slopes come from nudging it
        rise = [(G * (_biased_weights(q, k, b + e) - _biased_weights(q, k, b - e)).dot(v)).sum() for e in h * np.eye(T)]
        right = np.array(rise) / (2 * h)
        if close(got, right, 1e-4, 1e-6):
            continue
        found = np.asarray(got, float)
        A, dA = _biased_weights(q, k, b), G @ v.T
        dS = A * (dA - (dA * A).sum(-1, keepdims=True))
        blind = _biased_weights(q, k, 0 * b)
        every = softmax(q @ k.T / np.sqrt(q.shape[-1]) + b[np.abs(np.arange(T)[:, None] - np.arange(T))])

        def is_(other: Array, found: Array = found) -> bool:
            return close(found, other, 1e-3, 1e-5)

        hints = [
            (found.shape != right.shape, f"one slope for each of the {T} numbers of b, shape {right.shape}"),
            (is_(-right), "the sign is turned: a score whose value makes the loss larger has a positive slope"),
            (is_(right / np.sqrt(q.shape[-1])), "b is added after the division by √d: its slope is not divided"),
            (
                is_(_along(A * dA)),
                "the softmax is missing its second term: the row's sum of dA · A is subtracted from dA first",
            ),
            (
                is_(_along(np.tril(dA - (dA * A).sum(-1, keepdims=True)))),
                "dS has the factor A in front: a weight of 0 gets no blame",
            ),
            (is_(_along(dA)), "that is dA, the slope of the weights: it still has to pass the softmax"),
            (is_(_along(dS, np.mean)), "b[n] acts on every pair at the distance n: add their slopes, do not average"),
            (is_(right[::-1]), "the order is turned: b[0] belongs to a token's look at itself"),
            (is_(_along(dS.T)), "those are the diagonals above: j = i − n lies below the main diagonal"),
            (
                is_(_along(blind * (dA - (dA * blind).sum(-1, keepdims=True)))),
                "the weights were computed without b: it belongs to the scores, also on the way forward",
            ),
            (
                is_(_along(every * (dA - (dA * every).sum(-1, keepdims=True)))),
                "the future is not hidden: j > i has the score −∞",
            ),
        ]
        balance = f"; the slopes must add up to 0, yours to {found.sum():.2g}" if found.shape == right.shape else ""
        general = "dA = G @ v.T, back through the softmax to dS, then add dS over all pairs with i − j = n" + balance
        yield Problem(i, right, first_hint(hints, general))


# 4. Weights that go round --------------------------------------------------------------------------------------------
def _cycle_cases(rng: np.random.Generator) -> list[Inputs]:
    few, many = int(rng.integers(4, 15)), int(rng.integers(15, 40))
    return [(3,), (few,), (40,), (many,)]  # the hardest is always among them: more tokens need larger numbers


@exercise("09.cycle_weights", "Weights that go round", _cycle_cases)
def _cycle_weights(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((n,), got) in enumerate(zip(inputs, outputs, strict=True)):
        expected = f"two matrices with {n} rows; each token puts more than 0.9 on the one before it"
        if not isinstance(got, tuple | list) or len(got) != 2:
            yield Problem(i, expected, "give back two things, W_Q and W_K")
            continue
        W_Q, W_K = (np.asarray(part, float) for part in got)
        if W_Q.ndim != 2 or W_Q.shape != W_K.shape or len(W_Q) != n:
            yield Problem(
                i, expected, f"both are matrices of the same shape ({n}, K), yours {W_Q.shape} and {W_K.shape}"
            )
            continue
        if not (np.isfinite(W_Q).all() and np.isfinite(W_K).all()):
            yield Problem(i, expected, "all numbers must be finite")
            continue
        scores = W_Q @ W_K.T / np.sqrt(W_Q.shape[1])
        weights, rows = softmax(scores), np.arange(n)
        share = {
            name: weights[rows, (rows + step) % n].min()
            for name, step in (("one before", -1), ("next", 1), ("itself", 0))
        }
        if share["one before"] > 0.9:
            continue
        top = np.argsort(-weights, axis=1)
        hints = [
            (
                np.allclose(scores, scores.T),
                "the scores are symmetric, and symmetric scores cannot go round: W_K must not be W_Q",
            ),
            (share["next"] > 0.5, "each token looks at the NEXT one: turn the shift the other way"),
            (share["itself"] > 0.5, "each token looks at itself: shift either the queries or the keys by one"),
            (
                bool((top[:, 0] == (rows - 1) % n).all())
                and not np.isclose(np.sort(scores)[:, -1], np.sort(scores)[:, -2]).any(),
                f"the right direction, but too soft (only {share['one before']:.2f}): multiply by a large number",
            ),
            (
                bool((top[1:, 0] == rows[:-1]).all()),
                "right for all but token 0: it comes round to the last one",
            ),
        ]
        yield Problem(
            i, expected, first_hint(hints, f"token t puts only {share['one before']:.2f} on the one before it")
        )
