"""The networks of chapters 07, 08 and 10 in HIPS autograd, and the matrix products that no engine can do without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import value_and_grad

from benchmarks.engine import Step
from minilib.config import GPTConfig

Array = np.ndarray
Forward = Callable[[list, Array], Any]


def weights(*shapes: tuple[int, ...]) -> list[Array]:
    """Small random weights; how they start does not change how long a step takes."""
    rng = np.random.default_rng(0)
    return [(0.05 * rng.standard_normal(shape)).astype(np.float32) for shape in shapes]


def adam_step(forward: Forward, params: list[Array], x: Array, y: Array) -> Step:
    """Cross-entropy, its gradient by autograd, and Adam's update in NumPy."""
    rows, state = np.arange(len(y)), [[np.zeros_like(p) for p in params] for _ in range(2)]

    def loss(p: list) -> Any:
        logits = forward(p, x)
        shifted = logits - anp.max(logits, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(shifted), axis=1)) - shifted[rows, y])

    both, count = value_and_grad(loss), 0

    def step() -> float:
        nonlocal count
        count += 1
        value, gradients = both(params)
        for p, g, mean, square in zip(params, gradients, *state, strict=True):
            mean += 0.1 * (g - mean)
            square += 0.001 * (g * g - square)
            p -= 1e-3 * (mean / (1 - 0.9**count)) / (np.sqrt(square / (1 - 0.999**count)) + 1e-8)
        return float(value)

    return step


# Convolution --------------------------------------------------------------------------------------------------------
def _convolve(x: Any, kernels: Any, bias: Any) -> Any:
    """A padded 3 × 3 convolution as one product over nine shifted pictures."""
    height, width = x.shape[2:]
    padded = anp.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], "constant")
    shifts = [padded[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    patches = anp.stack(shifts, axis=2)  # (B, C, 9, H, W)
    flat = kernels.reshape(*kernels.shape[:2], 9)
    return anp.transpose(anp.tensordot(patches, flat, axes=([1, 2], [1, 2])), (0, 3, 1, 2)) + bias[:, None, None]


def _pool(x: Any) -> Any:
    batch, channels, height, width = x.shape
    return anp.max(x.reshape(batch, channels, height // 2, 2, width // 2, 2), axis=(3, 5))


def cnn(p: list, x: Array) -> Any:
    h = anp.maximum(_pool(_convolve(x, p[0], p[1])), 0)
    h = anp.maximum(_pool(_convolve(h, p[2], p[3])), 0)
    return anp.dot(h.reshape(len(x), -1), p[4]) + p[5]


# Recurrence ---------------------------------------------------------------------------------------------------------
def _sigmoid(z: Any) -> Any:
    return 0.5 + 0.5 * anp.tanh(0.5 * z)


def lstm(p: list, x: Array) -> Any:
    w_ih, w_hh, b, head, head_bias = p
    batch, steps, width = x.shape
    gates = anp.dot(x.reshape(-1, width), w_ih).reshape(batch, steps, -1) + b
    h = c = np.zeros((batch, w_hh.shape[0]), np.float32)
    states = []
    for t in range(steps):
        i, f, g, o = anp.split(gates[:, t] + anp.dot(h, w_hh), 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * anp.tanh(g)
        h = _sigmoid(o) * anp.tanh(c)
        states.append(h)
    return anp.dot(anp.stack(states, axis=1).reshape(batch * steps, -1), head) + head_bias


# Attention ----------------------------------------------------------------------------------------------------------
def _norm(x: Any, scale: Any, shift: Any) -> Any:
    centred = x - anp.mean(x, axis=-1, keepdims=True)
    return centred / anp.sqrt(anp.mean(centred * centred, axis=-1, keepdims=True) + 1e-5) * scale + shift


def _attend(x: Any, p: list, heads: int) -> Any:
    batch, steps, width = x.shape
    packed = (anp.dot(x, p[0]) + p[1]).reshape(batch, steps, 3, heads, width // heads)
    q, k, v = anp.transpose(packed, (2, 0, 3, 1, 4))
    hidden = np.triu(np.full((steps, steps), -1e9, np.float32), 1)
    scores = anp.matmul(q, anp.swapaxes(k, -1, -2)) / np.float32(np.sqrt(width // heads)) + hidden
    shares = anp.exp(scores - anp.max(scores, axis=-1, keepdims=True))
    shares = shares / anp.sum(shares, axis=-1, keepdims=True)
    found = anp.transpose(anp.matmul(shares, v), (0, 2, 1, 3)).reshape(batch, steps, width)
    return anp.dot(found, p[2]) + p[3]


def _gelu(x: Any) -> Any:
    return 0.5 * x * (1 + anp.tanh(np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x * x * x)))


def gpt(config: GPTConfig) -> tuple[list[Array], Forward]:
    """Its weights, and the function from them and ids to logits."""
    width, wide, vocabulary = config.d_model, 4 * config.d_model, config.vocab_size
    block = [(width,), (width,), (width, 3 * width), (3 * width,), (width, width), (width,),
             (width,), (width,), (width, wide), (wide,), (wide, width), (width,)]  # fmt: skip
    params = weights(
        (vocabulary, width), (config.context, width), *block * config.num_layers,
        (width,), (width,), (width, vocabulary), (vocabulary,),
    )  # fmt: skip

    def forward(p: list, ids: Array) -> Any:
        x = p[0][ids] + p[1]
        for at in range(2, 2 + 12 * config.num_layers, 12):
            q = p[at : at + 12]
            x = x + _attend(_norm(x, q[0], q[1]), q[2:6], config.nhead)
            x = x + anp.dot(_gelu(anp.dot(_norm(x, q[6], q[7]), q[8]) + q[9]), q[10]) + q[11]
        return (anp.dot(_norm(x, p[-4], p[-3]), p[-2]) + p[-1]).reshape(-1, vocabulary)

    return params, forward


# The floor ----------------------------------------------------------------------------------------------------------
Product = tuple[tuple[int, ...], tuple[int, ...]]


def layer(rows: int, n_in: int, n_out: int, inputs: bool = True) -> Iterator[Product]:
    """A layer's products: forward, for its weights and, if its inputs need a gradient, for them."""
    yield (rows, n_in), (n_in, n_out)
    yield (n_in, rows), (rows, n_out)
    if inputs:
        yield (rows, n_out), (n_out, n_in)


def cnn_products() -> list[Product]:
    return [*layer(64 * 784, 9, 16, inputs=False), *layer(64 * 196, 16 * 9, 32), *layer(64, 1568, 10)]


def lstm_products() -> list[Product]:
    whole = [*layer(64 * 32, 128, 512, inputs=False), *layer(64 * 32, 128, 27)]
    return [*whole, ((128, 64 * 32), (64 * 32, 512)), *64 * [((32, 128), (128, 512)), ((32, 512), (512, 128))]]


def gpt_products(config: GPTConfig, batch: int) -> list[Product]:
    steps, width, heads = config.context, config.d_model, config.nhead
    rows, narrow = batch * steps, (batch, heads, steps, width // heads)
    turned, square = (batch, heads, width // heads, steps), (batch, heads, steps, steps)
    attention = [(narrow, turned), (square, narrow)] * 3  # scores and values, and their gradients: six in all
    widths = ((width, 3 * width), (width, width), (width, 4 * width), (4 * width, width))
    block = [product for n_in, n_out in widths for product in layer(rows, n_in, n_out)] + attention
    return block * config.num_layers + [*layer(rows, width, config.vocab_size)]


def floor_step(products: list[Product]) -> Step:
    """Nothing but the matrix products of one training step."""
    made: dict[tuple[int, ...], Array] = {}
    rng = np.random.default_rng(0)
    for shape in {shape for pair in products for shape in pair}:
        made[shape] = rng.standard_normal(shape).astype(np.float32)
    pairs = [(made[a], made[b]) for a, b in products]

    def step() -> float:
        for a, b in pairs:
            a @ b
        return 0.0

    return step
