"""The answer to an answer: what went in, what was expected, what came out, and the likely cause."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from minilib.check.spec import Exercise


@dataclass(frozen=True)
class Report:
    """True if the answer passes. Shown at the end of a cell, or printed."""

    exercise: Exercise
    passed: bool
    cases: int
    lines: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return self.passed

    @property
    def headline(self) -> str:
        name = f"{self.exercise.id} {self.exercise.title}"
        if self.passed:
            return f"✓ {name}: right, in {self.cases} case{'s' if self.cases != 1 else ''}"
        return f"✗ {name}: not yet"

    def __repr__(self) -> str:
        return "\n".join([self.headline, *(f"  {label + ':':<10}{text}" for label, text in self.lines)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<dt>{label}</dt><dd style='white-space:pre-wrap'>{html.escape(text)}</dd>" for label, text in self.lines
        )
        state = "passed" if self.passed else "failed"
        return f"<div class='check {state}'><strong>{html.escape(self.headline)}</strong><dl>{rows}</dl></div>"


def shown(value: Any, width: int = 300) -> str:
    """A value in a few short lines: arrays with their shape, long things cut."""
    if isinstance(value, np.ndarray) and value.ndim > 2 and value.size > 20:
        return f"array {value.shape}"  # would fill the screen
    if isinstance(value, np.ndarray) and value.ndim:
        text = np.array2string(value, precision=4, threshold=20, edgeitems=2, suppress_small=False)
        return f"array {value.shape}: {text}"
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}"
    if isinstance(value, tuple) and len({x.shape for x in value if isinstance(x, np.ndarray)}) > 3:
        # a whole network: its matrices by their shapes alone
        return ", ".join(f"array {x.shape}" if np.ndim(x) > 1 else shown(x, 60) for x in value)
    if isinstance(value, tuple) and value:
        more = ", …" if len(value) > 20 else ""
        return ", ".join(shown(x, width // len(value) + 40) for x in value[:20]) + more
    text = value if isinstance(value, str) else repr(_brief(value))
    return text if len(text) <= width else text[:width] + " …"


class _Shape(str):
    """Stands for an array where a list or a dictionary is shown."""

    __repr__ = str.__str__


def _brief(value: Any) -> Any:
    """The same lists and dictionaries, with larger arrays told by their shape."""
    if isinstance(value, np.ndarray) and (value.ndim > 1 or value.size > 8):
        return _Shape(f"array {value.shape}")
    if isinstance(value, list | tuple):
        return type(value)(map(_brief, value))
    if isinstance(value, dict):
        return {key: _brief(x) for key, x in value.items()}
    return value
