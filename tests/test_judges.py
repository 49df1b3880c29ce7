"""The judges hold: a table of the answers that the visible check shows fails on hidden cases, and so does odd data."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from minilib.check import exercises, judge, run
from minilib.check.plain import DEEPEST, MOST, never_right, not_plain
from tests.solved import IDS, solution, the_dtype_that_the_notebook_sets

__all__ = ["the_dtype_that_the_notebook_sets"]  # used by pytest
FUNCTIONS = [id for id in IDS if exercises()[id].cases.__name__ != "once"]
HIDDEN = (11, 12, 13)


def _cases(id, seed):
    return exercises()[id].cases(np.random.default_rng(seed))


def _right(id, seed):
    cases = _cases(id, seed)
    return cases, [run(solution(id), case) for case in cases]


# Tables of answers ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("id", FUNCTIONS)
def test_a_table_of_the_answers_to_the_visible_cases_fails_on_hidden_ones(id):
    if id == "04.mend_dead_network":
        pytest.skip("any recipe that trains is right, and the check prints none: there is nothing to copy from it")
    seen, answers = _right(id, 0)
    table = {repr(case): answer for case, answer in zip(seen, answers, strict=True)}
    for seed in HIDDEN:
        cases = _cases(id, seed)
        by_place = [table.get(repr(case), answers[i % len(answers)]) for i, case in enumerate(cases)]
        assert not judge(id, cases, by_place)
        by_likeness = [table.get(repr(case), answers[_most_alike(case, seen)]) for case in cases]
        assert not judge(id, cases, by_likeness)
        for answer in answers:
            assert not judge(id, cases, [answer] * len(cases))


def _most_alike(case, seen):
    """The place of the visible case that shares most characters, place by place, with this one."""
    return int(np.argmax([sum(a == b for a, b in zip(repr(case), repr(other), strict=False)) for other in seen]))


# Odd data -------------------------------------------------------------------------------------------------------------
def _each(value, change):
    """The value with every number, text and array in it changed."""
    if isinstance(value, dict):
        return {key: _each(part, change) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_each(part, change) for part in value)
    return change(value)


def _filled(number):
    def change(leaf):
        huge = isinstance(number, int) and number.bit_length() > 64
        return np.full(leaf.shape, number, float) if isinstance(leaf, np.ndarray) and not huge else number

    return change


def _last(number):
    """One entry, the last of an array, becomes the number."""

    def change(leaf):
        if not isinstance(leaf, np.ndarray) or not leaf.size:
            return number if np.ndim(leaf) == 0 else leaf
        spoiled = np.array(leaf, float)
        spoiled.flat[-1] = number
        return spoiled

    return change


def _as_text(leaf):
    return (
        _each(leaf.tolist(), str)
        if isinstance(leaf, np.ndarray)
        else leaf + "!"
        if isinstance(leaf, str)
        else str(leaf)
    )


def _turned(leaf):
    return leaf.T.copy() if isinstance(leaf, np.ndarray) else leaf


def _more_axes(leaf):
    return [leaf] if isinstance(leaf, str) else np.asarray(leaf)[None]


def _nested(levels):
    value = [1.0]
    for _ in range(levels):
        value = [value]
    return value


SPOILED = {
    "all nan": lambda right: _each(right, _filled(np.nan)),
    "one nan": lambda right: _each(right, _last(np.nan)),
    "all inf": lambda right: _each(right, _filled(np.inf)),
    "one inf": lambda right: _each(right, _last(np.inf)),
    "all -inf": lambda right: _each(right, _filled(-np.inf)),
    "1e300": lambda right: _each(right, _filled(1e300)),
    "10**400": lambda right: _each(right, _filled(10**400)),
    "10**6000": lambda right: _each(right, _filled(10**6000)),
    "text": lambda right: _each(right, _as_text),
    "another axis": lambda right: _each(right, _more_axes),
    "transposed": lambda right: _each(right, _turned),
    "lists, 20 deep": lambda right: _each(right, lambda leaf: _nested(20)),
    "odd keys": lambda right: {None: 1, (1, 2): [], 1.5: "x", "A": 3},
    "empty": lambda right: np.array([]),
    "all empty": lambda right: _each(right, lambda leaf: np.array([])),
    "nothing": lambda right: {},
    "a million": lambda right: np.zeros(10**6),
    "a wide array": lambda right: np.zeros((200, 200)),
    "a long list": lambda right: [0.5] * 40_000,
}


def _alike(a, b):
    try:
        return repr(a) == repr(b) or _length(a) == _length(b) == 0
    except ValueError:  # a number of too many digits to be shown
        return False


def _length(value):
    return value.size if isinstance(value, np.ndarray) else len(value) if hasattr(value, "__len__") else 1


@pytest.mark.parametrize("id", IDS)
def test_a_right_answer_that_is_spoiled_neither_passes_nor_raises(id):
    cases, answers = _right(id, 3)
    few = ("one nan", "1e300", "another axis", "odd keys") if id == "04.mend_dead_network" else SPOILED  # it trains
    for name in few:
        bad = [SPOILED[name](answer) for answer in answers]
        if all(_alike(*pair) for pair in zip(bad, answers, strict=True)):
            continue  # as where there is no array to transpose
        with warnings.catch_warnings(action="error"):
            report = judge(id, cases, bad)
        assert not report, f"{name} passes"
        assert len(repr(report)) < 5000


@pytest.mark.parametrize("id", IDS)
def test_nan_and_numbers_as_text_in_a_single_place_never_pass(id):
    cases, answers = _right(id, 3)
    for i in range(1 if id == "04.mend_dead_network" else len(answers)):
        for change in (_last(np.nan), _as_text):
            bad = _each(answers[i], change)
            if not _alike(bad, answers[i]):
                assert not judge(id, cases, [*answers[:i], bad, *answers[i + 1 :]])


# The framework's own rules --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", [{"a": [1, np.nan]}, np.float32("nan"), np.array([[0.0, np.nan]]), ("x", "1e3")])
def test_what_no_right_answer_holds_is_named(value):
    assert never_right(value)


@pytest.mark.parametrize("value", [np.inf, [1, "one"], {"a": np.zeros(2)}, 10**400, True, np.array([True]), [], "e"])
def test_what_a_right_answer_may_hold_is_let_through(value):
    assert never_right(value) is None


@pytest.mark.parametrize(
    "value, told",
    [
        (_nested(DEEPEST + 1), "deep"),
        (_nested(100_000), "deep"),
        ([0] * (MOST + 1), "values"),
        (np.zeros(MOST + 1), "values"),
        ("x" * (MOST + 1), "values"),
        (1 << 20_000, "20,001 bits"),
        ({"a": [None]}, "`return`"),
        ({None: 1}, "`return`"),
        (np.array(["a"]), "not an array of numbers"),
        (np.complex128(1j), "a value of complex128"),
        (b"bytes", "not bytes"),
        ({1, 2}, "not set"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 50 else type(value).__name__,
)
def test_what_cannot_be_judged_is_refused(value, told):
    assert told in not_plain(value)


def test_a_judge_that_fails_on_odd_data_refuses_it(monkeypatch):
    errors = (
        MemoryError,
        RecursionError,
        np.linalg.LinAlgError("Singular"),
        OverflowError,
        AssertionError,
        KeyError("A"),
    )
    for error in errors:

        def failing(inputs, outputs, error=error):
            raise error
            yield

        exercise = exercises()["02.walk"]
        monkeypatch.setitem(exercises(), "02.walk", type(exercise)("02.walk", "", exercise.cases, failing))
        assert "could not be read as that" in repr(judge("02.walk", [()], [1.0]))
