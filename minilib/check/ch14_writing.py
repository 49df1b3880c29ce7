"""Exercises of chapter 14 on writing: a cache mended, turned queries, top-p, what is copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


def by_all(inputs: list[Inputs], outputs: list[Any], wrong: Callable[..., Any]) -> bool:
    """Whether a wrong answer explains the outputs of every case: in one alone, two mistakes may look alike."""
    return all(close(got, wrong(*case)) for case, got in zip(inputs, outputs, strict=True))


# 2. Mend the cache ---------------------------------------------------------------------------------------------------
def _turned(x: Array, places: Array) -> Array:
    z = (x[:, 0::2] + 1j * x[:, 1::2]) * np.exp(
        1j * np.outer(places, 10_000.0 ** (-np.arange(0, x.shape[1], 2) / x.shape[1]))
    )
    out = np.empty_like(x)
    out[:, 0::2], out[:, 1::2] = z.real, z.imag
    return out


def _in_parts(q: Array, k: Array, v: Array, parts: list[int], faults: frozenset[str] = frozenset()) -> Array:
    """Attention fed in parts; what a fault changes is what the usual mistakes change."""
    keys, values, rows, seen = np.empty((0, k.shape[1])), np.empty((0, v.shape[1])), [], 0
    for n in parts:
        places = np.arange(n) + (0 if "restart" in faults else seen)
        new = slice(seen, seen + n)
        keys = np.concatenate([keys, _turned(k[new], places)])
        values = np.concatenate([values, v[new]])
        scores = _turned(q[new], places) @ keys.T / np.sqrt(q.shape[1])
        past = 0 if "mask" in faults else seen
        look = np.tril(np.ones(scores.shape), past)
        if "open" in faults:
            look = np.ones(scores.shape)
        weights = np.where(look > 0, np.exp(scores - scores.max(1, keepdims=True)), 0)
        rows.append(weights / weights.sum(1, keepdims=True) @ values)
        seen += n
    return np.concatenate(rows)


def _cache_cases(rng: np.random.Generator) -> list[Inputs]:
    return [(*rng.normal(size=(3, sum(parts), 8)), parts) for parts in ([2, 1], [1, 1, 1, 1], [7, 1, 1], [3, 4, 2])]


@exercise("14.cache", "Mend the cache", _cache_cases)
def _cache(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        frozenset({"restart", "mask"}): "two faults: each part begins at place 0 again, and its mask forgets the past",
        frozenset({"restart"}): "each part begins at place 0 again: its first place is the number of rows before it",
        frozenset(
            {"mask"}
        ): "the mask of a later part must let all of the past be seen: its triangle begins further right",
        frozenset({"open"}): "within a part, a row now sees those behind it: the triangle is moved, not left out",
        frozenset(
            {"restart", "open"}
        ): "a row may not see those behind it in its part, and places go on where they ended",
    }
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        expected = _in_parts(*case)
        if close(got, expected):
            continue
        hints = [(by_all(inputs, outputs, partial(_in_parts, faults=f)), hint) for f, hint in told.items()]
        general = (
            "it must give what one part with all rows gives: compare row after row, and find the first that differs"
        )
        yield Problem(i, expected, first_hint(hints, general))


# 3. Turn by halves ---------------------------------------------------------------------------------------------------
def _halves_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (np.array([[1.0, 0.0]]), np.array([2])),
        (rng.normal(size=(3, 4)), np.array([0, 1, 5])),
        (rng.normal(size=(5, 8)), np.array([7, 8, 9, 100, 3])),
    ]


def _halves(x: Array, places: Array, kind: str = "") -> Array:
    half = x.shape[1] // 2
    pair = np.zeros(half) if kind == "one speed" else np.arange(half)
    if kind == "slow":
        pair = pair / 2
    angles = np.outer(places + (kind == "from one"), 10_000.0 ** (-2 * pair / x.shape[1]))
    if kind == "back":
        angles = -angles
    cos, sin = np.cos(angles), np.sin(angles)
    if kind == "neighbours":
        out = np.empty_like(x)
        out[:, 0::2] = x[:, 0::2] * cos - x[:, 1::2] * sin
        out[:, 1::2] = x[:, 0::2] * sin + x[:, 1::2] * cos
        return out
    a, b = x[:, :half], x[:, half:]
    return np.concatenate([a * cos - b * sin, a * sin + b * cos], 1)


@exercise("14.halves", "Turn by halves", _halves_cases)
def _halves_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "neighbours": "these are pairs of neighbours; here number i belongs to number i + K/2",
        "one speed": "every pair turned at the same speed: pair i turns by 10,000^(−2i/K) radians a place",
        "slow": "the speeds fall too slowly: in pair i the exponent is −2i/K, with i from 0 to K/2 − 1",
        "back": "turned the wrong way: from (1, 0) by a small angle the second number becomes positive",
        "from one": "place 0 is not turned at all",
    }
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        expected = _halves(*case)
        if close(got, expected):
            continue
        hints = [(by_all(inputs, outputs, partial(_halves, kind=kind)), hint) for kind, hint in told.items()]
        x = np.asarray(case[0])
        kept = np.shape(got) == x.shape and close(np.linalg.norm(got, axis=1), np.linalg.norm(x, axis=1))
        general = "a turn changes no length: new a = a cos − b sin, new b = a sin + b cos"
        if kept:
            general = "the lengths are right: look at which two numbers make a pair, and at the angle of each"
        yield Problem(i, expected, first_hint(hints, general))


# 4. Mend top-p -------------------------------------------------------------------------------------------------------
def _top_p_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (np.array([0.1, 0.5, 0.4]), 0.6),
        (np.array([0.9, 0.06, 0.04]), 0.5),
        (np.array([0.25, 0.5, 0.25 - 1e-4, 1e-4]), 1.0),
        (np.array([0.5, 0.25, 0.25]), 0.5),
        (rng.dirichlet(np.ones(20)), 0.8),
        (rng.dirichlet(np.ones(8)), 0.01),
    ]


def _top_p(p: Array, top: float, kind: str = "") -> Array:
    order = np.argsort(-p, kind="stable")
    if kind == "rising":
        order = order[::-1]
    total = np.cumsum(p[order])
    keep = total <= top if "drops" in kind else total - p[order] < top
    if kind == "at most":
        keep = total - p[order] <= top
    if kind == "one more":
        keep = np.concatenate([[True], keep[:-1]])
    out = np.zeros_like(p)
    chosen = order[keep]
    if kind == "unsorted":
        chosen = np.flatnonzero(keep)
    out[chosen] = p[chosen]
    return out if "sum" in kind or not out.any() else out / out.sum()


@exercise("14.top_p", "Mend top-p", _top_p_cases)
def _top_p_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "drops, sum": "two faults: the token with which p is reached is dropped, and the rest does not add up to 1",
        "sum": "what is kept must be divided by its sum: probabilities of what is left add up to 1",
        "drops": "the token with which the sum reaches p is dropped, and sometimes all are: it belongs to the set",
        "unsorted": "the places are those in the sorted list, not in the vocabulary: go back through the order",
        "rising": "that keeps the least likely ones: sort from the likeliest down",
        "one more": "one too many: the set ends with the token with which p is reached",
        "at most": "what is reached exactly is reached: nothing more belongs to the set",
    }
    for i, ((p, top), got) in enumerate(zip(inputs, outputs, strict=True)):
        expected = _top_p(p, top)
        if close(got, expected):
            continue
        hints = [(by_all(inputs, outputs, partial(_top_p, kind=kind)), hint) for kind, hint in told.items()]
        total = float(np.nansum(np.asarray(got, float)))
        hints.append((np.shape(got) == p.shape and not close(total, 1.0), "the result does not add up to 1"))
        general = "the fewest tokens, the likeliest first, that reach p together; the others 0; then divide by the sum"
        yield Problem(i, expected, first_hint(hints, general))


# 5. How much is copied? ----------------------------------------------------------------------------------------------
def _copied_cases(rng: np.random.Generator) -> list[Inputs]:
    source = "when shall we three meet again in thunder lightning or in rain when the hurlyburly is done "
    letters = np.array(list("abcde"))
    drawn = "".join(rng.choice(letters, 400))
    long, own, short = (int(n) for n in rng.integers([26, 50, 15], [46, 80, 26]))
    text = drawn[40 : 40 + long] + "".join(rng.choice(letters, own)) + drawn[200 : 200 + short]
    strangers = ["".join(rng.choice(letters, 108)) for _ in range(4)]
    return [
        ("we three meet at noon in rain", source, ["three days of rain", "again and again"]),
        ("nothing shared: xyz", source, ["when shall it be"]),
        ("thunder lightning", source, ["some lightning"]),
        ("abcde-xyz-fghi", "abcdefghij", ["abcde!", "zz"]),
        (text, drawn, strangers),
    ]


def _lengths(text: str, source: str) -> list[int]:
    found, n = [], 0
    for i in range(len(text)):
        n = max(n - 1, 0)
        while i + n < len(text) and text[i : i + n + 1] in source:
            n += 1
        found.append(n)
    return found


def _copied(text: str, source: str, strangers: list[str], kind: str = "") -> float:
    base = float(max(max(_lengths(other, source), default=0) for other in strangers))
    if kind == "no baseline":
        base = 0
    if kind in ("mean", "shortest"):
        lengths = [max(_lengths(other, source), default=0) for other in strangers]
        base = float(np.mean(lengths) if kind == "mean" else min(lengths))
    if kind == "equal":
        base -= 1
    marked = np.zeros(len(text), bool)
    for i, n in enumerate(_lengths(text, source)):
        if n > base:
            marked[i : i + (1 if kind == "starts" else n)] = True
    return float(marked.sum() if kind == "count" else marked.mean())


@exercise("14.copied", "How much is copied?", _copied_cases)
def _copied_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "starts": "only the first characters of the pieces were counted: every character of a copied piece is copied",
        "no baseline": "every shared letter counts: only pieces longer than what strangers share are evidence",
        "equal": "a piece as long as a stranger's is no evidence: it must be longer",
        "mean": "the baseline is the longest piece of all strangers, not the shortest or the mean of theirs",
        "shortest": "the baseline is the longest piece of all strangers, not the shortest or the mean of theirs",
        "count": "a share of the characters was asked for, not how many",
    }
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        expected = _copied(*case)
        if close(got, expected):
            continue
        hints = [(by_all(inputs, outputs, partial(_copied, kind=kind)), hint) for kind, hint in told.items()]
        text, source, _ = case
        longest = max(_lengths(text, source))
        hints.append((close(got, longest / len(text)), "that is the longest piece alone; there may be several"))
        general = "mark the characters of every piece that stands in the source and is longer than any stranger's"
        yield Problem(i, expected, first_hint(hints, general))
