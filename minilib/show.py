"""Show the library's own source in the page, so that what is read is what runs."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any


class Source:
    """The source of a function, class or module, displayed as highlighted Python."""

    def __init__(self, thing: Any):
        inner = inspect.unwrap(thing) if callable(thing) else thing
        self.name = f"{inner.__module__}.{inner.__qualname__}" if hasattr(inner, "__qualname__") else inner.__name__
        self.text = textwrap.dedent(inspect.getsource(inner)).rstrip()

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return f"`{self.name}`\n```python\n{self.text}\n```"


def source(thing: Any) -> Source:
    """The source of `thing` as it is now; the last line of a cell shows it."""
    return Source(thing)
