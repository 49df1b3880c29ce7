"""Plain values as text and back: what crosses the wall of the sandbox, in both directions.

Stands alone: the sandbox holds this file and NumPy. What is read may come from anybody, so reading never runs code,
never trusts a size, and gives exact built-in types and plain arrays: a subclass cannot survive the crossing.
"""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

DTYPES = {np.dtype(code).str: np.dtype(np.dtype(code).str) for code in "?bhilqBHILQefd"}
LARGEST = 8_000_000
"""Bytes of array that one value may hold."""
LONGEST = 200_000
"""Entries of a list, characters of a text."""
NO_MEMORY = 77
"""Exit code of a run whose memory a cell has filled."""


class Odd:
    """Stands for a value that is not plain; says what it was."""

    def __init__(self, what: str) -> None:
        self.what = what


def encode(value: Any) -> Any:
    """A value as JSON can hold it. Raises ValueError if it is larger than anything an exercise asks for."""
    if isinstance(value, np.number | np.bool | np.ndarray):  # first, as np.float64 is a float, too
        return _encode_array(np.asarray(value), "array" if isinstance(value, np.ndarray) else "scalar")
    if isinstance(value, list | tuple | dict | str | bytes) and len(value) > LONGEST:
        raise ValueError(f"{len(value):,} entries are more than anything that this exercise asks for")
    if isinstance(value, int) and value.bit_length() > 10_000:  # Python itself does not write longer ones out
        raise ValueError("an integer with thousands of digits is larger than anything that this exercise asks for")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [encode(x) for x in value]
    if isinstance(value, tuple):
        return {"tuple": [encode(x) for x in value]}
    if isinstance(value, dict):
        return {"dict": [[encode(key), encode(x)] for key, x in value.items()]}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode("ascii")}
    return {"odd": type(value).__name__}


def _encode_array(array: np.ndarray, tag: str) -> Any:
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.str not in DTYPES:
        return {"odd": f"array of {array.dtype}"}
    if array.nbytes > LARGEST:
        raise ValueError(f"an array of shape {array.shape} is larger than anything that this exercise asks for")
    return {tag: [array.dtype.str, list(array.shape), base64.b64encode(array.tobytes()).decode("ascii")]}


def decode(tree: Any) -> Any:
    """The value that `encode` was given; Odd in place of what is not plain. Raises ValueError for anything else."""
    if tree is None or isinstance(tree, bool | int | float):
        return tree
    if isinstance(tree, str):
        return writable(tree)
    if isinstance(tree, list):
        return [decode(x) for x in tree]
    if isinstance(tree, dict) and len(tree) == 1:
        (tag, content), *_ = tree.items()
        if tag in DECODERS:
            return DECODERS[tag](content)
    raise ValueError("not a value of this protocol")


def writable(text: str) -> str:
    """Text that a file can hold: without lone halves of UTF-16 pairs."""
    return text.encode("utf8", "replace").decode("utf8")


def _decode_dict(pairs: Any) -> Any:
    found = {}
    for pair in _a_list(pairs):
        key, value = _a_list(pair, 2)
        key = decode(key)
        if not isinstance(key, bool | int | float | str | tuple | bytes | np.generic | None):
            return Odd("dict with odd keys")
        try:
            found[key] = decode(value)
        except TypeError:  # a tuple that holds a list
            return Odd("dict with odd keys")
    return found


def _decode_array(content: Any) -> np.ndarray:
    code, shape, text = _a_list(content, 3)
    dtype = DTYPES.get(code) if isinstance(code, str) else None
    if dtype is None or not isinstance(text, str):
        raise ValueError("not an array of numbers")
    data = base64.b64decode(text, validate=True)
    if len(_a_list(shape)) > 32 or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise ValueError("an array of no possible size")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError("an array whose size and data disagree")
    array = np.frombuffer(data, dtype).reshape(shape).copy()
    return array.view(np.uint8).astype(bool) if dtype.kind == "b" else array  # only 0 and 1 are truth values


def _a_list(content: Any, length: int | None = None) -> list[Any]:
    if not isinstance(content, list) or length not in (None, len(content)):
        raise ValueError("not a list of the expected length")
    return content


def _text(content: Any) -> str:
    if not isinstance(content, str):
        raise ValueError("not text")
    return decode(content)


DECODERS = {
    "tuple": lambda content: tuple(decode(x) for x in _a_list(content)),
    "dict": _decode_dict,
    "bytes": lambda content: base64.b64decode(_text(content), validate=True),
    "array": _decode_array,
    "scalar": lambda content: _decode_array(content)[()],
    "odd": lambda content: Odd(_text(content)[:80]),
}


def oddity(value: Any) -> str | None:
    """What is not plain in a decoded value, or None."""
    if isinstance(value, Odd):
        return value.what
    parts = (*value, *value.values()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return next((found for part in parts if (found := oddity(part))), None)
