"""What the theme writes and a screen reader, or its checker, stumbles over: mended on the built pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

REPAIRS: list[tuple[re.Pattern[str], str]] = [
    # A label that differs from what is seen: speech control cannot press it.
    (re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
    # JupyterLab draws no triangle before what is folded, so the notebooks write one; the site has its own.
    (re.compile(r"<summary>▸ "), "<summary>"),
    # Roles for bibliographies that the standard has given up.
    (re.compile(r' role="doc-[a-z]+"'), ""),
    (re.compile(r'<div role="list" class="citation-list">'), '<div class="citation-list">'),
    # The sidebar as a landmark, so that nothing on the page stands outside of all landmarks.
    (re.compile(r'<div id="pst-primary-sidebar"'), '<div id="pst-primary-sidebar" role="region" aria-label="The book"'),
    # Pictures wait until they are near the screen.
    (re.compile(r'<img (?=[^>]*src="[^"]*_images/)(?![^>]*loading=)'), '<img loading="lazy" '),
]


def run(app: Sphinx, trouble: Exception | None) -> None:
    """Mend every page of a build that went well."""
    if trouble is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            if "_static" not in page.parts:
                html = page.read_text("utf8")
                for pattern, better in REPAIRS:
                    html = pattern.sub(better, html)
                page.write_text(html, "utf8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the step."""
    app.connect("build-finished", run, priority=980)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
