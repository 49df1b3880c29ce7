"""Networks as objects that hold their parameters, under the names of torch.nn.

Derived in: notebooks/04_multilayer_perceptrons.ipynb
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minilib.scratch import functional as F
from minilib.scratch import init
from minilib.scratch.tensor import Tensor


class Parameter(Tensor):
    """A tensor that a Module owns and an optimiser changes."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(data, requires_grad)


class Module:
    """Base of every network: attributes that are parameters or modules are found by themselves, in order.

    A subclass sets them in `__init__` and computes in `forward`; call the module, not `forward`.
    """

    training = True

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, ...)")

    def __call__(self, *inputs: Any) -> Any:
        return self.forward(*inputs)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return ((name, x) for name, x in vars(self).items() if isinstance(x, Module))

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        yield self
        for _, child in self.named_children():
            yield from child.modules()

    def named_parameters(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """Every parameter with its dotted name; one that is shared comes once, unless asked for under each name."""
        seen: set[int] = set()
        for name, x in self._all_parameters(prefix):
            if not (remove_duplicate and id(x) in seen):
                seen.add(id(x))
                yield name, x

    def _all_parameters(self, prefix: str) -> Iterator[tuple[str, Parameter]]:
        for name, x in vars(self).items():
            if isinstance(x, Parameter):
                yield prefix + name, x
        for name, child in self.named_children():
            yield from child._all_parameters(f"{prefix}{name}.")

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Module:
        """Switch dropout and its like on (or, with `mode=False`, off)."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        return self.train(False)

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of every parameter by name; the names are torch's."""
        return {name: parameter.data.copy() for name, parameter in self._all_parameters("")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy values into the parameters; raises ValueError, and changes nothing, unless names and shapes fit."""
        own = dict(self._all_parameters(""))
        arrays = {name: np.asarray(x) for name, x in state.items()}
        faults = [f"{name} is missing" for name in own if name not in arrays]
        faults += [f"{name} is not in this network" for name in arrays if name not in own]
        faults += [
            f"{name} has shape {arrays[name].shape}, needed {own[name].shape}"
            for name in own
            if name in arrays and arrays[name].shape != own[name].shape
        ]
        if faults:
            raise ValueError("the weights do not fit this network: " + "; ".join(faults))
        for name, parameter in own.items():
            parameter.data[...] = arrays[name]

    def extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        inner = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        if inner:
            return f"{type(self).__name__}(\n  " + "\n  ".join(inner) + "\n)"
        return f"{type(self).__name__}({self.extra_repr()})"


class Sequential(Module):
    """Modules applied one after the other.

    Derived in: notebooks/04_multilayer_perceptrons.ipynb
    """

    def __init__(self, *modules: Module):
        for i, module in enumerate(modules):
            setattr(self, str(i), module)

    def forward(self, x: Any) -> Any:
        for _, module in self.named_children():
            x = module(x)
        return x

    def __getitem__(self, index: int) -> Module:
        return [module for _, module in self.named_children()][index]

    def __len__(self) -> int:
        return sum(1 for _ in self.named_children())


class Linear(Module):
    """x @ weight.T + bias: weight (out_features, in_features), bias (out_features,), started as torch starts them.

    Derived in: notebooks/04_multilayer_perceptrons.ipynb
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, rng: np.random.Generator | None = None
    ):
        rng = rng or np.random.default_rng()
        self.in_features, self.out_features = in_features, out_features
        self.weight = Parameter(np.empty((out_features, in_features), np.float32))
        init.kaiming_uniform_(self.weight, a=math.sqrt(5), rng=rng)
        self.bias = Parameter(np.empty(out_features, np.float32)) if bias else None
        if self.bias is not None:
            bound = 1 / math.sqrt(in_features)
            init.uniform_(self.bias, -bound, bound, rng=rng)

    def forward(self, x: Any) -> Tensor:
        return F.linear(x, self.weight) if self.bias is None else F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class ReLU(Module):
    def forward(self, x: Any) -> Tensor:
        return F.relu(x)


class LeakyReLU(Module):
    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Tensor:
        return F.leaky_relu(x, negative_slope=self.negative_slope)


class GELU(Module):
    def __init__(self, approximate: str = "none"):
        self.approximate = approximate

    def forward(self, x: Any) -> Tensor:
        return F.gelu(x, approximate=self.approximate)


class Sigmoid(Module):
    def forward(self, x: Any) -> Tensor:
        return F.sigmoid(x)


class Tanh(Module):
    def forward(self, x: Any) -> Tensor:
        return F.tanh(x)


class Flatten(Module):
    """(B, ...) → (B, the product of the rest)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))


class Dropout(Module):
    """While training, zero each element with probability p and scale the rest up, so that the mean stays."""

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | None = None):
        if not 0 <= p < 1:
            raise ValueError(f"p is the share of elements dropped: needed 0 ≤ p < 1, got {p}")
        self.p, self.rng = p, rng or np.random.default_rng()

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training, rng=self.rng)

    def extra_repr(self) -> str:
        return f"p={self.p}"
