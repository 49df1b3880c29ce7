"""A small network that the reader trains in the page."""

from __future__ import annotations

from minilib.widgets import Widget, module


class TrainInBrowser(Widget):
    """A network trained in the browser: its decision field, its units' cuts, its loss, its dead units."""

    _esm = module("train_in_browser")
