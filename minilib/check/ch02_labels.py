"""Exercises of chapter 02 on losses for labels: a gradient with a penalty, a loss for extreme scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint, pair_fault
from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


# 3. The gradient of logistic regression ------------------------------------------------------------------------------
def _logistic_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for n, d, penalty in ((6, 3, 0.0), (9, 2, 0.5), (1, 4, 0.1)):
        y = rng.permutation(np.arange(n) % 3 == 0).astype(int)
        cases.append((rng.standard_normal((n, d)), y, rng.standard_normal(d), float(rng.standard_normal()), penalty))
    return cases


def _penalised(x: Array, y: Array, w: Array, b: float, penalty: float) -> float:
    z = x @ w + b
    return float(np.mean(np.logaddexp(0, z) - y * z) + penalty / 2 * (w**2).sum())


@exercise("02.logistic_gradient", "A gradient with a leash", _logistic_cases)
def _logistic(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((x, y, w, b, penalty), got) in enumerate(zip(inputs, outputs, strict=True)):
        n, h = len(y), 1e-5
        nudge = h * np.eye(len(w))
        # the judge knows only the loss; the slopes come from nudging it
        rise = [_penalised(x, y, w + e, b, penalty) - _penalised(x, y, w - e, b, penalty) for e in nudge]
        of_w = np.array(rise) / (2 * h)
        of_b = (_penalised(x, y, w, b + h, penalty) - _penalised(x, y, w, b - h, penalty)) / (2 * h)
        fault = pair_fault(got, ("the gradient of w", "the slope of b"), len(w))
        if fault is None and np.shape(got[0]) != w.shape:
            turned = np.shape(got[0]) == (n,)
            fault = f"the gradient of w has the shape of w, {w.shape}" + (
                ": sum over the samples, not over the columns" * turned
            )
        if fault:
            yield Problem(i, (of_w, of_b), fault)
            continue
        slope_w, slope_b = np.asarray(got[0], float), float(got[1])
        if close(slope_w, of_w, 1e-4, 1e-6) and close(slope_b, of_b, 1e-4, 1e-6):
            continue
        data_w, leash = of_w - penalty * w, penalty * w
        z = x @ w + b
        p = 1 / (1 + np.exp(-z))

        def is_(other_w: Array, other_b: float, w: Array = slope_w, b: float = slope_b) -> bool:
            return close(w, other_w, 1e-4, 1e-6) and close(b, other_b, 1e-4, 1e-6)

        def from_(error: Array, x: Array = x, leash: Array = leash) -> bool:
            return is_(x.T @ error / len(x) + leash, float(error.mean()))

        hints = [
            (
                is_(-of_w, -of_b) or is_(-data_w + leash, -of_b),
                "the sign is turned: the slope of the score is p − y, not y − p",
            ),
            (
                is_(of_w, -of_b),
                "the gradient of w is right, the slope of b has the other sign: it is the mean of p − y",
            ),
            (
                is_(n * data_w + leash, n * of_b) or is_(n * of_w, n * of_b),
                "the sum over the samples, not the mean: divide by N",
            ),
            (
                is_(of_w, n * of_b),
                "the gradient of w is right, the slope of b is a sum over the samples: take the mean",
            ),
            (is_(n * data_w + leash, of_b), "the slope of b is right, the gradient of w is a sum: divide it by N"),
            (from_(2 * (p - y) * p * (1 - p)), "that belongs to the squared error: the cross-entropy has no p(1 − p)"),
            (from_((p > 0.5) - y), "a yes or no stands where p should: the slope needs the probability itself"),
            (from_(z - y), "the score itself stands where its probability should: p is the sigmoid of X @ w + b"),
            (
                from_(1 / (1 + np.exp(b - z)) - y),
                "the slopes would fit if b were 0: the score is X @ w + b",
            ),
            (is_(of_w, of_b + penalty * b), "the penalty is on w alone; the bias is free"),
            (is_(data_w, of_b), "the penalty is missing: (penalty/2)·|w|² has the slope penalty · w"),
            (is_(data_w + leash / n, of_b), "the penalty is divided by N: it stands outside the mean over the samples"),
            (is_(data_w + leash * n, of_b), "the penalty is multiplied by N: it is added once, not for each sample"),
            (is_(data_w - leash, of_b), "the penalty pulls the wrong way: its slope is added, penalty · w"),
            (
                is_(data_w + 2 * leash, of_b) or is_(data_w + leash / 2, of_b),
                "the penalty is off by a factor 2: (penalty/2)·|w|² has the slope penalty · w",
            ),
        ]
        if i and penalty:
            leashed = (
                "right without a penalty, wrong with one: nudge one wⱼ in (penalty/2)·wⱼ² alone and look at its slope"
            )
            hints.append((close(slope_b, of_b, 1e-4, 1e-6), leashed))
        general = "nudging the loss gives other slopes: each score has the slope (p − y)/N; multiply by its inputs"
        yield Problem(i, (of_w, of_b), first_hint(hints, general))


# 4. A loss that survives extreme scores ------------------------------------------------------------------------------
def _stable_cases(rng: np.random.Generator) -> list[Inputs]:
    z = np.array([-2.0, -0.5, 0.0, 1.0, 3.0])
    y = np.array([1, 0, 1, 0, 1])
    extreme = np.array([-1e4, 1e4, -1e4, 1e4, -300.0, 300.0, -30.0, 30.0])
    other, order = z + rng.uniform(-0.4, 0.4, 5).round(2), rng.permutation(8)
    weight = round(float(rng.uniform(3, 8)), 1)
    return [
        (z, y, 1.0), (other, y, weight), (extreme[order], np.array([1, 0, 0, 1, 1, 0, 1, 0])[order], 1.0),
        (-other, 1 - y, 1.0),
    ]  # fmt: skip


@exercise("02.stable_loss", "A loss that survives", _stable_cases)
def _stable_loss(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((z, y, weight), got) in enumerate(zip(inputs, outputs, strict=True)):
        of_yes, of_no = y * np.logaddexp(0, -z), (1 - y) * np.logaddexp(0, z)
        right = weight * of_yes + of_no
        if not close(got, right, 1e-5, 1e-7):
            yield Problem(i, right, _stable_hint(np.asarray(got, float), z, y, weight, of_yes, of_no))


def _stable_hint(got: Array, z: Array, y: Array, weight: float, of_yes: Array, of_no: Array) -> str:
    right = weight * of_yes + of_no
    if got.shape != right.shape:
        whole = "the mean" if close(got, right.mean(), 1e-4) else "the sum" if close(got, right.sum(), 1e-4) else ""
        return f"one loss for each score, shape {right.shape}" + f": {whole} is one step too far" * bool(whole)
    if not np.isfinite(got).all():
        # 1 − p is 0 from z = 37 on, while exp overflows only from 710 on
        if not np.isfinite(got[np.abs(z) < 700]).all():
            return "far out the computer holds p as exactly 0 or 1, and ln 0 is infinite: start from z, not from p"
        return "exp overflows for a large score: pull the large part out before taking the exponential"
    small = np.log1p(np.exp(-np.abs(z)))
    loose = np.log1p(np.exp(-z))  # what stands there without the absolute value
    loose_yes = (np.maximum(-z, 0) + np.log1p(np.exp(z)), np.maximum(-z, 0) + loose, np.logaddexp(0, -z))
    no_abs = any(close(got, weight * y * yes + (1 - y) * (np.maximum(z, 0) + loose)) for yes in loose_yes)
    steep = np.log1p(np.exp(np.abs(z)))  # and with it, but without the minus
    halves = [
        (weight * of_yes, weight * y * (np.maximum(-z, 0) + steep)),
        (of_no, (1 - y) * (np.maximum(z, 0) + steep)),
    ]
    up = [close(got, yes + no) for yes in halves[0] for no in halves[1]]
    hints = [
        (no_abs, "inside the logarithm stands e^−|z|: without the absolute value it is large again on one side of 0"),
        (any(up), "the exponent −|z| must never be positive: the small logarithm is at most ln 2"),
        (
            close(got, weight * y * small + (1 - y) * small),
            "the large part is missing: ln(1 + e^−|z|) is only the rest",
        ),
        (
            close(got, weight * y * np.logaddexp(0, z) + (1 - y) * np.logaddexp(0, -z)),
            "the halves are exchanged: a yes-sample with a high score must cost little",
        ),
        (weight != 1 and close(got, of_yes + weight * of_no), "the weight is on the wrong half: it belongs to y = 1"),
        (
            weight != 1 and close(got, weight * (of_yes + of_no)),
            "the weight is on both halves: it belongs to y = 1 only",
        ),
        (weight != 1 and close(got, of_yes + of_no), "the weight is never used: it multiplies the half of y = 1"),
        (
            close(got, weight * of_yes, 1e-4) or close(got, of_no, 1e-4),
            "one half of the cross-entropy is missing: yes-samples and no-samples both cost something",
        ),
        (
            weight != 1 and close(got, np.logaddexp(0, z) - weight * y * z),
            "the weight belongs to all that a yes-sample costs; in ln(1 + eᶻ) − y·z that is more than the last term",
        ),
        (close(got * np.log(2), right), "that is counted in bits: ln is the natural logarithm"),
        (close(got, -right), "the sign is turned: a probability's logarithm is negative, a loss is not"),
        (
            close(got * len(z), right),
            "each loss is divided by N: give the losses themselves, not their share of the mean",
        ),
    ]
    top = float(np.abs(got).max())
    inside = right < 0.9 * top
    if inside.any() and np.abs(right).max() > 1.1 * top > 1 and close(got[inside], right[inside], 1e-2, 1e-3):
        digits = top / np.log(10)
        if abs(top - round(top)) < 0.01:
            cause = f"scores clipped at ±{round(top)}"
        elif abs(digits - round(digits)) < 0.005:
            cause = f"a probability kept above 1e-{round(digits)}"
        else:
            cause = "a clipped score, or a probability kept away from 0"
        hints.append((True, f"capped at {top:.1f}: with {cause} the loss stops growing where the model is most wrong"))
    if np.abs(z).max() > 100:
        return first_hint(hints, "right near 0, wrong far out: 1 − p loses its digits there; start from z, not from p")
    return first_hint(hints, "near 0 it must equal −weight·y·ln p − (1 − y)·ln(1 − p); compute one sample by hand")
