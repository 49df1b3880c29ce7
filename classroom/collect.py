"""Take in what students hand in: from a folder, an archive of a learning-management system, or nbgrader's exchange.

Nothing is unpacked to where an archive says, nothing is overwritten (an older submission moves to `earlier/`), and
whatever is not taken is named in the table, with the reason. What was there stays there.
"""

from __future__ import annotations

import datetime
import io
import re
import stat
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import nbformat
from dateutil import parser as dates

from classroom.assignment import LARGEST, Unreadable, answers, read_file, read_notebook
from classroom.course import Course, Person, Wrong, check_id, write_bytes
from tools.exercises import SOURCES

ENTRIES = 20_000
"""Files that an archive of a class may hold."""
TOGETHER = 2 * 2**30
"""Bytes that are read from one archive before the rest is refused."""
IGNORED = re.compile(r"(^|/)(\.|__MACOSX/|timestamp\.txt$|README\.md$)|\.html$")


@dataclass(frozen=True)
class Found:
    """A file that came in: where it was, when it was written, what it holds or why it cannot be taken."""

    path: str
    time: datetime.datetime
    data: bytes = b""
    fault: str = ""


@dataclass(frozen=True)
class Row:
    """A line of the table. what: taken, newer, older, same, missing, refused."""

    student: str
    path: str
    what: str
    time: str = ""
    late: str = ""
    remark: str = ""


def collect(course: Course, assignment: str, source: str) -> list[Row]:
    """Take in all of `source` (a folder, a zip, or the word "exchange"); the table of what became of each file."""
    course.settings(assignment)
    with tempfile.TemporaryDirectory() as scratch:
        files = list(_files(course, assignment, source, Path(scratch)))
    people = course.roster()
    whose: dict[str, list[Found]] = {}
    rows = []
    for file in files:
        student, fault = owner(file.path, people, assignment)
        if fault or file.fault:
            rows.append(Row(student, file.path, "refused", remark=file.fault or fault))
        else:
            whose.setdefault(student, []).append(file)
    for student, theirs in sorted(whose.items()):
        rows += _take_in(course, assignment, student, theirs)
    have = set(course.submissions(assignment))
    rows += [Row(person.id, "", "missing") for person in people.values() if person.id not in have]
    return sorted(rows, key=lambda row: (row.student, row.time))


# Where files come from -----------------------------------------------------------------------------------------------
def _files(course: Course, assignment: str, source: str, scratch: Path) -> Iterator[Found]:
    path = Path(source).expanduser()
    if source == "exchange":
        from classroom.gradebook import collect_from_exchange

        path = collect_from_exchange(course, assignment, scratch)
    if path.is_dir():
        yield from _folder(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        yield from _archive(path)
    else:
        raise Wrong(f"FROM={source!r} is neither a folder nor a zip; the third possibility is FROM=exchange")


def _folder(root: Path) -> Iterator[Found]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if IGNORED.search(name) or (path.is_dir() and not path.is_symlink()):
            continue
        time = datetime.datetime.fromtimestamp(path.lstat().st_mtime).astimezone()
        stamp = path.with_name("timestamp.txt")
        if stamp.is_file() and not stamp.is_symlink():
            time = _stamped(stamp, time)
        try:
            yield from _unwrapped(Found(name, time, read_file(path)))
        except Unreadable as error:
            yield Found(name, time, fault=str(error))


def _stamped(stamp: Path, otherwise: datetime.datetime) -> datetime.datetime:
    """The time in nbgrader's timestamp.txt, which is in UTC if it names no zone."""
    try:
        time = dates.parse(stamp.read_text("utf8")[:100])
    except (ValueError, OverflowError):
        return otherwise
    return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)


def _archive(path: Path) -> Iterator[Found]:
    left = TOGETHER
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir() and not IGNORED.search(entry.filename)]
        if len(entries) > ENTRIES:
            raise Wrong(f"{path.name} holds {len(entries):,} files: that is not the archive of a class")
        for entry in entries:
            found = _entry(archive, entry, left)
            left -= len(found.data)
            yield from _unwrapped(found)


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> Found:
    """One file of an archive, read no further than a notebook can be long, whatever its header says."""
    try:
        time = datetime.datetime(*entry.date_time).astimezone()
    except ValueError:
        time = datetime.datetime(1980, 1, 1).astimezone()
    found = Found(entry.filename, time)
    if stat.S_ISLNK(entry.external_attr >> 16):
        return replace(found, fault="a link, not a file")
    try:
        with archive.open(entry) as file:
            data = file.read(min(LARGEST, left) + 1)
    except Exception as error:  # encrypted, damaged, an unknown method
        return replace(found, fault=f"cannot be unpacked ({error})")
    if len(data) > min(LARGEST, left):
        return replace(found, fault=f"larger than {LARGEST // 2**20} MB once unpacked")
    return replace(found, data=data) if data.strip() else replace(found, fault="the file is empty")


def _unwrapped(found: Found) -> Iterator[Found]:
    """The file, or the one notebook in it if it is itself an archive, as when a student zips the folder."""
    if found.fault or not found.path.endswith(".zip"):
        yield found
        return
    try:
        with zipfile.ZipFile(io.BytesIO(found.data)) as archive:
            names = [e for e in archive.infolist()[:ENTRIES] if not IGNORED.search(e.filename)]
            inner = [e for e in names if e.filename.endswith(".ipynb")]
            if len(inner) != 1:
                raise ValueError(f"holds {len(inner)} notebooks")
            one = _entry(archive, inner[0], LARGEST)
            yield replace(one, path=f"{found.path}/{PurePosixPath(one.path).name}", time=found.time)
    except (ValueError, zipfile.BadZipFile) as error:
        yield replace(found, data=b"", fault=f"a zip that cannot be used: {error}")


# Whose it is ---------------------------------------------------------------------------------------------------------
def owner(path: str, people: dict[str, Person], assignment: str) -> tuple[str, str]:
    """The student that a path names, or the reason why none: ("ann", "") or ("", reason).

    With a class list, somebody's id, LMS name, e-mail address or full name must stand in the path, as whole words;
    without one, whatever stands before the assignment's name or an LMS's number is taken as the id.
    """
    if not path.endswith(".ipynb"):
        return "", "not a notebook (.ipynb)"
    others = (source.stem for source in SOURCES.glob("*.ipynb") if source.stem != assignment)
    if other := next((name for name in others if name in PurePosixPath(path).name), ""):
        return "", f"belongs to {other}"
    parts = [part for part in path.split("/") if part not in ("..", ".", "")]
    if not people:
        return _leading(parts, assignment)
    text = " ".join(_plain(part.replace(assignment, " ")) for part in parts)
    best: dict[str, int] = {}
    for person in people.values():
        names = (person.first_name, person.last_name)
        keys = [person.id, person.lms, person.email]
        keys += [sep.join(order) for order in (names, names[::-1]) for sep in (" ", "") if all(names)]
        lengths = [len(plain) for key in keys if (plain := _plain(key)) and f" {plain} " in f" {text} "]
        if lengths:
            best[person.id] = max(lengths)
    first = [id for id, length in best.items() if length == max(best.values())]
    if len(first) == 1:
        return first[0], ""
    return "", f"could be {', '.join(sorted(first))}" if first else "nobody in students.csv is called that"


def _leading(parts: Sequence[str], assignment: str) -> tuple[str, str]:
    name = parts[0].removesuffix(".ipynb").removesuffix(".zip")
    name = re.split(rf"[ _+-]*(?:{re.escape(assignment)}|_late_\d|_\d+_)", name, maxsplit=1)[0].strip()
    student = re.sub(r"[^\w.@-]+", "_", name).strip("_-. ")
    return (student, "") if student else ("", "no student's name in the file's name")


def _plain(text: str) -> str:
    """Words of letters and digits, lower case, without accents, one space between."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    return " ".join(re.findall(r"[^\W_]+", text))


# Into the course -----------------------------------------------------------------------------------------------------
def _take_in(course: Course, assignment: str, student: str, files: list[Found]) -> Iterable[Row]:
    """Put the newest file of a student in place and keep the others."""
    check_id(student, course.root / "students.csv")
    files = sorted(files, key=lambda file: (file.time, _number(file.path), file.path))
    named = [file for file in files if assignment in PurePosixPath(file.path).name] or files
    for file in files:
        if file in named:
            yield _store(course, assignment, student, file)
        else:
            yield Row(student, file.path, "refused", remark=f"another file is called {assignment}")


def _number(path: str) -> int:
    """The counter that an LMS puts behind the name of a file handed in again: "…-2.ipynb"."""
    found = re.search(r"-(\d{1,4})\.ipynb$", path)
    return int(found[1]) if found else 0


def _store(course: Course, assignment: str, student: str, file: Found) -> Row:
    folder = course.submitted(student, assignment)
    target, stamp = folder / f"{assignment}.ipynb", folder / "timestamp.txt"
    row = Row(student, file.path, "taken", f"{file.time:%Y-%m-%d %H:%M}", late(course, assignment, file))
    row = replace(row, remark=_remark(course, assignment, file))
    if target.exists() or target.is_symlink():
        before = _stamped(stamp, datetime.datetime.min.replace(tzinfo=datetime.UTC)) if stamp.exists() else file.time
        try:
            same = read_file(target) == file.data
        except Unreadable:
            same = False
        if same:
            return replace(row, what="same")
        if file.time < before:
            _keep(course, assignment, student, file.time, file.data)
            return replace(row, what="older")
        _keep(course, assignment, student, before, b"" if target.is_symlink() else target.read_bytes())
        row = replace(row, what="newer")
    write_bytes(stamp, f"{file.time.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S.%f} UTC\n".encode())
    write_bytes(target, file.data)
    return row


def _keep(course: Course, assignment: str, student: str, time: datetime.datetime, data: bytes) -> None:
    """Put a version that does not count beside the others of the student, under a name that is free."""
    folder, name = course.earlier(student, assignment), f"{time.astimezone(datetime.UTC):%Y-%m-%dT%H-%M-%S}"
    for end in ("", *(f"-{n}" for n in range(2, 10_000))):
        path = folder / f"{name}{end}.ipynb"
        if path.exists() and path.read_bytes() == data:
            return
        if not path.exists():
            write_bytes(path, data)
            return


def late(course: Course, assignment: str, file: Found) -> str:
    """By how much a file came too late, "" if it did not."""
    due = course.settings(assignment).due
    if not due or file.time <= dates.parse(due):
        return ""
    minutes = (file.time - dates.parse(due)).total_seconds() / 60
    unit, size = next((u, n) for u, n in (("days", 1440), ("hours", 60), ("minutes", 1)) if minutes > n or n == 1)
    return f"{minutes / size:.1f} {unit}"


def _remark(course: Course, assignment: str, file: Found) -> str:
    """What the teacher should know about a file that was taken."""
    try:
        notebook = read_notebook(file.data)
    except Unreadable as error:
        return str(error)
    text = "\n".join(cell.source for cell in notebook.cells)
    names = [answer.name for answer in answers(nbformat.read(course.source(assignment), as_version=4))]
    return "" if any(name in text for name in names) else f"holds no answer of {assignment}: another assignment?"
