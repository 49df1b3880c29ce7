"""Exercises of chapter 04 on what a network does: a dead one to mend, logs to read, errors to hand over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib import data
from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


# 4. Mend a dead network -----------------------------------------------------------------------------------------------
def _mend_cases(rng: np.random.Generator) -> list[Inputs]:
    digits = data.digits()
    rows = rng.permutation(len(digits))[:300]
    return [(digits.x[rows], digits.y[rows], seed) for seed in (0, 1)]


def _loss(logits: Array, y: Array) -> float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), y]).mean())


@exercise("04.mend_dead_network", "Mend a dead network", _mend_cases)
def _mend_dead_network(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((x, y, _), got) in enumerate(zip(inputs, outputs, strict=True)):
        logits = np.asarray(got, float)
        wanted = f"logits of shape {(len(x), 10)} whose loss is under 1.0"
        if logits.shape != (len(x), 10):
            yield Problem(i, wanted, "give back the network's ten scores for each image")
        elif not np.isfinite(logits).all():
            yield Problem(i, wanted, "the training blew up: the rate is too high, or the weights start too large")
        else:
            loss, low, high = _loss(logits, y), logits.min(), logits.max()
            sigmoid = low >= 0 and high <= 1 and (low > 0 or high > 0.999)
            if loss < 1 and low < 0:
                continue
            expected = f"{wanted}, not {loss:.3f} (ln 10 = 2.303)" if loss >= 1 else f"{wanted}, some of them below 0"
            differs = float(np.ptp(logits, axis=0).max())
            if close(logits.sum(axis=1), np.ones(len(x)), 1e-4):
                hint = "each row adds up to 1: these are probabilities; the loss takes the scores before the softmax"
            elif differs < 1e-5 and low > 0.01 and high < 0.99:  # a sigmoid after dead units stands at 0 and 1
                hint = (
                    "nothing of an image arrives at the end: the start is too small (and a sigmoid stands before the "
                    "softmax)"
                )
            elif differs < 1e-5:
                hint = (
                    "the network says the same for every image, so nothing of an image arrives at the end: either the "
                    "start is too small, or a high rate has killed a layer"
                )
            elif differs < 0.01:
                hint = (
                    f"the network says nearly the same for every image (scores differ by {differs:.0e} at most): "
                    "the start is too small, and the signal fades from layer to layer"
                )
            elif sigmoid:
                hint = "all scores lie between 0 and 1: a sigmoid before the softmax holds the loss above 1.46"
            elif low >= 0:
                hint = "no score is below 0: a ReLU stands before the softmax"
            else:
                hint = "the loss falls slowly: too small a rate, or a start that is still too small"
            yield Problem(i, expected, hint)


# 5. Read four logs ----------------------------------------------------------------------------------------------------
LOGS = {"A": "dead", "B": "overfitting", "C": "exploding", "D": "wrong labels"}
WORDS = ("learning", *LOGS.values())


@exercise("04.read_logs", "Read four logs", once)
def _read_logs(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    (got,) = outputs
    got = {str(key).strip().upper(): value for key, value in got.items()} if isinstance(got, dict) else {}
    if set(got) != set(LOGS):
        yield Problem(0, "a dictionary with the keys A, B, C and D", "give back one diagnosis for each log")
        return
    hints = {
        "A": "log A: compare its loss with that of guessing among ten classes, ln 10 = 2.3026",
        "B": "log B: the training loss is near 0; what has the test loss done since the third line?",
        "C": "log C: read the exponents from line to line",
        "D": "log D: a test accuracy far *below* guessing is no accident: compared with which labels?",
    }
    if all(str(value).lower() == "learning" for value in got.values()):
        yield Problem(
            0, "four different diagnoses", "a falling training loss alone is not learning: look at the test columns"
        )
    for name, diagnosis in LOGS.items():
        said = str(got[name]).strip().lower().replace("_", " ")
        if said not in WORDS:
            yield Problem(
                0,
                f"for log {name} one of: {', '.join(WORDS)}",
                f"{got[name]!r} is not one of the five words",
            )
        elif said != diagnosis:
            yield Problem(0, f"another diagnosis for log {name}", hints[name])


# 8. Who answers? ------------------------------------------------------------------------------------------------------
def _who_cases(rng: np.random.Generator) -> list[Inputs]:
    cases = []
    for count, error, look in ((500, 5.0, 0.4), (500, 1.0, 0.4), (400, 30.0, 0.5), (300, 2.0, 5.0)):
        confidence = 1 - 0.6 * rng.beta(0.5, 3, count)
        right = rng.random(count) < confidence**2  # as real networks do, it promises too much
        cases.append((confidence, right, error, look))
    cases.append((np.array([0.9, 0.95, 0.99]), np.array([True, False, False]), 5.0, 0.1))  # everything to a person
    return cases


def _cost(confidence: Array, right: Array, error: float, look: float, threshold: float) -> float:
    answered = confidence >= threshold
    return float(error * (answered & ~right).sum() + look * (~answered).sum())


@exercise("04.who_answers", "Who answers?", _who_cases)
def _who_answers(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((confidence, right, error, look), got) in enumerate(zip(inputs, outputs, strict=True)):
        threshold = float(got)
        candidates = [0.0, *np.sort(confidence), 2.0]
        costs = [_cost(confidence, right, error, look, t) for t in candidates]
        rounded = [t for t in candidates if float(np.float32(t)) == threshold]  # an answer in float32
        mine, best = min(_cost(confidence, right, error, look, t) for t in (threshold, *rounded)), min(costs)
        if mine <= best + 1e-9:
            continue
        handed = float((confidence < threshold).mean())
        everything = error * (~right).sum()
        if np.isnan(threshold):
            hint = "a threshold is a number: images with a confidence below it go to a person"
        elif close(threshold, best):
            hint = "that is what the cheapest threshold costs: give back the threshold itself"
        elif costs[-1] <= best + 1e-9 and close(threshold, confidence.max()):
            hint = "here it is cheapest to hand over everything: try one threshold above all confidences too"
        elif _cost(confidence, right, error, look, np.nextafter(threshold, np.inf)) <= best + 1e-9:
            hint = "one step off: the network answers at the threshold too"
        elif 2 < threshold < len(confidence) and any(
            close(_cost(confidence, right, error, look, order[int(threshold)]), best)
            for order in (confidence, [0.0, *confidence], np.sort(confidence), candidates)
        ):
            hint = "that is the position of the cheapest threshold: give back the confidence that stands there"
        elif handed == 1:
            hint = "everything is handed over: that avoids every error, and pays for every look"
        elif handed == 0 and mine == everything:
            hint = "nothing is handed over: where an error is dearer than a look, the least confident should go"
        elif abs(threshold - (1 - look / error)) < 1e-9:
            hint = "1 − look/error is right where 90 % sure means 90 % right; this network promises too much: measure"
        else:
            hint = "try every confidence in the data as the threshold, and 0 and one above all; keep the cheapest"
        yield Problem(i, f"a threshold that costs {best:.4g}; {threshold:.4g} costs {mine:.4g}", hint)
