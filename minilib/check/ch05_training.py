"""Exercises of chapter 05 around a run: mend the clipping and the decay, read loss curves, choose the first measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.ch02_training import _word
from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


def _explained(
    bugs: dict[str, str], program: Callable[..., Any], alike: Callable[[Any, Any], bool],
    inputs: list[Inputs], outputs: list[Any], rivals: frozenset[str] = frozenset(),
) -> str | None:  # fmt: skip
    """The hint for the smallest set of bugs with which `program` gives every answer, or None.

    rivals: two bugs that the program cannot have together.
    """
    sets = [chosen for count in range(1, 6) for chosen in combinations(bugs, count)]
    for chosen in sets:
        if rivals and rivals <= set(chosen):
            continue
        # a set of bugs explains the answers only if it explains every case
        if all(alike(got, program(chosen, *case)) for case, got in zip(inputs, outputs, strict=True)):
            return bugs[chosen[0]] + (f" ({len(chosen) - 1} more after that)" if len(chosen) > 1 else "")
    return None


# 4. Clip the whole, not the parts ------------------------------------------------------------------------------------
CLIP_BUGS = {
    "parts": "each array is clipped by itself, which turns the direction: take the joint length of all of them",
    "always": "small gradients are blown up to the limit: scale only what is longer than it",
    "square": "the length is the root of the sum of squares; the root is missing",
    "nan": "a gradient that holds nan or inf must give zeros everywhere: the step is skipped",
    "some": "only the broken array became zeros: one bad number spoils the whole step, so skip all of it",
    "values": "single numbers are clipped, which turns the direction: scale all by one factor",
    "zero": "a gradient of length 0 passes as it is; do not divide by it",
}


def _clip(bugs: tuple[str, ...], gradients: list[Array], limit: float) -> list[Array]:
    """What the program gives with some bugs in it."""
    fine = all(np.isfinite(g).all() for g in gradients)
    if not fine and "nan" not in bugs and "some" not in bugs:
        return [np.zeros_like(g) for g in gradients]
    if "some" in bugs:
        gradients = [g if np.isfinite(g).all() else np.zeros_like(g) for g in gradients]
    if "values" in bugs:
        return [np.clip(g, -limit, limit) for g in gradients]

    def scaled(group: list[Array]) -> list[Array]:
        length = sum(float((g**2).sum()) for g in group)
        length = length if "square" in bugs else length**0.5
        if length == 0:
            return [g * np.nan if "zero" in bugs else g for g in group]
        return [g * (limit / length) if length > limit or "always" in bugs else g for g in group]

    return [scaled([g])[0] for g in gradients] if "parts" in bugs else scaled(gradients)


def _clip_cases(rng: np.random.Generator) -> list[Inputs]:
    big = [3 * rng.standard_normal((2, 3)), 0.1 * rng.standard_normal(4)]
    small = [0.01 * rng.standard_normal((2, 2)), 0.02 * rng.standard_normal(2)]
    middle = [0.8 * g / np.sqrt(sum((g**2).sum() for g in big)) for g in big]
    broken = [np.array([1.0, np.nan]), np.array([[2.0, -1.0]])]
    infinite, zero = [np.array([np.inf]), np.ones(2)], [np.zeros(2), np.zeros((1, 2))]
    return [(big, 1.0), (small, 1.0), (middle, 1.0), (big, 0.5), (broken, 1.0), (infinite, 2.0), (zero, 1.0)]


@exercise("05.clip", "Clip the whole, not the parts", _clip_cases)
def _judge_clip(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    def alike(got: Any, other: list[Array]) -> bool:
        return len(got) == len(other) and all(
            np.shape(a) == b.shape and np.allclose(np.asarray(a, float), b, rtol=1e-4, atol=1e-9, equal_nan=True)
            for a, b in zip(got, other, strict=True)
        )

    right = [_clip((), *case) for case in inputs]
    for i, got in enumerate(outputs):
        if not isinstance(got, list | tuple) or len(got) != len(right[i]):
            yield Problem(i, right[i], "give back a list with one array for each that went in, in their order")
            return
    wrong = [i for i, got in enumerate(outputs) if not alike(got, right[i])]
    if not wrong:
        return
    i = wrong[0]
    found = _explained(CLIP_BUGS, _clip, alike, inputs, outputs)
    if found:
        hint = found
    elif not all(np.isfinite(g).all() for g in inputs[i][0]):
        hint = CLIP_BUGS["nan"]
    elif not any(g.any() for g in inputs[i][0]) and any(np.isnan(np.asarray(g, float)).any() for g in outputs[i]):
        hint = CLIP_BUGS["zero"]
    else:
        hint = "multiply every array by the same factor, limit / joint length, if that is below 1, else by 1"
    yield Problem(i, right[i], hint)


# 6. AdamW, and what it leaves alone ----------------------------------------------------------------------------------
DECAY_BUGS = {
    "gradient": "the decay goes through the gradient and is divided by √s: a zero gradient must give w(1 − lr·decay)",
    "rate": "the decay is not scaled by the rate: the factor is 1 − lr·decay",
    "vectors": "biases and other vectors must be left alone: decay only arrays of two or more axes",
    "tensors": "only parameters of one axis are left alone: one of three or four axes shrinks as a matrix does",
    "after": "the shrinking comes after the step and shrinks the step too: shrink the old weight, then step",
    "up": "the weights are pushed away from 0: shrink them",
}


def _decayed(bugs: tuple[str, ...], w: Array, g: Array, m: Array, s: Array, t: int, lr: float, decay: float) -> Any:
    spared = (w.ndim < 2 and "vectors" not in bugs) or (w.ndim > 2 and "tensors" in bugs)
    pull = 0.0 if spared else decay
    pull = -pull if "up" in bugs else pull
    if "gradient" in bugs:
        g, pull = g + pull * w, 0.0
    m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
    step = lr * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
    factor = 1 - (pull if "rate" in bugs else lr * pull)
    return ((w - step) * factor if "after" in bugs else w * factor - step), m, s


def _kept(got: list[Any], inputs: list[Inputs], right: list[Any]) -> str:
    """The hint for answers whose w is right, while the means that come back are not."""

    def every(wanted: Callable[[Any, Inputs, Any], bool]) -> bool:
        return all(wanted(g, case, r) for g, case, r in zip(got, inputs, right, strict=True))

    def hats(r: Any, t: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        return (r[1], r[1] / (1 - 0.9**t)), (r[2], r[2] / (1 - 0.999**t))

    def among(x: Any, some: tuple[Array, Array]) -> bool:
        return any(close(x, one, 1e-5) for one in some)

    def corrected(g: Any, case: Inputs, r: Any) -> bool:
        m, s = hats(r, case[4])
        return (among(g[1], m) and among(g[2], s)) or (among(g[1], s) and among(g[2], m))

    def polluted(g: Any, case: Inputs, r: Any) -> bool:
        some = [_decayed(bugs, *case) for bugs in (("gradient",), ("gradient", "vectors"))]
        return all(among(g[k], (some[0][k], some[1][k])) for k in (1, 2))

    hints = [
        (every(lambda g, case, r: close(g[1], r[2], 1e-5) and close(g[2], r[1], 1e-5)),
         "w is right; m and s are exchanged: give back w, m, s, in this order"),
        (every(corrected),
         "w is right; give m and s back as they are kept, without the division by 1 − 0.9^t or 1 − 0.999^t "
         "(that is for this step only), in the order w, m, s"),
        (every(polluted), "w is right; m and s are not: they must see the gradient alone, without decay"),
        (every(lambda g, case, r: close(g[1], case[2], 1e-5) and close(g[2], case[3], 1e-5)),
         "w is right; m and s are the ones that came in: give back the new ones, in which this gradient is"),
    ]  # fmt: skip
    return first_hint(hints, "w is right; m or s is not: both are kept as in the given program, from g alone")


def _undecayed(w: Array, g: Array, m: Array, s: Array, t: int, lr: float, decay: float) -> Any:
    return _decayed((), w, g, m, s, t, lr, 0.0)[0]


def _decay_cases(rng: np.random.Generator) -> list[Inputs]:
    def past(shape: tuple[int, ...]) -> tuple[Array, Array]:
        return 0.1 * rng.standard_normal(shape), 0.1 * rng.random(shape) + 0.01

    w, bias, deep = (3 * rng.standard_normal(shape) for shape in ((2, 3), 4, (2, 1, 2)))
    return [
        (w, rng.standard_normal((2, 3)), *past((2, 3)), 7, 0.1, 0.5),
        (bias, rng.standard_normal(4), *past((4,)), 3, 0.1, 0.5),
        (w, np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3)), 1, 0.01, 0.1),
        (deep, rng.standard_normal((2, 1, 2)), *past((2, 1, 2)), 5, 0.1, 0.5),
        (deep[None], rng.standard_normal((1, 2, 1, 2)), *past((1, 2, 1, 2)), 2, 0.1, 0.5),
    ]


@exercise("05.decay", "AdamW, and what it leaves alone", _decay_cases)
def _judge_decay(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    def alike(got: Any, other: Any) -> bool:
        return all(close(a, b, 1e-5) for a, b in zip(got, other, strict=True))

    right = [_decayed((), *case) for case in inputs]
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        if not isinstance(got, list | tuple) or len(got) != 3 or np.shape(got[0]) != case[0].shape:
            yield Problem(i, right[i], "give back three arrays, the new w, m and s, as the given program does")
            return
    wrong = [i for i, got in enumerate(outputs) if not alike(got, right[i])]
    if not wrong:
        return
    i = wrong[0]
    found = _explained(DECAY_BUGS, _decayed, alike, inputs, outputs, rivals=frozenset({"gradient", "rate"}))
    if found:
        hint = found
    elif all(close(got[0], r[0], 1e-5) for got, r in zip(outputs, right, strict=True)):
        hint = _kept(outputs, inputs, right)
    elif all(close(got[0], _undecayed(*case), 1e-5) for got, case in zip(outputs, inputs, strict=True)):
        hint = "the decay is gone altogether: only parameters of one axis are spared"
    else:
        hint = "one axis: w minus Adam's step; more axes: w·(1 − lr·decay) minus it; m and s never see the decay"
    yield Problem(i, right[i], hint)


# 7. and 8. Read five loss curves, choose the first measure -----------------------------------------------------------
CURVES = {"A": "rate too low", "B": "one bad batch", "C": "not shuffled", "D": "healthy", "E": "rate too high"}
CURVE_WORDS = (*CURVES.values(), "cannot tell")
CURVE_HINTS = {
    "A": "run A: the loss does fall, evenly, without a bump; how far has it come in 60 steps compared with D?",
    "B": "run B: one step stands out in both columns, and before and after it is calm; what came in that step?",
    "C": "run C: look at the period of the saw-tooth; what begins anew every ten steps?",
    "D": "run D: small bumps on the way down are no disease; what else would you complain about?",
    "E": "run E: loss and length of the gradient grow together, step after step, from the first on",
}
MEASURES = {
    "A": "fix the start", "B": "fix the data", "C": "lower the rate", "D": "nothing", "E": "clip", "F": "more epochs",
}  # fmt: skip
MEASURE_HINTS = {
    "A": "incident A: nothing has been learned at step 3, and yet layer 8 sees scores of 4,000; what set their size?",
    "B": "incident B: the pixel value says what came in",
    "C": "incident C: which single change has already been tried with success?",
    "D": "incident D: a sharpness just above 2 / rate, a falling loss; is there an incident?",
    "E": "incident E: the data are fine and the spikes belong to the problem; what keeps one step from undoing many?",
    "F": "incident F: no spike, no overfitting, both losses still fall; what is missing?",
}
MEASURE_SPECIAL = {
    ("B", "clip"): "incident B: clipping guards the run, but the row stays in the data, and the next run, and the "
    "evaluation, read it too: which measure removes the cause?",
    ("A", "lower the rate"): "incident A: a smaller rate keeps it alive; but chapter 05's cures show what repairs the "
    "cause of scores that grow from layer to layer",
    ("A", "more epochs"): "incident A: every later step computes with nan; nothing is left to train",
    (
        "D",
        "lower the rate",
    ): "incident D: at the edge is where plain descent walks; a smaller rate would only be slower",
}


def _verdicts(
    answer: Any, right: dict[str, str], words: tuple[str, ...], hints: dict[str, str],
    special: dict[tuple[str, str], str], what: str,
) -> Iterator[Problem]:  # fmt: skip
    if not isinstance(answer, dict):
        yield Problem(0, f"a word for each of {', '.join(right)}", "give back a dictionary with a word for each letter")
        return
    got = {_word(key).upper()[-1:]: _word(value) for key, value in answer.items()}
    missing, unknown = [name for name in right if name not in got], [name for name in got if name not in right]
    if missing or unknown:
        told = f"no word for {', '.join(missing)}" if missing else f"there is no {what} {unknown[0]}"
        yield Problem(0, f"a word for each of {', '.join(right)}", told)
        return
    for name in right:
        if got[name] not in words:
            yield Problem(0, f"one of: {', '.join(words)}", f"{what} {name}: {got[name]!r} is not one of the words")
            return
    for name, word in right.items():
        if got[name] != word:
            yield Problem(0, f"another word for {what} {name}", special.get((name, got[name]), hints[name]))


@exercise("05.read_curves", "Read five loss curves", once, letters="ABCDE")
def _curves(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    yield from _verdicts(outputs[0], CURVES, CURVE_WORDS, CURVE_HINTS, {}, "run")


@exercise("05.first_measure", "Monday's explosion", once, letters="ABCDEF")
def _measures(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    words = tuple(MEASURES.values())
    yield from _verdicts(outputs[0], MEASURES, words, MEASURE_HINTS, MEASURE_SPECIAL, "incident")
