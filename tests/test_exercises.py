"""A check of the checks: the stub fails kindly, the solution passes, typical mistakes each get their own hint."""

from __future__ import annotations

import importlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nbformat
import pytest
import torch

from minilib.check import check, exercises
from tests.notebook_files import EXERCISES, checks, code_cells, read
from tools.exercises import student_version, write_all

mpl.use("agg")
IDS = sorted(exercises())
every_exercise = pytest.mark.parametrize("id", IDS)


def _notebook(id: str) -> Path:
    return next(path for path in EXERCISES if path.stem.startswith(id[:2]))


def _run(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """What the code cells of a notebook define, run one after the other."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, f"<cell {cell.get('id')}>", "exec"), names)
    return names


@cache
def _solved(path: Path) -> dict[str, Any]:
    return _run(read(path))


@cache
def _unsolved(path: Path) -> dict[str, Any]:
    return _run(nbformat.reads(student_version(path), as_version=4))


@cache
def _wrong(chapter: str) -> dict[str, list[tuple[Any, str]]]:
    return importlib.import_module(f"tests.wrong_answers.ch{chapter}").WRONG


@pytest.fixture(autouse=True)
def _the_dtype_that_the_notebook_sets(request):
    """torch's default belongs to the process: each test has that of its notebook, and leaves the usual one behind."""
    given = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    path = _notebook(given["id"]) if "id" in given else given.get("path")
    if path and any("set_default_dtype(torch.float64)" in cell.source for cell in code_cells(path)):
        torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_there_are_at_least_fifteen_exercises_of_every_kind():
    cells = [cell for path in EXERCISES for cell in read(path).cells if "exercise" in cell.metadata]
    kinds = {cell.metadata["exercise"]["kind"] for cell in cells}
    minutes = [cell.metadata["exercise"]["minutes"] for cell in cells]
    assert len(cells) >= 15
    assert kinds == {"write", "mend", "read", "decide"}
    assert min(minutes) <= 5
    assert max(minutes) >= 45


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_every_exercise_is_described_solved_and_checked_in_its_notebook(path):
    described = [cell.metadata["exercise"]["id"] for cell in read(path).cells if "exercise" in cell.metadata]
    assert sorted(described) == sorted(checks(path)) == [id for id in IDS if id[:2] == path.stem[:2]]
    assert len(described) >= 5
    for cell in read(path).cells:
        if "exercise" in cell.metadata:
            assert cell.source.startswith("## Exercise")
            assert '<details class="hint">' in cell.source


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_the_stored_notebook_shows_every_check_passed(path):
    shown = json.dumps([cell.outputs for cell in code_cells(path)], ensure_ascii=False)
    for id in checks(path):
        assert f"✓ {id} " in shown


@every_exercise
def test_the_solution_passes_for_any_seed(id):
    answer = _solved(_notebook(id))[checks(_notebook(id))[id]]
    for seed in range(4):
        report = check(id, answer, seed=seed)
        assert report, report


@every_exercise
def test_the_stub_fails_kindly(id):
    report = check(id, _unsolved(_notebook(id))[checks(_notebook(id))[id]])
    assert not report
    assert "still to be written" in repr(report)


@every_exercise
def test_two_typical_mistakes_each_get_their_own_hint(id):
    wrong = _wrong(id[:2])[id]
    assert len(wrong) >= 2
    assert len({fragment for _, fragment in wrong}) >= 2
    for answer, fragment in wrong:
        report = check(id, answer)
        assert not report, f"{answer} passes"
        assert fragment in repr(report), f"{fragment!r} is not in the hint:\n{report!r}"


@every_exercise
@pytest.mark.parametrize("junk", [float("nan"), "text", [], {"a": 1}, lambda *_: [float("nan")] * 3, -1])
def test_junk_fails_without_a_traceback(id, junk):
    assert not check(id, junk)


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_the_student_version_holds_no_solution_and_no_output(path):
    text = student_version(path)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert "### BEGIN SOLUTION" not in text
    assert not any(cell.get("outputs") for cell in notebook.cells)
    for cell in read(path).cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            solution = cell.source.split("### BEGIN SOLUTION")[-1].split("### END SOLUTION")[0].strip()
            assert solution not in "\n".join(other.source for other in notebook.cells)


def test_a_file_that_a_student_has_worked_in_is_kept(tmp_path):
    assert set(write_all(tmp_path).values()) == {"written"}
    mine = sorted(tmp_path.glob("*.ipynb"))[0]
    mine.write_text("my work", encoding="utf8")
    assert write_all(tmp_path)[mine.stem].startswith("kept")
    assert mine.read_text(encoding="utf8") == "my work"
    assert set(write_all(tmp_path, fresh=True).values()) == {"written"}
    assert mine.read_text(encoding="utf8") != "my work"


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem[:2])
def test_the_teachers_page_shares_out_every_exercise_with_its_minutes(path):
    page = (EXERCISES[0].parents[2] / "book/teaching.md").read_text("utf8")
    row = re.search(rf"^\| \[{path.stem[:2]}\]\(.*$", page, re.MULTILINE)
    assert row, f"book/teaching.md has no row for {path.stem}"
    minutes = [cell.metadata["exercise"]["minutes"] for cell in read(path).cells if "exercise" in cell.metadata]
    parts = re.findall(r"\| ([\d, ]+) \((\d+)\) ", row[0])
    numbers = [[int(n) for n in listed.split(",")] for listed, _ in parts]
    assert [sum(minutes[n - 1] for n in part) for part in numbers] == [int(total) for _, total in parts]
    assert sorted(n for part in numbers for n in part) == list(range(1, len(minutes) + 1))
