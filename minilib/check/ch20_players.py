"""Exercises of chapter 20 on the two players: the best judge, the divergence, slopes, one round of the game."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray
CUT = "a density of 0 times its logarithm counts as 0: leave those places out of the sum"


def _sigmoid(score: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(score, float)))


# 20.best_judge --------------------------------------------------------------------------------------------------------
def _judge_cases(rng: np.random.Generator) -> list[Inputs]:
    p, q = rng.random((2, 6))
    return [(np.array([0.2, 0.2, 0.1]), np.array([0.2, 0.0, 0.3]), 0.5), (p, q, 0.5), (p, q, 0.9)]


@exercise("20.best_judge", "The best judge of a busy mint", _judge_cases)
def _best_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((p, q, share), got) in enumerate(zip(inputs, outputs, strict=True)):
        real, fake = share * p, (1 - share) * q
        expected = real / (real + fake)
        if close(got, expected):
            continue
        hint = "of all coins with this weight, which part is real? Weigh each density by its share of the coins"
        if close(got, 1 - expected):
            hint = "that is how probable it is that the coin is forged; the judge gives the other probability"
        elif close(got, p / (p + q)):
            hint = "this judge does not know that the two kinds are not equally many: use `share`"
        elif np.any(np.asarray(got, float) > 1 + 1e-9):
            hint = "real over forged is a ratio that may exceed 1; a probability is real over all"
        elif close(got, real) or close(got, p):
            hint = "this is the density of the real coins alone; divide it by that of all coins"
        yield Problem(i, expected, hint)


# 20.jsd ---------------------------------------------------------------------------------------------------------------
def _jsd_cases(rng: np.random.Generator) -> list[Inputs]:
    p, q = rng.dirichlet(np.ones(5), 2)
    return [
        (np.array([0.5, 0.5]), np.array([0.5, 0.5])), (p, q),
        (np.array([0.7, 0.3, 0.0]), np.array([0.0, 0.4, 0.6])), (np.array([1.0, 0.0]), np.array([0.0, 1.0])),
    ]  # fmt: skip


def _kl(a: Array, b: Array) -> float:
    seen = a > 0
    return float(np.sum(a[seen] * np.log(a[seen] / b[seen])))


@exercise("20.jsd", "A distance that never explodes", _jsd_cases)
def _jsd(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((p, q), got) in enumerate(zip(inputs, outputs, strict=True)):
        m = (p + q) / 2
        expected = (_kl(p, m) + _kl(q, m)) / 2
        if close(got, expected, 1e-6, 1e-8):
            continue
        hint = "take the mean of KL(p, m) and KL(q, m), where m is half of p + q"
        if not np.all(np.isfinite(np.asarray(got, float))):
            hint = CUT
        elif close(got, 2 * expected):
            hint = "twice too large: JSD is the mean of the two divergences, not their sum"
        elif close(got, expected / np.log(2)):
            hint = "this is in bits: the chapter uses the natural logarithm, whose largest value here is ln 2"
        elif close(got, _kl(p, m)) or close(got, _kl(q, m)):
            hint = "only one of the two halves: with p and q exchanged, the answer must stay the same"
        elif close(got, _kl(p, q)) or close(got, _kl(q, p)) or close(got, (_kl(p, q) + _kl(q, p)) / 2):
            hint = "compare p and q each with their mixture m, not with one another: that would explode where one is 0"
        yield Problem(i, expected, hint)


# 20.two_slopes --------------------------------------------------------------------------------------------------------
def _slope_cases(rng: np.random.Generator) -> list[Inputs]:
    return [(np.array([0.0, 0.0]),), (np.array([-6.0, 0.0, 3.0]),), (rng.normal(0, 2, 5),)]


@exercise("20.two_slopes", "Two wishes, two slopes", _slope_cases)
def _two_slopes(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((s,), got) in enumerate(zip(inputs, outputs, strict=True)):
        d = _sigmoid(s)
        expected = (-d / len(s), -(1 - d) / len(s))
        first, second = got
        if close(first, expected[0]) and close(second, expected[1]):
            continue
        hint = "find the slope of ln σ(−s) and of −ln σ(s) for one score, then divide by the number of scores"
        if close(first, -expected[0]) and close(second, -expected[1]):
            hint = "signs: raising a made point's score pleases the forger, so both losses fall with it"
        elif close(first, len(s) * expected[0]) and close(second, len(s) * expected[1]):
            hint = "each loss is a mean over the N scores: one score moves it by a part in N"
        elif close(first, expected[1]) and close(second, expected[0]):
            hint = "the two are exchanged: first the saturating one, which dies where the judge is sure (D near 0)"
        elif np.ndim(first) == 0:
            hint = "give back a slope for each score, two arrays of the shape of `scores`"
        yield Problem(i, expected, hint)


# 20.one_round ---------------------------------------------------------------------------------------------------------
def _round_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (2.0, 0.5, -0.5, np.array([0.0, 1.0]), np.array([-1.0, 1.0]), 0.1),
        (-1.0, 0.0, 0.3, rng.normal(size=6), rng.normal(size=6), 0.2),
        (3.0, 1.0, -0.7, rng.normal(size=8), rng.normal(size=8), 0.5),
    ]


def _round(case: Inputs, kind: str = "") -> tuple[float, float, float]:
    theta, w, b, real, z, rate = case
    fake = z + theta
    on_real, on_fake = 1 - _sigmoid(w * real + b), _sigmoid(w * fake + b)
    slope_w, slope_b = np.mean(-on_real * real) + np.mean(on_fake * fake), np.mean(-on_real) + np.mean(on_fake)
    up = -1 if kind == "uphill judge" else 1
    new_w, new_b = w - up * rate * slope_w, b - up * rate * slope_b
    if kind == "dragged":  # the judge's loss moves the forger too
        fake = fake - rate * np.mean(on_fake) * w
        theta = theta - rate * np.mean(on_fake) * w
    seen_w, seen_b = (w, b) if kind == "at once" else (new_w, new_b)
    d = _sigmoid(seen_w * fake + seen_b)
    slope = -np.mean(d if kind == "saturating" else 1 - d) * seen_w
    down = -1 if kind == "uphill forger" else 1
    return float(theta - down * rate * slope), float(new_w), float(new_b)


ROUND_HINTS = {
    "dragged": "the judge's step moved theta too: the made coins are fixed numbers (detached) while it learns",
    "at once": "the forger asked the old judge: it moves second, so it asks the judge that has just learnt",
    "saturating": "this is the saturating loss, ln(1 − D); the exercise asks for −ln D",
    "uphill judge": "the judge walked uphill: its loss is −V, to be made small",
    "uphill forger": "theta moved the wrong way: against the slope of −ln D",
}


@exercise("20.one_round", "Hands off the other player", _round_cases)
def _one_round(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        expected = _round(case)
        if close(got, expected):
            continue
        hint = "first w and b by the slopes of the judge's loss, then theta by the slope of −ln D with the new w and b"
        for kind, told in ROUND_HINTS.items():
            if close(got, _round(case, kind)):
                hint = told
        yield Problem(i, expected, hint)
