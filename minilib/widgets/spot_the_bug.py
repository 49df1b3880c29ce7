"""Three programs that the reader trains in the page: which of them is right?"""

from __future__ import annotations

from minilib.widgets import Widget, module


class SpotTheBug(Widget):
    """A network is trained on 300 digits by a right program, one that never clears gradients, one with a cut graph.

    config: `pixels`, 64 letters for each of 400 digits, "A" for 0 to "Q" for 16, and `labels`, their 400 classes; the
    last 100 are the test.
    """

    _esm = module("spot_the_bug")
