"""Typical wrong answers to the exercises of chapter 05, each with a fragment of the hint that it must receive."""

from __future__ import annotations

import math

import numpy as np

from minilib.check.ch05_training import CURVES, MEASURES


def _quiet(answer):
    """A wrong answer that divides by zero on the way: no warning, so that the test sees the hint."""

    def quiet(*arguments):
        with np.errstate(all="ignore"):
            return answer(*arguments)

    return quiet


def _push(beta, steps):
    return np.array([sum(beta**k for k in range(steps - t)) for t in range(steps)])


def _share(beta, steps):
    return beta ** np.arange(steps)[::-1]


def _adamax(g, lr, beta1, beta2, *, fair=True, late=0, size=np.abs, fade=True, both=False, root=False, weight=None):
    m, u, steps = 0, 0, []
    for t, now in enumerate(g, start=1):
        m = beta1 * m + (1 - beta1 if weight is None else weight) * now
        u = np.maximum(beta2 * u if fade else u, size(now))
        bottom = np.sqrt(u) if root else u / (1 - beta2**t) if both else u
        steps.append(lr * m / (1 - beta1 ** (t + late) if fair else 1) / bottom)
    return np.array(steps)


def count_behind(g, lr, b1, b2):
    steps = _adamax(g, lr, b1, b2, late=-1)
    steps[0] = lr * np.sign(g[0])
    return steps


def count_behind_guarded(g, lr, b1, b2):
    return np.vstack([_adamax(g, lr, b1, b2, fair=False)[:1], _adamax(g, lr, b1, b2, late=-1)[1:]])


def count_behind_nan(g, lr, b1, b2):
    steps = _adamax(g, lr, b1, b2, late=-1)
    steps[0] = np.nan
    return steps


def _curvatures(X, w):
    p = 1 / (1 + np.exp(-X @ w))
    return np.linalg.eigvalsh((X * (p * (1 - p))[:, None]).T @ X / len(X))


def broken_clip(gradients, limit):
    return [g * (limit / np.sqrt((g**2).sum())) for g in gradients]


def _length(gradients):
    return np.sqrt(sum((g**2).sum() for g in gradients))


def _guarded(scale):
    @_quiet
    def clip(gradients, limit):
        if not all(np.isfinite(g).all() for g in gradients):
            return [np.zeros_like(g) for g in gradients]
        return scale(gradients, limit)

    return clip


def clip_parts(gradients, limit):
    return [g * min(1, limit / np.sqrt((g**2).sum())) for g in gradients]


def clip_always(gradients, limit):
    return [g * (limit / _length(gradients)) for g in gradients]


def clip_square(gradients, limit):
    return [g * min(1, limit / _length(gradients) ** 2) for g in gradients]


def clip_unguarded(gradients, limit):
    length = _length(gradients)
    return [g * (limit / length) if length > limit else g for g in gradients]


def clip_nan(gradients, limit):
    if any(np.isnan(g).any() for g in gradients):
        return [np.zeros_like(g) for g in gradients]
    return clip_unguarded(gradients, limit)


def clip_some(gradients, limit):
    return clip_unguarded([g if np.isfinite(g).all() else np.zeros_like(g) for g in gradients], limit)


def clip_values(gradients, limit):
    return [np.clip(g, -limit, limit) for g in gradients]


def clip_by_length(gradients, limit):
    length = _length(gradients)
    return [g / length * min(length, limit) for g in gradients]


def clip_parts_by_length(gradients, limit):
    lengths = [np.sqrt((g**2).sum()) for g in gradients]
    return [g / length * min(length, limit) for g, length in zip(gradients, lengths, strict=True)]


def clip_some_zeros(gradients, limit):
    """Wrong for zeros in a way of its own: only the first array is nan."""
    if _length(gradients) == 0:
        return clip_by_length(gradients[:1], limit) + gradients[1:]
    return clip_unguarded(gradients, limit)


def clip_crashing(gradients, limit):
    factor = min(1, limit / math.sqrt(_length(gradients) ** 2))
    return [g * factor for g in gradients]


def clip_half(gradients, limit):
    return [0.5 * g for g in gradients]


def _trapezoid(peak, total, warmup, cooldown, up=1, down=0):
    t = np.arange(total)
    return peak * np.minimum(1, np.minimum((t + up) / warmup, (total - down - t) / cooldown))


def cosine_down(peak, total, warmup, cooldown):
    rates = _trapezoid(peak, total, warmup, cooldown)
    t = np.arange(total - cooldown, total)
    rates[t] = peak * 0.5 * (1 + np.cos(np.pi * (t - total + cooldown) / cooldown))
    return rates


def _adam(w, g, m, v, t, lr):
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    return lr * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v


def broken_decay(w, g, m, v, t, lr, decay):
    step, m, v = _adam(w, g + decay * w, m, v, t, lr)
    return w - step, m, v


def decay_in_gradient(w, g, m, v, t, lr, decay):
    return broken_decay(w, g, m, v, t, lr, decay if w.ndim > 1 else 0)


def _decayed(factor):
    def decay(w, g, m, v, t, lr, decay):
        step, m, v = _adam(w, g, m, v, t, lr)
        return factor(w, step, lr, decay if w.ndim > 1 else 0), m, v

    return decay


def decay_everything(w, g, m, v, t, lr, decay):
    step, m, v = _adam(w, g, m, v, t, lr)
    return w * (1 - lr * decay) - step, m, v


def means_polluted(w, g, m, v, t, lr, decay):
    pull = decay if w.ndim > 1 else 0
    step, _, _ = _adam(w, g, m, v, t, lr)
    _, m, v = _adam(w, g + pull * w, m, v, t, lr)
    return w * (1 - lr * pull) - step, m, v


def only_matrices(w, g, m, v, t, lr, decay):
    step, m, v = _adam(w, g, m, v, t, lr)
    return w * (1 - lr * decay if w.ndim == 2 else 1) - step, m, v


def all_but_four_axes(w, g, m, v, t, lr, decay):
    step, m, v = _adam(w, g, m, v, t, lr)
    return w * (1 - lr * decay if w.ndim in (2, 3) else 1) - step, m, v


def _given_back(change):
    def decay(w, g, m, v, t, lr, decay):
        step, new_m, new_v = _adam(w, g, m, v, t, lr)
        return w * (1 - lr * decay if w.ndim > 1 else 1) - step, *change(m, v, new_m, new_v, t)

    return decay


def weight_alone(w, g, m, v, t, lr, decay):
    return decay_everything(w, g, m, v, t, lr, decay)[0]


WRONG = {
    "05.total_push": [
        (lambda beta, steps: _push(beta, steps)[::-1], "wrong order"),
        (_share, "share in the velocity"),
        (lambda beta, steps: (1 - beta) * _push(beta, steps), "not a mean"),
        (lambda beta, steps: np.append(_push(beta, steps)[1:], 0), "one step short"),
        (lambda beta, steps: beta * _push(beta, steps), "one factor beta too many"),
        (lambda beta, steps: np.full(steps, 1 / (1 - beta)), "have not had the time"),
        (lambda beta, steps: 1 / (1 - beta), "needed shape (5,)"),
        (lambda beta, steps: np.ones(steps), "walk by hand"),
    ],
    "05.adamax": [
        (lambda g, lr, b1, b2: _adamax(g, lr, b2, b1), "are exchanged"),
        (lambda *a: _adamax(*a, fair=False), "must be lr long"),
        (lambda *a: _adamax(*a, late=1), "one too high"),
        (_quiet(lambda *a: _adamax(*a, late=-1)), "the count is one too low"),
        (_quiet(count_behind), "the count is one too low"),
        (_quiet(count_behind_guarded), "the count is one too low"),
        (_quiet(count_behind_nan), "the count is one too low"),
        (lambda g, lr, b1, b2: lr * np.sign(g), "the first step is right"),
        (lambda *a: _adamax(*a, both=True), "correct m alone"),
        (_quiet(lambda *a: _adamax(*a, size=lambda g: g)), "not of g"),
        (lambda *a: _adamax(*a, fade=False), "old slopes must fade"),
        (lambda *a: _adamax(*a, root=True), "no root here"),
        (lambda *a: _adamax(*a, weight=1), "weight 1 − beta1"),
        (lambda *a: -_adamax(*a), "sign is turned"),
        (lambda *a: np.cumsum(_adamax(*a), 0), "give back each step by itself"),
        (lambda g, lr, b1, b2: _adamax(g, 1, b1, b2), "learning rate is missing"),
        (lambda *a: _adamax(*a)[-1], "one row of steps"),
        (lambda g, lr, b1, b2: lr * g, "whatever the slope's size"),
    ],
    "05.edge": [
        (lambda X, y, w: _curvatures(X, w)[-1], "the sharpness itself"),
        (lambda X, y, w: 1 / _curvatures(X, w)[-1], "half of the edge"),
        (lambda X, y, w: 2 / _curvatures(X, w)[0], "flattest direction"),
        (lambda X, y, w: 2 / _curvatures(X, w).sum(), "sum of all curvatures"),
        (lambda X, y, w: 2 / _curvatures(X, w)[-1] / len(X), "not a sum"),
        (lambda X, y, w: 2 / _curvatures(X, 0 * w)[-1], "the curvature at w = 0"),
        (lambda X, y, w: 2 / np.linalg.eigvalsh(X.T @ X / len(X))[-1], "of squared error"),
        (lambda X, y, w: 2.1 / _curvatures(X, w)[-1], "too few rounds"),
        (lambda X, y, w: 2 / _curvatures(X, w), "one number is asked for"),
        (lambda X, y, w: 0.001, "go on with the change"),
    ],
    "05.clip": [
        (_quiet(broken_clip), "clipped by itself"),
        (_guarded(clip_parts), "the joint length of all of them"),
        (_guarded(clip_always), "small gradients are blown up"),
        (_guarded(clip_square), "the root is missing"),
        (_quiet(clip_unguarded), "the step is skipped"),
        (_quiet(clip_nan), "that holds nan or inf"),
        (_quiet(clip_some), "skip all of it"),
        (_guarded(clip_values), "single numbers are clipped"),
        (_guarded(clip_by_length), "a gradient of length 0 passes as it is; do not divide by it"),
        (_guarded(clip_parts_by_length), "clipped by itself"),
        (_guarded(clip_some_zeros), "a gradient of length 0 passes as it is; do not divide by it"),
        (_guarded(clip_crashing), "ZeroDivisionError"),
        (_guarded(clip_half), "by the same factor"),
        (lambda gradients, limit: gradients[0], "one array for each that went in"),
    ],
    "05.trapezoid": [
        (lambda *a: _trapezoid(*a, up=0), "first step has the rate 0"),
        (lambda *a: _trapezoid(*a, down=1), "last step has the rate 0"),
        (lambda peak, total, up, down: np.minimum(peak, peak * (np.arange(total) + 1) / up), "never comes down"),
        (lambda peak, total, up, down: _trapezoid(peak, total, 1, down), "warm-up is missing"),
        (lambda peak, total, up, down: _trapezoid(1, total, up, down), "the top is peak"),
        (lambda peak, total, up, down: _trapezoid(peak, total, down, up), "are exchanged"),
        (cosine_down, "not a cosine"),
        (lambda *a: _trapezoid(*a)[1:], "one rate for each"),
        (lambda peak, total, up, down: np.full(total, peak), "in equal steps"),
    ],
    "05.decay": [
        (broken_decay, "divided by √s"),
        (decay_in_gradient, "divided by √s"),
        (_decayed(lambda w, step, lr, decay: w * (1 - decay) - step), "not scaled by the rate"),
        (decay_everything, "left alone"),
        (_decayed(lambda w, step, lr, decay: (w - step) * (1 - lr * decay)), "shrinks the step too"),
        (_decayed(lambda w, step, lr, decay: w * (1 + lr * decay) - step), "pushed away from 0"),
        (_decayed(lambda w, step, lr, decay: w - step), "gone altogether"),
        (only_matrices, "only parameters of one axis are left alone"),
        (all_but_four_axes, "more axes: w·(1 − lr·decay)"),
        (means_polluted, "must see the gradient alone"),
        (_given_back(lambda m, s, new_m, new_s, t: (new_m / (1 - 0.9**t), new_s / (1 - 0.999**t))), "as they are kept"),
        (_given_back(lambda m, s, new_m, new_s, t: (new_s / (1 - 0.999**t), new_m / (1 - 0.9**t))), "as they are kept"),
        (_given_back(lambda m, s, new_m, new_s, t: (new_m / (1 - 0.9**t), new_s)), "as they are kept"),
        (_given_back(lambda m, s, new_m, new_s, t: (new_s, new_m)), "are exchanged"),
        (_given_back(lambda m, s, new_m, new_s, t: (m, s)), "the ones that came in"),
        (_given_back(lambda m, s, new_m, new_s, t: (0 * m, 0 * s)), "from g alone"),
        (weight_alone, "three arrays"),
        (_decayed(lambda w, step, lr, decay: 0 * w), "never see the decay"),
    ],
    "05.read_curves": [
        (lambda: CURVES | {"A": "healthy"}, "compared with D"),
        (lambda: CURVES | {"B": "rate too high"}, "what came in that step"),
        (lambda: CURVES | {"C": "one bad batch"}, "every ten steps"),
        (lambda: CURVES | {"D": "rate too high"}, "no disease"),
        (lambda: CURVES | {"E": "one bad batch"}, "grow together"),
        (lambda: {"A": "rate too low"}, "no word for B, C, D, E"),
        (lambda: CURVES | {"F": "healthy"}, "there is no run F"),
        (lambda: CURVES | {"A": "boring"}, "'boring' is not one of the words"),
        (lambda: list(CURVES.values()), "give back a dictionary"),
    ],
    "05.first_measure": [
        (lambda: MEASURES | {"A": "clip"}, "what set their size"),
        (lambda: MEASURES | {"A": "lower the rate"}, "chapter 05's cures"),
        (lambda: MEASURES | {"A": "more epochs"}, "computes with nan"),
        (lambda: MEASURES | {"B": "clip"}, "removes the cause"),
        (lambda: MEASURES | {"B": "lower the rate"}, "the pixel value says what came in"),
        (lambda: MEASURES | {"B": "nothing"}, "the pixel value says what came in"),
        (lambda: MEASURES | {"B": "more epochs"}, "the pixel value says what came in"),
        (lambda: MEASURES | {"B": "fix the start"}, "the pixel value says what came in"),
        (lambda: MEASURES | {"C": "clip"}, "already been tried"),
        (lambda: MEASURES | {"D": "lower the rate"}, "would only be slower"),
        (lambda: MEASURES | {"D": "clip"}, "is there an incident"),
        (lambda: MEASURES | {"E": "fix the data"}, "from undoing many"),
        (lambda: MEASURES | {"F": "nothing"}, "what is missing"),
        (lambda: MEASURES | {"G": "nothing"}, "there is no incident G"),
    ],
}
