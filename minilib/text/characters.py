"""Characters as ids, each its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


class CharTokenizer:
    """Text ↔ ids, one for each character: the characters of `text`, each once, in the order of their code points.

    Raises ValueError for a character that `text` did not hold, with its position, and for an id out of range.
    Derived in: notebooks/01_data.ipynb
    """

    def __init__(self, text: str):
        self.vocabulary = "".join(sorted(set(text)))
        if not self.vocabulary:
            raise ValueError("needed one character at least, got an empty text")
        self._codes = _code_points(self.vocabulary)
        self._ids = np.full(self._codes[-1] + 1, -1)
        self._ids[self._codes] = np.arange(len(self._codes))

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __repr__(self) -> str:
        return f"CharTokenizer({self.vocabulary!r})"

    def encode(self, text: str) -> np.ndarray:
        """The ids (T,) of the T characters of `text`."""
        codes = _code_points(text)
        ids = self._ids[np.minimum(codes, self._codes[-1])]
        unknown = (ids < 0) | (codes > self._codes[-1])
        if unknown.any():
            at = int(unknown.argmax())
            raise ValueError(
                f"unknown character {text[at]!r} (U+{ord(text[at]):04X}) at position {at}: it is not among the "
                f"{len(self)} that this tokeniser was made from; replace it, or make one from text that holds it"
            )
        return ids

    def decode(self, ids: Any) -> str:
        """The text that the ids (T,) stand for."""
        codes = self._codes[checked_ids(ids, len(self), "characters")]
        return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")

    def save(self, path: str | Path) -> None:
        Path(path).write_text(json.dumps({"characters": self.vocabulary}), "utf8")

    @classmethod
    def load(cls, path: str | Path) -> CharTokenizer:
        """A tokeniser as it was saved; raises ValueError if the file is not one."""
        try:
            return cls(json.loads(Path(path).read_text("utf8"))["characters"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a saved CharTokenizer ({error})") from None


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)


def checked_ids(ids: Any, count: int, what: str) -> np.ndarray:
    """ids (T,) as an array; raises ValueError for another shape and for the first that is not among 0 to count - 1."""
    ids = np.asarray(ids)
    if ids.ndim != 1:
        raise ValueError(f"needed ids of one text, (T,), got {ids.shape}: decode one row at a time")
    if ids.size and ids.dtype.kind not in "iu":
        raise TypeError(f"ids must be integers, got {ids.dtype}")
    wrong = (ids < 0) | (ids >= count)
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(f"id {ids[at]} at position {at} is out of range: {count} {what} are 0 to {count - 1}")
    return ids.astype(int)


def checked_text(text: Any) -> str:
    """text, if it can be written in UTF-8; TypeError if it is no str, ValueError if it holds a lone surrogate."""
    if not isinstance(text, str):
        raise TypeError(f"needed a str, got {type(text).__name__}")
    try:
        text.encode("utf8")
    except UnicodeEncodeError as error:
        half, at = ord(text[error.start]), error.start
        raise ValueError(f"half a character (U+{half:04X}, a lone surrogate) at position {at}: no UTF-8") from None
    return text
