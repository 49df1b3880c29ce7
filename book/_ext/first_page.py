"""What leads into the book: the link to its first chapter, the figures that move, the questions of a part."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from course_data import CHAPTERS, FIRST_FIGURES, PARTS, QUESTIONS, docname, exists
from docutils import nodes
from figures import widget_box
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class chapter_link(nodes.General, nodes.Element):
    """A link to a chapter, or to the first that is there, made when the page is written."""


class FirstChapter(SphinxDirective):
    """The way in."""

    def run(self) -> list[nodes.Node]:
        """A link to the first chapter that is in the book; nothing if there is none."""
        ready = [number for number in CHAPTERS if exists(Path(self.env.srcdir), number)]
        if not ready:
            return []
        words = f"Start with chapter {ready[0]}: {CHAPTERS[ready[0]][1].lower()}"
        if ready[0] > 1:
            words += f" (chapter {ready[0] - 1} is planned)"
        return [chapter_link(number=ready[0], words=words, kind="first-step")]


class FirstFigures(SphinxDirective):
    """The figures of the first page, each with what to do and the way to its chapter."""

    def run(self) -> list[nodes.Node]:
        """One group a figure that exists."""
        found: list[nodes.Node] = []
        home = Path(self.env.srcdir) / "minilib" / "widgets"
        for name, number, words in FIRST_FIGURES:
            path = home / f"{name}.js"
            self.env.note_dependency(str(path))
            if path.is_file():
                group = nodes.container(classes=["first-figure"])
                group += nodes.paragraph("", words, classes=["first-words"])
                group += widget_box(name=name, config={"compact": True})
                group += chapter_link(number=number, words=QUESTIONS[number], kind="first-more")
                found.append(group)
        return found


class PartContents(SphinxDirective):
    """The chapters of a part, each with its question; those to come are named without a link."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """One line a chapter."""
        chapters = list(PARTS.values())[int(self.arguments[0]) - 1]
        return [chapter_link(number=number, words=title, kind="part-line") for number, _, title in chapters]


def resolve(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Write the links."""
    for node in list(doctree.findall(chapter_link)):
        number, words = node["number"], escape(node["words"])
        name = docname(number)
        target = app.builder.get_relative_uri(page, name) if name in app.env.found_docs else ""
        link = f'<a href="{target}">{words}</a>' if target else words
        if node["kind"] == "part-line":
            question = f"<br>{escape(QUESTIONS[number])}" if number in QUESTIONS and target else ""
            later = "" if target else ' <span class="later">planned</span>'
            html = f'<p class="part-line"><span class="part-number">{number:02d}</span> {link}{later}{question}</p>'
        elif node["kind"] == "first-more":
            html = f'<p class="first-more">{link}</p>' if target else ""
        else:
            html = f'<p class="{node["kind"]}">{link}</p>' if target else ""
        node.replace_self(nodes.raw("", html, format="html"))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("first-chapter", FirstChapter)
    app.add_directive("first-figures", FirstFigures)
    app.add_directive("part-contents", PartContents)
    app.add_node(chapter_link)
    app.connect("doctree-resolved", resolve)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
