"""What a page loads, and nothing else: the theme's unused scripts are left out, ours are added where they are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sphinx.application import Sphinx

UNUSED = ("sphinx-thebe", "thebe", "togglebutton", "require.min", "design-tabs", "sphinx-design", "sbt-webpack")


def unused(asset: Any) -> bool:
    """Whether a script or style of the theme or an extension does nothing on our pages."""
    name = str(getattr(asset, "filename", asset) or "")
    body = str(getattr(asset, "attributes", {}).get("body", "") or "")
    return any(word in name.lower() for word in UNUSED) or "thebe" in body.lower() or "toggleHint" in body


def choose(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Take away what is unused; add the figures' host where there are figures."""
    if app.env.metadata.get(pagename, {}).get("lm_figures"):
        app.add_js_file("widgets.js", loading_method="defer")
    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context.get(kind, []) if not unused(asset)]
    if context.get("page_source_suffix") == ".ipynb" and context.get("has_source", True):
        context["notebook_download"] = f"_sources/{pagename}.ipynb"


def write_not_found(app: Sphinx, trouble: Exception | None) -> None:
    """Put 404.html in the root: it is self-contained, as it may be shown at any depth."""
    if trouble is None and app.builder.format == "html":
        text = (Path(app.srcdir) / "book" / "_templates" / "not_found.html").read_text("utf8")
        base = urlsplit(app.config.html_baseurl).path or "/"
        (Path(app.outdir) / "404.html").write_text(text.replace("BASE_PATH", base), "utf8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the steps and the style sheet."""
    app.add_css_file("course.css", priority=900)
    app.add_js_file("page.js", loading_method="defer")
    app.connect("html-page-context", choose, priority=950)
    app.connect("build-finished", write_not_found)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
