"""Exercises of chapter 02 around the training: mend a program, read logs, change units, price the errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint, pair_fault
from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


def _sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


# 5. Mend the loop ----------------------------------------------------------------------------------------------------
BUGS = {
    "leak": "mean and std are taken from the test rows too: the future leaks into the training",
    "sign": "it learns to be wrong: the step must go against the gradient, which is Xᵀ(p − y)/N",
    "bias": "the bias never moves: it has a slope too, the mean of p − y",
    "threshold": "nearly every answer is yes: a probability is above 0 always; say yes from 0.5 on",
    # not in the program, but easy to make while mending it
    "up": "the bias walks uphill while the weights walk down: both steps go against their slopes",
    "sum": "the bias takes N times its step: its slope is the mean of p − y, not the sum",
    "total": "the weights take N times their step: their slope is the mean over the rows, Xᵀ(p − y)/N",
    "late": "w has moved before b looks: both steps of a round use the same p − y",
    "own": "the test rows are scaled by their own mean and std: in production rows come one by one; use the training's",
    "ddof": "std divides by N − 1 (ddof=1): no mistake in itself, but the given program divides by N; keep that",
}
FORMS = ({"bias", "up", "sum"}, {"leak", "own"}, {"late", "sign"})  # of each of these a program can have only one


def _trained(bugs: tuple[str, ...], train_x: Array, train_y: Array, test_x: Array, rate: float, steps: int) -> Any:
    """What the program of the exercise gives with some bugs in it."""
    rows, ddof = np.concatenate([train_x, test_x]) if "leak" in bugs else train_x, int("ddof" in bugs)
    mean, std = rows.mean(0), rows.std(0, ddof=ddof)
    x, w, b = (train_x - mean) / std, np.zeros(train_x.shape[1]), 0.0
    share = 0.0 if "bias" in bugs else len(x) if "sum" in bugs else -1.0 if "up" in bugs else 1.0
    for _ in range(steps):
        error = _sigmoid(x @ w + b) - train_y
        error = -error if "sign" in bugs else error
        w = w - rate * x.T @ error / (1 if "total" in bugs else len(x))
        error = _sigmoid(x @ w + b) - train_y if "late" in bugs else error
        b = b - rate * share * error.mean()
    if "own" in bugs:
        mean, std = test_x.mean(0), test_x.std(0, ddof=ddof)
    return w, b, (_sigmoid((test_x - mean) / std @ w + b) > (0 if "threshold" in bugs else 0.5)).astype(int)


def _mend_cases(rng: np.random.Generator) -> list[Inputs]:
    y = np.arange(60) % 4 == 0
    x = rng.standard_normal((60, 3)) * (1, 10, 0.1) + y[:, None] * (2, 15, 0) + (5, -20, 1)
    test_x = rng.standard_normal((30, 3)) * (1, 10, 0.1) + (7, -5, 1.05)
    return [(x, y.astype(int), test_x, 0.5, 60), (x, rng.permutation(y).astype(int), test_x, 0.5, 60)]


@exercise("02.mend_training", "Mend the program that trains", _mend_cases)
def _mend(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    def alike(got: Any, other: Any) -> bool:
        return all(close(one, two, 1e-4, 1e-6) for one, two in zip(got, other, strict=True))

    left = [bugs for count in range(1, 5) for bugs in combinations(BUGS, count)]
    left = [bugs for bugs in left if not any(len(form & set(bugs)) > 1 for form in FORMS)]
    for i, (arguments, got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _trained((), *arguments)
        if not isinstance(got, tuple | list) or len(got) != 3 or np.shape(got[0]) != right[0].shape:
            yield Problem(i, right, "give back w (D,), b and the answers for the test rows, as the given program does")
            continue
        if np.shape(got[1]) != ():
            yield Problem(i, right, f"b is a plain number, yours is an array of shape {np.shape(got[1])}")
            continue
        if alike(got, right):
            continue
        found = next((bugs for bugs in left if alike(got, _trained(bugs, *arguments))), None)
        if found:
            hint = BUGS[found[0]] + (f" ({len(found) - 1} more after that)" if len(found) > 1 else "")
        elif i == 1 and close(got[0], outputs[0][0]):
            hint = "shuffled labels gave the same weights: the labels are never used"
        elif alike(got[:2], right[:2]):
            hint = "w and b are right, the answers are not: scale the test rows as the training rows, say 1 from 0.5 on"
        else:
            hint = "start from zeros, scale by the training rows, take full steps along Xᵀ(p − y)/N and its mean for b"
        yield Problem(i, right, hint)


# 6. Read five logs ---------------------------------------------------------------------------------------------------
LOGS = {"A": "too slow", "B": "wrong loss", "C": "healthy", "D": "too fast", "E": "cannot tell"}
VERDICTS = ("healthy", "too slow", "too fast", "wrong loss", "overfits", "cannot tell")
LOG_HINTS = {
    "A": "log A: 0.693 is the loss of a coin flip; how far from it has the run come in 500 steps?",
    "B": "log B: with all weights 0, every p is 0.5; what does a cross-entropy start at, and where does this one?",
    "C": "log C: loss and test accuracy agree and both settle; what is there to complain about?",
    "D": "log D: the loss leaps far above 0.693, which a coin flip reaches; what makes a walk downhill leap up?",
    "E": "log E: compare what is printed for it with what is printed for the others; is it enough for that verdict?",
}
SPECIAL_HINTS = {
    ("B", "healthy"): "log B: the lowest loss of all beside an accuracy that falls: is that loss asking for the right "
    "thing?",
    ("B", "overfits"): "log B: it looks like that from the middle on; but look at step 0, where nothing is learned yet",
    ("C", "overfits"): "log C: a model that overfits loses test accuracy while its training loss falls; does this one?",
    ("D", "wrong loss"): "log D: it starts at 0.693, as a cross-entropy should; what goes wrong comes with the first "
    "step",
}


def _word(text: Any) -> str:
    return " ".join(str(text).replace("_", " ").replace("-", " ").lower().split())


@exercise("02.read_logs", "Read five logs", once, letters="ABCDE")
def _logs(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    if not isinstance(outputs[0], dict):
        form = "give back a dictionary with a verdict for each of the letters A to E"
        yield Problem(0, "a verdict for each of A, B, C, D and E", form)
        return
    got = {_word(key).removeprefix("log ").upper(): _word(value) for key, value in outputs[0].items()}
    missing, unknown = [name for name in LOGS if name not in got], [name for name in got if name not in LOGS]
    if missing or unknown:
        told = f"no verdict for {', '.join(missing)}" if missing else f"there is no log {unknown[0]}"
        yield Problem(0, "a verdict for each of A, B, C, D and E", told)
        return
    for name, word in got.items():
        if word not in VERDICTS:
            yield Problem(0, f"one of: {', '.join(VERDICTS)}", f"log {name}: {word!r} is not one of the six verdicts")
            return
    for name, right in LOGS.items():
        if got[name] != right:
            yield Problem(0, f"another verdict for log {name}", SPECIAL_HINTS.get((name, got[name]), LOG_HINTS[name]))


# 7. Back to the customer's units -------------------------------------------------------------------------------------
def _unscale_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (rng.standard_normal(d), float(rng.standard_normal()), rng.uniform(5, 90, d), rng.uniform(0.1, 20, d))
        for d in (3, 1, 6)
    ]


@exercise("02.back_to_raw", "Back to the customer's units", _unscale_cases)
def _unscale(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((w, b, mean, std), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = (w / std, b - float((w * mean / std).sum()))
        fault = pair_fault(got, ("raw_w", "raw_b"), len(w))
        if fault is None and np.shape(got[0]) != w.shape:
            fault = f"one raw weight for each column, shape {w.shape}"
        if fault:
            yield Problem(i, right, fault)
            continue
        raw_w, raw_b = np.asarray(got[0], float), float(got[1])
        x = mean + std * np.random.default_rng(0).standard_normal((20, len(w)))
        wanted = (x - mean) / std @ w + b
        size = np.abs(x) @ np.abs(right[0]) + abs(right[1])  # of the terms that nearly cancel: float32 rounds them
        if (np.abs(x @ raw_w + raw_b - wanted) <= 1e-5 * size + 1e-9).all():
            continue
        good = close(raw_w, right[0], 1e-4)
        hints = [
            (
                close(raw_w, w * std, 1e-4),
                "a column in large units needs a small weight: divide by std, do not multiply",
            ),
            (close(raw_w, w, 1e-4), "the weights are still those of scaled columns: each is divided by its std"),
            (
                good and close(raw_b, b, 1e-4),
                "the weights are right, the bias is not: it must make up for the mean that is no longer subtracted",
            ),
            (good and close(raw_b, 2 * b - right[1], 1e-4), "the bias moves the other way: subtract w · mean / std"),
            (
                good and close(raw_b, b - float(w @ mean), 1e-4),
                "the weights are right; the bias too must be counted with the raw weights: w / std, not w, times mean",
            ),
            (
                good and close(raw_b, right[1] - b, 1e-4),
                "the weights are right; the old bias b is lost from the new one",
            ),
        ]
        general = "write out w · (x − mean)/std + b and collect what multiplies x and what does not"
        yield Problem(i, right, first_hint(hints, general))


# 8. Price the errors -------------------------------------------------------------------------------------------------
def _price_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for n, sharpness, costs in ((400, 1.0, (20.0, 1.0)), (400, 3.0, (20.0, 1.0)), (300, 3.0, (1.0, 5.0))):
        z = rng.normal(-1, 1.5, n)
        y = (rng.random(n) < _sigmoid(z)).astype(int)
        p = _sigmoid(sharpness * z)  # sharpness 3: more certain than it has a right to be
        cases.append((p, y, *costs))
    # probabilities as a report prints them: many samples stand exactly at a threshold
    return [*cases, (np.round(cases[0][0], 2), cases[0][1], 3.0, 1.0)]


def _price(threshold: float, p: Array, y: Array, miss: float, alarm: float, above: bool = False) -> float:
    yes = p > threshold if above else p >= threshold
    return float(miss * ((y == 1) & ~yes).sum() + alarm * ((y == 0) & yes).sum())


def _chooses(miss: float, alarm: float, above: bool, t: float, p: Array, y: Array) -> bool:
    """Whether a reader who counts with these prices, on 101 thresholds or more, could choose the threshold t."""
    least = min(_price(other, p, y, miss, alarm, above) for other in np.linspace(0, 1, 101))
    return _price(t, p, y, miss, alarm, above) <= least * (1 + 1e-9)


# What a mistake would choose: (threshold, p, y, miss, alarm) → does it explain this threshold?
PRICE_MISTAKES: list[tuple[Callable[[float, Array, Array, float, float], bool], str]] = [
    (lambda t, *_: t == 0.5, "0.5 is right only if both errors cost the same and the probabilities can be believed"),
    (
        lambda t, p, y, miss, alarm: close(t, alarm / (alarm + miss)),
        "alarm/(alarm + miss) is best on average, and only if the probabilities can be believed; "
        "the question is these samples: count what each threshold costs on them",
    ),
    (
        lambda t, p, y, miss, alarm: close(t, min(alarm / miss, 1)) or close(t, alarm / miss),
        "alarm/miss are odds, not a probability; and no formula helps where p cannot be believed: count",
    ),
    (
        lambda t, p, y, miss, alarm: close(t, miss / (alarm + miss)) or _chooses(alarm, miss, False, t, p, y),
        "the prices are the wrong way round: where a miss is dear, say yes early, with a low threshold",
    ),
    (
        lambda t, p, y, miss, alarm: _chooses(miss, alarm, True, t, p, y),
        "counted with p > threshold; a sample that stands exactly at the threshold is a yes: p >= threshold",
    ),
    (
        lambda t, p, y, miss, alarm: _chooses(miss / (y == 1).sum(), alarm / (y == 0).sum(), False, t, p, y),
        "each error is priced as a share of its class: the bill is for the number of errors, so count them",
    ),
    (
        lambda t, p, y, miss, alarm: _chooses(1, 1, False, t, p, y),
        "that is where the errors are fewest: their prices are never used",
    ),
    (
        lambda t, p, y, miss, alarm: _chooses(miss, alarm, False, t, p, 1 - y),
        "truth 0 and truth 1 are exchanged: a miss is a sample with truth 1 below the threshold",
    ),
]


@exercise("02.best_threshold", "Price the errors", _price_cases)
def _best_threshold(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    if any(np.shape(got) != () for got in outputs):
        yield Problem(0, "one number", "give back the cheapest threshold alone, a plain number from 0 to 1")
        return
    thresholds = [float(got) for got in outputs]
    for i, ((p, y, miss, alarm), threshold) in enumerate(zip(inputs, thresholds, strict=True)):
        paid = min(_price(t, p, y, miss, alarm) for t in (threshold, threshold - 1e-6))  # float32 may round up
        best = min(_price(t, p, y, miss, alarm) for t in np.linspace(0, 1, 201))
        if np.isfinite(threshold) and paid <= best + 1e-9:
            continue
        # a mistake explains the answer only if it explains every case
        hints = [
            (all(mistake(t, *case) for t, case in zip(thresholds, inputs, strict=True)), hint)
            for mistake, hint in PRICE_MISTAKES
        ]
        close_by = "close, but another threshold costs less: try at least 201, or every p that occurs"
        hints = [
            (not 0 <= threshold <= 1, "a threshold for probabilities lies between 0 and 1"),
            *hints,
            (paid <= 1.1 * best, close_by),
        ]
        general = "try many thresholds, add up misses · price + alarms · price for each, keep the cheapest"
        expected = f"a threshold at which the errors cost at most {best:g} (yours: {paid:g})"
        yield Problem(i, expected, first_hint(hints, general))
