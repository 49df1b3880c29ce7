"""Functions of tensors under the names of torch.nn.functional: activations, layers, attention and losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from minilib.scratch import convolution, lookup, normalisation, rules
from minilib.scratch.gelu import gelu as gelu_rule
from minilib.scratch.rules import Array, Rule
from minilib.scratch.tensor import Tensor, differentiable

relu = differentiable(rules.relu)
leaky_relu = differentiable(rules.leaky_relu)
gelu = differentiable(gelu_rule)
sigmoid = differentiable(rules.sigmoid)
tanh = differentiable(rules.tanh)
softplus = differentiable(rules.softplus)
softmax = differentiable(rules.softmax)
log_softmax = differentiable(rules.log_softmax)
logsumexp = differentiable(rules.logsumexp)
conv2d = differentiable(convolution.conv2d)
max_pool2d = differentiable(convolution.max_pool2d)
avg_pool2d = differentiable(convolution.avg_pool2d)
_normalise = differentiable(normalisation.normalise)
_rms_norm = differentiable(normalisation.rms_norm)
_attention = differentiable(lookup.attention)
_self_attention = differentiable(lookup.self_attention)


@differentiable
def linear(x: Array, weight: Array, bias: Array | None = None) -> Rule:
    """x @ weight.T + bias in one step.

    x (..., in), weight (out, in), bias (out,) → (..., out).
    Derived in: notebooks/03_backpropagation.ipynb
    """
    out, in_ = weight.shape
    if x.shape[-1] != in_:
        raise ValueError(f"linear: weight {weight.shape} takes {in_} features, the input has shape {x.shape}")
    rows = x.reshape(-1, in_)  # one large product, not one for each sequence
    value = rows @ weight.T
    if bias is not None:
        value += bias

    def slope_x(g: Array) -> Array:
        return (g.reshape(-1, out) @ weight).reshape(x.shape)

    def slope_weight(g: Array) -> Array:
        return g.reshape(-1, out).T @ rows

    def slope_bias(g: Array) -> Array:
        return np.add.reduce(g.reshape(-1, out), axis=0)

    return value.reshape(*x.shape[:-1], out), (slope_x, slope_weight, slope_bias)


def embedding(input: Any, weight: Tensor) -> Tensor:
    """The rows of weight (V, D) that the ids (...) name: (..., D); a repeated id adds up its gradients.

    Raises TypeError for ids that are no integers, ValueError for an id outside [0, V).
    """
    return _embedding(weight, ids=_ids(input, len(weight)))


@differentiable
def _embedding(weight: Array, ids: np.ndarray) -> Rule:
    def slope(g: Array) -> Array:
        order = ids.argsort(axis=None, kind="stable")
        sorted_ids = ids.ravel()[order]
        # where the run of each id begins
        first = np.flatnonzero(np.diff(sorted_ids, prepend=-1))
        rows = g.reshape(-1, weight.shape[1])[order]
        gradient = np.zeros_like(weight)
        gradient[sorted_ids[first]] = np.add.reduceat(rows, first, axis=0)
        return gradient

    return weight[ids], (slope,)


def layer_norm(
    x: Tensor, normalized_shape: tuple[int, ...],
    weight: Any = None, bias: Any = None, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """The last axes brought to mean 0 and variance 1, then x · weight + bias.

    normalized_shape: of these axes. The variance is the biased one.
    Ba, Kiros & Hinton 2016, eq. 4. Raises ValueError if x ends otherwise.
    """
    axes = _last_axes("layer_norm", x, normalized_shape)
    weight = np.ones(normalized_shape, x.dtype) if weight is None else weight
    bias = np.zeros(normalized_shape, x.dtype) if bias is None else bias
    return _normalise(x, weight, bias, axes=axes, eps=eps)


def rms_norm(x: Tensor, normalized_shape: tuple[int, ...], weight: Any = None, eps: float | None = None) -> Tensor:
    """The last axes divided by the root of their mean square (plus eps), then x · weight (Zhang & Sennrich 2019).

    eps: None means np.finfo(x.dtype).eps, as in torch.
    """
    axes = _last_axes("rms_norm", x, normalized_shape)
    weight = np.ones(normalized_shape, x.dtype) if weight is None else weight
    return _rms_norm(x, weight, axes=axes, eps=float(np.finfo(x.dtype).eps) if eps is None else eps)


def _last_axes(name: str, x: Tensor, normalized_shape: tuple[int, ...]) -> tuple[int, ...]:
    axes = tuple(range(-len(normalized_shape), 0))
    if x.shape[-len(axes) :] != tuple(normalized_shape):
        raise ValueError(f"{name}: normalized_shape is {tuple(normalized_shape)}, the input has shape {x.shape}")
    return axes


def batch_norm(
    x: Tensor, running_mean: Tensor, running_var: Tensor, weight: Tensor, bias: Tensor,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Each channel of (B, C, ...) normalised, by the batch's own statistics in training, else by the running ones.

    Ioffe & Szegedy 2015, algorithms 1 and 2. Training moves running_mean and running_var, in place, by the share
    `momentum` towards the batch's mean and unbiased variance; what normalises is the biased one.
    """
    axes, shape = (0, *range(2, x.ndim)), (-1, *[1] * (x.ndim - 2))
    weight, bias = weight.reshape(shape), bias.reshape(shape)
    if not training:
        centred = x - running_mean.detach().reshape(shape)
        return centred / (running_var.detach().reshape(shape) + eps).sqrt() * weight + bias
    if x.data.size == x.shape[1]:
        raise ValueError(f"batch_norm needs two numbers a channel in training, got shape {x.shape}: call eval() first")
    for running, batch in ((running_mean, x.data.mean(axes)), (running_var, x.data.var(axes, ddof=1))):
        running.data += momentum * (batch - running.data)
    return _normalise(x, weight, bias, axes=axes, eps=eps)


def scaled_dot_product_attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, *, is_causal: bool = False, scale: float | None = None
) -> Tensor:
    """For every query the mean of the values, weighted by softmax(query · key · scale) (Vaswani et al. 2017, eq. 1).

    query (..., T, K), key (..., S, K), value (..., S, Kv) → (..., T, Kv); scale: 1/√K by default.
    attn_mask, broadcast to (..., T, S): booleans, True where a query may look, or numbers added to the scores. A query
    that may look nowhere gets zeros. is_causal: query t sees keys 0 … t only. Raises ValueError for other shapes.
    Derived in: notebooks/09_attention.ipynb
    """
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"attention: query {query.shape} and key {key.shape} must agree in their last length, "
            f"key and value {value.shape} in the last but one"
        )
    return _attention(
        query, key, value, lookup.attention_mask(query.shape, key.shape, attn_mask, is_causal), scale=scale
    )


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
    """Mean negative log-likelihood of yes (1) or no (0), in nats.

    input (z, the scores before the sigmoid) and target of one shape.
    Finite for scores of any size: softplus(z) − y z.
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
    wrong = _outside(labels, classes)
    if wrong.size:
        raise ValueError(f"target {wrong[0]} is out of range: with {classes} classes, targets are 0 to {classes - 1}")
    return labels


def _ids(input: Any, size: int) -> np.ndarray:
    ids = np.asarray(_plain(input))
    if ids.dtype.kind not in "iu":
        raise TypeError(f"ids must be integers, one token each, got {ids.dtype}")
    wrong = _outside(ids, size)
    if wrong.size:
        raise ValueError(f"id {wrong[0]} is outside the vocabulary: with {size} entries, ids are 0 to {size - 1}")
    return ids


def _outside(numbers: np.ndarray, end: int) -> np.ndarray:
    """Those that are not in [0, end)."""
    return numbers[(numbers < 0) | (numbers >= end)].ravel()
