"""Exercises of chapter 01 on splits: whole groups, copies, near-copies, a data sheet, a decision."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


# 1. Split by group ----------------------------------------------------------------------------------------------------
BIG, SEEDS = 100, range(10, 18)


def _split_cases(rng: np.random.Generator) -> list[Inputs]:
    groups = rng.permutation(np.repeat(np.arange(18) * 10, 2 * [4, 1, 6, 2, 3, 5, 1, 2, 6]))
    # each seed twice: the same seed must give the same split
    cases: list[Inputs] = [(groups, 8, seed) for seed in (0, 0, 1, 2, 3, 4)] + [(np.arange(12), 5, 7)]
    # one group of many rows among forty of one row: a fair draw takes it 3 times in 41
    lopsided = rng.permutation(np.concatenate([np.full(BIG, 7), np.arange(100, 140)]))
    return cases + [(lopsided, 3, seed) for seed in SEEDS]


def _walked(groups: Array, order: Array, rows: int) -> Array:
    """The mask if the groups are drawn in this order, in which one may stand more than once."""
    test = np.zeros(len(groups), bool)
    for group in order:
        test |= (groups == group) & (test.sum() < rows)
    return test


@exercise("01.split_by_group", "Split by group", _split_cases)
def _split(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    masks: list[Array] = []
    for i, ((groups, rows, _), got) in enumerate(zip(inputs, outputs, strict=True)):
        if np.shape(got) != groups.shape or not np.isin(got, (0, 1)).all():
            yield Problem(i, f"a mask of {len(groups)} values", "one True or False for each row: is it for testing?")
            return
        test = np.asarray(got).astype(bool)
        masks.append(test)
        torn = sorted(set(groups[test].tolist()) & set(groups[~test].tolist()))
        sizes = [int((groups == g).sum()) for g in set(groups[test].tolist())]
        rest = [int((groups == g).sum()) for g in set(groups[~test].tolist())]
        turned = sum(rest) >= rows > sum(rest) - max(rest, default=0)
        if torn:
            yield Problem(i, "each group on one side", f"group {torn[0]} is on both sides: draw groups, not rows")
        elif test.sum() < rows or (test.sum() - max(sizes) >= rows):
            few = "too few test rows: go on drawing groups until there are `rows` of them"
            many = "too many test rows: stop as soon as there are `rows` of them"
            hints = [(turned, "the mask is turned round: True marks a test row"), (bool(test.sum() < rows), few)]
            yield Problem(i, f"{rows} test rows, and not one group more than it takes", first_hint(hints, many))
    if (masks[0] != masks[1]).any():
        yield Problem(1, masks[0], "the same seed gave another split: make the generator from the seed, inside")
    if all((mask == masks[0]).all() for mask in masks[:6]):
        yield Problem(2, "another split for another seed", "every seed gives the same split: the order of the groups "
                      "must come from the generator")  # fmt: skip
    unfair = inputs[-len(SEEDS) :]
    drawn = sum(mask.sum() >= BIG for mask in masks[-len(SEEDS) :])
    if drawn > len(SEEDS) // 2:
        by_rows = [
            _walked(groups, np.random.default_rng(seed).permutation(groups), rows) for groups, rows, seed in unfair
        ]
        mistake = all((mask == other).all() for mask, other in zip(masks[-len(SEEDS) :], by_rows, strict=True))
        hints = [(mistake, "permutation(groups) shuffles the rows, so a group of many rows comes early: shuffle the "
                  "list of the different groups")]  # fmt: skip
        general = f"a group of {BIG} rows among 40 of one row was drawn for {drawn} of {len(SEEDS)} seeds: each group "
        general += "must have the same chance, however many rows it has"
        yield Problem(len(inputs) - 1, "each group with the same chance", first_hint(hints, general))


# 3. Count the copies --------------------------------------------------------------------------------------------------
def _seen_cases(rng: np.random.Generator) -> list[Inputs]:
    train = ["Good room!", "bad bed", "ＯＫ", "so-so"]
    lots = ["good room", "GOOD  ROOM...", "Bad bed", "ok", "fine", "so so", "never again", *3 * ["bad bed"]]
    more, new = rng.choice(lots, rng.integers(0, 9)).tolist(), int(rng.integers(1, 10))
    return [
        (train, rng.permutation(lots + more).tolist()),
        (train, ["bad bed"] * (new + int(rng.integers(1, 20))) + ["new"] * new),
        (train, ["new", "newer"]),
        (["Straße"], ["STRASSE", "strasse"]),
        # until NFKC has taken them apart, bold letters are not folded and the sign ㎏ is no letter
        (["ok", "5 kg", "cold"], ["𝐎𝐊", "5 ㎏", "5 ㎏", "too cold"]),
    ]


def _kept(words: str) -> str:
    return "".join(c for c in words if c.isalnum())


def _wide(words: str) -> str:
    return unicodedata.normalize("NFKC", words)


def _plain(words: str) -> str:
    return _kept(_wide(words).casefold())


def _share(
    train: list[str], test: list[str], form: Callable[[str], str], known: Callable[[str], str] | None = None
) -> float:
    stored = {(known or form)(one) for one in train}
    return sum(form(one) in stored for one in test) / len(test)


def _texts_shared(train: list[str], test: list[str], of: str) -> float:
    parts = {name: {_plain(one) for one in part} for name, part in (("train", train), ("test", test))}
    return len(parts["train"] & parts["test"]) / len(parts[of])


def _by(form: Callable[[str], str], known: Callable[[str], str] | None = None) -> Callable[..., float]:
    return lambda train, test: _share(train, test, form, known)


UNTOUCHED = "compared as they are written: normalise both sides first"
ONE_SIDE = "only one side was normalised: both the training and the test texts must be"
# what each mistake computes, and its hint
SEEN_MISTAKES: list[tuple[Callable[..., float], str]] = [
    (lambda train, test: 100 * _share(train, test, _plain), "a share lies between 0 and 1: leave out the factor 100"),
    (lambda train, test: _texts_shared(train, test, "test"), "each different text was counted once: a row that comes "
     "three times is three rows of the test"),
    (lambda train, test: _texts_shared(train, test, "train"), "divided by the training texts: it is the test that is "
     "asked about"),
    (_by(str), UNTOUCHED),
    (_by(str.strip), UNTOUCHED),
    (_by(_plain, str), ONE_SIDE),
    (_by(str, _plain), ONE_SIDE),
    (_by(lambda one: _kept(one.casefold())), "full-width letters were taken for others: unicodedata.normalize('NFKC', "
     "...) first"),
    (_by(lambda one: _kept(_wide(one).lower())), "lower() keeps the German ß apart from ss: casefold() does not"),
    (_by(lambda one: _kept(_wide(one))), "capitals were taken for other letters: casefold() after NFKC"),
    (_by(lambda one: _wide(one).casefold()), "blanks and marks still count: keep letters and digits alone (isalnum)"),
    (_by(lambda one: _kept(_wide(one.casefold()))), "casefold came before NFKC: letters that NFKC makes, as from a "
     "bold 𝐎𝐊, keep their capitals; NFKC first"),
    (_by(lambda one: _wide(_kept(one)).casefold()), "letters and digits were picked before NFKC: what it takes apart, "
     "such as ㎏, was lost as a mark; NFKC first"),
    (_by(lambda one: _wide(_kept(one.casefold()))), "NFKC came last: it makes new letters and marks, so it must come "
     "first"),
]  # fmt: skip


@exercise("01.seen_share", "Count the copies", _seen_cases)
def _seen(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    rights = [_by(_plain)(*case) for case in inputs]
    for i, (got, right) in enumerate(zip(outputs, rights, strict=True)):
        if not close(got, right):
            hints = [
                (all(close(out, does(*case)) for case, out in zip(inputs, outputs, strict=True)), hint)
                for does, hint in SEEN_MISTAKES
            ]
            yield Problem(i, right, first_hint(hints, "normalise both sides (NFKC, casefold, only letters and digits), "
                                               "then count the test rows that stand in training"))  # fmt: skip


# 7. Near-copies -------------------------------------------------------------------------------------------------------
CHAIN = ["the room was clean", "the room was cleaned", "the rooms was cleaned", "bad food", "bad food!", "x", "x", "yz"]


def _copies_cases(rng: np.random.Generator) -> list[Inputs]:
    order = rng.permutation(len(CHAIN))
    mixed = [CHAIN[k] for k in order]
    return [(CHAIN, 3, 0.85), (CHAIN, 3, 0.7), (mixed, 2, 0.88), (["aaaa", "aaaaaaa", "bcd"], 2, 0.9)]


def _pieces(one: str, n: int) -> set[str]:
    return {one[i : i + n] for i in range(len(one) - n + 1)} or {one}


def _groups(texts: list[str], n: int, limit: float, chain: bool = True, over: str = "union") -> list[int]:
    """The number of the group's first text for each text."""
    cut = [_pieces(one, n) for one in texts]
    number = list(range(len(texts)))
    for i in range(len(texts)):
        for j in range(i):
            sizes = {"union": len(cut[i] | cut[j]), "smaller": min(len(cut[i]), len(cut[j]))}
            if len(cut[i] & cut[j]) >= limit * sizes[over]:
                low, high = sorted((number[i], number[j]))
                number = [low if k == high else k for k in number] if chain else number
                number[i] = number[i] if chain else min(number[i], j)
    return number


def _canonical(got: Any) -> list[int]:
    names = [str(x) for x in np.asarray(got).ravel().tolist()]
    return [names.index(name) for name in names]


@exercise("01.near_copies", "Near-copies belong together", _copies_cases)
def _copies(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((texts, n, limit), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _canonical(_groups(texts, n, limit))
        if np.shape(got) != (len(texts),):
            yield Problem(i, right, f"give back one group number for each of the {len(texts)} texts")
            continue
        mine = _canonical(got)
        if mine == right and np.asarray(got).dtype.kind in "iu":
            continue
        exact = [texts.index(one) for one in texts]
        hints = [
            (mine == right, "the groups are right; number them with whole numbers"),
            (mine == exact, "only exact copies were joined: compare the sets of pieces"),
            (mine == _canonical(_groups(texts, n, limit, over="smaller")), "divided by the smaller set: the likeness "
             "is the shared pieces divided by all pieces of either text"),
            (mine == _canonical(_groups(texts, n, limit, chain=False)), "a chain was cut: if A is like B and B is "
             "like C, all three are one group, though A and C may differ"),
            (len(set(mine)) > len(set(right)), "too many groups: two like texts, or the two ends of a chain, were "
             "kept apart"),
            (len(set(mine)) < len(set(right)), "too few groups: texts were joined that are less alike than the limit"),
        ]  # fmt: skip
        yield Problem(i, right, first_hint(hints, "the numbers of groups agree, their members do not"))


# 8. Read the data sheet -----------------------------------------------------------------------------------------------
SHEET = {"A": "copies", "B": "person", "C": "time", "D": "prepared", "E": "answer", "F": "none"}
WHY = {
    "A": "the same picture was sent by several shops: what sits twice in the file sits on both sides of the split",
    "B": "ten recordings of each person: a model can recognise the voice instead of the illness",
    "C": "it predicts Monday from the Tuesday after it: in use the future is not there",
    "D": "means and limits came from all rows, before the split: the test helped to prepare itself",
    "E": "the column is filled in after the event that it should predict: it contains the answer",
    "F": "few rows make a shaky number, not a leaking one: nothing passes from the test to the training",
}


@exercise("01.data_sheet", "Read the data sheet", once, letters="ABCDEF")
def _sheet(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    got = outputs[0]
    if not isinstance(got, dict) or set(got) != set(SHEET):
        yield Problem(0, "a dictionary with the keys A to F", "one word for each of the six lines, A to F")
        return
    for line, word in SHEET.items():
        if got[line] not in SHEET.values():
            yield Problem(0, sorted(SHEET.values()), f"{line}: choose one of the six words")
        elif got[line] != word:
            yield Problem(0, f"another word for {line}", f"{line}: {WHY[line]}")


# 9. Ship or not -------------------------------------------------------------------------------------------------------
def _ship_cases(rng: np.random.Generator) -> list[Inputs]:
    models = {"short": (0.87, 0.78, 0.002), "long": (0.93, 0.72, 0.001), "big": (0.95, 0.80, 0.06)}
    return [
        (models, 0.77, 0.0, 1000, 0.5),
        (models, 0.77, 0.95, 1000, 0.5),  # nearly all users repeat themselves
        (models, 0.77, 0.3, 2000, 5.0),  # an error is dear: the big one pays
        (models, 0.6, round(float(rng.uniform(0.1, 0.3)), 2), int(rng.integers(300, 900)), 0.4),
    ]


def _costs(case: Inputs, use: str = "both", error: bool = True, run: bool = True) -> dict[str, float]:
    models, copies, repeats, n, price = case
    costs = {}
    for name, (score, new, running) in models.items():
        seen = (score - (1 - copies) * new) / copies
        right = {"both": repeats * seen + (1 - repeats) * new, "new": new, "paper": score}[use]
        costs[name] = n * (1 - right) * price * error + n * running * run
    return costs


@exercise("01.ship", "Ship or not", _ship_cases)
def _ship(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        costs = _costs(case)
        best = min(costs, key=lambda name: costs[name])
        right = [best, round(costs[best], 2)]
        if not isinstance(got, list | tuple) or len(got) != 2 or got[0] not in costs:
            yield Problem(i, right, f"give back a name and a number; the names are {', '.join(costs)}")
            continue
        if got[0] == best and close(got[1], costs[best], 1e-6, 0.01):
            continue
        models, _, repeats, n, price = case

        def is_(other: dict[str, float], got: Any = got) -> bool:
            return close(got[1], other[got[0]], 1e-6, 0.01)

        mixed = {m: n * (1 - repeats * a - (1 - repeats) * b) * price + n * c for m, (a, b, c) in models.items()}
        hints = [
            (is_(costs), "the cost is right, the choice is not: take the model whose day costs least"),
            (is_(_costs(case, "paper")), "the score on paper was used: in use the share of repeats is another"),
            (is_(mixed), "the score on paper is no accuracy on seen texts: it is a mixture already; solve it for the "
             "seen part"),
            (is_(_costs(case, "new")), "all requests were taken as new: a share of them repeats"),
            (is_(_costs(case, run=False)), "the price of running is missing: it is paid for every request"),
            (is_(_costs(case, error=False)), "the errors cost nothing in yours: each costs its price"),
            (close(got[1], costs[best] / n, 1e-6, 1e-5), "that is the cost of one request: a day has n of them"),
        ]  # fmt: skip
        yield Problem(i, right, first_hint(hints, "cost of a day: n times (share of errors in use times the price of "
                                           "an error, plus the price of running)"))  # fmt: skip
