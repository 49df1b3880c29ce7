"""Boxes that a notebook says as a plain admonition, which JupyterLab shows, and that the site writes in its own way.

`:class: claim-check` makes a claim check (claims.py), `:class: exercises` the exercises of the chapter (exercises.py).
"""

from __future__ import annotations

from typing import Any

from claims import ClaimBox
from docutils import nodes
from docutils.parsers.rst.directives import admonitions
from exercises import Exercises
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

KINDS: dict[str, type[SphinxDirective]] = {"claim-check": ClaimBox, "exercises": Exercises}


class Admonition(admonitions.Admonition):
    """An admonition; one of our kinds is handed on."""

    def run(self) -> list[nodes.Node]:
        """What the kind writes, or what docutils does."""
        for kind in self.options.get("class", []):
            if kind in KINDS:
                return KINDS[kind](
                    self.name, self.arguments, self.options, self.content, self.lineno,
                    self.content_offset, self.block_text, self.state, self.state_machine,
                ).run()  # fmt: skip
        return super().run()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive in place of docutils'."""
    app.add_directive("admonition", Admonition, override=True)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
