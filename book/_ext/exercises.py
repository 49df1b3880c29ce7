"""The exercises of a chapter on its page, in place of the box that tells where they are (`:class: exercises`).

They are read from `notebooks/exercises/NAME.ipynb`, the one source that also makes the student versions: a markdown
cell with the statement (metadata `exercise`), perhaps code that is given, a code cell with the solution between the two
marker lines, a code cell with the check.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)
HEADING = re.compile(r"\A\s*#+[^\n]*\n")
MARKER = re.compile(r"^[ \t]*### (BEGIN|END) SOLUTION[ \t]*\n?", re.MULTILINE)
DIFFICULTY = {1: "easy", 2: "medium", 3: "hard"}


@dataclass(frozen=True)
class Exercise:
    """One exercise, as its three cells say it."""

    number: int
    id: str
    title: str
    kind: str
    difficulty: int
    minutes: int
    statement: str
    given: str
    solution: str
    check: str


def read_exercises(path: Path) -> list[Exercise]:
    """The exercises of a notebook in order; ValueError says which one lacks what."""
    cells = nbformat.read(path, as_version=4).cells
    starts = [i for i, cell in enumerate(cells) if "exercise" in cell.metadata]
    exercises = []
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(cells)], strict=True), start=1):
        exercises.append(read_one(number, cells[start:end], path.name))
    return exercises


def read_one(number: int, cells: list[Any], name: str) -> Exercise:
    """One exercise from the cells between its statement and the next statement."""
    meta = cells[0].metadata["exercise"]
    missing = {"id", "title", "kind", "difficulty", "minutes"} - meta.keys()
    if missing:
        raise ValueError(f"{name}: exercise {number} lacks {', '.join(sorted(missing))}")
    code = [cell for cell in cells[1:] if cell.cell_type == "code"]
    solutions = [cell.source for cell in code if cell.metadata.get("nbgrader", {}).get("solution")]
    given = [cell.source for cell in code if "nbgrader" not in cell.metadata]
    checks = [cell.source for cell in code if cell.metadata.get("nbgrader", {}).get("grade")]
    if not solutions or not checks:
        raise ValueError(f"{name}: exercise {meta['id']} needs a solution cell and a grade cell")
    return Exercise(
        number, meta["id"], meta["title"], meta["kind"], int(meta["difficulty"]), int(meta["minutes"]),
        HEADING.sub("", cells[0].source), "\n\n".join(given),
        MARKER.sub("", "\n\n".join(solutions)).strip(), checks[-1].strip(),
    )  # fmt: skip


def facts(exercise: Exercise) -> str:
    """The line under the title: how hard, how long, what kind."""
    dots = "●" * exercise.difficulty + "○" * (3 - exercise.difficulty)
    return (
        f'<p class="box-label"><span aria-hidden="true">{dots}</span> {DIFFICULTY[exercise.difficulty]} · '
        f"{exercise.minutes} minutes · {escape(exercise.kind)}</p>"
    )


class Exercises(SphinxDirective):
    """Every exercise of a chapter, hint and solution folded."""

    def run(self) -> list[nodes.Node]:
        """One section an exercise, so that each has an anchor and a line in the page's contents."""
        name = Path(self.env.docname).name
        path = Path(self.env.srcdir) / "notebooks" / "exercises" / f"{name}.ipynb"
        self.env.note_dependency(str(path))
        if not path.is_file():
            logger.warning("no exercises at %s", path.name, type="exercises", location=self.get_location())
            return []
        found = read_exercises(path)
        minutes = sum(exercise.minutes for exercise in found)
        where = nodes.paragraph(
            "", f"{len(found)} exercise{'s' * (len(found) != 1)}, about {minutes} minutes in all, in "
        )
        where += nodes.literal("", f"notebooks/exercises/{name}.ipynb")
        where += nodes.Text(". Each answers at once when its last cell runs.")
        return [where, *(self.section(exercise) for exercise in found)]

    def section(self, exercise: Exercise) -> nodes.section:
        """One exercise."""
        anchor = "exercise-" + exercise.id.replace(".", "-").replace("_", "-")
        section = nodes.section(ids=[anchor], names=[anchor], classes=["exercise"])
        self.state.document.note_explicit_target(section)
        section += nodes.title("", f"Exercise {exercise.number} · {exercise.title}")
        section += nodes.raw("", facts(exercise), format="html")
        self.state.nested_parse(
            StringList(exercise.statement.split("\n"), self.get_source_info()[0]), self.content_offset, section
        )
        if exercise.given:
            section += nodes.literal_block(exercise.given, exercise.given, language="python")
        check = nodes.paragraph("", "", nodes.inline("", "Check it with "), nodes.literal("", exercise.check))
        if "\n" in exercise.check:
            check = nodes.paragraph("", "Check it with the last cell of the exercise.")
        section += check
        section += nodes.raw("", '<details class="solution"><summary>Solution</summary>', format="html")
        section += nodes.literal_block(exercise.solution, exercise.solution, language="python")
        section += nodes.raw("", "</details>", format="html")
        return section
