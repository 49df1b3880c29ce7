"""Typical wrong answers to the exercises of chapter 21, and what each must be told."""

from __future__ import annotations

import numpy as np

from minilib.check.ch21_runs import CLAIMS, GENERATORS, _average, _leaks
from minilib.check.ch21_scores import _coverage, _padding, _parts


def faulty(function, fault):
    def wrong(*case):
        return function(*case, fault)

    return wrong


def broken_average(states, decay):
    found = {name: np.array(value) for name, value in states[0].items()}
    for state in states[1:]:
        for name, value in state.items():
            if name.startswith("running") or name == "batches":
                continue
            found[name] = (1 - decay) * found[name] + decay * value
    return found


def without_running(states, decay):
    return {name: value for name, value in _average(states, decay).items() if not name.startswith("running")}


def broken_leak(test, train, seen, twins):
    known = set(train)
    for a, b in twins:
        if a in known:
            known.add(b)
    return sorted(set(test) & known)


def unsorted(test, train, seen, twins):
    return _leaks(test, train, seen, twins)[::-1]


def real_ones(real, m):
    return real[:m]


def noise(real, m):
    return np.random.default_rng(0).normal(real.mean(0), real.std(0), (m, real.shape[1]))


def the_mean(real, m):
    return np.tile(real.mean(0), (m, 1))


def one_point(real, m):
    return real[0]


def says(right, **changed):
    return lambda: right | changed


WRONG = {
    "21.padding": [
        (faulty(_padding, "first"), "starts at place 0"),
        (faulty(_padding, "forward"), "ordinary convolution"),
        (faulty(_padding, "once"), "counts twice"),
        (faulty(_padding, "round"), "two equal parts"),
        (faulty(_padding, "negative"), "cannot be negative"),
    ],
    "21.parts": [
        (faulty(_parts, "entries"), "root of its entries"),
        (faulty(_parts, "deviations"), "each feature alone"),
        (faulty(_parts, "length"), "squared distance"),
        (faulty(_parts, "once"), "taken off twice"),
        (faulty(_parts, "sum"), "two numbers"),
    ],
    "21.coverage": [
        (faulty(_coverage, "precision"), "that is precision"),
        (faulty(_coverage, "recall"), "round the real points here"),
        (faulty(_coverage, "itself"), "own nearest neighbour"),
        (faulty(_coverage, "density"), "one made point in a ball is enough"),
        (faulty(_coverage, "count"), "not their number"),
        (faulty(_coverage, "strict"), "on the edge"),
    ],
    "21.cheat": [
        (real_ones, "of some use"),
        (noise, "every made point must lie"),
        (the_mean, "a place where nobody lives"),
        (one_point, "numbers each"),
    ],
    "21.average": [
        (broken_average, "share of the old average"),
        (faulty(_average, "turned"), "share of the old average"),
        (faulty(_average, "counter"), "a whole number"),
        (faulty(_average, "latest"), "do not copy"),
        (faulty(_average, "old"), "stayed at their first value"),
        (faulty(_average, "left"), "stayed at their first value"),
        (faulty(_average, "stuck"), "take the latest"),
        (without_running, "the average lacks running_mean"),
        (faulty(_average, "zero"), "not at zero"),
        (faulty(_average, "mean"), "never forgets"),
    ],
    "21.which": [
        (says(GENERATORS, A="noise"), "no column is the best"),
        (says(GENERATORS, B="learnt"), "nearest training picture"),
        (says(GENERATORS, C="learnt"), "How much of the real world"),
        (says(GENERATORS, D="few pictures"), "who recognises it"),
        (says(GENERATORS, E="learnt"), "two last columns"),
        (says(GENERATORS, E="good"), "is not among"),
        (lambda: ["learnt"], "give a name for each"),
    ],
    "21.leak": [
        (broken_leak, "and all twins of it"),
        (faulty(_leaks, "train"), "through its pictures"),
        (faulty(_leaks, "ids"), "follow the pairs"),
        (faulty(_leaks, "gan"), "own training rows"),
        (faulty(_leaks, "one way"), "both directions"),
        (faulty(_leaks, "near"), "twin of a twin"),
        (faulty(_leaks, "clean"), "may stay"),
        (unsorted, "rising order"),
    ],
    "21.claims": [
        (says(CLAIMS, A="fair"), "same 200 digits for less"),
        (says(CLAIMS, B="fair"), "does not own"),
        (says(CLAIMS, C="luck"), "other five objections"),
        (says(CLAIMS, D="fair"), "two runs of one arm"),
        (says(CLAIMS, E="fair"), "useless generator"),
        (says(CLAIMS, F="fair"), "forty generators"),
    ],
}
