"""A text cut into tokens by the first merges of a tokeniser, as many as the reader asks for."""

from __future__ import annotations

from minilib.widgets import Widget, module


class WatchMerges(Widget):
    """Text, tokeniser and number of merges are the reader's; the page encodes, shows each token and counts.

    config: `names` of the tokenisers in their order, and `merges`, from each name to its merges as one flat list of
    ids: left, right, left, right, …
    """

    _esm = module("watch_merges")
