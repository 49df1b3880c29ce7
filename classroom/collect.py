"""Take in what students hand in, and say in a table what became of each file.

Nothing is overwritten: a version that does not count lies under `earlier/`. What cannot be taken is named in the table,
with the reason, and stays where it was.
"""

from __future__ import annotations

import datetime
import itertools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
from dateutil import parser as dates

from classroom.assignment import Unreadable, answers, read_file, read_notebook
from classroom.course import Course, check_id, write_bytes
from classroom.incoming import Found, files, stamped
from classroom.owners import namesakes, outer_folders, owner


@dataclass(frozen=True)
class Row:
    """A line of the table. what: taken, newer, older, same, broken, refused, missing, unknown."""

    student: str
    path: str
    what: str
    time: str = ""
    late: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Job:
    """What is the same for every file: where it goes, when it was due, the names that its answers have."""

    course: Course
    assignment: str
    due: datetime.datetime | None
    names: tuple[str, ...]


def collect(course: Course, assignment: str, source: str) -> list[Row]:
    """Take in all of `source` (a folder, a zip, or the word "exchange"); the table of what became of each file."""
    settings, people = course.settings(assignment), course.roster()
    asked = answers(nbformat.read(course.source(assignment), as_version=4))
    due = dates.parse(settings.due) if settings.due else None
    job = Job(course, assignment, due, tuple(answer.name for answer in asked))
    found = files(course, assignment, source)
    notebooks = [file.path for file in found if file.path.lower().endswith(".ipynb")]
    outer = 0 if people else outer_folders(notebooks, assignment)
    owners = [owner(file.path, people, assignment, outer) for file in found]
    twice = set() if people else namesakes(owners)
    rows, theirs = [], dict[str, list[Found]]()
    for whose, file in zip(owners, found, strict=True):
        fault = file.fault or whose.fault
        if whose.student in twice:
            fault = f"two people are called {whose.student}: a class list (students.csv) can tell them apart"
        if fault:
            rows.append(Row(whose.student, shown(file.path), "refused", remark=shown(fault)))
        else:
            time = (whose.told and whose.told.time) or file.time
            theirs.setdefault(whose.student, []).append(replace(file, told=whose.told, time=time))
    for student, handed_in in sorted(theirs.items()):
        check_id(student, course.root / "students.csv")
        rows += _take_in(job, student, handed_in)
    have = set(course.submissions(assignment))
    rows += [Row(person.id, "", "missing") for person in people.values() if person.id not in have]
    gone = sorted(have - people.keys()) if people else []
    rows += [
        Row(id, "", "unknown", remark=f"not in students.csv; if it should go: rm -r submitted/{id}") for id in gone
    ]
    return sorted(rows, key=lambda row: (row.student, row.time))


def shown(path: str) -> str:
    """A path with what cannot be printed written out: a name may hold line breaks and codes that steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)


# Into the course -----------------------------------------------------------------------------------------------------
def _take_in(job: Job, student: str, handed_in: list[Found]) -> Iterable[Row]:
    """Put the newest file of a student in place and keep the others."""
    handed_in = sorted(handed_in, key=lambda file: (file.time, _number(file.path), file.path))
    named = [file for file in handed_in if job.assignment in file.path.rsplit("/", 1)[-1]] or handed_in
    for file in handed_in:
        if file in named:
            yield _store(job, student, file)
        else:
            yield Row(student, shown(file.path), "refused", remark=f"another file is called {job.assignment}")


def _number(path: str) -> int:
    """The counter that an LMS puts behind the name of a file handed in again: "…-2.ipynb"."""
    found = re.search(r"-(\d{1,4})\.ipynb(/[^/]*)?$", path)
    return int(found[1]) if found else 0


def _store(job: Job, student: str, file: Found) -> Row:
    """Put a file in place, or beside what is there: the newer counts, of two from the same second the later in order.

    timestamp.txt, from which others read how late it is, is written only where the time is that of handing in.
    """
    folder = job.course.submitted(student, job.assignment)
    target, stamp = folder / f"{job.assignment}.ipynb", folder / "timestamp.txt"
    aside = job.course.earlier(student, job.assignment)
    row = Row(student, shown(file.path), "taken", f"{file.time:%Y-%m-%d %H:%M}", late(job, file))
    row = replace(row, remark=file.remark or _remark(job, file))
    if os.path.lexists(target):
        before = stamped(stamp) or datetime.datetime.fromtimestamp(target.lstat().st_mtime, datetime.UTC)
        try:
            present = read_file(target)
        except Unreadable:
            present = None
        if present == file.data:
            return replace(row, what="same")
        if file.time < before or _kept(aside, file.time, file.data):
            _keep(aside, file.time, file.data)
            return replace(row, what="older")
        if present is not None and _broken(file.data) and not _broken(present):
            _keep(aside, file.time, file.data)
            return replace(row, what="broken", remark=f"{row.remark}; the one of {before:%Y-%m-%d %H:%M} UTC counts")
        if present is None:  # a link or whatever else does not belong there
            aside.mkdir(parents=True, exist_ok=True)
            target.rename(_free(aside, before))
        else:
            _keep(aside, before, present)
        row = replace(row, what="newer")
    stamp.unlink(missing_ok=True)
    if _known(file):
        write_bytes(stamp, f"{file.time.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S.%f} UTC\n".encode())
    write_bytes(target, file.data)
    os.utime(target, (file.time.timestamp(), file.time.timestamp()))
    return row


def _versions(folder: Path, time: datetime.datetime) -> Iterable[Path]:
    """The names under which versions of one second lie."""
    name = f"{time.astimezone(datetime.UTC):%Y-%m-%dT%H-%M-%S}"
    return (folder / f"{name}{end}.ipynb" for end in itertools.chain([""], (f"-{n}" for n in itertools.count(2))))


def _free(folder: Path, time: datetime.datetime) -> Path:
    return next(path for path in _versions(folder, time) if not os.path.lexists(path))


def _kept(folder: Path, time: datetime.datetime, data: bytes) -> bool:
    there = itertools.takewhile(os.path.lexists, _versions(folder, time))
    return any(path.is_file() and not path.is_symlink() and path.read_bytes() == data for path in there)


def _keep(folder: Path, time: datetime.datetime, data: bytes) -> None:
    """Put a version that does not count beside the others of the student, under a name that is free."""
    if not _kept(folder, time, data):
        write_bytes(_free(folder, time), data)


# What the teacher should know ----------------------------------------------------------------------------------------
def _known(file: Found) -> bool:
    """Whether the time of a file is that of handing in: Moodle and Canvas write the time of the download."""
    return file.told is None or file.told.time is not None


def late(job: Job, file: Found) -> str:
    """By how much a file came too late, "" if it did not."""
    if file.told and file.told.system == "Canvas":
        return file.told.late
    if job.due is None or file.time <= job.due:
        return ""
    if not _known(file):
        return "see the LMS"
    minutes = (file.time - job.due).total_seconds() / 60
    unit, size = next((u, n) for u, n in (("days", 1440), ("hours", 60), ("minutes", 1)) if minutes >= n or n == 1)
    return f"{minutes / size:.1f} {unit}"


def _broken(data: bytes) -> bool:
    try:
        read_notebook(data)
    except Unreadable:
        return True
    return False


def _remark(job: Job, file: Found) -> str:
    """What the teacher should know about a file that was taken."""
    try:
        text = "\n".join(cell.source for cell in read_notebook(file.data).cells)
    except Unreadable as error:
        return str(error)
    written = any(re.search(rf"\b{re.escape(name)}\b", text) for name in job.names)
    return "" if written else f"holds no answer of {job.assignment}: another assignment?"
