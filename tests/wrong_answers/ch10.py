"""Typical wrong answers to the exercises of chapter 10, each with a fragment of the hint that it must receive."""

from __future__ import annotations

import numpy as np

from minilib.check.ch10_building import _arrays, _block, _norm_gradient
from minilib.check.ch10_using import CURVES, _choose, _next, _nucleus


def _without(*names):
    return lambda *sizes: sum(n for name, n in _arrays(*sizes).items() if name not in names)


def _how(function, **how):
    return lambda *arguments: function(*arguments, **how)


def _narrow(vocab, context, width, layers, inner, tied):
    return sum(_arrays(vocab, context, width, layers, 4 * width, tied).values())


def _twice(vocab, context, width, layers, inner, tied):
    return sum(_arrays(vocab, context, width, layers, inner, False).values())


def broken_block(x, w, heads, training):
    q, k, v = (x @ w[name] for name in ("query", "key", "value"))
    scores = q @ k.T / np.sqrt(x.shape[1])
    chances = np.exp(scores - scores.max(1, keepdims=True))
    found = chances / chances.sum(1, keepdims=True) @ v
    if training:
        found = found @ w["out"]
    x = x + found
    return x + np.maximum(x @ w["up"], 0) @ w["down"]


def _blind(*case):
    with np.errstate(invalid="ignore"):
        return _block(*case, causal="strict")


def _long(*case):
    found, keys, values = _next(*case)
    return found[:, :, None], keys, values


def _returned(*case):
    found, keys, values = _next(*case)
    return found, values, keys


def _sideways(q, k, v, keys, values):
    found = _next(q, k, v, keys, values)[0]
    return found, np.concatenate([keys, k[:, :, None]], 2), np.concatenate([v[:, :, None], values], 2)


def _frozen(q, k, v, keys, values):
    return _next(q, k, v, keys, values)[0], keys, values


def _read(**changes):
    return lambda: {**CURVES, **changes}


def _rows(logits, temperature, p):
    return np.ones_like(logits) / len(logits)


WRONG = {
    "10.count": [
        (_twice, "counted twice"),
        (_narrow, "need not be 4"),
        (_without("attention's biases", "feed-forward's biases", "head's bias"), "biases are missing"),
        (_without("places"), "not counted: places"),
        (_without("last norm"), "not counted: last norm"),
        (lambda *sizes: 12 * sizes[3] * sizes[2] ** 2, "the arrays hold"),
    ],
    "10.order": [
        (lambda before, after, order: not np.allclose(before, after), "before[order]"),
        (lambda before, after, order: not np.array_equal(before[order], after), "too strict"),
        (lambda before, after, order: not np.allclose(after[order], before), "moved back"),
        (lambda before, after, order: np.allclose(after, before[order]), "other way round"),
        (lambda before, after, order: True, "with a tolerance"),
    ],
    "10.mend": [
        (broken_block, "heads are still ignored"),
        (_how(_block, split="no"), "split q, k and v"),
        (_how(_block, split="cut"), "reshape(T, heads, K) first"),
        (_how(_block, split="glued"), "swap the axes back"),
        (_how(_block, norm="first alone"), "only the first half reads norm(x)"),
        (_how(_block, norm="second alone"), "only the second half reads norm(x)"),
        (_how(_block, norm="stream"), "stream itself is normalised"),
        (_how(_block, norm="ε outside"), "inside the root"),
        (_how(_block, norm="without ε"), "ε is missing"),
        (_blind, "may see itself"),
        (_how(_block, causal="turned"), "turned round"),
        (_how(_block, axis=-2), "over the queries"),
        (_how(_block, scale="no"), "not divided"),
        (_how(_block, always=False), "output matrix still works"),
        (_how(_block, causal="no"), "sees later ones"),
        (_how(_block, norm="none"), "read as it is"),
        (_how(_block, causal="after"), "after the softmax"),
        (_how(_block, norm="post"), "post-norm"),
        (_how(_block, norm="columns"), "over the places"),
        (_how(_block, scale="whole"), "width of the head"),
        (lambda x, w, heads, training: x, "relu(norm(x) @ up)"),
    ],
    "10.next": [
        (_how(_next, itself=False), "look at itself"),
        (_how(_next, scale="none"), "not divided"),
        (_how(_next, scale="tokens"), "number of tokens"),
        (_how(_next, first=True), "stands first"),
        (_how(_next, scale="whole"), "√(H · K)"),
        (_how(_next, softmax=1), "over the heads"),
        (_how(_next, softmax=0), "over the texts"),
        (_how(_next, softmax=None), "softmax is missing"),
        (_how(_next, crossed=True), "keys and values are swapped"),
        (_returned, "first the keys"),
        (_long, "an axis too many"),
        (_sideways, "the values: append k and v"),
        (lambda *a: (a[2], *_next(*a)[1:]), "the cache is right"),
        (_frozen, "has not grown"),
        (lambda *a: _next(*a)[0], "three arrays"),
    ],
    "10.nucleus": [
        (_how(_nucleus, again=False), "sum to 1 again"),
        (_how(_nucleus, crossing=False), "across p"),
        (_how(_nucleus, late=True), "temperature comes first"),
        (_how(_nucleus, sort=True), "sorted order"),
        (_rows, "keep the likeliest"),
    ],
    "10.curves": [
        (_read(A="healthy", C="frequencies only"), "not converged"),
        (_read(B="healthy", C="sees the answer"), "alarm"),
        (_read(D="healthy", C="one character back"), "below the table of pairs"),
        (_read(D="frequencies only"), "further back"),
        (_read(F="converged"), "no diagnosis"),
    ],
    "10.norm_gradient": [
        (_how(_norm_gradient, spread=False), "variance is treated"),
        (_how(_norm_gradient, mean=False), "mean is treated"),
        (_how(_norm_gradient, mean=False, spread=False), "alone is too much"),
        (lambda x, g: -_norm_gradient(x, g), "turned round"),
        (lambda x, g: x * 0, "nudge one number"),
    ],
    "10.choose": [
        (_how(_choose, best=True), "good enough, the one with"),
        (_how(_choose, state=False), "cache is missing"),
        (_how(_choose, users=False), "it alone, by the users"),
        (_how(_choose, recall="any"), "mind the recall"),
        (_how(_choose, loss="any"), "loss is not looked at"),
        (_how(_choose, loss="<"), "“at most” includes equal"),
        (_how(_choose, recall=">"), "“at least” includes equal"),
        (_how(_choose, loss="<", recall=">"), "and “at least” include equal"),
        (_how(_choose, gpt="layers context", lstm=1), "two numbers each"),
        (_how(_choose, gpt="layers context"), "a key and a value"),
        (_how(_choose, lstm=1), "h and c: two numbers where"),
        (_how(_choose, gpt="2 layers"), "each place of the context"),
        (_how(_choose, gpt="2 context"), "each of its layers"),
        (lambda need, models: "fir", "let the need decide"),
    ],
}
