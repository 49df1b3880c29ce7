"""A spam filter's threshold: confusion matrix, curves and money move together."""

from minilib.widgets import Widget, module


class Threshold(Widget):
    """1,001 scored mails; the reader sets threshold, price of a lost mail and share of spam.

    config: `compact` (a smaller version that sweeps the threshold by itself).
    """

    _esm = module("threshold")
