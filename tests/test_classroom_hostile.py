"""Each submission gets the mark it deserves and no other: cheats, bombs, wrecks, right answers in odd clothes."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from html import unescape

import psutil
import pytest

import tests.classroom.hostile_wrecks  # noqa: F401 – it adds its cases
from classroom import sandbox
from classroom.course import Course
from classroom.grade import DRAWS, grade_all
from classroom.gradebook import marks, sync
from classroom.release import release
from classroom.reports import feedback
from classroom.results import load
from tests.classroom.hostile import ALL, CASES
from tests.classroom.notebooks import Submission, hand_in
from tests.classroom.unusual import UNUSUAL

CHAPTER = "03_backpropagation"
QUICK = sandbox.Limits(step=4.0, total=25.0, memory=2**30)
needs_bubblewrap = pytest.mark.skipif(not sandbox.available(), reason="bubblewrap is not installed or may not be used")


@pytest.fixture
def listener():
    """A server on this machine that nobody in a sandbox should reach; the list of who did."""
    callers = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stop = threading.Event()

        def serve():
            while not stop.is_set():
                try:
                    line, address = server.accept()
                except TimeoutError:
                    continue
                callers.append(address)
                line.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1], callers
        stop.set()
        thread.join()


@needs_bubblewrap
@pytest.mark.timeout(900)
def test_each_submission_gets_the_mark_it_deserves_and_no_other(tmp_path, listener):
    port, callers = listener
    course = Course(tmp_path / "course")
    release(course, CHAPTER)
    hand_in(course, "bystander", CHAPTER, Submission(course, CHAPTER).solved().bytes())
    names = {}
    for k, (name, case) in enumerate(CASES.items()):
        place = course.submitted(f"hostile{k:02}", CHAPTER) / f"{CHAPTER}.ipynb"
        data = case.make(Submission(course, CHAPTER).solved(), place)
        if data is not None:
            data = data.replace(b"{course}", str(course.root).encode()).replace(b"{port}", str(port).encode())
            hand_in(course, f"hostile{k:02}", CHAPTER, data)
        names[f"hostile{k:02}"] = name
    for k, (name, change) in enumerate(UNUSUAL.items()):
        hand_in(course, f"unusual{k:02}", CHAPTER, change(Submission(course, CHAPTER).solved()))
        names[f"unusual{k:02}"] = name
    before = snapshot(course)

    assert grade_all(course, CHAPTER, limits=QUICK) == {}

    assert callers == []
    assert snapshot(course) == before
    assert not [process for process in psutil.Process().children(recursive=True) if process.name() == "bwrap"]
    assert not left_behind(str(course.root))
    found = {student: load(course.marks(CHAPTER) / f"{student}.json") for student in course.submissions(CHAPTER)}
    assert len(found) == len(CASES) + len(UNUSUAL) + 1
    wrong = []
    for student, name in {**names, "bystander": "bystander"}.items():
        lost = tuple(one.id.split(".")[1] for one in found[student].verdicts if one.state != "right")
        deserved = CASES[name].lost if name in CASES else ()
        if sorted(lost) != sorted(deserved):
            wrong.append(f"{name}: lost {lost}, deserves to lose {deserved}")
    assert not wrong, "\n".join(wrong)

    assert sync(course, CHAPTER) == len(found)
    feedback(course, CHAPTER)
    book = marks(course, CHAPTER)
    unclear = []
    for student, name in names.items():
        result = found[student]
        assert sum(m.score for m in book[student].values() if not m.manual) == result.points
        assert result.out_of == found["bystander"].out_of
        page = (course.feedback(student, CHAPTER) / f"{CHAPTER}.html").read_text("utf8")
        assert "<script" not in page
        assert not [other for other in names if other != student and other in page]
        if name in CASES and not (CASES[name].says in page or CASES[name].says in unescape(page)):
            unclear.append(f"{name}: {CASES[name].says!r} is not said")
    assert not unclear, "\n".join(unclear)


def left_behind(mark: str) -> list[psutil.Process]:
    """Processes of a sandbox that know this course: a submission names it in its environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("STAYED") == mark:
                found.append(process)
    return found


def snapshot(course: Course) -> dict[str, bytes]:
    """All that a submission must not have changed."""
    kept = [course.root / "gradebook.db", *course.root.glob("source/**/*.*"), *course.root.glob("settings/*")]
    return {str(path): path.read_bytes() for path in kept}


def test_there_are_enough_of_them():
    assert len(CASES) >= 40
    assert len(UNUSUAL) >= 10
    assert all(set(case.lost) <= set(ALL) for case in CASES.values())


@needs_bubblewrap
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to try this")
def test_the_sandbox_holds_for_a_teacher_who_is_not_root(tmp_path):
    """A user namespace in place of another user: started as an ordinary account, with this Python made readable."""
    root = sandbox.HERE.parent
    script = (
        "from classroom import sandbox\n"
        "cells = [('a', 'import os\\ndef f(): return [os.getuid(), os.listdir(\"/\")]'),\n"
        "         ('b', 'def g():\\n    n = 0\\n    while n < 500:\\n        n += 1\\n        if os.fork() == 0:\\n"
        "            import time; time.sleep(30)')]\n"
        "print(sandbox.available(), sandbox.run(cells, {'f': [{'tuple': []}], 'g': [{'tuple': []}]}))\n"
    )
    outside = ["bwrap", "--dev-bind", "/", "/", "--tmpfs", "/root"]
    outside += sandbox.bound(sys.base_prefix, sys.prefix, str(root))
    outside += ["--chdir", str(root), "setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups"]
    done = subprocess.run([*outside, sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("True Outcome"), done.stdout + done.stderr
    assert "BlockingIOError" in done.stdout  # no more processes than allowed
    assert "[1234, " in done.stdout or "'f': [[1234" in done.stdout


def test_a_second_copy_of_the_judges_is_hidden(tmp_path, monkeypatch):
    """As where the course was also installed with `pip install .`, and is run from its repository."""
    copy = tmp_path / "site-packages" / "minilib"
    copy.mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path, str(copy.parent)])
    words = sandbox.walls()
    assert words[words.index(str(copy)) - 1] == "--tmpfs"


def test_the_guide_says_how_many_there_are_and_what_they_may_take():
    guide = " ".join((sandbox.HERE.parent / "book" / "teaching_grading.md").read_text("utf8").split())
    assert "hand in eighty such submissions, and seventeen right ones" in guide
    assert (len(CASES) // 10 * 10, len(UNUSUAL)) == (80, 17)
    assert "three sets of them" in guide
    assert DRAWS == 3
    assert "An answer has ten seconds for a step" in guide
    assert sandbox.Limits().step == 10
