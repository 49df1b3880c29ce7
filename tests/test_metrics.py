"""Scores, against scikit-learn's and against what defines them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from minilib import metrics
from minilib.scratch import Tensor
from tests.strategies import seeds


def labels(seed, n=30, classes=4):
    return np.random.default_rng(seed).integers(0, classes, (2, n))


@given(seeds)
def test_accuracy_and_confusions_are_scikit_learns(seed):
    predictions, targets = labels(seed)
    assert metrics.accuracy(predictions, targets) == sk.accuracy_score(targets, predictions)
    counts = metrics.confusion_matrix(predictions, targets, 4)
    np.testing.assert_array_equal(counts, sk.confusion_matrix(targets, predictions, labels=range(4)))
    assert counts.trace() / counts.sum() == metrics.accuracy(predictions, targets)


@given(seeds)
def test_r2_is_scikit_learns(seed):
    predictions, targets = np.random.default_rng(seed).standard_normal((2, 9))
    assert np.isclose(metrics.r2_score(predictions, targets), sk.r2_score(targets, predictions))


def test_always_saying_the_mean_scores_zero_and_the_truth_one():
    targets = [1.0, 2.0, 6.0]
    assert metrics.r2_score([3.0] * 3, targets) == 0
    assert metrics.r2_score(targets, targets) == 1


def test_of_scores_the_largest_counts_also_in_a_tensor():
    scores = [[0.1, 0.9], [0.8, 0.2], [0.7, 0.3]]
    assert metrics.accuracy(scores, [1, 0, 1]) == metrics.accuracy(Tensor(scores), Tensor([1, 0, 1])) == 2 / 3


@given(st.integers(1, 200), st.data())
def test_the_interval_holds_the_share_and_solves_wilsons_equation(n, data):
    k = data.draw(st.integers(0, n))
    low, high = metrics.proportion_interval(k, n)
    assert 0 <= low <= k / n <= high <= 1
    for edge in (low, high):  # |k/n − p| = z √(p (1 − p)/n) at both ends
        if 0 < edge < 1:
            assert np.isclose(abs(k / n - edge), 1.959964 * np.sqrt(edge * (1 - edge) / n), 1e-6, 1e-9)
    mirrored = metrics.proportion_interval(n - k, n)
    np.testing.assert_allclose(mirrored, (1 - high, 1 - low), atol=1e-12)


def test_more_confidence_makes_the_interval_wider_and_more_cases_narrower():
    def width(k, n, confidence):
        low, high = metrics.proportion_interval(k, n, confidence)
        return high - low

    assert width(45, 50, 0.8) < width(45, 50, 0.95) < width(45, 50, 0.99)
    assert np.isclose(width(4500, 5000, 0.95) * 10, width(45, 50, 0.95), rtol=0.1)


@pytest.mark.parametrize("p", [0.05, 0.5, 0.93])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(p):
    hits = np.random.default_rng(0).binomial(100, p, 2000)
    covered = [low <= p <= high for low, high in (metrics.proportion_interval(int(k), 100) for k in hits)]
    assert 0.92 < np.mean(covered) < 0.98


@pytest.mark.parametrize("predictions, targets", [([1, 2], [1]), ([], []), ([[1, 2]], [[1], [2]])])
def test_accuracy_needs_one_prediction_for_each_target(predictions, targets):
    with pytest.raises(ValueError, match=r"needed one prediction for each of one or more targets, got \("):
        metrics.accuracy(predictions, targets)


@pytest.mark.parametrize("successes, n", [(-1, 5), (6, 5), (0, 0)])
def test_an_impossible_share_is_refused(successes, n):
    with pytest.raises(ValueError, match=rf"needed 0 ≤ successes ≤ n and n > 0, got {successes} of {n}"):
        metrics.proportion_interval(successes, n)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_confusion_out_of_range_is_named(wrong):
    with pytest.raises(ValueError, match=f"target {wrong} is out of range: 3 classes are 0 to 2"):
        metrics.confusion_matrix([0, 1], [0, wrong], 3)
    with pytest.raises(ValueError, match=f"prediction {wrong} is out of range"):
        metrics.confusion_matrix([0, wrong], [0, 1], 3)
    with pytest.raises(ValueError, match=r"one prediction for each target, got \(2,\) and \(1,\)"):
        metrics.confusion_matrix([0, 1], [0], 3)
