"""nbgrader's exchange for real: its own commands release, fetch and submit, in folders of the test."""

import datetime
import getpass
import os
import subprocess
import sys
from pathlib import Path

import pytest

from classroom.collect import collect
from classroom.course import Course, Wrong
from classroom.release import release
from tests.classroom.incoming import (
    CHAPTER,
    NAME,
    course,
    earlier,
    notebook,
    stored,
    told,
    tree,
)  # fmt: skip

__all__ = ["course"]


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nbgrader's exchange needs a Unix")
ME = getpass.getuser()


@pytest.fixture
def exchange(tmp_path):
    """A course that has handed out by nbgrader's command, and a student's folder that has fetched."""
    course = Course(tmp_path / "course")
    release(course, CHAPTER, due="2027-01-31")
    (tmp_path / "exchange").mkdir()
    (tmp_path / "exchange").chmod(0o777)
    extra = f'\nc.Exchange.root = "{tmp_path / "exchange"}"\nc.Exchange.cache = "{tmp_path / "cache"}"\n'
    config = course.root / "nbgrader_config.py"
    config.write_text(config.read_text() + extra)
    nbgrader(course.root, "release_assignment", CHAPTER)
    student = tmp_path / "student"
    student.mkdir()
    named = 'c = get_config()\nc.CourseDirectory.course_id = "large_models"'
    (student / "nbgrader_config.py").write_text(named + extra)
    nbgrader(student, "fetch_assignment", CHAPTER)
    return course, student, tmp_path / "exchange/large_models/inbound"


def test_the_exchange_brings_every_submission_and_the_newest_counts(exchange):
    course, student, _ = exchange
    work = student / CHAPTER / NAME
    assert work.read_text() == (course.release(CHAPTER) / NAME).read_text()
    work.write_bytes(notebook("1"))
    nbgrader(student, "submit", CHAPTER)
    assert told(collect(course, CHAPTER, "exchange")) == [(ME, "taken")]
    for mark in ("2", "3"):
        work.write_bytes(notebook(mark))
        nbgrader(student, "submit", CHAPTER)
    rows = collect(course, CHAPTER, "exchange")
    assert told(rows) == [(ME, "same"), (ME, "newer"), (ME, "newer")]
    assert [row.late + row.remark for row in rows] == ["", "", ""]
    assert stored(course, ME) == notebook("3")
    assert earlier(course, ME) == [notebook("1"), notebook("2")]
    before = tree(course.root)
    assert told(collect(course, CHAPTER, "exchange")) == [(ME, "older"), (ME, "older"), (ME, "same")]
    assert tree(course.root) == before


def test_nobody_submits_in_another_name_a_link_or_at_an_earlier_time(exchange, tmp_path):
    """Each in a folder that a student can make by hand, without nbgrader's command."""
    course, student, inbound = exchange
    (student / CHAPTER / NAME).write_bytes(notebook("mine"))
    nbgrader(student, "submit", CHAPTER)
    now = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
    (inbound / f"{ME}x+{CHAPTER}+{now}+a").mkdir()
    (inbound / f"{ME}x+{CHAPTER}+{now}+a" / NAME).write_bytes(notebook("for somebody else"))
    (inbound / f"{ME}+{CHAPTER}+{now}+b").mkdir()
    (inbound / f"{ME}+{CHAPTER}+{now}+b" / NAME).symlink_to(course.source(CHAPTER))
    (inbound / f"{ME}+{CHAPTER}+{now}+c").symlink_to(course.source(CHAPTER).parent)
    (inbound / f"{ME}+{CHAPTER}+2026-01-01 00:00:00 UTC+d").mkdir()
    (inbound / f"{ME}+{CHAPTER}+2026-01-01 00:00:00 UTC+d" / NAME).write_bytes(notebook("in time, it says"))
    (inbound / f"{ME}+{CHAPTER}+{now}+e").mkdir()
    os.mkfifo(inbound / f"{ME}+{CHAPTER}+{now}+e" / NAME)
    (inbound / f"{ME}+{CHAPTER}+whenever+f").mkdir()
    rows = collect(course, CHAPTER, "exchange")
    assert course.submissions(CHAPTER) == [ME]
    assert stored(course, ME) == notebook("mine")
    refused = "\n".join(row.remark for row in rows if row.what == "refused")
    for reason in (
        f"by the account {ME}, in the name of {ME}x",
        "a link is not read",
        "+c cannot be read",
        "this is not a file",
        "+whenever+f names no time",
    ):
        assert reason in refused
    (early,) = (row for row in rows if row.time == "2026-01-01 00:00")
    assert "after the time that it names" in early.remark


def test_a_course_without_an_exchange_says_where_to_set_it(course):
    course.set_up()
    with pytest.raises(Wrong, match=r"there is no exchange at .*: set c\.Exchange\.root"):
        collect(course, CHAPTER, "exchange")


def nbgrader(folder: Path, *words: str) -> None:
    environment = {**os.environ, "HOME": str(folder), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
