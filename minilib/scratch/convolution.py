"""The rules of convolution and pooling: windows gathered on the way forward, gradients scattered on the way back.

Activations are (B, C, H, W) to the reader and lie in memory as (C, B, H, W): then a convolution is one matrix product
whose result is the next layer's input as it stands, without a copy between layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from minilib.scratch.rules import Array, Rule

Window = tuple[slice, slice]


def conv2d(
    x: Array, weight: Array, bias: Array | None = None,
    stride: int = 1, padding: int = 0,
) -> Rule:  # fmt: skip
    """Every window times every kernel, as one matrix product.

    x (B, C, H, W), weight (O, C, h, w), bias (O,)
    → (B, O, (H + 2·padding − h) // stride + 1, and likewise for W).
    A cross-correlation: the kernel is not flipped. Raises ValueError if
    channels differ or the kernel does not fit. Chellapilla et al. 2006.
    Derived in: notebooks/07_convolution.ipynb
    """
    if x.ndim != 4 or x.shape[1] != weight.shape[1]:
        takes = f"(B, {weight.shape[1]}, H, W), the input is {x.shape}"
        raise ValueError(f"conv2d: weight {weight.shape} takes {takes}")
    kernel, channels = weight.shape[2:], x.swapaxes(0, 1)
    places = _places("conv2d", x.shape, kernel, stride, padding)
    kernels = weight.reshape(len(weight), -1)  # (O, C·h·w)
    patches = gather(channels, kernel, stride, padding)
    patches = patches.reshape(kernels.shape[1], -1)  # (C·h·w, B·H·W)
    value = kernels @ patches
    if bias is not None:
        value += bias[:, None]

    def flat(g: Array) -> Array:
        return g.swapaxes(0, 1).reshape(len(weight), -1)

    def slope_x(g: Array) -> Array:
        g, parts = flat(g), weight.transpose(2, 3, 1, 0)  # (h, w, C, O)
        parts = np.ascontiguousarray(parts)

        def patch(i: int, j: int) -> Array:
            # one at a time: all at once would leave the cache
            return (parts[i, j] @ g).reshape(*channels.shape[:2], *places)

        return scatter(patch, channels, kernel, stride, padding).swapaxes(0, 1)

    def slope_weight(g: Array) -> Array:
        return (patches @ flat(g).T).T.reshape(weight.shape)

    value = value.reshape(len(weight), len(x), *places).swapaxes(0, 1)
    return value, (slope_x, slope_weight, lambda g: flat(g).sum(axis=1))


def gather(x: Array, kernel: tuple[int, int], stride: int = 1, padding: int = 0) -> Array:
    """A copy of what each place of each kernel meets: (C, B, H, W) → (C, h, w, B, places down, places across)."""
    places = _places("gather", x.shape, kernel, stride, padding)
    padded = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)]) if padding else x
    patches = np.empty((len(x), *kernel, x.shape[1], *places), x.dtype)
    for i, j, window in _windows(places, kernel, stride):
        patches[:, i, j] = padded[:, :, *window]
    return patches


def scatter(
    patch: Callable[[int, int], Array], x: Array, kernel: tuple[int, int], stride: int = 1, padding: int = 0
) -> Array:
    """The transpose of `gather`: patch(i, j), of the shape of gather(x)[:, i, j], is added to where that came from."""
    height, width = x.shape[2:]
    padded = np.zeros((*x.shape[:2], height + 2 * padding, width + 2 * padding), x.dtype)
    for i, j, window in _windows(_places("scatter", x.shape, kernel, stride, padding), kernel, stride):
        padded[:, :, *window] += patch(i, j)
    return padded[:, :, padding : padding + height, padding : padding + width]


def max_pool2d(x: Array, kernel_size: int, stride: int | None = None) -> Rule:
    """The largest number in every window.

    Among equals the first receives the gradient, as in torch.
    x (B, C, H, W) → (B, C, (H − kernel_size) // stride + 1, and likewise
    for W); stride: None means kernel_size.
    Derived in: notebooks/07_convolution.ipynb
    """
    windows = _pooled("max_pool2d", x, kernel_size, stride)
    value, wins = x[windows[0]].copy("K"), []
    for window in windows[1:]:  # a tournament: each challenges the best so far
        wins.append(x[window] > value)
        np.maximum(value, x[window], out=value)

    def slope(g: Array) -> Array:
        gradient, left, share = np.zeros_like(x), g.copy("K"), np.empty_like(g)
        for window, won in zip(windows[:0:-1], wins[::-1], strict=True):
            np.multiply(left, won, out=share)
            left -= share
            gradient[window] += share
        gradient[windows[0]] += left
        return gradient

    return value, (slope,)


def avg_pool2d(x: Array, kernel_size: int, stride: int | None = None) -> Rule:
    """The mean of every window; shapes as in `max_pool2d`.

    Derived in: notebooks/07_convolution.ipynb
    """
    windows = _pooled("avg_pool2d", x, kernel_size, stride)
    share = 1 / kernel_size**2

    def slope(g: Array) -> Array:
        gradient = np.zeros_like(x)
        for window in windows:
            gradient[window] += g * share
        return gradient

    return sum(x[window] for window in windows) * share, (slope,)


def _pooled(name: str, x: Array, size: int, stride: int | None) -> list[tuple]:
    """The windows' members, one slice of x for each place in the window."""
    if x.ndim != 4:
        raise ValueError(f"{name} takes (B, C, H, W), got {x.shape}; for one picture use x[None]")
    stride = stride or size
    places = _places(name, x.shape, (size, size), stride, 0)
    return [(..., *window) for _, _, window in _windows(places, (size, size), stride)]


def _places(name: str, shape: tuple, kernel: tuple[int, int], stride: int, padding: int) -> tuple[int, int]:
    """How many places a window has down and across; raises ValueError if it has none."""
    height, width = (n + 2 * padding for n in shape[-2:])
    if kernel[0] > height or kernel[1] > width:
        margin = f" with padding {padding}" if padding else ""
        raise ValueError(
            f"{name}: a kernel of {kernel[0]}×{kernel[1]} is larger than its input of {shape[-2]}×{shape[-1]}{margin}: "
            "use a smaller kernel, more padding, or fewer layers that shrink the picture"
        )
    return (height - kernel[0]) // stride + 1, (width - kernel[1]) // stride + 1


def _windows(places: tuple[int, int], kernel: tuple[int, int], stride: int) -> Iterator[tuple[int, int, Window]]:
    """For each place (i, j) in the window the slice of the picture that this place meets."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            down = slice(i, i + stride * (places[0] - 1) + 1, stride)
            across = slice(j, j + stride * (places[1] - 1) + 1, stride)
            yield i, j, (down, across)
