"""Exercises of chapter 03 on whole networks: rules to mend, a fused gradient, a saboteur to find."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from minilib import data
from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray
NAMES = ("w1", "b1", "w2", "b2")


def _probabilities(logits: Array) -> Array:
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def _loss(x: Array, y: Array, w1: Array, b1: Array, w2: Array, b2: Array) -> float:
    logits = np.maximum(x @ w1.T + b1, 0) @ w2.T + b2
    return float(-np.log(_probabilities(logits)[np.arange(len(y)), y]).mean())


def _gradients(x: Array, y: Array, w1: Array, b1: Array, w2: Array, b2: Array, *, masked: bool = True) -> list[Array]:
    h = np.maximum(x @ w1.T + b1, 0)
    g = _probabilities(h @ w2.T + b2)
    g[np.arange(len(y)), y] -= 1
    g /= len(y)
    back = (g @ w2) * ((h > 0) if masked else 1)
    return [back.T @ x, back.sum(axis=0), g.T @ h, g.sum(axis=0)]


# 5. Five backward rules to mend --------------------------------------------------------------------------------------
def _mend_cases(rng: np.random.Generator) -> list[Inputs]:
    cases = []
    for batch, inputs, hidden, classes in ((5, 4, 3, 2), (8, 3, 6, 4), (1, 2, 5, 3)):
        w1, w2 = rng.normal(0, 1, (hidden, inputs)), rng.normal(0, 1, (classes, hidden))
        b1, b2 = rng.normal(0, 0.5, hidden), rng.normal(0, 0.5, classes)
        cases.append((rng.normal(0, 1, (batch, inputs)), rng.integers(0, classes, batch), w1, b1, w2, b2))
    return cases


@exercise("03.mend_backward", "Mend five backward rules", _mend_cases)
def _mend_backward(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, (arguments, got) in enumerate(zip(inputs, outputs, strict=True)):
        batch = len(arguments[0])
        expected, found = _gradients(*arguments), [np.asarray(one, float) for one in got]
        if len(found) != 4:
            yield Problem(i, "four gradients", "give back the gradients of w1, b1, w2 and b2, in this order")
        for name, one, right in zip(NAMES, found, expected, strict=True):
            if one.shape == right.T.shape != right.shape:
                yield Problem(
                    i,
                    f"the gradient of {name}, shape {right.shape}",
                    f"the gradient of {name} is transposed: a gradient has the shape of its parameter",
                )
            if one.shape != right.shape:
                yield Problem(
                    i, f"the gradient of {name}, shape {right.shape}", f"the gradient of {name} has shape {one.shape}"
                )
        g2, right2 = found[3], expected[3]
        if batch > 1 and close(g2, batch * right2):
            yield Problem(i, right2, "the loss is a mean over the batch: the factor 1/B is missing")
        if close(g2, -right2):
            yield Problem(
                i, right2, "the sign is turned round: the slope of the loss towards the logits is p − one-hot"
            )
        if batch > 1 and close(g2 * batch, right2):
            yield Problem(
                i,
                right2,
                "the bias is copied to each example: *sum* its blame over the batch, a mean divides by B twice",
            )
        unmasked = _gradients(*arguments, masked=False)
        if close(found[1], unmasked[1]) and not close(unmasked[1], expected[1]):
            yield Problem(i, expected[1], "relu passes blame only where it was positive: the mask (h > 0) is missing")
        if batch > 1 and close(found[1] * batch, expected[1]):
            yield Problem(
                i,
                expected[1],
                "the bias b1 is copied to each example: *sum* its blame over the batch, a mean divides by B twice",
            )
        for name, one, right in zip(NAMES, found, expected, strict=True):
            if not close(one, right, atol=1e-8):
                yield Problem(
                    i,
                    right,
                    f"central differences disagree at {name}: look at the line that makes it, then at "
                    "what flows into it",
                )


# 6. Softmax and cross-entropy in one ---------------------------------------------------------------------------------
def _fused_cases(rng: np.random.Generator) -> list[Inputs]:
    extreme = np.array([[1e4, 0.0, -1e4], [-1e4, 1e4, 0.0]])
    return [
        (rng.normal(0, 2, (4, 3)), rng.integers(0, 3, 4)),
        (np.zeros((2, 5)), np.array([0, 4])),
        (extreme, np.array([0, 0])),
        (rng.normal(0, 1, (1, 7)), np.array([6])),
    ]


@exercise("03.softmax_cross_entropy", "Softmax and cross-entropy in one", _fused_cases)
def _softmax_cross_entropy(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((logits, targets), got) in enumerate(zip(inputs, outputs, strict=True)):
        batch, found = len(logits), np.asarray(got, float)
        p, hot = _probabilities(logits), np.eye(logits.shape[1])[targets]
        expected = (p - hot) / batch
        if close(found, expected):
            continue
        if found.shape == expected.shape and not np.isfinite(found).all():
            yield Problem(
                i, expected, "exp overflowed: subtract each row's maximum before exp; the probabilities stay the same"
            )
        if close(found, p - hot) and batch > 1:
            yield Problem(i, expected, "that is the gradient of the *sum* of the losses: divide by the batch size B")
        whole = np.exp(logits - logits.max())
        whole /= whole.sum()
        if close(found, (whole - hot) / batch) or close(found, whole - hot):
            yield Problem(i, expected, "normalised over the whole array, not each row: sum with axis=1, keepdims=True")
        if close(found, p / batch) or close(found, p):
            yield Problem(
                i, expected, "these are the probabilities; the 1 of the right class still has to be subtracted"
            )
        if close(found, -expected):
            yield Problem(i, expected, "the sign is turned round: a gradient points uphill, p − one-hot")
        if found.shape == expected.shape and not close(found.sum(axis=1), np.zeros(batch), atol=1e-8):
            yield Problem(i, expected, "each row must sum to 0: adding the same number to all logits changes nothing")
        yield Problem(i, expected, "in each row: (probabilities − one-hot of the target) / B, shape (B, V)")


# 8. The saboteur -----------------------------------------------------------------------------------------------------
@cache
def _healthy() -> tuple[tuple[Array, ...], Array, Array]:
    """A trained 64-32-10 network and 300 of the digits it learned from."""
    digits, rng = data.digits(), np.random.default_rng(1)
    x, y = digits.x.astype(float), digits.y
    w1, w2 = rng.normal(0, np.sqrt(2 / 64), (32, 64)), rng.normal(0, np.sqrt(2 / 32), (10, 32))
    parameters = [w1, np.zeros(32), w2, np.zeros(10)]
    for _ in range(400):
        rows = rng.integers(0, 1500, 64)
        gradients = _gradients(x[rows], y[rows], *parameters)
        parameters = [p - 0.2 * g for p, g in zip(parameters, gradients, strict=True)]
    return tuple(parameters), x[:300], y[:300]


def _saboteur_cases(rng: np.random.Generator) -> list[Inputs]:
    (w1, b1, w2, b2), x, y = _healthy()
    busy = np.argsort(-np.maximum(x @ w1.T + b1, 0).mean(axis=0))[:16]
    cases = []
    for unit in rng.permutation(busy)[:10]:
        bent = w2.copy()
        bent[np.abs(w2[:, unit]).argmax(), unit] *= -1
        cases.append((x, y, w1, b1, bent, b2))
    return cases


@exercise("03.find_saboteur", "Find the saboteur", _saboteur_cases)
def _find_saboteur(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    names = {"gradient": 0, "weight": 0, "removal": 0}
    caught: list[bool] = []
    for (x, y, w1, b1, w2, b2), got in zip(inputs, outputs, strict=True):
        accused = tuple(int(k) for k in got)
        if len(accused) != 2 or not (0 <= accused[0] < 10 and 0 <= accused[1] < 32):
            yield Problem(
                len(caught), "(digit, unit)", "accuse one weight of w2: its row, 0 to 9, and its column, 0 to 31"
            )
        caught.append(accused == _place(w2 != _healthy()[0][2]))
        g = _gradients(x, y, w1, b1, w2, b2)[2]
        for name, scores in {"gradient": np.abs(g), "weight": np.abs(w2), "removal": w2 * g}.items():
            names[name] += accused == _place(scores)
    if sum(caught) >= 8:
        return
    first, said = caught.index(False), f"the right weight in at least 8 of 10 cases; it was right in {sum(caught)}"
    if names["weight"] >= 9:
        yield Problem(first, said, "you accuse the largest weight: turning a sign does not change a size")
    if names["gradient"] >= 9:
        yield Problem(
            first,
            said,
            "you accuse the largest gradient, which says who could *help*, not who did it: ask what "
            "happens to the loss when a weight is changed for good",
        )
    if names["removal"] >= 9:
        yield Problem(
            first,
            said,
            "weight × gradient gives a shortlist, not a verdict: turn the sign of each of its first "
            "few back, measure the loss, and accuse the one that helps most",
        )
    yield Problem(
        first,
        said,
        "make a shortlist by weight × gradient, then test each one on it: turn its sign back and measure the loss",
    )


def _place(scores: Array) -> tuple[int, int]:
    row, column = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return int(row), int(column)
