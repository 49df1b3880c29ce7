"""The rule of GELU in its two forms: x times the share of a normal distribution that lies below x.

The form by tanh is the busiest function of a Transformer, so it works in place and in pieces that stay in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minilib.scratch.rules import Array, Rule

PIECE = 32_768
"""Numbers worked on at a time: three arrays of so many fit into a processor's second cache."""
ROOT, CUBIC = math.sqrt(2 / math.pi), 0.044715

_erf = np.frompyfunc(math.erf, 1, 1)


def gelu(a: Array, approximate: str = "none") -> Rule:
    """x Φ(x), exactly or, with "tanh", as GPT-2 has it.

    Exactly is slow here: erf number by number. Hendrycks & Gimpel 2016.

    Derived in: notebooks/10_transformer_numpy.ipynb
    """
    if approximate == "tanh":
        return _in_pieces(_value, a), (lambda g: _in_pieces(_slope, g, a),)
    below = 0.5 * (1 + np.asarray(_erf(a / math.sqrt(2)), a.dtype))

    def slope(g: Array) -> Array:
        density = np.exp(-0.5 * a * a) / math.sqrt(2 * math.pi)
        return g * (below + a * density)

    return a * below, (slope,)


def _below(x: Array, out: Array) -> None:
    """½ (1 + tanh(ROOT (x + CUBIC x³)))"""
    np.multiply(x, x, out=out)  # x**3 is far slower
    out *= ROOT * CUBIC
    out += ROOT
    out *= x
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5


def _value(x: Array, out: Array) -> None:
    """x · below"""
    _below(x, out)
    out *= x


def _slope(g: Array, x: Array, out: Array) -> None:
    """g · below · (1 + 2 x (1 − below) ROOT (1 + 3 CUBIC x²))"""
    below = np.empty_like(x)
    _below(x, below)
    np.multiply(x, x, out=out)
    out *= 6 * ROOT * CUBIC
    out += 2 * ROOT
    out *= x
    out *= 1 - below
    out += 1
    out *= below
    out *= g


def _in_pieces(function: Callable[..., None], *arrays: Array) -> Array:
    flat = [array.reshape(-1) for array in arrays]
    value = np.empty_like(flat[0])
    for start in range(0, len(value), PIECE):
        function(*(array[start : start + PIECE] for array in (*flat, value)))
    return value.reshape(arrays[0].shape)
