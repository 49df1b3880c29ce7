"""Exercises of chapter 14 on deciding: by the clock, five logs, memory for a cache, what to ship."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.ch14_writing import by_all
from minilib.check.spec import Inputs, Problem, close, exercise, once

Runs = dict[str, tuple[float, list[list[float]]]]


# 1. By the clock -----------------------------------------------------------------------------------------------------
def _clock_cases(rng: np.random.Generator) -> list[Inputs]:
    plain = [[2.20, 1.90, 1.75, 1.66, 1.61], [2.24, 1.92, 1.77, 1.67, 1.62], [2.21, 1.91, 1.76, 1.66, 1.60]]

    def moved(by: float) -> list[list[float]]:
        return [[round(x + by, 3) for x in seed] for seed in plain]

    runs = {
        "plain": (50.0, plain), "quick": (40.0, moved(0.005)), "dear": (100.0, moved(-0.03)),
        "good": (50.0, moved(-0.04)), "lucky": (50.0, [[x - 0.02 for x in plain[0]], plain[1], moved(0.01)[2]]),
        "uneven": (50.0, [moved(-0.05)[0], moved(0.09)[1], moved(0.09)[2]]),
    }  # fmt: skip
    drawn = {"plain": (60.0, plain), "worse": (60.0, moved(0.05))}
    for name in ("ash", "birch", "elm", "fir", "larch", "oak"):
        noise = rng.normal(rng.uniform(-0.15, 0.15), 0.01, (3, 5))
        other = [[float(x + e) for x, e in zip(*pair, strict=True)] for pair in zip(plain, noise, strict=True)]
        drawn[name] = (float(rng.choice([48, 60, 75, 100])), other)
    return [(runs, 20.0), (runs, 25.0), (runs, 15.1), (drawn, 24.0)]


def _clock(runs: Runs, seconds: float, kind: str = "") -> dict[str, str]:
    reached = {}
    for name, (ms, seeds) in runs.items():
        records = int(seconds * 1000 / ms / 100 + 1e-9)
        at = len(seeds[0]) - 1 if kind == "steps" else min(records, len(seeds[0])) - 1
        reached[name] = [seed[at] for seed in seeds]
    told, plain = {}, reached["plain"]
    for name, losses in reached.items():
        if name == "plain":
            continue
        a, b = losses, plain
        if kind == "best":
            a, b = [min(a)], [min(b)]
        if kind == "mean":
            a, b = [float(np.mean(a))], [float(np.mean(b))]
        told[name] = "better" if max(a) < min(b) else "worse" if min(a) > max(b) else "unclear"
    return told


@exercise("14.clock", "By the clock", _clock_cases)
def _clock_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    hints = {
        "steps": "these are the last records, at equal steps: a form with dear steps has taken fewer of them by then",
        "mean": "the means differ, but do the seeds? If those of the two forms overlap, it is unclear",
        "best": "the best seed is luck: every seed must lie below every one of the plain form",
    }
    for i, ((runs, seconds), got) in enumerate(zip(inputs, outputs, strict=True)):
        expected = _clock(runs, seconds)
        if got == expected:
            continue
        hint = "seconds · 1,000 / milliseconds steps are done; take the last record before, then compare all seeds"
        if not isinstance(got, dict) or set(got) != set(expected):
            hint = f"give a verdict on each form but plain: {', '.join(expected)}"
        else:
            for kind, told in hints.items():
                if all(out == partial(_clock, kind=kind)(*case) for case, out in zip(inputs, outputs, strict=True)):
                    hint = told
                    break
        yield Problem(i, expected, hint)


# 6. Five logs --------------------------------------------------------------------------------------------------------
LOGS = {"A": "rate too low", "B": "memorising", "C": "leak", "D": "rate too high", "E": "healthy"}


@exercise("14.logs", "Five logs", once, letters="ABCDE")
def _logs(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    got = outputs[0]
    if not isinstance(got, dict) or set(map(str, got)) != set(LOGS):
        yield Problem(0, "a dictionary with A to E", f"give a label for each of {', '.join(LOGS)}")
        return
    strange = [str(x) for x in got.values() if x not in LOGS.values()]
    wrong = [name for name in LOGS if got[name] != LOGS[name]]
    clues = {
        "A": "A: does it still fall, and how fast? What would more of the same rate do?",
        "B": "B: compare the two rows. When do they part, and which goes on falling?",
        "C": "C: can the next character of new text be guessed that well? What must the model see for that?",
        "D": "D: it falls at once, and then goes up and down above the table of pairs. What keeps it from settling?",
        "E": "E: both fall, and together. Is there anything to mend?",
    }
    if strange:
        yield Problem(0, "the five labels", f"{strange[0]!r} is not among {', '.join(sorted(LOGS.values()))}")
    elif wrong:
        yield Problem(0, "another label", clues[wrong[0]])


# 7. Plan the cache ---------------------------------------------------------------------------------------------------
def _plan_cases(rng: np.random.Generator) -> list[Inputs]:
    layers, groups = int(rng.integers(10, 40)), int(rng.choice([2, 4, 8]))
    return [
        (80.0, 16.0, 32, 8192, 32, 8, 4096, 2),
        (24.0, 14.0, 32, 4096, 32, 32, 4096, 2),
        (16.0, 15.9, 40, 4096, 40, 40, 5120, 2),
        (float(rng.integers(40, 140)), 20.0, layers, 4096, 16, groups, 2048, 2),
    ]


def _plan(
    memory: float, weights: float, layers: int, tokens: int, heads: int, kv_heads: int, width: int, size: int,
    kind: str = "",
) -> int:  # fmt: skip
    used = heads if kind == "heads" else kv_heads
    each = (1 if kind == "keys" else 2) * layers * tokens * used * (width // heads) * size
    if kind == "width":
        each = 2 * layers * tokens * kv_heads * width * size
    if kind == "one layer":
        each //= layers
    left = memory if kind == "weights" else memory - weights
    users = left * (2**30 if kind == "binary" else 1e9) / each
    if kind == "nearest":
        return round(users)
    return round(users + 0.5) if kind == "up" else int(users)


@exercise("14.plan", "Plan the cache", _plan_cases)
def _plan_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "keys": "keys and values are kept: twice as much",
        "heads": "only the kv_heads heads of keys and values are kept, not all the heads of queries",
        "weights": "the weights lie in the same memory",
        "width": "a head is width / heads wide",
        "one layer": "every layer has a cache of its own",
        "up": "a user fits whole or not at all: round down",
        "nearest": "a user fits whole or not at all: round down",
        "binary": "a gigabyte is 10⁹ bytes here",
    }
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        expected = _plan(*case)
        if close(got, expected):
            continue
        hints = [(by_all(inputs, outputs, partial(_plan, kind=kind)), hint) for kind, hint in told.items()]
        general = (
            "bytes for a user: 2 · layers · tokens · kv_heads · (width // heads) · size; divide what is left by it"
        )
        yield Problem(i, expected, first_hint(hints, general))


# 8. Ship it? ---------------------------------------------------------------------------------------------------------
SHIP = {"A": "run longer", "B": "ship", "C": "more seeds", "D": "keep the old", "E": "tune the old"}


@exercise("14.ship", "Ship it?", once, letters="ABCDE")
def _ship(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    got = outputs[0]
    if not isinstance(got, dict) or set(map(str, got)) != set(SHIP):
        yield Problem(0, "a dictionary with A to E", f"give a decision for each of {', '.join(SHIP)}")
        return
    strange = [str(x) for x in got.values() if x not in SHIP.values()]
    wrong = [name for name in SHIP if got[name] != SHIP[name]]
    clues = {
        "A": "A: what became of the gap of 400 steps in the chapter, once the models had 2,000?",
        "B": "B: is there any of the usual objections that you can still raise?",
        "C": "C: how far apart are two seeds of one model, and how far the two models?",
        "D": "D: you pay by the hour, not by the step. Which model is better after an hour?",
        "E": "E: who had how many tries at a good rate?",
    }
    if strange:
        yield Problem(0, "the five decisions", f"{strange[0]!r} is not among {', '.join(sorted(SHIP.values()))}")
    elif wrong:
        yield Problem(0, "another decision", clues[wrong[0]])
