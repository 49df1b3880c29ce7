"""Is a gradient right? Compare it with what happens when the input is nudged.

Derived in: notebooks/03_backpropagation.ipynb
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minilib.scratch.tensor import Tensor, no_grad


class GradientError(AssertionError):
    """A gradient that disagrees with central differences."""


def gradcheck(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], eps: float = 1e-6, atol: float = 1e-6, rtol: float = 1e-5
) -> bool:
    """Check every derivative of sum(weights · function(*inputs)), weights fixed at random, by central differences.

    inputs: tensors in float64 (float32 is too coarse: ValueError); those with requires_grad are checked.
    Returns True, or raises GradientError with the function, the argument, the index and both values.
    Derived in: notebooks/03_backpropagation.ipynb
    """
    checked = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    for i in checked:
        if inputs[i].dtype != np.float64:
            raise ValueError(
                f"input {i} is {inputs[i].dtype}: central differences need float64, as in x.to(np.float64)"
            )
    weights = np.random.default_rng(0).standard_normal(function(*inputs).shape)
    gradients = _gradients(function, inputs, weights)
    for i in checked:
        _compare(function, inputs, i, gradients[i], weights, eps, atol, rtol)
    return True


def _gradients(function: Callable[..., Tensor], inputs: Sequence[Tensor], weights: np.ndarray) -> list[np.ndarray]:
    before = [x.grad if isinstance(x, Tensor) else None for x in inputs]
    for x in inputs:
        if isinstance(x, Tensor):
            x.grad = None
    function(*inputs).backward(weights)
    gradients = []
    for x, kept in zip(inputs, before, strict=True):
        if isinstance(x, Tensor):
            gradients.append(np.zeros_like(x.data) if x.grad is None else x.grad)
            x.grad = kept
        else:
            gradients.append(np.zeros(0))
    return gradients


def _compare(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], which: int, gradient: np.ndarray, weights: np.ndarray,
    eps: float, atol: float, rtol: float,
) -> None:  # fmt: skip
    data = inputs[which].data
    for index in np.ndindex(data.shape):
        kept, values = data[index], []
        for nudge in (eps, -eps):
            data[index] = kept + nudge
            with no_grad():
                values.append(float((function(*inputs).data * weights).sum()))
        data[index] = kept
        expected = (values[0] - values[1]) / (2 * eps)
        got = float(gradient[index])
        if not abs(got - expected) <= atol + rtol * abs(expected):
            name = getattr(function, "__name__", repr(function))
            raise GradientError(
                f"{name}, input {which}, index {index}: backward gives {got:.6g}, central differences {expected:.6g}"
            )


def directional_error(
    loss: Callable[[], Tensor], parameters: Sequence[Tensor], rng: np.random.Generator, eps: float = 1e-5
) -> float:
    """Relative error of all gradients at once along one random unit direction: two evaluations check a million numbers.

    loss: a function of no arguments that computes the loss from `parameters`, as it is now.
    Returns |slope by backward − slope by differences| / max(|either|). Use float64; a kink that is crossed shows.
    """
    for p in parameters:
        p.grad = None
    loss().backward()
    directions = [rng.standard_normal(p.shape) for p in parameters]
    length = np.sqrt(sum((d**2).sum() for d in directions))
    pairs = [(p, d / length, p.data.copy()) for p, d in zip(parameters, directions, strict=True)]
    slope = sum(float((p.grad * d).sum()) for p, d, _ in pairs if p.grad is not None)
    values = []
    for nudge in (eps, -eps):
        for p, d, kept in pairs:
            p.data[...] = kept + nudge * d
        with no_grad():
            values.append(loss().item())
    for p, _, kept in pairs:
        p.data[...] = kept
    measured = (values[0] - values[1]) / (2 * eps)
    return abs(slope - measured) / max(abs(slope), abs(measured), 1e-300)
