"""Exercises of chapter 08 on memory: a step back, an open gate, a stream, an order of rows, five reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


# 3. One step back through a GRU --------------------------------------------------------------------------------------
def _step_cases(rng: np.random.Generator) -> list[Inputs]:
    return [tuple(rng.standard_normal((B, H)) for _ in range(4)) for B, H in ((1, 1), (3, 4), (2, 5))]


def _mixed(h: Array, a: Array, b: Array) -> Array:
    z = 0.5 + 0.5 * np.tanh(a / 2)
    return z * h + (1 - z) * np.tanh(b)


def _slopes(h: Array, a: Array, b: Array, slope: Array) -> list[Array]:
    """By central differences: every number of h' depends on one number of each argument alone."""
    found, nudge = [], 1e-5
    for k in range(3):
        up, down = ([x + (j == k) * sign * nudge for j, x in enumerate((h, a, b))] for sign in (1, -1))
        found.append(slope * (_mixed(*up) - _mixed(*down)) / (2 * nudge))
    return found


@exercise("08.one_step_back", "One step back through a GRU", _step_cases)
def _one_step_back(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((h, a, b, slope), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _slopes(h, a, b, slope)
        if not isinstance(got, list | tuple | np.ndarray) or len(got) != 3:
            yield Problem(i, right, "give back a list of three arrays: the slopes towards h, a and b")
            continue
        if all(close(x, y, 1e-5, 1e-8) for x, y in zip(got, right, strict=True)):
            continue
        z, n = 0.5 + 0.5 * np.tanh(a / 2), np.tanh(b)

        def off(k: int, wrong: Array, got: Any = got) -> bool:
            return close(got[k], wrong, 1e-5, 1e-8)

        shape = next((k for k in range(3) if np.shape(got[k]) != h.shape), None)
        hints = [
            (
                shape is not None,
                f"each slope has the shape of its array, {h.shape}: nothing is added up over the batch",
            ),
            (close(got[0], right[1], 1e-5) or close(got[1], right[2], 1e-5), "the order is h, a, b"),
            (off(0, slope * (1 - z)), "towards h: h' = z h + …, so the factor is z, not 1 − z"),
            (off(0, slope), "towards h: the old state is multiplied by z before it reaches h'"),
            (off(0, z), "the slope that comes in, towards h', has to be multiplied in"),
            (
                off(1, slope * (h - n)),
                "that is the slope towards z; towards a it takes the sigmoid's z (1 − z) as well",
            ),
            (off(1, slope * h * z * (1 - z)), "z stands in h' twice: (1 − z) n has a slope towards z as well, −n"),
            (off(1, slope * (n - h) * z * (1 - z)), "towards a the sign is turned: a larger z keeps more of h"),
            (
                off(1, slope * (h - n) * a * (1 - a)),
                "the sigmoid's slope is z (1 − z), with the gate, not with its score a",
            ),
            (off(2, slope * (1 - z)), "that is the slope towards n; towards b it takes the tanh's 1 − n² as well"),
            (off(2, slope * (1 - n**2)), "towards b: n is multiplied by 1 − z before it reaches h'"),
            (off(2, slope * z * (1 - n**2)), "towards b: n comes in with 1 − z, not with z"),
            (
                off(2, slope * (1 - z) * (1 - b**2)),
                "the tanh's slope is 1 − n², with the value after the tanh, not before",
            ),
        ]
        names = "h", "a", "b"
        faulty = [names[k] for k in range(3) if not close(got[k], right[k], 1e-5, 1e-8)]
        general = f"wrong towards {', '.join(faulty)}: nudge one number of it by 0.001 and see what h' does"
        yield Problem(i, right, first_hint(hints, general))


# 4. How far should the gate be open? ---------------------------------------------------------------------------------
def _opening_cases(rng: np.random.Generator) -> list[Inputs]:
    drawn = rng.integers(2, 500, 4).astype(float), rng.uniform(0.05, 0.95, 4).round(3)
    return [
        (np.array([1.0, 10.0, 100.0]), np.array([0.5, 0.5, 0.5])),
        drawn,
        (np.array([1e4, 1e6]), np.array([0.9, 0.5])),
    ]


@exercise("08.opening", "How far should the gate be open?", _opening_cases)
def _opening(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((steps, share), got) in enumerate(zip(inputs, outputs, strict=True)):
        log_f = np.log(share) / steps
        right = log_f - np.log(-np.expm1(log_f))
        if close(got, right, 1e-6, 1e-7):
            continue
        if np.shape(got) != steps.shape:
            yield Problem(i, right, f"give back one bias for each place, shape {steps.shape}")
            continue
        f, one = np.exp(log_f), np.log(share) - np.log1p(-share)
        hints = [
            (close(got, f), "that is the gate itself; its bias is the score whose sigmoid is this number"),
            (close(got, -right, 1e-5), "the sign is turned: ln f − ln(1 − f), and an open gate has a positive bias"),
            (close(got, one), "that leaves the share after one step; take the root of the share first"),
            (
                close(got, np.log(share / steps) - np.log1p(-share / steps)),
                "the share was divided by the steps; what multiplies at each step is the root of the share",
            ),
            (close(got, np.log(steps)), "ln T is the rule of thumb; asked is the bias for exactly this share"),
            (close(got, log_f), "that is ln f; the bias is ln f − ln(1 − f)"),
            (
                not np.isfinite(np.asarray(got, float)).all() or close(got, right, 1e-2),
                "right in principle, but 1 − f has lost its digits where f is close to one: use np.expm1",
            ),
        ]
        general = "share = f ** steps, so f = share ** (1 / steps); the bias is ln f − ln(1 − f)"
        yield Problem(i, right, first_hint(hints, general))


# 5. The stream in pieces ---------------------------------------------------------------------------------------------
def _stream_cases(rng: np.random.Generator) -> list[Inputs]:
    cases = []
    for T, D, H, size in ((10, 2, 3, 4), (12, 3, 4, 5), (6, 1, 2, 3), (3, 2, 2, 8)):
        arrays = (rng.standard_normal(shape) for shape in ((T, D), (H, D), (H, H), (H,)))
        cases.append((*arrays, size))
    return cases


def _stream(x: Array, W_x: Array, W_h: Array, b: Array, size: int, *, faults: str = "") -> Array:
    H = len(b)
    states, h = [], np.zeros(H)
    end = len(x) // size * size if "tail" in faults else len(x)
    for t in range(end):
        if "forgets" in faults and t % size == 0:
            h = np.zeros(H)
        h = np.tanh(W_x @ x[t] + (W_h.T if "turned" in faults else W_h) @ h + b)
        states.append(h)
    return np.array(states).reshape(-1, H)


@exercise("08.mend_stream", "The stream in pieces", _stream_cases)
def _mend_stream(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        right, steps = _stream(*case), len(case[0])
        if close(got, right):
            continue

        def like(faults: str, got: Any = got, case: Inputs = case) -> bool:
            return close(got, _stream(*case, faults=faults))

        short = np.ndim(got) >= 1 and len(got) < steps
        hints = [
            (like("tail forgets turned"), "all three faults are left: count the rows, then look at the second piece"),
            (
                like("tail forgets") or like("forgets"),
                "each piece starts from zero: hand the last state over to the next",
            ),
            (like("tail turned") or like("turned"), "W_h stands transposed: h' = tanh(W_x x + W_h h + b)"),
            (like("forgets turned"), "two faults are left: where does a piece start from, and which way round is W_h?"),
            (like("tail") or short, f"{steps} steps went in, fewer states came out: the last piece may be shorter"),
            (np.shape(got) != right.shape, f"give back all states, shape {right.shape}"),
        ]
        general = "compare with one loop over all steps: at which step do they part?"
        yield Problem(i, right, first_hint(hints, general))


# 6. The same LSTM, another order -------------------------------------------------------------------------------------
def _order_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        tuple(rng.standard_normal(shape) for shape in ((4 * H, D), (4 * H, H), (4 * H,)))
        for D, H in ((3, 2), (2, 5), (4, 1))
    ]


def _sorted(saved: Array, order: tuple[int, ...] = (0, 2, 3, 1)) -> Array:
    blocks = np.split(saved, 4)
    return np.concatenate([blocks[k] for k in order])


@exercise("08.other_order", "The same LSTM, another order", _order_cases)
def _other_order(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, (saved, got) in enumerate(zip(inputs, outputs, strict=True)):
        right = [_sorted(array) for array in saved]
        if not isinstance(got, list | tuple) or len(got) != 3:
            yield Problem(i, right, "give back a list of three arrays: W_x, W_h and b")
            continue
        fits = [close(x, y) for x, y in zip(got, right, strict=True)]
        if all(fits):
            continue
        broken = [close(x, _sorted(y, (0, 2, 1, 3))) for x, y in zip(got, saved, strict=True)]
        inverse = [close(x, _sorted(y, (0, 3, 1, 2))) for x, y in zip(got, saved, strict=True)]
        kept = [close(x, y) for x, y in zip(got, saved, strict=True)]
        rows = [close(x, _rowwise(y)) for x, y in zip(got, saved, strict=True)]
        hints = [
            (all(kept), "nothing has moved: the saved order is i, o, f, g, wanted is i, f, g, o"),
            (
                broken[0] and kept[1] and kept[2],
                "the blocks of W_x stand as i, f, o, g, and the other two are as saved",
            ),
            (fits[0] and fits[1] and kept[2], "the biases belong to the gates as well: put b in the same order"),
            (fits[0] and kept[1], "W_h has the same rows as W_x: put all three in the same order"),
            (all(inverse), "that goes the other way, from i, f, g, o to i, o, f, g"),
            (all(rows), "single rows were exchanged; a gate is a block of H rows"),
            (any(broken), "the last two blocks are exchanged: wanted is i, f, g, o"),
            (any(np.shape(x) != y.shape for x, y in zip(got, right, strict=True)), "the shapes must stay as they were"),
        ]
        names = [name for name, fit in zip(("W_x", "W_h", "b"), fits, strict=True) if not fit]
        general = f"look at {', '.join(names)}: block 0 is i, 1 is o, 2 is f, 3 is g; wanted is i, f, g, o"
        yield Problem(i, right, first_hint(hints, general))


def _rowwise(saved: Array) -> Array:
    """Each four rows in another order, as if the gates stood row by row."""
    return saved.reshape(-1, 4, *saved.shape[1:])[:, [0, 2, 3, 1]].reshape(saved.shape)


# 7. Five memories ----------------------------------------------------------------------------------------------------
DISEASES = {
    "A": "vanishes",
    "B": "healthy",
    "C": "explodes",
    "D": "learns by heart",
    "E": "clipped to a standstill",
}
WHY = {
    "A": "its slope shrinks 20-fold in ten steps, and by 10^13 over all: step 0 is told nothing",
    "B": "the slopes arrive, and it is right in training and on new sequences alike",
    "C": "its slope grows to 10^9, and the loss ends as no number",
    "D": "its slopes are like those of B, so the memory works; but on new sequences it guesses",
    "E": "its slopes arrive; but look at the length to which its gradients are cut",
}


@exercise("08.read_memories", "Five memories, four diseases", once, letters="ABCDE")
def _read_memories(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    got = outputs[0]
    if not isinstance(got, dict) or set(got) != set(DISEASES):
        yield Problem(0, "a dictionary with the keys A to E", "one entry for each of the five networks, A to E")
        return
    allowed = set(DISEASES.values())
    for name, said in got.items():
        if said not in allowed:
            yield Problem(0, "one of the five phrases", f"{name}: {said!r} is none of the five phrases")
            return
    for name in ("E", "D", "C", "A", "B"):  # the tempting ones first
        if got[name] != DISEASES[name]:
            yield Problem(0, "another disease", f"{name} is not {got[name]!r}: {WHY[name]}")
