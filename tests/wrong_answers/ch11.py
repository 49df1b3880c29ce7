"""Typical wrong answers of chapter 11, each with a fragment of the hint that it must get."""

import numpy as np
import torch
from torch.nn.functional import cross_entropy


# 11.gradients
def _network(x, y, weights, biases, *, last=False, bend=True, softmax=False, reduction="mean", cut=False, times=1):
    leaves = [torch.tensor(w, requires_grad=True) for w in weights]
    for _ in range(times):
        h = torch.tensor(x)
        for i, (w, b) in enumerate(zip(leaves, biases, strict=True)):
            h = h @ w.T + torch.tensor(b)
            if last or (bend and i < len(leaves) - 1):
                h = torch.relu(h)
            if cut and i == 0 and len(leaves) > 1:
                h = h.detach()
        cross_entropy(h.softmax(1) if softmax else h, torch.tensor(y), reduction=reduction).backward()
    return [np.zeros(w.shape) if w.grad is None else w.grad.numpy() for w in leaves]


def _variant(**how):
    return lambda *case: _network(*case, **how)


# 11.mend_training
def _train(x, t, start, rates, steps, x_new, *, every=False, heap=False, cut=False, shared=False, column=False):
    x, t, x_new = map(torch.tensor, (x, t, x_new))
    answers = []
    for rate in rates:
        w = [(torch.from_numpy(a) if shared else torch.tensor(a)).requires_grad_() for a in start]
        optimizer = torch.optim.SGD(w, rate)
        for _ in range(steps):
            if not heap:
                optimizer.zero_grad()
            h = torch.tanh(x @ w[0].T + w[1])
            p = (h.detach() if cut else h) @ w[2].T + w[3]
            ((p if every else p[:, 0]) - t).square().mean().backward()
            optimizer.step()
        with torch.no_grad():
            found = torch.tanh(x_new @ w[0].T + w[1]) @ w[2].T + w[3]
            answers.append((found if column else found[:, 0]).numpy())
    return np.array(answers)


def _mended(**how):
    return lambda *case: _train(*case, **how)


# 11.neighbours
def _norm(x, mean, var, size, *, ddof=0, whole=False, moved=False, over=np.max, signed=False):
    parts = [x] if whole else np.split(x, range(size, len(x), size))
    together = np.vstack([(part - part.mean(0)) / np.sqrt(part.var(0, ddof=ddof) + 1e-5) for part in parts])
    if moved:
        norm = torch.nn.BatchNorm1d(x.shape[1], affine=False).double()
        norm.running_mean.copy_(torch.tensor(mean))
        norm.running_var.copy_(torch.tensor(var))
        for part in parts:
            norm(torch.tensor(part))
        mean, var = norm.running_mean.numpy(), norm.running_var.numpy()
    change = together - (x - mean) / np.sqrt(var + 1e-5)
    return over(change if signed else abs(change), axis=1)


def _batched(**how):
    return lambda *case: _norm(*case, **how)


# 11.keep_best
def _walk(w, gradients, scores, rate, *, copy=True, early=False, latest=False, lowest=False, sign=-1):
    w, best, kept = w.copy(), -np.inf, None
    for slope, score in zip(gradients, scores, strict=True):
        value = -score if lowest else score
        better = value >= best if latest else value > best
        before = w.copy()
        w += sign * rate * slope
        if better:
            best, kept = value, before if early else w.copy() if copy else w
    return kept, w


def _in_place(w, gradients, scores, rate):
    """The given w is overwritten, as by torch.from_numpy."""
    best, kept = -np.inf, None
    for slope, score in zip(gradients, scores, strict=True):
        w -= rate * slope
        if score > best:
            best, kept = score, w.copy()
    return kept, w


def _from_zero(w, gradients, scores, rate, *, alias=False):
    """No score below 0 counts."""
    w, best = w.copy(), 0
    kept = w if alias else w.copy()
    for slope, score in zip(gradients, scores, strict=True):
        w -= rate * slope
        if score > best:
            best, kept = score, w.copy()
    return kept, w


def _walked(**how):
    return lambda *case: _walk(*case, **how)


RIGHT = {"A": "shared storage", "B": "every pair", "C": "training mode", "D": "heap", "E": "cut graph"}


WRONG = {
    "11.pairs": [
        (lambda p, t: ((p - t) ** 2).mean(), "every prediction was compared with every target"),
        (lambda p, t: ((p.ravel() - t) ** 2).mean(), "every prediction was compared with every target"),
        (lambda p, t: ((p.ravel() - t.ravel()) ** 2).sum(), "the sum over the pairs"),
        (lambda p, t: ((p - t) ** 2).sum(), "the sum over all combinations"),
        (lambda p, t: abs(p.ravel() - t.ravel()).mean(), "absolute misses"),
        (lambda p, t: np.sqrt(((p.ravel() - t.ravel()) ** 2).mean()), "the root of the loss"),
        (lambda p, t: (p.ravel() - t.ravel()).mean() ** 2, "the square of the mean"),
        (lambda p, t: (p.ravel() - t.ravel()) ** 2, "one number is asked for"),
        (lambda p, t: 0.0, "row i of the prediction"),
    ],
    "11.silent": [
        (lambda gs: [n for n, g in gs.items() if g is None], "only those without any gradient"),
        (lambda gs: [n for n, g in gs.items() if g is not None and not g.any()], "(None) are missing"),
        (lambda gs: [n for n, g in gs.items() if g is None or g.sum() == 0], "a sum of slopes can be 0"),
        (lambda gs: [n for n, g in gs.items() if g is None or not g.all()], "a single zero"),
        (lambda gs: [n for n, g in gs.items() if g is not None and g.any()], "do learn"),
        (lambda gs: [n for n, g in gs.items() if g is None or g.max() <= 0], "negative slopes"),
        (lambda gs: [n for n, g in gs.items() if g is None or (abs(g) < 1e-6).all()], "a small slope is not none"),
        (lambda gs: len(gs), "a list of names"),
        (lambda gs: [], "whose gradient is None, or 0"),
    ],
    "11.gradients": [
        (_variant(reduction="sum"), "the sum over the rows"),
        (_variant(times=2), "called twice"),
        (_variant(softmax=True), "a softmax before"),
        (_variant(last=True), "a ReLU after the last layer"),
        (_variant(bend=False), "no ReLU between"),
        (_variant(cut=True), "is the graph cut"),
        (lambda *case: [g.T for g in _network(*case)], "transposed"),
        (lambda *case: _network(*case)[-1:], "one for each weight matrix"),
        (lambda *case: [0 * g for g in _network(*case)], "call backward once"),
    ],
    "11.neighbours": [
        (_batched(moved=True), "has moved the running averages"),
        (_batched(ddof=1), "not by one fewer"),
        (_batched(whole=True), "cut them into batches"),
        (_batched(over=np.mean), "the mean over the columns"),
        (_batched(signed=True), "absolute value first"),
        (lambda *case: _norm(*case).max(), "one number for each row"),
        (lambda *case: 0 * _norm(*case), "compare (x − batch mean)"),
    ],
    "11.keep_best": [
        (_walked(copy=False), "went on walking"),
        (_in_place, "has been overwritten"),
        (_from_zero, "scores may be below 0"),
        (lambda *case: _from_zero(*case, alias=True), "scores may be below 0"),
        (_walked(early=True), "one step too early"),
        (_walked(latest=True), "of two equal scores"),
        (_walked(lowest=True), "the lowest score"),
        (_walked(sign=1), "uphill"),
        (lambda *case: _walk(*case)[::-1], "first the best weights, then the last"),
        (lambda *case: (_walk(*case)[0], case[0]), "still the first"),
        (lambda *case: (_walk(*case)[0],) * 2, "as they are, after all steps"),
        (lambda *case: _walk(*case)[0], "two arrays"),
        (lambda *case: (0 * case[0], 0 * case[0]), "if scores[t] is a new best"),
    ],
    "11.mend_training": [
        (_mended(every=True, heap=True, cut=True, shared=True), "3 more of the four bugs"),
        (_mended(every=True), "every prediction with every target"),
        (_mended(heap=True), "never cleared"),
        (_mended(cut=True), "the graph is cut"),
        (_mended(shared=True), "share memory"),
        (_mended(heap=True, shared=True), "1 more of the four bugs"),
        (_mended(column=True), "an axis too many"),
        (lambda x, t, start, rates, steps, x_new: np.zeros((len(rates), len(x_new))), "change only what is wrong"),
    ],
    "11.logs": [
        (lambda: {**RIGHT, "A": "none"}, "only the state"),
        (lambda: {**RIGHT, "A": "overfitting"}, "may explain the fall"),
        (lambda: {**RIGHT, "B": "none"}, "the variance of the targets"),
        (lambda: {**RIGHT, "C": "none"}, "number of rows in a batch"),
        (lambda: {**RIGHT, "D": "none"}, "grows by its own size"),
        (lambda: {**RIGHT, "E": "heap"}, "has not moved by a single digit"),
        (lambda: {**RIGHT, "B": "overfitting"}, "a gap between training rows"),
        (lambda: {**RIGHT, "C": "overfitting"}, "the same weights and the same rows"),
        (lambda: {"A": "shared storage"}, "no name from the list"),
        (lambda: list(RIGHT), "a dictionary from the letters"),
    ],
    "11.release": [
        (lambda: {"cause": "overfitting", "next": "test and hold"}, "laboratory's test rows too"),
        (lambda: {"cause": "drift", "next": "test and hold"}, "cannot be that the rows have changed"),
        (lambda: {"cause": "small test set", "next": "test and hold"}, "more test rows would change neither"),
        (lambda: {"cause": "mode", "next": "retrain"}, "not at fault"),
        (lambda: {"cause": "mode", "next": "larger test set"}, "shows 0.98 again"),
        (lambda: {"cause": "mode", "next": "larger batches"}, "who else asks"),
        (lambda: {"cause": "mode", "next": "release"}, "two times in three"),
        (lambda: {"cause": "bad luck", "next": "test and hold"}, "the company of a row"),
        (lambda: {"cause": "mode", "next": "wait"}, "first a test that fails"),
        (lambda: "mode", "the keys 'cause' and 'next'"),
    ],
}
