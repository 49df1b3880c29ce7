"""Typical wrong answers to the exercises of chapter 04, each with a fragment of the hint that it must receive."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np


def no_biases(widths):
    weights = sum(a * b for a, b in pairwise(widths))
    return weights, 2 * weights


def input_as_layer(widths):
    weights = sum(a * b for a, b in pairwise(widths))
    return weights + sum(widths), 2 * weights


def one_operation(widths):
    weights = sum(a * b for a, b in pairwise(widths))
    return weights + sum(widths[1:]), weights


def biases_in_operations(widths):
    weights = sum(a * b for a, b in pairwise(widths))
    return weights + sum(widths[1:]), 2 * weights + sum(widths[1:])


def operations_first(widths):
    weights = sum(a * b for a, b in pairwise(widths))
    return 2 * weights, weights + sum(widths[1:])


def ends_only(widths):
    weights = widths[0] * widths[-1]
    return weights + widths[-1], 2 * weights + 1


def wrong_order(layers):
    weight, bias = layers[0]
    for w, b in layers[1:]:
        weight, bias = weight @ w, w @ bias + b
    return weight, bias


def biases_added(layers):
    weight, bias = layers[0]
    for w, b in layers[1:]:
        weight, bias = w @ weight, bias + b
    return weight, bias


def transposed(layers):
    weight, bias = layers[0]
    for w, b in layers[1:]:
        weight, bias = w @ weight, w @ bias + b
    return weight.T, bias


def bias_from_the_left(layers):
    weight, bias = layers[0]
    for w, b in layers[1:]:
        weight, bias = w @ weight, bias @ w + b
    return weight, bias


def bias_as_a_row(layers):
    weight, bias = layers[0]
    for w, b in layers[1:]:
        weight, bias = w @ weight, w @ bias + b
    return weight[None], bias


def bias_in_a_row(layers):
    weight, bias = layers[0]
    for w, b in layers[1:]:
        weight, bias = w @ weight, w @ bias + b
    return weight, bias[None]


def first_two(layers):
    weight, bias = layers[0]
    for w, b in layers[1:2]:
        weight, bias = w @ weight, w @ bias + b
    return weight, bias


def linear_scale(n_in, n_out, slope):
    return 1 / math.sqrt(n_in)


def fan_out(n_in, n_out, slope):
    return math.sqrt(2 / ((1 + slope**2) * n_out))


def without_slope(n_in, n_out, slope):
    return math.sqrt(2 / n_in)


def variance(n_in, n_out, slope):
    return 2 / ((1 + slope**2) * n_in)


def slope_not_squared(n_in, n_out, slope):
    return math.sqrt(2 / ((1 + slope) * n_in))


def glorot(n_in, n_out, slope):
    return math.sqrt(2 / (n_in + n_out))


def a_small_number(n_in, n_out, slope):
    return 0.01


def _recipe(seed, std=None, lr=0.02, last="nothing", widths=(64, 50, 50, 50, 50, 50, 10)):
    rng, pairs = np.random.default_rng(seed), list(pairwise(widths))
    weights = [rng.normal(0, std or math.sqrt(2 / n_in), size=(n_out, n_in)) for n_in, n_out in pairs]
    return {"weights": weights, "biases": [np.zeros(n_out) for _, n_out in pairs], "last": last, "lr": lr}


def broken_recipe(seed):
    return _recipe(seed, std=0.01, lr=0.0001, last="sigmoid")


def only_the_rate(seed):
    return _recipe(seed, std=0.01)


def start_still_small(seed):
    return _recipe(seed, std=0.04)


def only_the_start(seed):
    return _recipe(seed, lr=0.0001, last="sigmoid")


def sigmoid_left(seed):
    return _recipe(seed, last="sigmoid")


def relu_on_the_scores(seed):
    return _recipe(seed, last="relu")


def softmax_on_the_scores(seed):
    return _recipe(seed, last="softmax")


def rate_left(seed):
    return _recipe(seed, lr=0.0001)


def too_fast(seed):
    return _recipe(seed, lr=0.3)


def far_too_fast(seed):
    return _recipe(seed, lr=20.0)


def starts_too_large(seed):
    return _recipe(seed, std=1.0)


def no_hidden_layer(seed):
    return _recipe(seed, widths=(64, 10))


def turned_over(seed):
    recipe = _recipe(seed)
    return recipe | {"weights": [weight.T for weight in recipe["weights"]]}


def only_the_weights(seed):
    return _recipe(seed)["weights"]


def all_learning():
    return dict.fromkeys("ABCD", "learning")


def falling_is_learning():
    return {"A": "learning", "B": "overfitting", "C": "exploding", "D": "wrong labels"}


def low_loss_is_learning():
    return {"A": "dead", "B": "learning", "C": "exploding", "D": "wrong labels"}


def bad_score_is_dead():
    return {"A": "dead", "B": "overfitting", "C": "exploding", "D": "overfitting"}


def still_falling():
    return {"A": "dead", "B": "overfitting", "C": "learning", "D": "wrong labels"}


def three_of_four():
    return {"A": "dead", "B": "overfitting", "C": "exploding"}


def own_word():
    return {"A": "Dead", "B": "too long", "C": "exploding", "D": "wrong labels"}


def living(h):
    return (h > 0).any(axis=0).mean()


def last_image(h):
    return (h[-1] == 0).mean()


def share_of_zeros(h):
    return (h == 0).mean()


def ever_silent(h):
    return (h == 0).any(axis=0).mean()


def silent_images(h):
    return (h == 0).all(axis=1).mean()


def dead_count(h):
    return (h == 0).all(axis=0).sum()


def divided_by_images(h):
    return (h == 0).all(axis=0).sum() / len(h)


def nearly_dead(h):
    return (h < 1e-3).all(axis=0).mean()


def percentage(h):
    return 100 * (h == 0).all(axis=0).mean()


FIRST = (np.array([[1.0], [1.0]]), np.array([0.0, -0.5]))
LAST = (np.array([[2.0, -4.0]]), np.array([0.0]))


def one_layer(k):
    return [FIRST, LAST]


def no_corner(k):
    return [(FIRST[0], np.zeros(2)), *[(np.array([[2.0, -4.0]] * 2), np.zeros(2))] * (k - 1), LAST]


def first_transposed(k):
    return [(FIRST[0].T, FIRST[1]), LAST]


def biases_as_columns(k):
    return [(w, b[:, None]) for w, b in handed_on_unfolded(k)]


def handed_on_unfolded(k):
    return [FIRST, *[(np.eye(2), np.zeros(2))] * (k - 1), LAST]


def low_tents(k):
    middle = (np.array([[2.0, -4.0], [2.0, -4.0]]), np.array([0.0, -0.5]))
    return [FIRST, *[middle] * (k - 1), (LAST[0] / 2, LAST[1])]


def half_the_slope(k):
    middle = (np.array([[2.0, -2.0], [2.0, -2.0]]), np.array([0.0, -0.5]))
    return [FIRST, *[middle] * (k - 1), LAST]


def middle_transposed(k):
    middle = (np.array([[2.0, 2.0], [-4.0, -4.0]]), np.array([0.0, -0.5]))
    return [FIRST, *[middle] * (k - 1), LAST]


def never_falling(k):
    middle = (np.array([[2.0, 4.0], [2.0, 4.0]]), np.array([0.0, -0.5]))
    return [FIRST, *[middle] * (k - 1), (np.array([[2.0, 4.0]]), LAST[1])]


def always_the_network(confidence, right, error, look):
    return 0.0


def always_a_person(confidence, right, error, look):
    return 1.5


def trusting(confidence, right, error, look):
    return 1 - look / error


def half(confidence, right, error, look):
    return float(np.median(confidence))


def none_above_all(confidence, right, error, look):
    """Every confidence tried, and 0, but nothing above them."""

    def cost(threshold):
        answered = confidence >= threshold
        return error * (answered & ~right).sum() + look * (~answered).sum()

    return min([0.0, *confidence], key=cost)


def cheapest_cost(confidence, right, error, look):
    answered = [confidence >= t for t in (0.0, *confidence, 2.0)]
    return min(error * (a & ~right).sum() + look * (~a).sum() for a in answered)


def position(confidence, right, error, look):
    answered = [confidence >= t for t in confidence]
    return int(np.argmin([error * (a & ~right).sum() + look * (~a).sum() for a in answered]))


def not_a_threshold(confidence, right, error, look):
    return float("nan")


def strictly_above(confidence, right, error, look):
    """The cheapest if the network answered above the threshold only."""

    def cost(threshold):
        answered = confidence > threshold
        return error * (answered & ~right).sum() + look * (~answered).sum()

    return min([-1.0, *confidence], key=cost)


WRONG = {
    "04.read_the_bill": [
        (no_biases, "biases are missing"),
        (input_as_layer, "counted as a layer"),
        (one_operation, "two operations"),
        (biases_in_operations, "none for a bias"),
        (operations_first, "the other way round"),
        (ends_only, "go on to the next pair"),
    ],
    "04.collapse": [
        (wrong_order, "stands on the left"),
        (biases_added, "passes through all later layers"),
        (transposed, "transposed"),
        (bias_from_the_left, "wrong side of the product"),
        (bias_as_a_row, "check the order of the product"),
        (bias_in_a_row, "give the bias as (out,), not (1, out)"),
        (first_two, "only the first two layers"),
    ],
    "04.right_scale": [
        (linear_scale, "throws part of the signal away"),
        (fan_out, "not fan-out"),
        (without_slope, "slope² of the negative half"),
        (variance, "that is the variance"),
        (slope_not_squared, "not by slope"),
        (glorot, "Glorot's start"),
        (a_small_number, "solve n_in"),
    ],
    "04.mend_dead_network": [
        (broken_recipe, "the weights start too small"),
        (only_the_rate, "the weights start too small"),
        (start_still_small, "the weights start too small"),
        (only_the_start, "a sigmoid before the softmax"),
        (sigmoid_left, "a sigmoid before the softmax"),
        (relu_on_the_scores, "a ReLU before the softmax"),
        (softmax_on_the_scores, "no softmax"),
        (rate_left, "the rate is too small"),
        (too_fast, "a high rate has killed a layer"),
        (far_too_fast, "the rate is too high"),
        (starts_too_large, "the weights start too large"),
        (no_hidden_layer, "keep the five hidden layers"),
        (turned_over, "the weights are turned over"),
        (only_the_weights, "the four entries"),
    ],
    "04.read_logs": [
        (all_learning, "alone is not learning"),
        (falling_is_learning, "log A"),
        (low_loss_is_learning, "log B"),
        (still_falling, "log C"),
        (bad_score_is_dead, "log D"),
        (three_of_four, "one diagnosis for each log"),
        (own_word, "not one of the five words"),
    ],
    "04.dead_share": [
        (living, "share of the living"),
        (last_image, "whole column"),
        (share_of_zeros, "share of zeros"),
        (ever_silent, "silent once is not dead"),
        (silent_images, "share of images"),
        (dead_count, "not a count"),
        (divided_by_images, "divided by the number of images"),
        (nearly_dead, "however little"),
        (percentage, "not a percentage"),
    ],
    "04.fold_the_line": [
        (one_layer, "one hidden layer bends"),
        (no_corner, "corner at ½"),
        (first_transposed, "the weights must have the shapes"),
        (biases_as_columns, "one number for each unit"),
        (handed_on_unfolded, "nothing is folded twice"),
        (low_tents, "their heights are not"),
        (half_the_slope, "from the same units"),
        (never_falling, "the second half must fall"),
        (middle_transposed, "each row of a middle weight"),
    ],
    "04.who_answers": [
        (always_the_network, "nothing is handed over"),
        (always_a_person, "everything is handed over"),
        (trusting, "promises too much"),
        (half, "try every confidence"),
        (strictly_above, "answers at the threshold too"),
        (cheapest_cost, "give back the threshold itself"),
        (position, "the position of the cheapest"),
        (none_above_all, "cheapest to hand over everything"),
        (not_a_threshold, "a threshold is a number"),
    ],
}
