"""What a page loads: the theme's unused scripts are left out, ours are added where they are needed."""

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


def write_root_pages(app: Sphinx, trouble: Exception | None) -> None:
    """Put into the root what stands outside of the book: the way to its first page, and the page for wrong addresses.

    The second is self-contained, as it may be shown at any depth.
    """
    if trouble is not None or app.builder.format != "html":
        return
    templates, out = Path(app.srcdir) / "book" / "_templates", Path(app.outdir)
    base = urlsplit(app.config.html_baseurl).path or "/"
    wrong = (templates / "not_found.html").read_text("utf8").replace("BASE_PATH", base)
    (out / "404.html").write_text(wrong, "utf8")
    if app.config.root_doc != "index":
        first = (templates / "first.html").read_text("utf8").replace("FIRST_PAGE", f"{app.config.root_doc}.html")
        (out / "index.html").write_text(first, "utf8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the steps and the style sheet."""
    app.add_css_file("course.css", priority=900)
    app.add_js_file("page.js", loading_method="defer")
    app.connect("html-page-context", choose, priority=950)
    app.connect("build-finished", write_root_pages)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
