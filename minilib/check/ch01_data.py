"""Exercises of chapter 01 on preparing data: a leak to mend, gaps, moved pictures, a parrot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


# 2. A pipeline that peeks ---------------------------------------------------------------------------------------------
def _prepare_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for n, d in ((12, 3), (20, 2)):
        x = rng.normal(rng.uniform(-3, 3, d), rng.uniform(1, 4, d), (n, d)).round(2)
        test = rng.permutation(n) < n // 3
        x[test, 0] += 9  # the test part lies elsewhere: a peek shows
        x[np.flatnonzero(test)[0], 1] = x[np.flatnonzero(~test)[0], 1] = np.nan
        x[np.flatnonzero(~test), d - 1] = 5.0 if d == 3 else x[~test, d - 1]
        cases.append((x, test))
    return cases


def _prepared(x: Array, test: Array, fill: Array, scale: Array, low: Array, clip: bool = True) -> tuple[Array, Array]:
    """fill, scale, low: the rows from which gaps, scale and limits are taken."""
    x = np.where(np.isnan(x), np.nanmean(x[fill], 0), x)
    deviation = x[scale].std(0)
    z = (x - x[scale].mean(0)) / np.where(deviation == 0, 1, deviation)
    z = np.clip(z, z[low].min(0), z[low].max(0)) if clip else z
    return z[~test], z[test]


@exercise("01.prepare", "A pipeline that peeks", _prepare_cases)
def _prepare(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((x, test), got) in enumerate(zip(inputs, outputs, strict=True)):
        train, both = ~test, np.ones(len(x), bool)
        right = _prepared(x, test, train, train, train)
        if not (isinstance(got, list | tuple) and len(got) == 2):
            yield Problem(i, right, "give back two tables: the training rows, then the test rows")
            continue

        def is_(other: tuple[Array, Array], got: Any = got) -> bool:
            return all(close(a, b) for a, b in zip(got, other, strict=True))

        if is_(right):
            continue
        one, other = (np.asarray(part, float) for part in got)
        x_filled = np.where(np.isnan(x), np.nanmean(x[train], 0), x)
        spread = x_filled[test].std(0)
        alone = (x_filled[test] - x_filled[test].mean(0)) / np.where(spread == 0, 1, spread)
        limits = right[0].min(0), right[0].max(0)
        hints = [
            (is_(right[::-1]), "the two tables are swapped: training rows first"),
            (not np.isfinite(one).all() or not np.isfinite(other).all(), "a nan or an infinity is left: is a column of "
             "the training rows constant? Divide it by 1"),
            (is_(_prepared(x, test, both, both, both)), "everything still comes from all rows: the test part helps to "
             "prepare itself"),
            (is_(_prepared(x, test, both, train, train)), "the gaps are filled with the mean of all rows: take it from "
             "the training rows"),
            (is_(_prepared(x, test, train, both, both)) or is_(_prepared(x, test, train, both, train)), "mean and "
             "standard deviation come from all rows: take them from the training rows"),
            (is_(_prepared(x, test, train, train, both)) or is_(_prepared(x, test, train, train, train, False)),
             "the test rows are not clipped: no value may leave the range of the training rows"),
            (close(one, right[0]) and (close(other, alone) or close(other, np.clip(alone, *limits))), "the test rows "
             "are scaled by their own mean and deviation: in use a single row would have none"),
            (close(one, right[0]), "the training rows are right, the test rows are not: they get the same three "
             "treatments, with the numbers of the training rows"),
        ]  # fmt: skip
        yield Problem(
            i, right, first_hint(hints, "fill, scale, clip, in this order, all with numbers of training rows")
        )


# 5. A gap, filled by its group ----------------------------------------------------------------------------------------
def _fill_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for n, m in ((10, 6), (14, 7)):
        groups, asked = np.arange(n) % 3, np.arange(m) % 4  # nobody in training is of group 3
        values = (10.0 * groups + rng.integers(1, 9, n) + rng.random(n).round(2)).round(2)
        values[4] = np.nan
        news = (100 + rng.random(m) * 10).round(2)
        news[[0, 1, 3]] = np.nan
        cases.append((values, groups, news, asked))
    return cases


def _filled(inputs: Inputs, middle: Callable[..., Any] = np.nanmedian, rows: str = "train") -> Array:
    values, groups, news, asked = inputs
    pool = {"train": values, "test": news, "all": np.concatenate([values, news])}[rows]
    of = {"train": groups, "test": asked, "all": np.concatenate([groups, asked])}[rows]
    known = {g: middle(pool[of == g]) for g in set(of.tolist()) if not np.isnan(pool[of == g]).all()}
    return np.array([known.get(g, middle(pool)) if np.isnan(x) else x for x, g in zip(news, asked, strict=True)])


@exercise("01.fill", "A gap, filled by its group", _fill_cases)
def _fill(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        values, _, news, asked = case
        gap, right = np.isnan(news), _filled(case)
        if not (isinstance(got, list | tuple) and len(got) == 2):
            yield Problem(i, (right, gap * 1), "give back two columns: the filled one, then the indicator")
            continue
        filled, flag = np.asarray(got[0], float), np.asarray(got[1], float)
        if close(filled, right) and close(flag, gap * 1):
            continue
        everywhere = np.where(gap, np.nanmedian(values), news)
        stranger = np.array([g not in case[1] for g in asked]) & gap
        hints = [
            (close(filled, right) and close(flag, 1 - gap), "the indicator is turned round: 1 where the value was "
             "missing"),
            (close(filled, right), "the column is right, the indicator is not: 1 where the value was missing, else 0, "
             "looked up before filling"),
            (filled.shape == gap.shape and bool((np.isnan(filled) == gap).all()), "the gaps are still there: nan is "
             "equal to nothing, itself included, so `x == nan` finds none; use np.isnan"),
            (filled.shape == gap.shape and bool(np.isnan(filled[stranger]).all()), "a group that training does not "
             "know has no median of its own: take that of all training rows"),
            (close(filled, everywhere), "every gap got the same number: take the median of the row's own group"),
            (close(filled, _filled(case, rows="test")), "the medians come from the test rows: take them from training"),
            (close(filled, _filled(case, rows="all")), "the test rows took part in the medians: take training alone"),
            (close(filled, _filled(case, np.nanmean)), "that is the mean: the exercise asks for the median"),
        ]  # fmt: skip
        yield Problem(i, (right, gap * 1), first_hint(hints, "a gap gets the median of its group's training rows"))


# 6. Pictures, each moved its own way ----------------------------------------------------------------------------------
def _shift_cases(rng: np.random.Generator) -> list[Inputs]:
    images = rng.integers(1, 9, (4, 5, 6))
    return [
        (images, np.array([[0, 0], [1, 0], [0, 2], [2, 1]])),
        (images, np.array([[-1, 0], [0, -2], [-2, 3], [1, -1]])),
        (images[:2], np.array([[5, 0], [0, -9]])),  # out of sight
    ]


def _moved(images: Array, steps: Array) -> Array:
    out = np.zeros_like(images)
    _, height, width = images.shape
    for k, (down, right) in enumerate(steps):
        for i in range(height):
            for j in range(width):
                if 0 <= i - down < height and 0 <= j - right < width:
                    out[k, i, j] = images[k, i - down, j - right]
    return out


@exercise("01.shift", "Pictures, each moved its own way", _shift_cases)
def _shift(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((images, steps), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _moved(images, steps)
        if close(got, right):
            continue
        rolled = np.array([np.roll(image, tuple(step), (0, 1)) for image, step in zip(images, steps, strict=True)])
        hints = [
            (np.shape(got) != images.shape, f"the shape must stay {images.shape}: what leaves is lost, blank enters"),
            (close(got, rolled), "ink came back on the other side: np.roll wraps round, blank must enter"),
            (close(got, _moved(images, -steps)), "moved the other way: a positive step goes down and right"),
            (close(got, _moved(images, steps[:, ::-1])), "down and right are swapped: rows are the first axis"),
            (close(got, _moved(images, np.repeat(steps[:1], len(steps), 0))), "all pictures took the first one's step"),
            (not np.any(steps[:, 0] < len(images[0])), "a step as long as the picture leaves it blank"),
        ]
        general = "out[i, j] is image[i - down, j - right] where that exists, else 0; steps of 0 or below need care"
        yield Problem(i, right, first_hint(hints, general))


# 4. Build a parrot ----------------------------------------------------------------------------------------------------
def _parrot_cases(rng: np.random.Generator) -> list[Inputs]:
    train = list("aaabbccddddeee")
    labels = [2, 1, 1, 0, 0, 1, 0, 2, 2, 2, 2, 0, 0, 2]
    order = rng.permutation(len(train))
    other = rng.permutation(3)  # the classes change their names, so that the most frequent one is another
    asked = rng.choice(["new", "newer", "a", "b", "c", "d", "e"], 10).tolist()
    return [
        (train, labels, ["a", "b", "c", "new", "d", "e"]),
        ([train[k] for k in order], [int(other[labels[k]]) for k in order], asked),
        (["x", "y"], [1, 0], ["x", "y", "z"]),
    ]


def _rarity(votes: list[int]) -> Callable[[int], tuple[int, int]]:
    return lambda k: (-votes.count(k), k)


@exercise("01.parrot", "Build a parrot", _parrot_cases)
def _parrot(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((train, labels, new), got) in enumerate(zip(inputs, outputs, strict=True)):

        def most(votes: list[int], rest: int) -> int:
            ranked = Counter(votes).most_common()
            tie = len(ranked) > 1 and ranked[0][1] == ranked[1][1]
            return rest if tie or not ranked else ranked[0][0]

        sizes: Counter[int] = Counter(labels)
        usual = min(sizes, key=lambda k: (-sizes[k], k))
        heard = {one: [k for t, k in zip(train, labels, strict=True) if t == one] for one in train}
        right = [most(heard.get(one, []), usual) for one in new]
        if close(got, right):
            continue
        last = [heard.get(one, [usual])[-1] for one in new]
        first = [heard.get(one, [usual])[0] for one in new]
        eager = [Counter(heard.get(one, [usual])).most_common(1)[0][0] for one in new]
        low = [min((v := heard.get(one, [usual])), key=_rarity(v)) for one in new]
        zero = [most(heard.get(one, []), 0) for one in new]
        hints = [
            (np.shape(got) != (len(new),), f"give back one label for each of the {len(new)} new texts"),
            (close(got, last), "the last label wins: let the copies of a text vote"),
            (close(got, first), "the first label wins: let the copies of a text vote"),
            (close(got, eager) or close(got, low), "a tie went to one of the two: it says as little as a new text, "
             "so take the most frequent class"),
            (close(got, zero), "new texts got the label 0: take the class that is most frequent in training"),
            (close(got, [usual] * len(new)), "every text got the same label: known texts have votes of their own"),
        ]  # fmt: skip
        general = (
            "known texts: the majority of their labels; new ones and ties: the class with the most training rows, "
            "the smaller label if two have as many"
        )
        yield Problem(i, right, first_hint(hints, general))
