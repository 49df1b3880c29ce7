"""Starting values for weights under the names of torch.nn.init; each fills the tensor in place and returns it.

Derived in: notebooks/04_multilayer_perceptrons.ipynb
"""

from __future__ import annotations

import math

import numpy as np

from minilib.scratch.tensor import Tensor

Generator = np.random.Generator


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, *, rng: Generator) -> Tensor:
    tensor.data[...] = mean + std * rng.standard_normal(tensor.shape)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, *, rng: Generator) -> Tensor:
    tensor.data[...] = rng.uniform(a, b, tensor.shape)
    return tensor


def zeros_(tensor: Tensor) -> Tensor:
    tensor.data[...] = 0
    return tensor


def calculate_gain(nonlinearity: str, param: float = 0.01) -> float:
    """The factor that keeps the spread of a signal through an activation; `param` is leaky_relu's slope."""
    gains = {
        "linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + param**2)),
    }  # fmt: skip
    if nonlinearity not in gains:
        raise ValueError(f"no gain is known for {nonlinearity!r}; known: {', '.join(gains)}")
    return gains[nonlinearity]


def kaiming_normal_(
    tensor: Tensor, a: float = 0.0, *,
    nonlinearity: str = "leaky_relu", rng: Generator,
) -> Tensor:  # fmt: skip
    """Normal with standard deviation gain/√fan_in (He et al. 2015, eq. 10).

    Keeps the variance on the way forward.

    Derived in: notebooks/04_multilayer_perceptrons.ipynb
    """
    fan_in, _ = _fans(tensor)
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan_in)
    return normal_(tensor, 0.0, std, rng=rng)


def kaiming_uniform_(tensor: Tensor, a: float = 0.0, *, nonlinearity: str = "leaky_relu", rng: Generator) -> Tensor:
    """Uniform with the same standard deviation as `kaiming_normal_`."""
    fan_in, _ = _fans(tensor)
    bound = math.sqrt(3) * calculate_gain(nonlinearity, a) / math.sqrt(fan_in)
    return uniform_(tensor, -bound, bound, rng=rng)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, *, rng: Generator) -> Tensor:
    """Normal with variance 2/(fan_in + fan_out), between what forward and backward need (Glorot & Bengio 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(_fans(tensor))), rng=rng)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, *, rng: Generator) -> Tensor:
    """Uniform with the same variance as `xavier_normal_` (Glorot & Bengio 2010, eq. 16)."""
    bound = gain * math.sqrt(6 / sum(_fans(tensor)))
    return uniform_(tensor, -bound, bound, rng=rng)


def _fans(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ValueError(f"fan-in and fan-out need a weight of two or more axes, got shape {tensor.shape}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field
