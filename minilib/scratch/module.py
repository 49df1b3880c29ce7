"""What every network is made of: modules that find their parameters by themselves, under the names of torch.nn.

Derived in: notebooks/04_multilayer_perceptrons.ipynb
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minilib.scratch.tensor import Tensor


class Parameter(Tensor):
    """A tensor that a Module owns and an optimiser changes."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(data, requires_grad)


class Buffer(Tensor):
    """A tensor that a Module owns and no optimiser changes, such as a running mean; it is part of the state."""

    __slots__ = ()


class Module:
    """Base of every network: attributes that are parameters or modules are found by themselves, in order.

    A subclass sets them in `__init__` and computes in `forward`; call the module, not `forward`.
    """

    training = True

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, ...)")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self.forward(*inputs, **options)

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
        for name, x in self._all_state(prefix):
            if isinstance(x, Parameter) and not (remove_duplicate and id(x) in seen):
                seen.add(id(x))
                yield name, x

    def _all_state(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Every parameter and buffer under each of its names, in torch's order."""
        for kind in (Parameter, Buffer):
            yield from ((prefix + name, x) for name, x in vars(self).items() if isinstance(x, kind))
        for name, child in self.named_children():
            yield from child._all_state(f"{prefix}{name}.")

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def buffers(self) -> Iterator[Buffer]:
        return (x for _, x in self._all_state() if isinstance(x, Buffer))

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
        """A copy of every parameter and buffer by name; the names are torch's."""
        return {name: x.data.copy() for name, x in self._all_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy values into the network; raises ValueError, and changes nothing, unless names and shapes fit."""
        own = dict(self._all_state())
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
        for name, x in own.items():
            x.data[...] = arrays[name]

    def extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        inner = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        if inner:
            return f"{type(self).__name__}(\n  " + "\n  ".join(inner) + "\n)"
        return f"{type(self).__name__}({self.extra_repr()})"
