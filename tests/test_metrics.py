"""Scores, against scikit-learn's and against what defines them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve
from sklearn.exceptions import UndefinedMetricWarning

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


# Labels -------------------------------------------------------------------------------------------------------------
SHARES = {
    "precision": (metrics.precision, sk.precision_score),
    "recall": (metrics.recall, sk.recall_score),
    "f1": (metrics.f1_score, sk.f1_score),
}
every_share = pytest.mark.parametrize("ours, theirs", SHARES.values(), ids=SHARES)


@every_share
@given(st.integers(1, 12), st.integers(1, 5), st.booleans(), st.sampled_from(["macro", "micro", None]), seeds)
def test_a_share_over_classes_is_scikit_learns_also_where_classes_are_empty(ours, theirs, n, k, named, average, seed):
    predictions, targets = labels(seed, n, k)
    options = {"labels": range(k + 1)} if named else {}
    expected = theirs(targets, predictions, average=average, zero_division=0, **options)
    found = ours(predictions, targets, average, k + 1 if named else None)
    np.testing.assert_allclose(found, expected, 1e-12)


@every_share
@given(st.integers(1, 8), st.integers(0, 2**8 - 1), st.integers(0, 2**8 - 1), st.booleans())
def test_a_share_of_two_classes_is_scikit_learns_also_where_nothing_is_called(ours, theirs, n, a, b, as_bools):
    predictions, targets = ([number >> i & 1 for i in range(n)] for number in (a, b))
    expected = theirs(targets, predictions, zero_division=0)
    asked = np.array(predictions, bool) if as_bools else predictions
    assert np.isclose(ours(asked, targets), expected, 1e-12)


def test_by_hand_eight_mails():
    called, spam = [1, 1, 1, 0, 0, 0, 0, 0], [1, 1, 0, 1, 1, 0, 0, 0]
    assert np.isclose(metrics.precision(called, spam), 2 / 3)
    assert np.isclose(metrics.recall(called, spam), 2 / 4)
    assert np.isclose(metrics.f1_score(called, spam), 4 / 7)
    np.testing.assert_array_equal(metrics.confusion_matrix(np.array(called, bool), spam, 2), [[3, 1], [2, 2]])


@every_share
def test_labels_that_a_share_cannot_use_are_refused_with_a_way_out(ours, theirs):
    with pytest.raises(
        ValueError, match=r"labels \[0 1 2\] are not all 0 or 1: choose average='macro', 'micro' or None"
    ):
        ours([0, 1], [2, 1])
    with pytest.raises(TypeError, match="labels must be integers, one or more, got float64: threshold or argmax"):
        ours([0.2, 0.7], [0, 1])
    with pytest.raises(TypeError, match="labels must be integers, one or more, got float64"):
        ours([], [])
    with pytest.raises(ValueError, match="average must be 'binary', 'macro', 'micro' or None, got 'weighted'"):
        ours([0, 1], [1, 1], "weighted")
    with pytest.raises(ValueError, match="prediction 2 is out of range: 2 classes are 0 to 1"):
        ours([2, 1], [0, 1], None, 2)


# Scores -------------------------------------------------------------------------------------------------------------
@st.composite
def scored(draw, least=1):
    """Scores on a coarse grid, so that many are equal, and targets, sometimes of one class alone."""
    n = draw(st.integers(least, 25))
    rng = np.random.default_rng(draw(seeds))
    scores = rng.integers(0, draw(st.integers(1, 30)), n) / 30
    return scores, (rng.random(n) < draw(st.sampled_from([0, 0.1, 0.5, 1]))).astype(int)


def quietly(score, *arguments, **options):
    """scikit-learn warns where a score is undefined; here only its value counts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        warnings.filterwarnings("ignore", message="No positive class found")
        return score(*arguments, **options)


@given(scored())
def test_the_roc_curve_and_its_area_are_scikit_learns(case):
    scores, targets = case
    expected = quietly(sk.roc_curve, targets, scores, drop_intermediate=False)
    for ours, theirs in zip(metrics.roc_curve(scores, targets), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-12)
    np.testing.assert_allclose(metrics.roc_auc(scores, targets), quietly(sk.roc_auc_score, targets, scores), 1e-12)


@given(scored())
def test_the_precision_recall_curve_and_its_average_are_scikit_learns(case):
    scores, targets = case
    expected = quietly(sk.precision_recall_curve, targets, scores)
    for ours, theirs in zip(metrics.precision_recall_curve(scores, targets), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-12)
    expected = quietly(sk.average_precision_score, targets, scores)
    np.testing.assert_allclose(metrics.average_precision(scores, targets), expected, 1e-12, 1e-15)


@given(scored(least=2))
def test_the_area_is_the_chance_that_a_positive_scores_higher_and_half_a_tie(case):
    scores, targets = case
    above = scores[targets == 1][:, None] - scores[targets == 0]
    found = metrics.roc_auc(scores, targets)
    if above.size == 0:
        assert np.isnan(found)
        return
    assert np.isclose(found, (np.sign(above) / 2 + 0.5).mean())
    assert np.isclose(found, metrics.roc_auc(np.exp(scores), targets))
    assert np.isclose(found, 1 - metrics.roc_auc(-scores, targets))


@given(scored())
def test_a_point_of_a_curve_is_what_its_threshold_gives(case):
    scores, targets = case
    targets[0] = 1
    for share, found, threshold in zip(*metrics.precision_recall_curve(scores, targets), strict=False):
        called = scores >= threshold
        assert np.isclose(share, metrics.precision(called, targets))
        assert np.isclose(found, metrics.recall(called, targets))


def test_certain_scores_tie_too():
    assert metrics.roc_auc([np.inf, np.inf, -np.inf, 0.0], [1, 0, 0, 0]) == 5 / 6


UNUSABLE = [
    ([0.1, 0.2], [1], r"a score for each of one or more targets, got \(2,\) and \(1,\)"),
    ([], [], r"a score for each of one or more targets, got \(0,\)"),
    ([[0.1, 0.9]], [[0, 1]], r"a score for each of one or more targets, got \(1, 2\)"),
    ([0.1, np.nan], [0, 1], "scores that are numbers and targets of 0 and 1, got a nan or another target"),
    ([0.1, 0.2], [0, 2], "scores that are numbers and targets of 0 and 1, got a nan or another target"),
]


@pytest.mark.parametrize("score", [metrics.roc_auc, metrics.average_precision, metrics.brier_score])
@pytest.mark.parametrize("scores, targets, message", UNUSABLE)
def test_unusable_scores_are_refused(score, scores, targets, message):
    with pytest.raises(ValueError, match=message):
        score(scores, targets)


# Probabilities ------------------------------------------------------------------------------------------------------
@given(scored(), st.integers(1, 12))
def test_calibration_is_scikit_learns(case, bins):
    probabilities, targets = case
    share, mean, rows = metrics.calibration_curve(probabilities, targets, bins)
    theirs = calibration_curve(targets, probabilities, n_bins=bins)
    np.testing.assert_allclose([share, mean], theirs, 1e-12)
    assert rows.sum() == len(targets)
    assert rows.min() > 0
    error = metrics.calibration_error(probabilities, targets, bins)
    assert np.isclose(error, sum(n * abs(a - b) for a, b, n in zip(*theirs, rows, strict=True)) / len(targets))
    assert abs(mean @ rows - share @ rows) / len(targets) <= error + 1e-12


@given(scored())
def test_the_brier_score_is_scikit_learns(case):
    probabilities, targets = case
    expected = sk.brier_score_loss(targets, probabilities, pos_label=1)
    assert np.isclose(metrics.brier_score(probabilities, targets), expected, 1e-12)


def test_a_model_that_means_what_it_says_is_calibrated_and_a_bold_one_is_not():
    rng = np.random.default_rng(0)
    p = rng.random(200_000)
    targets = rng.random(200_000) < p
    assert metrics.calibration_error(p, targets) < 0.006
    bold = p**3 / (p**3 + (1 - p) ** 3)
    assert metrics.calibration_error(bold, targets) > 0.1
    assert metrics.brier_score(p, targets) < metrics.brier_score(bold, targets)
    assert np.isclose(metrics.roc_auc(bold, targets), metrics.roc_auc(p, targets))


@pytest.mark.parametrize("p, bins", [([-0.1, 0.5], 10), ([0.5, 1.1], 10), ([0.5, 0.5], 0)])
def test_what_is_no_probability_has_no_calibration(p, bins):
    message = f"in \\[0, 1\\] and one bin at least, got {min(p)} to {max(p)}, bins={bins}"
    with pytest.raises(ValueError, match=message):
        metrics.calibration_curve(p, [0, 1], bins)


@given(st.integers(1, 50), st.integers(2, 100))
def test_a_uniform_guess_is_as_perplexed_as_there_are_symbols(n, symbols):
    losses = np.full(n, np.log(symbols))
    assert np.isclose(metrics.perplexity(losses), symbols)
    assert np.isclose(metrics.bits_per_byte(losses, "a" * n), np.log2(symbols))


def test_bits_per_byte_do_not_depend_on_how_the_text_was_cut():
    characters = [0.5, 1.5, 0.25, 0.75]
    assert metrics.bits_per_byte(characters, "你好ab") == metrics.bits_per_byte([2.0, 1.0], "你好ab")
    assert np.isclose(metrics.bits_per_byte(characters, "你好ab"), 3 / np.log(2) / 8)


def test_nothing_has_no_bits_and_no_perplexity():
    with pytest.raises(ValueError, match="needed the text that the losses belong to, got an empty one"):
        metrics.bits_per_byte([], "")
    with pytest.raises(ValueError, match="needed the loss of one token at least"):
        metrics.perplexity([])


# Intervals ----------------------------------------------------------------------------------------------------------
def mean(column):
    return float(np.mean(column))


def test_the_interval_of_a_mean_is_scipys_and_near_the_normal_one():
    rows = np.random.default_rng(1).exponential(size=400)
    low, high = metrics.bootstrap_interval(mean, rows, rng=np.random.default_rng(2), resamples=4000)
    theirs = scipy.stats.bootstrap((rows,), np.mean, n_resamples=4000, method="percentile", rng=3).confidence_interval
    half = 1.96 * rows.std() / 20
    np.testing.assert_allclose([low, high], theirs, atol=0.1 * half)
    np.testing.assert_allclose([low, high], [rows.mean() - half, rows.mean() + half], atol=0.1 * half)


def test_a_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [
        metrics.bootstrap_interval(mean, rng.random(60), rng=rng, resamples=200, confidence=0.9) for _ in range(400)
    ]
    assert 0.85 < np.mean([low <= 0.5 <= high for low, high in intervals]) < 0.94


def test_rows_stay_together_and_the_same_rng_gives_the_same_interval():
    column = np.arange(50)

    def apart(a, b):
        return float((a != b).mean())

    assert metrics.bootstrap_interval(apart, column, column, rng=np.random.default_rng(0), resamples=50) == (0, 0)
    one, two = (metrics.bootstrap_interval(mean, column, rng=np.random.default_rng(4), resamples=50) for _ in range(2))
    assert one == two
    wide, narrow = (
        np.diff(metrics.bootstrap_interval(mean, column, rng=np.random.default_rng(4), confidence=c))
        for c in (0.99, 0.5)
    )
    assert wide > 2 * narrow


def test_two_models_are_compared_on_the_same_rows():
    """25 against 15 where they disagree, out of 1,000: the interval holds 0 and is that of 40 rows, not of 2,000."""
    targets = np.zeros(1000, int)
    one, other = np.zeros((2, 1000), int)
    one[:15], other[15:40] = 1, 1
    one[40:120] = other[40:120] = 1  # both are wrong here
    low, high = metrics.bootstrap_difference(
        metrics.accuracy, one, other, targets, rng=np.random.default_rng(0), resamples=2000
    )
    assert low < 0 < 0.01 < high
    assert np.isclose(high - low, 2 * 1.96 * np.sqrt(40 / 1000 - 0.01**2) / np.sqrt(1000), rtol=0.1)
    alone = metrics.bootstrap_interval(metrics.accuracy, one, targets, rng=np.random.default_rng(0))
    assert high - low < 0.75 * np.diff(alone)


def test_a_resample_without_a_class_is_left_out_and_none_with_it_is_said():
    scores, targets = [0.9, 0.2, 0.4], [1, 0, 0]
    assert metrics.bootstrap_interval(metrics.roc_auc, scores, targets, rng=np.random.default_rng(0)) == (1, 1)
    with pytest.raises(ValueError, match="the score is nan in every resample: is there a case of each class"):
        metrics.bootstrap_interval(metrics.roc_auc, scores, [0, 0, 0], rng=np.random.default_rng(0), resamples=9)


@pytest.mark.parametrize("columns, lengths", [(([1, 2], [1]), "2, 1"), (([], []), "0, 0")])
def test_columns_of_different_or_no_length_have_no_interval(columns, lengths):
    with pytest.raises(ValueError, match=f"needed columns of one length, 1 or more, got {lengths}"):
        metrics.bootstrap_interval(metrics.accuracy, *columns, rng=np.random.default_rng(0))
