"""The framework of exercises: what a report says for every kind of answer, and what `same` proves and refuses."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest

from minilib.check import Report, check, judge, run, same, spec
from minilib.check.report import shown
from minilib.scratch import Tensor
from minilib.scratch import functional as F

ROW_HINT = "normalised over the whole array, not each row: axis=-1 <b>"


@pytest.fixture(autouse=True)
def two_exercises(monkeypatch):
    """A function exercise (each row divided by its sum) and a value exercise, beside the book's own."""
    monkeypatch.setattr(spec, "REGISTRY", registry := dict(spec.REGISTRY))
    monkeypatch.setattr("minilib.check.REGISTRY", registry)

    def cases(rng):
        return [(np.array([[1.0, 3.0]]),), (rng.uniform(1, 2, (3, 2)),)]

    @spec.exercise("99.rows", "Rows <of> shares", cases)
    def rows(inputs, outputs):
        for i, ((x,), got) in enumerate(zip(inputs, outputs, strict=True)):
            expected = x / x.sum(-1, keepdims=True)
            if spec.close(got, x / x.sum()) and not spec.close(got, expected):
                yield spec.Problem(i, expected, ROW_HINT)
            elif not spec.close(got, expected):
                yield spec.Problem(i, expected, "divide each row by its sum")

    @spec.exercise("99.value", "A number", spec.once)
    def value(inputs, outputs):
        if outputs[0] <= 3:
            yield spec.Problem(0, "a number above 3", "larger")

    return registry


def right(x):
    return x / x.sum(-1, keepdims=True)


def lines(report):
    assert not report
    assert not report.passed
    return dict(report.lines)


# Reports ------------------------------------------------------------------------------------------------------------
def test_a_right_answer_passes_in_all_cases():
    report = check("99.rows", right)
    assert report
    assert repr(report) == "✓ 99.rows Rows <of> shares: right, in 2 cases"
    assert repr(check("99.value", 4)) == "✓ 99.value A number: right, in 1 case"


def test_a_wrong_answer_is_told_what_went_in_what_came_out_and_why():
    report = check("99.rows", lambda x: x / x.sum())
    said = lines(report)
    assert list(said) == ["went in", "expected", "got", "likely"]
    assert said["went in"].startswith("array (3, 2): [[")  # the first case has one row and cannot tell
    assert said["likely"] == ROW_HINT
    assert report.headline == "✗ 99.rows Rows <of> shares: not yet"
    assert repr(report).splitlines()[1].startswith("  went in:  array (3, 2)")


def test_another_mistake_has_another_hint():
    said = lines(check("99.rows", lambda x: x))
    assert said == {
        "went in": "array (1, 2): [[1. 3.]]", "expected": "array (1, 2): [[0.25 0.75]]",
        "got": "array (1, 2): [[1. 3.]]", "likely": "divide each row by its sum",
    }  # fmt: skip


def test_a_value_is_judged_as_it_is():
    assert lines(check("99.value", 2.5)) == {"expected": "a number above 3", "got": "2.5", "likely": "larger"}


def test_a_stub_is_met_kindly():
    def stub(x):
        raise NotImplementedError

    assert lines(check("99.rows", stub)) == {"likely": "the answer is still to be written"}


@pytest.mark.parametrize("nothing", [lambda x: None, lambda x: ..., lambda x: [1.0, None]])
def test_an_answer_that_returns_nothing_is_told_so(nothing):
    likely = lines(check("99.rows", nothing))["likely"]
    assert "is a `return` missing?" in likely or "not ellipsis" in likely


def test_a_crash_is_reported_with_its_line_and_without_a_traceback():
    def crashing(x):
        return np.linalg.inv(x[0])

    said = lines(check("99.rows", crashing))
    assert list(said) == ["went in", "got"]
    assert re.fullmatch(r"LinAlgError: .* in the line `return np\.linalg\.inv\(x\[0\]\)`", said["got"])
    assert "Traceback" not in repr(check("99.rows", crashing))


def test_a_function_of_the_wrong_number_of_arguments_is_not_shown_our_own_source():
    said = lines(check("99.rows", lambda: 1))
    assert said["got"].startswith("TypeError: ")
    assert said["got"].endswith("takes 0 positional arguments but 1 was given")


def test_code_without_a_source_crashes_without_a_line():
    names = {}
    exec("def crashing(x):\n    return x.nothing", names)
    got = lines(check("99.rows", names["crashing"]))["got"]
    assert got == "AttributeError: 'numpy.ndarray' object has no attribute 'nothing'"


@pytest.mark.parametrize(
    "answer, likely",
    [
        (Tensor, "give back numbers, text, lists or NumPy arrays, not Tensor"),
        (lambda x: {"a": Tensor(x)}, "give back numbers, text, lists or NumPy arrays, not Tensor"),
        (lambda x: [x, {1}], "give back numbers, text, lists or NumPy arrays, not set"),
        (lambda x: np.array([None]), "an array of object is not an array of numbers"),
        (lambda x: np.array(["a"]), "an array of <U1 is not an array of numbers"),
    ],
)
def test_what_cannot_be_judged_is_named(answer, likely):
    said = lines(check("99.rows", answer))
    assert said["likely"] == likely
    assert said["went in"] == "array (1, 2): [[1. 3.]]"


@pytest.mark.parametrize("odd", ["text", {"a": 1}, [[1.0], [2.0, 3.0]], (), np.float32(1), True, [1, [2.0, "x"]]])
def test_a_plain_answer_of_the_wrong_kind_fails_and_does_not_raise(odd):
    assert lines(check("99.rows", lambda x: odd))["likely"] == "divide each row by its sum"


def test_a_judge_that_cannot_read_an_answer_says_so():
    said = lines(check("99.value", "many"))
    assert said["expected"] == "a value of the kind that the exercise asks for"
    assert said["got"] == "many"
    assert said["likely"].startswith("it could not be read as that ('<=' not supported")


def test_an_answer_that_changes_its_input_does_not_change_what_it_is_judged_by():
    def vandal(x):
        x /= x.sum(-1, keepdims=True)
        return x

    assert check("99.rows", vandal)
    kept = np.ones((1, 2))
    run(vandal, (kept,))
    assert kept.tolist() == [[1, 1]]

    def cheat(x):
        x[...] = 1
        return x

    assert not check("99.rows", cheat)


def test_the_seed_changes_the_cases():
    seen = []
    for seed in (0, 0, 1):
        check("99.rows", lambda x: seen.append(x.sum()) or right(x), seed=seed)
    assert seen[1] == seen[3] != seen[5]


def test_outputs_of_another_process_are_judged_by_themselves(two_exercises):
    inputs = two_exercises["99.rows"].cases(np.random.default_rng(8))
    assert judge("99.rows", inputs, [right(x) for (x,) in inputs])
    assert not judge("99.rows", inputs, [right(inputs[0][0]), None])
    assert lines(judge("99.rows", inputs, [x / x.sum() for (x,) in inputs]))["likely"] == ROW_HINT
    with pytest.raises(ValueError):
        judge("99.rows", inputs, [right(inputs[0][0])])


def test_numbers_that_overflow_while_judging_do_not_warn():
    assert not check("99.rows", lambda x: np.full(x.shape, np.inf) * 2)


def test_an_unknown_exercise_is_answered_with_the_nearest():
    with pytest.raises(KeyError, match=r"no exercise is called '99\.row'; did you mean '99\.rows'\?"):
        check("99.row", right)
    with pytest.raises(KeyError, match=r"no exercise is called 'zzzzzz'.$"):
        judge("zzzzzz", [], [])


def test_two_exercises_cannot_share_an_id():
    with pytest.raises(ValueError, match=r"two exercises are called 99\.rows"):
        spec.exercise("99.rows", "again", spec.once)(lambda i, o: iter(()))


def test_html_is_escaped_and_says_the_same():
    report = check("99.rows", lambda x: x / x.sum())
    page = report._repr_html_()
    assert page.startswith("<div class='check failed'><strong>✗ 99.rows Rows &lt;of&gt; shares: not yet</strong>")
    assert html.escape(ROW_HINT) in page
    assert "<b>" not in page
    assert page.count("<dt>") == page.count("<dd") == len(report.lines) == 4
    assert "class='check passed'" in check("99.rows", right)._repr_html_()
    hostile = check("99.rows", lambda x: "<script>alert(1)</script>")
    assert "<script>" not in hostile._repr_html_()


def test_close_means_same_shape_and_numbers():
    assert spec.close([1, 2], (1.0, 2.0 + 1e-9))
    assert not spec.close([1, 2], [1, 2.1])
    assert not spec.close(1.0, [1.0])
    assert not spec.close("a", 1.0)
    assert not spec.close(np.nan, np.nan)


@pytest.mark.parametrize(
    "value, text",
    [
        (np.float64(1 / 3), "0.333333"),
        (3, "3"),
        ("plain", "plain"),
        ([1, 2], "[1, 2]"),
        ((), "()"),
        ((1, "a", 0.5), "1, a, 0.5"),
        (np.array(2.0), "array(2.)"),
        (np.arange(3), "array (3,): [0 1 2]"),
        (
            tuple(np.zeros(n) for n in (1, 2, (2, 3), (3, 2))),
            "array (1,): [0.], array (2,): [0. 0.], array (2, 3), array (3, 2)",
        ),
        ("x" * 400, "x" * 300 + " …"),
    ],
)
def test_values_are_shown_short(value, text):
    assert shown(value) == text
    assert len(shown(np.zeros((1000, 1000)))) < 200


# same ---------------------------------------------------------------------------------------------------------------
def test_same_says_what_agreed(capsys):
    def my_relu(x):
        return x * (x.data > 0)

    same(my_relu, F.relu, np.array([-1.0, 2.0]))
    same(lambda a, b: b @ a, lambda a, b: b @ a, np.ones((3, 2)), np.ones((4, 3)))
    same(np.add, np.add, 1.0, 2.0)
    assert capsys.readouterr().out == (
        "same: my_relu and relu\n      agree on the output (2,) and 1 gradient\n"
        "same: <lambda> and <lambda>\n      agree on the output (4, 2) and 2 gradients\n"
        "same: add and add\n      agree on the output ()\n"
    )


def test_same_compares_gradients_worked_out_by_hand(capsys):
    x, y = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    same(np.multiply, lambda a, b: a * b, x, y, gradients=lambda a, b: (b, a))
    same(np.tanh, F.tanh, x, gradients=lambda a: 1 - np.tanh(a) ** 2)
    assert "multiply and <lambda>\n      agree on the output (2,) and 2 gradients" in capsys.readouterr().out
    with pytest.raises(
        AssertionError, match=r"gradient of input 1, index \(0,\): yours 3, the library's 1|index \(1,\)"
    ):
        same(np.multiply, lambda a, b: a * b, x, y, gradients=lambda a, b: (b, b))
    with pytest.raises(AssertionError, match="gradients: needed one for each of 2 float arrays, got 1"):
        same(np.multiply, lambda a, b: a * b, x, y, gradients=lambda a, b: (b,))


def test_same_refuses_another_output_and_names_the_place():
    with pytest.raises(AssertionError, match=r"^output, index \(1,\): yours 4, the library's 2$"):
        same(lambda x: x * x, lambda x: x + 0, np.array([1.0, 4.0]) ** 0.5 * [1, 1])
    with pytest.raises(AssertionError, match=r"^output: yours has shape \(\), the library's \(2,\)"):
        same(lambda x: x.sum(), lambda x: x + 0, np.ones(2))
    with pytest.raises(AssertionError, match="yours 1, the library's 0"):
        same(lambda x: x.data > 0, lambda x: x.data < 0, np.ones(2))


def test_same_refuses_another_gradient_of_the_same_output():
    with pytest.raises(AssertionError, match=r"gradient of input 0, index \(1,\): yours -?[\d.]+, the library's"):
        same(lambda x: x * x.detach(), lambda x: x * x, np.array([0.0, 2.0]))


def test_same_refuses_a_constant_gradient_of_softmax():
    """The outputs sum to 1, so that a gradient of their plain sum is zero, as that of a constant."""

    def constant(x):
        return Tensor(F.softmax(x).data) + 0 * x

    with pytest.raises(AssertionError, match="gradient of input 0"):
        same(constant, F.softmax, np.array([[1.0, 2.0]]))
    same(lambda x: x.exp() / x.exp().sum(axis=-1, keepdims=True), F.softmax, np.array([[1.0, 2.0]]))


def test_same_refuses_what_has_no_gradient_where_the_library_has_one():
    for cut in (lambda x: x.data * 2, lambda x: x.detach() * 2):
        with pytest.raises(
            AssertionError, match="yours gives back no tensor with a gradient: use tensor operations, or"
        ):
            same(cut, lambda x: x * 2, np.ones(2))


def test_an_input_that_neither_side_uses_counts_as_flat():
    same(lambda a, b: a * 2, lambda a, b: a * 2, np.ones(2), np.ones(3))
    with pytest.raises(AssertionError, match="gradient of input 1"):
        same(lambda a, b: a * 2, lambda a, b: a * 2 + (b - b.detach()), np.ones(2), np.ones(2))


def test_same_gives_each_side_copies_also_of_tensors():
    x = Tensor(np.ones(2), requires_grad=True)
    array = np.ones(2)

    def greedy(a, b):
        a.data += 1
        b.data += 1
        return a * b

    same(greedy, greedy, x, array)
    assert x.data.tolist() == array.tolist() == [1, 1]
    assert x.grad is None
    with pytest.raises(AssertionError, match="gradient"):
        same(lambda a: a * a.detach(), lambda a: a * a, x)


def test_a_report_is_its_verdict(two_exercises):
    exercise = two_exercises["99.value"]
    assert Report(exercise, True, 1)
    assert not Report(exercise, False, 1)


def test_an_array_within_a_list_or_a_dictionary_is_told_by_its_shape():
    assert shown({"weights": [np.ones((50, 64))], "rate": 0.1}) == "{'weights': [array (50, 64)], 'rate': 0.1}"
    assert shown({"w": np.zeros((2, 3)), "n": 2}) == "{'w': array (2, 3), 'n': 2}"
    assert shown([np.arange(2)]) == "[array([0, 1])]"


def test_same_speaks_pytorch_where_the_library_does(capsys):
    torch = pytest.importorskip("torch")
    x, target = np.array([0.5, -2.0]), np.array([1.0, 0.0])

    def mine(score, wanted):
        return (torch.log(1 + torch.exp(score)) - wanted * score).mean()

    library = torch.nn.functional.binary_cross_entropy_with_logits
    same(mine, library, x, target)
    assert "agree on the output () and 2 gradients" in capsys.readouterr().out
    same(lambda x, y: x * y, torch.mul, x, target, gradients=lambda x, y: (y, x))

    def cut(score, wanted):
        return mine(score.detach(), wanted) + 0 * score.sum()

    with pytest.raises(AssertionError, match="gradient of input 0"):
        same(cut, library, x, target)
