"""nbgrader's gradebook, written from outside: scores, what waits for a teacher's eye, and the notebook to look at."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from classroom.assignment import Unreadable, read_file, read_notebook
from classroom.course import Course, Wrong, write
from classroom.results import Result, Verdict, load

SEEN = 200_000
"""Characters of a submission that the formgrader shows; a notebook with its answers has about 20,000."""


@contextmanager
def opened(course: Course) -> Iterator[Any]:
    """The gradebook; nbgrader makes it with alembic, which it looks for on the PATH."""
    from nbgrader.api import Gradebook

    reach_tools()
    with warnings.catch_warnings(), Gradebook(course.gradebook) as book:
        warnings.filterwarnings("ignore", module="nbgrader", message="Object of type <Submitted")  # its own, harmless
        yield book


def reach_tools() -> None:
    """Put the folder of this Python's programs on the PATH, where nbgrader looks for its own."""
    programs = str(Path(sys.executable).parent)
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([programs, os.environ.get("PATH", "")])


def configuration(course: Course) -> Config:
    """nbgrader's settings as the course's own file has them."""
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    return PyFileConfigLoader("nbgrader_config.py", str(course.root)).load_config()


def generate(course: Course, assignment: str, due: str) -> None:
    """Let nbgrader make the student version and enter the assignment. Raises Wrong."""
    from nbgrader.apps.api import NbGraderAPI

    reach_tools()
    said = NbGraderAPI(config=configuration(course)).generate_assignment(assignment)
    if not said["success"]:
        raise Wrong(f"nbgrader could not make the student version:\n{said.get('log')}\n{said.get('error')}")
    with opened(course) as book:
        book.update_or_create_assignment(assignment, duedate=due or None)


def sync(course: Course, assignment: str) -> int:
    """Enter every result of the grader; doing it again changes nothing. Returns how many.

    A manual mark stays; it asks for another look if the written answer is no longer the one that was marked.
    """
    released = nbformat.read(course.release(assignment) / f"{assignment}.ipynb", as_version=4)
    people, done = course.roster(), 0
    with opened(course) as book:
        for student in course.submissions(assignment):
            result = load(course.marks(assignment) / f"{student}.json")
            if result is None:
                continue
            known = asdict(people[student]) if student in people else {}
            book.update_or_create_student(
                student, **{k: known[k] for k in ("first_name", "last_name", "email") if known}
            )
            _enter(book, course, result, released)
            done += 1
    return done


def _enter(book: Any, course: Course, result: Result, released: NotebookNode) -> None:
    student, assignment = result.student, result.assignment
    folder, stamp = course.autograded(student, assignment), course.submitted(student, assignment) / "timestamp.txt"
    when = stamp.read_text("utf8").strip() if stamp.exists() else None
    submission = book.update_or_create_submission(assignment, student, **({"timestamp": when} if when else {}))
    shown = looked_at(course, result, released)
    path = folder / f"{assignment}.ipynb"
    before = written(nbformat.read(path, as_version=4)) if path.exists() else {}
    now, empty = written(shown), written(released)
    write(path, nbformat.writes(shown) + "\n")
    if stamp.exists():
        shutil.copyfile(stamp, folder / "timestamp.txt")
    verdicts = {one.cell: one for one in result.verdicts}
    for grade in submission.notebooks[0].grades:
        if grade.name in verdicts:
            score, wait = verdicts[grade.name].points, False
        elif now.get(grade.name, "") in ("", as_text(""), empty.get(grade.name)):
            score, wait = 0.0, False
        else:
            score = None
            wait = (
                grade.manual_score is None
                or grade.needs_manual_grade
                or before.get(grade.name, now[grade.name]) != now[grade.name]
            )
        if (grade.auto_score, grade.needs_manual_grade) != (score, wait):
            grade.auto_score, grade.needs_manual_grade = score, wait
    book.db.commit()


def written(notebook: NotebookNode) -> dict[str, str]:
    """The written answers by grade_id."""
    found = {}
    for cell in notebook.cells:
        grading = cell.metadata.get("nbgrader", {})
        if grading.get("grade") and grading.get("solution"):
            found[grading["grade_id"]] = cell.source.strip()
    return found


def looked_at(course: Course, result: Result, released: NotebookNode) -> NotebookNode:
    """What the teacher sees in the formgrader: the released notebook with the student's answers and the grader's words.

    Locked cells are ours, whatever the student made of them; the student's further cells stand where they stood;
    nothing that the student's code printed is shown. Below a written answer stands the model, with its marks.
    """
    path = course.submitted(result.student, result.assignment) / f"{result.assignment}.ipynb"
    try:
        cells = read_notebook(read_file(path)).cells
    except Unreadable:
        cells = []
    theirs, extra = _parted(cells, released)
    models = written(nbformat.read(course.source(result.assignment), as_version=4))
    said = {one.cell: one for one in result.verdicts}
    shown = nbformat.v4.new_notebook(metadata=released.metadata, cells=extra.get(None, []))
    for cell in released.cells:
        copy = nbformat.from_dict(cell)
        id = copy.metadata.get("nbgrader", {}).get("grade_id")
        if id in theirs:
            unchanged = theirs[id].strip() == cell.source.strip()
            copy.source = theirs[id] if cell.cell_type == "code" or unchanged else as_text(theirs[id])
        if id in said:
            copy.outputs = [nbformat.v4.new_output("stream", text=words(said[id]))]
        shown.cells += [copy, *(extra.get(id, []) if id else [])]
        if id in models:
            shown.cells.append(nbformat.v4.new_markdown_cell(f"#### Model answer\n\n{models[id]}"))
    return shown


def _parted(cells: list, released: NotebookNode) -> tuple[dict[str, str], dict[str | None, list[NotebookNode]]]:
    """The student's text of each solution cell, and the further cells by the last known cell before them.

    A cell that has lost its name is known by what stands before it.
    """
    solutions, after, known = set(), {}, {cell.source.strip() for cell in released.cells}
    for before, cell in pairwise([None, *released.cells]):
        if cell.metadata.get("nbgrader", {}).get("solution"):
            solutions.add(cell.metadata.nbgrader.grade_id)
            after[before.source.strip() if before else ""] = cell.metadata.nbgrader.grade_id
    theirs: dict[str, str] = {}
    extra: dict[str | None, list[NotebookNode]] = {}
    last, before, left = None, "", SEEN
    for cell in cells:
        if len(cell.source) > left:
            cell.source = f"{cell.source[:left]}\n# … cut here: a teacher cannot read so much"
        left = max(0, left - len(cell.source))
        id: str | None = cell.grade_id or after.get(before)
        before = cell.source.strip()
        if id is not None and id in solutions and id not in theirs:
            theirs[id], last = cell.source, id
        elif before and before not in known and cell.grade_id is None:
            code = cell.cell_type == "code"
            new = nbformat.v4.new_code_cell(before) if code else nbformat.v4.new_markdown_cell(as_text(before))
            extra.setdefault(last, []).append(new)
    return theirs, extra


def as_text(source: str) -> str:
    """Markdown that shows a text as it was typed: what a student has written must not run in the teacher's browser.

    The formgrader does not clean what it shows, and a script in it could change marks.
    """
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", source)), default=0))
    lines = (line for text in source.splitlines() for line in textwrap.wrap(text, 100) or [""])
    return "\n".join([f"{fence}text", *lines, fence])


def words(verdict: Verdict) -> str:
    """A verdict as text."""
    head = f"{verdict.points:g} of {verdict.out_of:g}: {verdict.state}"
    return "\n".join([head, *(f"  {label + ':':<10}{text}" for label, text in verdict.lines)])


@dataclass(frozen=True)
class Mark:
    """What the gradebook says of one graded cell: the teacher's mark where there is one, else the grader's."""

    score: float
    out_of: float
    waiting: bool
    manual: bool
    comment: str


def marks(course: Course, assignment: str) -> dict[str, dict[str, Mark]]:
    """Every mark by student and cell; a written answer's cell is `manual`."""
    found: dict[str, dict[str, Mark]] = {}
    with opened(course) as book:
        for submission in book.assignment_submissions(assignment):
            notebook = submission.notebooks[0]
            comments = {one.name: one.comment or "" for one in notebook.comments}
            found[submission.student.id] = {
                grade.name: Mark(
                    float(grade.score or 0), float(grade.max_score), bool(grade.needs_manual_grade),
                    grade.name in comments, comments.get(grade.name, ""),
                )
                for grade in notebook.grades
            }  # fmt: skip
    return found
