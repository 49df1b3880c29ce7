"""Exercises of chapter 06 on trust: an interval over mailboxes, cross-validation, logs, a decision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


# 4. An interval over mailboxes ---------------------------------------------------------------------------------------
def _box_cases(rng: np.random.Generator) -> list[Inputs]:
    cases = []
    for boxes, size in ((12, 20), (30, 10)):
        level = rng.gamma(2.0, 1.0, boxes)
        box = np.repeat(np.arange(boxes), np.ceil(size * level / 2).astype(int))  # the dear ones are large
        cost = np.round(rng.gamma(1.0, 1.0, len(box)) * level[box], 2)
        cases.append((cost, box, 0))
    return cases


def _resampled(cost: Array, box: Array) -> tuple[Array, Array, Array]:
    """Of mailboxes drawn again: the mean cost of a mail, that with equal mailboxes, and the mean cost of a mailbox."""
    rng = np.random.default_rng(1)
    sums, sizes = np.bincount(box, cost), np.bincount(box)
    rows = rng.integers(0, len(sums), (10_000, len(sums)))
    return sums[rows].sum(1) / sizes[rows].sum(1), (sums / sizes)[rows].mean(1), sums[rows].mean(1)


@exercise("06.box_interval", "Whole mailboxes", _box_cases)
def _box_interval(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((cost, box, _), got) in enumerate(zip(inputs, outputs, strict=True)):
        n, middle = len(cost), float(cost.mean())
        edges = (2.5, 97.5)
        drawn, equal, total = _resampled(cost, box)
        low, high = np.percentile(drawn, edges)
        width = high - low
        want = f"about {low:.2f} and {high:.2f}"
        if np.shape(got) != (2,):
            yield Problem(i, want, "give back two numbers: the lower and the upper end")
            continue
        a, b = (float(x) for x in got)
        if max(abs(a - low), abs(b - high)) < 0.1 * width and b - a > 0.91 * width:
            continue
        one = cost[np.random.default_rng(1).integers(0, n, (2000, n))]

        def near(values: Any, a: float = a, b: float = b, width: float = width) -> bool:
            c, d = values
            return bool(abs(a - c) < 0.07 * width and abs(b - d) < 0.07 * width)

        hints = [
            (near((high, low)), "the ends are exchanged: the lower one first"),
            (
                near((middle, middle)),
                "every resample is the whole sample: draw the mailboxes with replacement, as many as there are",
            ),
            (
                near(np.percentile(one.mean(1), edges)),
                "single mails were drawn: mails of one mailbox are alike, the interval is too narrow; draw mailboxes",
            ),
            (
                near(np.percentile(one, edges)) or near(np.percentile(cost, edges)),
                "that is where single costs lie; an interval is asked for the mean",
            ),
            (
                near(np.percentile(equal, edges)),
                "each drawn mailbox counts the same: divide the total cost by the total number of mails",
            ),
            (
                near(np.percentile(drawn, (5, 95))),
                "that interval covers 90 %: cut off 2.5 % at each end, not 5 %",
            ),
            (
                near(
                    np.percentile(total, edges) * width / np.ptp(np.percentile(total, edges)),
                    *(x * width / np.ptp(np.percentile(total, edges)) for x in (a, b)),
                ),
                "the total is divided by mailboxes, not by mails",
            ),
            (not a <= middle <= b, f"the interval misses the mean cost, {middle:.2f}, that it is about"),
        ]
        general = "draw mailboxes with replacement, take all mails of each, and compute the mean cost; 1,000 times"
        yield Problem(i, want, first_hint(hints, general))


# 5. Mend the cross-validation ----------------------------------------------------------------------------------------
def _cv_cases(rng: np.random.Generator) -> list[Inputs]:
    cases = []
    for n, columns, signal in ((60, 400, 0.0), (50, 300, 0.6), (60, 500, 0.3)):
        y = rng.permutation(n) % 2
        x = rng.standard_normal((n, columns)) * rng.uniform(0.2, 5, columns) + 3
        x[:, :5] += signal * 2 * y[:, None] * x[:, :5].std(0)
        cases.append((np.round(x, 4), y, 10))
    return cases


def _cross_validated(x: Array, y: Array, k: int, leaks: str = "") -> tuple[Array, float]:
    """Accuracy of each of five folds, with the mistakes named in `leaks`; and on the training rows."""
    fold, right, inside = np.arange(len(y)) % 5, [], []
    for f in range(5):
        rest, test = fold != f, fold == f
        look = np.ones(len(y), bool) if "scale" in leaks else rest
        mean, std = x[look].mean(0), x[look].std(0)
        z = (x - mean) / std
        seen = np.ones(len(y), bool) if "select" in leaks else rest
        link = np.abs(z[seen].T @ (y[seen] - y[seen].mean()))
        best = np.argsort(-link, kind="stable")[:k]
        w = z[rest][:, best].T @ (y[rest] - y[rest].mean())
        said = (z[:, best] @ w > 0).astype(int)
        right.append((said == y)[test].mean())
        inside.append((said == y)[rest].mean())
    return np.array(right), float(np.mean(inside))


@exercise("06.mend_cross_validation", "Mend the cross-validation", _cv_cases)
def _mend_cv(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((x, y, k), got) in enumerate(zip(inputs, outputs, strict=True)):
        folds, inside = _cross_validated(x, y, k)
        right = float(folds.mean())
        if close(got, right, 1e-4):
            continue
        if np.shape(got) != ():
            yield Problem(i, right, "give back one number, the mean over the five folds")
            continue
        both, scale, select = (_cross_validated(x, y, k, leaks)[0] for leaks in ("scale select", "scale", "select"))
        hints = [
            (
                close(got, both.max()),
                "three mistakes left: look at what is chosen, scaled and returned",
            ),
            (
                close(got, both.mean()) or close(got, select.mean()) or close(got, select.max()),
                "the columns are still chosen with the labels of the fold that tests them (there may be more)",
            ),
            (close(got, folds.max()) or close(got, scale.max()), "the best fold is reported; report the mean"),
            (close(got, scale.mean()), "mean and standard deviation still look at the rows of the test fold"),
            (close(got, inside), "the accuracy is measured on the rows of the training: each fold tests its own rows"),
            (close(got, 1 - right), "the answers are turned round"),
        ]
        general = "row i is in fold i % 5; scaling, choosing and weighing look at the other four folds alone"
        yield Problem(i, right, first_hint(hints, general))


# 7. Read six logs ----------------------------------------------------------------------------------------------------
VERDICTS = ("healthy", "dead", "leak", "memorises", "labels unrelated", "inputs differ")
LOGS = dict(zip("ABCDEF", ("inputs differ", "healthy", "memorises", "dead", "labels unrelated", "leak"), strict=True))
LOG_HINTS = {
    "A": "log A: nine in ten are right, the loss is far above that of guessing: what makes scores huge, not wrong?",
    "B": "log B: while training, half of the units are off; compare the two losses at the end, and the two accuracies",
    "C": "log C: follow the validation loss from line to line: where does it turn, and what does training do?",
    "D": "log D: what is the loss of guessing among ten classes, and does the training accuracy ever move?",
    "E": "log E: training learns; does validation ever leave the share of guessing?",
    "F": "log F: is a validation that beats the training to the last digit believable? Look at the test",
}
SPECIAL_HINTS = {
    ("E", "memorises"): (
        "log E: it does memorise, but why is validation at one in ten from the first epoch to the last?"
    ),
    ("F", "healthy"): "log F: everything is right on validation and not on the test: what do they not share?",
    ("A", "memorises"): "log A: the validation accuracy rises to the end: what is learnt does carry over",
    (
        "D",
        "labels unrelated",
    ): "log D: with unrelated labels a network still learns its training rows; not here",
}


def _word(text: Any) -> str:
    return " ".join(str(text).replace("_", " ").replace("-", " ").lower().split())


@exercise("06.read_logs", "Read six logs", once, letters="ABCDEF")
def _logs(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    yield from _table(outputs[0], LOGS, VERDICTS, "log", LOG_HINTS, SPECIAL_HINTS)


def _table(
    answer: Any, right: dict[str, str], words: tuple[str, ...], what: str, hints: dict[str, str],
    special: dict[tuple[str, str], str],
) -> Iterator[Problem]:  # fmt: skip
    """Judge a dictionary that gives one of `words` to each key of `right`."""
    names = ", ".join(right)
    if not isinstance(answer, dict):
        yield Problem(0, f"a verdict for each of {names}", "give back a dictionary with a word for each")
        return
    known = {name.lower(): name for name in right}
    got = {known.get(_word(key).removeprefix(f"{what} "), str(key)): _word(value) for key, value in answer.items()}
    missing, unknown = [name for name in right if name not in got], [name for name in got if name not in right]
    if missing or unknown:
        told = f"no verdict for {', '.join(missing)}" if missing else f"there is no {what} {unknown[0]}"
        yield Problem(0, f"a verdict for each of {names}", told)
        return
    for name, word in got.items():
        if word not in words:
            yield Problem(0, f"one of: {', '.join(words)}", f"{what} {name}: {word!r} is not one of the words")
            return
    for name, verdict in right.items():
        if got[name] != verdict:
            yield Problem(0, f"another verdict for {what} {name}", special.get((name, got[name]), hints[name]))


# 8. Switch it on? ----------------------------------------------------------------------------------------------------
ACTIONS = ("strict", "careful", "none")
CHOICES = {"club": "strict", "shop": "careful", "bank": "none", "clinic": "none"}
CHOICE_HINTS = {
    "club": "club: a lost mail costs 2. Strict costs 47 · 2 + 81, careful 3 · 2 + 243, none 408",
    "shop": "shop: a lost mail costs 20. Price the two wrong piles of each, and compare with 408",
    "bank": "bank: a lost mail costs 200, so three of them already cost 600; no filter costs 408",
    "clinic": "clinic: with 2 % spam there are far more genuine mails to lose: use the two rates, not the counts",
}
CHOICE_SPECIAL = {
    ("clinic", "careful"): (
        "clinic: of 1,000 mails 980 are genuine; 3 in 593 of them are lost, 5 at 20 each; no filter costs 20"
    ),
}


@exercise("06.switch_it_on", "Switch it on?", once)
def _switch(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    yield from _table(outputs[0], CHOICES, ACTIONS, "customer", CHOICE_HINTS, CHOICE_SPECIAL)
