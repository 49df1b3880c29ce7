"""Exercises of chapter 11 on programs: a loss that pairs, gradients that arrive, a program to mend, a decision."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np

from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


# 11.pairs ------------------------------------------------------------------------------------------------------------
def _pairs_cases(rng: np.random.Generator) -> list[Inputs]:
    shapes = [((3, 1), (3,)), ((3,), (3, 1)), ((4, 1), (4, 1)), ((5,), (5,)), ((1, 1), (1,))]
    return [(rng.standard_normal(a).round(2), rng.standard_normal(b).round(2)) for a, b in shapes]


@exercise("11.pairs", "A loss that pairs", _pairs_cases)
def _pairs(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((p, t), got) in enumerate(zip(inputs, outputs, strict=True)):
        miss = p.ravel() - t.ravel()
        right = float((miss**2).mean())
        if close(got, right, 1e-4, 1e-6):
            continue
        if np.shape(got) != ():
            yield Problem(i, right, "one number is asked for: the mean over the pairs is missing")
            return
        every = (p - t) ** 2
        typical = [
            (every.mean(), "every prediction was compared with every target: give both the same shape first"),
            ((miss**2).sum(), "the sum over the pairs, not the mean"),
            (every.sum(), "the sum over all combinations, not the mean over the pairs: give both the same shape first"),
            (np.abs(miss).mean(), "the mean of the absolute misses; each miss is to be squared"),
            (np.sqrt(right), "the root of the loss: the mean of the squares itself is asked for"),
            (miss.mean() ** 2, "the square of the mean: square each miss first, then take the mean"),
        ]
        general = "row i of the prediction belongs to row i of the target: the mean of (p[i] − t[i])²"
        yield Problem(i, right, next((hint for wrong, hint in typical if close(got, wrong, 1e-4, 1e-6)), general))


# 11.gradients --------------------------------------------------------------------------------------------------------
def _gradient_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for rows, sizes in ((4, (3, 5, 2)), (6, (2, 4, 3, 3)), (3, (4, 2))):
        weights = [rng.standard_normal((m, n)) for n, m in pairwise(sizes)]
        biases = [rng.standard_normal(m) for m in sizes[1:]]
        cases.append((rng.standard_normal((rows, sizes[0])), rng.integers(0, sizes[-1], rows), weights, biases))
    return cases


def _softmax(z: Array) -> Array:
    powers = np.exp(z - z.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def _slopes(
    x: Array, y: Array, weights: list[Array], biases: list[Array], *, bend: bool = True, bend_last: bool = False,
    softmax_first: bool = False, factor: float = 1.0,
) -> list[Array]:  # fmt: skip
    """The gradient of the mean cross-entropy of each weight matrix, or with one typical mistake."""
    said, scores = [x], []
    for layer, (w, b) in enumerate(zip(weights, biases, strict=True)):
        scores.append(said[-1] @ w.T + b)
        bends = bend_last if layer == len(weights) - 1 else bend
        said.append(np.maximum(scores[-1], 0) if bends else scores[-1])
    out = _softmax(said[-1]) if softmax_first else said[-1]
    blame = factor * (_softmax(out) - np.eye(out.shape[1])[y]) / len(y)
    if softmax_first:
        blame = out * (blame - (blame * out).sum(1, keepdims=True))
    found = []
    for layer in reversed(range(len(weights))):
        if bend_last if layer == len(weights) - 1 else bend:
            blame = blame * (scores[layer] > 0)
        found.append(blame.T @ said[layer])
        blame = blame @ weights[layer]
    return found[::-1]


def _factor(how: dict[str, Any], case: Inputs) -> dict[str, Any]:
    """A factor of 0 stands for the number of rows."""
    return {"factor": float(len(case[1]))} if how.get("factor") == 0 else how


@exercise("11.gradients", "All gradients of a moved network", _gradient_cases)
def _gradients(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    def near(i: int, got: list[Array]) -> bool:
        same_length = len(outputs[i]) == len(got)
        return same_length and all(close(a, b, 1e-3, 1e-5) for a, b in zip(outputs[i], got, strict=True))

    hints: dict[str, dict[str, Any]] = {
        "the sum over the rows, not the mean: `cross_entropy` takes the mean by itself": {"factor": 0.0},
        "twice the gradient: `backward` was called twice and adds": {"factor": 2.0},
        "a softmax before `cross_entropy`: it expects the scores, and takes the softmax itself": {
            "softmax_first": True
        },
        "a ReLU after the last layer: the scores must be free to be negative": {"bend_last": True},
        "there is no ReLU between the layers": {"bend": False},
    }
    for i, case in enumerate(inputs):
        right = _slopes(*case)
        if near(i, right):
            continue
        if len(outputs[i]) != len(right):
            yield Problem(i, right, f"a list of {len(right)} gradients is asked for, one for each weight matrix")
            return
        if near(i, [g.T for g in right]):
            yield Problem(i, right, "each gradient is transposed: it has the shape of its matrix, (out, in)")
        for hint, how in hints.items():
            if all(near(j, _slopes(*other, **_factor(how, other))) for j, other in enumerate(inputs)):
                yield Problem(i, right, hint)
        if close(outputs[i][-1], right[-1], 1e-3, 1e-5):
            hint = "the last matrix is right, one before it is not: is the graph cut (detach, data, numpy) on the way?"
            yield Problem(i, right, hint)
        general = "each layer is h @ W.T + b, with a ReLU in between; call backward once and read .grad of each W"
        yield Problem(i, right, general)


# 11.mend_training ----------------------------------------------------------------------------------------------------
FAULTS = (
    "the loss compares every prediction with every target: look at the shapes of p and t",
    "the gradients are never cleared: each step walks along the sum of all gradients so far",
    "the graph is cut behind the hidden layer: its weights stay as they were",
    "the second rate starts where the first one ended: the tensors share memory with the given arrays",
)


def _mend_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for rows, columns, hidden, rates, steps in ((6, 2, 3, [0.1, 0.05], 3), (9, 3, 4, [0.02, 0.1, 0.05], 6)):
        start = (
            rng.standard_normal((hidden, columns)), rng.standard_normal(hidden),
            rng.standard_normal((1, hidden)), rng.standard_normal(1),
        )  # fmt: skip
        x = rng.standard_normal((rows, columns))
        cases.append((x, rng.standard_normal(rows), list(start), rates, steps, rng.standard_normal((4, columns))))
    return cases


def _trained(
    faults: tuple[bool, ...], x: Array, t: Array, start: list[Array], rates: list[float], steps: int, x_new: Array
) -> Array:
    every, heap, cut, shared = faults
    w, answers = [a.copy() for a in start], []
    for rate in rates:
        if not shared:
            w = [a.copy() for a in start]
        total = [np.zeros_like(a) for a in w]
        for _ in range(steps):
            h = np.tanh(x @ w[0].T + w[1])
            p = (h @ w[2].T + w[3])[:, 0]
            miss = 2 * (p - (t.mean() if every else t)) / len(t)
            blame = (miss[:, None] @ w[2]) * (1 - h**2) * (not cut)
            slopes = [blame.T @ x, blame.sum(0), miss[None] @ h, miss.sum(keepdims=True)]
            total = [a + g if heap else g for a, g in zip(total, slopes, strict=True)]
            w = [a - rate * g for a, g in zip(w, total, strict=True)]
        answers.append((np.tanh(x_new @ w[0].T + w[1]) @ w[2].T + w[3])[:, 0])
    return np.array(answers)


@exercise("11.mend_training", "Mend four silent bugs", _mend_cases)
def _mend(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _trained((False,) * 4, *case)
        if close(got, right, 1e-3, 1e-4):
            continue
        if np.shape(got) == (*right.shape, 1):
            yield Problem(i, right, "an axis too many: one row of numbers for each rate, (R, N)")
        for faults in sorted(product((False, True), repeat=4), key=sum):
            if close(got, _trained(faults, *case), 1e-3, 1e-4):
                left = [fault for fault, there in zip(FAULTS, faults, strict=True) if there]
                more = f" ({len(left) - 1} more of the four bugs are left)" if len(left) > 1 else ""
                yield Problem(i, right, left[0] + more)
        yield Problem(i, right, "change only what is wrong: the network, the squared loss and plain descent are right")


# 11.release ----------------------------------------------------------------------------------------------------------
@exercise("11.release", "Release?", once)
def _release(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    (got,) = outputs
    if not isinstance(got, dict) or set(got) != {"cause", "next"}:
        yield Problem(0, "a dictionary", "give back a dictionary with the keys 'cause' and 'next'")
        return
    causes = {
        "overfitting": "overfitting would show in the laboratory's test rows too: these got 0.98",
        "drift": "the laboratory gets these very rows right: it cannot be that the rows have changed",
        "small test set": "0.98 and 0.31 differ by far more than chance, and more test rows would change neither",
    }
    if got["cause"] != "mode":
        general = "the same rows, the same weights, another answer: what is different is the company of a row"
        yield Problem(0, "another cause", causes.get(got["cause"], general))
    steps = {
        "retrain": "the weights are not at fault: new ones would be served in the same wrong way",
        "larger test set": "a larger set in the same large shuffled batches shows 0.98 again",
        "larger batches": "waiting for 200 users hides the bug; an answer would still depend on who else asks",
        "release": "rows served in small groups are wrong two times in three",
    }
    if got["next"] != "test and hold":
        general = "first a test that fails on this, the same row alone and in company; then the cure, then the release"
        yield Problem(0, "another next step", steps.get(got["next"], general))
