"""Typical wrong answers to the exercises of chapter 07, each with a fragment of the hint that it must receive."""

from __future__ import annotations

import numpy as np


# 1. Does it fit? -----------------------------------------------------------------------------------------------------
def _sizes(n, layers, size):
    found = []
    for k, s, p in layers:
        if k > n + 2 * p:
            break
        n = size(n, k, s, p)
        found.append(n)
    return found


def rounded_up(n, layers):
    return _sizes(n, layers, lambda n, k, s, p: int(np.ceil((n + 2 * p - k) / s)) + 1)


def one_sided(n, layers):
    return _sizes(n, layers, lambda n, k, s, p: (n + p - k) // s + 1)


def one_too_few(n, layers):
    return _sizes(n, layers, lambda n, k, s, p: (n + 2 * p - k) // s)


def goes_on(n, layers):
    found = []
    for k, s, p in layers:
        n = (n + 2 * p - k) // s + 1
        found.append(n)
    return found


def skips(n, layers):
    found = []
    for k, s, p in layers:
        if k > n + 2 * p:
            continue
        n = (n + 2 * p - k) // s + 1
        found.append(n)
    return found


def fits_bare_only(n, layers):
    found = []
    for k, s, p in layers:
        if k > n:
            break
        n = (n + 2 * p - k) // s + 1
        found.append(n)
    return found


def exact_fit_ends(n, layers):
    found = []
    for k, s, p in layers:
        if k >= n + 2 * p:
            break
        n = (n + 2 * p - k) // s + 1
        found.append(n)
    return found


# 2. Yesterday, and a week ago ----------------------------------------------------------------------------------------
def looks_ahead(x, w, d):
    later = np.concatenate([x, np.zeros((len(w) - 1) * d)])
    return sum(weight * later[u * d : u * d + len(x)] for u, weight in enumerate(w))


def kernel_turned(x, w, d):
    earlier = np.concatenate([np.zeros((len(w) - 1) * d), x])
    return sum(weight * earlier[u * d : u * d + len(x)] for u, weight in enumerate(w[::-1]))


def every_day(x, w, d):
    earlier = np.concatenate([np.zeros(len(w) - 1), x])
    return np.correlate(earlier, w, "valid")


def no_past(x, w, d):
    reach = (len(w) - 1) * d
    return [sum(weight * x[t - reach + u * d] for u, weight in enumerate(w)) for t in range(reach, len(x))]


def repeats_the_first(x, w, d):
    earlier = np.concatenate([np.full((len(w) - 1) * d, x[0]), x])
    return sum(weight * earlier[u * d : u * d + len(x)] for u, weight in enumerate(w))


def comes_in_at_the_end(x, w, d):
    return sum(weight * np.roll(x, (len(w) - 1 - u) * d) for u, weight in enumerate(w))


def slices_past_the_start(x, w, d):
    y = np.zeros(len(x))
    for u, weight in enumerate(w):
        steps = (len(w) - 1 - u) * d
        y[steps:] += weight * x[: len(x) - steps]
    return y


def gives_up_at_the_start(x, w, d):
    y = np.zeros(len(x))
    for u, weight in enumerate(w):
        steps = (len(w) - 1 - u) * d
        if steps > len(x):
            break
        y[steps:] += weight * x[: len(x) - steps]
    return y


# 3. The way back -----------------------------------------------------------------------------------------------------
def _to_w(x, w, g):
    return np.array([[(g * x[u : u + len(g), v : v + g.shape[1]]).sum() for v in range(len(w))] for u in range(len(w))])


def overwrites(x, w, g):
    blame = np.zeros_like(x)
    for i, j in np.ndindex(*g.shape):
        blame[i : i + len(w), j : j + len(w)] = g[i, j] * w
    return blame, _to_w(x, w, g)


def _to_x(x, w, g):
    blame = np.zeros_like(x)
    for i, j in np.ndindex(*g.shape):
        blame[i : i + len(w), j : j + len(w)] += g[i, j] * w
    return blame


def turned_again(x, w, g):
    return _to_x(x, w[::-1, ::-1], g), _to_w(x, w, g)


def swapped(x, w, g):
    return _to_w(x, w, g), _to_x(x, w, g)


def mean_over_places(x, w, g):
    return _to_x(x, w, g), _to_w(x, w, g) / g.size


def blame_forgotten(x, w, g):
    return _to_x(x, w, np.ones_like(g)), _to_w(x, w, g)


# 4. Mend the pooling -------------------------------------------------------------------------------------------------
def broken_pool_slope(x, g):
    blame = np.zeros_like(x)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            top = 0.0
            for value in window.ravel():
                top = max(top, value)
            blame[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = g[i, j] * (window == top)
    return blame


def starts_from_zero(x, g):
    blame = np.zeros_like(x)
    for i, j in np.ndindex(*g.shape):
        top = 0.0
        place = None
        for u, v in np.ndindex(2, 2):
            value = x[2 * i + u, 2 * j + v]
            if value > top or (value == top and place is None):
                top, place = value, (2 * i + u, 2 * j + v)
        if place is not None:
            blame[place] = g[i, j]
    return blame


def _searched(x, g, start, place):
    blame = np.zeros_like(x)
    for i, j in np.ndindex(*g.shape):
        top, won = start, place
        for u, v in np.ndindex(2, 2):
            if x[2 * i + u, 2 * j + v] > top:
                top, won = x[2 * i + u, 2 * j + v], (u, v)
        if won is not None:
            blame[2 * i + won[0], 2 * j + won[1]] = g[i, j]
    return blame


def starts_from_minus_one(x, g):
    return _searched(x, g, -1, None)


def starts_from_minus_one_at_the_first(x, g):
    return _searched(x, g, -1.0, (0, 0))


def starts_from_minus_a_million(x, g):
    return _searched(x, g, -1e6, (0, 0))


def _windows(x):
    return x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2)


def ties_get_all(x, g):
    top = _windows(x) == _windows(x).max((1, 3), keepdims=True)
    return (top * g[:, None, :, None]).reshape(x.shape)


def ties_share(x, g):
    top = _windows(x) == _windows(x).max((1, 3), keepdims=True)
    return (top / top.sum((1, 3), keepdims=True) * g[:, None, :, None]).reshape(x.shape)


def mean_slope(x, g):
    return np.kron(g / 4, np.ones((2, 2)))


def last_wins(x, g):
    blame = np.zeros_like(x)
    for i, j in np.ndindex(*g.shape):
        window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].ravel()
        place = max(range(4), key=lambda n: (window[n], n))
        blame[2 * i + place // 2, 2 * j + place % 2] = g[i, j]
    return blame


# 5. How far does it see? ---------------------------------------------------------------------------------------------
def strides_forgotten(layers):
    size, jump = 1, 1
    for k, s, d in layers:
        size, jump = size + (k - 1) * d, jump * s
    return size, jump


def own_stride_first(layers):
    size, jump = 1, 1
    for k, s, d in layers:
        jump *= s
        size += (k - 1) * d * jump
    return size, jump


def holes_forgotten(layers):
    size, jump = 1, 1
    for k, s, _ in layers:
        size, jump = size + (k - 1) * jump, jump * s
    return size, jump


def one_weight_more(layers):
    size, jump = 1, 1
    for k, s, d in layers:
        size, jump = size + k * d * jump, jump * s
    return size, jump


# 6. Fold it in -------------------------------------------------------------------------------------------------------
def _folded(w, b, mean, var, gain, shift, scale):
    return w * scale[:, None, None, None], (b - mean) * scale + shift


def no_epsilon(w, b, mean, var, gain, shift):
    return _folded(w, b, mean, var, gain, shift, gain / np.sqrt(var))


def epsilon_outside(w, b, mean, var, gain, shift):
    return _folded(w, b, mean, var, gain, shift, gain / (np.sqrt(var) + 0.01))


def bias_only(w, b, mean, var, gain, shift):
    return w, _folded(w, b, mean, var, gain, shift, gain / np.sqrt(var + 0.01))[1]


def mean_forgotten(w, b, mean, var, gain, shift):
    return _folded(w, b, 0, var, gain, shift, gain / np.sqrt(var + 0.01))


def old_bias_unscaled(w, b, mean, var, gain, shift):
    scale = gain / np.sqrt(var + 0.01)
    return w * scale[:, None, None, None], b - mean * scale + shift


def second_axis(w, b, mean, var, gain, shift):
    scale = gain / np.sqrt(var + 0.01)
    return w * scale[None, :, None, None], (b - mean) * scale + shift


# 7. Read the audit ---------------------------------------------------------------------------------------------------
def _audit(**changes):
    return {"A": "never shown", "B": "no neighbours", "C": "stride", "D": "overfits", "E": "border", **changes}


def blames_overfitting():
    return _audit(A="overfits")


def distance_for_stride():
    return _audit(C="never shown")


def border_on_both_sides():
    return _audit(A="border", E="never shown")


def border_missed():
    return _audit(E="never shown")


def last_row_missed():
    return _audit(B="never shown")


# 8. Which change lies? -----------------------------------------------------------------------------------------------
def _lies(**changes):
    right = {"digits": ["mirror", "half turn"], "arrows": ["mirror", "half turn"], "cars": [], "tomatoes": ["grey"]}
    return {**right, **changes}


def turning_is_safe():
    return _lies(digits=["mirror"])


def flipping_is_safe():
    return _lies(arrows=[])


def grey_is_safe():
    return _lies(tomatoes=[])


def odd_is_false():
    return _lies(cars=["half turn"])


def shifts_lie():
    return _lies(digits=["mirror", "half turn", "shift"])


WRONG = {
    "07.sizes": [
        (rounded_up, "rounded up"),
        (one_sided, "on both sides"),
        (one_too_few, "one too few"),
        (goes_on, "has no place"),
        (skips, "do not skip"),
        (fits_bare_only, "if the padding makes room"),
        (exact_fit_ends, "only a larger one ends the list"),
    ],
    "07.look_back": [
        (looks_ahead, "into the future"),
        (kernel_turned, "turned round"),
        (every_day, "the steps between the weights"),
        (no_past, "numbers are missing"),
        (repeats_the_first, "not copies of the first"),
        (comes_in_at_the_end, "a day from the *end*"),
        (slices_past_the_start, "ValueError"),
        (gives_up_at_the_start, "further back than the series is long"),
    ],
    "07.way_back": [
        (overwrites, "overlap"),
        (turned_again, "once too often"),
        (swapped, "the order"),
        (mean_over_places, "not the mean"),
        (blame_forgotten, "is missing as a factor"),
    ],
    "07.mend_pool": [
        (broken_pool_slope, "all get the whole blame"),
        (starts_from_zero, "must not start from 0"),
        (starts_from_minus_one, "any fixed number"),
        (starts_from_minus_one_at_the_first, "any fixed number"),
        (starts_from_minus_a_million, "any fixed number"),
        (ties_get_all, "all get the whole blame"),
        (ties_share, "divided among equals"),
        (mean_slope, "gradient of a mean"),
        (last_wins, "the last one gets"),
    ],
    "07.receptive_field": [
        (strides_forgotten, "multiply (k − 1) by all strides"),
        (own_stride_first, "multiply it in afterwards"),
        (holes_forgotten, "d steps apart"),
        (one_weight_more, "k − 1 steps from the first"),
    ],
    "07.fold": [
        (no_epsilon, "is missing"),
        (epsilon_outside, "under the root, beside"),
        (bias_only, "the weights unchanged"),
        (mean_forgotten, "mean is not subtracted"),
        (old_bias_unscaled, "scale it"),
        (second_axis, "not the second"),
    ],
    "07.audit": [
        (blames_overfitting, "on training digits as on test digits"),
        (distance_for_stride, "fine at 2 and 4"),
        (border_on_both_sides, "both sides alike"),
        (border_missed, "one side only"),
        (last_row_missed, "on shuffled pixels"),
    ],
    "07.which_lies": [
        (turning_is_safe, "a 9, with the label 6"),
        (flipping_is_safe, "shows 'turn right'"),
        (grey_is_safe, "without colour"),
        (odd_is_false, "there is no up"),
        (shifts_lie, "keeps the answer"),
    ],
}
