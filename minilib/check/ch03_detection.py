"""Exercises of chapter 03 in detection: five reports to read, a saboteur to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from minilib import data
from minilib.check.ch03_backpropagation import _arrays
from minilib.check.ch03_networks import Array, _gradients, _probabilities
from minilib.check.spec import Inputs, Problem, exercise, once

# 7. Five reports -----------------------------------------------------------------------------------------------------
ANSWERS = {"A": "fine", "B": "bug", "C": "float32", "D": "step too small", "E": "kink"}
ASK = {
    "A": "compare its errors with the line of 10⁻⁶, at the steps that the chapter advises",
    "B": "follow the row from left to right: what does a different step do to this error, and what would explain that?",
    "C": "read the column dtype as well, and see in which direction the error grows",
    "D": "count the steps that were tried. Would any gradient, right or wrong, look good at that one?",
    "E": "one of three steps disagrees. What can a long step reach that a short one cannot?",
}


@exercise("03.read_reports", "Read a gradient-check report", once, letters="ABCDE")
def _read_reports(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    (got,) = outputs
    if not isinstance(got, dict) or set(got) != set(ANSWERS):
        yield Problem(0, "a dictionary with the keys A to E", "give every report one diagnosis")
    said = {name: str(diagnosis).strip().lower() for name, diagnosis in got.items()}
    unknown = [x for x in said.values() if x not in ANSWERS.values()]
    if unknown:
        yield Problem(0, ", ".join(sorted(ANSWERS.values())), f"{unknown[0]!r} is none of the five diagnoses")
    if all(x == "bug" for x in said.values()):
        yield Problem(
            0, "different diagnoses", "not every disagreement is a bug: look at how the error changes with the step"
        )
    if said["B"] == "fine":
        yield Problem(0, "B: another diagnosis", "B is off by 38 %: no tolerance that lets it pass is worth the name")
    for name, right in ANSWERS.items():
        if said[name] != right:
            yield Problem(0, f"{name}: another diagnosis", f"report {name}: {ASK[name]}")


# 8. The saboteur -----------------------------------------------------------------------------------------------------
# Weights of the healthy network, measured. When one is turned, w · g ranks it first, or second to third, of all 320,
# and turning it back lowers the loss more than turning any other. PILED are found even where the trials pile up.
FIRST = ((4, 20), (5, 30), (6, 8), (5, 20), (9, 17), (9, 30), (9, 28), (1, 22), (5, 6), (4, 7), (1, 20), (0, 8))
SOON = ((3, 8), (1, 27), (8, 19), (2, 17), (8, 22), (4, 9), (3, 20), (4, 23), (8, 4))
PILED = ((4, 22), (3, 28), (2, 19))


@cache
def _healthy() -> tuple[tuple[Array, ...], Array, Array]:
    """A trained 64-32-10 network and 300 of the digits it learned from."""
    digits, rng = data.digits(), np.random.default_rng(1)
    x, y = digits.x.astype(float), digits.y
    w1, w2 = rng.normal(0, np.sqrt(2 / 64), (32, 64)), rng.normal(0, np.sqrt(2 / 32), (10, 32))
    parameters = [w1, np.zeros(32), w2, np.zeros(10)]
    for _ in range(400):
        rows = rng.integers(0, 1500, 64)
        gradients = _gradients(x[rows], y[rows], *parameters)
        parameters = [p - 0.2 * g for p, g in zip(parameters, gradients, strict=True)]
    return tuple(parameters), x[:300], y[:300]


def _saboteur_cases(rng: np.random.Generator) -> list[Inputs]:
    """Ten networks, each in other units: relu lets a unit be s times larger if its weights out are s times smaller."""
    (w1, b1, w2, b2), x, y = _healthy()
    chosen = [FIRST[k] for k in rng.permutation(len(FIRST))[:3]] + [SOON[k] for k in rng.permutation(len(SOON))[:4]]
    cases = []
    for digit, unit in (*chosen, *PILED):
        scale = np.exp(rng.uniform(np.log(0.1), np.log(10), 32))
        scale[unit] = 1
        bent = w2 / scale
        bent[digit, unit] *= -1
        cases.append((x, y, w1 * scale[:, None], b1 * scale, bent, b2))
    return cases


def _tried(case: Inputs, scores: Array, fresh: bool = True) -> Any:
    """The weight on a shortlist of four whose turning back lowers the loss most; without `fresh`, turns pile up."""
    x, y, w1, b1, w2, b2 = case
    h, losses, trial = np.maximum(x @ w1.T + b1, 0), {}, w2.copy()
    for flat in np.argsort(-scores, axis=None)[:4]:
        trial = w2.copy() if fresh else trial
        place = _place(np.arange(w2.size).reshape(w2.shape) == flat)
        trial[place] *= -1
        p = _probabilities(h @ trial.T + b2)
        losses[place] = -np.log(p[np.arange(len(y)), y] + 1e-300).mean()
    return min(losses, key=lambda place: losses[place])


SCORES: dict[str, Callable[[Array, Array], Array]] = {
    "weight": lambda w, g: np.abs(w),
    "gradient": lambda w, g: np.abs(g),
    "product": lambda w, g: w * g,
    "turned": lambda w, g: -w * g,
}
VERDICTS = {
    "weight": "you accuse the largest weight: a turned sign changes no size, and each unit has a scale of its own",
    "gradient": "you accuse the largest gradient. It says who could *help* by a small move, and depends on the scale "
    "of the unit: ask what the loss would be if a weight were changed for good",
    "product": "your score gives a shortlist, not a verdict: turn back the sign of each of its first few, measure the "
    "loss, and accuse the one that helps most",
    "turned": "which sign of w · g lowers the loss when the weight goes? You accuse the one that is needed most",
}
SHORTLISTS = {
    "weight": "your shortlist holds the largest weights, and the culprit is not on it: a turned sign changes no size",
    "gradient": "your shortlist holds the largest gradients, and the culprit is not on it: they depend on the scale of "
    "the unit. Which number says what the loss would do without a weight?",
    "turned": "your shortlist holds the weights that the network needs most: which sign of w · g lowers the loss?",
}


@exercise("03.find_saboteur", "Find the saboteur", _saboteur_cases)
def _find_saboteur(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    accused = []
    for i, got in enumerate(outputs):
        pair = _arrays(got, 2)
        if pair is None or any(one.shape or one != np.floor(one) for one in pair):
            yield Problem(i, "(digit, unit)", "accuse one weight of w2: its row, 0 to 9, and its column, 0 to 31")
            return
        accused.append((int(pair[0]), int(pair[1])))
    truth = [_place(np.sign(case[4]) != np.sign(_healthy()[0][2])) for case in inputs]
    caught = [a == t for a, t in zip(accused, truth, strict=True)]
    if sum(caught) >= 8:
        return
    first, said = caught.index(False), f"the right weight in at least 8 of 10 cases; it was right in {sum(caught)}"
    if sum(a[::-1] == t for a, t in zip(accused, truth, strict=True)) >= 8:
        yield Problem(first, said, "the right weight, but named (unit, digit): its row, the digit, comes first")
    if not all(0 <= a < 10 and 0 <= b < 32 for a, b in accused):
        yield Problem(first, said, "w2 has rows 0 to 9 and columns 0 to 31: accuse one of its weights")
    gradients = [_gradients(*case)[2] for case in inputs]

    def blamed(choose: Callable[..., Any]) -> bool:
        return sum(a == choose(case, g) for a, case, g in zip(accused, inputs, gradients, strict=True)) >= 9

    for name, hint in VERDICTS.items():
        if blamed(lambda case, g, score=SCORES[name]: _place(score(case[4], g))):
            yield Problem(first, said, hint)
    if blamed(lambda case, g: _tried(case, case[4] * g, fresh=False)):
        yield Problem(
            first,
            said,
            "each trial starts from the one before, so the turned signs pile up: work on a fresh copy of w2 each time",
        )
    for name, hint in SHORTLISTS.items():
        if blamed(lambda case, g, score=SCORES[name]: _tried(case, score(case[4], g))):
            yield Problem(first, said, hint)
    yield Problem(
        first,
        said,
        "which number says, for each weight, what the loss would do without it? Then put the likeliest to the test",
    )


def _place(scores: Array) -> tuple[int, int]:
    row, column = np.unravel_index(int(np.argmax(scores)), scores.shape)
    return int(row), int(column)
