"""What comes back: a page for each student, a table for a learning-management system, a page on the class."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
from dateutil import parser as dates
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from classroom.course import Course, Person, as_cell, write
from classroom.gradebook import Mark, marks
from classroom.results import Result, Verdict, load

STATES = {
    "right": ("✓", "right"),
    "wrong": ("✗", "not right"),
    "crashed": ("!", "stopped with an error"),
    "stopped": ("!", "had to be stopped"),
    "unwritten": ("–", "not written"),
    "absent": ("–", "not found"),
}
"""Sign and words for each state of a verdict."""
PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True,
)  # fmt: skip


@dataclass(frozen=True)
class Student:
    """One student's row: who, what the grader found, what the gradebook says."""

    person: Person
    result: Result
    marks: dict[str, Mark]
    late: str

    @property
    def total(self) -> float:
        return sum(mark.score for mark in self.marks.values() if not mark.waiting)

    @property
    def out_of(self) -> float:
        """Of what has been marked: an answer that waits counts on neither side."""
        return sum(mark.out_of for mark in self.marks.values() if not mark.waiting)

    @property
    def waiting(self) -> bool:
        """Whether a written answer is still to be marked."""
        return any(mark.waiting for mark in self.marks.values())

    @property
    def written(self) -> dict[str, Mark]:
        return {cell: mark for cell, mark in self.marks.items() if mark.manual}


def class_of(course: Course, assignment: str) -> list[Student]:
    """Everybody who has been graded, in order of their ids."""
    people, book = course.roster(), marks(course, assignment)
    rows = []
    for id in course.submissions(assignment):
        result = load(course.marks(assignment) / f"{id}.json")
        if result is not None and id in book:
            rows.append(Student(people.get(id, Person(id)), result, book[id], _late(course, assignment, id)))
    return rows


def _late(course: Course, assignment: str, student: str) -> str:
    stamp, due = course.submitted(student, assignment) / "timestamp.txt", course.settings(assignment).due
    if not due or not stamp.exists():
        return ""
    minutes = (dates.parse(stamp.read_text("utf8")) - dates.parse(due)).total_seconds() / 60
    return f"{minutes / 60:.1f}" if minutes > 0 else ""


def feedback(course: Course, assignment: str) -> int:
    """Write everybody's page, the table and the overview; returns how many pages."""
    students, title = class_of(course, assignment), _title(course, assignment)
    page = PAGES.get_template("feedback.html")
    for one in students:
        path = course.feedback(one.person.id, assignment) / f"{assignment}.html"
        write(path, page.render(student=one, title=title, states=STATES, lang="en"))
    write(course.reports(assignment) / "marks.csv", table(course, assignment, students))
    write(course.reports(assignment) / "overview.html", overview(course, assignment, students, title))
    return len(students)


def _title(course: Course, assignment: str) -> str:
    notebook = nbformat.read(course.source(assignment), as_version=4)
    return notebook.cells[0].source.splitlines()[0].lstrip("# ")


# For a learning-management system -------------------------------------------------------------------------------------
def table(course: Course, assignment: str, students: list[Student]) -> str:
    """A row a student as CSV, those of the class list without a submission included."""
    verdicts = students[0].result.verdicts if students else []
    written = sorted({cell for one in students for cell in one.written})
    head = ["id", "first_name", "last_name", "email", "lms", *(v.id for v in verdicts), *written]
    head += ["total", "out_of", "hours_late", "state"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for one in students:
        cells = [*(v.cell for v in one.result.verdicts), *written]
        done = {cell: mark for cell, mark in one.marks.items() if not mark.waiting}
        points = [f"{done[cell].score:g}" if cell in done else "" for cell in cells]
        total = "" if one.waiting else f"{one.total:g}"  # an empty field, not too small a mark, if it is uploaded now
        writer.writerow([*_who(one.person), *points, total, f"{one.out_of:g}", one.late, _state(one)])
    have = {one.person.id for one in students}
    for person in course.roster().values():
        if person.id not in have:
            writer.writerow([*_who(person), *[""] * (len(verdicts) + len(written)), "", "", "", "nothing handed in"])
    return text.getvalue()


def _who(person: Person) -> list[str]:
    return [as_cell(value) for value in (person.id, person.first_name, person.last_name, person.email, person.lms)]


def _state(one: Student) -> str:
    said = [one.result.problem] if one.result.problem else []
    said += [f"{one.total:g} so far; a written answer waits for its mark"] if one.waiting else []
    said += [] if one.result.safe else ["graded without a sandbox"]
    return "; ".join(said)


# For the teacher -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Question:
    """An exercise as the class did it: counts by state, and what went wrong, the most common first."""

    id: str
    title: str
    counts: dict[str, int]
    mistakes: list[tuple[str, list[str]]]

    @property
    def all(self) -> int:
        return sum(self.counts.values())


def overview(course: Course, assignment: str, students: list[Student], title: str) -> str:
    """The page on the class: which exercise was hard, which mistakes were common, who needs a look."""
    missing = [person for person in course.roster().values() if person.id not in {one.person.id for one in students}]
    return PAGES.get_template("overview.html").render(
        students=students, questions=list(_questions(students)), missing=missing, title=title, states=STATES,
        settings=course.settings(assignment), pages=f"../../feedback/{{}}/{assignment}/{assignment}.html", lang="en",
    )  # fmt: skip


def _questions(students: list[Student]) -> Iterator[Question]:
    for k, first in enumerate(students[0].result.verdicts if students else []):
        groups: dict[str, list[str]] = defaultdict(list)
        counts = Counter(dict.fromkeys(STATES, 0))
        for one in students:
            verdict = one.result.verdicts[k]
            counts[verdict.state] += 1
            if verdict.state in ("wrong", "crashed", "stopped"):
                groups[mistake(verdict)].append(one.person.id)
        yield Question(first.id, first.title, dict(counts), sorted(groups.items(), key=lambda item: -len(item[1])))


def mistake(verdict: Verdict) -> str:
    """What a wrong answer is grouped by: its hint; of an error only its kind."""
    lines = dict(verdict.lines)
    if "likely" in lines:
        return lines["likely"]
    return lines.get("got", "").removeprefix("nothing: ").split(":")[0] or verdict.state
