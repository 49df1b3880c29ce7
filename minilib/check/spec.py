"""What an exercise is: cases to try an answer on, and a judge of what comes back. Data in, data out.

A specification never sees the reader's function. `cases` makes the inputs, somebody calls the function (here, or in
another process), and `judge` looks at inputs and outputs alone. Inputs and outputs are plain values: numbers, strings,
lists, dictionaries and NumPy arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Inputs = tuple[Any, ...]
Judge = Callable[[list[Inputs], list[Any]], "Iterator[Problem]"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: at which case, what was expected there (a value or a phrase), the likely cause."""

    case: int
    expected: Any
    hint: str


@dataclass(frozen=True)
class Exercise:
    """id "02.walk"; `cases(rng)` → argument tuples; `judge(inputs, outputs)` yields problems, the likeliest first.

    letters: "ABCD" where the answer is a dictionary from such letters, which only tell logs (maps, reports) apart: a
    variant deals them anew. Empty where there are none, or where the labels mean something, as those of 06.switch_it_on
    (customers), 07.which_lies (products) and 11.release (cause and next step) do.
    """

    id: str
    title: str
    cases: Callable[[np.random.Generator], list[Inputs]]
    judge: Judge
    letters: str = ""


REGISTRY: dict[str, Exercise] = {}


def exercise(
    id: str, title: str, cases: Callable[[np.random.Generator], list[Inputs]], *, letters: str = ""
) -> Callable[[Judge], Judge]:
    """Register the decorated judge, with its cases, as the specification of an exercise."""

    def register(judge: Judge) -> Judge:
        if id in REGISTRY:
            raise ValueError(f"two exercises are called {id}")
        REGISTRY[id] = Exercise(id, title, cases, judge, letters)
        return judge

    return register


def once(rng: np.random.Generator) -> list[Inputs]:
    """The cases of an exercise whose answer is a value: a single one, without arguments."""
    return [()]


def close(got: Any, expected: Any, rtol: float = 1e-6, atol: float = 1e-9) -> bool:
    """Same shape and, within the tolerances, the same numbers; False for anything that is not numbers.

    An answer in float32 is as right as its seven digits allow, those lost to sums of large terms included.
    """
    try:
        single = np.asarray(got).dtype == np.float32
        got, expected = np.asarray(got, float), np.asarray(expected, float)
    except (TypeError, ValueError):
        return False
    if single:
        largest = np.abs(expected[np.isfinite(expected)]).max(initial=0)
        rtol, atol = max(rtol, 1e-5), max(atol, 1e-5 * largest)
    return got.shape == expected.shape and bool(np.allclose(got, expected, rtol=rtol, atol=atol))
