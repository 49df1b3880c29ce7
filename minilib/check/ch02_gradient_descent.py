"""Exercises of chapter 02: walking downhill, speed limits, losses for labels, logs, units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


def _pair(got: Any) -> tuple[Array, float]:
    """Weights and bias; ValueError for anything else."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise ValueError("needed two things: the weights and the bias")
    return np.asarray(got[0], float), float(got[1])


# 1. Walk the bowl ----------------------------------------------------------------------------------------------------
def _walk_cases(rng: np.random.Generator) -> list[Inputs]:
    return [(0.0, 0.1, 5), (10.0, 0.3, 4), (4.0, 0.2, 3), (float(rng.uniform(-9, 9)), 0.05, 12)]


@exercise("02.walk", "Walk the bowl", _walk_cases)
def _walk(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((w, rate, steps), got) in enumerate(zip(inputs, outputs, strict=True)):

        def path(slope: float, w: float = w, rate: float = rate, steps: int = steps) -> Array:
            return 4 + (w - 4) * (1 - slope * rate) ** np.arange(steps + 1)

        right = path(5)
        if close(got, right):
            continue
        if np.shape(got) != right.shape:
            hint = f"give back {steps + 1} numbers: the start, then w after each of the {steps} steps"
        elif close(got, path(-5)):
            hint = "you walk uphill: the step goes against the slope, w − rate · slope"
        elif close(got, path(2.5)):
            hint = "half as far as expected: the slope of a square is 2 · (miss) · x; is the 2 there?"
        elif close(got, path(10)):
            hint = "twice as far as expected: the loss is the mean over the two deliveries, not their sum"
        else:
            hint = "every step must multiply w − 4 by 1 − 5 · rate; compute one step by hand and compare"
        yield Problem(i, right, hint)


# 2. Predict the cliff ------------------------------------------------------------------------------------------------
def _limit_cases(rng: np.random.Generator) -> list[Inputs]:
    table = rng.standard_normal((50, 3)) * (1, 4, 0.5)
    return [(np.array([[1.0], [2.0]]),), (table,), (3 * table,), (rng.standard_normal((12, 5)),)]


@exercise("02.rate_limit", "Predict the cliff", _limit_cases)
def _rate_limit(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((x,), got) in enumerate(zip(inputs, outputs, strict=True)):
        n, curvatures = len(x), np.linalg.eigvalsh(2 * x.T @ x / len(x))
        right = 2 / curvatures[-1]
        if close(got, right, rtol=1e-3):
            continue
        typical = {
            2 / n * right: "it differs by N/2: the curvature is 2·XᵀX/N, not XᵀX",
            2 * right: "twice too high: the second derivative of a square is 2, so the curvature is 2·XᵀX/N",
            right / n: "N times too low: the loss is a mean, so the curvature is divided by N",
            right / 2: "half of the limit: safe, but the cliff stands at 2/curvature, not 1/curvature",
            2 / curvatures[0]: "that is the limit of the flattest direction; the steepest one explodes first",
            n / np.sqrt(curvatures[-1] * n / 2): "a singular value of X must be squared to give a curvature",
            2 / curvatures.sum(): "the sum of all curvatures; only the steepest one counts",
        }
        general = "steps at 0.99 of the limit must shrink the error in every direction, at 1.01 of it grow in one"
        hints = [hint for wrong, hint in typical.items() if close(got, wrong, rtol=1e-3)]
        yield Problem(i, right, (hints or [general])[0])


# 3. The gradient of logistic regression ------------------------------------------------------------------------------
def _logistic_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for n, d, penalty in ((6, 3, 0.0), (9, 2, 0.5), (1, 4, 0.1)):
        y = rng.integers(0, 2, n)
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
        slope_w, slope_b = _pair(got)
        if close(slope_w, of_w, 1e-5, 1e-7) and close(slope_b, of_b, 1e-5, 1e-7):
            continue

        def is_(other_w: Array, other_b: float, w: Array = slope_w, b: float = slope_b) -> bool:
            return close(w, other_w, 1e-4, 1e-6) and close(b, other_b, 1e-4, 1e-6)

        data_w = of_w - penalty * w
        if slope_w.shape != w.shape:
            hint = f"the slope of w has its shape, {w.shape}: sum over the samples, not over the columns"
        elif is_(-of_w, -of_b) or is_(-data_w + penalty * w, -of_b):
            hint = "the sign is turned: the slope of the score is p − y, not y − p"
        elif is_(n * data_w + penalty * w, n * of_b) or is_(n * of_w, n * of_b):
            hint = "the sum over the samples, not the mean: divide by N"
        elif is_(of_w, of_b + penalty * b):
            hint = "the penalty is on w alone; the bias is free"
        elif is_(data_w, of_b):
            hint = "the penalty is missing: (penalty/2)·|w|² has the slope penalty · w"
        elif is_(data_w + 2 * penalty * w, of_b) or is_(data_w + penalty / 2 * w, of_b):
            hint = "the penalty is off by a factor 2: (penalty/2)·|w|² has the slope penalty · w"
        else:
            hint = "nudging the loss gives other slopes: each score has the slope (p − y)/N; multiply by its inputs"
        yield Problem(i, (of_w, of_b), hint)


# 4. A loss that survives extreme scores ------------------------------------------------------------------------------
def _stable_cases(rng: np.random.Generator) -> list[Inputs]:
    z = np.array([-2.0, -0.5, 0.0, 1.0, 3.0])
    y = np.array([1, 0, 1, 0, 1])
    extreme = np.array([-1e4, 1e4, -1e4, 1e4, -300.0, 300.0, -30.0, 30.0])
    return [(z, y, 1.0), (z, y, 5.0), (extreme, np.array([1, 0, 0, 1, 1, 0, 1, 0]), 1.0), (-z, 1 - y, 1.0)]


@exercise("02.stable_loss", "A loss that survives", _stable_cases)
def _stable_loss(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((z, y, weight), got) in enumerate(zip(inputs, outputs, strict=True)):
        of_yes, of_no = y * np.logaddexp(0, -z), (1 - y) * np.logaddexp(0, z)
        right = weight * of_yes + of_no
        if close(got, right, 1e-6, 1e-9):
            continue
        got = np.asarray(got, float)
        if got.shape != right.shape:
            hint = f"one loss for each score, shape {right.shape}: take no mean"
        elif not np.isfinite(got).all():
            hint = "exp overflowed or a log met 0: write ln(1 + eᶻ) as max(z, 0) + ln(1 + e^−|z|)"
        elif weight != 1 and close(got, of_yes + weight * of_no):
            hint = "the weight is on the wrong half: it multiplies the loss of the yes-samples"
        elif weight != 1 and (close(got, weight * (of_yes + of_no)) or close(got, of_yes + of_no)):
            hint = "the weight must multiply the yes-samples' half, and only that"
        elif close(got, weight * of_yes, 1e-4) or close(got, of_no, 1e-4):
            hint = "one half of the cross-entropy is missing: yes-samples and no-samples both cost something"
        elif close(got, -right):
            hint = "the sign is turned: a probability's logarithm is negative, a loss is not"
        elif np.abs(right).max() > 1000 > np.abs(got).max():
            top = np.abs(got).max()
            hint = (
                f"capped at {top:.1f}: log(p + tiny), or a clipped score, stops growing where the model is most wrong"
            )
        else:
            hint = "near 0 it must equal −weight·y·ln p − (1 − y)·ln(1 − p)"
        yield Problem(i, right, hint)


# 6. Read five logs ---------------------------------------------------------------------------------------------------
LOGS = {"A": "too slow", "B": "wrong loss", "C": "healthy", "D": "too fast", "E": "cannot tell"}


@exercise("02.read_logs", "Read five logs", once)
def _logs(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    got = {str(key).strip().upper(): str(value).strip().lower() for key, value in dict(outputs[0]).items()}
    if set(got) != set(LOGS):
        yield Problem(0, "a verdict for each of A, B, C, D and E", "a log has no verdict, or there is one too many")
        return
    hints = {
        "A": "log A: 0.693 is the loss of a coin flip; how far from it has the run come in 500 steps?",
        "B": "log B: the lowest loss of all beside an accuracy that falls: is that loss asking for the right thing?",
        "C": "log C: loss and test accuracy agree and both settle; what is there to complain about?",
        "D": "log D: a loss that leaps far above 0.693, worse than a coin flip, and back: each step overshoots",
        "E": "log E: there is one curve only, of the training rows; whether it overfits cannot be read from that",
    }
    for name, right in LOGS.items():
        if got[name] != right:
            yield Problem(0, f"another verdict for log {name}", hints[name])


# 7. Back to the customer's units -------------------------------------------------------------------------------------
def _unscale_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (rng.standard_normal(d), float(rng.standard_normal()), rng.uniform(5, 90, d), rng.uniform(0.1, 20, d))
        for d in (1, 3, 6)
    ]


@exercise("02.back_to_raw", "Back to the customer's units", _unscale_cases)
def _unscale(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((w, b, mean, std), got) in enumerate(zip(inputs, outputs, strict=True)):
        raw_w, raw_b = _pair(got)
        x = mean + std * np.random.default_rng(0).standard_normal((20, len(w)))
        wanted = (x - mean) / std @ w + b
        right = (w / std, b - float((w * mean / std).sum()))
        if raw_w.shape == w.shape and close(x @ raw_w + raw_b, wanted, 1e-9, 1e-9):
            continue
        if raw_w.shape != w.shape:
            hint = f"one raw weight for each column, shape {w.shape}"
        elif close(raw_w, w * std):
            hint = "a column in large units needs a small weight: divide by std, do not multiply"
        elif close(raw_w, w / std) and close(raw_b, b):
            hint = "the weights are right, the bias is not: it must make up for the mean that is no longer subtracted"
        elif close(raw_w, w / std) and close(raw_b, 2 * b - right[1]):
            hint = "the bias moves the other way: subtract w · mean / std, do not add it"
        else:
            hint = "write out w · (x − mean)/std + b and collect what multiplies x and what does not"
        yield Problem(i, right, hint)
