"""Functions of tensors under the names of torch.nn.functional: activations, softmax and losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from minilib.scratch import rules
from minilib.scratch.rules import Array, Rule
from minilib.scratch.tensor import Tensor, differentiable

relu = differentiable(rules.relu)
leaky_relu = differentiable(rules.leaky_relu)
gelu = differentiable(rules.gelu)
sigmoid = differentiable(rules.sigmoid)
tanh = differentiable(rules.tanh)
softplus = differentiable(rules.softplus)
softmax = differentiable(rules.softmax)
log_softmax = differentiable(rules.log_softmax)
logsumexp = differentiable(rules.logsumexp)


@differentiable
def linear(x: Array, weight: Array, bias: Array | None = None) -> Rule:
    """x @ weight.T + bias in one step.

    x (..., in), weight (out, in), bias (out,) → (..., out).
    Derived in: notebooks/03_backpropagation.ipynb
    """
    out, in_ = weight.shape
    if x.shape[-1] != in_:
        raise ValueError(f"linear: weight {weight.shape} takes {in_} features, the input has shape {x.shape}")
    value = x @ weight.T
    if bias is not None:
        value += bias

    def slope_weight(g: Array) -> Array:
        return g.reshape(-1, out).T @ x.reshape(-1, in_)

    def slope_bias(g: Array) -> Array:
        return np.add.reduce(g.reshape(-1, out), axis=0)

    return value, (lambda g: g @ weight, slope_weight, slope_bias)


def one_hot(targets: Any, num_classes: int) -> np.ndarray:
    """Integers (...) in [0, num_classes) as rows (..., num_classes) of one 1 and zeros."""
    return np.eye(num_classes, dtype=np.float32)[_labels(targets, num_classes)]


def cross_entropy(logits: Tensor, targets: Any) -> Tensor:
    """Mean negative log-likelihood, in nats per target.

    logits (B, V), targets (B,) ints in [0, V). Raises ValueError if a target is out of range.
    Derived in: notebooks/02_gradient_descent.ipynb
    """
    if logits.ndim != 2 or np.shape(_plain(targets)) != logits.shape[:1]:
        raise ValueError(
            f"cross_entropy needs logits (B, V) and targets (B,), got {logits.shape} and {np.shape(_plain(targets))}: "
            "reshape(-1, V) and reshape(-1) first"
        )
    return _cross_entropy(logits, targets=_labels(targets, logits.shape[1]))


@differentiable
def _cross_entropy(logits: Array, targets: np.ndarray) -> Rule:
    rows = np.arange(len(logits))
    value = logits - np.maximum.reduce(logits, axis=1, keepdims=True)
    picked = value[rows, targets]
    probabilities = np.exp(value, out=value)
    total = np.add.reduce(probabilities, axis=1, keepdims=True)
    loss = np.add.reduce(np.log(total[:, 0]) - picked) / len(rows)

    def slope(g: Array) -> Array:
        gradient = probabilities / total  # softmax minus one-hot, over B
        gradient[rows, targets] -= 1
        gradient *= g / len(rows)
        return gradient

    return loss, (slope,)


def mse_loss(input: Tensor, target: Any) -> Tensor:
    """Mean squared difference of two tensors of one shape."""
    return ((input - _fitting("mse_loss", input, target)) ** 2).mean()


def binary_cross_entropy_with_logits(input: Tensor, target: Any) -> Tensor:
    """Mean negative log-likelihood of yes (1) or no (0), from the score before the sigmoid, in nats.

    input and target of one shape. Finite for scores of any size: softplus(z) − y z.
    Derived in: notebooks/02_gradient_descent.ipynb
    """
    target = _fitting("binary_cross_entropy_with_logits", input, target)
    return (softplus(input) - input * target).mean()


def dropout(x: Tensor, p: float = 0.5, training: bool = True, *, rng: np.random.Generator) -> Tensor:
    """While training, zero each element with probability p and scale the others by 1 / (1 − p)."""
    if not 0 <= p < 1:
        raise ValueError(f"p is the share of elements dropped: needed 0 ≤ p < 1, got {p}")
    if not training or p == 0:
        return x
    kept = rng.random(x.shape, dtype=np.float32) >= p
    return x * (kept / np.asarray(1 - p, x.dtype)).astype(x.dtype)


def _fitting(loss: str, input: Tensor, target: Any) -> Any:
    """The target of a loss, of the input's shape and, unless it is a tensor, dtype: whole numbers must not promote."""
    shape = np.shape(_plain(target))
    if input.shape != shape:
        raise ValueError(f"{loss}: input {input.shape} and target {shape} differ in shape; reshape one of them")
    return target if isinstance(target, Tensor) else np.asarray(target, input.dtype)


def _plain(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def _labels(targets: Any, classes: int) -> np.ndarray:
    labels = np.asarray(_plain(targets))
    if labels.dtype.kind not in "iu":
        raise TypeError(f"targets must be integers, one class each, got {labels.dtype}")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        wrong = labels[(labels < 0) | (labels >= classes)].ravel()[0]
        raise ValueError(f"target {wrong} is out of range: with {classes} classes, targets are 0 to {classes - 1}")
    return labels
