"""Fewer and lighter requests: one style sheet and one script a page, without the theme's icon font.

Runs on the built pages. The files that are put together stay where the theme put them; only what pages ask for changes.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sphinx.application import Sphinx

STYLE = re.compile(r'[ \t]*<link\b(?=[^>]*\brel="stylesheet")[^>]*\bhref="([^"]+)"[^>]*>\n?')
SCRIPT = re.compile(r'[ \t]*<script\b[^>]*\bsrc="([^"]+)"[^>]*></script>\n?')
PRELOAD = re.compile(r'[ \t]*<link\b(?=[^>]*\bas="script")[^>]*>\n?')
ADDRESS = re.compile(r"url\((['\"]?)(?!data:|https?:|#|/)([^)'\"]+)\1\)")
IMPORT = re.compile(r"@import\s+(?:url\()?['\"]([^'\"]+)['\"]\)?\s*;")
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
COMMENT = re.compile(r"/\*.*?\*/|^//# sourceMappingURL=.*$", re.DOTALL | re.MULTILINE)
# Left alone: needed before the page's own inline lines, or only on some pages.
APART = ("documentation_options.js", "widgets.js")
EMPTY = ("fontawesome.js",)


def without_icon_font(style: str) -> str:
    """Leave out the icon font and the rules that are for its icons alone: a third of the theme's style."""

    def keep(match: re.Match[str]) -> str:
        selector, body = match[1].strip(), match[2]
        icons = all(re.search(r"\.fa[srbl]?\b", part) for part in selector.split(","))
        return "" if icons or (selector == "@font-face" and "fontawesome" in body) else match[0]

    return RULE.sub(keep, style)


def without_unused(style: str, words: set[str]) -> str:
    """Leave out the selectors that ask for a class which no page and no script ever mentions."""

    def used(selector: str) -> bool:
        plain = re.sub(r":(?:not|is|where|has)\([^()]*\)", "", selector)
        return all(name in words for name in re.findall(r"\.(-?[A-Za-z_][\w-]*)", plain))

    def keep(match: re.Match[str]) -> str:
        selectors = re.split(r",(?![^(]*\))", match[1])
        kept = [selector for selector in selectors if used(selector)]
        return f"{','.join(kept)}{{{match[2]}}}" if kept else ""

    return re.sub(r"@[^{};]*\{\s*\}", "", RULE.sub(keep, style))


class Bundler:
    """Puts files together under a name made from what is in them."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.made: dict[tuple[str, ...], str] = {}
        written = [path for kind in ("*.html", "*.js") for path in out.rglob(kind) if path.name != "fontawesome.js"]
        self.words = set(re.findall(r"[\w-]+", " ".join(path.read_text("utf8", "ignore") for path in written)))

    def style(self, path: str) -> str:
        """One style sheet with its imports inside, and its addresses as seen from `_static`."""
        text = COMMENT.sub("", (self.out / path).read_text("utf8"))
        home = posixpath.dirname(path)

        def seen_from_here(name: str) -> str:
            return posixpath.normpath(posixpath.join(home, urlsplit(name).path))

        def move(match: re.Match[str]) -> str:
            return f"url({posixpath.relpath(seen_from_here(match[2]), '_static')})"

        pieces = IMPORT.split(text)  # text, imported path, text, ...
        pieces[::2] = [ADDRESS.sub(move, piece) for piece in pieces[::2]]
        pieces[1::2] = [self.style(seen_from_here(name)) for name in pieces[1::2]]
        joined = "".join(pieces)
        return joined if path.endswith("course.css") else without_unused(without_icon_font(joined), self.words)

    def script(self, path: str) -> str:
        """One script; the semicolon keeps neighbours apart."""
        return (self.out / path).read_text("utf8").split("//# sourceMappingURL=")[0] + "\n;\n"

    def join(self, paths: tuple[str, ...], kind: str) -> str:
        """The path of the file that holds these files."""
        if paths not in self.made:
            text = "".join(getattr(self, kind)(path) for path in paths)
            key = hashlib.sha256(text.encode("utf8")).hexdigest()[:10]
            name = f"_static/site-{key}.{'css' if kind == 'style' else 'js'}"
            (self.out / name).write_text(text, "utf8")
            self.made[paths] = name
        return self.made[paths]


def rewrite(page: Path, bundler: Bundler) -> None:
    """Let one page ask for the joined files."""
    html = page.read_text("utf8")
    home = posixpath.dirname(page.relative_to(bundler.out).as_posix())

    def local(address: str) -> str:
        return posixpath.normpath(posixpath.join(home, urlsplit(address).path))

    def link(path: str) -> str:
        return posixpath.relpath(path, home or ".")

    styles = tuple(dict.fromkeys(local(found[1]) for found in STYLE.finditer(html)))
    if not styles:
        return
    tag = f'<link rel="stylesheet" href="{link(bundler.join(styles, "style"))}">\n'
    first = STYLE.search(html)
    assert first is not None
    html = STYLE.sub("", html[: first.start()] + "\0" + html[first.start() :]).replace("\0", tag, 1)
    if page.name != "search.html":
        tags = [found for found in SCRIPT.finditer(html) if not local(found[1]).endswith(APART)]
        wanted = sorted(tags, key=lambda found: " defer" in found[0])
        scripts = tuple(path for path in (local(found[1]) for found in wanted) if not path.endswith(EMPTY))
        for found in tags:
            html = html.replace(found[0], "", 1)
        html = html.replace(
            "</head>", f'<script defer src="{link(bundler.join(scripts, "script"))}"></script>\n</head>', 1
        )
    page.write_text(PRELOAD.sub("", html), "utf8")


def run(app: Sphinx, trouble: Exception | None) -> None:
    """Rewrite every page of a build that went well."""
    if trouble is None and app.builder.format == "html":
        out = Path(app.outdir)
        bundler = Bundler(out)
        for page in sorted(out.rglob("*.html")):
            if "_static" not in page.parts and page.name != "404.html":
                rewrite(page, bundler)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the last step, after the other extensions have copied their files."""
    app.connect("build-finished", run, priority=990)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
