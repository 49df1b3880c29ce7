"""Optimisers under the names and formulas of torch.optim: (parameters, gradients, state) → parameters.

Derived in: notebooks/05_optimisers.ipynb
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from minilib.scratch.nn import Parameter

State = dict[str, Any]


class Optimizer:
    """Base: holds the parameters, the settings (`lr` among them) and an array or two of memory per parameter.

    A subclass lists its settings with their defaults in `settings` and changes one parameter in `update`.
    Raises TypeError for an unknown setting, naming the one that was probably meant.
    """

    settings: ClassVar[Mapping[str, Any]] = {}
    memory: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: Iterable[Parameter], lr: float, **settings: Any):
        self.params = list(params)
        if not self.params:
            raise ValueError("no parameters to optimise: pass model.parameters(), a fresh one if it was used up before")
        if lr < 0:
            raise ValueError(f"the learning rate lr must not be negative, got {lr}")
        for name in settings:
            if name not in self.settings:
                raise TypeError(self._unknown(name))
        self.lr = lr
        self.options = {**self.settings, **settings}
        self.steps = 0
        self.state: dict[str, list[np.ndarray]] = {
            name: [np.zeros_like(p.data) for p in self.params] for name in self.memory
        }

    def _unknown(self, name: str) -> str:
        close = difflib.get_close_matches(name, self.settings, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else "."
        return f"{type(self).__name__} has no setting {name!r}{meant} It takes lr, {', '.join(self.settings)}"

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        self.steps += 1
        for i, p in enumerate(self.params):
            if p.grad is not None:
                self.update(p, p.grad, *(self.state[name][i] for name in self.memory))

    def update(self, p: Parameter, grad: np.ndarray, *memory: np.ndarray) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define update(self, p, grad, *memory)")

    def state_dict(self) -> State:
        """All that a later run needs to go on from here, as numbers and arrays (copied)."""
        arrays = {f"{name}.{i}": a.copy() for name in self.memory for i, a in enumerate(self.state[name])}
        return {"lr": self.lr, "steps": self.steps, **arrays}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        missing = self.state_dict().keys() ^ state.keys()
        if missing:
            raise ValueError(f"this state is of another optimiser or network: {sorted(missing)} are on one side only")
        self.lr, self.steps = float(state["lr"]), int(state["steps"])
        for name in self.memory:
            for i, a in enumerate(self.state[name]):
                a[...] = state[f"{name}.{i}"]


class SGD(Optimizer):
    """p ← p − lr · v with v ← momentum · v + gradient (+ weight_decay · p).

    As torch.optim.SGD. Derived in: notebooks/05_optimisers.ipynb
    """

    settings: ClassVar = {
        "momentum": 0.0,
        "weight_decay": 0.0,
        "nesterov": False,
    }
    memory = ("velocity",)

    def __init__(
        self, params: Iterable[Parameter], lr: float = 1e-3, **settings: Any
    ):  # fmt: skip
        super().__init__(params, lr, **settings)
        if self.options["nesterov"] and not self.options["momentum"]:
            raise ValueError("nesterov=True needs momentum > 0, to look ahead")

    def update(
        self, p: Parameter, grad: np.ndarray, *memory: np.ndarray
    ) -> None:  # fmt: skip
        (velocity,) = memory
        momentum = self.options["momentum"]
        if decay := self.options["weight_decay"]:
            grad = grad + decay * p.data
        if momentum:
            velocity *= momentum
            velocity += grad
            ahead = self.options["nesterov"]
            grad = grad + momentum * velocity if ahead else velocity
        p.data -= self.lr * grad


class Adam(Optimizer):
    """Steps of the size lr · m̂/(√v̂ + eps), m and v running means of gradient and squared gradient.

    Kingma & Ba 2015, algorithm 1, as torch.optim.Adam; weight_decay is added to the gradient.
    Derived in: notebooks/05_optimisers.ipynb
    """

    settings: ClassVar = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}
    memory = ("mean", "square")

    def __init__(self, params: Iterable[Parameter], lr: float = 1e-3, **settings: Any):
        super().__init__(params, lr, **settings)

    def update(self, p: Parameter, grad: np.ndarray, *memory: np.ndarray) -> None:
        if self.options["weight_decay"]:
            grad = grad + self.options["weight_decay"] * p.data
        self._move(p, grad, *memory)

    def _move(self, p: Parameter, grad: np.ndarray, mean: np.ndarray, square: np.ndarray) -> None:
        beta1, beta2 = self.options["betas"]
        mean *= beta1
        mean += (1 - beta1) * grad
        square *= beta2
        square += (1 - beta2) * grad * grad
        # both start at zero and are too small at first: divide by what they have seen of 1 so far
        step = self.lr / (1 - beta1**self.steps)
        spread = np.sqrt(square)
        spread /= math.sqrt(1 - beta2**self.steps)
        spread += self.options["eps"]
        p.data -= step * mean / spread


class AdamW(Adam):
    """Adam with decay taken from the weight itself, not through the gradient (Loshchilov & Hutter 2019).

    Derived in: notebooks/05_optimisers.ipynb
    """

    settings: ClassVar = {**Adam.settings, "weight_decay": 1e-2}

    def update(self, p: Parameter, grad: np.ndarray, *memory: np.ndarray) -> None:
        p.data *= 1 - self.lr * self.options["weight_decay"]
        self._move(p, grad, *memory)


def clip_grad_norm_(parameters: Iterable[Parameter], max_norm: float) -> float:
    """Scale all gradients together so that their joint length is at most max_norm; returns the length before.

    Derived in: notebooks/05_optimisers.ipynb
    """
    held = [(p, p.grad) for p in parameters if p.grad is not None]
    total = math.sqrt(sum(float(np.vdot(g, g)) for _, g in held))
    if total > max_norm:
        for p, g in held:
            p.grad = g * np.asarray(max_norm / (total + 1e-6), p.dtype)
    return total
