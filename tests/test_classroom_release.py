"""What students get: every chapter's folder and zip, without solutions, and at work on a machine of their own."""

import ast
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import nbformat
import pytest

from classroom.course import Course, Wrong
from classroom.release import release, when
from minilib import data
from tests.classroom.notebooks import Submission
from tools.exercises import ROOT, SOURCES

CHAPTERS = sorted(path.stem for path in SOURCES.glob("*.ipynb"))
every_chapter = pytest.mark.parametrize("chapter", CHAPTERS)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A course that hands out a chapter when a test asks for it."""
    course = Course(tmp_path_factory.mktemp("course"))

    @cache
    def hand_out(chapter):
        return release(course, chapter, due="2027-01-31 18:00"), course

    return hand_out


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    return Course(tmp_path_factory.mktemp("elsewhere"))


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def source(chapter: str) -> nbformat.NotebookNode:
    return read(SOURCES / f"{chapter}.ipynb")


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def solutions(chapter: str) -> list[str]:
    """What a student must not see: the text between the markers, and model answers that are written."""
    found = []
    for cell in source(chapter).cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            marked = re.findall(r"### BEGIN SOLUTION\n(.*?)\n *### END SOLUTION", cell.source, re.DOTALL)
            found += [text.strip() for text in marked] if cell.cell_type == "code" else [cell.source.strip()]
    return found


# Every chapter -------------------------------------------------------------------------------------------------------
@every_chapter
def test_the_folder_and_the_zip_hold_the_notebook_and_a_note(released, chapter):
    archive, course = released(chapter)
    folder = course.release(chapter)
    assert archive == folder.with_suffix(".zip")
    with zipfile.ZipFile(archive) as unpacked:
        packed = {name: unpacked.read(name) for name in unpacked.namelist()}
    assert packed == {f"{chapter}/{path.name}": path.read_bytes() for path in folder.iterdir()}
    assert set(packed) == {f"{chapter}/{chapter}.ipynb", f"{chapter}/README.md"}


@every_chapter
def test_no_solution_no_model_answer_and_no_output_is_handed_out(released, chapter):
    _, course = released(chapter)
    notebook = read(course.release(chapter) / f"{chapter}.ipynb")
    nbformat.validate(notebook)
    hidden = solutions(chapter)
    assert len(hidden) > 5
    text = "\n".join(cell.source for cell in notebook.cells)
    squeezed = re.sub(r"\s+", "", text)
    for solution in hidden:
        assert solution
        assert re.sub(r"\s+", "", solution) not in squeezed
    assert "SOLUTION" not in text
    assert not any(cell.outputs or cell.execution_count for cell in code(notebook))
    given = "\n".join(cell.source for cell in source(chapter).cells)
    for solution in hidden:
        given = given.replace(solution, "")
    everything = text + (course.release(chapter) / "README.md").read_text("utf8")
    for line in {line.strip() for solution in hidden for line in solution.splitlines()}:
        assert len(line) < 15 or everything.count(line) <= given.count(line), line


@every_chapter
def test_a_hint_is_folded_and_nowhere_else(released, chapter):
    _, course = released(chapter)
    notebook = read(course.release(chapter) / f"{chapter}.ipynb")
    folded = r'<details class="hint">.*?</details>'
    before = [
        re.search(folded, cell.source, re.DOTALL) for cell in source(chapter).cells if "exercise" in cell.metadata
    ]
    assert all(before)
    open_text = "\n".join(re.sub(folded, "", cell.source, flags=re.DOTALL) for cell in notebook.cells)
    for found in before:
        hint = re.search(r"</summary>\s*(.*?)\s*</details>", found[0], re.DOTALL)[1]
        assert hint not in open_text
    assert "Hint</summary>" not in open_text
    assert not any("<details open" in cell.source for cell in notebook.cells)


@every_chapter
def test_every_exercise_has_its_stub_its_check_and_its_points(released, chapter):
    _, course = released(chapter)
    notebook, original = read(course.release(chapter) / f"{chapter}.ipynb"), source(chapter)
    ids = [cell.metadata["exercise"]["id"] for cell in original.cells if "exercise" in cell.metadata]
    checks = [cell for cell in code(notebook) if cell.metadata.get("nbgrader", {}).get("grade")]
    assert [ast.parse(cell.source).body[-1].value.args[0].value for cell in checks] == [
        id for id in ids if any(f'check("{id}"' in cell.source for cell in original.cells)
    ]
    assert all(cell.metadata.nbgrader.locked and cell.metadata.nbgrader.points > 0 for cell in checks)
    stubs = [cell for cell in code(notebook) if cell.metadata.get("nbgrader", {}).get("solution")]
    assert len(stubs) == len(checks)
    assert all("raise NotImplementedError()" in cell.source for cell in stubs)


@every_chapter
def test_another_course_hands_out_the_same_bytes_with_a_secret_of_its_own(released, elsewhere, chapter):
    archive, course = released(chapter)
    assert release(elsewhere, chapter, due="2027-01-31 18:00").read_bytes() == archive.read_bytes()
    assert elsewhere.settings(chapter).secret != course.settings(chapter).secret


@every_chapter
def test_the_note_says_what_to_install_which_data_are_read_and_when_it_is_due(released, chapter):
    _, course = released(chapter)
    note = (course.release(chapter) / "README.md").read_text("utf8")
    text = "\n".join(cell.source for cell in code(source(chapter)))
    torch = bool(re.search(r"^\s*(import|from) (torch|minilib\.pt)\b", text, re.MULTILINE))
    sets = [name for name in data.__all__ if re.search(rf"\bdata\.{name}\b", text)]
    extras = ["lab", *["data"] * bool(sets), *["pt"] * torch]
    assert f'pip install ".[{",".join(extras)}]"' in note
    assert [name for name in data.__all__ if f"`data.{name}`" in note] == sets
    assert ("reads no data set" in note) == (not sets)
    assert "by Sunday 31 January 2027, 18:00 " in note
    assert course.settings(chapter).secret not in note
    assert f"`{chapter}.ipynb`" in note


def test_some_chapters_need_torch_some_data_some_neither(released):
    notes = [(released(chapter)[1].release(chapter) / "README.md").read_text("utf8") for chapter in CHAPTERS]
    for extras in ('".[lab]"', '".[lab,data]"', '".[lab,pt]"'):
        assert any(extras in note for note in notes)


# Dates and seeds -----------------------------------------------------------------------------------------------------
def test_a_due_date_without_a_time_is_the_end_of_that_day():
    assert when("2027-01-31").replace(tzinfo=None) == datetime.datetime(2027, 1, 31, 23, 59)
    assert when("2027-01-31 18:00").replace(tzinfo=None) == datetime.datetime(2027, 1, 31, 18)
    assert when(" 2027-01-31T18:00 ") == when("2027-01-31 18:00")
    assert when("2027-01-31 18:00+05:30") == datetime.datetime(2027, 1, 31, 12, 30, tzinfo=datetime.UTC)
    assert when("2027-07-31 18:00").tzinfo is not None


@pytest.mark.parametrize(
    "due", ["soon", "31", "18:00", "01.02.2027", "02/01/2027", "2027-02-30", "2027-13-01 10:00", "2027-01-31 25:00",
            "2027-01-31 6pm", "2027-W05", "20270131", "2027-01-31 18", "1" * 5000, "0001-01-01 00:00+14:00"],
    ids=lambda due: due[:20],
)  # fmt: skip
def test_a_date_that_could_be_misread_is_refused_before_anything_is_written(due, tmp_path):
    course = Course(tmp_path / "course")
    with pytest.raises(Wrong, match="2027-01-31 18:00"):
        release(course, "03_backpropagation", due=due)
    assert not course.root.exists()


def test_handing_out_again_changes_nothing_until_another_date_is_given(tmp_path):
    course, chapter = Course(tmp_path), "03_backpropagation"
    before, settings = release(course, chapter, due="2027-01-31").read_bytes(), course.settings(chapter)
    assert settings.due == when("2027-01-31").isoformat()
    assert release(course, chapter).read_bytes() == before
    assert course.settings(chapter) == settings
    release(course, chapter, due="2027-02-07")
    assert "07 February 2027, 23:59" in (course.release(chapter) / "README.md").read_text("utf8")


def test_another_seed_is_refused_once_the_assignment_is_out(tmp_path):
    course, chapter = Course(tmp_path), "03_backpropagation"
    archive = release(course, chapter, seed=3)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(Wrong, match=r"handed out with SEED=3.*COURSE=course_5"):
        release(course, chapter, seed=5, due="2027-01-31")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    release(course, chapter, seed=3)
    release(course, chapter)
    assert (course.settings(chapter).seed, archive.read_bytes()) == (3, before[archive])


# On a student's own machine ------------------------------------------------------------------------------------------
RUN = """
import json, sys
from pathlib import Path
import minilib
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell._showtraceback = lambda *_: None
found = {"library": minilib.__file__, "errors": [], "checks": {}}
for cell in json.loads(Path(sys.argv[1]).read_text("utf8"))["cells"]:
    if cell["cell_type"] == "code":
        source = "".join(cell["source"])
        done = shell.run_cell(source, store_history=True, silent=False)
        if error := done.error_before_exec or done.error_in_exec:
            found["errors"].append([source, type(error).__name__, str(error)])
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            found["checks"][source] = [bool(done.result), repr(done.result)]
Path(sys.argv[2]).write_text(json.dumps(found), "utf8")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The library as `pip install` puts it somewhere: from a copy, because building leaves files behind."""
    copy, target = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("installed")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "minilib", copy / "minilib", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "--target", str(target), str(copy)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def run(notebook: Path, library: Path) -> dict:
    """What the cells of a notebook do in a process of its own, far from the repository."""
    script, out = notebook.with_name("run.py"), notebook.with_name("out.json")
    script.write_text(RUN, "utf8")
    environment = {**os.environ, "PYTHONPATH": str(library), "MPLBACKEND": "Agg"}
    command = [sys.executable, str(script), str(notebook), str(out)]
    done = subprocess.run(command, cwd=notebook.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text("utf8"))
    assert Path(found["library"]).is_relative_to(library)
    return found


@pytest.mark.parametrize("chapter", ["04_multilayer_perceptrons", "11_from_numpy_to_pytorch", "12_training_fast"])
def test_the_zip_works_with_the_installed_library_alone(released, installed, chapter, tmp_path):
    if chapter.startswith("11"):
        pytest.importorskip("torch")
    archive, course = released(chapter)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path)
    notebook = tmp_path / chapter / f"{chapter}.ipynb"

    found = run(notebook, installed)
    assert found["errors"] == []
    assert len(found["checks"]) >= 5
    assert all(not right and "still to be written" in text for right, text in found["checks"].values())

    notebook.write_bytes(Submission(course, chapter).solved().bytes())
    found = run(notebook, installed)
    assert found["errors"] == []
    assert all(right for right, _ in found["checks"].values()), found["checks"]
