"""One op of ours beside one of torch: values, gradients, central differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from minilib.scratch import Tensor
from minilib.scratch.gradcheck import gradcheck


def to_torch(array: Any, requires_grad: bool = False) -> torch.Tensor:
    return torch.tensor(np.array(array), requires_grad=requires_grad)  # a copy: torch knows no negative strides


def leaves(inputs: Sequence[Any]) -> list[Tensor]:
    return [Tensor(a, requires_grad=True) for a in inputs]


def weights_for(shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(shape).astype(dtype)


def equals_torch(
    ours: Callable[..., Tensor], theirs: Callable[..., torch.Tensor], inputs: Sequence[np.ndarray],
    rtol: float = 1e-9, atol: float = 1e-9,
) -> None:  # fmt: skip
    """Assert that outputs and all gradients agree, the gradients of a sum with random weights."""
    mine, other = leaves(inputs), [to_torch(a, True) for a in inputs]
    result, expected = ours(*mine), theirs(*other)
    assert result.shape == tuple(expected.shape)
    np.testing.assert_allclose(result.data, expected.detach().numpy(), rtol, atol)
    weights = weights_for(result.shape, result.dtype)
    result.backward(weights)
    expected.backward(to_torch(weights))
    for x, t in zip(mine, other, strict=True):
        assert x.grad.shape == x.shape
        np.testing.assert_allclose(x.grad, t.grad.numpy(), rtol, atol)


def equals_differences(ours: Callable[..., Tensor], inputs: Sequence[np.ndarray]) -> None:
    assert gradcheck(ours, leaves([np.array(a) for a in inputs]))
