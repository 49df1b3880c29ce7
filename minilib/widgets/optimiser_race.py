"""Four optimisers side by side on a surface that the reader chooses."""

from minilib.widgets import Widget, module


class OptimiserRace(Widget):
    """Paths of plain descent, momentum, RMSProp and Adam on five surfaces; rates, memory and start are the reader's.

    config: `compact` (the landing page's version), and `surface` to start from.
    """

    _esm = module("optimiser_race")
