"""Typical wrong answers to the exercises of chapter 03, each with a fragment of the hint that it must receive."""

from __future__ import annotations

import numpy as np


def one_path_lost(a, b, c):
    return c, a * c, a * b + a


def wrong_factor(a, b, c):
    return b * c + c, b * c, a * b + a


def short_path(a, b, c):
    return b * c + c, a, a * b + a


def overflowing(a, b):
    with np.errstate(all="ignore"):
        return np.exp(a) / (1 + np.exp(a)), np.sign(a), a >= b, a < b


def twice_at_a_tie(a, b):
    return 0.5 * (1 + np.tanh(0.5 * a)), np.sign(a), a >= b, b >= a


def smaller_wins(a, b):
    return 0.5 * (1 + np.tanh(0.5 * a)), np.sign(a), 1.0 * (a < b), 1.0 * (b < a)


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


def no_mean(*arguments):
    return broken_backward(*arguments, mended=("transposed", "sign", "mask", "sum"))


def no_mask(*arguments):
    return broken_backward(*arguments, mended=("transposed", "sign", "mean", "sum"))


def mean_of_bias(*arguments):
    return broken_backward(*arguments, mended=("transposed", "sign", "mean", "mask"))


def whole_array(logits, targets):
    p = np.exp(logits - logits.max())
    return (p / p.sum() - np.eye(logits.shape[1])[targets]) / len(logits)


def not_a_mean(logits, targets):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True) - np.eye(logits.shape[1])[targets]


def overflowing_softmax(logits, targets):
    with np.errstate(all="ignore"):
        p = np.exp(logits)
        return (p / p.sum(axis=1, keepdims=True) - np.eye(logits.shape[1])[targets]) / len(logits)


def tolerance_raised():
    return {"A": "fine", "B": "fine", "C": "float32", "D": "step too small", "E": "kink"}


def everything_is_a_bug():
    return dict.fromkeys("ABCDE", "bug")


def kink_and_float32_exchanged():
    return {"A": "fine", "B": "bug", "C": "kink", "D": "step too small", "E": "float32"}


def _second_layer_gradient(x, y, w1, b1, w2, b2):
    h = np.maximum(x @ w1.T + b1, 0)
    p = np.exp(h @ w2.T + b2)
    return (p / p.sum(axis=1, keepdims=True) - np.eye(10)[y]).T @ h


def largest_gradient(x, y, w1, b1, w2, b2):
    return divmod(int(np.abs(_second_layer_gradient(x, y, w1, b1, w2, b2)).argmax()), 32)


def largest_weight(x, y, w1, b1, w2, b2):
    return divmod(int(np.abs(w2).argmax()), 32)


WRONG = {
    "03.blame_by_hand": [
        (one_path_lost, "one is lost"), (wrong_factor, "other* factor"), (short_path, "second slope"),
    ],
    "03.new_slopes": [
        (overflowing, "overflows"), (twice_at_a_tie, "counts twice"), (smaller_wins, "larger input, not"),
    ],
    "03.count_paths": [
        (arrows, "number of arrows"), (without_doubles, "do not drop doubles"),
        (steps_of_longest_path, "one term an arrow"),
    ],
    "03.undo_broadcasting": [
        (still_broadcast, "still has the shape"), (only_leading_axes, "keepdims=True"),
        (mean_of_copies, "not the mean"),
    ],
    "03.mend_backward": [
        (broken_backward, "transposed"), (uphill, "turned round"), (no_mean, "factor 1/B is missing"),
        (no_mask, "mask (h > 0) is missing"), (mean_of_bias, "by B twice"),
    ],
    "03.softmax_cross_entropy": [
        (whole_array, "whole array"), (not_a_mean, "divide by the batch size"), (overflowing_softmax, "overflowed"),
    ],
    "03.read_reports": [
        (tolerance_raised, "raising the tolerance"), (everything_is_a_bug, "not every disagreement"),
        (kink_and_float32_exchanged, "column dtype"),
    ],
    "03.find_saboteur": [(largest_gradient, "who could *help*"), (largest_weight, "does not change a size")],
}  # fmt: skip
