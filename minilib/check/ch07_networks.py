"""Exercises of chapter 07: what a network sees, what can be folded away, what an audit and a change tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray
Layers = list[tuple[int, int, int]]


# 5. How far does it see? ---------------------------------------------------------------------------------------------
def _field_cases(rng: np.random.Generator) -> list[Inputs]:
    drawn = [(int(rng.integers(2, 8)), int(rng.integers(1, 4)), int(rng.integers(1, 4))) for _ in range(4)]
    return [
        ([(5, 2, 1), (3, 2, 1)],),
        ([(3, 1, 1), (2, 2, 1), (3, 1, 1), (2, 2, 1)],),
        ([(3, 1, 1), (3, 1, 2), (3, 1, 4)],),
        ([(3, 2, 1), (3, 1, 2), *drawn],),
    ]


def _field_by(layers: Layers, slip: str = "") -> tuple[int, int]:
    size, jump = 1, 1
    for k, s, d in layers:
        if slip == "early":
            jump *= s
        step = 1 if slip == "no strides" else jump
        size += (k if slip == "k" else k - 1) * step * (1 if slip == "no dilation" else d)
        jump = jump + s - 1 if slip == "added" else jump if slip == "early" else jump * s
    return size, jump


def _seen(layers: Layers) -> tuple[int, int]:
    """By counting: which inputs reach output 0, and how far on output 1 begins."""
    reach = [{0}, {1}]
    for k, s, d in reversed(layers):
        reach = [{s * i + d * u for i in places for u in range(k)} for places in reach]
    return max(reach[0]) - min(reach[0]) + 1, min(reach[1]) - min(reach[0])


@exercise("07.receptive_field", "How far does it see?", _field_cases)
def _receptive_field(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((layers,), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _seen(layers)
        if close(got, right):
            continue
        if np.shape(got) != (2,):
            yield Problem(
                i, right, "give back two numbers: how many pixels one output sees, and the step between two outputs"
            )
            continue
        slips = {
            "no strides": "a step in a later map is several pixels: multiply (k − 1) by all strides before it",
            "early": "a stride moves a layer's outputs apart, not its kernel's weights: multiply it in afterwards",
            "no dilation": "with dilation d the kernel's weights lie d steps apart: it spans (k − 1) · d steps",
            "k": "k weights span k − 1 steps from the first to the last",
            "added": "strides multiply: after two layers of stride 2, one step is four pixels",
        }
        hints = [(close(got, _field_by(layers, slip)), hint) for slip, hint in slips.items()]
        hints += [
            (close(got[::-1], right), "the order: what one output sees comes first, the step second"),
            (
                close(got[0], right[0]),
                "the first number is right; the step between neighbours is all strides multiplied",
            ),
        ]
        general = "start with 1 pixel and a step of 1; each layer adds (k − 1) · d steps, then multiplies the step by s"
        yield Problem(i, right, first_hint(hints, general))


# 6. Fold it in -------------------------------------------------------------------------------------------------------
def _fold_cases(rng: np.random.Generator) -> list[Inputs]:
    def case(out: int, channels: int, k: int) -> Inputs:
        w, spread = rng.standard_normal((out, channels, k, k)), rng.uniform(0.05, 2, out)
        return (
            w,
            *(rng.standard_normal(out) for _ in range(2)),
            spread,
            rng.uniform(0.5, 2, out),
            rng.standard_normal(out),
        )

    simple = np.ones((1, 1, 1, 1)), np.zeros(1), np.array([2.0]), np.array([4.0]), np.array([3.0]), np.array([1.0])
    return [simple, case(2, 1, 2), case(2, 2, 2), case(3, 3, 2)]


EPS = 0.01
AXIS = "one scale for each kernel, which is the first axis of the weights, not the second"


@exercise("07.fold", "Fold it in", _fold_cases)
def _fold(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    for i, ((w, b, mean, var, gain, shift), got) in enumerate(zip(inputs, outputs, strict=True)):

        def folded(scale: Array, inner: Array, w: Array = w, shift: Array = shift) -> tuple[Array, Array]:
            return w * scale[:, None, None, None], inner * scale + shift

        scale = gain / np.sqrt(var + EPS)
        right = folded(scale, b - mean)
        if (
            not isinstance(got, tuple | list)
            or len(got) != 2
            or np.shape(got[0]) != w.shape
            or np.shape(got[1]) != b.shape
        ):
            form = f"give back two things: the weights, of shape {w.shape}, and the biases, of shape {b.shape}"
            if isinstance(got, tuple | list) and len(got) == 2 and w.shape[1] == 1 != w.shape[0]:
                scaled = w * scale[None, :, None, None]
                form = first_hint([(close(got[0], scaled), AXIS)], form)
            yield Problem(i, right, form)
            continue
        if close(got[0], right[0]) and close(got[1], right[1]):
            continue

        def is_(weights: Array, biases: Array, got: Any = got) -> bool:
            return close(got[0], weights) and close(got[1], biases)

        bare = folded(gain / np.sqrt(var), b - mean)
        hints = [
            (is_(*bare), f"the {EPS} under the root is missing"),
            (
                is_(*folded(gain / (np.sqrt(var) + EPS), b - mean)),
                f"the {EPS} belongs under the root, beside the variance",
            ),
            (is_(*folded(gain / (var + EPS), b - mean)), "divide by the root of the variance, not by the variance"),
            (is_(w, right[1]), "the biases are right, the weights unchanged: the kernel's answer is scaled too"),
            (is_(right[0], b * scale + shift), "the mean is not subtracted"),
            (is_(right[0], b - mean + shift), "the bias and the mean stand inside the bracket: scale them as well"),
            (is_(right[0], b - mean * scale + shift), "the old bias goes through the normalisation too: scale it"),
            (is_(right[0], (b + mean) * scale + shift), "the mean is added where it should be subtracted"),
            (is_(right[0], (b - mean) * scale), "the shift is missing in the biases"),
            (
                w.shape[0] == w.shape[1] and close(got[0], w * scale[None, :, None, None]),
                AXIS,
            ),
            (
                close(got[0], right[0]),
                "the weights are right; put a picture of zeros in: what must come out is the bias",
            ),
        ]
        general = (
            "write gain · (w∗x + b − mean)/√(var + ε) + shift and collect: what multiplies w∗x, and what stands alone?"
        )
        yield Problem(i, right, first_hint(hints, general))


# 7. Read the audit ---------------------------------------------------------------------------------------------------
AUDIT = {"A": "never shown", "B": "no neighbours", "C": "stride", "D": "overfits", "E": "border"}


@exercise("07.audit", "Read the audit", once, letters="ABCDE")
def _audit(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    got = outputs[0]
    if not isinstance(got, dict) or set(got) != set(AUDIT):
        yield Problem(0, "a dictionary with the keys A to E", "one verdict for each of the five networks A to E")
        return
    why = {
        ("A", "overfits"): "A falls on training digits as on test digits: what it lacks is not a matter of new writers",
        (
            "A",
            "border",
        ): "A falls to both sides alike; ink that leaves on one side only would show there only, as in another row",
        ("A", "stride"): "a stride hurts odd shifts and spares even ones; A falls steadily from 3 pixels on",
        ("B", "never shown"): "B falls at the first pixel, and it is as good on shuffled pixels: look at its last row",
        ("B", "overfits"): "B's training and test digits stay close; look at its last row",
        (
            "C",
            "overfits",
        ): "C's training digits suffer from the shift exactly as its test digits do; compare odd with even",
        ("C", "never shown"): "C is fine at 2 and 4 pixels and bad at 1 and 3: distance cannot be the reason",
        ("D", "never shown"): "D does not fall with the shift at all; compare its first row with its second",
        ("E", "never shown"): "E falls to one side only; a network that was shown no shifts falls to both",
        ("E", "stride"): "E falls at odd and even shifts alike, and to one side only",
    }
    for name, verdict in AUDIT.items():
        said = str(got[name]).strip().lower()
        if said not in AUDIT.values():
            yield Problem(0, "one of the five verdicts", f"{name}: {said!r} is not among the words to choose from")
        elif said != verdict:
            general = (
                f"{name}: compare its rows two by two: training with test, left with right, odd with even, shuffled"
            )
            yield Problem(0, "another verdict", why.get((name, said), general))


# 8. Which change lies? -----------------------------------------------------------------------------------------------
LIES = {
    "digits": {"mirror", "half turn"},
    "arrows": {"mirror", "half turn"},
    "cars": set(),
    "tomatoes": {"grey"},
}
CHANGES = {"mirror", "half turn", "shift", "grey"}


@exercise("07.which_lies", "Which change lies?", once)
def _which_lies(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    got, products = outputs[0], list(LIES)
    if not isinstance(got, dict) or set(got) != set(products):
        yield Problem(0, f"a dictionary with the keys {', '.join(products)}", "one list of changes for each product")
        return
    why = {
        ("digits", "half turn", True): "digits: a 6 turned by 180° is a 9, with the label 6",
        ("digits", "mirror", True): "digits: a mirrored 2 or 7 is no digit that anybody writes",
        ("arrows", "mirror", True): "arrows: mirrored, 'turn left' shows 'turn right' and keeps its label",
        ("arrows", "half turn", True): "arrows: turned by 180°, an arrow to the left points to the right",
        ("tomatoes", "grey", True): "tomatoes: without colour, ripe and unripe look alike and keep different labels",
        (
            "tomatoes",
            "mirror",
            False,
        ): "tomatoes: a mirrored ripe tomato is a ripe tomato; a change may be odd and still be true",
        ("tomatoes", "half turn", False): "tomatoes: which way up a tomato lies says nothing about whether it is ripe",
        ("cars", "mirror", False): "cars: the number of cars is the same in the mirror",
        ("cars", "half turn", False): "cars: seen from above there is no up; a half turn keeps the number",
        ("cars", "grey", False): "cars: the label is their number, not their colour",
    }
    for product in products:
        listed = [got[product]] if isinstance(got[product], str) else got[product]
        said = {str(change).strip().lower() for change in listed}
        if not said <= CHANGES:
            wrong = sorted(said - CHANGES)[0]
            yield Problem(
                0, f"changes among {', '.join(sorted(CHANGES))}", f"{product}: {wrong!r} is none of the four changes"
            )
            continue
        for change in ("mirror", "half turn", "grey", "shift"):
            missed = change in LIES[product]
            if (change in said) != missed:
                general = f"{product}: {change} keeps the answer that a person would give"
                yield Problem(0, "another list", why.get((product, change, missed), general))
