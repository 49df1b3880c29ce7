"""The library behind the course Large Models from Scratch; start at `minilib.scratch` or `minilib.check`."""

__version__ = "0.1.0"
