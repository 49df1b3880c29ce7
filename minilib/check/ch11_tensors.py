"""Exercises of chapter 11 on tensors: silent parameters, neighbours in a batch, a snapshot, five logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


# 11.silent -----------------------------------------------------------------------------------------------------------
def _silent_cases(rng: np.random.Generator) -> list[Inputs]:
    some = float(rng.uniform(0.1, 1))
    pool = [f"{layer}.{part}" for layer in ("body", "first", "head", "inner", "last") for part in ("bias", "weight")]

    def named(gradients: dict[str, Any]) -> dict[str, Any]:
        """The same gradients under other names, in another order."""
        names = rng.permutation(pool)[: len(gradients)].tolist()
        mixed = [list(gradients.values())[k] for k in rng.permutation(len(gradients))]
        return dict(zip(names, mixed, strict=True))

    first = {"first.weight": None, "first.bias": None, "head.weight": np.array([[some, -0.5]])}
    second = {
        "a.weight": np.zeros((2, 2)), "a.bias": np.array([some, -some]), "b.weight": np.array([[0.0, some]]),
        "b.bias": np.array([0.0]), "c.weight": None,
    }  # fmt: skip
    third = {"a.weight": np.array([-some, -some]), "b.bias": np.array([1e-9]), "c.weight": None, "c.bias": np.zeros(2)}
    return [(first,), (named(second),), (named(third),)]


@exercise("11.silent", "Who does not learn?", _silent_cases)
def _silent(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    def names(gradients: dict[str, Any], is_silent: Any) -> list[str]:
        return sorted(name for name, g in gradients.items() if is_silent(g))

    hints = [
        (lambda g: g is None, "only those without any gradient: one that is zero everywhere does not move either"),
        (lambda g: g is not None and not g.any(), "those without any gradient (None) are missing"),
        (lambda g: g is None or g.sum() == 0, "a sum of slopes can be 0 where the slopes are not: +1 and −1"),
        (lambda g: g is None or not g.all(), "a single zero among the slopes does not keep a parameter from learning"),
        (lambda g: g is not None and bool(g.any()), "those are the ones that do learn"),
        (lambda g: g is None or g.max() <= 0, "negative slopes move a weight as well: look at all that are not 0"),
        (lambda g: g is None or bool((abs(g) < 1e-6).all()), "a small slope is not none: Adam would move it at once"),
    ]
    right = [names(gradients, lambda g: g is None or not g.any()) for (gradients,) in inputs]
    found = []
    for i, got in enumerate(outputs):
        if not isinstance(got, list | tuple) or not all(isinstance(name, str) for name in got):
            yield Problem(i, right[i], "give back a list of names")
            return
        found.append(sorted(got))
    if found == right:
        return
    at = next(i for i in range(len(inputs)) if found[i] != right[i])
    for wrong, hint in hints:
        if found == [names(gradients, wrong) for (gradients,) in inputs]:
            yield Problem(at, right[at], hint)
    yield Problem(at, right[at], "silent is a parameter whose gradient is None, or 0 in each of its places")


# 11.neighbours -------------------------------------------------------------------------------------------------------
def _neighbour_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for rows, columns, size in ((4, 1, 2), (6, 3, 3), (8, 2, 5)):
        x = rng.standard_normal((rows, columns)).round(2)
        cases.append((x, rng.standard_normal(columns).round(2), rng.uniform(0.5, 2, columns).round(2), size))
    return cases


def _changes(
    x: Array, mean: Array, var: Array, size: int, *, ddof: int = 0, whole: bool = False, moved: bool = False,
    over: Any = np.max, signed: bool = False,
) -> Array:  # fmt: skip
    parts = [x] if whole else [x[i : i + size] for i in range(0, len(x), size)]
    together = [(part - part.mean(0)) / np.sqrt(part.var(0, ddof=ddof) + 1e-5) for part in parts]
    if moved:
        for part in parts:
            mean, var = 0.9 * mean + 0.1 * part.mean(0), 0.9 * var + 0.1 * part.var(0, ddof=1)
    change = np.concatenate(together) - (x - mean) / np.sqrt(var + 1e-5)
    return over(change if signed else np.abs(change), axis=1)


@exercise("11.neighbours", "How much do the neighbours matter?", _neighbour_cases)
def _neighbours(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    hints: dict[str, dict[str, Any]] = {
        "the call in training mode has moved the running averages: ask for eval mode first, or of a copy": {
            "moved": True
        },
        "a batch's variance is the mean of the squares, divided by the number of its rows, not by one fewer": {
            "ddof": 1
        },
        "all rows were normalised together: cut them into batches of `size`": {"whole": True},
        "the mean over the columns; the largest change is asked for": {"over": np.mean},
        "the change may be downward: take its absolute value first": {"signed": True},
    }
    right = [_changes(*case) for case in inputs]

    def fits(wanted: list[Array]) -> bool:
        return all(close(got, one, 1e-3, 1e-4) for got, one in zip(outputs, wanted, strict=True))

    if fits(right):
        return
    at = next(i for i, got in enumerate(outputs) if not close(got, right[i], 1e-3, 1e-4))
    for hint, how in hints.items():
        if fits([_changes(*case, **how) for case in inputs]):
            yield Problem(at, right[at], hint)
    if np.shape(outputs[at]) != right[at].shape:
        yield Problem(at, right[at], "one number for each row: its largest change over the columns")
    yield Problem(at, right[at], "compare (x − batch mean)/√(batch variance + 1e-5) with the same by running averages")


# 11.keep_best --------------------------------------------------------------------------------------------------------
def _best_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    for scores in ([0.5, 0.9, 0.7], [0.2, 0.8, 0.8, 0.4, 0.6], [0.9, 0.1, 0.3, 0.2], [-3.1, -1.2, -2.0]):
        w, gradients = rng.standard_normal(2).round(2), list(rng.standard_normal((len(scores), 2)).round(2))
        if len(scores) == 4:
            gradients[2] = w  # the same array: whoever overwrites the given w walks along another gradient
        cases.append((w, gradients, scores, 0.5))
    return cases


def _overwritten(w: Array, gradients: list[Array], scores: list[float], rate: float) -> tuple[Array, Array]:
    """What comes out if the walk itself happens in the given w, which may be one of the gradients."""
    at = w.copy()
    walk = []
    for g in gradients:
        at = at - rate * (at if g is w else g)
        walk.append(at)
    return walk[int(np.argmax(scores))], at


def _below_zero(walks: list[Array], inputs: list[Inputs], best: list[Array], place: int) -> list[Array]:
    """The best weights if no score below 0 counts: what was kept at the start stays, the first w or w itself."""
    return [b if max(case[2]) > 0 else walk[place] for walk, case, b in zip(walks, inputs, best, strict=True)]


@exercise("11.keep_best", "A snapshot that stays", _best_cases)
def _keep_best(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    walks = [np.vstack([w, w - rate * np.cumsum(g, 0)]) for w, g, _, rate in inputs]
    tops = [int(np.argmax(scores)) for _, _, scores, _ in inputs]
    right = [(walk[top + 1], walk[-1]) for walk, top in zip(walks, tops, strict=True)]
    for i, got in enumerate(outputs):
        if not isinstance(got, list | tuple) or len(got) != 2:
            yield Problem(i, right[i], "give back two arrays: the best weights, and the last")
            return

    def fits(part: int, wanted: list[Array]) -> bool:
        return all(close(got[part], one, 1e-4, 1e-5) for got, one in zip(outputs, wanted, strict=True))

    if fits(0, [pair[0] for pair in right]) and fits(1, [pair[1] for pair in right]):
        return
    cases = range(len(inputs))
    at = next(i for i in cases if not all(close(a, b, 1e-4, 1e-5) for a, b in zip(outputs[i], right[i], strict=True)))
    latest = [len(scores) - 1 - int(np.argmax(scores[::-1])) for _, _, scores, _ in inputs]
    best = [pair[0] for pair in right]
    below = "scores may be below 0: begin with −∞ as the best so far"
    given = [_overwritten(*case) for case in inputs]
    if fits(0, [pair[0] for pair in given]) and fits(1, [pair[1] for pair in given]):
        hint = "the array w that was given has been overwritten: `from_numpy` shares its memory, `torch.tensor` copies"
        yield Problem(at, right[at], hint)
    typical = [
        (0, _below_zero(walks, inputs, best, 0), below), (0, _below_zero(walks, inputs, best, -1), below),
        (0, [walk[-1] for walk in walks], "the snapshot went on walking: it shares its numbers with w, so copy them"),
        (0, [walks[i][tops[i]] for i in cases], "the snapshot is one step too early: scores[t] is that after step t"),
        (0, [walks[i][latest[i] + 1] for i in cases], "of two equal scores the first counts: > and not >="),
        (
            0, [walks[i][int(np.argmin(inputs[i][2])) + 1] for i in cases],
            "those are the weights of the lowest score: here more is better",
        ),
        (1, [walk[0] for walk in walks], "the last weights are still the first: each step changes w"),
        (1, [2 * walk[0] - walk[-1] for walk in walks], "the walk goes uphill: the step is against the gradient"),
        (1, best, "the last weights are asked for as they are, after all steps"),
    ]  # fmt: skip
    if fits(0, [last for _, last in right]) and fits(1, best):
        yield Problem(at, right[at], "the order: first the best weights, then the last")
    for part, wanted, hint in typical:
        if fits(part, wanted) and not fits(part, [pair[part] for pair in right]):
            yield Problem(at, right[at], hint)
    yield Problem(at, right[at], "w ← w − rate · gradients[t]; after it, if scores[t] is a new best, copy w")


# 11.logs -------------------------------------------------------------------------------------------------------------
LOGS = {"A": "shared storage", "B": "every pair", "C": "training mode", "D": "heap", "E": "cut graph"}
OVERFITTING_HINTS = {
    "A": "overfitting may explain the fall from 0.97 to 0.92, but not why the state of the best epoch scores 0.92",
    "C": "overfitting is between different rows; here are the same weights and the same rows: only the batch differs",
}
LOG_HINTS = {
    "A": "training and log are sound; only the state that was kept disagrees with the log",
    "B": "a constant gets R² = 0; what loss lets a network fall to the variance of the targets, and no further?",
    "C": "the weights are the same and the answers are not: what differs is the number of rows in a batch",
    "D": "the gradient of one and the same batch grows by its own size with each call",
    "E": "the first layer has not moved by a single digit, and those behind it have",
}


@exercise("11.logs", "Read five logs", once, letters="ABCDE")
def _logs(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    (got,) = outputs
    if not isinstance(got, dict):
        yield Problem(0, "a dictionary", "give back a dictionary from the letters to the bugs")
        return
    known = set(LOGS.values())
    for letter, right in LOGS.items():
        said = got.get(letter)
        if said == right:
            continue
        if said is None or said not in known | {"none", "overfitting"}:
            words = "'" + "', '".join(sorted(known | {"none", "overfitting"})) + "'"
            yield Problem(0, f"for {letter} one of {words}", f"log {letter} has no name from the list")
        if said == "overfitting":
            general = f"overfitting is a gap between training rows and others, and {letter} shows none"
            yield Problem(0, f"another bug for {letter}", OVERFITTING_HINTS.get(letter, general))
        yield Problem(0, f"another bug for {letter}", LOG_HINTS[letter])
