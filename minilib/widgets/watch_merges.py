"""A text cut into tokens by the first merges of a tokeniser, as many as the reader asks for."""

from __future__ import annotations

from minilib.widgets import Widget, module


class WatchMerges(Widget):
    """Text, tokeniser and number of merges are the reader's; the page encodes, shows each token and counts.

    config: `merges`, a dictionary from the name of a tokeniser to its merges as one flat list of ids: left, right,
    left, right, …
    """

    _esm = module("watch_merges")
