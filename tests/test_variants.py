"""Variants of the exercises: other letters for the same logs, judged accordingly, and nothing else changed."""

from __future__ import annotations

import re

import nbformat
import pytest

from minilib.check import check, exercises
from minilib.check.letters import back, deal, forth
from tests.notebook_files import EXERCISES, checks, read
from tests.solved import IDS, notebook_of, run_cells, solution, the_dtype_that_the_notebook_sets
from tools.exercises import student_version, variant, write_all

__all__ = ["the_dtype_that_the_notebook_sets"]  # used by pytest
LETTERED = [id for id in IDS if exercises()[id].letters]
every_lettered = pytest.mark.parametrize("id", LETTERED)
SEEDS = (1, 7, 2026)


def _marked(id, seed=0):
    """The cells of the exercise that show its logs, in the student's version: source, patterns."""
    path = notebook_of(id)
    cells = nbformat.reads(student_version(path, seed), as_version=4).cells
    pairs = zip(read(path).cells, cells, strict=True)
    return [
        (new.source, old.metadata["letters"]) for old, new in pairs if old.metadata.get("letters", {}).get("of") == id
    ]


def _texts(id, seed):
    """Letter → what stands under it, read off the student's version."""
    letters, found = exercises()[id].letters, {}
    for source, marks in _marked(id, seed):
        for pattern in marks["texts"]:
            groups = [part for match in re.finditer(pattern, source) for part in match.groups()]
            for k, part in enumerate(groups):
                found.setdefault(letters[k % len(letters)], []).append(part)
    return found


def test_all_answers_that_are_values_have_letters_but_those_whose_labels_mean_something():
    values = {id for id in IDS if exercises()[id].cases.__name__ == "once"}
    assert values - set(LETTERED) == {"06.switch_it_on", "07.which_lies", "11.release"}


@every_lettered
def test_the_letters_of_the_specification_are_those_of_the_solution(id):
    assert "".join(solution(id)()) == exercises()[id].letters


@every_lettered
def test_each_log_is_shown_once_under_another_letter_and_the_answer_goes_with_it(id):
    book, right = _texts(id, 0), solution(id)()
    assert set(book) == set(right)
    assert len(set(map(tuple, book.values()))) == len(right)
    for seed in SEEDS:
        shown = _texts(id, seed)
        assert sorted(shown.values()) == sorted(book.values())
        place = {tuple(texts): letter for letter, texts in shown.items()}
        answer = {place[tuple(book[letter])]: word for letter, word in right.items()}
        assert answer != right
        report = check(id, answer, seed=seed)
        assert report, report
        assert not check(id, right, seed=seed)
        assert not check(id, answer)


@every_lettered
def test_a_variant_shows_each_letter_as_often_as_the_book_does(id):
    for (book, marks), (shown, _) in zip(_marked(id), _marked(id, 7), strict=True):
        letters = [sorted(re.findall(r"\b[A-F]\b", source)) for source in (book, shown)]
        for pattern in marks.get("names", []):  # a letter in a sentence is exchanged, that is all
            old, new = (re.search(pattern, source)[1] for source in (book, shown))
            assert new == deal(id, exercises()[id].letters, 7)[old]
            letters[0].remove(old)
            letters[1].remove(new)
        assert letters[0] == letters[1]


@every_lettered
def test_a_hint_speaks_of_the_letter_that_is_wrong_in_the_variant(id):
    """One wrong word at a time: the report names its letter in the variant, as it does in the book."""
    right, dealt = solution(id)(), deal(id, exercises()[id].letters, 7)
    for letter in right:
        other = next(word for name, word in right.items() if name != letter)
        old = check(id, right | {letter: other})
        new = check(id, {dealt[name]: word for name, word in (right | {letter: other}).items()}, seed=7)
        names = [dict(report.lines)["expected"] + " " + dict(report.lines)["likely"] for report in (old, new)]
        assert names[1] == forth(names[0], dealt)
        if letter in re.findall(r"\b[A-F]\b", names[0]):
            assert dealt[letter] in re.findall(r"\b[A-F]\b", names[1])


def test_no_seed_but_0_leaves_the_letters_as_they_are():
    for seed in range(1, 60):
        dealt = deal("x", "ABC", seed)
        assert sorted(dealt) == sorted(dealt.values()) == list("ABC")
        assert dealt != deal("x", "ABC", 0) == {"A": "A", "B": "B", "C": "C"}
    assert len({tuple(deal(id, "ABCDEF", 7).values()) for id in "uvwxyz"}) > 1


def test_letters_go_forth_in_sentences_and_back_in_keys():
    dealt = {"A": "C", "B": "A", "C": "B"}
    assert forth("log A: like those of C; A's rows. A to C", dealt) == "log C: like those of B; C's rows. A to C"
    assert forth("no verdict for A, C; all of A, B and C; 'A' is quoted", dealt) == (
        "no verdict for B, C; all of A, B and C; 'A' is quoted"
    )
    assert back({"log C": 1, "a": 2, "B ": 3, "D": 4, 5: 6}, dealt) == {"log A": 1, "b": 2, "C ": 3, "D": 4, 5: 6}
    assert back(["C"], dealt) == ["C"]


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_every_check_of_a_variant_has_its_seed_and_the_notebook_runs(path):
    text = student_version(path, 7)
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    sources = [cell.source for cell in notebook.cells]
    for id, name in checks(path).items():
        assert f'check("{id}", {name}, seed=7)' in sources
    assert not any("letters" in cell.metadata for cell in notebook.cells)
    run_cells(notebook)


def test_a_pattern_that_fits_nothing_or_not_all_letters_is_refused():
    marks = {"of": "03.read_reports", "texts": [r"(?m)^[A-E]( .*)$"]}
    with pytest.raises(ValueError, match="finds nothing"):
        variant("no table", 7, marks)
    with pytest.raises(ValueError, match="2 texts cannot be shared out among the letters ABCDE"):
        variant("A 1\nB 2", 7, marks)


def test_the_command_writes_variants(tmp_path):
    write_all(tmp_path / "0")
    write_all(tmp_path / "7", seed=7)
    for path in EXERCISES:
        assert (tmp_path / "7" / path.name).read_text("utf8") == student_version(path, 7)
        assert (tmp_path / "0" / path.name).read_text("utf8") != student_version(path, 7)
