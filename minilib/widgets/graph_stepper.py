"""Step through a computation graph, forward and back."""

from __future__ import annotations

from minilib.widgets import Widget, module


class GraphStepper(Widget):
    """A computation graph whose forward and backward values the reader steps through, one sum at a time.

    config: graph, one of "coffee", "neuron" and "micrograd"; compact, the landing page's version.
    """

    _esm = module("graph_stepper")
