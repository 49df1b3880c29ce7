"""An LSTM that reads a name letter by letter, with its gates in view."""

from minilib.widgets import Widget, module


class LSTMGates(Widget):
    """Surprise, cells and gates of a trained LSTM along a name that the reader types.

    config: `weights`, for each parameter its "shape" and its values as "float16" (base64); `name` and `unit`, what is
    shown first.
    """

    _esm = module("lstm_gates")
