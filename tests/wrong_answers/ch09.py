"""Typical wrong answers to the exercises of chapter 09, each with a fragment of the hint that it must receive."""

from __future__ import annotations

import numpy as np


def _softmax(scores, axis=-1):
    e = np.exp(scores - scores.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# 1
def _near(query, keys, values, change):
    return _softmax(change(((keys - query) ** 2).sum(-1))) @ values


def farthest(query, keys, values, temperature):
    return _near(query, keys, values, lambda s: s / temperature)


def not_squared(query, keys, values, temperature):
    return _near(query, keys, values, lambda s: -np.sqrt(s) / temperature)


def temperature_times(query, keys, values, temperature):
    return _near(query, keys, values, lambda s: -s * temperature)


def by_dot(query, keys, values, temperature):
    return _softmax(keys @ query / temperature) @ values


def no_max(query, keys, values, temperature):
    e = np.exp(-((keys - query) ** 2).sum(-1) / temperature)
    with np.errstate(invalid="ignore"):
        return e / e.sum() @ values


def weights_only(query, keys, values, temperature):
    return _softmax(-((keys - query) ** 2).sum(-1) / temperature)


def nearest_only(query, keys, values, temperature):
    return values[((keys - query) ** 2).sum(-1).argmin()]


def unnormalised(query, keys, values, temperature):
    return np.exp(-((keys - query) ** 2).sum(-1) / temperature) @ values


# 2
def _window(q, k, v, looks, after=False):
    scores = q @ k.T / np.sqrt(q.shape[-1])
    if after:
        return (_softmax(scores) * looks) @ v
    return _softmax(np.where(looks, scores, -np.inf)) @ v


def _back(q):
    return np.arange(len(q))[:, None] - np.arange(len(q))


def broken_windowed(q, k, v, window):
    looks = np.triu(np.ones((len(q), len(q))), -window)
    return _window(q, k, v, looks, after=True)


def mask_after(q, k, v, window):
    return _window(q, k, v, (_back(q) >= 0) & (_back(q) < window), after=True)


def too_wide(q, k, v, window):
    return _window(q, k, v, (_back(q) >= 0) & (_back(q) <= window))


def sees_future(q, k, v, window):
    return _window(q, k, v, _back(q) < window)


def turned_mask(q, k, v, window):
    return _window(q, k, v, (_back(q) <= 0) & (_back(q) > -window))


def whole_past(q, k, v, window):
    return _window(q, k, v, _back(q) >= 0)


# 3
def _pieces(G, q, k, v, b, use_b=True, causal=True):
    back = np.arange(len(b))[:, None] - np.arange(len(b))
    scores = q @ k.T / np.sqrt(q.shape[-1]) + (b[np.abs(back)] if use_b else 0)
    A = _softmax(np.where(back >= 0, scores, -np.inf) if causal else scores)
    dA = G @ v.T
    return A, dA, A * (dA - (dA * A).sum(-1, keepdims=True))


def _diagonals(table, by=np.sum):
    return np.array([by(np.diagonal(table, -n)) for n in range(len(table))])


def no_row_sum(*inputs):
    A, dA, _ = _pieces(*inputs)
    return _diagonals(A * dA)


def divided_by_root(G, q, k, v, b):
    return _diagonals(_pieces(G, q, k, v, b)[2]) / np.sqrt(q.shape[-1])


def averaged(*inputs):
    return _diagonals(_pieces(*inputs)[2], np.mean)


def order_turned(*inputs):
    return _diagonals(_pieces(*inputs)[2])[::-1]


def forward_without_b(*inputs):
    return _diagonals(_pieces(*inputs, use_b=False)[2])


def future_seen(*inputs):
    return _diagonals(_pieces(*inputs, causal=False)[2])


# 4
def symmetric(n):
    return 10 * np.eye(n), 10 * np.eye(n)


def one_shift_for_both(n):
    W = 10 * np.roll(np.eye(n), 1, axis=0)
    return W, W


def successor(n):
    return 10 * np.sqrt(n) * np.roll(np.eye(n), -1, axis=0), np.eye(n)


def too_soft(n):
    return np.roll(np.eye(n), 1, axis=0), np.eye(n)


def open_end(n):
    return 10 * np.sqrt(n) * np.eye(n, k=-1), np.eye(n)


def looks_at_itself(n):
    return 10 * np.sqrt(n) * np.eye(n), np.eye(n) + 0.01 * np.eye(n, k=1)


# 5
def _turned(s, D, rates, flip=1):
    R = np.zeros((D, D))
    for i, a in enumerate(s * rates):
        R[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[np.cos(a), -flip * np.sin(a)], [flip * np.sin(a), np.cos(a)]]
    return R


def backwards(s, D):
    return _turned(s, D, 10_000 ** (-np.arange(0, D, 2) / D), -1)


def one_place(s, D):
    return _turned(1, D, 10_000 ** (-np.arange(0, D, 2) / D))


def one_rate(s, D):
    return _turned(s, D, np.ones(D // 2))


def slow_rates(s, D):
    return _turned(s, D, 10_000 ** (-np.arange(D // 2) / D))


# 6
def _merged(one, other, shrink=True, mean=None):
    (m1, l1, o1), (m2, l2, o2) = one, other
    m = np.maximum(m1, m2)
    base = np.where(np.isinf(m), 0, m)
    a, b = (l1 * np.exp(m1 - base), l2 * np.exp(m2 - base)) if shrink else (l1, l2)
    total = np.where(a + b == 0, 1, a + b)[:, None]
    o = (a[:, None] * o1 + b[:, None] * o2) / total
    return m, a + b, o if mean is None else mean(o, a, b, o1, o2)


def not_shrunk(one, other):
    return _merged(one, other, shrink=False)


def plain_mean(one, other):
    return _merged(one, other, mean=lambda o, a, b, o1, o2: (o1 + o2) / 2)


def not_divided(one, other):
    return _merged(one, other, mean=lambda o, a, b, o1, o2: o * (a + b)[:, None])


def old_sums(one, other):
    share = (one[1] / np.maximum(one[1] + other[1], 1e-300))[:, None]
    return _merged(one, other, mean=lambda o, a, b, o1, o2: share * o1 + (1 - share) * o2)


def nan_when_empty(one, other):
    (m1, l1, o1), (m2, l2, o2) = one, other
    m = np.maximum(m1, m2)
    with np.errstate(all="ignore"):
        a, b = l1 * np.exp(m1 - m), l2 * np.exp(m2 - m)
        return m, a + b, (a[:, None] * o1 + b[:, None] * o2) / (a + b)[:, None]


def overflowing(one, other):
    (m1, l1, o1), (m2, l2, o2) = one, other
    with np.errstate(all="ignore"):
        a, b = l1 * np.exp(m1), l2 * np.exp(m2)
        m = np.maximum(m1, m2)
        return m, (a + b) / np.exp(m), (a[:, None] * o1 + b[:, None] * o2) / (a + b)[:, None]


# 7
RIGHT = {"A": "previous", "B": "wrong axis", "C": "first", "D": "uniform", "E": "leaks", "F": "itself"}
AXIS_AND_LEAK = {**RIGHT, "B": "leaks", "E": "wrong axis"}
FIRST_AND_PREVIOUS = {**RIGHT, "A": "first", "C": "previous"}
EQUAL_AND_LEAK = {**RIGHT, "D": "leaks", "E": "uniform"}


# 8
def _bill(T, price, square=2, layers=12, each=12):
    return price * layers * (each * T * 768**2 + square * T**2 * 768) / 1e15


def _decided(whole, retrieved, price, right_whole, right_retrieved, damage, turned=False, both=True, **bill):
    saved = right_whole - right_retrieved
    if saved <= 0:
        return np.inf, "retrieve"
    limit = (_bill(whole, price, **bill) - both * _bill(retrieved, price, **bill)) / saved
    return limit, "whole" if (damage > limit) != turned else "retrieve"


def linear_only(*inputs):
    return _decided(*inputs, square=0)


def square_once(*inputs):
    return _decided(*inputs, square=1)


def one_layer(*inputs):
    return _decided(*inputs, layers=1)


def attention_only(*inputs):
    return _decided(*inputs, each=4)


def whole_bill(*inputs):
    return _decided(*inputs, both=False)


def turned_choice(*inputs):
    return _decided(*inputs, turned=True)


def negative_limit(whole, retrieved, price, right_whole, right_retrieved, damage):
    limit = (_bill(whole, price) - _bill(retrieved, price)) / (right_whole - right_retrieved)
    return limit, "whole" if damage > limit else "retrieve"


WRONG = {
    "09.by_distance": [
        (farthest, "farthest key"),
        (not_squared, "distance squared"),
        (temperature_times, "does not multiply"),
        (by_dot, "dot product"),
        (no_max, "0/0 is nan"),
        (weights_only, "those are the weights"),
        (nearest_only, "only the nearest"),
        (unnormalised, "do not sum to 1"),
    ],
    "09.windowed": [
        (broken_windowed, "the mask stands after the softmax"),
        (mask_after, "stands after the softmax: the hidden"),
        (too_wide, "one too wide"),
        (sees_future, "future can be seen"),
        (turned_mask, "AFTER it"),
        (whole_past, "window is not used"),
    ],
    "09.distance_gradient": [
        (no_row_sum, "second term"),
        (divided_by_root, "not divided"),
        (averaged, "do not average"),
        (order_turned, "order is turned"),
        (forward_without_b, "without b"),
        (future_seen, "future is not hidden"),
    ],
    "09.cycle_weights": [
        (symmetric, "symmetric"),
        (one_shift_for_both, "symmetric"),
        (successor, "NEXT"),
        (too_soft, "too soft"),
        (open_end, "all but token 0"),
        (looks_at_itself, "looks at itself"),
    ],
    "09.turn": [
        (backwards, "BACK"),
        (one_place, "one place"),
        (one_rate, "turn alike"),
        (slow_rates, "too slowly"),
    ],
    "09.merge": [
        (not_shrunk, "different largest scores"),
        (plain_mean, "plain mean"),
        (not_divided, "divide by the new sum"),
        (old_sums, "old sums"),
        (nan_when_empty, "has read nothing"),
        (overflowing, "overflows"),
    ],
    "09.read_maps": [
        (AXIS_AND_LEAK, "rows do not"),
        (FIRST_AND_PREVIOUS, "left of the diagonal"),
        (EQUAL_AND_LEAK, "equally among"),
    ],
    "09.context": [
        (linear_only, "T² is missing"),
        (square_once, "paid twice"),
        (one_layer, "twelve"),
        (attention_only, "network of each layer"),
        (whole_bill, "DIFFERENCE"),
        (turned_choice, "choice is turned"),
        (negative_limit, "limit is ∞"),
    ],
}
