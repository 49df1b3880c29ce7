"""Test sets with a chosen share of copies: which of four models would be shipped?"""

from __future__ import annotations

from minilib.widgets import Widget, module


class WrongWinner(Widget):
    """The scores of four models on test sets with a share of copies, of a size and a draw that the reader chooses.

    config: `names` of the four models, and `seen` and `new`, 16 counts each: how many test lines, copies of training
    lines or not, have each pattern of right answers. Bit i of a pattern is 1 if model i is right.
    """

    _esm = module("wrong_winner")
