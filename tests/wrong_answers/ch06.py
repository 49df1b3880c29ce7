"""Typical wrong answers to the exercises of chapter 06, and what each must be told."""

from __future__ import annotations

import numpy as np


def _auc(scores, y, box, tie=0.5):
    right = pairs = 0
    for k in np.unique(box):
        s, t = scores[box == k], y[box == k]
        gap = s[t == 1][:, None] - s[t == 0]
        right += (gap > 0).sum() + tie * (gap == 0).sum()
        pairs += gap.size
    return right, pairs


def _share(*arguments, **options):
    right, pairs = _auc(*arguments, **options)
    return right / pairs


def all_mails(scores, y, box):
    return _share(scores, y, 0 * box)


def mean_of_boxes(scores, y, box):
    parts = [_auc(scores[box == k], y[box == k], box[box == k]) for k in np.unique(box)]
    return float(np.mean([a / n for a, n in parts if n]))


def over_all_pairs(scores, y, box):
    return _auc(scores, y, box)[0] / ((y == 1).sum() * (y == 0).sum())


def _costs(p, lost, read, ask):
    return np.array([p * read, np.full(len(p), ask), (1 - p) * lost])


def never_asks(p, lost, read, ask):
    return np.where(p * read < (1 - p) * lost, 0, 2)


def asks_in_doubt(p, lost, read, ask):
    return np.where((p > 0.1) & (p < 0.9), 1, never_asks(p, lost, read, ask))


def never_in_doubt(*prices):
    best = _costs(*prices).argmin(0)
    return np.where(best == 1, 0, best)


def half_or_ask(p, lost, read, ask):
    best = _costs(p, lost, read, ask).argmin(0)
    return np.where(best == 1, 1, np.where(p < 0.999, 0, 2))


def at_the_half(p, lost, read, ask):
    return np.where(p < 0.5, 0, 2)


def _odds(p, old, new, ratio):
    odds = p / (1 - p) * ratio
    return odds / (1 + odds)


def _reweighted(p, old, new):
    return _odds(p, old, new, new / old * (1 - old) / (1 - new))


def new_odds(p, old, new):
    return p / (1 - p) * new / old * (1 - old) / (1 - new)


def _boxes(cost, box, seed, edges=(2.5, 97.5), equal=False, replace=True, per_box=False):
    rng = np.random.default_rng(seed)
    total, count = np.bincount(box, cost), np.bincount(box)
    means = []
    for _ in range(1500):
        drawn = rng.choice(len(total), len(total), replace=replace)
        if equal:
            means.append((total / count)[drawn].mean())
        else:
            means.append(total[drawn].sum() / (len(drawn) if per_box else count[drawn].sum()))
    return tuple(np.percentile(means, edges))


def single_mails(cost, box, seed):
    rng = np.random.default_rng(seed)
    return tuple(np.percentile([rng.choice(cost, len(cost)).mean() for _ in range(1500)], [2.5, 97.5]))


def single_costs(cost, box, seed):
    return tuple(np.percentile(cost, [2.5, 97.5]))


def _cv(x, y, k, scale=False, select=False, best=False, inside=False):
    everything = np.ones(len(y), bool)
    fold, right = np.arange(len(y)) % 5, []
    for f in range(5):
        train, test = fold != f, fold == f
        look = everything if scale else train
        z = (x - x[look].mean(0)) / x[look].std(0)
        seen = everything if select else train
        columns = np.argsort(-np.abs(z[seen].T @ (y[seen] - y[seen].mean())))[:k]
        vote = z[train][:, columns].T @ (y[train] - y[train].mean())
        rows = train if inside else test
        right.append(((z[rows][:, columns] @ vote > 0) == y[rows]).mean())
    return max(right) if best else float(np.mean(right))


def broken_cross_validation(x, y, k):
    return _cv(x, y, k, scale=True, select=True, best=True)


def _piles(n, precision, recall, accuracy, low=-0.005 - 1e-9, high=0.005 + 1e-9, check=3):
    found = []
    for tp in range(1, n + 1):
        for fp in range(n - tp + 1):
            for fn in range(n - tp - fp + 1):
                scores = tp / (tp + fp), tp / (tp + fn), (n - fp - fn) / n
                gaps = [s - a for s, a in zip(scores, (precision, recall, accuracy), strict=True)][:check]
                if all(low <= gap <= high for gap in gaps):
                    found.append((n - tp - fp - fn, fp, fn, tp))
    return found


def _printed(n, *report, rounded):
    piles = [(t, fp, fn) for t in range(1, n + 1) for fp in range(n - t + 1) for fn in range(n - t - fp + 1)]
    scores = {(n - t - fp - fn, fp, fn, t): (t / (t + fp), t / (t + fn), (n - fp - fn) / n) for t, fp, fn in piles}
    return [pile for pile, three in scores.items() if all(rounded(u) == a for u, a in zip(three, report, strict=True))]


def half_to_even(*report):
    return _printed(*report, rounded=lambda u: round(u, 2))


def half_up(*report):
    return _printed(*report, rounded=lambda u: np.floor(100 * u + 0.5 + 1e-9) / 100)


def without_a_trace(*report):
    return _piles(*report, low=-0.005, high=0.005)


def exactly(*report):
    return _piles(*report, low=-1e-12, high=1e-12)


def cut_off(*report):
    return _piles(*report, low=-1e-12, high=0.00999)


def without_accuracy(*report):
    return _piles(*report, check=2)


def exchanged(n, precision, recall, accuracy):
    return [(a, c, b, d) for a, b, c, d in _piles(n, precision, recall, accuracy)]


def turned(*report):
    return [pile[::-1] for pile in _piles(*report)]


def twice(*report):
    return 2 * _piles(*report)


def three_piles(*report):
    return [pile[1:] for pile in _piles(*report)]


def wrong_sum(n, precision, recall, accuracy):
    return [(a + 1, b, c, d) for a, b, c, d in _piles(n, precision, recall, accuracy)] or [(1, 1, 1, 1)]


def something(n, *report):
    return _piles(n, *report) or [(n - 1, 0, 0, 1)]


def first_alone(*report):
    return _piles(*report)[:1]


GOOD_LOGS = {
    "A": "inputs differ",
    "B": "healthy",
    "C": "memorises",
    "D": "dead",
    "E": "labels unrelated",
    "F": "leak",
}
GOOD_CHOICES = {"club": "strict", "shop": "careful", "bank": "none", "clinic": "none"}


def logs(**other):
    return lambda: {**GOOD_LOGS, **other}


def choices(**other):
    return lambda: {**GOOD_CHOICES, **other}


WRONG = {
    "06.auc_within": [
        (lambda *a: _share(*a, tie=1), "count as in order"),
        (lambda *a: _share(*a, tie=0), "count as wrong"),
        (lambda s, y, box: _share(-s, y, box), "turned round"),
        (all_mails, "AUC of all mails"),
        (mean_of_boxes, "mean over mailboxes"),
        (over_all_pairs, "divided by all pairs"),
        (lambda *a: _auc(*a)[0], "the number of pairs in order"),
        (lambda *a: [1.0, 2.0], "one number is asked for"),
        (lambda *a: 0.123, "list the pairs of one mailbox"),
    ],
    "06.three_actions": [
        (lambda p, lost, read, ask: _costs(p, read, lost, ask).argmin(0), "prices are exchanged"),
        (lambda p, lost, read, ask: _costs(1 - p, lost, read, ask).argmin(0), "p and 1 − p are exchanged"),
        (lambda *a: 2 - _costs(*a).argmin(0), "0 lets through, 2 blocks"),
        (never_asks, "nobody is ever asked"),
        (lambda *a: _costs(*a).argmax(0), "the dearest action"),
        (half_or_ask, "the cheaper of the two is not taken"),
        (asks_in_doubt, "where that is not worth the price"),
        (at_the_half, "the cheaper of the two is not taken"),
        (never_in_doubt, "for one mail: letting through costs"),
        (lambda p, *a: _costs(p, *a).min(0), "the actions are 0"),
        (lambda *a: 1, "one action for each mail"),
    ],
    "06.new_mixture": [
        (lambda p, old, new: p, "nothing has changed"),
        (lambda p, old, new: p * new / old, "only the spam side"),
        (lambda p, old, new: np.minimum(p * new / old, 1), "only the spam side"),
        (lambda p, old, new: _reweighted(p, new, old), "old and new are exchanged"),
        (new_odds, "these are the new odds"),
        (lambda p, old, new: _odds(p, old, new, new / old), "not of the shares"),
        (lambda p, old, new: p + new - old, "by adding"),
        (lambda *a: 1 - _reweighted(*a), "chance of a genuine mail"),
        (lambda p, old, new: p**2, "reweight: spam counts"),
        (lambda p, old, new: 0.5, "one probability for each mail"),
    ],
    "06.box_interval": [
        (lambda *a: _boxes(*a)[::-1], "ends are exchanged"),
        (lambda *a: _boxes(*a, replace=False), "whole sample"),
        (single_mails, "single mails were drawn"),
        (single_costs, "where single costs lie"),
        (lambda *a: _boxes(*a, edges=(12, 88)), "take all mails of each"),
        (lambda *a: _boxes(*a, edges=(5, 95)), "covers 90 %"),
        (lambda *a: _boxes(*a, equal=True), "each drawn mailbox counts the same"),
        (lambda *a: _boxes(*a, per_box=True), "by mailboxes, not by mails"),
        (lambda *a: _boxes(*a)[0], "give back two numbers"),
        (lambda cost, box, seed: (0.0, 0.1), "misses the mean cost"),
    ],
    "06.mend_cross_validation": [
        (broken_cross_validation, "three mistakes left"),
        (lambda *a: _cv(*a, scale=True, select=True), "still chosen with the labels"),
        (lambda *a: _cv(*a, select=True), "still chosen with the labels"),
        (lambda *a: _cv(*a, best=True), "best fold is reported"),
        (lambda *a: _cv(*a, scale=True), "still look at the rows of the test fold"),
        (lambda *a: _cv(*a, inside=True), "rows of the training"),
        (lambda *a: 1 - _cv(*a), "turned round"),
        (lambda *a: 0.123, "row i is in fold i % 5"),
    ],
    "06.piles_behind": [
        (exactly, "allow a difference of 0.005"),
        (half_to_even, "halfway between 0.12 and 0.13"),
        (half_up, "halfway between 0.12 and 0.13"),
        (without_a_trace, "and a trace more"),
        (lambda *report: [pile for pile in _piles(*report) if pile[1]], "may each be 0"),
        (lambda *report: [pile for pile in _piles(*report) if pile[2]], "may each be 0"),
        (cut_off, "it does not cut off"),
        (without_accuracy, "all three must fit"),
        (exchanged, "fp and fn are exchanged"),
        (turned, "the order is"),
        (twice, "more than once"),
        (three_piles, "one of four numbers"),
        (wrong_sum, "must sum to"),
        (first_alone, "some are missing"),
        (something, "then the list is empty"),
    ],
    "06.read_logs": [
        (logs(A="memorises", C="inputs differ"), "rises to the end"),
        (logs(A="leak", F="inputs differ"), "makes scores huge"),
        (logs(B="leak", F="healthy"), "compare the two losses at the end"),
        (logs(F="healthy"), "what do they not share"),
        (logs(C="healthy"), "where does it turn"),
        (logs(D="labels unrelated"), "not here"),
        (logs(E="memorises"), "from the first epoch to the last"),
        (logs(E="dead"), "leave the share of guessing"),
        (logs(D="healthy"), "loss of guessing among ten"),
        (logs(F="memorises"), "to the last digit believable"),
        (logs(G="dead"), "there is no log G"),
        (lambda: {"A": "dead"}, "no verdict for B"),
        (logs(C="overfits"), "is not one of the words"),
        (lambda: list(GOOD_LOGS.values()), "give back a dictionary"),
    ],
    "06.switch_it_on": [
        (choices(club="none"), "Strict costs 47"),
        (choices(shop="strict"), "compare with 408"),
        (choices(bank="careful"), "three of them already cost 600"),
        (choices(clinic="careful"), "5 at 20 each"),
        (choices(clinic="strict"), "use the two rates"),
        (choices(shop="maybe"), "is not one of the words"),
        (lambda: {"club": "strict"}, "no verdict for shop"),
    ],
}
