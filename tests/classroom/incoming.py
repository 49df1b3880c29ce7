"""Files as they come in from students, for the tests of collecting."""

import datetime
import io
import os
import zipfile
from pathlib import Path

import nbformat
import pytest

from classroom.course import Course
from tools.exercises import SOURCES

CHAPTER = "03_backpropagation"
NAME = f"{CHAPTER}.ipynb"
MONDAY = datetime.datetime(2026, 11, 16, 12, 0, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def course(tmp_path):
    """A course that has handed out the chapter, as far as collecting asks for it."""
    course = Course(tmp_path / "course")
    course.decide(CHAPTER, None, (MONDAY + 6 * HOUR).isoformat())
    course.source(CHAPTER).parent.mkdir(parents=True)
    course.source(CHAPTER).write_bytes((SOURCES / NAME).read_bytes())
    return course


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def notebook(mark: str = "", code: str = "def count_paths(parents, start): ...") -> bytes:
    cells = [nbformat.v4.new_code_cell(f"{code}  # {mark}", id="a")]
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells)).encode()


def put(inbox: Path, name: str, data: bytes, time: datetime.datetime = MONDAY) -> None:
    path = inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (time.timestamp(), time.timestamp()))


def pack(path: Path, files: dict[str, bytes], time: datetime.datetime = MONDAY) -> str:
    """A zip; its times are in this machine's zone, as a zip's are."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, time.astimezone().timetuple()[:6]), data, zipfile.ZIP_DEFLATED)
    return str(path)


def people(course: Course, text: str, encoding: str = "utf8") -> None:
    (course.root / "students.csv").write_text(text, encoding=encoding)


def told(rows) -> list[tuple[str, str]]:
    return [(row.student, row.what) for row in rows]


def stored(course: Course, student: str) -> bytes:
    return (course.submitted(student, CHAPTER) / NAME).read_bytes()


def earlier(course: Course, student: str) -> list[bytes]:
    return sorted(path.read_bytes() for path in course.earlier(student, CHAPTER).glob("*"))


def tree(root: Path) -> dict[str, object]:
    """All below a folder: the bytes of files, where links lead."""
    return {
        str(path): path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
    }


def zipped(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()
