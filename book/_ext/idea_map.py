"""Every idea of a part on one page: `{idea-map}`, from `book/ideas.yml`, with links to chapters and exercises."""

from __future__ import annotations

import re
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml
from course_data import CHAPTERS, QUESTIONS, docname
from docutils import nodes
from exercises import Exercise, read_exercises
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)
Idea = dict[str, str]
BREAK = re.compile(r"(?<=[/_])|(?<=[a-z])(?=[A-Z])")


def read_ideas(path: Path) -> list[Idea]:
    """The ideas in the order of the file; ValueError if one lacks a part."""
    ideas = yaml.safe_load(path.read_text("utf8"))
    for idea in ideas:
        if missing := {"idea", "library", "exercise"} - idea.keys():
            raise ValueError(f"{path.name}: {idea} lacks {', '.join(sorted(missing))}")
    return ideas


def chapter_of(idea: Idea) -> int:
    """The number of the chapter, from that of the exercise."""
    return int(idea["exercise"].split(".")[0])


def in_library(path: str) -> str:
    """`scratch.functional.conv2d` → its file and its name, as HTML which may break within long names."""
    file, name = path.replace(".", "/").rsplit("/", 1)
    parts = (BREAK.sub("<wbr>", escape(part)) for part in (file, name))
    return " ".join(f"<code>{part}</code>" for part in parts)


class IdeaMap(SphinxDirective):
    """A table: idea, where it is in the library, the exercise that trains it; a heading for each chapter."""

    def run(self) -> list[nodes.Node]:
        """The table as HTML."""
        root = Path(self.env.srcdir)
        source = root / "book" / "ideas.yml"
        self.env.note_dependency(str(source))
        body = "".join(self.chapter(number, list(ideas)) for number, ideas in groupby(read_ideas(source), chapter_of))
        head = "<thead><tr><th>Idea</th><th>In minilib</th><th>Train it</th></tr></thead>"
        table = f'<div class="pst-scrollable-table-container"><table class="table idea-map">{head}{body}</table></div>'
        return [nodes.raw("", table, format="html")]

    def chapter(self, number: int, ideas: list[Idea]) -> str:
        """The rows of one chapter under its name and its question."""
        stem, title = CHAPTERS[number]
        path = Path(self.env.srcdir) / "notebooks" / "exercises" / f"{number:02d}_{stem}.ipynb"
        self.env.note_dependency(str(path))
        exercises = {exercise.id: exercise for exercise in read_exercises(path)}
        page = self.env.app.builder.get_relative_uri(self.env.docname, docname(number))
        heading = f'<a href="{page}">{number} · {escape(title)}</a> <em>{escape(QUESTIONS[number])}</em>'
        rows = [self.row(idea, exercises.get(idea["exercise"]), page) for idea in ideas]
        return f'<tbody><tr><th colspan="3" scope="rowgroup">{heading}</th></tr>{"".join(rows)}</tbody>'

    def row(self, idea: Idea, exercise: Exercise | None, page: str) -> str:
        """One idea; an unknown exercise fails the build."""
        if exercise is None:
            logger.warning("ideas.yml: there is no exercise %s", idea["exercise"], type="ideas")
            return ""
        anchor = f"exercise-{exercise.id.replace('.', '-').replace('_', '-')}"
        train = f'<a href="{page}#{anchor}">{escape(exercise.title)}</a>'
        return f"<tr><td>{escape(idea['idea'])}</td><td>{in_library(idea['library'])}</td><td>{train}</td></tr>"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("idea-map", IdeaMap)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
