"""A check of the checks: the stub fails kindly, the solution passes, typical mistakes each get their own hint."""

from __future__ import annotations

import ast
import importlib
import json
import re
from functools import cache
from typing import Any

import nbformat
import pytest

from minilib.check import check, exercises
from minilib.check.letters import deal
from tests.notebook_files import EXERCISES, ROOT, checks, code_cells, read
from tests.solved import IDS, notebook_of, solution, the_dtype_that_the_notebook_sets, unsolved
from tools.exercises import student_version, write_all

__all__ = ["the_dtype_that_the_notebook_sets"]  # used by pytest
every_exercise = pytest.mark.parametrize("id", IDS)


@cache
def _wrong(chapter: str) -> dict[str, list[tuple[Any, str]]]:
    return importlib.import_module(f"tests.wrong_answers.ch{chapter}").WRONG


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


def _in_variant(id: str, answer: Any, seed: int) -> Any:
    """An answer to the book's exercise, with the letters of a variant."""
    dealt = deal(id, exercises()[id].letters, seed)
    return (lambda: {dealt[letter]: word for letter, word in answer().items()}) if dealt else answer


@every_exercise
def test_the_solution_passes_for_any_seed(id):
    for seed in range(4):
        report = check(id, _in_variant(id, solution(id), seed), seed=seed)
        assert report, report


@every_exercise
def test_the_stub_fails_kindly(id):
    report = check(id, unsolved(notebook_of(id))[checks(notebook_of(id))[id]])
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
def test_a_typical_mistake_passes_for_no_seed(id):
    for answer, _ in _wrong(id[:2])[id] if not exercises()[id].letters else ():
        for seed in (1, 2, 3):
            assert not check(id, answer, seed=seed), f"{answer} passes with seed {seed}"


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


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_every_answer_has_a_name_of_its_own_bound_at_top_level_and_a_check_of_one_form(path):
    named = checks(path)
    assert len(set(named.values())) == len(named)
    bound = [getattr(node, "name", "") for cell in code_cells(path) for node in ast.parse(cell.source).body]
    graded = [cell.source for cell in code_cells(path) if cell.metadata.get("nbgrader", {}).get("grade")]
    assert len(graded) == len(named)
    for id, name in named.items():
        assert bound.count(name) == 1, f"{name} is defined {bound.count(name)} times"
        assert [source for source in graded if f'"{id}"' in source] == [f'check("{id}", {name})']


def test_the_profiles_to_read_are_those_that_were_measured(capsys):
    tables = json.loads((ROOT / "benchmarks/results/profiles.json").read_text("utf8"))["tables"]
    lines = []
    for letter, table in tables.items():
        lines.append(f"{letter:<29}  self  total  calls")
        lines += [f"  {r['name'][:27]:<27} {r['self']:>5} {r['total']:>6} {r['calls']:>6}" for r in table[:6]]
    cells = {cell.id: cell for cell in code_cells(notebook_of("12.profiles"))}
    exec(cells["x12-21"].source)
    assert capsys.readouterr().out.splitlines() == lines
