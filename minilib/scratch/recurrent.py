"""Recurrent layers: a whole sequence forward, and back-propagation through time by hand.

What does not depend on the step before is done for all steps at once, outside the loops: the products with the inputs,
the local derivatives, the products that make the gradients of the weights. Gates stand in torch's order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from minilib.scratch import init
from minilib.scratch.module import Module, Parameter
from minilib.scratch.rules import Array, Rule, once
from minilib.scratch.tensor import Tensor, differentiable

Back = Callable[[Array], tuple[Array, ...]]


@differentiable
def _rnn(x: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array, h0: Array) -> Rule:
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh): x (T, B, D), h0 (B, H) → every h_t (T, B, H)."""
    states = np.concatenate([h0[None], _project(x, weight_ih, bias_ih + bias_hh)])
    recurrent = np.ascontiguousarray(weight_hh.T)
    for before, state in pairwise(states):
        state += before @ recurrent
        np.tanh(state, out=state)

    def back(g: Array) -> tuple[Array, ...]:
        signals, carried = 1 - states[1:] ** 2, np.zeros_like(h0)
        for t in reversed(range(len(g))):
            signals[t] *= g[t] + carried
            carried = signals[t] @ weight_hh
        return signals, signals, carried

    return states[1:], _slopes(back, x, states[:-1], weight_ih)


@differentiable
def _gru(x: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array, h0: Array) -> Rule:
    """h_t = (1 − z) n + z h_{t−1}, gates r and z, n = tanh(… + r (W_hn h_{t−1} + b_hn)); shapes as in `_rnn`.

    Cho et al. 2014, with the reset gate behind the product with h, as in torch.
    """
    steps, (batch, width) = len(x), h0.shape
    gates = _project(x, weight_ih, bias_ih).reshape(steps, batch, 3, width)  # in place: r, z, n
    states, offered = np.empty((steps + 1, batch, width), x.dtype), np.empty((steps, batch, width), x.dtype)
    states[0], recurrent = h0, np.ascontiguousarray(weight_hh.T)
    for t in range(steps):
        hidden = (states[t] @ recurrent + bias_hh).reshape(batch, 3, width)
        gates[t, :, :2] = 0.5 + 0.5 * np.tanh(0.5 * (gates[t, :, :2] + hidden[:, :2]))
        offered[t] = hidden[:, 2]
        reset, update, new = gates[t].swapaxes(0, 1)
        np.tanh(new + reset * offered[t], out=new)
        states[t + 1] = new + update * (states[t] - new)
    back = _gru_back(gates, states, offered, weight_hh)
    return states[1:], _slopes(back, x, states[:-1], weight_ih)


def _gru_back(gates: Array, states: Array, offered: Array, weight_hh: Array) -> Back:
    def back(g: Array) -> tuple[Array, ...]:
        reset, update, new = np.moveaxis(gates, 2, 0)
        at_new = (1 - update) * (1 - new * new)
        at_update = (states[:-1] - new) * update * (1 - update)
        at_hidden = np.stack([at_new * offered * reset * (1 - reset), at_update, at_new * reset], 2)
        carried = np.zeros_like(states[0])
        for t in reversed(range(len(g))):
            carried = g[t] + carried
            at_hidden[t] *= carried[:, None]
            at_new[t] *= carried
            carried = carried * update[t] + at_hidden[t].reshape(-1, len(weight_hh)) @ weight_hh
        at_input = at_hidden.copy()
        at_input[:, :, 2] = at_new
        return at_input, at_hidden, carried

    return back


@differentiable
def _lstm(x: Array, weight_ih: Array, weight_hh: Array, bias_ih: Array, bias_hh: Array, h0: Array, c0: Array) -> Rule:
    """c_t = f c_{t−1} + i g and h_t = o tanh(c_t), gates i, f, g, o: → every h_t, then the last c_t, (T + 1, B, H).

    Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.
    """
    steps, (batch, width) = len(x), h0.shape
    scale, shift = _half(x.dtype)  # σ(z) = ½ tanh(½ z) + ½: one tanh for all four gates
    half = np.repeat(scale, width)
    gates = _project(x, weight_ih * half[:, None], (bias_ih + bias_hh) * half).reshape(steps, batch, 4, width)
    recurrent = np.ascontiguousarray((weight_hh * half[:, None]).T)
    states, cells = np.empty((steps + 2, batch, width), x.dtype), np.empty((steps + 1, batch, width), x.dtype)
    states[0], cells[0], squashed = h0, c0, np.empty((steps, batch, width), x.dtype)
    for t in range(steps):
        gates[t] += (states[t] @ recurrent).reshape(batch, 4, width)
        np.tanh(gates[t], out=gates[t])
        gates[t] *= scale
        gates[t] += shift
        write, keep, new, show = gates[t].swapaxes(0, 1)
        np.multiply(keep, cells[t], out=cells[t + 1])
        cells[t + 1] += write * new
        np.tanh(cells[t + 1], out=squashed[t])
        np.multiply(show, squashed[t], out=states[t + 1])
    states[-1] = cells[-1]
    back = _lstm_back(gates, cells, squashed, weight_hh)
    return states[1:], _slopes(back, x, states[:-2], weight_ih)


def _half(dtype: Any) -> tuple[Array, Array]:
    """Scale and shift (4, 1) that turn a tanh into the sigmoid for i, f and o and leave it for g."""
    return np.array([[0.5], [0.5], [1], [0.5]], dtype), np.array([[0.5], [0.5], [0], [0.5]], dtype)


def _lstm_back(gates: Array, cells: Array, squashed: Array, weight_hh: Array) -> Back:
    def back(g: Array) -> tuple[Array, ...]:
        scale, shift = _half(gates.dtype)
        signals, carried, at_cell = np.empty_like(gates), np.zeros_like(cells[0]), g[-1]
        for t in reversed(range(len(gates))):
            write, keep, new, show = gates[t].swapaxes(0, 1)
            carried = carried + g[t]
            at_cell = at_cell + carried * show * (1 - squashed[t] * squashed[t])
            factors = ((at_cell, new), (at_cell, cells[t]), (at_cell, write), (carried, squashed[t]))
            for gate, (one, other) in enumerate(factors):
                np.multiply(one, other, out=signals[t, :, gate])
            signals[t] *= scale**2 - (gates[t] - shift) ** 2  # a gate's own slope: σ (1 − σ), for g 1 − tanh²
            carried = signals[t].reshape(-1, len(weight_hh)) @ weight_hh
            at_cell = at_cell * keep
        return signals, signals, carried, at_cell

    return back


def _project(x: Array, weight: Array, bias: Array) -> Array:
    """The inputs' share in what comes in, for all steps in one product: (T, B, D) → (T, B, gates · H)."""
    value = x.reshape(-1, x.shape[-1]) @ weight.T
    value += bias
    return value.reshape(*x.shape[:2], len(weight))


def _slopes(back: Back, x: Array, before: Array, weight_ih: Array) -> tuple[Callable[[Array], Array], ...]:
    """The slopes towards a rule's arguments; back: g → the signals at W_ih x + b_ih, W_hh h + b_hh, h0 (and c0)."""
    back = once(back)

    def rows(g: Array, which: int) -> Array:
        return back(g)[which].reshape(-1, len(weight_ih))

    return (
        lambda g: (rows(g, 0) @ weight_ih).reshape(x.shape),
        lambda g: rows(g, 0).T @ x.reshape(-1, x.shape[-1]),
        lambda g: rows(g, 1).T @ before.reshape(-1, before.shape[-1]),
        lambda g: rows(g, 0).sum(axis=0),
        lambda g: rows(g, 1).sum(axis=0),
        lambda g: back(g)[2],
        lambda g: back(g)[3],
    )


# Modules -------------------------------------------------------------------------------------------------------------
class _Recurrent(Module):
    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, *, batch_first: bool = False, rng: np.random.Generator | None = None
    ):
        rng = rng or np.random.default_rng()
        self.input_size, self.hidden_size, self.batch_first = input_size, hidden_size, batch_first
        rows = self.gates * hidden_size
        self.weight_ih_l0 = Parameter(np.empty((rows, input_size), np.float32))
        self.weight_hh_l0 = Parameter(np.empty((rows, hidden_size), np.float32))
        self.bias_ih_l0 = Parameter(np.empty(rows, np.float32))
        self.bias_hh_l0 = Parameter(np.empty(rows, np.float32))
        for parameter in self.parameters():
            init.uniform_(parameter, -1 / math.sqrt(hidden_size), 1 / math.sqrt(hidden_size), rng=rng)

    def _run(self, operation: Callable[..., Tensor], x: Tensor, states: tuple[Any, ...], count: int) -> Tensor:
        """What the operation gives for x, steps first, starting from `count` states (1, B, H), zeros by default."""
        name = type(self).__name__
        if x.ndim != 3 or x.shape[-1] != self.input_size or x.shape[self.batch_first] == 0:
            axes = "(B, T, D)" if self.batch_first else "(T, B, D)"
            raise ValueError(f"{name} needs {axes} with D = {self.input_size} and at least one step, got {x.shape}")
        x = x.transpose(0, 1) if self.batch_first else x
        needed = (1, x.shape[1], self.hidden_size)
        for state in states:
            if state.shape != needed:
                raise ValueError(f"{name}: a state has shape (1, B, H) = {needed}, got {state.shape}")
        starts = [state[0] for state in states] or [np.zeros(needed[1:], x.dtype)] * count
        return operation(x, self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0, *starts)

    def _batched(self, output: Tensor) -> Tensor:
        return output.transpose(0, 1) if self.batch_first else output

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + (", batch_first=True" if self.batch_first else "")


class RNN(_Recurrent):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh), one layer.

    forward(x (T, B, D), h_0 (1, B, H) = zeros) → every h_t (T, B, H) and the last (1, B, H); with batch_first=True, x
    and the outputs are (B, T, …). Raises ValueError for other shapes.
    Derived in: notebooks/08_sequences.ipynb
    """

    def forward(self, x: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output = self._run(_rnn, x, () if hx is None else (hx,), 1)
        return self._batched(output), output[-1:]


class GRU(_Recurrent):
    """A memory with a gate that overwrites and a gate that ignores it, one layer; used as `RNN`.

    Rows of weights and biases: reset, update, new, as in torch.
    Derived in: notebooks/08_sequences.ipynb
    """

    gates = 3

    def forward(self, x: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output = self._run(_gru, x, () if hx is None else (hx,), 1)
        return self._batched(output), output[-1:]


class LSTM(_Recurrent):
    """A memory cell behind three gates, one layer; used as `RNN`, but the state is a pair (h, c), (1, B, H) each.

    Rows of weights and biases: input, forget, cell, output, as in torch; bias_ih and bias_hh add up.
    Derived in: notebooks/08_sequences.ipynb
    """

    gates = 4

    def forward(
        self, x: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:  # fmt: skip
        both = self._run(_lstm, x, hx or (), 2)
        return self._batched(both[:-1]), (both[-2:-1], both[-1:])
