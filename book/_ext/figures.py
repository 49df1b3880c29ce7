"""Interactive figures on the page, with no kernel, and the numbers of still figures.

A notebook's stored widget, or `{widget} NAME` on a prose page, becomes an empty box; the sources and the state of the
figures of the page are embedded once, and `_static/widgets.js` brings them to life.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)
VIEW = re.compile(r'<script type="application/vnd\.jupyter\.widget-view\+json">(.*)</script>', re.DOTALL)
BOX = (
    '<div class="lm-widget" data-figure="{name}"><noscript>This figure moves when JavaScript is on; '
    "the text around it says what it shows.</noscript></div>"
)


class PageFigures:
    """The figures of one page: sources by their hash, so that none is embedded twice, and each figure's state."""

    def __init__(self) -> None:
        self.sources: dict[str, str] = {}
        self.figures: dict[str, dict[str, Any]] = {}

    def keep(self, source: str) -> str:
        """Remember a source; its key."""
        key = hashlib.sha256(source.encode("utf8")).hexdigest()[:12]
        self.sources[key] = source
        return key

    def add(self, name: str, module: str, style: str, state: dict[str, Any]) -> None:
        """Remember a figure."""
        self.figures[name] = {"module": self.keep(module), "style": self.keep(style), "state": state}

    def html(self) -> str:
        """The embedded data; `<` is written so that no text in it can end the script element."""
        data = json.dumps({"sources": self.sources, "figures": self.figures}, ensure_ascii=False)
        data = data.replace("<", "\\u003c")
        return f'<script type="application/json" id="lm-figures">{data}</script>'


def figure_source(root: Path, name: str) -> tuple[str, str]:
    """Module and style of a figure of minilib, as minilib.widgets puts them together."""
    home = root / "minilib" / "widgets"
    module = "\n".join((home / f"{part}.js").read_text("utf8") for part in ("common", name))
    return module, (home / "widgets.css").read_text("utf8")


class widget_box(nodes.General, nodes.Element):
    """A figure of a prose page, until the page is written."""


class WidgetDirective(SphinxDirective):
    """`{widget} loss_surface` with the figure's config as a JSON body."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The figure's place; a warning if minilib has no such figure or the config is no JSON."""
        name = self.arguments[0].strip()
        path = Path(self.env.srcdir) / "minilib" / "widgets" / f"{name}.js"
        self.env.note_dependency(str(path))
        if not path.is_file():
            logger.warning("no figure %s", path.name, type="widget", location=self.get_location())
            return []
        try:
            config = json.loads("\n".join(self.content) or "{}")
        except json.JSONDecodeError as trouble:
            logger.warning("config of %s: %s", name, trouble, type="widget", location=self.get_location())
            return []
        return [widget_box(name=name, config=config)]


def collect(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Turn the page's figures into boxes and embed what they need."""
    page = PageFigures()
    for count, box in enumerate(list(doctree.findall(widget_box))):
        module, style = figure_source(Path(app.srcdir), box["name"])
        name = f"{box['name']}-{count}"
        page.add(name, module, style, {"config": box["config"], "result": {}})
        box.replace_self(nodes.raw("", BOX.format(name=name), format="html"))
    collect_stored(app, doctree, docname, page)
    if page.figures:
        doctree += nodes.raw("", page.html(), format="html")
        app.env.metadata[docname]["lm_figures"] = len(page.figures)


def collect_stored(app: Sphinx, doctree: nodes.document, docname: str, page: PageFigures) -> None:
    """The same for the widgets that a notebook has stored; what is not shown is not embedded."""
    stored = NbMetadataCollector.get_js_files(app.env, docname).pop("ipywidgets_state", None)
    states = json.loads(stored[1]["body"])["state"] if stored else {}
    for count, node in enumerate(list(doctree.findall(nodes.raw))):
        found = VIEW.fullmatch(node.astext().strip())
        if not found:
            continue
        state = states.get(json.loads(found[1])["model_id"], {}).get("state", {})
        if "_esm" not in state:
            logger.warning("page %s shows a widget whose state is not stored as an anywidget", docname, type="widget")
            continue
        shown = {key: value for key, value in state.items() if not key.startswith("_")}
        for unused in ("layout", "tabbable", "tooltip"):
            shown.pop(unused, None)
        page.add(f"stored-{count}", state["_esm"], state.get("_css", ""), shown)
        node.replace_self(nodes.raw("", BOX.format(name=f"stored-{count}"), format="html"))


def number_by_chapter(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """Figure 2.1 is the first of chapter 2, however many chapters come before it."""
    for docname, kinds in env.toc_fignumbers.items():
        chapter = re.search(r"/(\d\d)_", docname)
        for numbers in kinds.values() if chapter else ():
            for count, name in enumerate(numbers, start=1):
                numbers[name] = (int(chapter[1]), count)
    return []


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive and the two steps."""
    app.add_directive("widget", WidgetDirective)
    app.add_node(widget_box)
    app.connect("doctree-resolved", collect, priority=900)
    app.connect("env-get-updated", number_by_chapter, priority=900)  # after Sphinx has numbered them
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
