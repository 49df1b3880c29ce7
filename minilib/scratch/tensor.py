"""A NumPy array that remembers how it was computed, and can tell every number's share in the result.

Derived in: notebooks/03_backpropagation.ipynb
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np

from minilib.scratch import rules
from minilib.scratch.engine import propagate, unbroadcast

__all__ = [
    "OPERATIONS", "Tensor", "concatenate", "differentiable", "maximum", "minimum", "no_grad", "stack", "unbroadcast",
    "where",
]  # fmt: skip

OPERATIONS: dict[str, Callable[..., Tensor]] = {}
"""Every differentiable operation by name: the tests prove that none goes unchecked."""

_recording = True


def differentiable(rule: Callable[..., rules.Rule]) -> Callable[..., Tensor]:
    """Turn a rule on arrays into an operation on tensors: positional arguments are differentiated, options are not."""
    name = rule.__name__

    @wraps(rule)
    def operation(*inputs: Any, **options: Any) -> Tensor:
        try:
            value, slopes = rule(*map(_array, inputs), **options)
        except ValueError as error:
            raise _explained(error, name, inputs) from None
        result = Tensor.__new__(Tensor)
        result.data, result.grad, result._edges = np.asarray(value), None, ()
        if _recording:
            edges = zip(inputs, slopes, strict=False)
            result._edges = tuple((x, s) for x, s in edges if isinstance(x, Tensor) and x.requires_grad)
        result.requires_grad = bool(result._edges)
        return result

    OPERATIONS[name] = operation
    return operation


def _array(x: Any) -> Any:
    """The array or plain number behind an operand; a number, Python's or NumPy's, keeps the other operand's dtype."""
    if isinstance(x, Tensor):
        return x.data
    if isinstance(x, np.generic):
        return x.item()
    return Tensor(x).data if isinstance(x, list) and x else x


def _explained(error: ValueError, name: str, inputs: Sequence[Any]) -> ValueError:
    """NumPy's error about shapes in words that say what to do; any other error as it is."""
    shapes = " and ".join(str(np.shape(_array(x))) for x in inputs)
    if "broadcast" in str(error):
        return ValueError(
            f"{name}: shapes {shapes} do not broadcast: read from the right, each pair of lengths must be equal "
            "or one of them 1; reshape or transpose one of the two"
        )
    if "matmul" in str(error):
        return ValueError(
            f"matmul: shapes {shapes} do not fit: the last length on the left must equal the last but one on the right"
        )
    return error


def _flat(numbers: tuple) -> tuple[int, ...]:
    return tuple(numbers[0]) if len(numbers) == 1 and isinstance(numbers[0], tuple | list) else numbers


_getitem, _reshape, _permute = map(differentiable, (rules.getitem, rules.reshape, rules.permute))


class Tensor:
    """An array `data` and, once `backward` has run, the gradient `grad` of the result with respect to it.

    data: anything NumPy can read. Python floats become float32; arrays keep their dtype.
    requires_grad: whether `backward` shall compute a gradient for it. Raises TypeError for integers and booleans.
    grad: a NumPy array of the same shape and dtype, or None; each `backward` adds to it.

    Names and behaviour are those of torch.Tensor; axes may be given as `axis` and `keepdims`, as torch allows too.
    """

    __slots__ = ("__weakref__", "_edges", "data", "grad", "requires_grad")
    __array_ufunc__ = None  # array + tensor asks the tensor, not the array

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None):
        from_python = not hasattr(data, "dtype")
        array = np.asarray(data.data if isinstance(data, Tensor) else data, dtype)
        if from_python and dtype is None and array.dtype == np.float64:
            array = array.astype(np.float32)
        if array.dtype.kind not in "biuf":
            raise TypeError(
                f"a tensor holds numbers, got {array.dtype}: pass numbers, nested lists of them or an array"
            )
        if requires_grad and array.dtype.kind != "f":
            raise TypeError(
                f"only floating-point tensors have a gradient, got {array.dtype}: write 3.0 for 3, or pass dtype=float"
            )
        self.data: np.ndarray = array
        self.grad: np.ndarray | None = None
        self.requires_grad = requires_grad
        self._edges: tuple = ()  # (parent, slope) for each parent that needs a gradient

    # What it is ------------------------------------------------------------------------------------------------------
    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    dtype = property(lambda self: self.data.dtype)

    def numpy(self) -> np.ndarray:
        """The array itself, not a copy."""
        return self.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """What np.asarray(tensor) gives."""
        return np.array(self.data, dtype, copy=copy)

    def item(self) -> Any:
        """The only element, as a Python number."""
        return self.data.item()

    def detach(self) -> Tensor:
        """The same array, cut off from how it was computed."""
        return Tensor(self.data)

    def argmax(self, axis: int | None = None) -> Tensor:
        return Tensor(self.data.argmax(axis))

    def __repr__(self) -> str:
        text = np.array2string(self.data, precision=4, separator=", ", prefix="tensor(")
        return f"tensor({text}{', requires_grad=True' if self.requires_grad else ''})"

    def __len__(self) -> int:
        return len(self.data)

    def __float__(self) -> float:
        return float(self.item())

    def __bool__(self) -> bool:
        return bool(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    # Operations: each is a rule of minilib.scratch.rules -------------------------------------------------------------
    __add__ = __radd__ = differentiable(rules.add)
    __sub__ = differentiable(rules.sub)
    __mul__ = __rmul__ = differentiable(rules.mul)
    __truediv__ = differentiable(rules.div)
    __pow__ = differentiable(rules.pow)
    __matmul__ = differentiable(rules.matmul)
    __neg__ = differentiable(rules.neg)
    __abs__ = abs = differentiable(rules.abs)
    exp = differentiable(rules.exp)
    log = differentiable(rules.log)
    sqrt = differentiable(rules.sqrt)
    tanh = differentiable(rules.tanh)
    sigmoid = differentiable(rules.sigmoid)
    relu = differentiable(rules.relu)
    sum = differentiable(rules.sum)
    mean = differentiable(rules.mean)
    var = differentiable(rules.var)
    max = differentiable(rules.max)
    min = differentiable(rules.min)
    to = differentiable(rules.to)

    def __rsub__(self, other: Any) -> Tensor:
        return Tensor.__sub__(other, self)

    def __rtruediv__(self, other: Any) -> Tensor:
        return Tensor.__truediv__(other, self)

    def __rpow__(self, other: Any) -> Tensor:
        return Tensor.__pow__(other, self)

    def __rmatmul__(self, other: Any) -> Tensor:
        return Tensor.__matmul__(other, self)

    def __getitem__(self, index: Any) -> Tensor:
        plain = tuple(map(_array, index)) if isinstance(index, tuple) else _array(index)
        return _getitem(self, index=plain)

    # Comparisons: booleans have no gradient --------------------------------------------------------------------------
    def __lt__(self, other: Any) -> Tensor:
        return Tensor(self.data < _array(other))

    def __le__(self, other: Any) -> Tensor:
        return Tensor(self.data <= _array(other))

    def __gt__(self, other: Any) -> Tensor:
        return Tensor(self.data > _array(other))

    def __ge__(self, other: Any) -> Tensor:
        return Tensor(self.data >= _array(other))

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return Tensor(self.data == _array(other))

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return Tensor(self.data != _array(other))

    __hash__ = object.__hash__

    # Shape -----------------------------------------------------------------------------------------------------------
    def reshape(self, *shape: Any) -> Tensor:
        return _reshape(self, shape=_flat(shape))

    def permute(self, *dims: Any) -> Tensor:
        return _permute(self, dims=_flat(dims))

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """Two axes exchanged, as in torch; NumPy's transpose of all axes is `permute`."""
        dims = list(range(self.ndim))
        dims[dim0], dims[dim1] = dims[dim1], dims[dim0]
        return _permute(self, dims=tuple(dims))

    @property
    def T(self) -> Tensor:
        return _permute(self, dims=tuple(reversed(range(self.ndim))))

    def backward(self, gradient: Any = None) -> None:
        """Add to every tensor that this one was computed from (and requires a gradient) its gradient.

        gradient: that of the final result with respect to this tensor, same shape; 1 if this *is* the result.
        Raises RuntimeError if there is nothing to differentiate, if this tensor has more than one element and no
        gradient is given, or if its graph has been used before: `backward` frees it.
        """
        if not self.requires_grad:
            raise RuntimeError("nothing to differentiate: no tensor in this computation has requires_grad=True")
        if gradient is None and self.data.size != 1:
            raise RuntimeError(
                f"backward needs one number to start from, got shape {self.shape}: reduce it first, "
                "as in loss.mean().backward(), or pass gradient= of that shape"
            )
        start = np.ones_like(self.data) if gradient is None else np.asarray(_array(gradient), self.dtype)
        if start.shape != self.shape:
            raise ValueError(f"gradient must have the tensor's shape {self.shape}, got {start.shape}")
        propagate(self, start)


@contextmanager
def no_grad() -> Iterator[None]:
    """Within it, or within a function decorated by `@no_grad()`, results do not remember how they came about."""
    global _recording
    before, _recording = _recording, False
    try:
        yield
    finally:
        _recording = before


maximum = differentiable(rules.maximum)
minimum = differentiable(rules.minimum)
where = differentiable(rules.where)
_concatenate = differentiable(rules.concatenate)
_stack = differentiable(rules.stack)


def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Tensors joined along an axis that they have."""
    return _concatenate(*tensors, axis=axis)


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis."""
    return _stack(*tensors, axis=axis)
