"""Which values can be judged: numbers, text, lists, dictionaries and arrays of numbers, of a sensible size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

DEEPEST, MOST, LONGEST = 32, 50_000, 10_000  # levels of nesting, values and characters, bits of a whole number


def not_plain(value: Any) -> str | None:
    """Why a value cannot be judged, or None."""
    if value is None:
        return "the function gives back nothing: is a `return` missing?"
    left, size = [(value, 0)], 0
    while left:  # a loop, not recursion: lists may be nested as deep as memory goes
        part, depth = left.pop()
        size += _size(part)
        if depth > DEEPEST:
            return f"lists within lists, more than {DEEPEST} deep: give back what is asked for, as flat as it is"
        if size > MOST:
            return f"more than {MOST:,} values: no exercise asks for so many"
        fault = _fault(part)
        if fault:
            return fault
        inside = [*part, *part.values()] if isinstance(part, dict) else part if isinstance(part, list | tuple) else ()
        left += [(x, depth + 1) for x in reversed(list(inside))]
    return None


def _size(part: Any) -> int:
    if isinstance(part, np.ndarray):
        return max(part.size, *part.shape, 1)  # an array of shape (1e9, 0) holds nothing, and yet has a billion rows
    return len(part) if hasattr(part, "__len__") else 1


def _fault(part: Any) -> str | None:
    """What is wrong with one value, whatever it holds."""
    if part is None:
        return "the function gives back nothing in one place: is a `return` missing?"
    if isinstance(part, np.ndarray | np.generic) and not isinstance(part, str | bytes):
        kind = "an array" if isinstance(part, np.ndarray) else "a value"
        return None if part.dtype.kind in "biuf" else f"{kind} of {part.dtype} is not {kind} of numbers"
    if isinstance(part, int) and part.bit_length() > LONGEST:
        return f"a whole number of {part.bit_length():,} bits is larger than any exercise asks for"
    if isinstance(part, dict | list | tuple | int | float | str):
        return None
    return f"give back numbers, text, lists or NumPy arrays, not {type(part).__name__}"


def leaves(value: Any) -> Iterator[Any]:
    """The numbers, texts and arrays within a plain value, without the keys of its dictionaries."""
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)
    else:
        yield value


def never_right(value: Any) -> str | None:
    """What no right answer holds, whatever the exercise: nan, or a number written as text. None if there is neither."""
    for leaf in leaves(value):
        if isinstance(leaf, str):
            if _is_number(leaf):
                return f"a number is given as text: {leaf!r} where a number is asked for"
        elif not isinstance(leaf, int) and np.isnan(leaf).any():
            return "a nan (not a number) stands in the answer: 0/0, ∞ − ∞ or the mean of nothing gives one"
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
