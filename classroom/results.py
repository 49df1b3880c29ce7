"""What the grader found, and its file: one a submission, complete or not there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

Lines = list[tuple[str, str]]


@dataclass
class Verdict:
    """What one answer is worth and why. state: right, wrong, crashed, stopped, unwritten, absent."""

    id: str
    title: str
    cell: str
    points: float
    out_of: float
    state: str
    lines: Lines = field(default_factory=list)


@dataclass
class Result:
    """What the grader found in one submission; `problem`: why the file could not be read at all."""

    student: str
    assignment: str
    digest: str
    safe: bool
    verdicts: list[Verdict]
    problem: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(one.points for one in self.verdicts)

    @property
    def out_of(self) -> float:
        return sum(one.out_of for one in self.verdicts)


def load(path: Path) -> Result | None:
    """A stored result, or None if there is none that can be read."""
    try:
        raw = json.loads(path.read_text("utf8"))
        return Result(**{**raw, "verdicts": [Verdict(**one) for one in raw["verdicts"]]})
    except (OSError, ValueError, TypeError, KeyError):
        return None
