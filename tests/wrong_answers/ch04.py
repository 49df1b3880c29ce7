"""Typical wrong answers to the exercises of chapter 04, each with a fragment of the hint that it must receive."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from minilib.scratch import functional as F
from minilib.scratch import init, nn, optim
from minilib.scratch.tensor import Tensor, no_grad


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


def _train(x, y, seed, std=None, lr=0.02, sigmoid=False, steps=200):
    rng = np.random.default_rng(seed)
    layers = []
    for n_in, n_out in [(64, 50), *[(50, 50)] * 4, (50, 10)]:
        linear = nn.Linear(n_in, n_out, rng=rng)
        if std is None:
            init.kaiming_normal_(linear.weight, nonlinearity="relu", rng=rng)
        else:
            init.normal_(linear.weight, std=std, rng=rng)
        init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    model = nn.Sequential(*layers[:-1], *([nn.Sigmoid()] if sigmoid else []))
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    for _ in range(steps):
        loss = F.cross_entropy(model(Tensor(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with no_grad():
        return model(Tensor(x)).data


def broken_train(x, y, seed):
    return _train(x, y, seed, std=0.01, lr=0.0001, sigmoid=True)


def more_steps(x, y, seed):
    return _train(x, y, seed, std=0.01, lr=0.0001, sigmoid=True, steps=400)


def only_the_start(x, y, seed):
    return _train(x, y, seed, sigmoid=True)


def rate_left(x, y, seed):
    return _train(x, y, seed, lr=0.0001)


def every_unit_dead(x, y, seed):
    """What a rate of 0.2 or 0.3 leaves on many starts: the shares of the digits, for every image."""
    return np.tile(np.log(np.bincount(y, minlength=10) / len(y)), (len(x), 1))


def only_the_rate(x, y, seed):
    return _train(x, y, seed, std=0.01)


def probabilities(x, y, seed):
    return F.softmax(Tensor(_train(x, y, seed))).data


def blown_up(x, y, seed):
    """What a rate of 0.5 leaves."""
    return np.full((len(x), 10), np.nan)


def guesses(x, y, seed):
    return _train(x, y, seed).argmax(1)


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


def always_the_network(confidence, right, error, look):
    return 0.0


def always_a_person(confidence, right, error, look):
    return 1.5


def trusting(confidence, right, error, look):
    return 1 - look / error


def half(confidence, right, error, look):
    return float(np.median(confidence))


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
        (broken_train, "the start is too small"),
        (more_steps, "the start is too small"),
        (only_the_rate, "the start is too small"),
        (only_the_start, "sigmoid before the softmax"),
        (rate_left, "too small a rate"),
        (every_unit_dead, "a high rate has killed every unit"),
        (probabilities, "these are probabilities"),
        (blown_up, "blew up"),
        (guesses, "ten scores for each image"),
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
    ],
    "04.fold_the_line": [
        (one_layer, "one hidden layer bends"),
        (no_corner, "corner at ½"),
        (first_transposed, "the weights must have the shapes"),
        (biases_as_columns, "one number for each unit"),
        (handed_on_unfolded, "nothing is folded twice"),
        (low_tents, "their heights are not"),
        (half_the_slope, "from the same units"),
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
        (not_a_threshold, "a threshold is a number"),
    ],
}
