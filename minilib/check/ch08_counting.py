"""Exercises of chapter 08 on counting: bits without padding, Kneser–Ney, a choice among three models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


# 1. Bits, without the padding ----------------------------------------------------------------------------------------
def _bits_cases(rng: np.random.Generator) -> list[Inputs]:
    cases = []
    for B, T, V in ((4, 6, 5), (1, 3, 4), (7, 9, 27)):
        scores = rng.standard_normal((B, T, V))
        log_p = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
        lengths = rng.integers(1, T - 1, B)
        if B > 1:
            lengths[:2] = 1, T - 1  # names of very different lengths
        cases.append((log_p, rng.integers(0, V, (B, T)), lengths))
    return cases


@exercise("08.bits_of_batch", "Bits, without the padding", _bits_cases)
def _bits(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((log_p, targets, lengths), got) in enumerate(zip(inputs, outputs, strict=True)):
        B, T, _ = log_p.shape
        bits = -log_p[np.arange(B)[:, None], np.arange(T), targets] / np.log(2)
        real = np.arange(T) <= lengths[:, None]
        right = bits[real].mean()
        if close(got, right):
            continue
        if np.shape(got) != ():
            yield Problem(i, right, "give back one number for the whole batch")
            continue
        letters = np.arange(T) < lengths[:, None]
        by_name = (bits * real).sum(1) / real.sum(1)
        hints = [
            (close(got, right * np.log(2)), "that is in nats: one bit is ln 2 = 0.693 nats, so divide by ln 2"),
            (close(got, -right), "the sign is turned: a surprise is minus the logarithm of a probability"),
            (close(got, bits.mean()), "the padding was counted too: only the first lengths + 1 places are real"),
            (close(got, (bits * real).mean()), "divided by all B · T places; divide by the number of real predictions"),
            (close(got, bits[letters].mean()), "the end of each name is a prediction too: lengths + 1 of them"),
            (
                close(got, (bits * real).sum() / lengths.sum()),
                "the ends were added up but not counted: divide by all predictions, lengths + 1 for each name",
            ),
            (
                close(got, by_name.mean()),
                "the mean of the names' means: a short name then counts as much as a long one",
            ),
            (close(got, (bits * real).sum() / B), "that is bits for each name; divide by predictions, not by names"),
            (close(got, right * np.log(2) / np.log(10)), "base 10: a bit is a logarithm to base 2"),
        ]
        general = (
            "pick the log-probability of each target, keep the first lengths + 1 of a row, average, minus, by ln 2"
        )
        yield Problem(i, right, first_hint(hints, general))


# 2. A table that has never seen everything ---------------------------------------------------------------------------
def _kn_cases(rng: np.random.Generator) -> list[Inputs]:
    cases = []
    for V, N, d in ((4, 12, 0.75), (6, 40, 0.5), (9, 60, 0.9)):
        first, second = rng.integers(0, V - 1, N), rng.integers(0, V, N)  # the last symbol never comes first
        second[: N // 3], first[: N // 3] = 1, 0  # a frequent pair: behind one symbol only
        second[N // 3 :][second[N // 3 :] == 1] = 2
        cases.append((np.stack([first, second], 1), V, d))
    return cases


def _kn(pairs: Array, V: int, d: float, fault: str = "") -> Array:
    counts = np.zeros((V, V))
    np.add.at(counts, (pairs[:, 0], pairs[:, 1]), 1)
    if fault == "turned":
        counts = counts.T
    seen = counts > 0
    back = seen.sum(0) / seen.sum()
    if fault == "raw":
        back = counts.sum(0) / counts.sum()
    if fault == "uniform":
        back = np.full(V, 1 / V)
    if fault == "behind":
        back = seen.sum(1) / seen.sum()
    total = counts.sum(1, keepdims=True)
    taken = d * seen.sum(1, keepdims=True)
    if fault == "one d":
        taken = np.full_like(taken, d)
    kept = np.where(seen, counts - d, 0)
    if fault == "below zero":
        kept = counts - d
    if fault == "kept":
        kept = counts
    if fault == "lost":
        taken = 0 * taken
    return np.where(total > 0, (kept + taken * back) / np.maximum(total, 1), 0 if fault == "empty" else back)


@exercise("08.kneser_ney", "A table that has never seen everything", _kn_cases)
def _kneser_ney(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((pairs, V, d), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _kn(pairs, V, d)
        if close(got, right):
            continue
        if np.shape(got) != (V, V):
            yield Problem(i, right, f"give back a table of shape ({V}, {V})")
            continue
        found = np.asarray(got, float)

        def like(fault: str, found: Array = found, pairs: Array = pairs, V: int = V, d: float = d) -> bool:
            return close(found, _kn(pairs, V, d, fault))

        unseen = ~np.isin(np.arange(V), pairs[:, 0])
        hints = [
            (close(found, right.T), "rows and columns are exchanged: row a says what follows a"),
            (like("turned"), "the pairs are counted the wrong way round: the first of a pair is what came before"),
            (
                like("raw"),
                "the fall-back counts how often a symbol came; count behind how many different ones it stands",
            ),
            (like("uniform"), "the fall-back is the same for all symbols; give each its share of the different pairs"),
            (like("behind"), "the fall-back counts what follows each symbol; count what each symbol follows"),
            (like("one d"), "d was taken from every pair that was seen, so the row's weight is d times their number"),
            (like("below zero"), "d was taken from pairs that never came, too: their count falls below zero"),
            (like("kept"), "what is given to the fall-back must first be taken from the counts: the rows exceed 1"),
            (like("lost"), "d was taken from the counts and given to nobody: the rows no longer sum to 1"),
            (
                not np.isfinite(found[unseen]).all() or like("empty"),
                "a symbol that never came first has no counts to divide by: its row is the fall-back itself",
            ),
            (not np.allclose(found.sum(1), 1), f"the rows sum to {found.sum(1).round(2)}; probabilities must sum to 1"),
        ]
        general = "(counts − d where seen + d · different pairs of the row · fall-back) / the row's total"
        yield Problem(i, right, first_hint(hints, general))


# 8. Pick the memory --------------------------------------------------------------------------------------------------
NEEDS = {"table": 2700, "window": 41, "lstm": 38}
SEES = {"table": 6.0, "window": 5.0, "lstm": np.inf}


def _pick_cases(rng: np.random.Generator) -> list[Inputs]:
    def losses(*bits: float) -> dict[str, float]:
        return dict(zip(NEEDS, (round(b + float(rng.uniform(0, 0.02)), 3) for b in bits), strict=True))

    def drawn() -> tuple[int, int, bool, dict[str, float]]:
        memory, far = int(rng.choice([40, 64, 2700, 8000])), int(rng.choice([3, 5, 6, 9]))
        return memory, far, bool(rng.random() < 0.3), losses(*rng.permutation([3.0, 3.1, 3.2]))

    second = [
        (40, 5, True, losses(3.0, 3.1, 3.2)),
        (45, 5, False, losses(3.0, 3.1, 3.2)),
        (30, 3, False, losses(3.0, 3.1, 3.2)),
        (2700, 6, True, losses(3.4, 3.1, 3.0)),
        (9000, 3, False, losses(3.4, 3.0, 3.2)),
        *(drawn() for _ in range(5)),
    ]
    return [
        (
            [
                (8000, 6, False, losses(3.05, 3.12, 3.09)),  # a server, names
                (64, 6, False, losses(3.05, 3.12, 3.09)),  # a watch, names
                (8000, 60, False, losses(2.40, 2.45, 2.48)),  # codes with a check digit far ahead
                (8000, 5, True, losses(3.30, 3.12, 3.09)),  # people who may ask to be forgotten
            ],
        ),
        ([second[k] for k in rng.permutation(len(second))],),
    ]


def _pick(products: list[Any], memory: bool = True, reach: bool = True, demand: bool = True) -> list[str]:
    chosen = []
    for kilobytes, far, on_demand, losses in products:
        fit = [
            name
            for name in NEEDS
            if (NEEDS[name] <= kilobytes or not memory)
            and (SEES[name] >= far or not reach)
            and (name == "table" or not on_demand or not demand)
        ]
        chosen.append(min(fit, key=losses.__getitem__) if fit else "none")
    return chosen


@exercise("08.pick_memory", "Pick the memory", _pick_cases)
def _pick_memory(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((products,), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _pick(products)
        said = [str(x) for x in got] if isinstance(got, list | tuple | np.ndarray) else []
        if said == right:
            continue
        if len(said) != len(products):
            yield Problem(i, right, f"give back a list of {len(products)} names, one for each product")
            continue
        known = {*NEEDS, "none"}
        wrong = next((x for x in said if x not in known), "")
        worst = [max(losses, key=losses.__getitem__) for *_, losses in products]
        hints = [
            (bool(wrong), f'"{wrong}" is no candidate: the names are table, window, lstm and none'),
            (
                said == _pick(products, False, False, False),
                "the lowest loss alone decides; three conditions come first",
            ),
            (said == _pick(products, memory=False), "a model was taken that does not fit into the product's memory"),
            (said == _pick(products, reach=False), "a model was taken that cannot look back far enough"),
            (
                said == _pick(products, demand=False),
                "a network was taken where people may ask to be forgotten the same day",
            ),
            (said == worst, "the highest loss was taken; fewer bits are better"),
            (len(set(said)) == 1, "one model for all products: go through the conditions of each"),
        ]
        at = next(k for k, (a, b) in enumerate(zip(said, right, strict=True)) if a != b)
        general = f"look at product {at + 1} again: what fits, reaches, may forget, and of these has the fewest bits?"
        yield Problem(i, right, first_hint(hints, general))
