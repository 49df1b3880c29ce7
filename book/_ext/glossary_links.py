"""Ties the glossary to the chapters: a term's first use links to its entry, and the entry says where it is introduced.

A chapter prints a term bold where it explains it; that is the first use. A term that is bold nowhere is introduced
where it first occurs in plain text.
"""

from __future__ import annotations

import re
from typing import Any

from course_data import CHAPTERS, docname
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

logger = logging.getLogger(__name__)
GLOSSARY = "book/glossary"
ORDER = [docname(number) for number in CHAPTERS]


def plain(text: str) -> str:
    """A term as it is compared: small letters, no full stop, no plural."""
    text = re.sub(r"\s+", " ", text).strip(" .,:;").lower()
    return text[:-1] if text.endswith("s") and not text.endswith("ss") else text


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Remember what a chapter prints bold, and its words."""
    page = app.env.docname
    if page in ORDER:
        bold = [plain(strong.astext()) for strong in doctree.findall(nodes.strong)]
        memory(app.env)[page] = (set(bold), plain(doctree.astext()))


def memory(env: BuildEnvironment) -> dict[str, tuple[set[str], str]]:
    """What was collected: page → (bold terms, text)."""
    return env.__dict__.setdefault("glossary_pages", {})


def forget(app: Sphinx, env: BuildEnvironment, page: str) -> None:
    """A page that is read again is collected again."""
    memory(env).pop(page, None)


def entries(env: BuildEnvironment) -> dict[str, str]:
    """Every term of the glossary as it is compared, with its anchor."""
    found = env.get_domain("std").get_objects()
    return {plain(name): anchor for name, _, kind, page, anchor, _ in found if kind == "term" and page == GLOSSARY}


def introduced(env: BuildEnvironment) -> dict[str, tuple[str, bool]]:
    """For each term: the page that introduces it, and whether it is bold there."""
    pages = [(page, *memory(env)[page]) for page in ORDER if page in memory(env)]
    places: dict[str, tuple[str, bool]] = {}
    for term in entries(env):
        word = re.compile(rf"\b{re.escape(term)}(e?s)?\b")
        bold = next((page for page, terms, _ in pages if term in terms), None)
        if place := bold or next((page for page, _, text in pages if word.search(text)), None):
            places[term] = (place, bold is not None)
    return places


def link(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Links from first uses, and in the glossary the way back."""
    places = app.env.__dict__.setdefault("glossary_places", None) or introduced(app.env)
    app.env.__dict__["glossary_places"] = places
    if page in ORDER:
        link_first_uses(app, doctree, page, places)
    elif page == GLOSSARY:
        tell_places(app, doctree, places)


def link_first_uses(app: Sphinx, doctree: nodes.document, page: str, places: dict[str, tuple[str, bool]]) -> None:
    """The first bold use of a term becomes a link to its entry."""
    anchors, done = entries(app.env), set()
    target = app.builder.get_relative_uri(page, GLOSSARY)
    for strong in list(doctree.findall(nodes.strong)):
        term = plain(strong.astext())
        if term in done or places.get(term) != (page, True) or isinstance(strong.parent, nodes.reference):
            continue
        done.add(term)
        uri, place = f"{target}#{anchors[term]}", f"first-{anchors[term]}"
        reference = nodes.reference("", "", refuri=uri, internal=True, classes=["first-use"], ids=[place])
        strong.replace_self(reference)
        reference += strong


def tell_places(app: Sphinx, doctree: nodes.document, places: dict[str, tuple[str, bool]]) -> None:
    """Under each entry, the chapter that introduces the term; a term of no chapter fails the build."""
    anchors = entries(app.env)
    for item in doctree.findall(nodes.definition_list_item):
        heads = [node for node in item.children if isinstance(node, nodes.term)]
        term = plain(heads[0].astext()) if heads else ""
        if term not in anchors:
            continue
        if term not in places:
            logger.warning("glossary: no chapter uses %s", heads[0].astext(), type="glossary", location=GLOSSARY)
            continue
        page, bold = places[term]
        uri = app.builder.get_relative_uri(GLOSSARY, page) + (f"#first-{anchors[term]}" if bold else "")
        title = app.env.titles[page].astext()
        way = nodes.reference("", f"{int(page.split('/')[1][:2])} · {title}", refuri=uri, internal=True)
        item.children[-1] += nodes.paragraph("", "", nodes.Text("Introduced in "), way, classes=["introduced"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the two directions."""
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-resolved", link)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
