"""The rules of differentiation: what each operation computes, and beside it the slope towards each input.

A rule takes NumPy arrays and returns its value and one function per array: given g, the gradient of the loss with
respect to the value, that function returns the gradient with respect to its array. A gradient may come back in the
broadcast shape; `Tensor.backward` sums it to the input's shape. Derived in: notebooks/03_backpropagation.ipynb
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # a NumPy array or, where it broadcasts, a Python number
Rule = tuple[Array, tuple[Callable[[Array], Array], ...]]
Axis = int | tuple[int, ...] | None


def once(function: Callable[[Array], Any]) -> Callable[[Array], Any]:
    """The function, keeping its last answer: the slopes of one operation all ask about the same g."""
    last: list[Any] = [None, None]

    def remembered(g: Array) -> Any:
        if last[0] is not g:
            last[:] = g, function(g)
        return last[1]

    return remembered


# Arithmetic ----------------------------------------------------------------------------------------------------------
def add(a: Array, b: Array) -> Rule:
    return a + b, (lambda g: g, lambda g: g)


def sub(a: Array, b: Array) -> Rule:
    return a - b, (lambda g: g, lambda g: -g)


def mul(a: Array, b: Array) -> Rule:
    return a * b, (lambda g: g * b, lambda g: g * a)


def div(a: Array, b: Array) -> Rule:
    value = a / b
    return value, (lambda g: g / b, lambda g: -g * value / b)


def pow(a: Array, b: Array) -> Rule:
    value = a**b

    def slope_b(g: Array) -> Array:
        # 0 ** b does not change with b > 0; log(0) would turn the product into nan
        return g * value * np.log(np.where(np.equal(a, 0) & np.greater_equal(b, 0), 1, a))

    def slope_a(g: Array) -> Array:
        if np.all(b):
            return g * (b * a ** (b - 1))
        # a ** 0 does not change with a; 0 · 0 ** −1 would be nan
        return g * b * a ** np.where(np.equal(b, 0), 0, np.subtract(b, 1))

    return value, (slope_a, slope_b)


def neg(a: Array) -> Rule:
    return -a, (lambda g: -g,)


def abs(a: Array) -> Rule:
    return np.abs(a), (lambda g: g * np.sign(a),)


def maximum(a: Array, b: Array) -> Rule:
    return np.maximum(a, b), (lambda g: g * _share(a, b), lambda g: g * _share(b, a))


def minimum(a: Array, b: Array) -> Rule:
    return np.minimum(a, b), (lambda g: g * _share(b, a), lambda g: g * _share(a, b))


def _share(a: Array, b: Array) -> Array:
    """1 where a is the larger, 0 where it is not, a half each at a tie."""
    return np.greater(a, b) + 0.5 * np.equal(a, b)


def where(condition: Array, a: Array, b: Array) -> Rule:
    """Elements of a where the condition holds, of b elsewhere; all three broadcast."""
    slopes = (lambda g: np.zeros_like(g), lambda g: np.where(condition, g, 0), lambda g: np.where(condition, 0, g))
    return np.where(condition, a, b), slopes


def matmul(a: Array, b: Array) -> Rule:
    value = a @ b
    # a vector on the left is one row, on the right one column: then the two slopes have one form
    rows, columns = (a[None, :] if a.ndim == 1 else a), (b[:, None] if b.ndim == 1 else b)

    def full(g: Array) -> Array:
        g = np.expand_dims(g, -1) if b.ndim == 1 else g
        return np.expand_dims(g, -2) if a.ndim == 1 else g

    def slope_a(g: Array) -> Array:
        gradient = full(g) @ columns.swapaxes(-1, -2)
        return gradient[..., 0, :] if a.ndim == 1 else gradient

    def slope_b(g: Array) -> Array:
        gradient = rows.swapaxes(-1, -2) @ full(g)
        return gradient[..., 0] if b.ndim == 1 else gradient

    return value, (slope_a, slope_b)


# Functions of one number ---------------------------------------------------------------------------------------------
def exp(a: Array) -> Rule:
    value = np.exp(a)
    return value, (lambda g: g * value,)


def log(a: Array) -> Rule:
    return np.log(a), (lambda g: g / a,)


def sqrt(a: Array) -> Rule:
    value = np.sqrt(a)
    return value, (lambda g: g / (2 * value),)


def tanh(a: Array) -> Rule:
    value = np.tanh(a)
    return value, (lambda g: g * (1 - value * value),)


def sigmoid(a: Array) -> Rule:
    # tanh saturates quietly, exp(-a) would overflow for a < -709
    value = 0.5 * (1 + np.tanh(0.5 * a))
    return value, (lambda g: g * value * (1 - value),)


def softplus(a: Array) -> Rule:
    return np.logaddexp(0, a), (lambda g: g * (0.5 * (1 + np.tanh(0.5 * a))),)


def relu(a: Array) -> Rule:
    return np.maximum(a, 0), (lambda g: g * (a > 0),)


def leaky_relu(a: Array, negative_slope: float = 0.01) -> Rule:
    slope = np.where(a > 0, 1, negative_slope).astype(a.dtype)
    return a * slope, (lambda g: g * slope,)


# Reductions ----------------------------------------------------------------------------------------------------------
def sum(a: Array, axis: Axis = None, keepdims: bool = False) -> Rule:
    return a.sum(axis=axis, keepdims=keepdims), (lambda g: np.broadcast_to(_kept(g, a, axis, keepdims), a.shape),)


def mean(a: Array, axis: Axis = None, keepdims: bool = False) -> Rule:
    value = a.mean(axis=axis, keepdims=keepdims)
    return value, (lambda g: np.broadcast_to(_kept(g, a, axis, keepdims) / _count(a, value), a.shape),)


def var(a: Array, axis: Axis = None, correction: int = 1, keepdims: bool = False) -> Rule:
    centred = a - a.mean(axis=axis, keepdims=True)
    value = a.var(axis=axis, ddof=correction, keepdims=keepdims)
    return value, (lambda g: _kept(g, a, axis, keepdims) * centred * 2 / (_count(a, value) - correction),)


def max(a: Array, axis: Axis = None, keepdims: bool = False) -> Rule:
    return _extreme(a, a.max(axis=axis, keepdims=True), axis, keepdims)


def min(a: Array, axis: Axis = None, keepdims: bool = False) -> Rule:
    return _extreme(a, a.min(axis=axis, keepdims=True), axis, keepdims)


def _extreme(a: Array, best: Array, axis: Axis, keepdims: bool) -> Rule:
    """The extreme values, their gradient shared equally among ties, as torch.amax does."""
    hit = a == best

    def slope(g: Array) -> Array:
        return _kept(g, a, axis, keepdims) * hit / hit.sum(axis=axis, keepdims=True)

    return best if keepdims else best.squeeze(axis), (slope,)


def _kept(g: Array, a: Array, axis: Axis, keepdims: bool) -> Array:
    """The gradient of a reduction with its reduced axes put back as length 1."""
    return g if keepdims or axis is None or a.ndim == 0 else np.expand_dims(g, axis)


def _count(a: Array, value: Array) -> int:
    """How many elements went into each one of a reduction's value."""
    return a.size // builtins.max(value.size, 1) or 1


# Softmax and its family ----------------------------------------------------------------------------------------------
def softmax(a: Array, dim: int = -1) -> Rule:
    # subtract the maximum: exp overflows above 709 in float64, 88 in float32
    value = np.exp(a - a.max(axis=dim, keepdims=True))
    value /= value.sum(axis=dim, keepdims=True)
    return value, (lambda g: value * (g - (g * value).sum(axis=dim, keepdims=True)),)


def log_softmax(a: Array, dim: int = -1) -> Rule:
    shifted = a - a.max(axis=dim, keepdims=True)
    value = shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))
    return value, (lambda g: g - np.exp(value) * g.sum(axis=dim, keepdims=True),)


def logsumexp(a: Array, dim: int = -1, keepdim: bool = False) -> Rule:
    top = a.max(axis=dim, keepdims=True)
    value = top + np.log(np.exp(a - top).sum(axis=dim, keepdims=True))

    def slope(g: Array) -> Array:
        return (g if keepdim else np.expand_dims(g, dim)) * np.exp(a - value)

    return value if keepdim else value.squeeze(dim), (slope,)


# Shape ---------------------------------------------------------------------------------------------------------------
def reshape(a: Array, shape: tuple[int, ...]) -> Rule:
    return a.reshape(shape), (lambda g: g.reshape(a.shape),)


def permute(a: Array, dims: tuple[int, ...]) -> Rule:
    back = np.argsort([i % a.ndim for i in dims])
    return a.transpose(dims), (lambda g: g.transpose(back),)


_BASIC = (int, slice, type(None), type(...))  # indices that pick no element twice


def getitem(a: Array, index: Any) -> Rule:
    def slope(g: Array) -> Array:
        gradient = np.zeros_like(a)
        if builtins.all(isinstance(i, _BASIC) for i in (index if isinstance(index, tuple) else (index,))):
            gradient[index] = g
        else:
            np.add.at(gradient, index, g)  # an element picked twice receives both gradients
        return gradient

    return a[index], (slope,)


def to(a: Array, dtype: Any) -> Rule:
    value = a.astype(dtype)
    return value, ((lambda g: g,) if value.dtype.kind == "f" else ())  # whole numbers have no gradient


def concatenate(*arrays: Array, axis: int = 0) -> Rule:
    ends = np.cumsum([array.shape[axis] for array in arrays])

    def slope(i: int) -> Callable[[Array], Array]:
        start = ends[i] - arrays[i].shape[axis]
        return lambda g: np.take(g, np.arange(start, ends[i]), axis)

    return np.concatenate(arrays, axis), tuple(slope(i) for i in range(len(arrays)))


def stack(*arrays: Array, axis: int = 0) -> Rule:
    return np.stack(arrays, axis), tuple((lambda g, i=i: np.take(g, i, axis)) for i in range(len(arrays)))
