"""Exercises of chapter 03 on whole networks: rules to mend, and a loss with its gradient by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, permutations
from typing import Any

import numpy as np

from minilib.check.ch03_backpropagation import _arrays
from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray
NAMES = ("w1", "b1", "w2", "b2")


def _probabilities(logits: Array) -> Array:
    exp = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def _gradients(x: Array, y: Array, w1: Array, b1: Array, w2: Array, b2: Array, *, faults: tuple = ()) -> list[Array]:
    """Gradients of the mean cross-entropy, with some of the faults that a reader may leave in."""
    batch, h = len(y), np.maximum(x @ w1.T + b1, 0)
    g = _probabilities(h @ w2.T + b2)
    g[np.arange(batch), y] -= 1
    g *= (-1 if "sign" in faults else 1) / (1 if "mean" in faults else batch)
    back = (g @ w2) * (1 if "mask" in faults else h > 0)
    first, last = (g.T @ h, g.sum(axis=0))
    if "late mask" in faults:  # relu's slope taken from the wrong side of the product
        back = g @ w2 * (g @ w2 > 0)
    return [
        back.T @ x,
        back.mean(axis=0) if "b1 mean" in faults else back.sum(axis=0),
        first.T if "transposed" in faults else first,
        last / batch if "b2 mean" in faults else last,
    ]


# 5. Five backward rules to mend --------------------------------------------------------------------------------------
def _mend_cases(rng: np.random.Generator) -> list[Inputs]:
    cases = []
    for batch, inputs, hidden, classes in ((5, 4, 3, 2), (8, 3, 6, 4), (1, 2, 5, 3)):
        w1, w2 = rng.normal(0, 1, (hidden, inputs)), rng.normal(0, 1, (classes, hidden))
        b1, b2 = rng.normal(0, 0.5, hidden), rng.normal(0, 0.5, classes)
        cases.append((rng.normal(0, 1, (batch, inputs)), rng.integers(0, classes, batch), w1, b1, w2, b2))
    return cases


FAULTS = {
    "transposed": "the gradient of w2 is transposed: a gradient has the shape of its parameter",
    "sign": "a sign is turned round: in which direction does the loss of a row rise, p − one-hot or one-hot − p?",
    "mean": "the loss is a *mean* over the batch, and its slope contains a factor that is missing here",
    "mask": (
        "relu lets blame through only where the unit was above 0: a factor is missing in dh, or it is always true, "
        "as h >= 0 is after relu"
    ),
    "late mask": "the mask of relu asks whether the *unit* was above 0 on the way forward, not whether its blame is",
    "b1 mean": "b1 is copied to each example: what is copied forward is *summed* backward; a mean divides by B again",
    "b2 mean": "b2 is copied to each example: what is copied forward is *summed* backward; a mean divides by B again",
}


@exercise("03.mend_backward", "Mend five backward rules", _mend_cases)
def _mend_backward(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    found: list[Any] = [_arrays(got, 4) for got in outputs]
    if None in found:
        yield Problem(0, "four gradients", "give back the gradients of w1, b1, w2 and b2, in this order")
        return
    expected = [_gradients(*case) for case in inputs]
    wrong = [i for i, (one, right) in enumerate(zip(found, expected, strict=True)) if not _agree(one, right)]
    if not wrong:
        return
    for order in permutations(range(4)):
        if all(_agree([one[k] for k in order], right) for one, right in zip(found, expected, strict=True)):
            yield Problem(0, "dw1, db1, dw2, db2", "all four are right, their order is not: dw1, db1, dw2, db2")
    for count in range(1, 6):
        for faults in combinations(FAULTS, count):
            if all(_agree(one, _gradients(*case, faults=faults)) for one, case in zip(found, inputs, strict=True)):
                rest = {1: "", 2: " (and one more mistake after this one)"}.get(count, " (and more mistakes after it)")
                yield Problem(wrong[0], _first_wrong(found[wrong[0]], expected[wrong[0]]), FAULTS[faults[0]] + rest)
    powers = [_power_of_batch(k, found, expected, inputs) for k in range(4)]
    if None not in powers:
        without, twice, divided = (
            " and ".join(name for name, power in zip(NAMES, powers, strict=True) if power in which)
            for which in ((1,), (-1,), (0, -1))
        )
        hint = f"the mean over the batch divides the gradients of {divided}, but not those of {without}"
        hint = hint if without else f"the gradients of {twice} are divided by B a second time"
        where = ": divide once, in the blame from which all four gradients come"
        yield Problem(wrong[0], _first_wrong(found[wrong[0]], expected[wrong[0]]), hint + where)
    for name, one, right in zip(NAMES, found[wrong[0]], expected[wrong[0]], strict=True):
        if one.shape != right.shape:
            yield Problem(
                wrong[0],
                f"the gradient of {name}, shape {right.shape}",
                f"the gradient of {name} came back in shape {one.shape}, but {name} has shape {right.shape}",
            )
        if not close(one, right, atol=1e-8):
            yield Problem(
                wrong[0],
                f"another gradient of {name}, shape {right.shape}",
                f"central differences disagree at {name}: look at the line that makes it, then at what flows into it",
            )


def _agree(found: list[Array], right: list[Array]) -> bool:
    return all(close(one, other, rtol=1e-4, atol=1e-6) for one, other in zip(found, right, strict=True))


def _power_of_batch(which: int, found: list, expected: list, inputs: list[Inputs]) -> int | None:
    """p, if in every case this gradient is the right one times Bᵖ: 1, a mean is missing, −1, it is taken twice."""
    for power in (0, 1, -1):
        pairs = [(one[which], right[which] * float(len(case[1])) ** power)
                 for one, right, case in zip(found, expected, inputs, strict=True)]  # fmt: skip
        if all(close(one, other, rtol=1e-4, atol=1e-6) for one, other in pairs):
            return power
    return None


def _first_wrong(found: list[Array], right: list[Array]) -> str:
    wrong = (k for k in range(4) if not close(found[k], right[k], rtol=1e-4, atol=1e-6))
    return f"another gradient of {NAMES[next(wrong)]}"


# 6. Cross-entropy with smoothed labels -------------------------------------------------------------------------------
def _smooth_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (rng.normal(0, 2, (4, 3)), rng.integers(0, 3, 4), 0.1),
        (np.zeros((2, 5)), np.array([0, 4]), 0.3),
        (rng.normal(0, 1, (1, 7)), np.array([6]), 0.0),
        (np.array([[800.0, 0.0, -800.0], [0.0, 900.0, 1.0]]), np.array([0, 0]), 0.1),
        (np.array([[1e4, 0.0, 0.0], [-1e4, -1e4, -1e4 - 1]]), np.array([1, 2]), 0.0),
        (np.array([[1e4, 0.0, 0.0], [-1e4, -1e4, -1e4 - 1]]), np.array([0, 1]), 0.1),
    ]


# targets that do not sum to 1
UNEVEN: dict[str, Callable[[Array, float, int], Array]] = {
    "doubt lost": lambda hot, s, classes: (1 - s) * hot,
    "nothing taken": lambda hot, s, classes: hot + s / classes,
    "all of s to each": lambda hot, s, classes: (1 - s) * hot + s,
    "one class too many": lambda hot, s, classes: (1 - s) * hot + s / (classes - 1),
}


def _smooth(logits: Array, targets: Array, smoothing: float, *, faults: tuple = ()) -> tuple[Any, Array]:
    """Loss and gradient, with some of the faults that a reader may make."""
    batch, classes = logits.shape
    hot = np.eye(classes)[targets]
    q = (1 - smoothing) * hot + smoothing / classes
    if "unsmoothed" in faults:
        q = hot
    for fault, uneven in UNEVEN.items():
        q = uneven(hot, smoothing, classes) if fault in faults else q
    if "others only" in faults:
        q = (1 - smoothing) * hot + smoothing * (1 - hot) / (classes - 1)
    axis = None if "whole array" in faults else 1
    top = 0 if "no maximum" in faults else logits.max() if "global maximum" in faults else logits.max(1, keepdims=True)
    shifted = logits - top
    exp = np.exp(shifted)
    total = exp.sum(axis=axis, keepdims=True)
    p = exp / total
    log_p = np.log(p) if "two steps" in faults else shifted - np.log(total)
    loss = -(q * log_p).sum() / (1 if "loss summed" in faults else batch)
    sign = -1 if "sign" in faults else 1
    if "unsmoothed gradient" in faults:
        q = hot
    if "nudged" in faults:  # the true slope, if the targets do not sum to 1
        p = p * q.sum(axis=1, keepdims=True)
    return loss, sign * (p - (0 if "no labels" in faults else q)) / (1 if "gradient summed" in faults else batch)


TWO_STEPS = (
    "a probability underflowed to 0 and its logarithm is −∞: join the two steps, ln p is z − ln Σ eᶻ, "
    "and no p is ever taken a logarithm of"
)
SMOOTH_HINTS: dict[tuple, str] = {
    ("no maximum",): "exp overflowed: subtract each row's maximum before exp; the probabilities stay the same",
    (
        "no maximum",
        "two steps",
    ): "exp overflowed: subtract each row's maximum before exp; the probabilities stay the same",
    ("global maximum",): "the largest logit of the *whole* array is subtracted: a row far below it keeps nothing but "
    "zeros. Subtract each row's own maximum",
    ("global maximum", "two steps"): "the largest logit of the *whole* array is subtracted: a row far below it keeps "
    "nothing but zeros. Subtract each row's own maximum",
    ("two steps",): TWO_STEPS,
    ("unsmoothed",): "the target is still one-hot: give the right class 1 − s, and s / V to every class, itself too",
    ("others only",): "s is spread over the V − 1 wrong classes; here each of *all* V classes gets s / V",
    (
        "unsmoothed gradient",
    ): "the loss is smoothed, its gradient is not: for all targets that sum to 1 it is p − q, and "
    "here q is the smoothed one",
    **{
        (
            fault,
            *more,
        ): "the targets q of a row do not sum to 1: what the label loses and what all V classes get together "
        "must be the same share, s"
        for fault in UNEVEN
        for more in ((), ("nudged",))
    },
    ("loss summed", "gradient summed"): "these belong to the *sum* of the losses: both have to be divided by B",
    ("gradient summed",): "the gradient is that of the *sum* of the losses: it has to be divided by B, as the loss is",
    ("loss summed",): "the loss is the *sum* over the batch: it has to be divided by B, as the gradient is",
    ("no labels",): "these are the probabilities; where does the label enter the gradient?",
    ("sign",): "the sign of the gradient is turned round: it has to point uphill",
    ("whole array",): "normalised over the whole array, not each row: sum with axis=1, keepdims=True",
}


@exercise("03.smooth_cross_entropy", "Cross-entropy with a little doubt", _smooth_cases)
def _smooth_cross_entropy(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    found: list[Any] = [_pair(got, case[0].shape) for case, got in zip(inputs, outputs, strict=True)]
    expected = [_smooth(*case) for case in inputs]
    if None in found:
        i = found.index(None)
        swapped = isinstance(outputs[i], list | tuple) and _pair(outputs[i][::-1], inputs[i][0].shape) is not None
        order = "the other way round: first the loss, then the gradient"
        yield Problem(i, expected[i], order if swapped else "give back the loss, a number, and its gradient, (B, V)")
        return
    wrong = [i for i, (one, right) in enumerate(zip(found, expected, strict=True)) if not _both(one, right)]
    if not wrong:
        return
    for faults, hint in SMOOTH_HINTS.items():
        if all(_both(one, _smooth(*case, faults=faults)) for one, case in zip(found, inputs, strict=True)):
            yield Problem(wrong[0], expected[wrong[0]], hint)
    first = wrong[0]
    loss, gradient = found[first]
    if not np.isfinite(loss) and close(gradient, expected[first][1]):
        yield Problem(first, expected[first], TWO_STEPS)
    if not np.isfinite(gradient).all():
        yield Problem(first, expected[first], "something overflowed: subtract each row's own maximum before exp")
    if first >= 3 and np.isfinite(loss) and loss < expected[first][0] * (1 - 1e-6):
        yield Problem(
            first,
            expected[first],
            "finite, but too small: a probability or a logit was clipped. That hides how wrong the model is; "
            "join logarithm and softmax in one formula, which needs no clipping",
        )
    if not close(gradient.sum(axis=1), np.zeros(len(gradient)), atol=1e-6):
        yield Problem(
            first,
            expected[first],
            "each row of the gradient must sum to 0: adding one number to all logits changes nothing",
        )
    if close(gradient, expected[first][1], atol=1e-8):
        hint = "the gradient is right, the loss is not: work out −Σ q ln p of the first row by hand"
    else:
        hint = "the gradient differs: nudge one logit a little, and see by how much the loss changes"
    yield Problem(first, expected[first], hint)


def _pair(got: Any, shape: tuple[int, ...]) -> tuple[float, Array] | None:
    try:
        loss, gradient = got
        gradient = np.asarray(gradient, float)
        return (float(loss), gradient) if np.size(loss) == 1 and gradient.shape == shape else None
    except (TypeError, ValueError):
        return None


def _both(found: tuple[Any, Array], right: tuple[Any, Array]) -> bool:
    return all(
        np.allclose(one, other, rtol=1e-5, atol=1e-6, equal_nan=True) for one, other in zip(found, right, strict=True)
    )
