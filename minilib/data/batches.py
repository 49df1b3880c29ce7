"""Rows in parts: split into training and test, cut into batches, text in windows, and tasks made to measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np


def split(
    x: np.ndarray, y: np.ndarray, test: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shuffle the rows once and set the last `test` of them aside.

    Gives x_train, x_test, y_train, y_test.
    """
    if len(x) != len(y) or not 0 < test < len(x):
        needed = "as many x as y and 0 < test < their number"
        got = f"{len(x)}, {len(y)} and test={test}"
        raise ValueError(f"needed {needed}, got {got}")
    order = rng.permutation(len(x))
    train, held_out = order[:-test], order[-test:]
    return x[train], x[held_out], y[train], y[held_out]


class Batches:
    """The rows of x and y in batches: a fresh order for each pass if there is an `rng`, else as they lie.

    transform: applied to each batch of x, with the rng: for augmentation. The last batch may be smaller.
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray, batch_size: int, rng: np.random.Generator | None = None,
        transform: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
    ):  # fmt: skip
        if len(x) != len(y) or len(x) == 0 or batch_size < 1:
            raise ValueError(f"needed as many x as y, one at least, got {len(x)}, {len(y)} and batch_size={batch_size}")
        if transform and rng is None:
            raise ValueError("a transform needs an rng")
        self.x, self.y, self.batch_size, self.rng, self.transform = x, y, batch_size, rng, transform

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = np.arange(len(self.x)) if self.rng is None else self.rng.permutation(len(self.x))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            x = self.x[rows]
            if self.transform is not None and self.rng is not None:
                x = self.transform(x, self.rng)
            yield x, self.y[rows]


class Windows:
    """Batches of windows from a long text, cut anywhere: x (B, context) ids and y (B, context), the ids that follow.

    ids (N,) of the whole text. A pass gives `steps` batches, each pass others; list(Windows(...)) keeps one pass, as
    for measuring on the same windows every time.
    """

    def __init__(self, ids: np.ndarray, context: int, batch_size: int, steps: int, rng: np.random.Generator):
        if not 0 < context < len(ids) or batch_size < 1 or steps < 1:
            raise ValueError(
                "needed 0 < context < the number of ids, and batch_size and steps of 1 or more, got "
                f"context={context}, {len(ids)} ids, batch_size={batch_size}, steps={steps}"
            )
        self.ids, self.context, self.batch_size, self.steps, self.rng = ids, context, batch_size, steps, rng

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _ in range(self.steps):
            starts = self.rng.integers(0, len(self.ids) - self.context, self.batch_size)
            windows = self.ids[starts[:, None] + np.arange(self.context + 1)]
            yield windows[:, :-1], windows[:, 1:]


def phone_book(n: int, rng: np.random.Generator, pairs: int = 6, symbols: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """n look-up tasks, generated: x (n, 2·pairs + 1) is key, value, key, value, …, a key; y (n,) is its value.

    Keys are the ids from 0 to symbols − 1, values those from symbols to 2·symbols − 1; no key or value comes twice.
    """
    if not 0 < pairs <= symbols:
        raise ValueError(f"a key comes once: needed 0 < pairs ≤ symbols, got pairs={pairs} and symbols={symbols}")
    keys, values = (rng.random((n, symbols)).argsort(1)[:, :pairs] for _ in range(2))
    book = np.stack([keys, symbols + values], 2)  # (n, pairs, 2)
    asked = book[np.arange(n), rng.integers(0, pairs, n)]
    return np.concatenate([book.reshape(n, 2 * pairs), asked[:, :1]], 1), asked[:, 1]


def shift_images(images: np.ndarray, rng: np.random.Generator, pixels: int = 1, side: int = 28) -> np.ndarray:
    """Move each flattened image (B, side·side) by up to `pixels` in both directions; what enters is blank."""
    padded = np.pad(images.reshape(-1, side, side), ((0, 0), (pixels, pixels), (pixels, pixels)))
    down, right = rng.integers(0, 2 * pixels + 1, (2, len(images), 1, 1))
    line = np.arange(side)
    moved = padded[np.arange(len(images))[:, None, None], line[None, :, None] + down, line[None, None, :] + right]
    return moved.reshape(images.shape)


def turn_images(
    images: np.ndarray, rng: np.random.Generator, degrees: float = 15.0, stretch: float = 0.1, side: int = 28
) -> np.ndarray:
    """Turn and stretch all flattened images (B, side·side) by one random angle and one random factor about the middle.

    degrees: the largest angle, either way; stretch: the factor lies between 1 − stretch and 1 + stretch. Values between
    pixels are interpolated, what enters is blank. One draw serves the whole batch: a small network trains on many.
    """
    angle, factor = np.radians(rng.uniform(-degrees, degrees)), rng.uniform(1 - stretch, 1 + stretch)
    middle = (side - 1) / 2
    down, right = np.indices((side, side)).reshape(2, -1) - middle
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / factor
    y, x = turned @ np.array([down, right]) + middle  # where each new pixel comes from
    edge = side + 2  # two blank pixels on every side: what lies further out is read from there
    top, left = (np.clip(np.floor(place).astype(int) + 2, 0, edge) for place in (y, x))
    wide = np.pad(images.reshape(-1, side, side), ((0, 0), (2, 2), (2, 2))).reshape(len(images), -1).T
    new = np.zeros((side * side, len(images)), images.dtype)
    for i, j in np.ndindex(2, 2):  # the four pixels around it, by nearness
        share = np.abs(1 - i - (y - np.floor(y))) * np.abs(1 - j - (x - np.floor(x)))
        new += wide[(top + i) * (side + 4) + left + j] * share.astype(images.dtype)[:, None]
    return np.ascontiguousarray(new.T)
