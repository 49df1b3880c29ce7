"""The rules of attention: a look-up in a dictionary whose keys fit more or less, and its way back.

Derived in: notebooks/09_attention.ipynb
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minilib.scratch.rules import Array, Rule, once

Shape = tuple[int, ...]


def attention(
    q: Array, k: Array, v: Array,
    mask: Array | None = None, scale: float | None = None,
) -> Rule:  # fmt: skip
    """softmax(q · k · scale + mask) @ v, over the keys.

    q (..., T, K), k (..., S, K), v (..., S, Kv) → (..., T, Kv).
    """
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    weights = attention_weights(q, k, mask, scale)
    value = weights @ v

    @once
    def slope_scores(g: Array) -> Array:
        gradient = g @ v.swapaxes(-1, -2)
        # the row's sum of gradient · weights, from shorter rows
        gradient -= np.vecdot(g, value)[..., None]
        gradient *= weights
        return gradient

    return value, (
        lambda g: slope_scores(g) @ k * scale,
        lambda g: slope_scores(g).swapaxes(-1, -2) @ q * scale,
        lambda g: weights.swapaxes(-1, -2) @ g,
        slope_scores,
    )


def self_attention(packed: Array, mask: Array | None = None) -> Rule:
    """Queries, keys and values as one product makes them, (B, T, 3, H, K) → what the heads found, (B, T, H, K)."""
    q, k, v = packed.transpose(2, 0, 3, 1, 4)  # (B, H, T, K) each, views
    value, slopes = attention(q, k, v, mask)

    def slope_packed(g: Array) -> Array:
        g, gradient = g.swapaxes(1, 2), np.empty_like(packed)
        for part, slope in zip(gradient.transpose(2, 0, 3, 1, 4), slopes, strict=False):
            part[...] = slope(g)
        return gradient

    return value.swapaxes(1, 2), (slope_packed, lambda g: slopes[3](g.swapaxes(1, 2)))


def attention_weights(q: Array, k: Array, mask: Array | None, scale: float) -> Array:
    """softmax(q · k · scale + mask): how much each query takes of each value, (..., T, S)."""
    weights = q @ k.swapaxes(-1, -2)
    weights *= scale
    if mask is not None:
        weights += mask
    top = weights.max(axis=-1, keepdims=True, initial=-np.inf)
    top[top == -np.inf] = 0  # nowhere to look: −inf − (−inf) would be nan
    weights -= top
    np.exp(weights, out=weights)
    total = np.vecdot(weights, np.ones(weights.shape[-1], weights.dtype))[..., None]  # faster than sum
    total[total == 0] = 1
    weights /= total
    return weights


def attention_mask(query: Shape, key: Shape, attn_mask: Any, is_causal: bool) -> Any:
    """What is added to the scores of a query and a key of these shapes: −inf where looking is forbidden; or None."""
    shape = (*np.broadcast_shapes(query[:-2], key[:-2]), query[-2], key[-2])
    if is_causal:
        if attn_mask is not None:
            raise ValueError("is_causal=True is a mask already: pass attn_mask=mask & np.tri(T, S, dtype=bool) instead")
        attn_mask = np.tri(*shape[-2:]) == 1
    if attn_mask is None:
        return None
    own = np.shape(attn_mask)
    if len(own) > len(shape) or any(n not in (1, m) for n, m in zip(own[::-1], shape[::-1], strict=False)):
        raise ValueError(f"attn_mask must broadcast to the scores (..., T, S) = {shape}, got {own}")
    looks = np.asarray(attn_mask)
    return np.where(looks, np.float32(0), np.float32(-np.inf)) if looks.dtype == bool else attn_mask
