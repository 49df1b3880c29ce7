"""A linear layer under the roofline of a machine; machine, width, batch and precision are the reader's."""

from __future__ import annotations

from minilib.widgets import Widget, module


class Roofline(Widget):
    """The page computes intensity, the speed that the roof allows, and how long a million rows take at best.

    config: `machines`, a list: of each its name, bandwidth (GB/s) and peak (GFLOP/s).
    """

    _esm = module("roofline")
