"""The teacher's guide as data: its pages, sections and tables, and what the notebooks say of the same things."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from tests.notebook_files import CHAPTERS, EXERCISES, ROOT, read

NUMBERS = [path.stem[:2] for path in CHAPTERS]


@cache
def page(name: str) -> str:
    """A page of the guide."""
    return (ROOT / "book" / f"{name}.md").read_text("utf8")


@cache
def section(name: str, heading: str) -> str:
    """What a page says under the heading that begins with these words, up to the next of its kind."""
    parts = re.split(r"^## ", page(name), flags=re.MULTILINE)
    found = [part for part in parts[1:] if part.startswith(heading)]
    assert len(found) == 1, f"{name}.md has {len(found)} sections that begin with {heading!r}"
    return found[0]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables, row by row, without heads."""
    tables = re.findall(r"(?:^\|.*\|\n?)+", text, re.MULTILINE)
    lines = [line for table in tables for line in table.splitlines()[2:]]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@cache
def described(chapter: str) -> dict[str, dict[str, Any]]:
    """The exercises of a chapter by id, in order, as their cells describe them."""
    (path,) = [path for path in EXERCISES if path.stem.startswith(chapter)]
    metadata = [cell.metadata["exercise"] for cell in read(path).cells if "exercise" in cell.metadata]
    return {entry["id"]: dict(entry) for entry in metadata}


@cache
def told(chapter: str) -> str:
    """All the prose of a chapter."""
    (path,) = [path for path in CHAPTERS if path.stem.startswith(chapter)]
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def reading_minutes(chapter: str) -> int:
    """What the chapter says of itself; half of it, rounded up to five minutes, is read in a single session."""
    return int(re.search(r"(\d+) minutes", told(chapter)[told(chapter).index("**You need**") :])[1])


def needs(chapter: str) -> list[str]:
    """The chapters that one needs, by the page of the goals."""
    (line,) = re.findall(r"Needs ([^.]*)\.", section("teaching_goals", f"{chapter} ·"))
    return re.findall(r"\b\d\d\b", line)
