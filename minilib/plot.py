"""One style for every figure of the course, and its colours.

The figures have a transparent background and dark ink; on a dark page the site turns the lightness round and keeps
the hue, so that one picture serves both themes. Draw pictures of data with the colour map "Greys" (ink on paper).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#24292f"
GREY = "#6e7781"
# Okabe and Ito, Color Universal Design (2008), in the order of the book; the first is also the accent of the pages.
BLUE, ORANGE, GREEN, PINK, SKY, AMBER = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, AMBER)

STYLE: Any = {
    "figure.figsize": (6.4, 3.4),
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "none",
    "savefig.dpi": 160,
    "axes.facecolor": "none",
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "axes.axisbelow": True,
    "grid.color": GREY,
    "grid.alpha": 0.2,
    "grid.linewidth": 0.6,
    "font.size": 10,
    "image.cmap": "Greys",
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.8,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}


def use_style() -> None:
    """Draw every figure from here on in the course's style."""
    plt.rcParams.update(STYLE)


def panels(columns: int = 1, rows: int = 1, height: float = 3.0, **options: Any) -> tuple[Figure, np.ndarray]:
    """A figure of rows × columns axes as wide as the page; `height` is that of one row, in inches.

    Always returns the axes as a flat array, so that one loop serves one panel or six.
    """
    figure, axes = plt.subplots(rows, columns, figsize=(6.9, height * rows), squeeze=False, **options)
    return figure, axes.ravel()


def show_images(images: np.ndarray, titles: list[str] | None = None, columns: int = 10, size: float = 0.72) -> Figure:
    """A gallery of grey images (N, height, width), darkest where the value is highest, with optional titles."""
    rows = -(-len(images) // columns)
    title_height = 0.24 if titles else 0.0
    figure, axes = plt.subplots(rows, columns, figsize=(size * columns, (size + title_height) * rows), squeeze=False)
    for axis in axes.ravel():
        axis.axis("off")
    for i, (axis, image) in enumerate(zip(axes.ravel(), images, strict=False)):
        axis.imshow(image, interpolation="nearest")
        if titles:
            axis.set_title(titles[i], fontsize=8, loc="center", pad=2)
    return figure


def show_matrix(
    axis: Axes, values: Any, rows: Sequence[Any] = (), columns: Sequence[Any] = (), number: str = "", top: Any = None,
) -> None:  # fmt: skip
    """A matrix (R, C) as shades of ink, from blank at 0 to darkest at `top`, its largest value if None.

    rows, columns: what to write beside each.   number: a format, such as "d" or ".2f", to write into each cell.
    """
    values = np.asarray(values)
    top = (values.max() or 1) if top is None else top
    axis.imshow(values, vmin=0, vmax=top, interpolation="nearest")
    axis.set_xticks(range(len(columns)), [str(name) for name in columns])
    axis.set_yticks(range(len(rows)), [str(name) for name in rows])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    if number:
        for (i, j), value in np.ndenumerate(values):
            ink = INK if value < top / 2 else "white"
            axis.text(j, i, format(value, number), ha="center", va="center", fontsize=9, color=ink)


def label_lines(axis: Axes) -> None:
    """Write each line's label at its right end, in its colour: easier to read than a legend."""
    for line in axis.get_lines():
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        label = str(line.get_label())
        if not label.startswith("_") and len(x):
            axis.annotate(
                label, (x[-1], y[-1]), xytext=(4, 0), textcoords="offset points",
                color=line.get_color(), va="center", fontsize=9.5, annotation_clip=False,
            )  # fmt: skip
