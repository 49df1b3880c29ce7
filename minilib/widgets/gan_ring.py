"""A small GAN on a ring of eight spots that the reader trains in the page."""

from __future__ import annotations

from minilib.widgets import Widget, module


class GanRing(Widget):
    """Both networks of a GAN trained in the browser: made points, the judge's field, covered spots, good samples."""

    _esm = module("gan_ring")
