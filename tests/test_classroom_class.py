"""A whole class, through the real commands: from handing out to feedback, and a grader that is killed on the way."""

import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("fcntl", reason="grading needs Linux")

from classroom import sandbox
from classroom.course import Course
from classroom.gradebook import marks, opened
from classroom.release import release
from classroom.results import load
from tests.classroom.notebooks import Submission, hand_in

ROOT = Path(__file__).resolve().parent.parent
needs_bubblewrap = pytest.mark.skipif(not sandbox.available(), reason="bubblewrap is not installed or may not be used")
pytestmark = [needs_bubblewrap, pytest.mark.timeout(900)]


def classroom(*words, course, check=True):
    command = [sys.executable, "-m", "classroom", words[0], *words[1:], "--course", str(course.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf8")
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


def rows(path):
    with path.open(encoding="utf8", newline="") as file:
        return list(csv.DictReader(file))


# Six students in each of three chapters: benchmarks/classroom.py does it with thirty ----------------------------------
CHAPTERS = {
    "03_backpropagation": ("blame_by_hand", "def blame_by_hand(a, b, c):\n    return a, b, c\n"),
    "04_multilayer_perceptrons": ("right_scale", "def right_scale(*_):\n    return 1.0\n"),
    "11_from_numpy_to_pytorch": ("pairs", "def loss_of_pairs(p, t):\n    return 0.0\n"),
}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_from_release_to_feedback(chapter, tmp_path):
    course, inbox = Course(tmp_path / "course"), tmp_path / "inbox"
    inbox.mkdir()
    course.root.mkdir()
    people = ["ada", "bea", "cem", "dua", "eva", "fay"]
    lines = ["id,first_name,last_name,email,lms", *(f"{id},{id.title()},Example,{id}@example.org," for id in people)]
    lines[-1] = "fay,Fay,=1+1,fay@example.org,"
    (course.root / "students.csv").write_text("\n".join(lines) + "\n", encoding="utf8")
    said = classroom("release", chapter, "--seed", "7", "--due", "2099-01-31 18:00", course=course).stdout
    archive = course.root / "release" / f"{chapter}.zip"
    assert str(archive) in said
    assert {Path(name).name for name in zipfile.ZipFile(archive).namelist()} == {f"{chapter}.ipynb", "README.md"}

    id, wrong = CHAPTERS[chapter]
    work = {name: Submission(course, chapter).solved() for name in ("ada", "bea", "cem")}
    solve_letters(course, chapter, *work.values())
    work["bea"].answer(id, wrong)
    work["cem"].cell("import os\nos._exit(0)")
    (inbox / f"ada_{chapter}.ipynb").write_bytes(work["ada"].bytes())
    (inbox / f"Bea Example_17_assignsubmission_file_{chapter}.ipynb").write_bytes(work["bea"].bytes())
    (inbox / "cem").mkdir()
    (inbox / "cem" / "homework.ipynb").write_bytes(work["cem"].bytes())
    (inbox / f"dua_{chapter}.ipynb").write_bytes(Submission(course, chapter).bytes())
    (inbox / f"eva_{chapter}.ipynb").write_bytes(b"not a notebook")
    table = classroom("collect", chapter, "--from", str(inbox), course=course).stdout
    assert "5 taken, 1 missing" in table

    assert "5 of 5 submissions" in classroom("grade", chapter, course=course).stdout
    classroom("feedback", chapter, course=course)

    found = {row["id"]: row for row in rows(course.reports(chapter) / "marks.csv")}
    full = sum(one.out_of for one in load(course.marks(chapter) / "ada.json").verdicts)
    lost = next(one for one in load(course.marks(chapter) / "bea.json").verdicts if one.state != "right")
    assert [so_far(found[name]) for name in people] == [full, full - lost.out_of, full, 0, 0, None]
    assert [found[name]["total"] for name in people] == ["", "", "", "0", "0", ""]  # three memos wait for a mark
    assert found["fay"]["state"] == "nothing handed in"
    assert found["fay"]["last_name"] == "'=1+1"  # no formula in a spreadsheet
    pages = {name: (course.feedback(name, chapter) / f"{chapter}.html").read_text("utf8") for name in people[:5]}
    assert "cell 3 was left out" in pages["cem"]
    assert "still to be written" in pages["dua"]
    assert "not a notebook" in pages["eva"]
    assert dict(lost.lines)["likely"][:20] in pages["bea"].replace("&#39;", "'")
    for name, page in pages.items():
        assert not [other for other in people if other != name and other.title() in page]
    overview = (course.reports(chapter) / "overview.html").read_text("utf8")
    assert "5 handed in, 1 did not" in overview
    again = {path: path.read_bytes() for path in course.marks(chapter).glob("*.json")}
    classroom("grade", chapter, course=course)
    assert {path: path.read_bytes() for path in course.marks(chapter).glob("*.json")} == again


def so_far(row):
    """The points of a student, also while a written answer waits; None without a submission."""
    found = re.match(r"([\d.]+) so far", row["state"])
    return float(found[1] if found else row["total"]) if found or row["total"] else None


def solve_letters(course, chapter, *works):
    """The solutions have the book's letters: turn them into those of the variant, as its notes for teachers say."""
    source = json.loads(course.source(chapter).read_text("utf8"))
    for cell in source["cells"]:
        text = "".join(cell["source"])
        if note := re.search(r"# in this variant (.*)", text):
            dealt = dict(pair.split(" is ") for pair in note[1].split(", "))
            for work in works:
                mine = work.find(cell["metadata"]["nbgrader"]["grade_id"])
                mine.source = re.sub(r'"([A-F])"(?=:)', lambda found, dealt=dealt: f'"{dealt[found[1]]}"', mine.source)


def test_make_passes_the_settings_on(tmp_path):
    settings = ["ASSIGNMENT=03", f"COURSE={tmp_path / 'a course'}", "DUE=2099-01-31 18:00", "SEED=3"]
    done = subprocess.run([sys.executable, "make.py", "release", *settings], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert Course(tmp_path / "a course").settings("03_backpropagation").seed == 3


def test_what_the_teacher_forgot_is_said_in_a_sentence(tmp_path):
    course = Course(tmp_path / "course")
    for words, sentence in {
        ("grade", "33"): "is none of: 01_data, 02_gradient_descent",
        ("grade", "03"): "make release ASSIGNMENT=03_backpropagation",
        ("collect", "03", "--from", "nowhere"): "make release",
        ("release", "03", "--due", "soon"): "is no date",
        ("formgrader",): "make release comes first",
    }.items():
        done = classroom(*words, course=course, check=False)
        assert done.returncode == 1
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_without_a_sandbox_there_are_no_marks_unless_the_teacher_insists(tmp_path):
    course = Course(tmp_path / "course")
    release(course, "03_backpropagation")
    hand_in(course, "ada", "03_backpropagation", Submission(course, "03_backpropagation").solved().bytes())
    empty = {**os.environ, "PATH": str(Path(sys.executable).parent)}
    command = [sys.executable, "-m", "classroom", "grade", "03", "--course", str(course.root)]
    refused = subprocess.run(command, cwd=ROOT, env=empty, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "no marks were made: bubblewrap is not installed" in refused.stderr
    assert not list(course.marks("03_backpropagation").glob("*.json"))
    insisted = subprocess.run([*command, "--unsafe"], cwd=ROOT, env=empty, capture_output=True, text=True)
    assert insisted.returncode == 0, insisted.stderr
    assert "UNSAFE" in insisted.stderr
    classroom("feedback", "03", course=course)
    assert rows(course.reports("03_backpropagation") / "marks.csv")[0]["state"].endswith("graded without a sandbox")
    classroom("grade", "03", course=course)
    assert load(course.marks("03_backpropagation") / "ada.json").safe


def test_two_hundred_submissions_and_a_grader_that_is_killed(tmp_path):
    """None is lost and none counted twice, wherever SIGKILL falls; the marks are those each deserves."""
    chapter, rng = "03_backpropagation", random.Random(0)
    course = Course(tmp_path / "course")
    release(course, chapter)
    right = Submission(course, chapter).solved().bytes()
    kinds = {
        "right": right,
        "wrong": Submission(course, chapter)
        .solved()
        .answer("count_paths", "def count_paths(*_):\n    return 7")
        .bytes(),
        "dead": Submission(course, chapter).solved().answer("count_paths", "import os\nos._exit(1)").bytes(),
        "torn": right[: len(right) // 2],
        "empty": Submission(course, chapter).bytes(),
    }
    deserved = {"right": 18.0, "wrong": 16.0, "dead": 16.0, "torn": 0.0, "empty": 0.0}
    students = {f"s{k:03}": rng.choice([*kinds, "right", "right"]) for k in range(200)}
    for student, kind in students.items():
        hand_in(course, student, chapter, kinds[kind])
    command = [sys.executable, "-m", "classroom", "grade", chapter, "--course", str(course.root), "--jobs", "2"]
    done, kills = [0], 0
    while kills < 5:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + rng.uniform(3, 9)
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        done.append(len(list(course.marks(chapter).glob("*.json"))))
    assert done[1] > 0
    assert done == sorted(done)
    stamps = {path: path.stat().st_mtime_ns for path in course.marks(chapter).glob("*.json")}
    said = classroom("grade", chapter, course=course).stdout
    assert "200 of 200 submissions are in the gradebook" in said
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())  # what was done is not done again

    results = {path.stem: load(path) for path in course.marks(chapter).glob("*.json")}
    assert {student: result.points for student, result in results.items()} == {
        student: deserved[kind] for student, kind in students.items()
    }
    book = marks(course, chapter)
    totals = {student: sum(mark.score for mark in cells.values() if not mark.manual) for student, cells in book.items()}
    assert totals == {student: deserved[kind] for student, kind in students.items()}
    with opened(course) as gradebook:
        submissions = gradebook.assignment_submissions(chapter)
        assert sorted(one.student.id for one in submissions) == sorted(students)
    assert not list(course.marks(chapter).glob(".*.part"))
