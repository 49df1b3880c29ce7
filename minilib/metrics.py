"""How good is it? Scores computed from predictions and targets, with NumPy alone."""

from __future__ import annotations

import math
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
    """Counts (classes, classes): row = the true class, column = the predicted one, as in scikit-learn."""
    counts = np.zeros((classes, classes), int)
    rows, columns = np.asarray(targets), np.asarray(predictions)
    if rows.shape != columns.shape:
        raise ValueError(f"needed one prediction for each target, got {columns.shape} and {rows.shape}")
    for name, labels in (("target", rows), ("prediction", columns)):
        wrong = labels[(labels < 0) | (labels >= classes)]
        if wrong.size:
            raise ValueError(f"{name} {wrong[0]} is out of range: {classes} classes are 0 to {classes - 1}")
    np.add.at(counts, (rows, columns), 1)
    return counts


def r2_score(predictions: Any, targets: Any) -> float:
    """1 − (squared error)/(squared error of always saying the mean); 0 is that baseline, 1 is perfect."""
    predictions, targets = np.asarray(predictions, float), np.asarray(targets, float)
    return float(1 - ((targets - predictions) ** 2).sum() / ((targets - targets.mean()) ** 2).sum())


def proportion_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval for a share measured on n independent cases (Wilson 1927)."""
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"needed 0 ≤ successes ≤ n and n > 0, got {successes} of {n}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # at the ends rounding would exclude the share itself
    return (centre - half if successes else 0.0), (centre + half if successes < n else 1.0)
