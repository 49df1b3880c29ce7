"""Typical wrong answers to the exercises of chapter 01, each with a fragment of the hint that it must receive."""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np


# 1. Split by group
def _drawn(groups, order, rows, more=0):
    test = np.zeros(len(groups), bool)
    for group in order:
        if test.sum() >= rows + more:
            break
        test |= groups == group
    return test


def rows_drawn(groups, rows, seed):
    return np.random.default_rng(seed).permutation(len(groups)) < rows


def in_order(groups, rows, seed):
    return _drawn(groups, np.unique(groups), rows)


def turned_mask(groups, rows, seed):
    return ~_drawn(groups, np.random.default_rng(seed).permutation(np.unique(groups)), rows)


ONE = np.random.default_rng(5)


def one_generator(groups, rows, seed):
    return _drawn(groups, ONE.permutation(np.unique(groups)), rows)


def too_many(groups, rows, seed):
    return _drawn(groups, np.random.default_rng(seed).permutation(np.unique(groups)), rows, 9)


def one_group(groups, rows, seed):
    return groups == np.random.default_rng(seed).permutation(np.unique(groups))[0]


def rows_shuffled(groups, rows, seed):
    return _drawn(groups, np.random.default_rng(seed).permutation(groups), rows)


def rows_picked(groups, rows, seed):
    return _drawn(groups, np.random.default_rng(seed).choice(groups, 1000), rows)


# 2. A pipeline that peeks
def broken_prepare(x, test):
    x = np.where(np.isnan(x), np.nanmean(x, 0), x)
    x = (x - x.mean(0)) / x.std(0)
    x = np.clip(x, x.min(0), x.max(0))
    return x[~test], x[test]


def _steps(x, test, fill, scale, limits=None, swap=False):
    x = np.where(np.isnan(x), np.nanmean(x[fill], 0), x)
    spread = x[scale].std(0)
    z = (x - x[scale].mean(0)) / np.where(spread == 0, 1, spread)
    if limits is not None:
        z = np.clip(z, z[limits].min(0), z[limits].max(0))
    return (z[test], z[~test]) if swap else (z[~test], z[test])


def filled_from_all(x, test):
    return _steps(x, test, test | True, ~test, ~test)


def scaled_by_all(x, test):
    return _steps(x, test, ~test, test | True, ~test)


def not_clipped(x, test):
    return _steps(x, test, ~test, ~test)


def tables_swapped(x, test):
    return _steps(x, test, ~test, ~test, ~test, swap=True)


def test_by_itself(x, test):
    x = np.where(np.isnan(x), np.nanmean(x[~test], 0), x)
    spread = x[test].std(0)
    return _steps(x, test, ~test, ~test, ~test)[0], (x[test] - x[test].mean(0)) / np.where(spread == 0, 1, spread)


def zero_deviation(x, test):
    x = np.where(np.isnan(x), np.nanmean(x[~test], 0), x)
    with np.errstate(all="ignore"):
        z = (x - x[~test].mean(0)) / x[~test].std(0)
    return z[~test], np.clip(z[test], z[~test].min(0), z[~test].max(0))


# 3. Count the copies
def _normal(one):
    return "".join(c for c in unicodedata.normalize("NFKC", one).casefold() if c.isalnum())


def distinct(train, test):
    new, known = ({_normal(one) for one in part} for part in (test, train))
    return len(new & known) / len(new)


def stripped(train, test):
    return np.mean([one.strip() in {t.strip() for t in train} for one in test])


def as_written(train, test):
    return np.mean([one in train for one in test])


def _kept(one):
    return "".join(c for c in one if c.isalnum())


def _wide(one):
    return unicodedata.normalize("NFKC", one)


def _compared(form, known=None):
    """An answer that compares texts in this form."""

    def answer(train, test):
        stored = [(known or form)(t) for t in train]
        return np.mean([form(one) in stored for one in test])

    return answer


no_width = _compared(lambda one: _kept(one.casefold()))
lower_case = _compared(lambda one: _kept(_wide(one).lower()))
case_kept = _compared(lambda one: _kept(_wide(one)))
marks_kept = _compared(lambda one: _wide(one).casefold())
folded_first = _compared(lambda one: _kept(_wide(one.casefold())))
picked_first = _compared(lambda one: _wide(_kept(one)).casefold())
width_last = _compared(lambda one: _wide(_kept(one.casefold())))
test_alone = _compared(_normal, str)
training_alone = _compared(str, _normal)


def percent(train, test):
    return 100 * np.mean([_normal(one) in {_normal(t) for t in train} for one in test])


def of_training(train, test):
    new, known = ({_normal(one) for one in part} for part in (test, train))
    return len(new & known) / len(known)


# 4. Build a parrot
def _usual(labels):
    sizes = Counter(labels)
    return min(sizes, key=lambda k: (-sizes[k], k))


def last_label(train, labels, new):
    known = dict(zip(train, labels, strict=True))
    return [known.get(one, _usual(labels)) for one in new]


def first_label(train, labels, new):
    known = dict(zip(train[::-1], labels[::-1], strict=True))
    return [known.get(one, _usual(labels)) for one in new]


def no_new_texts(train, labels, new):
    known = dict(zip(train, labels, strict=True))
    return [known[one] for one in new]


def _voted(train, labels, new, rest, tie):
    answers = []
    for one in new:
        top = Counter(k for t, k in zip(train, labels, strict=True) if t == one).most_common(2)
        equal = len(top) == 2 and top[0][1] == top[1][1]
        answers.append(rest if not top else tie if equal and tie is not None else top[0][0])
    return answers


def eager(train, labels, new):
    return _voted(train, labels, new, _usual(labels), None)


def zero_for_new(train, labels, new):
    return _voted(train, labels, new, 0, 0)


def always_usual(train, labels, new):
    return [_usual(labels)] * len(new)


# 5. A gap, filled by its group
def _filled(values, groups, news, asked, middle=np.nanmedian, strange=None):
    out = news.copy()
    for i in np.flatnonzero(np.isnan(news)):
        own = values[groups == asked[i]]
        known = len(own) and not np.isnan(own).all()
        out[i] = middle(own) if known else middle(values) if strange is None else strange
    return out


def equal_to_nan(values, groups, news, asked):
    gap = news == np.nan
    return np.where(gap, np.nanmedian(values), news), gap * 1


def one_for_all(values, groups, news, asked):
    gap = np.isnan(news)
    return np.where(gap, np.nanmedian(values), news), gap * 1


def mean_for_median(values, groups, news, asked):
    return _filled(values, groups, news, asked, np.nanmean), np.isnan(news) * 1


def test_medians(values, groups, news, asked):
    return _filled(news, asked, news, asked), np.isnan(news) * 1


def all_medians(values, groups, news, asked):
    both, of = np.concatenate([values, news]), np.concatenate([groups, asked])
    return _filled(both, of, news, asked), np.isnan(news) * 1


def strangers_left(values, groups, news, asked):
    return _filled(values, groups, news, asked, strange=np.nan), np.isnan(news) * 1


def known_flagged(values, groups, news, asked):
    return _filled(values, groups, news, asked), (~np.isnan(news)) * 1


def flag_too_late(values, groups, news, asked):
    filled = _filled(values, groups, news, asked)
    return filled, np.isnan(filled) * 1


# 6. Pictures, each moved its own way
def _moved(images, steps):
    out = np.zeros_like(images)
    for k, (down, right) in enumerate(steps):
        for i, j in np.ndindex(images[k].shape):
            if 0 <= i - down < images.shape[1] and 0 <= j - right < images.shape[2]:
                out[k, i, j] = images[k, i - down, j - right]
    return out


def rolled(images, steps):
    return np.array([np.roll(image, tuple(step), (0, 1)) for image, step in zip(images, steps, strict=True)])


def other_way(images, steps):
    return _moved(images, -steps)


def axes_swapped(images, steps):
    return _moved(images, steps[:, ::-1])


def first_step_for_all(images, steps):
    return _moved(images, np.repeat(steps[:1], len(steps), 0))


def padded(images, steps):
    return np.pad(images, ((0, 0), (1, 1), (1, 1)))


# 7. Near-copies
def _joined(texts, alike, chain=True):
    group = list(range(len(texts)))
    for i in range(len(texts)):
        for j in range(i):
            if alike(texts[i], texts[j]):
                if chain:
                    low, high = sorted((group[i], group[j]))
                    group = [low if k == high else k for k in group]
                else:
                    group[i] = min(group[i], j)
    return group


def _cut(one, n):
    return {one[i : i + n] for i in range(len(one) - n + 1)} or {one}


def exact_only(texts, n, limit):
    return [texts.index(one) for one in texts]


def by_the_smaller(texts, n, limit):
    def alike(a, b):
        a, b = _cut(a, n), _cut(b, n)
        return len(a & b) >= limit * min(len(a), len(b))

    return _joined(texts, alike)


def chain_cut(texts, n, limit):
    return _joined(texts, lambda a, b: len(_cut(a, n) & _cut(b, n)) >= limit * len(_cut(a, n) | _cut(b, n)), False)


def all_one(texts, n, limit):
    return [0] * len(texts)


def each_alone(texts, n, limit):
    return list(range(len(texts)))


# 8. Read the data sheet
def small_is_leaky():
    return {"A": "copies", "B": "person", "C": "time", "D": "none", "E": "answer", "F": "prepared"}


def time_for_person():
    return {"A": "copies", "B": "time", "C": "person", "D": "prepared", "E": "answer", "F": "none"}


def other_words():
    return {"A": "duplicates", "B": "person", "C": "time", "D": "prepared", "E": "answer", "F": "none"}


# 9. Ship or not
def _cheapest(models, cost):
    costs = {name: cost(*numbers) for name, numbers in models.items()}
    best = min(costs, key=costs.get)
    return best, costs[best]


def on_paper(models, copies, repeats, n, price):
    return _cheapest(models, lambda score, new, running: n * ((1 - score) * price + running))


def all_new(models, copies, repeats, n, price):
    return _cheapest(models, lambda score, new, running: n * ((1 - new) * price + running))


def mixed_twice(models, copies, repeats, n, price):
    return _cheapest(
        models, lambda score, new, running: n * ((1 - repeats * score - (1 - repeats) * new) * price + running)
    )


def _seen(score, new, copies):
    return (score - (1 - copies) * new) / copies


def running_free(models, copies, repeats, n, price):
    return _cheapest(
        models,
        lambda score, new, running: n * (1 - repeats * _seen(score, new, copies) - (1 - repeats) * new) * price,
    )


def most_accurate(models, copies, repeats, n, price):
    def right(score, new):
        return repeats * _seen(score, new, copies) + (1 - repeats) * new

    name = max(models, key=lambda m: right(*models[m][:2]))
    score, new, running = models[name]
    return name, n * ((1 - right(score, new)) * price + running)


WRONG = {
    "01.split_by_group": [
        (rows_drawn, "draw groups, not rows"),
        (in_order, "every seed gives the same split"),
        (turned_mask, "turned round"),
        (one_generator, "the same seed gave another split"),
        (too_many, "stop as soon as"),
        (one_group, "go on drawing"),
        (rows_shuffled, "shuffles the rows"),
        (rows_picked, "must have the same chance"),
    ],
    "01.prepare": [
        (broken_prepare, "everything still comes from all rows"),
        (filled_from_all, "the gaps are filled with the mean of all rows"),
        (scaled_by_all, "mean and standard deviation come from all rows"),
        (not_clipped, "not clipped"),
        (tables_swapped, "swapped"),
        (test_by_itself, "scaled by their own"),
        (zero_deviation, "Divide it by 1"),
    ],
    "01.seen_share": [
        (distinct, "each different text was counted once"),
        (stripped, "normalise both sides first"),
        (as_written, "normalise both sides first"),
        (test_alone, "only one side"),
        (training_alone, "only one side"),
        (no_width, "full-width"),
        (lower_case, "lower() keeps the German"),
        (case_kept, "capitals were taken for other letters"),
        (marks_kept, "blanks and marks still count"),
        (folded_first, "casefold came before NFKC"),
        (picked_first, "picked before NFKC"),
        (width_last, "NFKC came last"),
        (percent, "factor 100"),
        (of_training, "divided by the training texts"),
    ],
    "01.parrot": [
        (last_label, "the last label wins"),
        (first_label, "the first label wins"),
        (no_new_texts, "KeyError"),
        (eager, "a tie went to one of the two"),
        (zero_for_new, "new texts got the label 0"),
        (always_usual, "every text got the same label"),
    ],
    "01.fill": [
        (equal_to_nan, "equal to nothing"),
        (one_for_all, "the same number"),
        (mean_for_median, "that is the mean"),
        (test_medians, "come from the test rows"),
        (all_medians, "took part in the medians"),
        (strangers_left, "does not know"),
        (known_flagged, "turned round"),
        (flag_too_late, "looked up before filling"),
    ],
    "01.shift": [
        (rolled, "other side"),
        (other_way, "the other way"),
        (axes_swapped, "swapped"),
        (first_step_for_all, "first one's step"),
        (padded, "the shape must stay"),
    ],
    "01.near_copies": [
        (exact_only, "only exact copies"),
        (by_the_smaller, "divided by the smaller set"),
        (chain_cut, "a chain was cut"),
        (all_one, "too few groups"),
        (each_alone, "too many groups"),
    ],
    "01.data_sheet": [
        (small_is_leaky, "before the split"),
        (time_for_person, "recognise the voice"),
        (other_words, "one of the six words"),
    ],
    "01.ship": [
        (on_paper, "the score on paper was used"),
        (all_new, "taken as new"),
        (mixed_twice, "mixture already"),
        (running_free, "price of running is missing"),
        (most_accurate, "the choice is not"),
    ],
}
