"""Exercises of chapter 20 on the game as a whole: the spiral, coverage, logs, and who cured it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


# 20.stop_spiral -------------------------------------------------------------------------------------------------------
def _spiral_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = [(1.0, 0.0, 0.1, 500)]
    for rate in (0.2, round(float(rng.uniform(0.25, 0.32)), 2)):
        angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 3)
        start = round(float(away * np.cos(angle)), 2), round(float(away * np.sin(angle)), 2)
        cases.append((*start, rate, int(rng.uniform(7, 9) / rate**2)))
    return cases


def _at_once(x: float, y: float, rate: float) -> tuple[float, float]:
    return x - rate * y, y + rate * x


@exercise("20.stop_spiral", "Stop the spiral", _spiral_cases)
def _stop_spiral(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((x, y, rate, steps), got) in enumerate(zip(inputs, outputs, strict=True)):
        path = np.asarray(got, float)
        wanted = f"{steps + 1} points from ({x}, {y}) that turn round the middle and end within half the distance"
        if path.shape != (steps + 1, 2):
            yield Problem(i, wanted, f"needed the shape ({steps + 1}, 2): the start, and the point after each step")
            return
        if not close(path[0], (x, y)):
            yield Problem(i, wanted, "the first point of the path is the start")
            return
        away = np.linalg.norm(path, axis=1)
        if not np.isfinite(path).all() or away[-1] > 1.15 * away[0]:
            hint = "it spirals outwards, at any rate: change what the players look at, not how fast they move"
            if close(path[1], _at_once(*_at_once(x, y, rate), rate)):
                hint = "these are two steps of the old game: look ahead, then step from where you stand"
            yield Problem(i, wanted, hint)
            return
        if away[-1] > 0.8 * away[0]:
            hint = (
                "it no longer flies off, but it circles: moving in turn or slowly is not enough; look ahead, or hold "
                "one player back by friction larger than the rate"
            )
            yield Problem(i, wanted, hint)
            return
        turns = np.angle((path[1:21] @ [1, 1j]) / (path[:20] @ [1, 1j]))
        if not (turns > 0.4 * rate).all() or not (turns < 2 * rate).all():
            hint = "it arrives, but it does not play: each step must turn by about `rate`, as the slopes of x·y ask"
            yield Problem(i, wanted, hint)
            return
        if away[-1] > 0.5 * away[0]:
            yield Problem(i, wanted, "it arrives too slowly: keep the rate as given")
            return


# 20.count_modes -------------------------------------------------------------------------------------------------------
def _count_cases(rng: np.random.Generator) -> list[Inputs]:
    centres = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])

    def cloud() -> Array:
        tight = int(rng.integers(20, 120))
        parts = [np.zeros((tight, 2)), np.tile(centres[1], (3, 1)), np.full((197 - tight, 2), 1.0)]
        return rng.permutation(np.concatenate(parts) + 0.08 * rng.standard_normal((200, 2)).clip(-3, 3))

    few = np.array([[0.1, 0.0], [0.0, 0.1], [2.0, 0.1], [0.9, 0.9]])
    between = np.array([0.9, 0.1]) + 0.02 * rng.standard_normal((20, 2))
    return [
        (few, centres, 0.3, 0.25), (cloud(), centres, 0.3, 0.02), (cloud(), centres, 0.3, 0.02),
        (between, centres, 1.3, 0.25),
    ]  # fmt: skip


def _count(
    samples: Array, centres: Array, radius: float, least: float, *,
    of: str = "all", cut: bool = True, each: bool = False,
) -> Any:  # fmt: skip
    distance = np.linalg.norm(samples[:, None] - centres, axis=2)
    nearest, good = distance.argmin(1), distance.min(1) < radius
    inside = good if cut else np.ones_like(good)
    whole = max(1, inside.sum()) if of == "good" else len(samples)
    mine = (distance < radius).T if each else [nearest == k for k in range(len(centres))]
    modes = sum(int((inside & own).sum()) / whole >= least for own in mine)
    return modes, good.mean()


@exercise("20.count_modes", "Count what is covered", _count_cases)
def _count_modes(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        samples = case[0]
        modes, share = _count(*case)
        if close(got, (modes, share)):
            continue
        found, good = got
        hint = "good: within `radius` of the nearest centre; a mode needs the share `least` of all, good ones there"
        if close(good, share * len(samples)):
            hint = "the second number is a share of all samples, not how many"
        elif close(good, share) and close(found, _count(*case, cut=False)[0]):
            hint = "a sample far from every centre has a nearest one too: it must lie within the radius to count"
        elif close(good, share) and close(found, _count(*case, of="good")[0]):
            hint = "`least` is a share of all samples, not of the good ones: a generator that sprays must not profit"
        elif close(good, share) and close(found, _count(*case, each=True)[0]):
            hint = "a sample near two centres counts for the nearest alone"
        elif close(good, share) and found > modes:
            hint = "one stray sample covers no mode: at least the share `least` of all samples must be good there"
        yield Problem(i, (modes, share), hint)


# 20.read_log ----------------------------------------------------------------------------------------------------------
LABELS = {
    "A": "healthy",
    "B": "judge too good",
    "C": "collapsed",
    "D": "judge asleep",
}
LOG_HINTS = {
    ("A", "judge asleep"): "log A: near 1.386 the best judge stands too if the samples are right; look at the modes",
    ("A", "collapsed"): "log A: all eight modes are covered, and the share of good ones keeps rising",
    ("B", "healthy"): "log B: a judge's loss near 0 is no progress: it knows every made point, and none is good",
    ("B", "collapsed"): "log B: no mode at all is hit; first ask what the judge's loss near 0 does to the slopes",
    ("C", "healthy"): "log C: the losses look like those of log A; the modes do not, and they wander",
    ("D", "healthy"): "log D: 1.386 without a good sample: this judge says ½ to everything, and has learnt nothing",
    ("D", "collapsed"): "log D: no mode is hit; the judge's loss never leaves 1.386, so who teaches?",
}


@exercise("20.read_log", "Four logs", once, letters="ABCD")
def _read_log(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    got = outputs[0]
    for name, label in LABELS.items():
        if got[name] == label:
            continue
        words = sorted(set(LABELS.values()))
        hint = f"log {name}: read the modes and the good samples first, then ask what the judge's loss says about them"
        if got[name] not in words:
            hint = f"log {name}: choose one of {', '.join(words)}"
        yield Problem(0, "another label for log " + name, LOG_HINTS.get((name, got[name]), hint))
        return


# 20.who_cured ---------------------------------------------------------------------------------------------------------
def _run(bend: str, momentum: float, penalty: str, good: list[float]) -> dict[str, Any]:
    return {"settings": {"bend": bend, "momentum": momentum, "penalty": penalty}, "good": good}


def _cure_cases(rng: np.random.Generator) -> list[Inputs]:
    report = [
        _run("relu", 0.9, "none", [0.01, 0.12, 0.04]), _run("leaky", 0.0, "R1", [0.84, 0.86, 0.85]),
        _run("leaky", 0.0, "none", [0.83, 0.88, 0.87]), _run("leaky", 0.9, "none", [0.61, 0.74, 0.70]),
    ]  # fmt: skip
    other = [
        _run("relu", 0.9, "none", [0.10, 0.45, 0.05]), _run("relu", 0.9, "R1", [0.17, 0.31, 0.60]),
        _run("leaky", 0.9, "R1", [0.05, 0.09, 0.11]),
    ]  # fmt: skip
    close_by = [
        _run("relu", 0.9, "none", [0.1, 0.5, 0.3]), _run("leaky", 0.9, "none", [0.2, 0.6, 0.4]),
        _run("relu", 0.0, "none", [0.5, 0.7, 0.6]),
    ]  # fmt: skip
    unusual = [_run("leaky", 0.0, "R1", [0.7, 0.8, 0.8]), _run("leaky", 0.0, "WGAN-GP", [0.4, 0.5, 0.6])]
    tables = [report, report[:3], other, other[::-1], close_by]
    return [*((_disguised(table, rng),) for table in tables), (unusual,)]


def _disguised(runs: list[dict[str, Any]], rng: np.random.Generator) -> list[dict[str, Any]]:
    """The same table with its factors exchanged, and, perhaps, what was good called bad."""
    values = {"bend": ("relu", "leaky"), "momentum": (0.9, 0.0), "penalty": ("none", "R1")}
    roles, turned = dict(zip(values, rng.permutation(list(values)).tolist(), strict=True)), rng.random() < 0.5
    found = []
    for run in runs:
        left = {roles[name]: value != values[name][0] for name, value in run["settings"].items()}
        settings = {name: values[name][int(left[name])] for name in values}
        found.append({"settings": settings, "good": [round(1 - x, 2) if turned else x for x in run["good"]]})
    return found


def _said(low: list[float], high: list[float], kind: str) -> str:
    """The verdict on going from the run with the shares `low` to the one with `high`; `kind` names a mistake."""
    if kind == "one seed":
        low, high = low[:1], high[:1]
    elif kind == "means":
        low, high = [float(np.mean(low))], [float(np.mean(high))]
    if kind == "seed by seed":
        pairs = list(zip(low, high, strict=True))
        helps, hurts = all(b > a for a, b in pairs), all(b < a for a, b in pairs)
    elif kind == "ties":
        helps, hurts = min(high) >= max(low), max(high) <= min(low)
    else:
        helps, hurts = min(high) > max(low), max(high) < min(low)
    return "helps" if helps else "hurts" if hurts else "unclear"


def _verdicts(runs: list[dict[str, Any]], kind: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for i, a in enumerate(runs):
        for j, b in enumerate(runs):
            changed = [k for k in a["settings"] if a["settings"][k] != b["settings"][k]]
            usual = sum(a["settings"][k] == {"bend": "relu", "momentum": 0.9, "penalty": "none"}[k] for k in changed)
            if kind == "never usual" and i < j and len(changed) == 1:
                usual = 1
            if usual != len(changed) or not changed or (len(changed) > 1 and kind not in SEVERAL):
                continue
            for name in changed:
                if (len(changed) == 1 and kind not in SEVERAL[1:]) or name not in found or kind == "several, last":
                    found[name] = _said(a["good"], b["good"], kind)
    return found


SEVERAL = ("several", "several, first", "several, last")
CURE_HINTS = {
    **dict.fromkeys(SEVERAL, "some of these runs differ in more than one factor: such a pair cannot judge any of them"),
    "never usual": "two runs differ in penalty alone, but neither has its usual value: they say nothing of leaving it",
    "one seed": "one seed is luck: a factor helps if every seed with it beats every seed without it",
    "means": "means hide the spread: if the seeds of the two runs overlap, the verdict is unclear",
    "seed by seed": "the first seeds of two runs are no partners: every seed with it must beat every one without",
    "ties": "the best seed without the change is as good as the worst one with it: a tie is not better",
}


@exercise("20.who_cured", "Who cured it?", _cure_cases)
def _who_cured(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((runs,), got) in enumerate(zip(inputs, outputs, strict=True)):
        expected = _verdicts(runs)
        if got == expected:
            continue
        hint = "for each factor, look for two runs that differ in it alone, and compare all their seeds"
        made = [
            k for k in CURE_HINTS if all(o == _verdicts(case[0], k) for case, o in zip(inputs, outputs, strict=True))
        ]
        if made:
            hint = CURE_HINTS[made[0]]
        elif set(got) - set(expected):
            extra = ", ".join(sorted(set(got) - set(expected)))
            hint = f"the table has no pair for {extra}: two runs that differ in it alone, one with its usual value"
        elif set(expected) - set(got):
            hint = "a pair of runs that differ in one factor alone is left out: try every pair"
        elif got == {k: {"helps": "hurts", "hurts": "helps"}.get(v, v) for k, v in expected.items()}:
            hint = "the other way round: the change is from the usual setting (relu, 0.9, none) to the other one"
        yield Problem(i, expected, hint)
