"""Exercises of chapter 04 on what a network does: a dead one to mend, logs to read, errors to hand over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minilib import data
from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


# 4. Mend a dead network -----------------------------------------------------------------------------------------------
SHAPES = [(50, 64), *4 * [(50, 50)], (10, 50)]
LAST: dict[str, Callable[[Array], tuple[Array, Array]]] = {  # the value, and its slope
    "nothing": lambda z: (z, np.ones_like(z)),
    "relu": lambda z: (np.maximum(z, 0), (z > 0).astype(float)),
    "sigmoid": lambda z: (s := 1 / (1 + np.exp(-z)), s * (1 - s)),
}


def _mend_cases(rng: np.random.Generator) -> list[Inputs]:
    return [(0,), (int(rng.integers(1, 1000)),)]


def _forward(weights: list[Array], biases: list[Array], x: Array) -> list[Array]:
    """The input, every hidden layer, and what leaves the last one."""
    layers = [x]
    for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        z = layers[-1] @ weight.T + bias
        layers.append(np.maximum(z, 0) if k < len(weights) - 1 else z)
    return layers


def _train(recipe: dict[str, Any], x: Array, y: Array) -> tuple[Array, float]:
    """The scores and the loss after 200 steps of momentum 0.9 on all images at once, in plain NumPy."""
    parameters = [[np.asarray(p, float) for p in recipe[group]] for group in ("weights", "biases")]
    velocity = [[0.0 * p for p in group] for group in parameters]
    for step in range(201):
        layers = _forward(parameters[0], parameters[1], x)
        scores, slope_of_last = LAST[recipe["last"]](layers[-1])
        shifted = scores - scores.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        if step == 200 or not np.isfinite(log_p).all():
            return scores, float(-log_p[np.arange(len(y)), y].mean())
        blame = (np.exp(log_p) - np.eye(10)[y]) / len(y) * slope_of_last
        for k in reversed(range(len(SHAPES))):
            slopes = blame.T @ layers[k], blame.sum(axis=0)
            blame = (blame @ parameters[0][k]) * (layers[k] > 0)
            for group, speed, slope in zip(parameters, velocity, slopes, strict=True):
                speed[k] = 0.9 * speed[k] + slope
                group[k] = group[k] - recipe["lr"] * speed[k]
    raise AssertionError("the last step returns")


def _malformed(got: Any) -> str | None:
    """What keeps a recipe from being followed."""
    if not isinstance(got, dict) or not {"weights", "biases", "last", "lr"} <= got.keys():
        return "give back a recipe with the four entries of `broken_recipe`: weights, biases, last, lr"
    shapes = [np.shape(weight) for weight in got["weights"]]
    if shapes != SHAPES and [shape[::-1] for shape in shapes] == SHAPES:
        return "the weights are turned over: the shape of a weight is (n_out, n_in)"
    if shapes != SHAPES or [np.shape(bias) for bias in got["biases"]] != [shape[:1] for shape in SHAPES]:
        return "keep the five hidden layers of 50 units, each with its weight (n_out, n_in) and its bias (n_out,)"
    if np.shape(got["lr"]):
        return "the rate lr is one number"
    if got["last"] == "softmax":
        return "no softmax: the loss takes the scores before it, and works out the softmax itself"
    if got["last"] not in LAST:
        return 'what comes last is one of "nothing", "relu" and "sigmoid"'
    return None


@exercise("04.mend_dead_network", "Mend a dead network", _mend_cases)
def _mend_dead_network(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    digits = data.digits()
    x, y = digits.x[300:600].astype(float), digits.y[300:600]
    for i, got in enumerate(outputs):
        hint = _malformed(got)
        if hint is not None:
            yield Problem(i, "a recipe for a network of widths 64, 50, 50, 50, 50, 50, 10", hint)
            continue
        with np.errstate(all="ignore"):  # a rate may be too high
            arrives = float(np.ptp(_forward(got["weights"], got["biases"], x)[-1], axis=0).max())
            scores, loss = _train(got, x, y)
        if loss < 1 and got["last"] == "nothing":
            continue
        if arrives < 0.05:
            hint = (
                f"at the start the scores of two images differ by {arrives:.0e} at most: nothing of an image arrives "
                "at the end; the weights start too small"
            )
        elif arrives > 50:
            hint = f"at the start the scores of two images differ by {arrives:.0e}: the weights start too large"
        elif got["last"] == "sigmoid":
            hint = "a sigmoid before the softmax keeps all scores between 0 and 1, and the loss above 1.46"
        elif got["last"] == "relu":
            hint = "a ReLU before the softmax: no score can fall below 0, and a score that is dead stays so"
        elif not loss < 5:
            hint = "the start is right, but the training blows up: the rate is too high"
        elif np.ptp(scores, axis=0).max() < 1e-5:
            hint = "the start is right, but then every image gets the same scores: a high rate has killed a layer"
        else:
            hint = "the signal arrives and the loss falls, too slowly: the rate is too small for 200 steps"
        yield Problem(
            i,
            f"a loss under 1.0 after 200 steps, not {loss:.3f} (ln 10 = 2.303), and nothing after the last layer",
            hint,
        )


# 5. Read four logs ----------------------------------------------------------------------------------------------------
LOGS = {"A": "dead", "B": "overfitting", "C": "exploding", "D": "wrong labels"}
WORDS = ("learning", *LOGS.values())


@exercise("04.read_logs", "Read four logs", once, letters="ABCD")
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
