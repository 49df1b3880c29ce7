"""Exercises of chapter 04 on what a network is: its bill, its layers, its start, its dead units, its folds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from minilib.check.spec import Inputs, Problem, close, exercise

Array = np.ndarray


# 1. Count -------------------------------------------------------------------------------------------------------------
def _bill_cases(rng: np.random.Generator) -> list[Inputs]:
    return [([784, 128, 10],), ([3, 2],), (rng.integers(1, 400, 5).tolist(),)]


@exercise("04.read_the_bill", "Read the bill", _bill_cases)
def _read_the_bill(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((widths,), got) in enumerate(zip(inputs, outputs, strict=True)):
        weights, units = sum(a * b for a, b in pairwise(widths)), sum(widths[1:])
        expected = (weights + units, 2 * weights)
        if close(got, expected):
            continue
        count, flops = (float(x) for x in got)
        if close((flops, count), expected):
            hint = "both numbers are right, the other way round: first the parameters, then the operations"
        elif count == weights:
            hint = "the biases are missing: each unit has one of its own"
        elif count == weights + sum(widths):
            hint = "the input is counted as a layer: it has no units, so no biases"
        elif flops == weights and count == expected[0]:
            hint = "the parameters are right; each weight is a multiplication and an addition: two operations"
        elif count == expected[0]:
            hint = "the parameters are right; count two operations for each weight, and none for a bias"
        else:
            hint = "between n and m units stand n·m weights; add m biases, and go on to the next pair of widths"
        yield Problem(i, expected, hint)


# 2. Collapse ----------------------------------------------------------------------------------------------------------
def _collapse_cases(rng: np.random.Generator) -> list[Inputs]:
    cases = []
    for n, depth in ((3, 3), (2, 1), (6, 2), (4, 5)):  # square: a wrong order gives a wrong answer, not an error
        cases.append(([(rng.normal(0, 1, (n, n)), rng.normal(0, 1, n)) for _ in range(depth)],))
    return cases


def _through(layers: list[tuple[Array, Array]], x: Array) -> Array:
    for weight, bias in layers:
        x = x @ weight.T + bias
    return x


def _from_the_left(layers: list[tuple[Array, Array]]) -> Array:
    """The bias of a reader who multiplies `bias @ weight` where the layers do `bias @ weight.T`."""
    bias = layers[0][1]
    for weight, next_bias in layers[1:]:
        bias = bias @ weight + next_bias
    return bias


@exercise("04.collapse", "Three layers are one", _collapse_cases)
def _collapse(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((layers,), got) in enumerate(zip(inputs, outputs, strict=True)):
        weight, bias = (np.asarray(x, float) for x in got)
        n, m = layers[0][0].shape[1], layers[-1][0].shape[0]
        x = np.random.default_rng(i).normal(0, 1, (6, n))
        expected = _through(layers, x)
        size = float(np.abs(expected).max())
        if weight.shape == (m, n) and bias.shape == (m,) and np.abs(x @ weight.T + bias - expected).max() < 1e-4 * size:
            continue
        zero = _through(layers, np.zeros(n))
        right = _through(layers, np.eye(n)) - zero  # (n, m)
        if weight.shape == (n, m) and close(weight, right, 1e-4, 1e-4 * size):
            hint = "the weight is transposed: give it as (out, in), as the layers are"
        elif (
            close(weight.T, right, 1e-4, 1e-4 * size)
            and bias.size == m
            and close(bias.ravel(), zero, 1e-4, 1e-4 * size)
        ):
            hint = "the numbers are right; give the bias as (out,), not (1, out)"
        elif close(weight.T, right, 1e-4, 1e-4 * size) and close(bias, _from_the_left(layers), 1e-4, 1e-4 * size):
            hint = "the weight is right; the bias stands on the wrong side of the product: weight @ bias + next bias"
        elif close(weight.T, right, 1e-4, 1e-4 * size):
            hint = "the weight is right; a bias passes through all later layers: multiply it by their weights, then add"
        elif len(layers) > 2 and close(weight.T, _through(layers[:2], np.eye(n)) - _through(layers[:2], np.zeros(n))):
            hint = "you joined only the first two layers"
        elif weight.shape != (m, n):
            hint = f"the weight must be {(m, n)}, the bias {(m,)}: check the order of the product"
        else:
            hint = "check the order: the last layer's weight stands on the left, W = W3 W2 W1"
        yield Problem(i, f"x @ weight.T + bias equal to the whole stack, weight {(m, n)}, bias {(m,)}", hint)


# 3. The right scale ---------------------------------------------------------------------------------------------------
def _scale_cases(rng: np.random.Generator) -> list[Inputs]:
    sizes = rng.integers(20, 900, (3, 2)).tolist()
    return [(256, 256, 0.0), *((n, m, slope) for (n, m), slope in zip(sizes, (0.0, 0.5, 1.0), strict=True))]


# a formula is recognised by all cases together: for 256 → 256 units without a slope several agree
SCALES: list[tuple[Callable[[int, int, float], float], str]] = [
    (lambda n, m, a: 2 / ((1 + a * a) * n), "that is the variance; σ is its root"),
    (lambda n, m, a: math.sqrt(2 / ((1 + a * a) * m)), "a unit adds up its inputs, n_in of them: fan-in, not fan-out"),
    (
        lambda n, m, a: 1 / math.sqrt(n),
        "1/√n forgets that the activation throws part of the signal away: half of its mean square for ReLU",
    ),
    (
        lambda n, m, a: math.sqrt(2 / n),
        "a leaky unit keeps slope² of the negative half: the factor is (1 + slope²)/2, not 1/2",
    ),
    (
        lambda n, m, a: math.sqrt(2 / ((1 + a) * n)),
        "the derivation follows squares: a slope multiplies the mean square by slope², not by slope",
    ),
    (
        lambda n, m, a: math.sqrt(2 / (n + m)),
        "that is Glorot's start, for activations without the halving, and with n_out in it: here only the way "
        "forward counts, and each bend takes its share",
    ),
]


@exercise("04.right_scale", "The right scale", _scale_cases)
def _right_scale(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((n_in, _, slope), got) in enumerate(zip(inputs, outputs, strict=True)):
        std = float(got)
        kept = (n_in * std**2 * (1 + slope**2) / 2) ** 10 if std > 0 else 0.0  # rms after 20 layers
        if 0.5 < kept < 2:
            continue
        right = math.sqrt(2 / ((1 + slope**2) * n_in))
        alike = (hint for formula, hint in SCALES if close(outputs, [formula(*case) for case in inputs], 1e-3))
        hint = next(alike, "solve n_in · σ² · (1 + slope²)/2 = 1 for σ")
        yield Problem(i, f"about {right:.4g}; with {std:.4g} the rms after 20 layers is {kept:.2g}", hint)


# 6. Dead share --------------------------------------------------------------------------------------------------------
def _dead_cases(rng: np.random.Generator) -> list[Inputs]:
    cases = []
    some = [int(units) for units in rng.choice([11, 13, 17, 19, 23, 29], 2, replace=False)]
    shares = [(units, int(rng.integers(2, units - 3))) for units in some]
    for images, units, dead in ((6, *shares[0]), (40, *shares[1]), (9, 5, 5), (30, 8, 0)):
        h = np.maximum(rng.normal(0, 1, (images, units)), 0)
        h[rng.integers(1, images, units), np.arange(units)] = rng.uniform(0.5, 1, units)  # all alive, somewhere
        h[0] = 0  # one image that no unit answers
        h[:, 0] = 0
        h[rng.integers(1, images), 0] = 1e-4  # and a first unit that is active once: however little, it is alive
        h[:, units - 1 - rng.permutation(units - (dead < units))[:dead]] = 0
        cases.append((h,))
    return cases


SHARES: list[tuple[Callable[[Array], float], str]] = [
    (lambda h: 100 * (h == 0).all(axis=0).mean(), "a share from 0 to 1, not a percentage"),
    (lambda h: (h > 0).any(axis=0).mean(), "that is the share of the living: count the columns that are 0 throughout"),
    (
        lambda h: (h == 0).mean(),
        "that is the share of zeros: a unit may well be silent for half of the images and alive",
    ),
    (
        lambda h: (h == 0).any(axis=0).mean(),
        "a unit that is silent once is not dead; one that is active once is alive",
    ),
    (
        lambda h: (h == 0).all(axis=1).mean(),
        "that is the share of images: axis 0 runs over images, axis 1 over units",
    ),
    (lambda h: (h == 0).all(axis=0).sum(), "a share, not a count: divide by the number of units"),
    (
        lambda h: (h == 0).all(axis=0).sum() / len(h),
        "divided by the number of images: it is a share of the units, so divide by their number",
    ),
    (
        lambda h: (h < 1e-3).all(axis=0).mean(),
        "a unit that is active once, however little, is alive: compare with 0 exactly",
    ),
]


@exercise("04.dead_share", "How many units are dead?", _dead_cases)
def _dead_share(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((h,), got) in enumerate(zip(inputs, outputs, strict=True)):
        expected = float((h == 0).all(axis=0).mean())
        if close(got, expected, 1e-5):
            continue
        alike = (hint for formula, hint in SHARES if close(outputs, [formula(h) for (h,) in inputs], 1e-5))
        yield Problem(i, expected, next(alike, "a unit is dead if its whole column of h is 0"))


# 7. Fold the line -----------------------------------------------------------------------------------------------------
def _fold_cases(rng: np.random.Generator) -> list[Inputs]:
    return [(1,), *((int(folds),) for folds in np.sort(2 + rng.permutation(11)[:3]))]


def _network(layers: list[tuple[Array, Array]], x: Array) -> Array:
    for weight, bias in layers[:-1]:
        x = np.maximum(x @ weight.T + bias, 0)
    weight, bias = layers[-1]
    return x @ weight.T + bias


def _pieces(y: Array) -> int:
    slopes = np.diff(y)
    size = float(np.abs(slopes).max())
    return 1 + int((np.abs(np.diff(slopes)) > 1e-6 * size).sum()) if size > 0 else 1


@exercise("04.fold_the_line", "Fold the line", _fold_cases)
def _fold_the_line(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((folds,), got) in enumerate(zip(inputs, outputs, strict=True)):
        layers = [(np.asarray(weight, float), np.asarray(bias, float)) for weight, bias in got]
        wanted = f"{2**folds} pieces from 0 to 1 with {2 * folds} units, two in each hidden layer"
        shapes = [weight.shape for weight, _ in layers]
        biases = [bias.shape for _, bias in layers]
        expected = [(2, 1), *[(2, 2)] * (folds - 1), (1, 2)]
        if shapes != expected:
            hint = f"the weights must have the shapes {expected}, yours have {shapes}"
            if len(layers) == 2 and folds > 1:
                hint = "one hidden layer bends at most once a unit; fold the folded line again, in a next layer"
            yield Problem(i, wanted, hint)
            continue
        if any(bias not in ((weight[0],), ()) for weight, bias in zip(shapes, biases, strict=True)):
            yield Problem(i, wanted, f"a bias holds one number for each unit: (2,), last (1,); yours have {biases}")
            continue
        x = np.linspace(0, 1, 2 ** (folds + 5) + 1)[:, None]
        y = _network(layers, x)[:, 0]
        tent = 1 - np.abs(2 * ((2 ** (folds - 1) * x[:, 0]) % 1) - 1)  # a closed form: the teeth of a saw, folded
        if close(y, tent, atol=1e-7):
            continue
        found = _pieces(y)
        if close(layers[-1][0], [[2, 4]]) and np.diff(y).min() >= 0:
            hint = "the second half must fall: its weight is −4"
        elif found == 2**folds:
            hint = "the pieces are right, their heights are not: each tent must reach up to 1 and come back down to 0"
        elif any(close(w, [[2, 2], [-4, -4]]) for w, _ in layers[1:-1]):
            hint = "transposed: each row of a middle weight is (2, −4)"
        elif folds == 1:
            hint = "T has its corner at ½: the two units of the first layer hand on x and x − ½ (a bias of −½)"
        elif found <= 2:
            hint = "nothing is folded twice: each middle layer must hand on T and T − ½ of the two units before it"
        else:
            hint = (
                "write T = 2·relu(x) − 4·relu(x − ½): the next layer's two inputs are T and T − ½, from the same units"
            )
        yield Problem(i, f"{wanted}; found {found}", hint)
