"""Typical wrong answers to the exercises of chapter 13, and what each must be told."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from minilib.check.ch13_merges import _changes, _greedy, _never, _stream
from minilib.check.ch13_prices import FAULTS, ORIGINS, _bill, _bits


def changes(fault):
    def wrong(*case):
        return _changes(*case, fault=fault)

    return wrong


def with_zeros(pieces, times, pair, new):
    untouched = {p: 0 for ids in pieces for p in pairwise(ids)}
    return untouched | _changes(pieces, times, pair, new)


def from_the_left(word, vocabulary):
    return _greedy(word, vocabulary)


def from_the_right(word, vocabulary):
    return _greedy(word, vocabulary, True)


def shorter_of_both(word, vocabulary):
    return min(from_the_left(word, vocabulary), from_the_right(word, vocabulary), key=len)


def how_many(word, vocabulary):
    return len(_greedy(word, vocabulary))


def letters(word, vocabulary):
    return list(word)


def whole_word(word, vocabulary):
    return [word]


def replaces(chunks):
    return [chunk.decode("utf8", "replace") for chunk in chunks]


def ignores(chunks):
    return [chunk.decode("utf8", "ignore") for chunk in chunks]


def waits(chunks):
    return [""] * (len(chunks) - 1) + [b"".join(chunks).decode()]


def without_empty(chunks):
    return [piece for piece in _stream(chunks) if piece]


def one_late(chunks):
    shown = _stream(chunks)
    return ["", *shown[:-2], shown[-2] + shown[-1]] if len(shown) > 1 else shown


def broken_bits(batches, text):
    losses = [loss for loss, size in batches]
    return np.mean(losses) * sum(size for loss, size in batches) / np.log(10) / len(text)


def bits(mean=False, base="bits", characters=False):
    def wrong(batches, text):
        return _bits(batches, text, mean, base, characters)

    return wrong


def per_token(batches, text):
    return sum(loss * n for loss, n in batches) / np.log(2) / sum(n for _, n in batches)


def never(fault):
    def wrong(corpus, merges):
        return _never(corpus, merges, fault)

    return wrong


def those_that_come(corpus, merges):
    return sorted({*range(256, 256 + len(merges))} - {*_never(corpus, merges)})


def places(corpus, merges):
    return [id - 256 for id in _never(corpus, merges)]


def bill(fault):
    def wrong(markets, offers):
        return _bill(markets, offers, fault)

    return wrong


def only_the_name(markets, offers):
    return _bill(markets, offers)[0]


WRONG = {
    "13.changes": [
        (changes("once"), "as often as it occurs"),
        (changes("right"), "neighbour on the right"),
        (changes("left"), "neighbour on the left"),
        (changes("overlap"), "past both"),
        (changes("gone"), "those that have come"),
        (changes("new"), "those that have gone are not"),
        (changes("only"), "not only the pair itself"),
        (changes("sign"), "sign is turned"),
        (changes("after"), "after minus before"),
        (with_zeros, "sums to zero"),
    ],
    "13.fewest": [
        (from_the_left, "longest token from the left"),
        (from_the_right, "longest token from the right"),
        (shorter_of_both, "longest token from the left"),
        (how_many, "not their number"),
        (letters, "single letters always do"),
        (whole_word, "not in the vocabulary"),
    ],
    "13.stream": [
        (replaces, "must wait for its other half"),
        (ignores, "loses bytes"),
        (waits, "until the end"),
        (without_empty, "is a piece too"),
        (one_late, "right but late"),
    ],
    "13.bits": [
        (broken_bits, "one of many"),
        (broken_bits, "not by ln 10"),
        (bits(characters=True), "not by its characters"),
        (bits(mean=True), "loss times tokens"),
        (bits(base="nats"), "that is in nats"),
        (per_token, "bits per token"),
    ],
    "13.never": [
        (never("inside"), "other merges come first"),
        (never("made"), "count after all merges"),
        (never("bytes"), "256 and more"),
        (never("characters"), "word.encode()"),
        (those_that_come, "asked for are the others"),
        (places, "the id is 256 more"),
    ],
    "13.origins": [
        ({**ORIGINS, "A": "tweets", "C": "news"}, "millions and a president"),
        ({**ORIGINS, "C": "films", "E": "tweets"}, "four dots"),
        ({**ORIGINS, "E": "tweets"}, "every, enough, feel"),
        ({**ORIGINS, "D": "surnames", "B": "plays"}, "begin with a blank"),
    ],
    "13.bill": [
        (bill("characters"), "not tokens"),
        (bill("answers"), "answers were forgotten"),
        (bill("one price"), "price of its own"),
        (bill("one rate"), "its own tokens per character"),
        (bill("day"), "a month has 30"),
        (bill("thousand"), "for a million tokens"),
        (bill("dearer"), "dearer offer"),
        (only_the_name, "two things"),
    ],
    "13.fair": [
        ({**FAULTS, "A": "fair"}, "not a token of the other"),
        ({**FAULTS, "B": "fair"}, "merges counted"),
        ({**FAULTS, "D": "luck"}, "all five again"),
        (dict.fromkeys(FAULTS, "compute"), "not a token of the other"),
    ],
}
