"""Claim checks: one registry, `book/claims.yml`, feeds the boxes in the chapters and the table in the appendix.

A chapter says `:::{admonition} Claim check C11` with `:class: claim-check`; its first paragraph is the claim, word for
word, the rest a question for the reader. The verdict and the finding come from the registry. The appendix says
`{claim-table}`. A claim is in the book when a page holds its box.
"""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import yaml
from course_data import CHAPTERS
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)
VERDICTS = ("true", "half true", "false", "cannot be checked")
Claim = dict[str, Any]


@cache
def read_registry(path: Path) -> dict[str, Claim]:
    """The claims by id; ValueError names the first entry that is not as the registry's head asks."""
    registry = {}
    for claim in yaml.safe_load(path.read_text("utf8")):
        missing = {"id", "source", "claim", "verdict", "finding", "chapters"} - claim.keys()
        if missing:
            raise ValueError(f"{path.name}: {claim.get('id', claim)} lacks {', '.join(sorted(missing))}")
        if claim["verdict"] not in VERDICTS:
            raise ValueError(f"{path.name}: {claim['id']} has the verdict {claim['verdict']!r}, not one of {VERDICTS}")
        if claim["id"] in registry:
            raise ValueError(f"{path.name}: {claim['id']} is there twice")
        registry[claim["id"]] = claim
    return registry


def registry_of(env: BuildEnvironment) -> dict[str, Claim]:
    """The registry of the book that is being built."""
    return read_registry(Path(env.srcdir) / "book" / "claims.yml")


def raw(html: str) -> nodes.raw:
    """A piece of HTML as a node."""
    return nodes.raw("", html, format="html")


class ClaimBox(SphinxDirective):
    """A claim, the reader's guess, and the verdict folded."""

    def run(self) -> list[nodes.Node]:
        """The box; remembers where it stands."""
        name = self.arguments[0].removeprefix("Claim check").strip()
        claim = registry_of(self.env).get(name)
        said, _, guess = "\n".join(self.content).strip().partition("\n\n")
        trouble = ""
        if claim is None:
            trouble = f"claim {name} is not in book/claims.yml"
        elif said.split() != claim["claim"].split():
            trouble = f"claim {name} reads differently in book/claims.yml: {claim['claim'].strip()}"
        if claim is None or trouble:
            logger.warning(trouble, type="claims", location=self.get_location())
            return []
        seen = self.env.__dict__.setdefault("claims_seen", {})
        seen.setdefault(name, []).append(self.env.docname)
        box = nodes.container(classes=["claim-check"], ids=[f"claim-{name.lower()}"])
        box += nodes.paragraph("", f"Claim check {name}", classes=["box-label"])
        box += self.parse(claim["claim"], "claim-said")
        box += self.parse(guess, "claim-guess")
        box += raw('<details class="claim-verdict"><summary>Verdict</summary>')
        box += self.parse(f"**{claim['verdict'].capitalize()}.** {claim['finding']}", "claim-finding")
        table = f"{self.env.app.builder.get_relative_uri(self.env.docname, 'book/claims')}#{name.lower()}"
        said_in = f'Said in <a href="{table}">{escape(claim["source"])}</a>.'
        box += raw(f'<p class="claim-source">{said_in}</p></details>')
        return [box]

    def parse(self, text: str, name: str) -> nodes.container:
        """MyST text as a named group."""
        group = nodes.container(classes=[name])
        self.state.nested_parse(StringList(text.split("\n"), self.get_source_info()[0]), self.content_offset, group)
        return group


class claim_table(nodes.General, nodes.Element):
    """Stands for the table until all pages have been read."""


class ClaimTable(SphinxDirective):
    """All claims, each with its verdict and its place in the book."""

    def run(self) -> list[nodes.Node]:
        """Parse the claims now (they hold mathematics); the places are filled in when every page is known."""
        table = claim_table()
        for name, claim in registry_of(self.env).items():
            entry = nodes.container(classes=["claim-entry"], ids=[name.lower()], name=name)
            said = nodes.container(classes=["claim-said"])
            found = nodes.container(classes=["claim-finding"])
            for text, group in ((claim["claim"], said), (claim["finding"], found)):
                self.state.nested_parse(StringList(text.split("\n"), "claims.yml"), self.content_offset, group)
                entry += group
            table += entry
        return [table]


def settled_in(app: Sphinx, claim: Claim) -> list[str]:
    """The pages that hold the claim's box."""
    return sorted(set(getattr(app.env, "claims_seen", {}).get(claim["id"], [])))


def label_of(app: Sphinx, claim: Claim) -> str:
    """What stands over a claim, as HTML; the verdict of a chapter that is not there yet is only expected."""
    expected = "expected: " if claim["chapters"] and not settled_in(app, claim) else ""
    return (
        f'<p class="box-label">{claim["id"]} · {escape(claim["source"])} · '
        f'<strong class="verdict">{expected}{escape(claim["verdict"])}</strong></p>'
    )


def place_of(app: Sphinx, claim: Claim, docname: str) -> str:
    """One sentence, as HTML: where the claim is settled, or which chapter it comes with."""
    if pages := settled_in(app, claim):
        links = [
            f'<a href="{app.builder.get_relative_uri(docname, page)}#claim-{claim["id"].lower()}">'
            f"{escape(app.env.titles[page].astext())}</a>"
            for page in pages
        ]
        return f"Settled in {' and '.join(links)}."
    titles = [f"chapter {number}, {CHAPTERS[number][1]}" for number in claim["chapters"]]
    return f"Comes with {' and '.join(titles)}." if titles else "Settled by its source."


def fill_tables(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Write each claim's place under it."""
    for table in list(doctree.findall(claim_table)):
        registry = registry_of(app.env)
        counts = [f"{sum(c['verdict'] == v for c in registry.values())} {v}" for v in VERDICTS]
        summary = nodes.paragraph("", f"{len(registry)} claims: {', '.join(counts)}.", classes=["claim-summary"])
        for entry in table.children:
            claim = registry[entry["name"]]
            place = place_of(app, claim, docname)
            entry.insert(0, raw(label_of(app, claim)))
            entry += raw(f'<p class="claim-place">{place}</p>')
        table.replace_self([summary, *table.children])


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """A page is read again: what it held is forgotten."""
    for pages in getattr(env, "claims_seen", {}).values():
        pages[:] = [page for page in pages if page != docname]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("claim-table", ClaimTable)
    app.add_node(claim_table)
    app.connect("doctree-resolved", fill_tables)
    app.connect("env-purge-doc", forget)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
