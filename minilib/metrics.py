"""How good is it? Scores computed from predictions and targets, with NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np


def accuracy(predictions: Any, targets: Any) -> float:
    """Share of right answers. predictions: labels (N,), or scores (N, V) whose largest counts; targets: ints (N,).

    Derived in: notebooks/04_multilayer_perceptrons.ipynb
    """
    predictions, targets = np.asarray(predictions), np.asarray(targets)
    if predictions.ndim == targets.ndim + 1:
        predictions = predictions.argmax(-1)
    if predictions.shape != targets.shape or targets.size == 0:
        raise ValueError(
            f"needed one prediction for each of one or more targets, got {predictions.shape} and {targets.shape}"
        )
    return float((predictions == targets).mean())


def confusion_matrix(predictions: Any, targets: Any, classes: int) -> np.ndarray:
    """Counts (classes, classes): row = the true class, column = the predicted one, as in scikit-learn.

    Derived in: notebooks/06_evaluation.ipynb
    """
    counts = np.zeros((classes, classes), int)
    rows, columns = (np.asarray(labels) * 1 for labels in (targets, predictions))  # no bools: they would be a mask
    if rows.shape != columns.shape:
        raise ValueError(f"needed one prediction for each target, got {columns.shape} and {rows.shape}")
    for name, labels in (("target", rows), ("prediction", columns)):
        wrong = labels[(labels < 0) | (labels >= classes)]
        if wrong.size:
            raise ValueError(f"{name} {wrong[0]} is out of range: {classes} classes are 0 to {classes - 1}")
    np.add.at(counts, (rows, columns), 1)
    return counts


# Labels ---------------------------------------------------------------------------------------------------------------
def precision(predictions: Any, targets: Any, average: str | None = "binary", classes: int | None = None) -> Any:
    """Of those called positive, the share that is; 0 where nothing was called so, as in scikit-learn.

    predictions, targets (N,) labels.   average: "binary" for labels 0 and 1; "macro", the mean over the classes;
    "micro", over all rows together; None, a number for each class.   classes: how many; None: those that occur.
    Derived in: notebooks/06_evaluation.ipynb
    """
    right, called, _ = _outcomes(predictions, targets, average, classes)
    return _averaged(_shares(right, called), average)


def recall(predictions: Any, targets: Any, average: str | None = "binary", classes: int | None = None) -> Any:
    """Of the positives, the share that was called so; 0 where there are none. Arguments as in `precision`.

    Derived in: notebooks/06_evaluation.ipynb
    """
    right, _, there = _outcomes(predictions, targets, average, classes)
    return _averaged(_shares(right, there), average)


def f1_score(predictions: Any, targets: Any, average: str | None = "binary", classes: int | None = None) -> Any:
    """Harmonic mean of precision and recall; 0 where there are neither positives nor calls. Arguments as there.

    Derived in: notebooks/06_evaluation.ipynb
    """
    right, called, there = _outcomes(predictions, targets, average, classes)
    return _averaged(_shares(2 * right, called + there), average)


def _outcomes(predictions: Any, targets: Any, average: str | None, classes: int | None) -> np.ndarray:
    """Three numbers for each class (3, classes): rightly called so, called so, being so."""
    if average not in ("binary", "macro", "micro", None):
        raise ValueError(f"average must be 'binary', 'macro', 'micro' or None, got {average!r}")
    labels = np.union1d(predictions, targets)
    if labels.dtype.kind not in "iub":
        raise TypeError(f"labels must be integers, one or more, got {labels.dtype}: threshold or argmax scores first")
    if average == "binary" and not np.isin(labels, (0, 1)).all():
        raise ValueError(f"labels {labels} are not all 0 or 1: choose average='macro', 'micro' or None")
    counts = confusion_matrix(predictions, targets, classes or max(2, labels.max() + 1))
    found = np.array([counts.diagonal(), counts.sum(0), counts.sum(1)])
    if average == "binary":
        return found[:, 1]
    if average == "micro":
        return found.sum(1)
    return found if classes else found[:, labels.astype(int)]


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole != 0)


def _averaged(values: np.ndarray, average: str | None) -> Any:
    return values if average is None else float(values.mean())


# Scores ---------------------------------------------------------------------------------------------------------------
def roc_curve(scores: Any, targets: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False positive rate, true positive rate and threshold, from "nobody" (∞) down to "everybody".

    scores (N,), higher for the class 1; targets (N,) of 0 and 1. One point for each distinct score, so that ties are
    called together; a rate whose class does not occur is nan.
    Derived in: notebooks/06_evaluation.ipynb
    """
    called, right, thresholds = _ranked(scores, targets)
    wrong = called - right
    with np.errstate(invalid="ignore"):
        return wrong / wrong[-1:], right / right[-1:], thresholds


def roc_auc(scores: Any, targets: Any) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    nan if a class does not occur.
    Derived in: notebooks/06_evaluation.ipynb
    """
    fpr, tpr, _ = roc_curve(scores, targets)
    return float(np.trapezoid(tpr, fpr))


def precision_recall_curve(scores: Any, targets: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and threshold, from "everybody" up; then the point (1, 0) "nobody", which has no threshold.

    Arguments as in `roc_curve`. Without positives precision is 0 and recall 1, as in scikit-learn.
    """
    called, right, thresholds = (a[:0:-1] for a in _ranked(scores, targets))
    share = right / right[0] if right[0] else np.ones(len(right))
    return np.append(right / called, 1.0), np.append(share, 0.0), thresholds


def average_precision(scores: Any, targets: Any) -> float:
    """Mean of the precision over the positives, each taken at its own threshold; 0 without positives.

    Derived in: notebooks/06_evaluation.ipynb
    """
    share, found, _ = precision_recall_curve(scores, targets)
    return float(-(np.diff(found) * share[:-1]).sum())


def _ranked(scores: Any, targets: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many are called positive and how many of them rightly at each threshold: ∞, then every score, falling."""
    scores, targets = _paired(scores, targets)
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], np.cumsum(targets[order])
    last = np.append(np.flatnonzero(scores[1:] != scores[:-1]), len(scores) - 1)  # of each group of equal scores
    start = np.zeros(1, int)
    return np.append(start, last + 1), np.append(start, right[last]), np.append(np.inf, scores[last])


def _paired(scores: Any, targets: Any) -> tuple[np.ndarray, np.ndarray]:
    scores, targets = np.asarray(scores, float), np.asarray(targets)
    if scores.shape != targets.shape or scores.ndim != 1 or scores.size == 0:
        raise ValueError(f"needed a score for each of one or more targets, got {scores.shape} and {targets.shape}")
    if np.isnan(scores).any() or not np.isin(targets, (0, 1)).all():
        raise ValueError("needed scores that are numbers and targets of 0 and 1, got a nan or another target")
    return scores, targets.astype(int)


# Probabilities --------------------------------------------------------------------------------------------------------
def calibration_curve(probabilities: Any, targets: Any, bins: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of positives, mean probability and number of rows in each of `bins` equal parts of [0, 1] that has any.

    probabilities (N,) of the class 1, targets (N,) of 0 and 1; for many classes, the largest probability and whether it
    was right. A probability on an edge belongs to the part below, as in scikit-learn.
    """
    probabilities, targets = _paired(probabilities, targets)
    low, high = probabilities.min(), probabilities.max()
    if low < 0 or high > 1 or bins < 1:
        raise ValueError(f"needed probabilities in [0, 1] and one bin at least, got {low:g} to {high:g}, bins={bins}")
    part = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probabilities)
    rows = np.bincount(part, minlength=bins)
    some = rows > 0
    share, mean = (np.bincount(part, x, bins)[some] / rows[some] for x in (targets, probabilities))
    return share, mean, rows[some]


def calibration_error(probabilities: Any, targets: Any, bins: int = 10) -> float:
    """Expected calibration error: mean distance of share and probability over the bins, by rows (Guo et al. 2017).

    Arguments as in `calibration_curve`. It depends on `bins`: name them.
    Derived in: notebooks/06_evaluation.ipynb
    """
    share, mean, rows = calibration_curve(probabilities, targets, bins)
    return float(np.average(abs(share - mean), weights=rows))


def brier_score(probabilities: Any, targets: Any) -> float:
    """Mean squared difference of the probability of the class 1 and what came, 0 or 1 (Brier 1950)."""
    probabilities, targets = _paired(probabilities, targets)
    return float(((probabilities - targets) ** 2).mean())


def perplexity(losses: Any) -> float:
    """exp of the mean loss in nats.

    Among so many equally likely symbols one would be as unsure.

    Derived in: notebooks/08_sequences.ipynb
    """
    if np.size(losses) == 0:
        raise ValueError("needed the loss of one token at least, got none")
    return math.exp(np.mean(losses))


def bits_per_byte(losses: Any, text: str) -> float:
    """Bits that a model needs for each byte of `text` in UTF-8: fair to every tokeniser.

    losses: the negative log-likelihoods, in nats, of all the tokens that `text` was cut into.
    """
    size = len(text.encode("utf8"))
    if size == 0:
        raise ValueError("needed the text that the losses belong to, got an empty one")
    return float(np.sum(losses) / math.log(2) / size)


# Numbers, and how sure we are ----------------------------------------------------------------------------------------
def r2_score(predictions: Any, targets: Any) -> float:
    """1 − (squared error)/(squared error of always saying the mean); 0 is that baseline, 1 is perfect."""
    predictions, targets = np.asarray(predictions, float), np.asarray(targets, float)
    return float(1 - ((targets - predictions) ** 2).sum() / ((targets - targets.mean()) ** 2).sum())


def proportion_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share measured on n independent cases (Wilson 1927).

    Derived in: notebooks/06_evaluation.ipynb
    """
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"needed 0 ≤ successes ≤ n and n > 0, got {successes} of {n}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # at the ends rounding would exclude the share itself
    return (centre - half if successes else 0.0), (centre + half if successes < n else 1.0)


def bootstrap_interval(
    score: Callable[..., float], *columns: Any, rng: np.random.Generator, resamples: int = 1000,
    confidence: float = 0.95,
) -> tuple[float, float]:  # fmt: skip
    """Percentile interval of score(*columns): rows are drawn again with replacement, the same in every column.

    Each column has N rows: predictions and targets, say. Resamples whose score is nan, as without positives, are left
    out (Efron & Tibshirani 1993, chapter 13).
    Derived in: notebooks/06_evaluation.ipynb
    """
    arrays = [np.asarray(column) for column in columns]
    n = len(arrays[0])
    if n == 0 or any(len(a) != n for a in arrays):
        raise ValueError(f"needed columns of one length, 1 or more, got {', '.join(str(len(a)) for a in arrays)}")
    draws = (rng.integers(0, n, n) for _ in range(resamples))
    scores = np.array([score(*(a[rows] for a in arrays)) for rows in draws])
    if np.isnan(scores).all():
        raise ValueError("the score is nan in every resample: is there a case of each class?")
    low, high = np.nanquantile(scores, (0.5 - confidence / 2, 0.5 + confidence / 2))
    return float(low), float(high)


def bootstrap_difference(
    score: Callable[..., float], one: Any, other: Any, targets: Any, *, rng: np.random.Generator,
    resamples: int = 1000, confidence: float = 0.95,
) -> tuple[float, float]:  # fmt: skip
    """Percentile interval of score(one, targets) − score(other, targets), both on the same rows each time.

    Two models tested on the same cases differ less by luck than their own intervals suggest.
    """

    def difference(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> float:
        return score(a, y) - score(b, y)

    return bootstrap_interval(difference, one, other, targets, rng=rng, resamples=resamples, confidence=confidence)
