"""Exercises of chapter 12 on speed: intensity of a training step, break-even, an honest verdict, the queue of a GPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise


def explained(
    compute: Callable[..., Any], inputs: list[Inputs], outputs: list[Any], told: dict[str, str], general: str
) -> Iterator[Problem]:
    """Each case that is wrong, with the hint of the fault with which `compute(*case, fault)` gives all outputs.

    In one case alone two mistakes may look the same.
    """
    pairs = list(zip(inputs, outputs, strict=True))
    everywhere = {fault for fault in told if all(close(got, compute(*case, fault)) for case, got in pairs)}
    for i, (case, got) in enumerate(pairs):
        right = compute(*case)
        if not close(got, right):
            likely = everywhere or {fault for fault in told if close(got, compute(*case, fault))}
            yield Problem(i, right, first_hint([(fault in likely, hint) for fault, hint in told.items()], general))


# 1. Intensity of a training step -------------------------------------------------------------------------------------
def _intensity_cases(rng: np.random.Generator) -> list[Inputs]:
    return [(4, 3, 2, 4), (512, 2048, 1, 4), (512, 2048, 64, 2), (int(rng.integers(100, 900)), 333, 17, 4)]


def _intensity(n_in: int, n_out: int, rows: int, bytes: int, fault: str = "") -> float:
    weights, x, y = n_in * n_out, rows * n_in, rows * n_out
    flop, moved = 6.0 * rows * weights, 3.0 * (weights + x + y)
    changed: dict[str, tuple[float, float]] = {
        "half": (flop / 2, moved),
        "forward flop": (flop / 3, moved),
        "forward bytes": (flop, moved / 3),
        "no weights": (flop, moved - 3 * weights),
        "weights once": (flop, moved - 2 * weights),
        "no outputs": (flop, moved - 3 * y),
        "no inputs": (flop, moved - 3 * x),
        "square": (6 * rows * n_in**2, 3 * (n_in**2 + 2 * x)),
    }
    flop, moved = changed.get(fault, (flop, moved))
    count = {"numbers": 1, "bits": 8 * bytes}.get(fault, bytes)
    found = flop / (count * moved)
    return 1 / found if fault == "inverted" else found


@exercise("12.intensity", "Intensity of a training step", _intensity_cases)
def _intensity_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "half": "a multiplication and an addition are two operations",
        "forward flop": "the operations are those of the way forward alone; the way back has two more products",
        "forward bytes": "the bytes are those of the way forward alone; each of the three products reads and writes",
        "no weights": "the weights were forgotten: at one row they are nearly all that moves",
        "weights once": "the weights move three times: read forward, read for the input's slope, their slope written",
        "no outputs": "the outputs were forgotten: written once, and their slopes read twice",
        "no inputs": "the inputs were forgotten: read twice, and their slopes written",
        "square": "the layer is not square: it has n_in · n_out weights",
        "numbers": "that is per number; divide by the bytes of each",
        "bits": "bytes, not bits",
        "inverted": "operations per byte, not bytes per operation",
    }
    general = "three products, each of 2 · rows · n_in · n_out operations: each reads two arrays and writes one"
    yield from explained(_intensity, inputs, outputs, told, general)


# 2. When does compiling pay? -----------------------------------------------------------------------------------------
def _pays_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (8.0, 0.5, 0.25, 1),  # halves and quarters: the savings reach the cost exactly
        (10.0, 0.75, 0.375, 1),
        (30.0, 0.75, 0.5, 4),
        (9.0, 0.5, 0.75, 1),
        (float(rng.uniform(20, 40)), 0.3, 0.1, 3),
    ]


def _pays(first: float, eager: float, compiled: float, shapes: int, fault: str = "") -> int:
    if fault == "shapes":
        shapes = 1
    saved = {"new": compiled, "old": eager, "ratio": eager / compiled}.get(fault, eager - compiled)
    if saved <= 0:
        return math.floor(shapes * first / saved) if fault == "never" else -1
    calls = shapes * first / saved
    if fault == "one more":
        return math.floor(calls) + 1
    return math.floor(calls) if fault == "down" else math.ceil(calls - 1e-9)


@exercise("12.pays", "When does compiling pay?", _pays_cases)
def _pays_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "new": "divide by what a call saves, not by what a compiled call takes",
        "old": "divide by what a call saves, not by what a call took before",
        "ratio": "divide by the seconds that a call saves, not by the ratio",
        "shapes": "every shape of the input is compiled again: that many first calls",
        "never": "a compiled call that is not faster never pays: -1",
        "one more": "where the savings reach the cost exactly, that is one call too many",
        "down": "round up: after one call less it has not paid yet",
    }
    yield from explained(_pays, inputs, outputs, told, "calls · (eager − compiled) must reach shapes · first call")


# 4. An honest verdict ------------------------------------------------------------------------------------------------
def _verdict_cases(rng: np.random.Generator) -> list[Inputs]:
    noise = rng.uniform(0.99, 1.01, (3, 9))
    a, b, again = noise * np.array([[0.20], [0.15], [0.20]])
    a[0], b[3] = 0.9, 0.8
    return [
        ([0.90, 0.20, 0.21, 0.20, 0.19], [0.40, 0.10, 0.11, 0.10, 0.60], [0.30, 0.20, 0.20, 0.21, 0.22]),
        ([0.50, 0.10, 0.10, 0.10, 0.10], [0.12, 0.103, 0.104, 0.105, 0.103], [0.12, 0.103, 0.102, 0.103, 0.104]),
        ([0.50, 0.10, 0.10, 0.11, 0.10], [0.12, 0.102, 0.101, 0.102, 0.104], [0.12, 0.106, 0.105, 0.107, 0.105]),
        ([0.05, 0.10, 0.10, 0.12, 0.90], [0.20, 0.20, 0.20, 0.21, 0.20], [0.10, 0.096, 0.10, 0.097, 0.096]),
        (a.tolist(), b.tolist(), again.tolist()),
    ]


def _verdict(a: list[float], b: list[float], again: list[float], fault: str = "") -> float:
    middles: dict[str, Callable[..., Any]] = {
        "mean": np.mean,
        "least": np.min,
        "upper": lambda x: sorted(x)[len(x) // 2],
        "lower": lambda x: sorted(x)[(len(x) - 1) // 2],
    }
    middle = middles.get(fault, np.median)
    first = 0 if fault == "first" else 1
    if fault == "broken":
        return float(np.mean(a) / np.mean(b))
    one, two, same = (float(middle(x[first:])) for x in (a, b, again))
    ratio, nothing = one / two, one / same
    if fault == "inverted":
        ratio, nothing = 1 / ratio, 1 / nothing
    if fault == "control":
        return ratio
    if fault == "zero":
        return ratio if abs(ratio - 1) > 2 * abs(nothing - 1) else 0.0
    within = 1 if fault == "once" else 2
    return ratio if abs(ratio - 1) > within * abs(nothing - 1) else 1.0


@exercise("12.verdict", "An honest verdict", _verdict_cases)
def _verdict_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "broken": "it still takes the mean of all rounds, the first and the disturbed ones too",
        "first": "the first round warms up: leave it out",
        "mean": "one disturbed round pulls the mean away: take the median",
        "least": "the task asks for the median, not the least",
        "upper": "with an even number of rounds the median is the mean of the middle two",
        "lower": "with an even number of rounds the median is the mean of the middle two",
        "control": "a ratio within twice of what A against itself shows is no difference: then give 1.0",
        "once": "within twice the control, not once",
        "inverted": "A's time divided by B's: above 1 means that B is faster",
        "zero": "no difference is a ratio of 1.0",
    }
    yield from explained(
        _verdict, inputs, outputs, told, "medians without the first round; a/b, or 1.0 if |a/b − 1| ≤ 2 · |a/again − 1|"
    )


# 7. The queue of a GPU -----------------------------------------------------------------------------------------------
def _queue_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        ([2.0, 2.0, 2.0], 5.0),
        ([20.0, 20.0, 20.0], 5.0),
        ([30.0, 1.0, 1.0, 1.0, 1.0], 5.0),
        ([10.0, 10.0, "look", 10.0, 10.0], 4.0),
        ([1.0, 40.0, "look", 2.0, "look"], 3.0),
        ([*rng.uniform(1, 30, 6).round(1).tolist(), "look", *rng.uniform(1, 30, 6).round(1).tolist()], 7.0),
    ]


def _queue(program: list[Any], launch: float, fault: str = "") -> tuple[float, float]:
    clock = free = busy = 0.0
    for item in program:
        if item == "look":
            clock = clock if fault == "look" else max(clock, free)
            continue
        start = max(clock, free) if fault == "before" else max(clock + launch, free)
        clock += launch
        free, busy = start + item, busy + item
        if fault == "waits":
            clock = free
    whole = max(clock, free)
    launches = launch * sum(item != "look" for item in program)
    if fault == "cpu":
        whole = clock
    if fault == "largest":
        whole = max(launches, busy)
    idle = 1 - busy / whole if whole else 0.0
    return whole, {"share": busy / whole if whole else 0.0, "seconds": whole - busy}.get(fault, idle)


@exercise("12.queue", "The queue of a GPU", _queue_cases)
def _queue_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "cpu": "that is when the CPU is done handing out: a timer without synchronize. The GPU may still be working",
        "waits": "launching and computing overlap: the CPU goes on to the next launch at once, unless it looks",
        "look": "at a look the CPU waits until the GPU has done everything before it",
        "largest": "the larger of the two sums is a lower bound; an operation can only start after its launch",
        "before": "an operation starts when its launch is over, not when it begins",
        "share": "asked for is the idle share of the GPU, not the busy one",
        "seconds": "the second number is a share of the whole time",
    }
    yield from explained(
        _queue,
        inputs,
        outputs,
        told,
        "two clocks: an operation begins at the later of the end of its launch and the end of the one before",
    )
