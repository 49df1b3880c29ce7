"""Typical wrong answers to the exercises of chapter 02, each with a fragment of the hint that it must receive."""

from __future__ import annotations

import numpy as np


def _walk(w, rate, steps, slope):
    path = [w]
    for _ in range(steps):
        path.append(path[-1] - rate * slope * (path[-1] - 4))
    return path


def uphill(w, rate, steps):
    return _walk(w, rate, steps, -5)


def factor_lost(w, rate, steps):
    return _walk(w, rate, steps, 2.5)


def sum_of_squares(w, rate, steps):
    return _walk(w, rate, steps, 10)


def start_lost(w, rate, steps):
    return _walk(w, rate, steps, 5)[1:]


def start_twice(w, rate, steps):
    path = [w]
    for _ in range(steps):
        path.append(w)
        w = w - rate * 5 * (w - 4)
    return path


def first_slope_kept(w, rate, steps):
    slope = 5 * (w - 4)
    return [w - k * rate * slope for k in range(steps + 1)]


def nudged_up(w, rate, steps, h=0.01):
    path = [w]
    for _ in range(steps):
        loss = [2.5 * (x - 4) ** 2 for x in (w, w + h)]
        w = w - rate * (loss[1] - loss[0]) / h
        path.append(w)
    return np.array(path)


def nudged_down(w, rate, steps):
    return nudged_up(w, rate, steps, h=-0.1)


def unscaled_limit(X):
    return 2 / np.linalg.eigvalsh(X.T @ X)[-1]


def flattest(X):
    return 2 / np.linalg.eigvalsh(2 * X.T @ X / len(X))[0] if X.shape[1] > 1 else 2 / (2 * X.T @ X / len(X)).item()


def singular_value(X):
    return len(X) / np.linalg.svd(X)[1][0]


def no_two(X):
    return 2 / np.linalg.eigvalsh(X.T @ X / len(X))[-1]


def no_mean_over_rows(X):
    return 2 / np.linalg.eigvalsh(2 * X.T @ X)[-1]


def curvature_itself(X):
    return np.linalg.eigvalsh(2 * X.T @ X / len(X))[-1]


def unsorted(X):
    values = np.sort(np.linalg.eigvals(2 * X.T @ X / len(X)))
    return 2 / values[len(values) // 2]


def best_guarantee(X):
    values = np.linalg.eigvalsh(2 * X.T @ X / len(X))
    return 2 / (values[0] + values[-1])


def steepest_column(X):
    return 2 / np.diag(2 * X.T @ X / len(X)).max()


def summed_curvatures(X):
    return 2 / np.trace(2 * X.T @ X / len(X))


def covariance(X):
    return 1 / np.linalg.eigvalsh(np.atleast_2d(np.cov(X.T)))[-1]


def every_direction(X):
    return 2 / np.linalg.eigvalsh(2 * X.T @ X / len(X))


def one_over_curvature(X):
    return 1 / np.linalg.eigvalsh(2 * X.T @ X / len(X))[-1]


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _logistic(X, y, w, b, penalty, sign=1, count=None, on_bias=0, on_w=1, error=None):
    if error is None:
        error = sign * (_sigmoid(X @ w + b) - y)
    of_w = X.T @ error / (count or len(y)) + on_w * penalty * w
    return of_w, error.sum() / (count or len(y)) + on_bias * penalty * b


def turned(*arguments):
    return _logistic(*arguments, sign=-1)


def no_mean(*arguments):
    return _logistic(*arguments, count=1)


def bias_on_the_leash(*arguments):
    return _logistic(*arguments, on_bias=1)


def no_leash(X, y, w, b, penalty):
    return _logistic(X, y, w, b, 0)


def summed_over_columns(X, y, w, b, penalty):
    error = 1 / (1 + np.exp(-(X @ w + b))) - y
    return (X * error[:, None]).sum(axis=1), error.mean()


def bias_turned(*arguments):
    of_w, of_b = _logistic(*arguments)
    return of_w, -of_b


def bias_summed(X, y, w, b, penalty):
    of_w, of_b = _logistic(X, y, w, b, penalty)
    return of_w, len(y) * of_b


def weights_summed(X, y, w, b, penalty):
    return _logistic(X, y, w, b, penalty, count=1)[0], _logistic(X, y, w, b, penalty)[1]


def leash_shared(X, y, w, b, penalty):
    return _logistic(X, y, w, b, penalty, on_w=1 / len(y))


def leash_for_each(X, y, w, b, penalty):
    return _logistic(X, y, w, b, penalty, on_w=len(y))


def leash_doubled(*arguments):
    return _logistic(*arguments, on_w=2)


def leash_pushes(*arguments):
    return _logistic(*arguments, on_w=-1)


def bias_first(*arguments):
    return _logistic(*arguments)[::-1]


def bias_as_array(*arguments):
    of_w, of_b = _logistic(*arguments)
    return of_w, np.array([of_b])


def weights_as_column(*arguments):
    of_w, of_b = _logistic(*arguments)
    return of_w[:, None], of_b


def weights_alone(*arguments):
    return _logistic(*arguments)[0]


def of_squared_error(X, y, w, b, penalty):
    p = _sigmoid(X @ w + b)
    return _logistic(X, y, w, b, penalty, error=2 * (p - y) * p * (1 - p))


def no_sigmoid(X, y, w, b, penalty):
    return _logistic(X, y, w, b, penalty, error=X @ w + b - y)


def yes_or_no(X, y, w, b, penalty):
    return _logistic(X, y, w, b, penalty, error=(X @ w + b > 0) - y)


def leash_squared(X, y, w, b, penalty):
    of_w, of_b = _logistic(X, y, w, b, 0)
    return of_w + penalty / 2 * w**2, of_b


def bias_forgotten(X, y, w, b, penalty):
    return _logistic(X, y, w, 0.0, penalty)


def naive_loss(z, y, weight):
    with np.errstate(all="ignore"):
        p = 1 / (1 + np.exp(-z))
        return -weight * y * np.log(p) - (1 - y) * np.log(1 - p)


def plus_tiny(z, y, weight):
    p = 0.5 * (1 + np.tanh(z / 2))
    # the sum is exact enough near 0, so only the extreme scores give it away
    return -weight * y * np.log(p + 1e-9) - (1 - y) * np.log(1 - p + 1e-9)


def clipped_scores(z, y, weight):
    return naive_loss(np.clip(z, -30, 30), y, weight)


def clipped_probability(z, y, weight):
    p = np.clip(0.5 * (1 + np.tanh(z / 2)), 1e-12, 1 - 1e-12)
    return -weight * y * np.log(p) - (1 - y) * np.log(1 - p)


def odd_clip(z, y, weight):
    return np.minimum(weight * y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z), 33.3)


def no_large_part_out(z, y, weight):
    with np.errstate(all="ignore"):
        return weight * y * np.log(1 + np.exp(-z)) + (1 - y) * np.log(1 + np.exp(z))


def abs_missing(z, y, weight):
    with np.errstate(all="ignore"):
        shared = np.log1p(np.exp(-z))
        return weight * y * (np.maximum(-z, 0) + shared) + (1 - y) * (np.maximum(z, 0) + shared)


def abs_missing_in_no(z, y, weight):
    with np.errstate(all="ignore"):
        return weight * y * np.logaddexp(0, -z) + (1 - y) * (np.maximum(z, 0) + np.log1p(np.exp(-z)))


def large_part_missing(z, y, weight):
    return (weight * y + 1 - y) * np.log1p(np.exp(-np.abs(z)))


def minus_missing(z, y, weight):
    with np.errstate(all="ignore"):
        of_no = np.maximum(z, 0) + np.log1p(np.exp(np.abs(z)))
        return weight * y * np.logaddexp(0, -z) + (1 - y) * of_no


def infinity_replaced(z, y, weight):
    return np.nan_to_num(naive_loss(z, y, weight), posinf=1e4)


def weight_on_the_score(z, y, weight):
    return np.logaddexp(0, z) - weight * y * z


def in_bits(*arguments):
    return _right_loss(*arguments) / np.log(2)


def halves_exchanged(z, y, weight):
    return weight * y * np.logaddexp(0, z) + (1 - y) * np.logaddexp(0, -z)


def _right_loss(z, y, weight):
    return weight * y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z)


def mean_loss(*arguments):
    return _right_loss(*arguments).mean()


def total_loss(*arguments):
    return _right_loss(*arguments).sum()


def shared_loss(*arguments):
    return _right_loss(*arguments) / len(arguments[0])


def negative_loss(*arguments):
    return -_right_loss(*arguments)


def weight_ignored(z, y, weight):
    return _right_loss(z, y, 1.0)


def other_half_weighted(z, y, weight):
    return y * np.logaddexp(0, -z) + weight * (1 - y) * np.logaddexp(0, z)


def weight_on_both(z, y, weight):
    return weight * (y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z))


def half_loss(z, y, weight):
    return weight * y * np.logaddexp(0, -z)


FOUR = ("leak", "sign", "bias", "threshold")


def broken_training(train_x, train_y, test_x, rate, steps, mended=(), ddof=0, bias_share=1):
    """The program of the exercise, with some of its four mistakes mended, or with others made."""
    rows = train_x if "leak" in mended else np.concatenate([train_x, test_x])
    mean, std = rows.mean(axis=0), rows.std(axis=0, ddof=ddof)
    own = "own" in mended
    test_x = (test_x - test_x.mean(axis=0)) / test_x.std(axis=0) if own else (test_x - mean) / std
    train_x = (train_x - mean) / std
    w, b = np.zeros(train_x.shape[1]), 0.0
    for _ in range(steps):
        p = _sigmoid(train_x @ w + b)
        error = p - train_y if "sign" in mended else train_y - p
        w = w - rate * train_x.T @ error / len(train_y)
        b = b - rate * bias_share * error.mean() if "bias" in mended else b
    p = _sigmoid(test_x @ w + b)
    return w, b, (p > (0.5 if "threshold" in mended else 0)).astype(int)


def scaled_alone(*arguments):
    return broken_training(*arguments, mended=(*FOUR, "own"))


def other_std(*arguments):
    return broken_training(*arguments, mended=FOUR, ddof=1)


def bias_uphill(*arguments):
    return broken_training(*arguments, mended=FOUR, bias_share=-1)


def bias_by_the_sum(*arguments):
    return broken_training(*arguments, mended=FOUR, bias_share=len(arguments[1]))


def bias_in_an_array(*arguments):
    w, b, answers = broken_training(*arguments, mended=FOUR)
    return w, np.array([b]), answers


def answers_turned(*arguments):
    w, b, answers = broken_training(*arguments, mended=FOUR)
    return w, b, 1 - answers


def answers_left_out(*arguments):
    return broken_training(*arguments, mended=FOUR)[:2]


def still_uphill(*arguments):
    return broken_training(*arguments, mended=("leak", "bias", "threshold"))


def bias_stands(*arguments):
    return broken_training(*arguments, mended=("leak", "sign", "threshold"))


def always_yes(*arguments):
    return broken_training(*arguments, mended=("leak", "sign", "bias"))


def deaf_to_labels(train_x, train_y, test_x, rate, steps):
    return broken_training(train_x, np.zeros(len(train_y)), test_x, rate, steps, FOUR)


GOOD_LOGS = {"A": "too slow", "B": "wrong loss", "C": "healthy", "D": "too fast", "E": "cannot tell"}


def overfits_with_one_curve():
    return {**GOOD_LOGS, "E": "overfits"}


def lowest_loss_wins():
    return {**GOOD_LOGS, "B": "healthy"}


def accuracy_falls():
    return {**GOOD_LOGS, "B": "overfits"}


def crawls_backwards():
    return {**GOOD_LOGS, "B": "too fast"}


def enough_accuracy():
    return {**GOOD_LOGS, "A": "healthy"}


def suspicion():
    return {**GOOD_LOGS, "C": "overfits"}


def never_content():
    return {**GOOD_LOGS, "C": "too slow"}


def patience():
    return {**GOOD_LOGS, "D": "healthy"}


def blames_the_loss():
    return {**GOOD_LOGS, "D": "wrong loss"}


def one_left_out():
    return {"A": "too slow"}


def one_too_many():
    return {**GOOD_LOGS, "F": "healthy"}


def in_a_list():
    return list(GOOD_LOGS.values())


def other_word():
    return {**GOOD_LOGS, "E": "overfitting"}


def bias_kept(w, b, mean, std):
    return w / std, b


def times_std(w, b, mean, std):
    return w * std, b - (w * std) @ mean


def bias_added(w, b, mean, std):
    return w / std, b + (w / std) @ mean


def _back(w, b, mean, std):
    return w / std, b - (w / std) @ mean


def raw_bias_in_an_array(*arguments):
    raw_w, raw_b = _back(*arguments)
    return raw_w, np.array([raw_b])


def bias_for_each_column(w, b, mean, std):
    return w / std, b - mean * w / std


def raw_bias_first(*arguments):
    return _back(*arguments)[::-1]


def std_forgotten_in_bias(w, b, mean, std):
    return w / std, b - w @ mean


def weights_kept(w, b, mean, std):
    return w, b - w @ mean


def old_bias_lost(w, b, mean, std):
    return w / std, -(w / std) @ mean


def weights_in_a_column(*arguments):
    raw_w, raw_b = _back(*arguments)
    return raw_w[:, None], raw_b


def raw_weights_alone(w, b, mean, std):
    return w / std


def mean_divided_twice(w, b, mean, std):
    return w / std, b - (w / std**2) @ mean


def one_half(p, y, miss, alarm):
    return 0.5


def _cheapest(p, y, miss, alarm, above=False, thresholds=None):
    thresholds = np.linspace(0, 1, 201) if thresholds is None else thresholds
    answers = [p > t if above else p >= t for t in thresholds]
    costs = [miss * ((y == 1) & ~yes).sum() + alarm * ((y == 0) & yes).sum() for yes in answers]
    return float(thresholds[np.argmin(costs)])


def prices_swapped(p, y, miss, alarm):
    return _cheapest(p, y, alarm, miss)


def above_on_a_grid(p, y, miss, alarm):
    return _cheapest(p, y, miss, alarm, above=True)


def above_on_the_samples(p, y, miss, alarm):
    return _cheapest(p, y, miss, alarm, above=True, thresholds=p)


def shares_of_classes(p, y, miss, alarm):
    return _cheapest(p, y, miss / (y == 1).mean(), alarm / (y == 0).mean())


def fewest_errors(p, y, miss, alarm):
    return _cheapest(p, y, 1, 1)


def coarse(p, y, miss, alarm):
    return _cheapest(p, y, miss, alarm, thresholds=np.linspace(0, 1, 11))


def in_per_cent(p, y, miss, alarm):
    return 100 * _cheapest(p, y, miss, alarm)


def threshold_and_cost(p, y, miss, alarm):
    return _cheapest(p, y, miss, alarm), 12.0


def dearest(p, y, miss, alarm):
    return _cheapest(p, y, -miss, -alarm)


def ratio_upside_down(p, y, miss, alarm):
    return miss / (miss + alarm)


def believes_the_model(p, y, miss, alarm):
    return alarm / (miss + alarm)


WRONG = {
    "02.walk": [
        (uphill, "uphill"),
        (factor_lost, "half as far"),
        (sum_of_squares, "twice as far"),
        (start_lost, "the start, then"),
        (start_twice, "stands there twice"),
        (first_slope_kept, "the slope of the start"),
        (nudged_up, "your walk ends 0.005 beside"),
        (nudged_down, "your walk ends 0.05 beside"),
        (lambda w, rate, steps: _walk(w, rate, steps, 1), "a fifth as far"),
        (lambda w, rate, steps: _walk(w, rate, steps + 1, 5)[1:], "begins after the first step"),
        (lambda w, rate, steps: _walk(w, rate, steps, 3), "must multiply w − 4"),
    ],
    "02.rate_limit": [
        (unscaled_limit, "differs by N/2"),
        (no_two, "second derivative of a square"),
        (no_mean_over_rows, "N times too low"),
        (curvature_itself, "steepest curvature itself"),
        (flattest, "flattest direction"),
        (unsorted, "direction in between"),
        (best_guarantee, "best guarantee"),
        (singular_value, "must be squared"),
        (lambda X: 2 / np.linalg.eigvalsh(2 * X.T @ X / X.shape[1])[-1], "over the rows"),
        (lambda X: 2 / np.linalg.norm(2 * X.T @ X / len(X)), "a norm of the whole matrix"),
        (summed_curvatures, "sum of all curvatures"),
        (steepest_column, "along one column alone"),
        (covariance, "means of the columns"),
        (every_direction, "one number is asked for"),
        (one_over_curvature, "half of the limit"),
        (lambda X: 0.1, "at 0.99 of the limit"),
    ],
    "02.logistic_gradient": [
        (turned, "sign is turned"),
        (bias_turned, "has the other sign"),
        (no_mean, "divide by N"),
        (bias_summed, "take the mean"),
        (weights_summed, "divide it by N"),
        (of_squared_error, "has no p(1 − p)"),
        (no_sigmoid, "p is the sigmoid"),
        (yes_or_no, "the probability itself"),
        (bias_forgotten, "if b were 0"),
        (bias_on_the_leash, "bias is free"),
        (no_leash, "penalty is missing"),
        (leash_shared, "outside the mean"),
        (leash_for_each, "not for each sample"),
        (leash_pushes, "pulls the wrong way"),
        (leash_squared, "right without a penalty"),
        (leash_doubled, "off by a factor 2"),
        (summed_over_columns, "not over the columns"),
        (weights_as_column, "has the shape of w, (3,)"),
        (bias_first, "comes first"),
        (bias_as_array, "an array of shape (1,)"),
        (weights_alone, "give back two things"),
        (lambda X, y, w, b, penalty: (0 * w, 0.0), "nudging the loss"),
    ],
    "02.stable_loss": [
        (naive_loss, "start from z, not from p"),
        (no_large_part_out, "exp overflows for a large score"),
        (plus_tiny, "capped at 20.7: with a probability kept above 1e-9"),
        (clipped_scores, "capped at 30.0: with scores clipped at ±30"),
        (clipped_probability, "a probability kept above 1e-12"),
        (odd_clip, "capped at 33.3: with a clipped score, or"),
        (abs_missing, "without the absolute value"),
        (abs_missing_in_no, "without the absolute value"),
        (large_part_missing, "large part is missing"),
        (minus_missing, "must never be positive"),
        (infinity_replaced, "right near 0, wrong far out"),
        (weight_on_the_score, "more than the last term"),
        (in_bits, "in bits"),
        (halves_exchanged, "halves are exchanged"),
        (other_half_weighted, "wrong half"),
        (weight_on_both, "on both halves"),
        (weight_ignored, "never used"),
        (half_loss, "one half of the cross-entropy is missing"),
        (mean_loss, "the mean is one step too far"),
        (total_loss, "the sum is one step too far"),
        (shared_loss, "share of the mean"),
        (negative_loss, "sign is turned"),
        (lambda z, y, weight: 0 * z, "compute one sample by hand"),
    ],
    "02.mend_training": [
        (broken_training, "leaks into the training (3 more"),
        (still_uphill, "learns to be wrong"),
        (bias_stands, "bias never moves"),
        (always_yes, "yes from 0.5 on"),
        (scaled_alone, "scaled by their own mean and std"),
        (other_std, "ddof=1"),
        (bias_uphill, "bias walks uphill"),
        (bias_by_the_sum, "mean of p − y, not the sum"),
        (bias_in_an_array, "an array of shape (1,)"),
        (answers_turned, "the answers are not"),
        (answers_left_out, "as the given program does"),
        (deaf_to_labels, "start from zeros"),
    ],
    "02.read_logs": [
        (overfits_with_one_curve, "is it enough for that verdict"),
        (lowest_loss_wins, "asking for the right thing"),
        (accuracy_falls, "look at step 0"),
        (crawls_backwards, "what does a cross-entropy start at"),
        (enough_accuracy, "the loss of a coin flip"),
        (suspicion, "loses test accuracy"),
        (never_content, "what is there to complain about"),
        (patience, "leap up"),
        (blames_the_loss, "comes with the first step"),
        (one_left_out, "no verdict for B, C, D, E"),
        (one_too_many, "there is no log F"),
        (in_a_list, "give back a dictionary"),
        (other_word, "'overfitting' is not one of the six"),
    ],
    "02.back_to_raw": [
        (bias_kept, "bias is not"),
        (times_std, "divide by std"),
        (weights_kept, "still those of scaled columns"),
        (bias_added, "subtract w · mean / std"),
        (std_forgotten_in_bias, "counted with the raw weights"),
        (old_bias_lost, "old bias b is lost"),
        (raw_bias_in_an_array, "an array of shape (1,)"),
        (bias_for_each_column, "a sum is missing"),
        (raw_bias_first, "comes first"),
        (raw_weights_alone, "give back two things"),
        (weights_in_a_column, "one raw weight for each column"),
        (mean_divided_twice, "write out w"),
    ],
    "02.best_threshold": [
        (one_half, "only if both errors cost the same"),
        (prices_swapped, "wrong way round"),
        (ratio_upside_down, "wrong way round"),
        (believes_the_model, "cannot: count"),
        (lambda p, y, miss, alarm: min(alarm / miss, 1), "are odds"),
        (lambda p, y, miss, alarm: _cheapest(p, 1 - y, miss, alarm), "truth 0 and truth 1 are exchanged"),
        (above_on_a_grid, "p >= threshold"),
        (above_on_the_samples, "p >= threshold"),
        (shares_of_classes, "share of its class"),
        (fewest_errors, "prices are never used"),
        (coarse, "another threshold costs less"),
        (in_per_cent, "between 0 and 1"),
        (threshold_and_cost, "the cheapest threshold alone"),
        (dearest, "try many thresholds"),
    ],
}
