"""`python -m minilib.check progress`, on folders as learners leave them."""

import json
import subprocess
import sys

import pytest

from minilib.check.progress import of_folder, table
from tests.notebook_files import EXERCISES
from tools.exercises import student_version

CHAPTER = EXERCISES[2]


def cells_of(text):
    notebook = json.loads(text)
    return notebook, [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def progress(*arguments, folder):
    command = [sys.executable, "-m", "minilib.check", "progress", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf8")


@pytest.fixture
def folder(tmp_path):
    """Chapter 02 solved; 03 with two answers, one of them wrong; 04 as handed out; notes that are no exercises."""
    (tmp_path / "02.ipynb").write_text(EXERCISES[1].read_text("utf8"), encoding="utf8")
    notebook, code = cells_of(student_version(CHAPTER))
    for cell in code:
        if "def blame_by_hand" in "".join(cell["source"]):
            cell["source"] = "%matplotlib inline\ndef blame_by_hand(a, b, c):\n    return b * c + c, a * c, a * b + a"
        if "def count_paths" in "".join(cell["source"]):
            cell["source"] = "def count_paths(parents, start):\n    return 7"
    (tmp_path / "03.ipynb").write_text(json.dumps(notebook), encoding="utf8")
    (tmp_path / "04.ipynb").write_text(student_version(EXERCISES[3]), encoding="utf8")
    (tmp_path / "notes.ipynb").write_text('{"cells": []}', encoding="utf8")
    (tmp_path / "torn.ipynb").write_text('{"cells": [', encoding="utf8")
    return tmp_path


def test_each_chapter_has_a_line_with_what_passes_and_what_comes_next(folder):
    done = progress(".", folder=folder)
    assert done.returncode == 0, done.stderr
    solved, started, untouched, torn, total = done.stdout.splitlines()
    assert solved.split()[:5] == ["02", "✓" * 8, "8", "of", "8"]
    assert "all right" in solved
    assert started.split()[:2] == ["03", "✓·✗·····"]
    assert torn == "torn  cannot be read: is the file damaged?"
    assert "1 of 8  next: 03.new_slopes" in started
    assert untouched.split()[1] == "·" * 8
    assert total.startswith("9 of 24 exercises are right")


def test_verbose_says_what_is_wrong(folder):
    assert "got:      7" in progress(".", "--verbose", folder=folder).stdout


def test_a_folder_without_exercises_says_where_to_get_them(tmp_path):
    done = progress(folder=tmp_path)
    assert done.returncode == 1
    assert "make exercises" in done.stderr


def test_a_cell_that_never_comes_back_hides_nothing_before_it(folder):
    notebook, code = cells_of((folder / "03.ipynb").read_text("utf8"))
    next(c for c in code if "def new_slopes" in "".join(c["source"]))["source"] = "while True: pass"
    (folder / "03.ipynb").write_text(json.dumps(notebook), encoding="utf8")
    (folder / "02.ipynb").unlink()
    chapters = of_folder(folder, seconds=8.0)
    assert chapters[0].state("03.blame_by_hand") == "right"
    assert "stopped after 8 seconds" in table(chapters)


def test_a_cell_that_raises_or_leaves_stops_no_other(folder):
    notebook, code = cells_of((folder / "03.ipynb").read_text("utf8"))
    notebook["cells"].insert(1, {**code[0], "source": "import sys; sys.exit(1)"})
    notebook["cells"].insert(1, {**code[0], "source": "1 / 0"})
    notebook["cells"].insert(1, {**code[0], "source": "def ("})
    (folder / "03.ipynb").write_text(json.dumps(notebook), encoding="utf8")
    shown = table(of_folder(folder))
    assert "03    ✓·✗·····" in shown
    assert "code cell 1 stops with SyntaxError" in shown
