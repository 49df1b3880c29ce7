"""Networks as objects that hold their parameters, under the names of torch.nn.

Derived in: notebooks/04_multilayer_perceptrons.ipynb
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from minilib.scratch import functional as F
from minilib.scratch import init
from minilib.scratch.module import Buffer, Module, Parameter
from minilib.scratch.recurrent import GRU, LSTM, RNN
from minilib.scratch.tensor import Tensor

__all__ = [
    "GELU", "GRU", "LSTM", "RNN", "AvgPool2d", "BatchNorm1d", "BatchNorm2d", "Buffer", "Conv2d", "Dropout", "Embedding",
    "Flatten", "LayerNorm", "LeakyReLU", "Linear", "MaxPool2d", "Module", "Parameter", "RMSNorm", "ReLU", "Sequential",
    "Sigmoid", "Tanh",
]  # fmt: skip


class Sequential(Module):
    """Modules applied one after the other.

    Derived in: notebooks/04_multilayer_perceptrons.ipynb
    """

    def __init__(self, *modules: Module):
        for i, module in enumerate(modules):
            setattr(self, str(i), module)

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self.named_children())

    def __getitem__(self, index: int) -> Module:
        return list(self)[index]

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Linear(Module):
    """x @ weight.T + bias, started as torch starts them.

    weight (out_features, in_features), bias (out_features,).
    Derived in: notebooks/04_multilayer_perceptrons.ipynb
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *,
        rng: np.random.Generator | None = None,
    ):  # fmt: skip
        rng = rng or np.random.default_rng()
        self.in_features, self.out_features = in_features, out_features
        shape = out_features, in_features
        self.weight = Parameter(np.empty(shape, np.float32))
        init.kaiming_uniform_(self.weight, a=math.sqrt(5), rng=rng)
        self.bias: Parameter | None = None
        if bias:
            self.bias = Parameter(np.empty(out_features, np.float32))
            bound = 1 / math.sqrt(in_features)
            init.uniform_(self.bias, -bound, bound, rng=rng)

    def forward(self, x: Any) -> Tensor:
        bias = [] if self.bias is None else [self.bias]
        return F.linear(x, self.weight, *bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )  # fmt: skip


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


# Pictures ------------------------------------------------------------------------------------------------------------
class Conv2d(Module):
    """Square kernels slid over a picture: weight (out_channels, in_channels, kernel_size, kernel_size).

    (B, in_channels, H, W) → (B, out_channels, (H + 2·padding − kernel_size) // stride + 1, and likewise for W).
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0, *,
        rng: np.random.Generator | None = None,
    ):  # fmt: skip
        rng = rng or np.random.default_rng()
        self.stride, self.padding = stride, padding
        self.weight = Parameter(np.empty((out_channels, in_channels, kernel_size, kernel_size), np.float32))
        init.kaiming_uniform_(self.weight, a=math.sqrt(5), rng=rng)
        bound = 1 / math.sqrt(in_channels * kernel_size**2)
        self.bias = Parameter(np.empty(out_channels, np.float32))
        init.uniform_(self.bias, -bound, bound, rng=rng)

    def forward(self, x: Any) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)

    def extra_repr(self) -> str:
        out, in_, size, _ = self.weight.shape
        return f"{in_}, {out}, kernel_size={size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(Module):
    """The largest number of every kernel_size × kernel_size window; the windows lie `stride` apart, or side by side."""

    def __init__(self, kernel_size: int, stride: int | None = None):
        self.kernel_size, self.stride = kernel_size, stride or kernel_size

    def forward(self, x: Any) -> Tensor:
        return F.max_pool2d(x, kernel_size=self.kernel_size, stride=self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


class AvgPool2d(MaxPool2d):
    """The mean of every window; windows as in `MaxPool2d`."""

    def forward(self, x: Any) -> Tensor:
        return F.avg_pool2d(x, kernel_size=self.kernel_size, stride=self.stride)


# Text ----------------------------------------------------------------------------------------------------------------
class Embedding(Module):
    """A row of weight (num_embeddings, embedding_dim) for every id: ids (...) → (..., embedding_dim).

    Derived in: notebooks/08_sequences.ipynb
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, *, rng: np.random.Generator | None = None):
        self.weight = Parameter(np.empty((num_embeddings, embedding_dim), np.float32))
        init.normal_(self.weight, rng=rng or np.random.default_rng())

    def forward(self, ids: Any) -> Tensor:
        return F.embedding(ids, self.weight)

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.weight.shape))


# Normalisation -------------------------------------------------------------------------------------------------------
class LayerNorm(Module):
    """Every row brought to mean 0 and variance 1, then scaled by `weight` and shifted by `bias` (Ba et al. 2016).

    Derived in: notebooks/10_transformer_numpy.ipynb
    """

    def __init__(self, normalized_shape: int, eps: float = 1e-5):
        self.eps = eps
        self.weight = Parameter(np.ones(normalized_shape, np.float32))
        self.bias = Parameter(np.zeros(normalized_shape, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.weight.shape}, eps={self.eps}"


class RMSNorm(Module):
    """Every row divided by the root of its mean square, then scaled by `weight` (Zhang & Sennrich 2019).

    eps: added to the mean square; None: the smallest difference from 1 that the dtype knows, as in torch.
    Derived in: notebooks/10_transformer_numpy.ipynb
    """

    def __init__(self, normalized_shape: int, eps: float | None = None):
        self.eps = eps
        self.weight = Parameter(np.ones(normalized_shape, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.weight.shape}, eps={self.eps}"


class BatchNorm1d(Module):
    """Every channel of (B, C) or (B, C, L) normalised over the batch (Ioffe & Szegedy 2015, algorithms 1 and 2).

    In training by the batch's own mean and biased variance, and the running mean and (unbiased) variance move towards
    them by the share `momentum`; in eval mode by the running ones. Raises ValueError where a channel has one number.
    """

    shapes: ClassVar = {2: "(B, C)", 3: "(B, C, L)"}

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1):
        self.eps, self.momentum = eps, momentum
        self.weight = Parameter(np.ones(num_features, np.float32))
        self.bias = Parameter(np.zeros(num_features, np.float32))
        self.running_mean = Buffer(np.zeros(num_features, np.float32))
        self.running_var = Buffer(np.ones(num_features, np.float32))
        self.num_batches_tracked = Buffer(np.array(0))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim not in self.shapes:
            raise ValueError(f"{type(self).__name__} takes {' or '.join(self.shapes.values())}, got {x.shape}")
        y = F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, self.momentum, self.eps
        )
        self.num_batches_tracked.data += self.training
        return y

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm2d(BatchNorm1d):
    """Every channel of pictures (B, C, H, W) normalised over the batch and all places; as `BatchNorm1d`."""

    shapes: ClassVar = {4: "(B, C, H, W)"}
