"""The exercise that the teacher's guide makes from start to end does what the page says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest

from minilib.check import check
from minilib.check.spec import REGISTRY
from tests.teaching_pages import described, page
from tools.exercises import student_version


@pytest.fixture(scope="module")
def example() -> Iterator[dict[str, Any]]:
    """What the code of the page defines, with its solution and after `import check`; the registry is left as it was."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page("teaching_exercises"), re.MULTILINE | re.DOTALL)
    code = [text for language, text in blocks if language == "python"]
    found: dict[str, Any] = {"check": check, "blocks": blocks, "code": code}
    solution, asked, *rest = code
    exec("\n".join([*rest[:-1], solution, rest[-1], asked]), found)
    yield found
    REGISTRY.pop("02.one_promise")


def test_the_solution_of_the_worked_example_passes_for_any_seed(example):
    for seed in range(50):
        report = check("02.one_promise", example["one_promise"], seed=seed)
        assert report, report


def test_each_wrong_answer_of_the_worked_example_gets_its_hint_for_any_seed(example):
    for answer, fragment in example["WRONG"]["02.one_promise"]:
        for seed in range(50):
            report = check("02.one_promise", answer, seed=seed)
            assert not report
            assert fragment in repr(report)


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), "text", [], {"a": 1}, True, 1e300, None])
def test_junk_fails_in_the_worked_example_and_raises_nothing(example, junk):
    assert not check("02.one_promise", junk)


def test_every_promise_between_the_two_middle_ones_is_right(example):
    def upper(times):
        return float(sorted(times)[len(times) // 2])

    assert check("02.one_promise", upper)


def test_the_stub_of_the_worked_example_is_still_to_be_written(example, tmp_path):
    solution, asked, *_ = example["code"]
    (statement,) = [text for language, text in example["blocks"] if language == "markdown"]
    marks = {"schema_version": 3, "locked": False, "task": False}
    cells = [
        nbformat.v4.new_markdown_cell(statement),
        nbformat.v4.new_code_cell(
            solution, metadata={"nbgrader": {"grade_id": "a", "grade": False, "solution": True, **marks}}
        ),
        nbformat.v4.new_code_cell(
            asked, metadata={"nbgrader": {"grade_id": "b", "grade": True, "solution": False, "points": 1, **marks}}
        ),
    ]
    path = tmp_path / "02_example.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    stub = nbformat.reads(student_version(path), as_version=4).cells[1].source
    names: dict[str, Any] = {}
    exec(stub, names)
    assert "np.median" not in stub
    assert "still to be written" in repr(check("02.one_promise", names["one_promise"]))


def test_the_page_shows_what_the_check_says(example):
    shown = [text.rstrip("\n") for language, text in example["blocks"] if language == "text"]
    assert shown == [repr(check("02.one_promise", example[name])) for name in ("mean", "one_promise")]


def test_the_example_is_described_as_every_exercise_is(example):
    (entry,) = [text for language, text in example["blocks"] if language == "json"]
    assert set(re.findall(r'"(\w+)":', entry)) == {"exercise", *described("02")["02.walk"]}
