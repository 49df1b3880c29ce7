"""The notebooks as data: chapters, exercise sources, and what the tests want to know of them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXERCISES = sorted((ROOT / "notebooks" / "exercises").glob("*.ipynb"))
PAGES = sorted((ROOT / "book").glob("*.ipynb"))


@cache
def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def checks(path: Path) -> dict[str, str]:
    """The exercises that a notebook checks: id → the name of the answer, from its `check("id", name)` cells."""
    found = {}
    for cell in code_cells(path):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check":
                found[ast.literal_eval(node.args[0])] = ast.unparse(node.args[1])
    return found
