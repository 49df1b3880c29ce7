"""Inside one prediction of a trained GPT: the stream, the attention, and the guess at every stage."""

from __future__ import annotations

from minilib.widgets import Widget, module


class OnePrediction(Widget):
    """A GPT runs in the page on a text of the reader's; its stream is read after each half of each block.

    config: `weights`, for each name of the state_dict [step, shape, text], with a letter for each
    number: chr(80 + n) for n steps; `heads`; `vocabulary`, the characters in the order of their ids.
    """

    _esm = module("one_prediction")
