"""What lies in nbgrader's exchange, every submission of it, read from where students have put it.

nbgrader's own collect is not used: it follows a student's links with the teacher's rights (one to the solutions would
come back as an answer), takes a folder in anybody's name with a warning in its log, and stops at the first odd name.
Its settings hold: where the exchange is, and whether the account that owns a folder must be the student's.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from pathlib import Path

from dateutil import parser as dates

from classroom.assignment import Unreadable, read_open
from classroom.course import Course, Wrong
from classroom.incoming import Found, left_out, unwrapped

SLACK = datetime.timedelta(minutes=10)
"""A file may be written so much later than the time that its folder names."""


def submissions(course: Course, assignment: str) -> Iterator[Found]:
    """Every file that was submitted for an assignment. Raises Wrong if there is no exchange."""
    inbound, check_owner = _settings(course)
    if not inbound.is_dir():
        raise Wrong(f"there is no exchange at {inbound}: set c.Exchange.root in {course.root / 'nbgrader_config.py'}")
    for folder in sorted(inbound.glob(f"*+{assignment}+*")):
        student, _, text, *_ = folder.name.rsplit("+", 3) if folder.name.count("+") > 2 else folder.name.split("+")
        written = datetime.datetime.fromtimestamp(folder.lstat().st_mtime).astimezone()
        try:
            time = dates.parse(text, default=datetime.datetime(1, 1, 1, tzinfo=datetime.UTC))
        except (ValueError, OverflowError):
            yield Found(f"{student}/{assignment}", written, fault=f"the folder {folder.name} names no time")
            continue
        yield from _submission(folder, f"{student}/{assignment}", time, student if check_owner else "")


def _settings(course: Course) -> tuple[Path, bool]:
    """Where students' submissions lie, and whether their folders must belong to them."""
    from nbgrader.apps.api import NbGraderAPI

    from classroom.gradebook import configuration, reach_tools

    reach_tools()
    api = NbGraderAPI(config=configuration(course))
    collect = api.exchange.Collect(coursedir=api.coursedir, authenticator=api.authenticator, parent=api)
    return Path(collect.root) / api.coursedir.course_id / "inbound", collect.check_owner


def _submission(folder: Path, path: str, time: datetime.datetime, student: str) -> Iterator[Found]:
    """The files of one folder. `student`, if given, must be the account that it belongs to."""
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        yield Found(path, time, fault=f"the folder {folder.name} cannot be read ({error.strerror})")
        return
    try:
        owner = os.fstat(place).st_uid
        if student and _account(owner) != student:
            yield Found(path, time, fault=f"handed in by the account {_account(owner)}, in the name of {student}")
            return
        for name in sorted(os.listdir(place)):  # noqa: PTH208 – of the folder that is open, whatever its name leads to
            if not left_out(name):
                yield from unwrapped(_file(place, name, owner, f"{path}/{name}", time))
    finally:
        os.close(place)


def _file(place: int, name: str, owner: int, path: str, time: datetime.datetime) -> Found:
    """A file of an open folder, if it is one and belongs to whom the folder belongs to."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=place)
    except OSError as error:
        return Found(path, time, fault=f"the file could not be opened ({error.strerror}): a link is not read")
    about = os.fstat(file)
    try:
        data = read_open(file)
    except Unreadable as error:
        return Found(path, time, fault=str(error))
    if about.st_uid != owner:
        return Found(path, time, fault=f"the file belongs to the account {_account(about.st_uid)}")
    written = datetime.datetime.fromtimestamp(about.st_ctime, datetime.UTC)
    late = f"its file was written {written:%Y-%m-%d %H:%M} UTC, after the time that it names"
    return Found(path, time, data, remark=late if written > time + SLACK else "")


def _account(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"number {number}"
