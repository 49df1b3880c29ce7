"""A soft look-up whose query, keys and values the reader moves; and rock, paper, scissors by scores."""

from minilib.widgets import Widget, module


class SoftLookup(Widget):
    """Three keys and a query in the plane, with weights and answer; or three tokens that look at one another.

    config: `mode`, "keys" (the default) or "game", is what it shows first.
    """

    _esm = module("soft_lookup")
