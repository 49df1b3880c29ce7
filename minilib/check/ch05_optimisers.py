"""Exercises of chapter 05 in which a rule is written: what momentum remembers, AdaMax, the edge, a trapezoid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


def wrong_shape(got: Any, right: Array) -> str | None:
    """What is wrong with the shape of an answer, or None."""
    if np.shape(got) == np.shape(right):
        return None
    return f"needed shape {np.shape(right)}, yours has {np.shape(got)}"


# 1. Momentum's memory ------------------------------------------------------------------------------------------------
def _push_cases(rng: np.random.Generator) -> list[Inputs]:
    return [(0.9, 5), (0.5, 4), (float(rng.uniform(0.6, 0.95)), 8), (0.0, 3), (0.8, 1)]


def _push(beta: float, steps: int) -> Array:
    """Gradient t, alone and of size 1, walked with momentum: how far the weight has come in the end."""
    pushes = []
    for t in range(steps):
        v = w = 0.0
        for now in range(steps):
            v = beta * v + (now == t)
            w += v
        pushes.append(w)
    return np.array(pushes)


@exercise("05.total_push", "Momentum's memory", _push_cases)
def _total_push(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((beta, steps), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _push(beta, steps)
        if close(got, right, 1e-5):
            continue
        fault = wrong_shape(got, right)
        if fault:
            yield Problem(i, right, fault)
            continue
        age = np.arange(steps)[::-1]
        hints = [
            (close(got, right[::-1], 1e-5), "right numbers, wrong order: entry 0 belongs to the oldest gradient"),
            (
                close(got, beta**age, 1e-5) or close(got, (beta**age)[::-1], 1e-5),
                "that is its share in the velocity at the last step; but it has moved the weight in every step",
            ),
            (
                close(got, (1 - beta) * right, 1e-5),
                "(1 − beta) times too small: this velocity is a decaying sum, v = beta·v + g, not a mean",
            ),
            (
                close(got, np.append(right[1:], 0), 1e-5),
                "one step short: a gradient moves the weight already in the step in which it comes",
            ),
            (
                close(got, beta * right, 1e-5),
                "one factor beta too many: a gradient enters the velocity whole, and fades from the next step on",
            ),
            (
                close(got, np.full(steps, 1 / (1 - beta)), 1e-5),
                "1/(1 − beta) is what each will have done in the end; the late ones have not had the time",
            ),
        ]
        general = "set one gradient to 1, the others to 0, walk by hand for three steps and add up the velocities"
        yield Problem(i, right, first_hint(hints, general))


# 2. AdaMax -----------------------------------------------------------------------------------------------------------
def _adamax_cases(rng: np.random.Generator) -> list[Inputs]:
    falling = rng.standard_normal((6, 3)) * (10.0 ** -np.arange(6))[:, None]
    # slopes that shrink, and a ruler that forgets fast: a mistake in either shows in the digits that are printed
    shrinking = rng.choice([-1.0, 1.0], (4, 2)) * rng.uniform(1, 2, (4, 2)) * (0.6 ** np.arange(4))[:, None]
    return [
        (shrinking, 0.5, 0.8, 0.5),
        (rng.standard_normal((5, 2)) + 0.1, 0.01, 0.9, 0.999),
        (falling, 0.1, 0.8, 0.5),
        (-np.abs(rng.standard_normal((4, 2))) - 0.1, 0.002, 0.9, 0.9),
        (np.full((3, 1), 1000.0), 0.5, 0.9, 0.99),
    ]


def _adamax(g: Array, lr: float, beta1: float, beta2: float, slip: str = "") -> Array:
    """The steps, with one slip if asked for."""
    m, u, steps = np.zeros(g.shape[1]), np.zeros(g.shape[1]), []
    if slip == "swap":
        beta1, beta2 = beta2, beta1
    for t, now in enumerate(g, start=1):
        count = t + (slip == "late") - (slip == "early" and t > 1)
        fair = 1.0 if slip == "raw" else 1 - beta1**count
        m = beta1 * m + (now if slip == "sum" else (1 - beta1) * now)
        size = now if slip == "sign" else np.abs(now)
        u = np.maximum(u if slip == "forever" else beta2 * u, size)
        bottom = u / (1 - beta2**t) if slip == "both" else u
        if slip == "root":
            bottom = np.sqrt(u)
        steps.append(lr * m / fair / bottom)
    return np.array(steps)


ADAMAX_SLIPS = {
    "swap": "beta1 and beta2 are exchanged: beta1 is for the mean of the slopes, beta2 for the ruler u",
    "raw": "m starts at 0 and is too small at first: divide it by 1 − beta1^t; the first step must be lr long",
    "late": "the count starts one too high: in the first step t is 1",
    "both": "u needs no correction: a maximum is not too small at the start; correct m alone",
    "sign": "the ruler measures sizes: the maximum of |g|, not of g",
    "forever": "old slopes must fade: u is the maximum of beta2·u and |g|",
    "root": "no root here: u has the unit of a slope already, only Adam's s is a square",
    "sum": "m is a mean: the new slope enters with the weight 1 − beta1",
}


@exercise("05.adamax", "Adam with another ruler", _adamax_cases)
def _judge_adamax(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _adamax(*case)
        if close(got, right, 1e-5):
            continue
        fault = wrong_shape(got, right)
        if fault:
            yield Problem(i, right, fault + ": one row of steps for each row of gradients")
            continue
        hints = [
            (close(got, _adamax(case[0], case[1], case[2], case[3], slip), 1e-5), hint)
            for slip, hint in ADAMAX_SLIPS.items()
        ]
        # all but the first step, which with a count of 0 may be infinite, nan or mended by hand
        behind, first = _adamax(case[0], case[1], case[2], case[3], "early"), np.asarray(got, float)[0]
        hints += [
            (
                close(got[1:], behind[1:], 1e-5),
                "the count is one too low: in the first step t is 1, in the second 2",
            ),
            (close(got, -right, 1e-5), "the sign is turned: give back what is subtracted from the weight"),
            (close(got, np.cumsum(right, 0), 1e-5), "these are positions: give back each step by itself"),
            (close(got, right / case[1], 1e-5), "the learning rate is missing"),
        ]
        general = "in the first step every number must move by lr against its slope, whatever the slope's size"
        if close(first, right[0], 1e-5):
            general = "the first step is right, a later one is not: work out the second by hand, from the first m and u"
        yield Problem(i, right, first_hint(hints, general))


# 3. The edge of a real loss ------------------------------------------------------------------------------------------
def _edge_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for n, d, size in ((40, 3, 0.0), (60, 4, 1.0), (30, 2, 2.0)):
        X = rng.standard_normal((n, d)) * rng.uniform(0.5, 3, d)
        cases.append((X, (rng.random(n) < 0.5).astype(int), size * rng.standard_normal(d)))
    return cases


def _curvatures(X: Array, w: Array) -> Array:
    p = 1 / (1 + np.exp(-X @ w))
    return np.linalg.eigvalsh(X.T @ ((p * (1 - p))[:, None] * X) / len(X))


@exercise("05.edge", "The edge of a real loss", _edge_cases)
def _edge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    # the case with w = 0 cannot tell some mistakes apart: judge it last
    for i in (1, 2, 0):
        (X, _, w), got = inputs[i], outputs[i]
        all_of_them = _curvatures(X, w)
        top = all_of_them[-1]
        if np.shape(got) != ():
            yield Problem(i, 2 / top, "one number is asked for: 2 / sharpness at w")
            continue
        if close(got, 2 / top, 1e-3):
            continue
        linear = np.linalg.eigvalsh(X.T @ X / len(X))[-1]
        hints = [
            (close(got, top, 1e-3), "that is the sharpness itself: the edge is 2 / sharpness"),
            (close(got, 1 / top, 1e-3), "half of the edge: a factor between −1 and 1 allows up to 2 / sharpness"),
            (close(got, 2 / all_of_them[0], 1e-3), "the flattest direction; the steepest one is the first to explode"),
            (close(got, 2 / all_of_them.sum(), 1e-3), "the sum of all curvatures: the steepest alone sets the edge"),
            (close(got, 2 / top / len(X), 1e-3), "N times too low: the loss is a mean over the rows, not a sum"),
            (close(got, 8 / linear, 1e-3), "the curvature at w = 0, where every p is 0.5; measure it at the given w"),
            (
                close(got, 2 / linear, 1e-3) or close(got, 1 / linear, 1e-3),
                "the curvature of squared error; here each row counts with p(1 − p)",
            ),
            (
                close(got, 2 / top, 0.1),
                "close: too few rounds, or too wide a nudge; take 200 rounds and a nudge of 1e-4",
            ),
        ]
        general = "nudge w along a direction, see how the gradient changes, go on with the change, scaled to length 1"
        yield Problem(i, 2 / top, first_hint(hints, general))


# 5. A trapezoid ------------------------------------------------------------------------------------------------------
def _trapezoid_cases(rng: np.random.Generator) -> list[Inputs]:
    return [(0.3, 10, 3, 4), (1.0, 8, 1, 1), (float(rng.uniform(0.1, 1)), 20, 5, 10), (0.2, 6, 3, 3)]


def _trapezoid(peak: float, total: int, warmup: int, cooldown: int, up: int = 1, down: int = 0) -> Array:
    t = np.arange(total)
    return peak * np.minimum(1, np.minimum((t + up) / warmup, (total - down - t) / cooldown))


@exercise("05.trapezoid", "Up, along, down", _trapezoid_cases)
def _judge_trapezoid(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        peak, total, warmup, cooldown = case
        right = _trapezoid(peak, total, warmup, cooldown)
        if close(got, right, 1e-5):
            continue
        fault = wrong_shape(got, right)
        if fault:
            yield Problem(i, right, fault + ": one rate for each of the steps 0 to total − 1")
            continue
        t = np.arange(total)
        cosine = np.where(
            t < total - cooldown, right, peak * 0.5 * (1 + np.cos(np.pi * (t - total + cooldown) / cooldown))
        )
        hints = [
            (
                close(got, _trapezoid(peak, total, warmup, cooldown, up=0), 1e-5)
                or close(got, _trapezoid(peak, total, warmup, cooldown, up=0, down=1), 1e-5),
                "the first step has the rate 0 and is wasted: it should have peak / warmup",
            ),
            (
                close(got, _trapezoid(peak, total, warmup, cooldown, down=1), 1e-5),
                "the last step has the rate 0 and is wasted: peak / cooldown",
            ),
            (close(got, np.minimum(peak, peak * (t + 1) / warmup), 1e-5), "it never comes down"),
            (close(got, _trapezoid(peak, total, 1, cooldown), 1e-5), "it starts at the peak: the warm-up is missing"),
            (close(got, right / peak, 1e-5), "the shape is right, the height is not: the top is peak"),
            (close(got, _trapezoid(peak, total, cooldown, warmup), 1e-5), "warmup and cooldown are exchanged"),
            (close(got, cosine, 1e-5), "the way down is a straight line here, not a cosine"),
        ]
        general = "up in equal steps to the peak, reached in step warmup − 1; the last `cooldown` steps go down equally"
        yield Problem(i, right, first_hint(hints, general))
