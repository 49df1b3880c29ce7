"""Typical wrong answers to the exercises of chapter 03, each with a fragment of the hint that it must receive."""

from __future__ import annotations

import numpy as np


def one_path_lost(a, b, c):
    return c, a * c, a * b + a


def wrong_factor(a, b, c):
    return b * c + c, b * c, a * b + a


def short_path(a, b, c):
    return b * c + c, a, a * b + a


def other_order(a, b, c):
    return a * b + a, a * c, b * c + c


def the_same_factor(a, b, c):
    return b * c + c, a * c, c


def two_numbers(a, b, c):
    return b * c + c, a * c


def without_the_sum(a, b, c):
    return 2 * (b * c + c), a * c, a * b + a


def overflowing(a, b):
    with np.errstate(all="ignore"):
        return np.exp(a) / (1 + np.exp(a)), np.sign(a), a >= b, a < b


def _slopes(a, b, *, softplus=None, absolute=None, first=None, second=None):
    """Right slopes in exercise 2, but for those given."""
    right = (0.5 * (1 + np.tanh(0.5 * a)), np.sign(a), (a > b) + 0.5 * (a == b), (a < b) + 0.5 * (a == b))
    given = (softplus, absolute, first, second)
    return tuple(one if other is None else other for one, other in zip(right, given, strict=True))


def twice_at_a_tie(a, b):
    return _slopes(a, b, first=a >= b, second=b >= a)


def nobody_at_a_tie(a, b):
    return _slopes(a, b, first=a > b, second=b > a)


def too_much_at_a_tie(a, b):
    return _slopes(a, b, first=(a > b) + 2.0 * (a == b), second=(b > a) - 1.0 * (a == b))


def smaller_wins(a, b):
    return _slopes(a, b, first=1.0 * (a < b), second=1.0 * (b < a))


def always_a_half(a, b):
    return _slopes(a, b, first=0.5 + 0 * a, second=0.5 + 0 * a)


def nothing_over_nothing(a, b):
    with np.errstate(all="ignore"):
        return _slopes(a, b, absolute=a / abs(a))


def large_at_the_kink(a, b):
    return _slopes(a, b, absolute=np.where(a == 0, 2, np.sign(a)))


def always_plus_one(a, b):
    return _slopes(a, b, absolute=np.ones_like(a))


def mirrored(a, b):
    return _slopes(a, b, softplus=0.5 * (1 - np.tanh(0.5 * a)))


def slope_of_the_sigmoid(a, b):
    return _slopes(a, b, softplus=0.25 * (1 - np.tanh(0.5 * a) ** 2))


def three_of_four(a, b):
    return _slopes(a, b)[:3]


def arrows(parents, start):
    return sum(len(above) for above in parents)


def without_doubles(parents, start):
    ways = []
    for node, above in enumerate(parents):
        ways.append(1 if node == start else sum(ways[p] for p in set(above)))
    return ways[-1]


def steps_of_longest_path(parents, start):
    depth = []
    for above in parents:
        depth.append(1 + max((depth[p] for p in above), default=-1))
    return depth[-1]


def last_arrow_only(parents, start):
    ways = []
    for node, above in enumerate(parents):
        ways.append(1 if node == start else 0)
        for p in above:
            ways[-1] = 1 if node == start else ways[p]
    return ways[-1]


def overwritten_going_back(parents, start):
    counts = [0] * len(parents)
    counts[-1] = 1
    for node in reversed(range(len(parents))):
        for above in parents[node]:
            counts[above] = counts[node]
    return counts[start]


def from_every_input(parents, start):
    ways = []
    for above in parents:
        ways.append(sum(ways[p] for p in above) if above else 1)
    return ways[-1]


def one_more_an_arrow(parents, start):
    ways = []
    for node, above in enumerate(parents):
        ways.append((node == start) + sum(ways[p] + 1 for p in above))
    return ways[-1]


def none_to_itself(parents, start):
    ways = []
    for node, above in enumerate(parents):
        ways.append(1 if node == start else sum(ways[p] for p in above))
    return 0 if start == len(parents) - 1 else ways[-1]


def in_words(parents, start):
    return "two"


def still_broadcast(a, b, g):
    return g / b, -g * a / b**2


def only_leading_axes(a, b, g):
    def summed(full, shape):
        return full.sum(axis=tuple(range(full.ndim - len(shape))))

    return summed(g / b, np.shape(a)), summed(-g * a / b**2, np.shape(b))


def mean_of_copies(a, b, g):
    def averaged(full, shape):
        full = full.mean(axis=tuple(range(full.ndim - len(shape)))) if full.ndim > len(shape) else full
        stretched = tuple(k for k, n in enumerate(shape) if n == 1)
        return full.mean(axis=stretched, keepdims=True) if stretched else full

    return averaged(g / b, np.shape(a)), averaged(-g * a / b**2, np.shape(b))


def b_before_a(a, b, g):
    right = only_leading_axes(a, b, g)
    a_shape, b_shape = np.shape(a), np.shape(b)

    def stretched(one, shape):
        return one.sum(axis=tuple(k for k, n in enumerate(shape) if n == 1), keepdims=True)

    return stretched(right[1], b_shape), stretched(right[0], a_shape)


def turned_round(a, b, g):
    right = b_before_a(a, b, g)
    return right[1], -right[0]


def forgot_the_square(a, b, g):
    right = b_before_a(a, b * 0 + 1, g)
    return b_before_a(a, b, g)[1], right[0]


def one_blame(a, b, g):
    return g / b


def broken_backward(x, y, w1, b1, w2, b2, mended=()):
    """The program of the exercise, with some of its five mistakes mended."""
    h = np.maximum(x @ w1.T + b1, 0)
    p = np.exp(h @ w2.T + b2)
    p = p / p.sum(axis=1, keepdims=True)
    one_hot = np.eye(len(b2))[y]
    g = p - one_hot if "sign" in mended else one_hot - p
    g = g / len(y) if "mean" in mended else g
    dw2 = g.T @ h if "transposed" in mended else h.T @ g
    dh = (g @ w2) * (h > 0) if "mask" in mended else g @ w2
    return dh.T @ x, dh.sum(axis=0) if "sum" in mended else dh.mean(axis=0), dw2, g.sum(axis=0)


def uphill(*arguments):
    return broken_backward(*arguments, mended=("transposed", "mean", "mask", "sum"))


def always_true_mask(x, y, w1, b1, w2, b2):
    h = np.maximum(x @ w1.T + b1, 0)
    g = (_probabilities(h, w2, b2) - np.eye(len(b2))[y]) / len(y)
    dh = (g @ w2) * (h >= 0)
    return dh.T @ x, dh.sum(axis=0), g.T @ h, g.sum(axis=0)


def mask_of_the_blame(x, y, w1, b1, w2, b2):
    h = np.maximum(x @ w1.T + b1, 0)
    g = (_probabilities(h, w2, b2) - np.eye(len(b2))[y]) / len(y)
    dh = np.maximum(g @ w2, 0)
    return dh.T @ x, dh.sum(axis=0), g.T @ h, g.sum(axis=0)


ALL = ("transposed", "sign", "mean", "mask", "sum")


def two_left(*arguments):
    return broken_backward(*arguments, mended=("transposed", "mean", "mask"))


def three_left(*arguments):
    return broken_backward(*arguments, mended=("transposed", "sign"))


def second_layer_first(*arguments):
    dw1, db1, dw2, db2 = broken_backward(*arguments, mended=ALL)
    return dw2, db2, dw1, db1


def mean_of_last_bias(*arguments):
    dw1, db1, dw2, db2 = broken_backward(*arguments, mended=ALL)
    return dw1, db1, dw2, db2 / len(arguments[1])


def first_weights_transposed(*arguments):
    dw1, db1, dw2, db2 = broken_backward(*arguments, mended=ALL)
    return dw1.T, db1, dw2, db2


def inputs_forgotten(*arguments):
    dw1, db1, dw2, db2 = broken_backward(*arguments, mended=ALL)
    return np.ones_like(dw1), db1, dw2, db2


def three_gradients(*arguments):
    return broken_backward(*arguments, mended=ALL)[:3]


def no_mean(*arguments):
    return broken_backward(*arguments, mended=("transposed", "sign", "mask", "sum"))


def no_mask(*arguments):
    return broken_backward(*arguments, mended=("transposed", "sign", "mean", "sum"))


def mean_of_bias(*arguments):
    return broken_backward(*arguments, mended=("transposed", "sign", "mean", "mask"))


def _uneven_means(arguments, powers):
    gradients = broken_backward(*arguments, mended=ALL)
    return tuple(g * float(len(arguments[1])) ** power for g, power in zip(gradients, powers, strict=True))


def mean_of_weights_only(*arguments):
    return _uneven_means(arguments, (0, 1, 0, 1))


def mean_of_second_layer_only(*arguments):
    return _uneven_means(arguments, (1, 1, 0, 0))


def weights_divided_twice(*arguments):
    return _uneven_means(arguments, (-1, 0, -1, 0))


def smoothed(logits, targets, smoothing, *, top=None, two_steps=False, clip=0.0, others=False, one_hot=False, axis=1):
    """Exercise 6 with the mistakes that its readers make."""
    batch, classes = logits.shape
    hot = np.eye(classes)[targets]
    q = (1 - smoothing) * hot + smoothing * ((1 - hot) / (classes - 1) if others else 1 / classes)
    q = hot if one_hot else q
    with np.errstate(all="ignore"):
        shifted = logits - (logits.max(axis=1, keepdims=True) if top is None else top)
        exp = np.exp(shifted)
        total = exp.sum(axis=axis, keepdims=True)
        p = exp / total
        log_p = np.log(np.maximum(p, clip)) if two_steps else shifted - np.log(total)
        return -(q * log_p).sum() / batch, (p - q) / batch


def overflowing_softmax(logits, targets, smoothing):
    return smoothed(logits, targets, smoothing, top=0)


def maximum_of_all(logits, targets, smoothing):
    return smoothed(logits, targets, smoothing, top=logits.max())


def softmax_then_log(logits, targets, smoothing):
    return smoothed(logits, targets, smoothing, two_steps=True)


def softmax_then_log_of_the_right_class(logits, targets, smoothing):
    """The same, written so that a smoothing of 0 gives no nan."""
    loss, gradient = softmax_then_log(logits, targets, smoothing)
    return (np.inf if np.isnan(loss) else loss), gradient


def clipped(logits, targets, smoothing):
    return smoothed(logits, targets, smoothing, two_steps=True, clip=1e-12)


def clipped_logits(logits, targets, smoothing):
    return smoothed(np.clip(logits, -500, 500), targets, smoothing)


def doubt_to_others(logits, targets, smoothing):
    return smoothed(logits, targets, smoothing, others=True)


def no_doubt(logits, targets, smoothing):
    return smoothed(logits, targets, smoothing, one_hot=True)


def whole_array(logits, targets, smoothing):
    return smoothed(logits, targets, smoothing, axis=None)


def not_a_mean(logits, targets, smoothing):
    loss, gradient = smoothed(logits, targets, smoothing)
    return loss * len(logits), gradient * len(logits)


def gradient_not_a_mean(logits, targets, smoothing):
    loss, gradient = smoothed(logits, targets, smoothing)
    return loss, gradient * len(logits)


def loss_not_a_mean(logits, targets, smoothing):
    loss, gradient = smoothed(logits, targets, smoothing)
    return loss * len(logits), gradient


def downhill(logits, targets, smoothing):
    loss, gradient = smoothed(logits, targets, smoothing)
    return loss, -gradient


def gradient_first(logits, targets, smoothing):
    return smoothed(logits, targets, smoothing)[::-1]


def probabilities_only(logits, targets, smoothing):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return smoothed(logits, targets, smoothing)[0], p / p.sum(axis=1, keepdims=True) / len(logits)


def fixed_label(logits, targets, smoothing):
    loss, gradient = smoothed(logits, targets, smoothing)
    return loss, gradient + 0.01


def gradient_of_the_plain_loss(logits, targets, smoothing):
    return smoothed(logits, targets, smoothing)[0], smoothed(logits, targets, smoothing, one_hot=True)[1]


def _uneven(logits, targets, taken, given, slope):
    batch, classes = logits.shape
    q = (1 - taken) * np.eye(classes)[targets] + given
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    weight = q.sum(axis=1, keepdims=True) if slope else 1
    return -(q * log_p).sum() / batch, (np.exp(log_p) * weight - q) / batch


def doubt_lost(logits, targets, smoothing):
    return _uneven(logits, targets, smoothing, 0, False)


def nothing_taken(logits, targets, smoothing):
    return _uneven(logits, targets, 0, smoothing / logits.shape[1], True)


def all_of_it_to_each(logits, targets, smoothing):
    return _uneven(logits, targets, smoothing, smoothing, False)


def one_class_too_many(logits, targets, smoothing):
    return _uneven(logits, targets, smoothing, smoothing / (logits.shape[1] - 1), True)


def slope_of_the_squares(logits, targets, smoothing):
    loss, gradient = smoothed(logits, targets, smoothing)
    return loss, gradient * 2


def loss_in_bits(logits, targets, smoothing):
    loss, gradient = smoothed(logits, targets, smoothing)
    return loss / np.log(2), gradient


RIGHT = {"A": "fine", "B": "bug", "C": "float32", "D": "step too small", "E": "kink"}


def tolerance_raised():
    return RIGHT | {"B": "fine"}


def everything_is_a_bug():
    return dict.fromkeys("ABCDE", "bug")


def kink_and_float32_exchanged():
    return RIGHT | {"C": "kink", "E": "float32"}


def fine_is_too_small():
    return RIGHT | {"A": "step too small", "D": "fine"}


def bug_is_a_kink():
    return RIGHT | {"B": "kink", "E": "bug"}


def tiny_step_is_a_bug():
    return RIGHT | {"D": "bug"}


def long_step_is_too_small():
    return RIGHT | {"E": "step too small"}


def _probabilities(h, w2, b2):
    p = np.exp(h @ w2.T + b2 - (h @ w2.T + b2).max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def _shortlist(x, y, w1, b1, w2, b2, score, *, length=4, fresh=True):
    """The best of the weights with the highest scores, each turned back; without `fresh` the turns pile up."""
    h = np.maximum(x @ w1.T + b1, 0)
    g = (_probabilities(h, w2, b2) - np.eye(10)[y]).T @ h
    losses, trial = {}, w2.copy()
    for place in np.argsort(-score(w2, g), axis=None)[:length]:
        trial = w2.copy() if fresh else trial
        digit, unit = divmod(int(place), 32)
        trial[digit, unit] *= -1
        losses[digit, unit] = -np.log(_probabilities(h, trial, b2)[np.arange(len(y)), y] + 1e-300).mean()
    return min(losses, key=losses.get)


def largest_gradient(*case):
    return _shortlist(*case, lambda w, g: abs(g), length=1)


def largest_weight(*case):
    return _shortlist(*case, lambda w, g: abs(w), length=1)


def largest_product(*case):
    return _shortlist(*case, lambda w, g: w * g, length=1)


def most_needed(*case):
    return _shortlist(*case, lambda w, g: -w * g, length=1)


def gradient_shortlist(*case):
    return _shortlist(*case, lambda w, g: abs(g))


def weight_shortlist(*case):
    return _shortlist(*case, lambda w, g: abs(w))


def needed_shortlist(*case):
    return _shortlist(*case, lambda w, g: -w * g)


def turns_pile_up(*case):
    return _shortlist(*case, lambda w, g: w * g, fresh=False)


def unit_before_digit(*case):
    return _shortlist(*case, lambda w, g: w * g)[::-1]


def outside(*case):
    return 0, 32


def always_the_same(*case):
    return 3, 3


def no_pair(*case):
    return 3


WRONG = {
    "03.blame_by_hand": [
        (one_path_lost, "one is lost"), (wrong_factor, "other* factor"), (short_path, "second slope"),
        (other_order, "order is not"), (the_same_factor, "not c itself"), (two_numbers, "three numbers"),
        (without_the_sum, "small nudge"),
    ],
    "03.new_slopes": [
        (overflowing, "overflows"), (twice_at_a_tie, "counts twice"), (nobody_at_a_tie, "nobody gets"),
        (too_much_at_a_tie, "must sum to 1"), (smaller_wins, "larger input"), (always_a_half, "inputs differ"),
        (nothing_over_nothing, "0 divided by 0"), (large_at_the_kink, "its two sides"), (always_plus_one, "−1 for"),
        (mirrored, "sigmoid of −a"), (slope_of_the_sigmoid, "function of chapter 02"), (three_of_four, "four arrays"),
    ],
    "03.count_paths": [
        (arrows, "number of arrows"), (without_doubles, "do not drop doubles"), (last_arrow_only, "overwrites"),
        (overwritten_going_back, "overwrites"), (from_every_input, "every* input"), (none_to_itself, "empty one"),
        (one_more_an_arrow, "without + 1"), (steps_of_longest_path, "sum over the arrows"), (in_words, "whole number"),
    ],
    "03.undo_broadcasting": [
        (still_broadcast, "still the shape"), (only_leading_axes, "keepdims=True"), (mean_of_copies, "not the mean"),
        (b_before_a, "order is not"), (turned_round, "turned round"), (forgot_the_square, "check the slope"),
        (one_blame, "two arrays"),
    ],
    "03.mend_backward": [
        (broken_backward, "transposed"), (uphill, "turned round"), (no_mean, "factor that is missing"),
        (no_mask, "always true"), (always_true_mask, "always true"), (mean_of_bias, "divides by B again"),
        (mean_of_last_bias, "b2 is copied"), (mask_of_the_blame, "not whether its blame is"),
        (two_left, "one more mistake after"), (three_left, "more mistakes after"),
        (second_layer_first, "order is not"), (first_weights_transposed, "but w1 has shape"),
        (mean_of_weights_only, "w1 and w2, but not those of b1 and b2"), (mean_of_second_layer_only, "not those of w1"),
        (weights_divided_twice, "w1 and w2 are divided by B a second"),
        (inputs_forgotten, "disagree at w1"), (three_gradients, "in this order"),
    ],
    "03.smooth_cross_entropy": [
        (overflowing_softmax, "exp overflowed"), (maximum_of_all, "row's own maximum"),
        (softmax_then_log, "join the two steps"), (softmax_then_log_of_the_right_class, "join the two steps"),
        (clipped, "was clipped"), (clipped_logits, "was clipped"), (doubt_to_others, "spread over the V − 1"),
        (no_doubt, "still one-hot"), (whole_array, "whole array"), (not_a_mean, "both have to be divided"),
        (gradient_not_a_mean, "as the loss is"), (loss_not_a_mean, "as the gradient is"), (downhill, "point uphill"),
        (gradient_first, "other way round"), (probabilities_only, "label enter"), (fixed_label, "must sum to 0"),
        (loss_in_bits, "first row by hand"), (slope_of_the_squares, "nudge one logit"),
        (gradient_of_the_plain_loss, "it is p − q"),
        (doubt_lost, "do not sum to 1"), (nothing_taken, "do not sum to 1"),
        (all_of_it_to_each, "do not sum to 1"), (one_class_too_many, "do not sum to 1"),
    ],
    "03.read_reports": [
        (tolerance_raised, "no tolerance"), (everything_is_a_bug, "not every disagreement"),
        (kink_and_float32_exchanged, "column dtype"), (fine_is_too_small, "report A"),
        (bug_is_a_kink, "left to right"), (tiny_step_is_a_bug, "count the steps"),
        (long_step_is_too_small, "long step"),
    ],
    "03.find_saboteur": [
        (largest_gradient, "who could *help*"), (largest_weight, "you accuse the largest weight"),
        (largest_product, "not a verdict"), (most_needed, "needed most"),
        (gradient_shortlist, "largest gradients, and"),
        (weight_shortlist, "largest weights, and"), (needed_shortlist, "needs most"), (turns_pile_up, "fresh copy"),
        (unit_before_digit, "comes first"), (outside, "rows 0 to 9"), (always_the_same, "put the likeliest"),
        (no_pair, "accuse one weight"),
    ],
}  # fmt: skip
