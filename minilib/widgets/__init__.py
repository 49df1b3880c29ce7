"""Interactive figures: an `anywidget` whose JavaScript does the arithmetic, alive in JupyterLab and on the page.

A figure is one ES module, `NAME.js`, beside this file. `common.js` (controls, colours, drawing) is put before it, so a
module may use its functions without importing them; it ends with `export default { render }`. Python sends only the
`config` that the figure starts from; what the figure has computed comes back in `result`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

_HERE = Path(__file__).parent


class Widget(anywidget.AnyWidget):
    """Base of the interactive figures: give a subclass its module with `_esm = module("NAME")`."""

    _css = (_HERE / "widgets.css").read_text("utf8")
    config = traitlets.Dict().tag(sync=True)
    result = traitlets.Dict().tag(sync=True)

    def __init__(self, **config: Any) -> None:
        super().__init__(config=config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def module(name: str) -> str:
    """The source of an interactive figure: the shared functions, then its own."""
    return "\n".join((_HERE / f"{part}.js").read_text("utf8") for part in ("common", name))
