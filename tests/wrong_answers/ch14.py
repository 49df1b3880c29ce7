"""Typical wrong answers to the exercises of chapter 14, and what each must be told."""

from __future__ import annotations

import numpy as np

from minilib.check.ch14_deciding import LOGS, SHIP, _clock, _plan
from minilib.check.ch14_writing import _copied, _halves, _in_parts, _top_p


def clock(kind):
    def wrong(runs, seconds):
        return _clock(runs, seconds, kind)

    return wrong


def with_plain(runs, seconds):
    return _clock(runs, seconds) | {"plain": "unclear"}


def always_unclear(runs, seconds):
    return dict.fromkeys(_clock(runs, seconds), "unclear")


def parts(*faults):
    def wrong(q, k, v, sizes):
        return _in_parts(q, k, v, sizes, frozenset(faults))

    return wrong


def last_part_only(q, k, v, sizes):
    out, seen = [], 0
    for n in sizes:
        new = slice(seen, seen + n)
        out.append(_in_parts(q[new], k[new], v[new], [n]))
        seen += n
    return np.concatenate(out)


def halves(kind):
    def wrong(x, places):
        return _halves(x, places, kind)

    return wrong


def whole_turn(x, places):
    return x[:, ::-1].copy()


def longer(x, places):
    return 2 * _halves(x, places)


def top_p(kind):
    def wrong(p, top):
        return _top_p(p, top, kind)

    return wrong


def broken_top_p(p, top):
    order = np.argsort(-p)
    keep = order[np.cumsum(p[order]) <= top]
    out = np.zeros_like(p)
    out[keep] = p[keep]
    return out


def untouched(p, top):
    return p


def copied(kind):
    def wrong(text, source, strangers):
        return _copied(text, source, strangers, kind)

    return wrong


def windows(text, source, strangers, size=8):
    places = range(max(1, len(text) - size + 1))
    return float(np.mean([text[i : i + size] in source for i in places]))


def longest_only(text, source, strangers):
    pieces = (text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1))
    return max((len(piece) for piece in pieces if piece in source), default=0) / len(text)


def answers(right, **changes):
    return right | changes


def plan(kind):
    def wrong(*case):
        return _plan(*case, kind=kind)

    return wrong


def in_bytes(*case):
    return 1e9 * _plan(*case)


WRONG = {
    "14.clock": [
        (clock("steps"), "at equal steps"),
        (clock("mean"), "do the seeds?"),
        (clock("best"), "the best seed is luck"),
        (with_plain, "give a verdict on each form but plain"),
        (always_unclear, "are done; take the last record"),
    ],
    "14.cache": [
        (parts("restart", "mask"), "two faults"),
        (parts("restart"), "begins at place 0 again"),
        (parts("mask"), "must let all of the past be seen"),
        (parts("open"), "sees those behind it"),
        (parts("restart", "open"), "places go on where they ended"),
        (last_part_only, "find the first that differs"),
    ],
    "14.halves": [
        (halves("neighbours"), "pairs of neighbours"),
        (halves("one speed"), "at the same speed"),
        (halves("slow"), "fall too slowly"),
        (halves("back"), "the wrong way"),
        (halves("from one"), "place 0 is not turned"),
        (whole_turn, "the lengths are right"),
        (longer, "a turn changes no length"),
    ],
    "14.top_p": [
        (broken_top_p, "two faults"),
        (top_p("drops"), "is dropped"),
        (top_p("sum"), "divided by its sum"),
        (top_p("unsorted"), "go back through the order"),
        (top_p("rising"), "sort from the likeliest down"),
        (top_p("one more"), "one too many"),
        (top_p("at most"), "reached exactly"),
        (untouched, "the fewest tokens"),
    ],
    "14.copied": [
        (copied("starts"), "every character of a copied piece"),
        (copied("no baseline"), "only pieces longer than what strangers share"),
        (copied("equal"), "it must be longer"),
        (copied("mean"), "or the mean of theirs"),
        (copied("shortest"), "not the shortest"),
        (copied("count"), "not how many"),
        (longest_only, "there may be several"),
        (windows, "mark the characters of every piece"),
    ],
    "14.logs": [
        (answers(LOGS, A="healthy"), "does it still fall"),
        (answers(LOGS, B="healthy"), "compare the two rows"),
        (answers(LOGS, C="healthy"), "What must the model see"),
        (answers(LOGS, D="rate too low"), "keeps it from settling"),
        (answers(LOGS, E="rate too low"), "anything to mend"),
        (answers(LOGS, E="fine"), "is not among"),
        ({"A": "healthy"}, "a label for each"),
    ],
    "14.plan": [
        (plan("keys"), "keys and values are kept"),
        (plan("heads"), "only the kv_heads heads"),
        (plan("weights"), "lie in the same memory"),
        (plan("width"), "a head is width / heads wide"),
        (plan("one layer"), "every layer has a cache"),
        (plan("up"), "round down"),
        (plan("nearest"), "round down"),
        (plan("binary"), "10⁹ bytes"),
        (in_bytes, "divide what is left by it"),
    ],
    "14.ship": [
        (answers(SHIP, A="ship"), "what became of the gap"),
        (answers(SHIP, B="more seeds"), "usual objections"),
        (answers(SHIP, C="ship"), "how far apart are two seeds"),
        (answers(SHIP, D="ship"), "not by the step"),
        (answers(SHIP, E="ship"), "how many tries"),
        (answers(SHIP, E="maybe"), "is not among"),
        ({"A": "ship"}, "a decision for each"),
    ],
}
