"""`check` an exercise's answer; show that a function of your own is the `same` as the library's."""

from __future__ import annotations

import copy
import difflib
import importlib
import pkgutil
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minilib.check.letters import back, deal, forth
from minilib.check.plain import never_right, not_plain
from minilib.check.report import Report, shown
from minilib.check.spec import REGISTRY, Exercise, Inputs, Problem

__all__ = ["Report", "check", "exercises", "judge", "run", "same"]


def exercises() -> dict[str, Exercise]:
    """Every exercise of the course by id."""
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("ch"):
            importlib.import_module(f"{__name__}.{module.name}")
    return REGISTRY


def check(id: str, answer: Any, *, seed: int = 0) -> Report:
    """Try an answer, a function or (where the exercise asks for one) a value, and say at once what is wrong with it.

    seed: another one draws other cases and, where logs have letters, deals these anew (as `tools.exercises` does).
    Never raises for a wrong answer. Raises KeyError for an unknown exercise.
    """
    exercise = _find(id)
    inputs = exercise.cases(np.random.default_rng(seed))
    outputs: list[Any] = []
    for arguments in inputs:
        try:
            outputs.append(run(answer, arguments))
        except NotImplementedError:
            return Report(exercise, False, len(inputs), (("likely", "the answer is still to be written"),))
        except Exception as error:
            return Report(exercise, False, len(inputs), _crashed(arguments, error))
    return judge(id, inputs, outputs, seed=seed)


def run(answer: Any, arguments: Inputs) -> Any:
    """What the answer gives for one case: it gets copies, so that it cannot change what it is judged by."""
    return answer(*copy.deepcopy(arguments)) if callable(answer) else answer


def judge(id: str, inputs: Sequence[Inputs], outputs: Sequence[Any], *, seed: int = 0) -> Report:
    """The report on outputs, wherever they were computed: it needs no function, only data.

    seed: that of the variant which the answer was given to; it dealt the letters, where the exercise has some.
    """
    exercise = _find(id)
    for arguments, output in zip(inputs, outputs, strict=True):
        fault = not_plain(output)
        if fault:
            return Report(exercise, False, len(inputs), (*_went_in(arguments), ("likely", fault)))
    dealt = deal(id, exercise.letters, seed)
    problem = _first_problem(exercise, list(inputs), [back(output, dealt) for output in outputs])
    if problem is None:
        return Report(exercise, True, len(inputs))
    lines = (
        *_went_in(inputs[problem.case]),
        ("expected", forth(shown(problem.expected), dealt) if dealt else shown(problem.expected)),
        ("got", shown(outputs[problem.case])),
        ("likely", forth(problem.hint, dealt) if dealt else problem.hint),
    )
    return Report(exercise, False, len(inputs), lines)


def _find(id: str) -> Exercise:
    known = exercises()
    if id not in known:
        close = difflib.get_close_matches(id, known, n=1)
        raise KeyError(f"no exercise is called {id!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
    return known[id]


def _first_problem(exercise: Exercise, inputs: list[Inputs], outputs: list[Any]) -> Problem | None:
    kind = "a value of the kind that the exercise asks for"
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = next(iter(exercise.judge(inputs, outputs)), None)
    except Exception as error:  # an answer may be odd in ways that no judge foresees; it is never right
        said = str(error) or type(error).__name__
        return Problem(0, kind, f"it could not be read as that ({said if len(said) <= 200 else said[:200] + ' …'})")
    if found is None:
        faults = ((i, never_right(output)) for i, output in enumerate(outputs))
        return next((Problem(i, kind, fault) for i, fault in faults if fault), None)
    return found


def _went_in(arguments: Inputs) -> tuple[tuple[str, str], ...]:
    return (("went in", shown(arguments)),) if arguments else ()


def _crashed(arguments: Inputs, error: Exception) -> tuple[tuple[str, str], ...]:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    own = [frame.line for frame in frames if frame.filename == frames[0].filename]  # not the libraries it calls
    where = f" in the line `{own[-1]}`" if own and own[-1] else ""
    return (*_went_in(arguments), ("got", f"{type(error).__name__}: {error}{where}"))


def same(
    mine: Callable[..., Any],
    library: Callable[..., Any],
    *inputs: Any,
    gradients: Callable[..., Any] | None = None,
    rtol: float = 1e-7,
    atol: float = 1e-9,
) -> None:
    """Show that `mine` computes what `library` computes: outputs, and every gradient.

    inputs: float arrays become tensors that require a gradient (PyTorch's, if `library` is of PyTorch or minilib.pt);
    anything else is passed as it is. `library` gets the tensors. So does `mine`, unless `gradients` is given: then mine
    gets arrays, and gradients(*inputs) must return, for each float array in turn, the derivative of the sum of mine's
    output (without it, of a sum with random weights).
    Raises AssertionError at the first difference.
    """
    leaf, lift = _makers(library)

    def tensors() -> list[Any]:
        return [leaf(np.array(x)) if _needs_gradient(x) else x for x in inputs]

    theirs, ours = tensors(), tensors()
    expected = library(*theirs)
    got = mine(*inputs) if gradients else mine(*ours)
    shape = np.shape(_plain(got))
    _agree("output", _plain(got), _plain(expected), rtol, atol)
    checked = 0
    if getattr(expected, "requires_grad", False):
        # a plain sum would show nothing of softmax, whose outputs always sum to 1
        weights = np.ones(shape) if gradients else np.random.default_rng(0).standard_normal(shape)
        expected.backward(lift(weights))
        if gradients:
            hand = gradients(*inputs)
            found = list(hand) if isinstance(hand, tuple) else [hand]
        else:
            if not getattr(got, "requires_grad", False):
                raise AssertionError("yours gives back no tensor with a gradient: use tensor operations, or gradients=")
            got.backward(lift(weights))
            found = [x.grad for x in ours if _needs_gradient(x)]
        wanted = [x for x in theirs if _needs_gradient(x)]
        if len(found) != len(wanted):
            raise AssertionError(f"gradients: needed one for each of {len(wanted)} float arrays, got {len(found)}")
        for i, (one, x) in enumerate(zip(found, wanted, strict=True)):
            got, expected = (np.zeros(x.shape) if g is None else _plain(g) for g in (one, x.grad))
            _agree(f"gradient of input {i}", got, expected, rtol, atol)
            checked += 1
    names = [getattr(f, "__name__", type(f).__name__) for f in (mine, library)]
    slopes = f" and {checked} gradient{'s' * (checked > 1)}" if checked else ""
    print(f"same: {names[0]} and {names[1]}\n      agree on the output {shape}{slopes}")


def _makers(library: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What makes an array a tensor with a gradient, and one handed to backward, in the library's framework."""
    home = getattr(library, "__module__", None) or type(library).__module__
    if home.startswith(("torch", "minilib.pt")):
        import torch

        return lambda x: torch.tensor(x, requires_grad=True), torch.as_tensor
    from minilib.scratch.tensor import Tensor

    return lambda x: Tensor(x, requires_grad=True), lambda x: x


def _needs_gradient(x: Any) -> bool:
    return getattr(x, "requires_grad", isinstance(x, np.ndarray) and x.dtype.kind == "f")


def _plain(x: Any) -> np.ndarray:
    return np.asarray(x.data if hasattr(x, "requires_grad") else x)


def _agree(what: str, got: np.ndarray, expected: np.ndarray, rtol: float, atol: float) -> None:
    if got.shape != expected.shape:
        raise AssertionError(f"{what}: yours has shape {got.shape}, the library's {expected.shape}")
    if not np.allclose(got, expected, rtol=rtol, atol=atol):
        worst = np.unravel_index(np.argmax(np.abs(got - 1.0 * expected)), got.shape)
        mine, theirs = float(got[worst]), float(expected[worst])
        raise AssertionError(f"{what}, index {tuple(map(int, worst))}: yours {mine:.6g}, the library's {theirs:.6g}")
