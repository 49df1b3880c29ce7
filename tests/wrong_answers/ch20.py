"""Typical wrong answers to the exercises of chapter 20, each with a fragment of the hint that it must be given."""

from __future__ import annotations

import numpy as np

from minilib.check.ch20_players import _kl, _round
from minilib.check.ch20_ring import LABELS, SEVERAL, _count, _verdicts


def forged(p, q, share):
    return (1 - share) * q / (share * p + (1 - share) * q)


def half(p, q, share):
    return p / (p + q)


def ratio(p, q, share):
    with np.errstate(divide="ignore", invalid="ignore"):
        return share * p / ((1 - share) * q)


def no_zeros(p, q):
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return (np.sum(p * np.log(p / m)) + np.sum(q * np.log(q / m))) / 2


def half_only(p, q):
    return _kl(p, (p + q) / 2)


def total(p, q):
    m = (p + q) / 2
    return _kl(p, m) + _kl(q, m)


def bits(p, q):
    return total(p, q) / 2 / np.log(2)


def _slopes(scores):
    d = 1 / (1 + np.exp(-scores))
    return -d / len(d), -(1 - d) / len(d)


def uphill(scores):
    return tuple(-s for s in _slopes(scores))


def not_the_mean(scores):
    return tuple(len(scores) * s for s in _slopes(scores))


def exchanged(scores):
    return _slopes(scores)[::-1]


def _kind(kind):
    return lambda *case: _round(case, kind)


def as_given(x, y, rate, steps):
    path = [(x, y)]
    for _ in range(steps):
        x, y = x - rate * y, y + rate * x
        path.append((x, y))
    return np.array(path)


def in_turn(x, y, rate, steps):
    path = [(x, y)]
    for _ in range(steps):
        y = y + rate * x
        x = x - rate * y
        path.append((x, y))
    return np.array(path)


def two_steps(x, y, rate, steps):
    path = [(x, y)]
    for _ in range(steps):
        ahead_x, ahead_y = x - rate * y, y + rate * x
        x, y = ahead_x - rate * ahead_y, ahead_y + rate * ahead_x
        path.append((x, y))
    return np.array(path)


def weak_friction(x, y, rate, steps):
    path = [(x, y)]
    for _ in range(steps):
        x, y = x - rate * y, y + rate * (x - 0.2 * y)
        path.append((x, y))
    return np.array(path)


def straight(x, y, rate, steps):
    return np.array([(x, y)]) * (1 - rate / 4) ** np.arange(steps + 1)[:, None]


def nearest_only(*case):
    return _count(*case, cut=False)[0], _count(*case)[1]


def of_the_good(*case):
    return _count(*case, of="good")


def how_many(*case):
    modes, share = _count(*case)
    return modes, share * len(case[0])


def _kind_of_verdict(kind):
    return lambda runs: _verdicts(runs, kind)


def _log(**changes):
    return lambda: {**LABELS, **changes}


WRONG = {
    "20.best_judge": [(forged, "the coin is forged"), (half, "not equally many"), (ratio, "may exceed 1")],
    "20.jsd": [
        (no_zeros, "counts as 0"), (half_only, "one of the two halves"), (total, "twice too large"), (bits, "in bits"),
    ],
    "20.two_slopes": [(uphill, "signs"), (not_the_mean, "a part in N"), (exchanged, "exchanged")],
    "20.one_round": [
        (_kind("dragged"), "detached"), (_kind("at once"), "the old judge"),
        (_kind("saturating"), "the saturating loss"),
        (_kind("uphill judge"), "walked uphill"), (_kind("uphill forger"), "the wrong way"),
    ],
    "20.stop_spiral": [
        (as_given, "outwards"), (lambda x, y, rate, steps: as_given(x, y, rate / 10, steps), "it circles"),
        (in_turn, "it circles"), (two_steps, "from where you stand"), (weak_friction, "friction larger than the rate"),
        (straight, "does not play"),
    ],
    "20.count_modes": [
        (nearest_only, "within the radius"), (of_the_good, "not of the good ones"), (how_many, "how many"),
        (lambda *case: _count(*case, each=True), "the nearest alone"),
    ],
    "20.read_log": [
        (_log(B="healthy"), "no progress"), (_log(A="judge asleep"), "look at the modes"),
        (_log(D="healthy"), "has learnt nothing"), (_log(C="healthy"), "they wander"),
        (_log(A="collapsed"), "keeps rising"),
    ],
    "20.who_cured": [
        *((_kind_of_verdict(kind), "more than one factor") for kind in SEVERAL),
        (_kind_of_verdict("never usual"), "neither has its usual value"), (_kind_of_verdict("one seed"), "is luck"),
        (_kind_of_verdict("means"), "hide the spread"), (_kind_of_verdict("seed by seed"), "no partner"),
        (_kind_of_verdict("ties"), "a tie is not better"),
    ],
}  # fmt: skip
