"""Exercises of chapter 10 about what a Transformer is made of: counting, order, a block, layer norm's gradient."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
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
    for kind in ("blind", "sees", "swap", "pools", "sees", *rng.choice(["blind", "sees"], 6)):
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
    return [cases[k] for k in rng.permutation(len(cases))]


def _moved(before: Array, after: Array, order: Array) -> bool:
    return not np.allclose(after, before[order])


@exercise("10.order", "Does it see the order?", _order_cases)
def _order(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, got in enumerate(outputs):
        if np.shape(got) or isinstance(got, str) or got not in (0, 1):
            yield Problem(i, "True or False", "give back one truth value, no number and no array")
            return
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
        # the last stream is so small that ε shows
        size = 3 if heads > 1 else 0.02
        cases.append((size * (rng.standard_normal((steps, width)) + 1), w, heads, training))
    return cases


def _norm(x: Array, axis: int = -1, epsilon: str = "inside") -> Array:
    spread = x.std(axis, keepdims=True) + (1e-5 if epsilon == "outside" else 0)
    if epsilon == "inside":
        spread = np.sqrt(x.var(axis, keepdims=True) + 1e-5)
    return (x - x.mean(axis, keepdims=True)) / spread


def _softmax(z: Array, axis: int = -1) -> Array:
    powers = np.exp(z - z.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def _block(
    x: Array, w: dict[str, Array], heads: int, training: bool, *, split: str = "columns", always: bool = True,
    causal: str = "before", norm: str = "pre", scale: str = "head", axis: int = -1,
) -> Array:  # fmt: skip
    """The block that is asked for, or one of its relatives."""
    inner: dict[str, Callable[[Array], Array]] = {
        "columns": lambda h: _norm(h, 0), "without ε": lambda h: _norm(h, epsilon="no"),
        "ε outside": lambda h: _norm(h, epsilon="outside"),
    }  # fmt: skip
    same = {"post", "none", "stream"}
    read_1, read_2 = (
        (lambda h: h) if norm == skipped or norm in same else inner.get(norm, _norm)
        for skipped in ("second alone", "first alone")
    )
    outside = _norm if norm == "post" else (lambda h: h)
    changed = _norm if norm == "stream" else (lambda h: h)
    parts = heads if split != "no" else 1
    steps, width = x.shape
    apart = parts, steps, width // parts
    x = changed(x)
    q, k, v = (
        h.reshape(apart) if split == "cut" else h.reshape(steps, parts, width // parts).swapaxes(0, 1)
        for h in (read_1(x) @ w[name] for name in ("query", "key", "value"))
    )
    scores = q @ k.swapaxes(-1, -2) / {"head": math.sqrt(width // parts), "whole": math.sqrt(width), "no": 1.0}[scale]
    everywhere = np.ones((steps, steps), bool)
    allowed = {"strict": np.tri(steps, k=-1, dtype=bool), "turned": np.tri(steps, dtype=bool).T, "no": everywhere}.get(
        causal, np.tri(steps, dtype=bool)
    )
    chances = _softmax(scores if causal == "after" else np.where(allowed, scores, -np.inf), axis)
    found = (chances * allowed if causal == "after" else chances) @ v
    found = (found if split in ("cut", "glued") else found.swapaxes(0, 1)).reshape(steps, width)
    x = changed(outside(x + (found @ w["out"] if training or always else found)))
    return outside(x + np.maximum(read_2(x) @ w["up"], 0) @ w["down"])


MENDED = {
    "split": "the heads are still ignored: split q, k and v into `heads` parts of D / heads columns",
    "always": "the output matrix still works in training only: apply it always",
    "causal": "a row still sees later ones: before the softmax, set their scores to −inf",
    "norm": "the stream is still read as it is: each half must read a normalised copy",
}


@exercise("10.mend", "Find the bugs", _mend_cases)
def _mend(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    def like(first: int = 0, **how: Any) -> bool:
        pairs = [(got, _block(*case, **how)) for case, got in zip(inputs, outputs, strict=True)]
        return all(np.shape(got) == y.shape and near(got[first:], y[first:]) for got, y in pairs)

    def near(got: Any, expected: Array) -> bool:
        return close(got, expected, rtol=1e-5, atol=1e-5)  # an answer may be computed in float32

    if like():
        return
    others: dict[str, dict[str, Any]] = {
        "the mask comes after the softmax: the rows no longer sum to 1": {"causal": "after"},
        "the norm stands behind the addition: that is post-norm, asked for is x + f(norm(x))": {"norm": "post"},
        "the norm goes over the places: each row is normalised by itself, axis=-1": {"norm": "columns"},
        "only the first half reads norm(x): the feed-forward half must read a normalised copy too": {
            "norm": "first alone"
        },
        "only the second half reads norm(x): attention must read a normalised copy too": {"norm": "second alone"},
        "the stream itself is normalised: only the copy that a half reads is, and it adds to x as it was": {
            "norm": "stream"
        },
        "ε = 0.00001 is added to the variance, inside the root": {"norm": "ε outside"},
        "ε is missing: the root is taken of the variance plus 0.00001": {"norm": "without ε"},
        "the rows are mixed up with the heads: reshape(T, heads, K) first, then swap the axes, and back in the end": {
            "split": "cut"
        },
        "what the heads found is glued together in the wrong order: swap the axes back before the last reshape": {
            "split": "glued"
        },
        "a mask that is turned round: a row sees itself and what stands before, not what comes after": {
            "causal": "turned"
        },
        "the softmax goes over the queries: the scores are (heads, T, T) now, and each row sums to 1, axis=-1": {
            "axis": -2
        },
        "the scores of a head are divided by √(D / heads), the width of the head, not by √D": {"scale": "whole"},
        "the scores are not divided by √(D / heads)": {"scale": "no"},
    }
    for hint, how in others.items():
        if like(**how):
            at = next(i for i, case in enumerate(inputs) if not near(outputs[i], _block(*case)))
            yield Problem(at, _block(*inputs[at]), hint)
    if like(first=1, causal="strict"):  # what the first row finds, if it sees nothing, may be anything
        yield Problem(0, _block(*inputs[0]), "a row may see itself: hide only what comes after it")
    off: dict[str, Any] = {"split": "no", "always": False, "causal": "no", "norm": "none"}
    for n in range(1, 5):
        for names in itertools.combinations(off, n):
            if like(**{name: off[name] for name in names}):
                more = f" ({n - 1} more to find)" if n > 1 else ""
                at = 1 if names[0] == "always" else 0  # in training the output matrix works anyway
                yield Problem(at, _block(*inputs[at]), MENDED[names[0]] + more)
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        if not near(got, _block(*case)):
            yield Problem(i, _block(*case), "x + attention(norm(x)) @ out, then x + relu(norm(x) @ up) @ down")


# 10.norm_gradient ----------------------------------------------------------------------------------------------------
def _norm_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (scale * rng.standard_normal(shape) + 2, rng.standard_normal(shape))
        for shape, scale in (((3, 4), 1.0), ((1, 6), 5.0), ((4, 3), 0.5))
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
