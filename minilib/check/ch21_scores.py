"""Exercises of chapter 21 on scores: a padding that fits, the two parts of a distance, coverage, a cheat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


# 1. A padding that fits ----------------------------------------------------------------------------------------------
def _padding_cases(rng: np.random.Generator) -> list[Inputs]:
    drawn = [(int(rng.integers(3, 20)), int(rng.integers(6, 60)), int(rng.integers(2, 7)), 2) for _ in range(4)]
    return [(7, 14, 4, 2), (7, 15, 5, 2), (7, 14, 5, 2), (5, 20, 4, 2), (14, 28, 6, 2), (4, 12, 3, 3), *drawn]


def _padding(n: int, wanted: int, kernel: int, stride: int, fault: str = "") -> int:
    over = (n - 1) * stride + kernel - wanted
    if fault == "first":
        over = n * stride + kernel - wanted
    if fault == "forward":
        over = -((n - kernel) - stride * (wanted - 1))
    if fault == "once":
        return over if over >= 0 else -1
    if fault == "round":
        return over // 2 if over >= 0 else -1
    if fault == "negative":
        return -1 if over % 2 else over // 2
    return -1 if over % 2 or over < 0 else over // 2


@exercise("21.padding", "A padding that fits", _padding_cases)
def _padding_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "first": "the first copy of the kernel starts at place 0: n numbers are n − 1 strides apart",
        "forward": "that is the size behind an ordinary convolution; here each number paints a kernel",
        "once": "the padding is cut off at both ends: it counts twice",
        "round": "an odd number cannot be cut off in two equal parts: give back −1",
        "negative": "a padding cannot be negative: where the row comes out too short, give back −1",
    }
    like = {f: [_padding(a, b, c, d, f) for a, b, c, d in inputs] for f in told}
    plain = [int(got) for got in outputs]
    hints = [(plain == wrong, told[fault]) for fault, wrong in like.items()]
    general = "solve (n − 1) · stride + kernel − 2 · padding = wanted for the padding"
    for i, (case, got) in enumerate(zip(inputs, plain, strict=True)):
        if got != _padding(*case):
            yield Problem(i, _padding(*case), first_hint(hints, general))


# 2. The two parts of a distance --------------------------------------------------------------------------------------
def _parts_cases(rng: np.random.Generator) -> list[Inputs]:
    a, mix = rng.standard_normal((40, 3)), rng.standard_normal((3, 3))
    return [
        (np.array([[0.0], [2.0]]), np.array([[3.0], [9.0]])),
        (a @ mix, a @ mix + np.array([1.0, -2.0, 0.5])),
        (a @ mix, rng.standard_normal((60, 3)) @ rng.standard_normal((3, 3)) + 1),
    ]


def _root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(values.clip(0)) @ vectors.T


def _parts(a: Array, b: Array, fault: str = "", ddof: int = 1) -> tuple[float, float]:
    covs = [np.atleast_2d(np.cov(x.T, ddof=ddof)) for x in (a, b)]
    gap = a.mean(0) - b.mean(0)
    middle = float(np.linalg.norm(gap)) if fault == "length" else float((gap**2).sum())
    half = _root(covs[0])
    shared = np.trace(_root(half @ covs[1] @ half))
    if fault == "entries":
        shared = np.trace(np.sqrt(np.abs(covs[0] @ covs[1])))
    if fault == "deviations":
        shared = float(np.sqrt(np.diag(covs[0]) * np.diag(covs[1])).sum())
    twice = 1 if fault == "once" else 2
    spread = float(np.trace(covs[0]) + np.trace(covs[1]) - twice * shared)
    return (middle + spread, spread) if fault == "sum" else (middle, spread)


@exercise("21.parts", "The two parts of a distance", _parts_cases)
def _parts_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "entries": "the root of a matrix is not the root of its entries: use its eigenvalues",
        "deviations": "this looks at each feature alone; clouds may be tilted, so the whole covariance matters",
        "length": "the first part is the squared distance of the middles",
        "once": "the shared part is taken off twice: tr(A + B − 2 …)",
        "sum": "give back two numbers: the middles apart, and the spreads apart; their sum is the distance",
    }
    for i, ((a, b), got) in enumerate(zip(inputs, outputs, strict=True)):
        if any(close(got, _parts(a, b, ddof=ddof), 1e-5, 1e-6) for ddof in (0, 1)):
            continue
        hints = [
            (any(close(got, _parts(a, b, fault, ddof), 1e-5, 1e-6) for ddof in (0, 1)), hint)
            for fault, hint in told.items()
        ]
        general = "first |μa − μb|², then tr(A + B − 2 (AB)^½), with the covariances A and B of the columns"
        yield Problem(i, _parts(a, b), first_hint(hints, general))


# 3. Coverage ---------------------------------------------------------------------------------------------------------
def _coverage_cases(rng: np.random.Generator) -> list[Inputs]:
    line = np.array([[0.0], [1.0], [3.0], [10.0]])
    real = rng.standard_normal((30, 2))
    real[0] = (20, 20)
    return [
        (np.array([[0.5], [1.4], [30.0]]), line, 1), (real[:10] + 0.01, real, 3), (rng.normal(6, 4, (40, 2)), real, 2),
        (rng.normal(0, 1, (15, 2)), real, 1), (np.array([[0.5], [19.0]]), line, 2),
    ]  # fmt: skip


def _apart(a: Array, b: Array) -> Array:
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def _coverage(made: Array, real: Array, k: int, fault: str = "") -> float:
    own = made if fault == "recall" else real
    radius = np.sort(_apart(own, own), axis=1)[:, k - 1 if fault == "itself" else min(k, len(own) - 1)]
    if fault == "recall":
        return float((_apart(real, made) <= radius).any(1).mean())
    far = _apart(made, real)
    inside = far < radius if fault == "strict" else far <= radius
    if fault == "precision":
        return float(inside.any(1).mean())
    if fault == "density":
        return float(inside.mean())
    covered = inside.any(0)
    return float(covered.sum() if fault == "count" else covered.mean())


@exercise("21.coverage", "Coverage", _coverage_cases)
def _coverage_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "precision": "that is precision, the share of made points; count the balls that are hit, not the hits",
        "recall": "the balls stand round the real points here; that is why one stray made point cannot win",
        "itself": "each point is its own nearest neighbour, at distance 0: the k-th other one is a place further",
        "density": "one made point in a ball is enough: any, not the mean over all pairs",
        "strict": "a made point on the edge of a ball counts as inside",
        "count": "give back a share of the real points, not their number",
    }
    for i, ((made, real, k), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _coverage(made, real, k)
        if not close(got, right):
            hints = [(close(got, _coverage(made, real, k, f)), hint) for f, hint in told.items()]
            general = (
                "a ball round each real point to its k-th nearest other real one; the share that holds a made point"
            )
            yield Problem(i, right, first_hint(hints, general))


# 4. Build a cheat ----------------------------------------------------------------------------------------------------
def _cheat_cases(rng: np.random.Generator) -> list[Inputs]:
    angles = rng.uniform(0, 2 * np.pi, 80)
    ring = 5 * np.stack([np.cos(angles), np.sin(angles)], 1) + 0.1 * rng.standard_normal((80, 2))
    two = rng.normal(0, 1, (60, 4)) + 8 * rng.integers(0, 2, (60, 1))
    return [(ring + rng.uniform(-20, 20, 2), 50), (two + rng.uniform(-20, 20, 4), 40)]  # nowhere is always right


def _balls(points: Array, centres: Array, k: int = 3) -> float:
    radius = np.sort(_apart(centres, centres), axis=1)[:, k]
    return float((_apart(points, centres) <= radius + 1e-9).any(1).mean())


@exercise("21.cheat", "Build a cheat", _cheat_cases)
def _cheat_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((real, m), got) in enumerate(zip(inputs, outputs, strict=True)):
        made = np.asarray(got, float)
        wanted = f"{m} points with precision 1 and recall of 0.05 or less"
        if made.shape != (m, real.shape[1]) or not np.isfinite(made).all():
            yield Problem(i, wanted, f"needed {m} points of {real.shape[1]} numbers each")
            continue
        exact, reach = _balls(made, real), _balls(real, made)
        if exact < 1:
            hint = f"precision {exact:.2f}: every made point must lie in a ball round a real one"
            if np.ptp(made, axis=0).max() < 1e-9:
                hint = "the middle of all points can be a place where nobody lives: stand on a real point"
            yield Problem(i, wanted, hint)
        elif reach > 0.05:
            hint = f"precision 1, but recall {reach:.2f}: that generator is of some use; hand out less variety"
            yield Problem(i, wanted, hint)
