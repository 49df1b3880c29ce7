"""The files that come in: from a folder, an archive, or nbgrader's exchange; read with suspicion, unpacked nowhere.

Left out, and only these: hidden files, `__MACOSX`, and what nbgrader and we put beside a notebook (OURS).
"""

from __future__ import annotations

import contextlib
import datetime
import io
import re
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dateutil import parser as dates

from classroom.assignment import LARGEST, Unreadable, read_file
from classroom.course import Course, Wrong
from classroom.owners import Form

ENTRIES = 20_000
"""Files that an archive of a class may hold."""
TOGETHER = 2 * 2**30
"""Bytes that are read from one archive before the rest is refused."""
OURS = ("timestamp.txt", "submission_secret.txt", "README.md")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What archives of learning-management systems are packed with; Python unpacks the other methods without a limit."""


@dataclass(frozen=True)
class Found:
    """A file that came in: where it was, when it was written, what it holds or why it cannot be taken.

    told: what a learning-management system has put into its name; remark: what else the teacher should know.
    """

    path: str
    time: datetime.datetime
    data: bytes = b""
    fault: str = ""
    told: Form | None = None
    remark: str = ""


def files(course: Course, assignment: str, source: str) -> list[Found]:
    """All files of a folder, a zip, or (the word "exchange") nbgrader's exchange. Raises Wrong."""
    path = Path(source).expanduser()
    if source == "exchange":
        from classroom.exchange import submissions

        return list(submissions(course, assignment))
    if path.is_dir():
        return list(_folder(path, assignment))
    if path.is_file():
        return list(_archive(path))
    raise Wrong(f"FROM={source!r} is neither a folder nor a zip; the third possibility is FROM=exchange")


def left_out(path: str) -> bool:
    """Whether a file is nobody's work."""
    parts = path.split("/")
    hidden = any(part == "__MACOSX" or (part.startswith(".") and part.strip(".")) for part in parts)
    return hidden or parts[-1] in OURS


# A folder ------------------------------------------------------------------------------------------------------------
def _folder(root: Path, assignment: str) -> Iterator[Found]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if left_out(name) or (path.is_dir() and not path.is_symlink()):
            continue
        time = datetime.datetime.fromtimestamp(path.lstat().st_mtime).astimezone()
        if path.parent.name == assignment and "_assignsubmission_" not in name:  # nbgrader's layout, not a student's
            time = stamped(path.with_name("timestamp.txt")) or time
        try:
            yield from unwrapped(Found(name, time, read_file(path)))
        except Unreadable as error:
            yield Found(name, time, fault=str(error))


def stamped(stamp: Path) -> datetime.datetime | None:
    """The time in nbgrader's timestamp.txt, which is in UTC if it names no zone; None if there is none."""
    try:
        time = dates.parse(read_file(stamp)[:100].decode("utf8"))
    except (Unreadable, ValueError, OverflowError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)


# An archive ----------------------------------------------------------------------------------------------------------
def _archive(path: Path) -> Iterator[Found]:
    made = datetime.datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    left = TOGETHER
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # the reader of a damaged table of contents raises much
        raise Wrong(f"{path} cannot be read as a zip ({error}): is it one, and has it come over whole?") from None
    with archive:
        entries = [entry for entry in archive.infolist() if not left_out(_name(entry)) and _name(entry)[-1:] != "/"]
        if len(entries) > ENTRIES:
            raise Wrong(f"{path.name} holds {len(entries):,} files: that is not the archive of a class")
        for entry in entries:
            found = _entry(archive, entry, made, left)
            left -= len(found.data)
            yield from unwrapped(found)


def _name(entry: zipfile.ZipInfo) -> str:
    """The path in an archive with / between its parts; from macOS it is UTF-8 that does not say so."""
    name = entry.filename
    if not entry.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf8")
    return name.replace("\\", "/")


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, made: datetime.datetime, left: int = LARGEST) -> Found:
    """One file of an archive. It is not unpacked further than its header says, and not if that is too much."""
    found = Found(_name(entry), _written(entry) or made)
    if stat.S_ISLNK(entry.external_attr >> 16):
        return replace(found, fault="a link, not a file")
    if entry.file_size > LARGEST:
        return replace(found, fault=f"larger than {LARGEST // 2**20} MB once unpacked")
    if entry.file_size > left:
        return replace(found, fault=f"the archive holds more than {TOGETHER // 2**30} GB: collect it in parts")
    if entry.compress_type not in METHODS:
        return replace(found, fault=f"packed with method {entry.compress_type}, not as a usual zip")
    try:
        with archive.open(entry) as file:
            data = file.read(entry.file_size + 1)
    except Exception as error:  # encrypted or damaged
        return replace(found, fault=f"cannot be unpacked ({error})")
    return replace(found, data=data) if data.strip() else replace(found, fault="the file is empty")


def _written(entry: zipfile.ZipInfo) -> datetime.datetime | None:
    """When the archive says that a file was written, in this machine's time zone; None in its year 0, 1980."""
    try:
        time = datetime.datetime(*entry.date_time).astimezone()
    except (ValueError, OverflowError):
        return None
    return time if time.year > 1980 else None


def unwrapped(found: Found) -> Iterator[Found]:
    """The file, or the one notebook in it if it is itself an archive, as when a student zips the folder."""
    if found.fault or not re.search(r"\.zip$", found.path, re.IGNORECASE):
        yield found
        return
    try:
        with zipfile.ZipFile(io.BytesIO(found.data)) as archive:
            names = {_name(entry): entry for entry in archive.infolist()[:ENTRIES]}
            inner = [name for name in names if name.lower().endswith(".ipynb") and not left_out(name)]
            if len(inner) != 1:
                raise ValueError(f"it holds {len(inner)} notebooks, not one")
            one = _entry(archive, names[inner[0]], found.time)
            yield replace(one, path=f"{found.path}/{one.path.rsplit('/', 1)[-1]}", time=found.time)
    except Exception as error:
        yield replace(found, data=b"", fault=f"a zip that cannot be used: {error}")
