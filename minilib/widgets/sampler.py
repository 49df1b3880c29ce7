"""A small GPT that writes in the page, with the knobs of sampling and a test of what it has learnt by heart."""

from minilib.widgets import Widget, module


class Sampler(Widget):
    """Temperature, top-k, top-p and seed of a GPT that runs in the page; what it writes is compared with a text.

    config: `vocabulary`, the characters in the order of their ids; `models`, by name, packed as benchmarks/sampler.py
    packs them; `heads` of each block; `excerpt`, the text to compare with; `baseline`, the longest piece that a text
    of strangers shares with it; `prompt`, what is written after.
    """

    _esm = module("sampler")
