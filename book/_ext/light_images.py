"""Stored pictures made light and their place kept: 256 colours, a third of the bytes; width and height."""

from __future__ import annotations

import io
import re
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from sphinx.application import Sphinx

COLOURS = 256
IMAGE = re.compile(r'<img (?![^>]*\bwidth=)(?=[^>]*src="([^"]*_images/[^"]+\.png)")')


def sized(found: re.Match[str], folder: Path) -> str:
    """The start of an image's tag with its size, so that the text below does not jump when it arrives."""
    with Image.open(folder / found[1]) as picture:
        return f'<img width="{picture.width}" height="{picture.height}" '


def lighten(path: Path) -> int:
    """Write the picture with a palette if that is smaller; the bytes saved. Transparency is kept."""
    before = path.read_bytes()
    with Image.open(io.BytesIO(before)) as picture:
        if picture.mode not in ("RGB", "RGBA"):
            return 0
        out = io.BytesIO()
        picture.quantize(COLOURS, method=Image.Quantize.FASTOCTREE).save(out, "png", optimize=True)
    if len(out.getvalue()) >= len(before):
        return 0
    path.write_bytes(out.getvalue())
    return len(before) - len(out.getvalue())


def run(app: Sphinx, trouble: Exception | None) -> None:
    """Lighten and measure every picture of a build that went well."""
    if trouble is None and app.builder.format == "html":
        out = Path(app.outdir)
        for path in sorted((out / "_images").glob("*.png")):
            lighten(path)
        for page in out.rglob("*.html"):
            if "_static" not in page.parts:
                page.write_text(IMAGE.sub(partial(sized, folder=page.parent), page.read_text("utf8")), "utf8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the step."""
    app.connect("build-finished", run, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
