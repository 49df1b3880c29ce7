"""The pages that come back, and nbgrader's formgrader, in a real browser; what students wrote does not run there."""

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("fcntl", reason="grading needs Linux")

from classroom import sandbox
from classroom.course import Course
from classroom.grade import grade_all
from classroom.gradebook import marks, sync
from classroom.release import release
from classroom.reports import feedback
from tests.classroom.notebooks import Submission, hand_in
from tests.site_fixtures import MODES, new_context
from tests.test_site import TOO_WIDE, axe_violations

ROOT = Path(__file__).resolve().parent.parent
CHAPTER = "03_backpropagation"
ATTACK = """\
We wait.

<script>document.title = "taken over"</script>
<img src="x" onerror="document.title = 'taken over'">
[a link](javascript:document.title='taken') and `x < y` and $a < b$

````
</pre><script>document.title = "taken over"</script>
"""
pytestmark = [
    pytest.mark.skipif(not sandbox.available(), reason="bubblewrap is not installed or may not be used"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    course = Course(tmp_path_factory.mktemp("formgrader") / "course")
    release(course, CHAPTER)
    hand_in(course, "ada", CHAPTER, Submission(course, CHAPTER).solved(ATTACK).cell(f"print('''{ATTACK}''')").bytes())
    hand_in(course, "bea", CHAPTER, Submission(course, CHAPTER).solved("We do not wait, since 0.77 …").bytes())
    hand_in(course, "cem", CHAPTER, Submission(course, CHAPTER).bytes())
    grade(course)
    return course


def grade(course):
    assert grade_all(course, CHAPTER) == {}
    sync(course, CHAPTER)


@pytest.fixture(scope="module")
def address(course):
    """The formgrader, started as a teacher does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = course.root.parent / "server.txt"
    command = [sys.executable, "-m", "classroom", "formgrader", "--course", str(course.root), "--no-browser"]
    with log.open("w", encoding="utf8") as out:
        server = subprocess.Popen([*command, "--port", str(port)], cwd=ROOT, stdout=out, stderr=out)
    try:
        until = time.monotonic() + 60
        while not (found := re.search(rf"(http://127\.0\.0\.1:{port})/formgrader\?(token=\w+)", log.read_text("utf8"))):
            assert server.poll() is None and time.monotonic() < until, log.read_text("utf8")
            time.sleep(0.1)
        yield found.groups()
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.dialogs = []
    page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(f"{address[0]}/formgrader/manage_assignments?{address[1]}")
    yield page
    context.close()


def open_submission(page, book_id):
    """By the way that a teacher takes: manual grading, the assignment, the notebook, the student's."""
    page.get_by_role("link", name="Manual Grading").click()
    page.get_by_role("link", name=CHAPTER).click()
    page.get_by_role("link", name=CHAPTER, exact=True).last.click()
    page.wait_for_selector("table a[href*='/submissions/']")
    page.goto(page.url.split("/formgrader")[0] + f"/formgrader/submissions/{book_id}")
    page.wait_for_load_state("networkidle")  # it fetches the marks after it is there


def notebook_id(course, student):
    from classroom.gradebook import opened

    with opened(course) as book:
        return book.find_submission_notebook(CHAPTER, CHAPTER, student).id


@pytest.fixture(scope="module")
def pages(course):
    """The pages for students and the one on the class, written once."""
    feedback(course, CHAPTER)
    people = {name: course.feedback(name, CHAPTER) / f"{CHAPTER}.html" for name in ("ada", "cem")}
    return {**people, "overview": course.reports(CHAPTER) / "overview.html"}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["ada", "cem", "overview"])
def test_a_page_fits_the_screen_and_is_open_to_all_readers(browser, pages, name, mode):
    context = new_context(browser, mode)
    page, asked = context.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(pages[name].as_uri())
    assert asked == [pages[name].as_uri()]
    assert page.evaluate(TOO_WIDE) == 0
    assert axe_violations(page, "desktop-light") == []
    context.close()


def test_only_written_answers_wait_for_a_mark(course):
    book = marks(course, CHAPTER)
    waiting = {student: [cell for cell, mark in cells.items() if mark.waiting] for student, cells in book.items()}
    assert waiting == {"ada": ["memo"], "bea": ["memo"], "cem": []}


def test_what_a_student_wrote_does_not_run_in_the_teachers_browser(page, course):
    open_submission(page, notebook_id(course, "ada"))
    assert "taken" not in page.title()
    assert page.dialogs == []
    assert page.locator("a[href^=javascript]").count() == 0
    assert page.locator("img[src=x]").count() == 0
    assert "Model answer" in page.locator("body").inner_text()
    assert 'document.title = "taken over"' in page.locator("body").inner_text()  # shown, as it was typed


def test_a_mark_and_a_comment_come_back_to_the_student_and_stay(page, course):
    open_submission(page, notebook_id(course, "bea"))
    page.locator("#memo").fill("2")
    page.locator("#memo").press("Tab")
    page.locator("#memo-comment").fill("Good: now say what would change your mind. <b>&")
    page.locator("#memo-comment").press("Tab")
    deadline = time.monotonic() + 10
    while marks(course, CHAPTER)["bea"]["memo"].score != 2 or not marks(course, CHAPTER)["bea"]["memo"].comment:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    feedback(course, CHAPTER)
    shown = (course.feedback("bea", CHAPTER) / f"{CHAPTER}.html").read_text("utf8")
    assert "20 of 21 points" in shown
    assert "what would change your mind. &lt;b&gt;&amp;" in shown

    sync(course, CHAPTER)  # as when another student hands in and `make grade` runs again
    mark = marks(course, CHAPTER)["bea"]["memo"]
    assert (mark.score, mark.waiting) == (2, False)
    hand_in(course, "bea", CHAPTER, Submission(course, CHAPTER).solved("We wait after all: 0.5").bytes())
    grade(course)
    mark = marks(course, CHAPTER)["bea"]["memo"]
    assert (mark.score, mark.waiting) == (2, True)  # not the answer that was marked: it wants another look


def test_nbgraders_own_autograder_refuses_to_run_a_submission(course):
    trap = course.root.parent / "ran"
    code = f"open({str(trap)!r}, 'w').close()"
    hand_in(course, "dua", CHAPTER, Submission(course, CHAPTER).solved().cell(code).bytes())
    grade(course)
    before = marks(course, CHAPTER)
    command = [sys.executable, "-m", "nbgrader", "autograde", CHAPTER, "--student", "dua", "--force"]
    done = subprocess.run(command, cwd=course.root, capture_output=True, text=True)
    assert done.returncode != 0
    assert "make grade" in done.stdout + done.stderr
    assert not trap.exists()
    assert marks(course, CHAPTER) == before
    grade(course)
    assert (course.autograded("dua", CHAPTER) / f"{CHAPTER}.ipynb").exists()
