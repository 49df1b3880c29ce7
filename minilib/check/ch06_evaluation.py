"""Exercises of chapter 06 on scores and decisions: pairs within groups, three actions, another mixture, a report."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


# 1. Pairs within each mailbox ----------------------------------------------------------------------------------------
def _auc_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = [
        (np.array([0.9, 0.1, 0.6, 0.5, 0.3]), np.array([1, 0, 1, 0, 0]), np.array([0, 0, 1, 1, 1])),
        (np.array([0.2, 0.2, 0.7, 0.4]), np.array([1, 0, 1, 0]), np.array([5, 5, 5, 5])),
    ]
    for n in (24, 40):
        box = rng.permutation(np.arange(n) % 4)
        y = rng.permutation(np.arange(n) % 3 == 0).astype(int)
        y[box == 3] = 0  # a mailbox without spam
        y[np.flatnonzero(box == 0)[:2]] = (0, 1)
        cases.append((np.round(rng.uniform(0, 0.6, n) + 0.2 * y + 0.2 * box, 1), y, box))
    return cases


def _pairs(scores: Array, y: Array, tie: float = 0.5) -> tuple[float, int]:
    """How many pairs of a positive and a negative are in order, and how many there are."""
    gap = np.round(scores[y == 1][:, None] - scores[y == 0], 9)
    return float((gap > 0).sum() + tie * (gap == 0).sum()), gap.size


def _within(scores: Array, y: Array, box: Array, tie: float = 0.5) -> list[tuple[float, int]]:
    found = [_pairs(scores[box == k], y[box == k], tie) for k in np.unique(box)]
    return [pair for pair in found if pair[1]]


@exercise("06.auc_within", "In order within each mailbox", _auc_cases)
def _auc_within(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((scores, y, box), got) in enumerate(zip(inputs, outputs, strict=True)):

        def share(tie: float, s: Array = scores, y: Array = y, box: Array = box) -> float:
            right, pairs = np.sum(_within(s, y, box, tie), axis=0)
            return float(right / pairs)

        right, everywhere = share(0.5), _pairs(scores, y)
        each = [a / n for a, n in _within(scores, y, box)]
        if close(got, right):
            continue
        if np.shape(got) != ():
            yield Problem(i, right, "one number is asked for, over the pairs of all mailboxes together")
            continue
        by_size = sum(_pairs(scores[box == k], y[box == k])[0] for k in np.unique(box))
        hints = [
            (close(got, share(1)), "equal scores count as in order: a tie is worth one half"),
            (close(got, share(0)), "equal scores count as wrong: a tie is worth one half"),
            (close(got, 1 - right), "the order is turned round: a spam should score above a genuine mail"),
            (
                close(got, everywhere[0] / everywhere[1]),
                "that is the AUC of all mails: a pair counts only if both mails lie in the same mailbox",
            ),
            (
                close(got, np.mean(each)),
                "that is the mean over mailboxes, which gives a pair in a small one more weight: add up the pairs",
            ),
            (
                close(got, by_size / everywhere[1]),
                "right pairs within a mailbox are divided by all pairs: count below the line the same pairs as above",
            ),
            (close(got, by_size), "that is the number of pairs in order: divide it by the number of pairs"),
        ]
        general = "list the pairs of one mailbox by hand: each spam with each genuine mail, 1, ½ or 0"
        yield Problem(i, right, first_hint(hints, general))


# 2. Three things to do with a mail -----------------------------------------------------------------------------------
def _action_cases(rng: np.random.Generator) -> list[Inputs]:
    grid = np.array([0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.93, 0.97, 0.99])
    return [
        (grid, 3.0, 1.0, 5.0),
        (grid, 20.0, 1.0, 0.2),
        (grid, 3.0, 1.0, 0.6),
        (rng.uniform(0, 1, 40), 15.0, 2.0, 0.7),
    ]


def _bill(p: Array, lost: float, read: float, ask: float) -> Array:
    """What each of the three actions costs on average for each mail (3, N)."""
    return np.array([p * read, np.full(len(p), ask), (1 - p) * lost])


@exercise("06.three_actions", "Ask a person", _action_cases)
def _three_actions(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((p, lost, read, ask), got) in enumerate(zip(inputs, outputs, strict=True)):
        bill = _bill(p, lost, read, ask)
        best = bill.argmin(0)
        if np.shape(got) != p.shape:
            yield Problem(i, best, f"one action for each mail, shape {p.shape}")
            continue
        action = np.asarray(got, float)
        if not np.isin(action, (0, 1, 2)).all():
            yield Problem(i, best, "the actions are 0 (let through), 1 (ask) and 2 (block)")
            continue
        action = action.astype(int)
        if close(bill[action, np.arange(len(p))], bill.min(0)):
            continue

        def is_(other: Array, action: Array = action) -> bool:
            return bool((action == other).all())

        two = np.where(p * read < (1 - p) * lost, 0, 2)
        hints = [
            (is_(_bill(p, read, lost, ask).argmin(0)), "the prices are exchanged: blocking loses a mail with 1 − p"),
            (is_(_bill(1 - p, lost, read, ask).argmin(0)), "p and 1 − p are exchanged: p is the chance of spam"),
            (is_(2 - best), "let through and block are exchanged: 0 lets through, 2 blocks"),
            (is_(two), "nobody is ever asked: compare three costs for each mail, not two"),
            (is_(bill.argmax(0)), "that is the dearest action for each mail"),
            (
                bool(np.isin(action[best != 1], (0, 2)).all() and (action != best)[best == 1].sum() == 0),
                "right where one asks; between letting through and blocking the cheaper of the two is not taken",
            ),
            (
                bool((action == 1)[ask > np.minimum(bill[0], bill[2])].any()),
                "a person is asked where that is not worth the price: ask only if `ask` is the lowest of the three",
            ),
        ]  # fmt: skip
        general = "for one mail: letting through costs p · read on average, blocking (1 − p) · lost, asking `ask`"
        yield Problem(i, best, first_hint(hints, general))


# 3. Another mixture --------------------------------------------------------------------------------------------------
def _mixture_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (np.array([0.05, 0.5, 0.9, 0.99]), 0.5, 0.5),
        (np.array([0.05, 0.5, 0.9, 0.99]), 0.5, 0.1),
        (np.array([0.2, 0.4, 0.8]), 0.4, 0.01),
        (rng.uniform(0.05, 0.95, 6), 0.1, 0.3),
    ]


def _shifted(p: Array, old: float, new: float) -> Array:
    spam, genuine = p * new / old, (1 - p) * (1 - new) / (1 - old)
    return spam / (spam + genuine)


@exercise("06.new_mixture", "The same filter in another mailbox", _mixture_cases)
def _new_mixture(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((p, old, new), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _shifted(p, old, new)
        if close(got, right, 1e-5):
            continue
        if np.shape(got) != p.shape:
            yield Problem(i, right, f"one probability for each mail, shape {p.shape}")
            continue
        odds = p / (1 - p)
        factor = new / old * (1 - old) / (1 - new)
        hints = [
            (close(got, p), "nothing has changed: a filter keeps its ratio of likelihoods, not its probabilities"),
            (
                close(got, p * new / old) or close(got, np.clip(p * new / old, 0, 1)),
                "only the spam side is rescaled: the genuine side changes too, and the two must sum to 1 again",
            ),
            (close(got, _shifted(p, new, old)), "old and new are exchanged: rarer spam must lower the probability"),
            (close(got, odds * factor), "these are the new odds: turn them back, odds / (1 + odds)"),
            (
                close(got, odds * new / old / (1 + odds * new / old)),
                "the odds change by the ratio of the odds, new/(1 − new) to old/(1 − old), not of the shares",
            ),
            (
                close(got, p + new - old) or close(got, np.clip(p + new - old, 0, 1)),
                "shares cannot be shifted by adding: think of 1,000 old mails with this score and reweight them",
            ),
            (close(got, 1 - right), "that is the chance of a genuine mail"),
        ]
        general = "reweight: spam counts new/old times as much, genuine mail (1 − new)/(1 − old); divide by the sum"
        yield Problem(i, right, first_hint(hints, general))


# 6. The piles behind a report ----------------------------------------------------------------------------------------
def _report_cases(rng: np.random.Generator) -> list[Inputs]:
    reports = ((10, 0.75, 0.6, 0.7), (25, 0.83, 0.71, 0.88), (18, 0.9, 0.71, 0.72))
    with_zeros = (3, 0.67, 1.0, 0.67), (4, 1.0, 0.67, 0.75)
    halfway = (8, 0.13, 1.0, 0.13), (8, 0.12, 1.0, 0.12)  # 1/8
    return [*reports, *with_zeros, *halfway, _several(rng)]


def _several(rng: np.random.Generator) -> tuple[int, float, float, float]:
    """A report that more than one set of piles can be behind."""
    while True:
        n, tp, fp, fn = (int(x) for x in rng.integers([50, 20, 1, 1], [61, 36, 5, 5]))
        printed = round(tp / (tp + fp), 2), round(tp / (tp + fn), 2), round((n - fp - fn) / n, 2)
        if len(_possible(n, printed)) > 1:
            return n, *printed


def _possible(n: int, printed: tuple[float, ...], half: float = 0.005, low: float = -0.005) -> set[tuple[int, ...]]:
    found: set[tuple[int, ...]] = set()
    for tp in range(1, n + 1):
        for fp, fn in product(range(n - tp + 1), repeat=2):
            if tp + fp + fn <= n:
                scores = tp / (tp + fp), tp / (tp + fn), (n - fp - fn) / n
                if all(low - 1e-9 <= s - a <= half + 1e-9 for s, a in zip(scores, printed, strict=True)):
                    found.add((n - tp - fp - fn, fp, fn, tp))
    return found


@exercise("06.piles_behind", "The piles behind a report", _report_cases)
def _piles_behind(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((n, *printed), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _possible(n, tuple(printed))
        want = sorted(right) if right else "an empty list: the report contradicts itself"
        rows = [] if isinstance(got, dict) else [tuple(float(x) for x in row) for row in got]
        if isinstance(got, dict) or any(len(row) != 4 for row in rows):
            yield Problem(i, want, "each pile is one of four numbers: (tn, fp, fn, tp)")
            continue
        if set(rows) == right and len(rows) == len(right):
            continue
        answer = {tuple(int(x) for x in row) for row in rows}
        hints = [
            (
                n == 8 and answer < right,
                "1/8 lies halfway between 0.12 and 0.13, and either may be printed: "
                "compare the difference with 0.005, and a trace more",
            ),
            (n < 8 and not answer, "tn, fp and fn may each be 0"),
            (answer == right, "the same piles are listed more than once"),
            (answer == _possible(n, tuple(printed), 0, 0), "a printed 0.67 may be 2/3: allow a difference of 0.005"),
            (
                answer == _possible(n, tuple(printed), 0.01 - 1e-6, 0),
                "0.83 is printed for 5/6 = 0.8333, but also for 0.8261: printing rounds, it does not cut off",
            ),
            (bool(rows) and all(sum(row) != n for row in rows), f"the four piles must sum to {n}"),
            (
                {(a, c, b, d) for a, b, c, d in answer} == right,
                "fp and fn are exchanged: precision looks at what was called spam, tp/(tp + fp)",
            ),
            ({row[::-1] for row in answer} == right, "the order is (tn, fp, fn, tp)"),
            (not right, "no piles print these three numbers: then the list is empty"),
            (answer > right, "some of these print another precision, recall or accuracy: all three must fit"),
            (bool(answer) and answer < right, "some are missing: try every tp, fp and fn"),
        ]
        general = "for every tp, fp, fn compute the three scores; each may be 0.005 away from the one printed"
        yield Problem(i, want, first_hint(hints, general))
