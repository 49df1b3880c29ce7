"""A digit that the reader draws or moves, and what two trained networks make of it."""

from __future__ import annotations

from minilib.widgets import Widget, module


class DrawDigit(Widget):
    """The feature maps and the answers of two convolutional networks for a digit drawn, chosen or moved by the reader.

    config: `networks`, for each of "plain" and "augmented" the weights of the network of chapter 07 in the order of
    `parameters()`, as float16 in base64; `digits`, pictures of 28 × 28 bytes in base64, with their `labels`.
    """

    _esm = module("draw_digit")
