"""Exercises of chapter 21 on runs: an average of weights, five generators, a leak, six claims."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise, once

State = dict[str, Any]


# 5. The average, mended ----------------------------------------------------------------------------------------------
def _average_cases(rng: np.random.Generator) -> list[Inputs]:
    def state(step: int) -> State:
        return {"weight": rng.normal(0, 1, (2, 2)), "running_mean": rng.normal(0, 1, 2), "batches": np.array(step)}

    return [
        ([{"weight": np.array([0.0])}, {"weight": np.array([10.0])}], 0.9),
        ([state(step) for step in range(1, 5)], 0.9),
        ([state(step) for step in range(1, 7)], 0.5),
        ([state(3)], 0.99),
    ]


def _average(states: list[State], decay: float, fault: str = "") -> State:
    found = {name: np.zeros_like(v, float) if fault == "zero" else np.array(v) for name, v in states[0].items()}
    for state in states[0 if fault == "zero" else 1 :]:
        for name, value in state.items():
            whole = np.asarray(value).dtype.kind in "iu"
            if (fault == "stuck" and whole) or (fault == "left" and name.startswith("running")):
                continue
            if (fault == "latest" and name.startswith("running")) or (whole and fault != "counter"):
                found[name] = np.array(value)
            elif fault == "old" and (name.startswith("running") or whole):
                continue
            else:
                old, new = (1 - decay, decay) if fault == "turned" else (decay, 1 - decay)
                found[name] = old * found[name] + new * np.asarray(value)
    if fault == "mean":
        found |= {k: np.mean([s[k] for s in states], 0) for k, v in found.items() if np.asarray(v).dtype.kind == "f"}
    return found


def _alike(got: Any, wanted: State) -> bool:
    return isinstance(got, dict) and got.keys() == wanted.keys() and all(close(got[k], wanted[k]) for k in wanted)


@exercise("21.average", "The average, mended", _average_cases)
def _average_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "turned": "decay is the share of the old average that stays; 0.995 must change slowly",
        "counter": "a counter of batches is a whole number: an average of it means nothing, take the latest",
        "latest": "running means and variances belong to the averaged weights: average them too, do not copy",
        "old": "running means and variances stayed at their first value: average them as the weights",
        "left": "running means and variances stayed at their first value: average them as the weights",
        "stuck": "the counter stays at its first value: take the latest",
        "zero": "the average starts as a copy of the first state, not at zero",
        "mean": "the plain mean never forgets the first steps; here late steps weigh more",
    }
    for i, ((states, decay), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _average(states, decay)
        if _alike(got, right):
            continue
        missing = sorted(set(right) - set(got)) if isinstance(got, dict) else []
        hints = [(bool(missing), f"the average lacks {', '.join(missing)}: give back every name of the state")]
        hints += [(_alike(got, _average(states, decay, fault)), hint) for fault, hint in told.items()]
        general = (
            "start from the first state; then average ← decay · average + (1 − decay) · state, for every float array"
        )
        yield Problem(i, right, first_hint(hints, general))


# 6. Five generators --------------------------------------------------------------------------------------------------
GENERATORS = {"A": "learnt", "B": "copies", "C": "few pictures", "D": "noise", "E": "moved copies"}


def _named(got: Any, right: dict[str, str], clues: dict[str, str], what: str) -> Iterator[Problem]:
    if not isinstance(got, dict) or set(map(str, got)) != set(right):
        yield Problem(0, f"a dictionary with {', '.join(right)}", f"give {what} for each of {', '.join(right)}")
        return
    strange = [str(x) for x in got.values() if x not in right.values()]
    wrong = [name for name in right if got[name] != right[name]]
    if strange:
        yield Problem(0, "one of the names given", f"{strange[0]!r} is not among {', '.join(sorted(right.values()))}")
    elif wrong:
        yield Problem(0, "another name", clues[wrong[0]])


@exercise("21.which", "Five generators", once, letters="ABCDE")
def _which(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    clues = {
        "A": "A: no column is the best, none is hopeless, and shifting brings it no nearer than the held-out digits",
        "B": "B: look at the distance to the nearest training picture",
        "C": "C: perfectly recognised and precise. How much of the real world does it reach?",
        "D": "D: high precision, but who recognises it, and how far are the clouds apart?",
        "E": "E: nearly everything looks fine. Compare the two last columns with those of the held-out digits",
    }
    yield from _named(outputs[0], GENERATORS, clues, "a name")


# 7. Hunt the leak ----------------------------------------------------------------------------------------------------
def _leak_cases(rng: np.random.Generator) -> list[Inputs]:
    ids = rng.permutation(60).tolist()
    pairs = [tuple(int(one) for one in rng.choice(60, 2, replace=False)) for _ in range(14)]
    return [
        ([1, 2, 3], [4, 5], [5, 6, 2], []),
        ([1, 2, 3, 7], [4], [6], [(4, 1), (6, 3), (7, 8)]),
        ([1, 2], [4], [6], [(2, 4), (6, 3)]),
        ([10, 11, 12, 13], [20], [21], [(10, 30), (30, 20), (31, 12), (13, 32)]),
        (ids[:15], ids[15:35], ids[30:45], pairs),
    ]


def _leaks(test: list[int], train: list[int], seen: list[int], twins: list[Any], fault: str = "") -> list[int]:
    known = set(train) if fault == "train" else set(seen) if fault == "gan" else set(train) | set(seen)
    pairs = [] if fault == "ids" else [tuple(pair) for pair in twins]
    if fault != "one way":
        pairs += [(b, a) for a, b in pairs]
    for _ in range(1 if fault == "near" else 1 + len(pairs)):
        known |= {b for a, b in pairs if a in known}
    return sorted(set(test) - known if fault == "clean" else set(test) & known)


@exercise("21.leak", "Hunt the leak", _leak_cases)
def _leak_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "train": "what the GAN saw reaches the classifier through its pictures: those rows are known, too",
        "gan": "the classifier's own training rows are known as well",
        "ids": "a twin under another number is the same picture: follow the pairs",
        "one way": "if 6 is a twin of 3, then 3 is a twin of 6: follow each pair in both directions",
        "near": "a twin of a twin is a twin: go on until nothing new is found",
        "clean": "these are the rows that may stay; the leaks were asked for",
    }
    plain = [[int(one) for one in got] for got in outputs]
    rights = [_leaks(*case) for case in inputs]
    hints = [([sorted(got) for got in plain] == rights, "give them back in rising order, each once")]
    for fault, hint in told.items():
        hints.append((plain == [_leaks(a, b, c, d, fault) for a, b, c, d in inputs], hint))
    general = "known: what classifier or GAN saw, and all twins of it; then the test rows among them, sorted"
    for i, (got, right) in enumerate(zip(plain, rights, strict=True)):
        if got != right:
            yield Problem(i, right, first_hint(hints, general))


# 8. Six claims -------------------------------------------------------------------------------------------------------
CLAIMS = {"A": "no rival", "B": "leak", "C": "fair", "D": "luck", "E": "one column", "F": "tuned on test"}


@exercise("21.claims", "Six claims", once, letters="ABCDEF")
def _claims(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    clues = {
        "A": "A: better than nothing. What else could have been done with the same 200 digits for less?",
        "B": "B: what did the generator see that the team does not own?",
        "C": "C: go through the other five objections. Is there one that holds here?",
        "D": "D: how large is the gain, and how far apart are two runs of one arm?",
        "E": "E: which useless generator has that score, too?",
        "F": "F: on which digits was the best of the forty generators chosen?",
    }
    yield from _named(outputs[0], CLAIMS, clues, "a verdict")
