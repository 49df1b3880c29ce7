"""The rules of normalisation. Layer norm and batch norm are one: they differ in which numbers belong together."""

from __future__ import annotations

import numpy as np

from minilib.scratch.rules import Array, Rule


def normalise(x: Array, weight: Array, bias: Array, axes: tuple[int, ...], eps: float) -> Rule:
    """Numbers along `axes` brought to mean 0 and (biased) variance 1, then scaled and shifted by what broadcasts."""
    normal = x - _mean(x, axes)
    inverse = 1 / np.sqrt(_mean_product(normal, normal, axes) + eps)
    normal *= inverse

    def slope_x(g: Array) -> Array:
        g = g * weight
        gradient = normal * -_mean_product(g, normal, axes)  # every number moved the mean and the variance too
        gradient += g
        gradient -= _mean(g, axes)
        gradient *= inverse
        return gradient

    value = normal * weight
    value += bias
    return value, (slope_x, lambda g: g * normal, lambda g: g)


def rms_norm(x: Array, weight: Array, axes: tuple[int, ...], eps: float) -> Rule:
    """Numbers along `axes` divided by the root of their mean square, then scaled by what broadcasts."""
    inverse = 1 / np.sqrt(_mean_product(x, x, axes) + eps)
    normal = x * inverse

    def slope_x(g: Array) -> Array:
        g = g * weight
        return inverse * (g - normal * _mean_product(g, normal, axes))

    return normal * weight, (slope_x, lambda g: g * normal)


def _mean(a: Array, axes: tuple[int, ...]) -> Array:
    if axes == (-1,):
        return np.vecdot(a, np.ones(a.shape[-1], a.dtype))[..., None] / a.shape[-1]  # three times as fast
    return a.mean(axes, keepdims=True)


def _mean_product(a: Array, b: Array, axes: tuple[int, ...]) -> Array:
    if axes == (-1,):
        return np.vecdot(a, b)[..., None] / a.shape[-1]  # without the array of products
    return (a * b).mean(axes, keepdims=True)
