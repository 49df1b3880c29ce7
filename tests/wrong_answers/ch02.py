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


def unscaled_limit(X):
    return 2 / np.linalg.eigvalsh(X.T @ X)[-1]


def flattest(X):
    return 2 / np.linalg.eigvalsh(2 * X.T @ X / len(X))[0] if X.shape[1] > 1 else 2 / (2 * X.T @ X / len(X)).item()


def singular_value(X):
    return len(X) / np.linalg.svd(X)[1][0]


def one_over_curvature(X):
    return 1 / np.linalg.eigvalsh(2 * X.T @ X / len(X))[-1]


def _logistic(X, y, w, b, penalty, sign=1, count=None, on_bias=0):
    error = sign * (1 / (1 + np.exp(-(X @ w + b))) - y)
    return X.T @ error / (count or len(y)) + penalty * w, error.sum() / (count or len(y)) + on_bias * penalty * b


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


def other_half_weighted(z, y, weight):
    return y * np.logaddexp(0, -z) + weight * (1 - y) * np.logaddexp(0, z)


def weight_on_both(z, y, weight):
    return weight * (y * np.logaddexp(0, -z) + (1 - y) * np.logaddexp(0, z))


def half_loss(z, y, weight):
    return weight * y * np.logaddexp(0, -z)


def broken_training(train_x, train_y, test_x, rate, steps, mended=()):
    """The program of the exercise, with some of its four mistakes mended."""
    rows = train_x if "leak" in mended else np.concatenate([train_x, test_x])
    mean, std = rows.mean(axis=0), rows.std(axis=0)
    train_x, test_x = (train_x - mean) / std, (test_x - mean) / std
    w, b = np.zeros(train_x.shape[1]), 0.0
    for _ in range(steps):
        p = 1 / (1 + np.exp(-(train_x @ w + b)))
        error = p - train_y if "sign" in mended else train_y - p
        w = w - rate * train_x.T @ error / len(train_y)
        b = b - rate * error.mean() if "bias" in mended else b
    p = 1 / (1 + np.exp(-(test_x @ w + b)))
    return w, b, (p > (0.5 if "threshold" in mended else 0)).astype(int)


def still_uphill(*arguments):
    return broken_training(*arguments, mended=("leak", "bias", "threshold"))


def bias_stands(*arguments):
    return broken_training(*arguments, mended=("leak", "sign", "threshold"))


def always_yes(*arguments):
    return broken_training(*arguments, mended=("leak", "sign", "bias"))


def deaf_to_labels(train_x, train_y, test_x, rate, steps):
    return broken_training(train_x, np.zeros(len(train_y)), test_x, rate, steps, ("leak", "sign", "bias", "threshold"))


GOOD_LOGS = {"A": "too slow", "B": "wrong loss", "C": "healthy", "D": "too fast", "E": "cannot tell"}


def overfits_with_one_curve():
    return {**GOOD_LOGS, "E": "overfits"}


def lowest_loss_wins():
    return {**GOOD_LOGS, "B": "healthy"}


def patience():
    return {**GOOD_LOGS, "D": "healthy"}


def one_left_out():
    return {"A": "too slow"}


def bias_kept(w, b, mean, std):
    return w / std, b


def times_std(w, b, mean, std):
    return w * std, b - (w * std) @ mean


def bias_added(w, b, mean, std):
    return w / std, b + (w / std) @ mean


def one_half(p, y, miss, alarm):
    return 0.5


def prices_swapped(p, y, miss, alarm):
    grid = np.linspace(0, 1, 201)
    costs = [alarm * ((y == 1) & (p < t)).sum() + miss * ((y == 0) & (p >= t)).sum() for t in grid]
    return float(grid[np.argmin(costs)])


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
    ],
    "02.rate_limit": [
        (unscaled_limit, "differs by N/2"),
        (flattest, "flattest direction"),
        (singular_value, "must be squared"),
        (one_over_curvature, "half of the limit"),
    ],
    "02.logistic_gradient": [
        (turned, "sign is turned"),
        (no_mean, "divide by N"),
        (bias_on_the_leash, "bias is free"),
        (no_leash, "penalty is missing"),
        (summed_over_columns, "not over the columns"),
    ],
    "02.stable_loss": [
        (naive_loss, "exp overflowed"),
        (plus_tiny, "capped at 20.7"),
        (clipped_scores, "capped at 30.0"),
        (other_half_weighted, "wrong half"),
        (weight_on_both, "only that"),
        (half_loss, "one half of the cross-entropy is missing"),
    ],
    "02.mend_training": [
        (broken_training, "leaks into the training (3 more"),
        (still_uphill, "learns to be wrong"),
        (bias_stands, "bias never moves"),
        (always_yes, "yes from 0.5 on"),
        (deaf_to_labels, "start from zeros"),
    ],
    "02.read_logs": [
        (overfits_with_one_curve, "one curve only"),
        (lowest_loss_wins, "asking for the right thing"),
        (patience, "overshoots"),
        (one_left_out, "no verdict"),
    ],
    "02.back_to_raw": [
        (bias_kept, "bias is not"),
        (times_std, "divide by std"),
        (bias_added, "subtract w · mean / std"),
    ],
    "02.best_threshold": [
        (one_half, "only if both errors cost the same"),
        (prices_swapped, "wrong way round"),
        (ratio_upside_down, "wrong way round"),
        (believes_the_model, "cannot: count"),
    ],
}
