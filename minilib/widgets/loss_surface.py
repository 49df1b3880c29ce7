"""The loss over two weights, walked by gradient descent at a rate that the reader sets."""

from minilib.widgets import Widget, module


class LossSurface(Widget):
    """Level lines of a loss on two real columns; the reader sets rate, start, steps and scaling, and sees the path.

    config: `compact` (the landing page's version), and `scaled`, `rate`, `steps` to start from.
    """

    _esm = module("loss_surface")
