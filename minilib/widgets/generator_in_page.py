"""A trained generator that makes digits in the page, with the nearest real one beside each."""

from __future__ import annotations

from minilib.widgets import Widget, module


class GeneratorInPage(Widget):
    """Class, two numbers of the noise and its strength are the reader's; the page computes every picture.

    config: what `python -m benchmarks.gan_images` stores in gan_figure.json: `latent`, `channels`, `layers` (weights of
    5 bits, a byte each in base64, with `scale` and `bias`), and `digits`, training digits of 4 bits a pixel, in base64.
    """

    _esm = module("generator_in_page")
