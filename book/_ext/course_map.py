"""The map of the chapters as a picture: `{course-map}`, drawn while the book is built.

Two drawings of one plan: four columns for wide pages, two for narrow ones; the style sheet shows one of them.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from course_data import CHAPTERS, PARTS, docname, exists
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

STEP, TOP, LEFT, GAP = 30, 62, 13, 16
ROMAN = ("I", "II", "III", "IV")


class course_map(nodes.General, nodes.Element):
    """Stands for the picture until the page is written and links can be made."""


class CourseMap(SphinxDirective):
    """The picture's place."""

    def run(self) -> list[nodes.Node]:
        """A placeholder."""
        return [course_map()]


def station(x: int, y: int, number: int, link: str) -> str:
    """One chapter: a dot on the line and its title, a link if the chapter is in the book."""
    name = f'<tspan class="map-number">{number:02d}</tspan> {escape(CHAPTERS[number][1])}'
    label = f'<text x="{x + 15}" y="{y + 4.5}">{name}</text>'
    if not link:
        return f'<g class="map-planned"><circle cx="{x}" cy="{y}" r="4.5"/>{label}</g>'
    return f'<a href="{link}" class="map-ready"><circle cx="{x}" cy="{y}" r="6.5"/>{label}</a>'


def line(part: int, x: int, y: int, links: dict[int, str]) -> str:
    """One part of the course: its name, and its chapters on a line."""
    title, chapters = list(PARTS.items())[part]
    bottom = y + TOP + STEP * (len(chapters) - 1)
    marks = "".join(
        station(x + LEFT, y + TOP + STEP * row, number, links.get(number, ""))
        for row, (number, _, _) in enumerate(chapters)
    )
    return (
        f'<text class="map-number" x="{x + 6}" y="{y + 14}">Part {ROMAN[part]}</text>'
        f'<text class="map-part" x="{x + 6}" y="{y + 34}">{escape(title)}</text>'
        f'<path d="M{x + LEFT} {y + TOP} V{bottom}"/>{marks}'
    )


def drawing(name: str, columns: int, width: int, links: dict[int, str]) -> str:
    """The plan in so many columns."""
    longest = [len(chapters) for chapters in PARTS.values()]
    body, y = [], 0
    for first in range(0, len(longest), columns):
        row = range(first, min(first + columns, len(longest)))
        body += [line(part, (part - first) * width, y, links) for part in row]
        y += TOP + STEP * max(longest[part] for part in row) + GAP
    return (
        f'<svg class="course-map {name}" viewBox="0 0 {columns * width} {y}" role="group" '
        f'aria-label="Map of the {len(CHAPTERS)} chapters in four parts">{"".join(body)}</svg>'
    )


def draw(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Replace the placeholder by both drawings."""
    for node in list(doctree.findall(course_map)):
        root = Path(app.srcdir)
        links = {
            number: app.builder.get_relative_uri(page, docname(number))
            for number in CHAPTERS
            if exists(root, number) and docname(number) in app.env.found_docs
        }
        html = drawing("map-wide", 4, 210, links) + drawing("map-narrow", 2, 202, links)
        node.replace_self(nodes.raw("", f'<nav class="map" aria-label="Chapters">{html}</nav>', format="html"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("course-map", CourseMap)
    app.add_node(course_map)
    app.connect("doctree-resolved", draw)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
