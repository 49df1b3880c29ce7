"""The decision memos: one at the end of each exercise notebook, its numbers those of the chapter."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbgrader.nbgraderformat import MetadataValidator

from tests.notebook_files import CHAPTERS, EXERCISES, read
from tools.exercises import student_version

LIMIT = 120
QUESTION = {"grade": False, "grade_id": "memo_question", "locked": True, "solution": False}
ANSWER = {"grade": True, "grade_id": "memo", "locked": False, "points": 3, "solution": True}
SAME = {"schema_version": 3, "task": False}
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
CHAPTER = {path.stem: path for path in CHAPTERS}

# What a model answer builds on, word for word as its chapter prints it.
EVIDENCE = {
    "01_data": [
        "parrot        0.882, 0.886, 0.885",
        "pieces of 4   0.947, 0.949, 0.947",
        "pieces of 4   0.805, 0.793, 0.795",
        "always negative: 0.529",
        "promised        52",
        "on new texts   203",
    ],
    "02_gradient_descent": [
        "best one-column rule: wrong per 1,000 samples: 106\n   missed per 100 malignant: 21\n"
        "   false alarms per 100 benign: 4\n",
        "logistic regression: wrong per 1,000 samples: 24\n   missed per 100 malignant: 4\n"
        "   false alarms per 100 benign: 1\n",
    ],
    "03_backpropagation": [
        "accuracy before     0.933 (0.922 to 0.939)\nwith the damage     0.748",
        "200 steps later     0.93 ",
        "share of the 5 left 0.942 (0.893 to 0.979)",
        "unit fires, before  0.819 (0.668 to 0.994)\nunit fires, after   0     (0 to 0)",
    ],
    "04_multilayer_perceptrons": [
        "| 4 × the width (128 → 512) | 128 units, 56 wrong | about 2 | 4 × the same |",
        "| 2,000 labels on top of 2,000 | 128 units, 88 wrong | about 23 |",
        "| one-pixel shifts | 128 units, 56 wrong | about 17 |",
        "128 → 512       0.2 points fewer errors (0.0 to 0.3)",
        "shifts at 128         1.7 points fewer errors (1.1 to 2.4)",
        "the next 2,000 were not measured",
    ],
    "05_optimisers": [
        "SGD          1  0.1 to 1  ",
        "Adam      0.03  0.001 to 0.1 ",
        "Adam     0.927 +1.1 ± 1.0 points",
        "A rate counts as good here if its mean test accuracy is above 0.85",
    ],
    "06_evaluation": [
        "0.872, 0.859; right alone: 28, 15; chance 0.07\n0.857, 0.848; right alone: 27, 18; chance 0.23\n"
        "0.873, 0.865; right alone: 27, 19; chance 0.30",
        "0.013        1,991           10,822",
    ],
    "07_convolution": [
        "CNN: test accuracy about 0.956",
        "            0    1    2    3    4    6\n",
        "MLP      0.95 0.88 0.68 0.44 0.25 0.11",
        "CNN      0.96 0.93 0.81 0.60 0.41 0.17",
        "MLP, aug 0.97 0.97 0.96 0.93 0.79 0.34",
        "CNN, aug 0.98 0.98 0.97 0.95 0.86 0.50",
    ],
    "08_sequences": [
        "LSTM as made     0 of 5, 0 of 5, 0 of 5",
        "LSTM bias 4      5 of 5, 5 of 5, 4 of 5",
        "LSTM 1,500 steps 0 of 3",
        "RNN radius 1.1   5 of 5, 5 of 5, 4 of 5",
        "as made     0.500 ",
    ],
    "09_attention": [
        "forbidden: nothing                      1.00, 1.00, 1.00",
        "forbidden: each value's look at its key 0.11, 0.10, 0.10",
        "forbidden: each key's strongest look    1.00, 1.00, 1.00",
        "weight that the keys lost: 0.33, 0.34, 0.35",
    ],
    "10_transformer_numpy": [
        "a GPT with 12 blocks, 768 wide, context 1,024: 75,497,472",
        "a thousand such users: 75 GB",
        "255 characters: 134 times fewer FLOPs, 7.0 times less time",
    ],
    "11_from_numpy_to_pytorch": [
        "NumPy by hand 0.07 ms\nminilib       0.14 ms\nPyTorch eager 0.25 ms",
        "the GPT: 7,774 gradients agree to 1e-9",
        "batches of 250      [0.97 0.98 0.95]",
        "25, sorted by class [0.19 0.18 0.22]",
    ],
    "12_training_fast": [
        "one by one: 12.4 cores busy, answer\n   after 4 ms if a core is free",
        "64 together: 1.2 cores busy, answer\n   after 44 ms if a core is free",
        "    1        0.5       13     162.0",
        "   64       28.4      135      15.5",
        "with one row the layer runs at 8 % of the peak",
        "at 10 requests a second hardly anybody comes within 20 ms",
    ],
    "13_tokenisation": [
        "English  200,000 tokens\nChinese  51,000 tokens\nmixed    58,000 tokens\nEnglish over mixed: 3.5"
    ],
    "14_gpt": [
        "real passages share 17 with these 3,000",
        "temperature 1.2: longest [27, 130, 34], median 5",
        "held-out Shakespeare: [17, 24, 21]\nwritten by the model: [24, 19, 17]",
    ],
    "20_gan_game": [
        "nothing       1, 3, 4 ",
        "no penalty             8, 8, 8 ",
        "WGAN-GP, nine settings, modes: 8 8 8 8 8 8 1 1 8",
        "four times as long, spread: 0.84 0.81 0.77",
        "real       modes 8  good 0.99  spread 0.96",
    ],
    "21_gan_images": [
        "ten digits    1  1.00   182.8   1.00  0.00   0.0",
        "examiner 1: made ones recognised 0.979",
        "recall     0.66 (0.61 to 0.72)",
        "GAN           15.7 to 20.2",
        "moved copies  1  0.99     8.6   0.81  0.88   5.3",
    ],
}

SAVED = (200_000 - 58_000) * 2 / 1e6  # € a day, for 1,000 questions, at 2 € a million tokens
# What a model answer or its marks work out, with the arithmetic.
DERIVED = {
    "02_gradient_descent": {"5": 4 + 1},
    "04_multilayer_perceptrons": {
        "11": round(1.1 / 100 * 1_000),
        "24": round(2.4 / 100 * 1_000),
        "17,000": 17 / 1_000 * 1_000_000,
        "340": 17_000 * 0.02,
        "6,000": 4_000 + 2_000,
    },
    "06_evaluation": {"990": 1_991 - 1_001, "99": 990 * 0.10, "13": round(0.013 * 1_000)},
    "10_transformer_numpy": {"529": 40_000_000_000 // 75_497_472, "512": 1_024 / 2},
    "13_tokenisation": {
        "0.40": 200_000 * 2 / 1e6,
        "0.12": round(58_000 * 2 / 1e6, 2),
        "0.28": round(SAVED, 2),
        "70": round(20_000 / SAVED * 1_000 / 1e6),  # million questions
        "190": round(20_000 / SAVED / 365, -1),  # years
    },
}

# What a memo sets by itself: the size of a trial, a promise, a line that the contract draws.
CHOSEN = {
    "07_convolution": {"200"},
    "09_attention": {"200"},
    "10_transformer_numpy": {"500"},
    "13_tokenisation": {"100,000"},
    "14_gpt": {"1,000"},
    "20_gan_game": {"20"},
    "21_gan_images": {"0.5"},
}

every_memo = pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)


def _graded(cell: NotebookNode) -> dict:
    return dict(cell.metadata.get("nbgrader", {}))


def _question(path: Path) -> str:
    return read(path).cells[-2].source


def _parts(path: Path) -> tuple[str, list[str]]:
    """The model answer, and the lines below **Marks.**"""
    answer, marks = read(path).cells[-1].source.split("\n\n**Marks.**\n\n")
    return answer, marks.splitlines()


def _numbers(text: str) -> set[str]:
    return set(NUMBER.findall(text))


def _chapter(path: Path) -> str:
    """What a reader of the chapter sees: its prose and what its cells print."""
    parts = []
    for cell in read(CHAPTER[path.stem]).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        for output in cell.get("outputs", []):
            parts.append(output.get("text", "") + output.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)


@every_memo
def test_a_notebook_ends_in_one_question_and_one_cell_marked_by_hand(path):
    question, answer = read(path).cells[-2:]
    assert (question.cell_type, answer.cell_type) == ("markdown", "markdown")
    assert _graded(question) == QUESTION | SAME
    assert _graded(answer) == ANSWER | SAME
    by_hand = [c for c in read(path).cells if c.cell_type == "markdown" and _graded(c).get("grade")]
    assert by_hand == [answer]


@every_memo
def test_nbgrader_accepts_the_notebook_with_its_memo(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    MetadataValidator().validate_nb(notebook)
    ids = [_graded(cell)["grade_id"] for cell in notebook.cells if _graded(cell)]
    assert len(ids) == len(set(ids)), "two cells share a grade_id"


@every_memo
def test_the_question_is_an_invented_case_and_says_what_the_memo_must_hold(path):
    heading, situation, task, terms = _question(path).split("\n\n")
    assert heading == "## Decision memo"
    assert situation.startswith("Suppose ")
    for needed in ("at most 120 words", "your decision", "the number that decides it", "what would change your mind"):
        assert needed in task
    assert re.fullmatch(r"Marked by your teacher, out of 3\. \d+ minutes\.", terms)


def test_no_two_chapters_ask_for_the_same_decision():
    situations = {_question(path).split("\n\n")[1] for path in EXERCISES}
    asked = {_question(path).split("\n\n")[2].split("?")[0] for path in EXERCISES}
    assert len(situations) == len(asked) == len(EXERCISES)


@every_memo
def test_the_model_answer_keeps_to_the_limit_that_students_have(path):
    words = _parts(path)[0].split()
    assert 60 <= len(words) <= LIMIT, f"{len(words)} words"


@every_memo
def test_three_lines_say_what_each_mark_is_for(path):
    decision, number, change = _parts(path)[1]
    assert decision.startswith("1. Decides")
    assert number.startswith("2. Names ")
    assert change.startswith("3. Names ")


@every_memo
def test_the_student_version_asks_and_does_not_answer(path):
    given = nbformat.reads(student_version(path), as_version=4)
    question, answer = given.cells[-2:]
    assert question.source == _question(path)
    assert answer.source == "YOUR ANSWER HERE"
    assert _graded(answer) == ANSWER | SAME
    whole = "\n".join(cell.source for cell in given.cells)
    told, marks = _parts(path)
    for line in [*told.split("\n\n"), *marks]:
        assert line not in whole


@every_memo
def test_every_number_of_a_model_answer_is_measured_given_worked_out_or_chosen(path):
    answer, marks = _parts(path)
    said = _numbers(answer + "\n" + "\n".join(line.partition(". ")[2] for line in marks))
    worked_out, chosen = DERIVED.get(path.stem, {}), CHOSEN.get(path.stem, set())
    known = _numbers(_chapter(path)) | _numbers(_question(path)) | worked_out.keys() | chosen
    assert not said - known, "neither in the chapter nor in the question: list its arithmetic"
    assert worked_out.keys() | chosen <= said, "listed and not said"


@pytest.mark.parametrize("chapter", DERIVED)
def test_what_a_model_answer_works_out_is_right(chapter):
    for text, value in DERIVED[chapter].items():
        assert float(text.replace(",", "")) == pytest.approx(value, rel=1e-9), text


@every_memo
def test_the_chapter_prints_what_the_model_answer_builds_on(path):
    chapter = _chapter(path)
    missing = [line for line in EVIDENCE[path.stem] if line not in chapter]
    assert not missing, "measured anew? then the memo must say so"
