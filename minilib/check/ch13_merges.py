"""Exercises of chapter 13 on merges: counts after a merge, the fewest tokens, a stream, tokens that never come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, exercise

Pair = tuple[int, int]


# 1. What one merge changes -------------------------------------------------------------------------------------------
def _merged(ids: list[int], pair: Pair, new: int, overlap: bool = False) -> list[int]:
    out, i = [], 0
    while i < len(ids):
        found = tuple(ids[i : i + 2]) == pair
        out.append(new if found else ids[i])
        i += 2 if found and not overlap else 1
    return out


def _counts(pieces: list[list[int]], times: list[int]) -> Counter[Pair]:
    counts: Counter[Pair] = Counter()
    for ids, n in zip(pieces, times, strict=True):
        for pair in pairwise(ids):
            counts[pair] += n
    return counts


def _changes(pieces: list[list[int]], times: list[int], pair: Pair, new: int, fault: str = "") -> dict[Pair, int]:
    if fault == "once":
        times = [1] * len(times)
    before = _counts(pieces, times)
    after = _counts([_merged(ids, pair, new, fault == "overlap") for ids in pieces], times)
    found = {p: after[p] - before[p] for p in before | after if after[p] != before[p]}
    if fault == "right":
        found = {p: n for p, n in found.items() if p == pair or p[0] not in (pair[1], new)}
    if fault == "left":
        found = {p: n for p, n in found.items() if p == pair or p[1] not in (pair[0], new)}
    if fault == "gone":
        found = {p: n for p, n in found.items() if new not in p}
    if fault == "new":
        found = {p: n for p, n in found.items() if new in p}
    if fault == "only":
        found = {pair: found.get(pair, 0)}
    if fault == "sign":
        found = {p: -n for p, n in found.items()}
    if fault == "after":
        found = dict(after)
    return found


def _changes_cases(rng: np.random.Generator) -> list[Inputs]:
    drawn = [rng.integers(97, 101, size).tolist() for size in (5, 8, 12, 6)]
    return [
        ([[108, 111, 119], [108, 111, 119, 101, 114], [115, 108, 111, 119]], [5, 2, 3], (108, 111), 256),
        ([[97, 97, 97, 97, 97], [98, 97, 97, 97]], [2, 3], (97, 97), 256),
        (drawn, rng.integers(1, 9, 4).tolist(), (97, 98), 256),
        ([[97, 98, 97, 98, 99]], [4], (97, 98), 300),
    ]


@exercise("13.changes", "What one merge changes", _changes_cases)
def _changes_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    hints = {
        "once": "each word counts as often as it occurs: multiply by its number in times",
        "right": "the neighbour on the right has changed as well: its pair with the old id goes, one with new comes",
        "left": "the neighbour on the left has changed as well: its pair with the old id goes, one with new comes",
        "gone": "the pairs that have gone are there, those that have come, with new in them, are not",
        "new": "the pairs that have come are there, those that have gone are not",
        "only": "not only the pair itself changes: its neighbours on both sides lose one pair and gain another",
        "sign": "the sign is turned: what goes is negative, what comes is positive",
        "after": "those are the counts after the merge; asked for are the changes, after minus before",
        "overlap": "in a run such as aaa only one pair can be merged: go from left to right, and past both",
    }
    for i, ((pieces, times, pair, new), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _changes(pieces, times, pair, new)
        if not isinstance(got, dict):
            yield Problem(i, right, "give back a dictionary: pair → change of its count")
            continue
        if any(np.shape(n) for n in got.values()):
            yield Problem(i, right, "the change of a pair's count is one number")
            continue
        found = {tuple(int(x) for x in p): n for p, n in got.items() if n}
        if found == right and len(found) == len(got):
            continue
        general = "undo the pairs of each touched word, merge, count its pairs again; leave out what did not change"
        told = [(found == _changes(pieces, times, pair, new, fault), hint) for fault, hint in hints.items()]
        told.append((found == right, "some pairs are given whose count stays the same: drop what sums to zero"))
        yield Problem(i, right, first_hint(told, general))


# 2. The fewest tokens ------------------------------------------------------------------------------------------------
def _fewest(word: str, vocabulary: list[str]) -> int:
    best = [0] + [len(word) + 1] * len(word)
    for end in range(1, len(word) + 1):
        best[end] = min(best[start] + 1 for start in range(end) if word[start:end] in vocabulary)
    return best[-1]


def _greedy(word: str, vocabulary: list[str], backwards: bool = False) -> list[str]:
    pieces: list[str] = []
    while word:
        sizes = range(1, len(word) + 1)
        size = max(n for n in sizes if (word[-n:] if backwards else word[:n]) in vocabulary)
        pieces = [word[-size:], *pieces] if backwards else [*pieces, word[:size]]
        word = word[:-size] if backwards else word[size:]
    return pieces


def _fewest_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = [
        ("hearth", [*"heart", "hear", "he", "arth"]),
        ("abcdef", [*"abcdef", "abc", "def", "cdef"]),
        ("unending", [*"undeig", "un", "unend", "ending", "ing", "end"]),
        ("hearthabcdef", [*"abcdefhrt", "hear", "he", "arth", "abc", "def", "cdef"]),  # both ends mislead
        ("a", ["a"]),
    ]
    for size in (9, 14):
        word = "".join(rng.choice(list("abc"), size))
        cuts = [word[s : s + n] for s in range(size) for n in (2, 3, 4) if rng.random() < 0.4]
        cases.append((word, sorted({*word, *cuts})))
    return cases


@exercise("13.fewest", "The fewest tokens", _fewest_cases)
def _fewest_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((word, vocabulary), got) in enumerate(zip(inputs, outputs, strict=True)):
        least = _fewest(word, vocabulary)
        expected = f"{least} tokens that joined are {word!r}"
        if not isinstance(got, list | tuple) or not all(isinstance(piece, str) for piece in got):
            yield Problem(i, expected, "give back the list of tokens, not their number")
            continue
        pieces = list(got)
        if "".join(pieces) == word and all(p in vocabulary for p in pieces) and len(pieces) == least:
            continue
        strange = [piece for piece in pieces if piece not in vocabulary]
        hints = [
            ("".join(reversed(pieces)) == word != "".join(pieces), "the tokens stand in the opposite order"),
            (bool(strange), f"not in the vocabulary: {', '.join(map(repr, strange))}"),
            ("".join(pieces) != word, "the tokens joined must be the word: nothing lost, nothing twice"),
            (
                pieces == _greedy(word, vocabulary),
                "the longest token from the left is short-sighted: a shorter one first may leave a better rest",
            ),
            (
                pieces == _greedy(word, vocabulary, True),
                "the longest token from the right is short-sighted too: compare all ways of ending",
            ),
            (len(pieces) == len(word), "single letters always do, but longer tokens are in the list"),
        ]
        general = f"{least} tokens do: the best way to a place is a best way to an earlier one, plus a token"
        yield Problem(i, expected, first_hint(hints, general))


# 3. No � on the screen -----------------------------------------------------------------------------------------------
def _stream(chunks: list[bytes]) -> list[str]:
    shown, rest = [], b""
    for chunk in chunks:
        rest += chunk
        try:
            shown.append(rest.decode())
            rest = b""
        except UnicodeDecodeError as error:
            shown.append(rest[: error.start].decode())
            rest = rest[error.start :]
    return shown


def _stream_cases(rng: np.random.Generator) -> list[Inputs]:
    def cut(text: str, places: list[int]) -> Inputs:
        raw, ends = text.encode(), [0, *sorted(places), len(text.encode())]
        return ([raw[a:b] for a, b in pairwise(ends)],)

    drawn = "é🙂房间 hello 𝕏 很大"
    return [
        cut("a很b", [2, 3]),
        cut("🙂🙂", [1, 2, 3, 6]),
        cut("plain text", [3, 3, 7]),
        cut(drawn, rng.choice(len(drawn.encode()), 9, replace=False).tolist()),
    ]


@exercise("13.stream", "No � on the screen", _stream_cases)
def _stream_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((chunks,), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _stream(chunks)
        if not isinstance(got, list | tuple) or not all(isinstance(piece, str) for piece in got):
            yield Problem(i, right, "give back a list of strings, one for each chunk")
            continue
        pieces, whole = list(got), "".join(right)
        if pieces == right:
            continue
        ignored = [chunk.decode("utf8", "ignore") for chunk in chunks]
        hints = [
            ("\ufffd" in "".join(pieces), "a � was shown: half a character must wait for its other half"),
            (pieces == ignored, 'errors="ignore" loses bytes: what is incomplete now belongs to the next chunk'),
            (len(pieces) != len(chunks), f"{len(pieces)} pieces for {len(chunks)} chunks; '' is a piece too"),
            (
                "".join(pieces) == whole and not any(pieces[:-1]),
                "nothing is shown until the end: show what is complete as soon as it is",
            ),
            ("".join(pieces) == whole, "the text is right but late: show each character with its last byte"),
        ]
        general = "keep the bytes that are not yet a character, put them before the next chunk"
        yield Problem(i, right, first_hint(hints, general))


# 5. Tokens that never come out ---------------------------------------------------------------------------------------
def _encoded(word: str, merges: list[Pair], made: set[int], fault: str = "") -> list[int]:
    ids = [ord(character) for character in word] if fault == "characters" else list(word.encode())
    for new, pair in enumerate(merges, 256):
        ids = _merged(ids, (pair[0], pair[1]), new)
        made |= set(ids)
    return ids


def _never(corpus: list[str], merges: list[Pair], fault: str = "") -> list[int]:
    seen: set[int] = set()
    made: set[int] = set()
    for word in corpus:
        seen |= set(_encoded(word, merges, made, fault))
    if fault == "made":
        seen = made
    if fault == "inside":
        tokens = [bytes([byte]) for byte in range(256)]
        for left, right in merges:
            tokens.append(tokens[left] + tokens[right])
        seen = {id for id, token in enumerate(tokens) if any(token in word.encode() for word in corpus)}
    first = 0 if fault == "bytes" else 256
    return [id for id in range(first, 256 + len(merges)) if id not in seen]


def _never_cases(rng: np.random.Generator) -> list[Inputs]:
    lo, low, er = (108, 111), (256, 119), (101, 114)
    letters = [(97 + int(a), 97 + int(b)) for a, b in rng.permutation(9)[:8].reshape(4, 2) // 3]
    pairs = list(dict.fromkeys(letters))
    words = ["".join(rng.choice(list("abc"), 6)) for _ in range(3)]
    return [
        (["hers", "hen"], [(104, 101), er]),  # er stands inside and is never made
        (["low", "lower", "slow"], [lo, low, er]),
        (["low", "loer"], [lo, low, er]),
        (["slow", "cat"], [lo, low, er, (99, 97), (259, 116)]),
        (words, [*pairs, (256, 97), (256, 98)]),
        (["很大", "é", "ā"], [(195, 169), (229, 190), (257, 136), (229, 164)]),  # ā is character 257
    ]


@exercise("13.never", "Tokens that never come out", _never_cases)
def _never_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((corpus, merges), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _never(corpus, merges)
        if isinstance(got, dict):
            yield Problem(i, right, "give back a list of ids")
            continue
        found = sorted({int(id) for id in got})
        if found == right:
            continue
        hints = [
            (
                found == _never(corpus, merges, "made"),
                "a token that is made on the way and merged further does not come out: count after all merges",
            ),
            (
                found == _never(corpus, merges, "inside"),
                "a token may stand inside a word and never come out: other merges come first. Encode the words",
            ),
            (found == _never(corpus, merges, "characters"), "the ids below 256 are bytes: `word.encode()`"),
            (found == _never(corpus, merges, "bytes"), "single bytes are no merges: give ids of 256 and more"),
            (
                found == sorted({*range(256, 256 + len(merges))} - {*right}),
                "those are the ids that do come out; asked for are the others",
            ),
            (found == [id - 256 for id in right], "those are places in the list of merges: the id is 256 more"),
        ]
        general = "encode every word with all merges in their order, collect the ids, and see which ones are missing"
        yield Problem(i, right, first_hint(hints, general))
