"""Exercises of chapter 10 about what a Transformer is made of: counting, order, a block, layer norm's gradient."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


# 10.count ------------------------------------------------------------------------------------------------------------
def _count_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = [(10, 4, 6, 1, 24, False), (10, 4, 6, 1, 24, True)]
    for tied in (False, True):
        sizes = [int(n) for n in rng.integers([50, 16, 20, 2, 30], [300, 64, 60, 9, 90])]
        cases.append((*sizes, tied))
    return cases


def _arrays(vocab: int, context: int, width: int, layers: int, inner: int, tied: bool) -> dict[str, int]:
    """The numbers in each kind of array."""
    return {
        "embedding": vocab * width,
        "places": context * width,
        "attention": layers * 4 * width**2,
        "attention's biases": layers * 4 * width,
        "feed-forward": layers * 2 * width * inner,
        "feed-forward's biases": layers * (inner + width),
        "norms of the blocks": layers * 4 * width,
        "last norm": 2 * width,
        "head": 0 if tied else vocab * width,
        "head's bias": vocab,
    }


@exercise("10.count", "Count the weights", _count_cases)
def _count(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    found = [(sizes, float(got), _arrays(*sizes)) for sizes, got in zip(inputs, outputs, strict=True)]
    wrong = {
        "the tied head is counted twice: it is the embedding's table, only its bias is its own": [
            s[0] * s[2] if s[5] else 0 for s, _, _ in found
        ],
        "the inner width is given: it need not be 4 · width": [
            s[3] * (2 * s[2] + 1) * (4 * s[2] - s[4]) for s, _, _ in found
        ],
        "a norm has a weight and a bias; a block has two norms": [-s[3] * 2 * s[2] for s, _, _ in found],
        "the biases are missing": [
            -sum(n for name, n in parts.items() if name.endswith("bias") or name.endswith("biases"))
            for _, _, parts in found
        ],
    }
    for name in _arrays(1, 1, 1, 1, 1, False):
        wrong[f"not counted: {name}"] = [-parts[name] for _, _, parts in found]
    for hint, more in wrong.items():
        if any(more) and all(got == sum(parts.values()) + n for (_, got, parts), n in zip(found, more, strict=True)):
            at = next(i for i, n in enumerate(more) if n)
            yield Problem(at, sum(found[at][2].values()), hint)
    for i, (_, got, parts) in enumerate(found):
        if got != sum(parts.values()):
            listed = ", ".join(f"{name} {n}" for name, n in parts.items())
            yield Problem(i, sum(parts.values()), f"the arrays hold: {listed}")


# 10.order ------------------------------------------------------------------------------------------------------------
def _order_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for kind in ("blind", "sees", "swap", "pools", "sees"):
        before, order = rng.standard_normal((6, 3)), np.array([2, 0, 1, *(3 + rng.permutation(3))])
        if kind == "swap":
            order = np.array([1, 0, 3, 2, 5, 4])
        if kind == "pools":
            before[:] = before[0]
        # sums come in another order, so a last digit may differ
        after = before[order] * (1 if kind == "pools" else 1 + 1e-14)
        if kind == "sees":
            after = after + 0.01 * rng.standard_normal(after.shape)
        cases.append((before, after, order))
    before, order = rng.standard_normal((6, 3)), np.array([1, 2, 0, 3, 4, 5])
    cases.append((before, before.copy(), order))  # knows only places
    return cases


def _moved(before: Array, after: Array, order: Array) -> bool:
    return not np.allclose(after, before[order])


@exercise("10.order", "Does it see the order?", _order_cases)
def _order(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    answers = [bool(got) for got in outputs]
    right = [_moved(*case) for case in inputs]
    rules = {
        "the rows of `before` must be brought into the new order before the two are compared: before[order]": (
            lambda before, after, order: not np.allclose(after, before)
        ),
        "exact equality is too strict: the sums come in another order, so the last digit may differ": (
            lambda before, after, order: not np.array_equal(after, before[order])
        ),
        "the rows are moved back instead of forth: row i of the new text is row order[i] of the old one": (
            lambda before, after, order: not np.allclose(after[order], before)
        ),
        "the other way round: a model that does not see the order gives before[order]": (
            lambda before, after, order: np.allclose(after, before[order])
        ),
    }
    for hint, rule in rules.items():
        given = [bool(rule(*case)) for case in inputs]
        if answers == given and given != right:
            at = next(i for i, (a, b) in enumerate(zip(given, right, strict=True)) if a != b)
            yield Problem(at, right[at], hint)
    for i, (got, wanted) in enumerate(zip(answers, right, strict=True)):
        if got != wanted:
            yield Problem(i, wanted, "compare `after`, with a tolerance, to `before` with its rows in the new order")


# 10.mend -------------------------------------------------------------------------------------------------------------
def _mend_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for steps, heads, training in ((4, 2, True), (5, 4, False), (3, 1, False)):
        width = 8
        w = {name: rng.standard_normal((width, width)) / math.sqrt(width) for name in ("query", "key", "value", "out")}
        w["up"] = rng.standard_normal((width, 4 * width)) / math.sqrt(width)
        w["down"] = rng.standard_normal((4 * width, width)) / math.sqrt(4 * width)
        cases.append((3 * rng.standard_normal((steps, width)) + 1, w, heads, training))
    return cases


def _norm(x: Array, axis: int = -1) -> Array:
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + 1e-5)


def _softmax(z: Array) -> Array:
    powers = np.exp(z - z.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _block(
    x: Array, w: dict[str, Array], heads: int, training: bool, *, split: bool = True, always: bool = True,
    causal: str = "before", norm: str = "pre", scale: str = "head",
) -> Array:  # fmt: skip
    """The block that is asked for, or one of its relatives."""

    def inside(h: Array) -> Array:
        return {"pre": _norm, "columns": lambda h: _norm(h, 0)}.get(norm, lambda h: h)(h)

    def outside(h: Array) -> Array:
        return _norm(h) if norm == "post" else h

    parts = heads if split else 1
    steps, width = x.shape
    q, k, v = (
        (inside(x) @ w[name]).reshape(steps, parts, width // parts).swapaxes(0, 1) for name in ("query", "key", "value")
    )
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(width // parts if scale == "head" else width)
    allowed = np.tri(steps, dtype=bool)
    chances = _softmax(np.where(allowed, scores, -np.inf) if causal == "before" else scores)
    found = (chances * allowed if causal == "after" else chances) @ v
    found = found.swapaxes(0, 1).reshape(steps, width)
    x = outside(x + (found @ w["out"] if training or always else found))
    return outside(x + np.maximum(inside(x) @ w["up"], 0) @ w["down"])


MENDED = {
    "split": "the heads are still ignored: split q, k and v into `heads` parts of D / heads columns",
    "always": "the output matrix still works in training only: apply it always",
    "causal": "a row still sees later ones: before the softmax, set their scores to −inf",
    "norm": "the stream is still read as it is: each half must read a normalised copy",
}


@exercise("10.mend", "Find the bugs", _mend_cases)
def _mend(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    def like(**how: Any) -> bool:
        return all(close(got, _block(*case, **how)) for case, got in zip(inputs, outputs, strict=True))

    if like():
        return
    others: dict[str, dict[str, Any]] = {
        "the mask comes after the softmax: the rows no longer sum to 1": {"causal": "after"},
        "the norm stands behind the addition: that is post-norm, asked for is x + f(norm(x))": {"norm": "post"},
        "the norm goes over the places: each row is normalised by itself, axis=-1": {"norm": "columns"},
        "the scores of a head are divided by √(D / heads), the width of the head, not by √D": {"scale": "whole"},
    }
    right = _block(*inputs[0])
    for hint, how in others.items():
        if like(**how):
            yield Problem(0, right, hint)
    off: dict[str, Any] = {"split": False, "always": False, "causal": "no", "norm": "none"}
    for n in range(1, 5):
        for names in itertools.combinations(off, n):
            if like(**{name: off[name] for name in names}):
                more = f" ({n - 1} more to find)" if n > 1 else ""
                at = 1 if names[0] == "always" else 0  # in training the output matrix works anyway
                yield Problem(at, _block(*inputs[at]), MENDED[names[0]] + more)
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        if not close(got, _block(*case)):
            yield Problem(i, _block(*case), "x + attention(norm(x)) @ out, then x + relu(norm(x) @ up) @ down")


# 10.norm_gradient ----------------------------------------------------------------------------------------------------
def _norm_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (scale * rng.standard_normal(shape) + 2, rng.standard_normal(shape))
        for shape, scale in (((3, 4), 1.0), ((1, 6), 5.0), ((4, 2), 0.5))
    ]


def _norm_gradient(
    x: Array, g: Array, *, mean: bool = True, spread: bool = True, ddof: int = 0, axis: int = -1
) -> Array:
    n = x.shape[axis]
    inverse = 1 / np.sqrt(x.var(axis, keepdims=True) * n / (n - ddof) + 1e-5)
    normal = (x - x.mean(axis, keepdims=True)) * inverse
    gradient = g - mean * g.mean(axis, keepdims=True)
    return inverse * (gradient - spread * normal * (g * normal).sum(axis, keepdims=True) / (n - ddof))


@exercise("10.norm_gradient", "Back through layer norm", _norm_cases)
def _norm_gradient_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    wrong: dict[str, dict[str, Any]] = {
        "the variance is treated as a constant: it changes too when a number of the row moves": {"spread": False},
        "the mean is treated as a constant: it moves with every number of the row": {"mean": False},
        "neither the mean nor the variance is a constant: g / √(var + ε) alone is too much": {
            "mean": False, "spread": False,
        },
        "over the wrong axis: each row is normalised by itself, axis=-1": {"axis": 0},
        "n − 1: layer norm uses the biased variance, divided by n": {"ddof": 1},
    }  # fmt: skip
    with np.errstate(all="ignore"):
        for hint, how in wrong.items():
            if all(close(got, _norm_gradient(*case, **how)) for case, got in zip(inputs, outputs, strict=True)):
                yield Problem(0, _norm_gradient(*inputs[0]), hint)
    for i, ((x, g), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _norm_gradient(x, g)
        if close(got, -right):
            yield Problem(i, right, "the sign is turned round")
        if not close(got, right, rtol=1e-4, atol=1e-5):
            yield Problem(
                i, right, "nudge one number of x and see how the sum of g · norm(x) changes: that is asked for"
            )
