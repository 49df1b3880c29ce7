"""What an assignment asks for, and what a submission holds: both read from notebooks, the second with suspicion."""

from __future__ import annotations

import ast
import errno
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from classroom.wire import writable

LARGEST = 10 * 2**20
"""Bytes that a notebook without outputs never needs; with pictures stored it may come near."""
CELLS = 2_000
READING = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
"""Follow no link, wait for no pipe, change no byte, as far as the system knows these."""
AGAIN = "save it in JupyterLab and hand it in again"


@dataclass(frozen=True)
class Answer:
    """One exercise: its id, the name that the answer must have, the check cell's grade_id, what it is worth."""

    id: str
    name: str
    title: str
    cell: str
    points: float


class Unreadable(Exception):
    """A submission that is no notebook; the message says why, for the student."""


def answers(notebook: NotebookNode) -> list[Answer]:
    """The exercises of a source notebook, in order, from its `check("id", name)` cells."""
    titles = {cell.metadata["exercise"]["id"]: cell.metadata["exercise"]["title"]
              for cell in notebook.cells if "exercise" in cell.metadata}  # fmt: skip
    found = []
    for cell in notebook.cells:
        grading = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and grading.get("grade"):
            call = next(node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call))
            id, name = ast.literal_eval(call.args[0]), ast.unparse(call.args[1])
            found.append(Answer(id, name, titles[id], grading["grade_id"], float(grading["points"])))
    return found


def read_file(path: Path) -> bytes:
    """The bytes of a submitted file, if it is one and not a link to somewhere. Raises Unreadable."""
    try:
        return read_open(os.open(path, READING))
    except FileNotFoundError:
        raise Unreadable(f"no file called {path.name} was handed in") from None
    except OSError as error:
        link = ": a link is not read" if error.errno == errno.ELOOP else ""
        raise Unreadable(f"the file could not be opened ({error.strerror}){link}") from None


def read_open(number: int) -> bytes:
    """The bytes of a file that is open under a number, and closed here. Raises Unreadable."""
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise Unreadable("this is not a file: hand in the notebook itself")
    with os.fdopen(number, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Unreadable(f"the file is larger than {LARGEST // 2**20} MB: clear all outputs, save, hand in again")
    if not data.strip():
        raise Unreadable("the file is empty")
    return data


def read_notebook(data: bytes) -> NotebookNode:
    """A notebook in today's format, from version 2 on, whatever else is in it. Raises Unreadable."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("the file is not a notebook but binary data: hand in the .ipynb file itself") from None
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the file is not a notebook, or a damaged one ({type(error).__name__}): {AGAIN}") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("nbformat"), int):
        raise Unreadable(f"the file is not a notebook (it has no nbformat): {AGAIN}")
    try:
        cells = _cells(tree)
        if len(cells) > CELLS:
            raise Unreadable(f"the notebook has more than {CELLS:,} cells")
        return nbformat.from_dict({"cells": [_cell(cell) for cell in cells]})
    except Unreadable:
        raise
    except Exception as error:
        reason = writable(f"{type(error).__name__}: {error}"[:150])
        raise Unreadable(f"the notebook cannot be read (nbformat {tree['nbformat']}; {reason})") from None


def _cells(tree: dict) -> list[dict]:
    """The cells as they lie in the file: nbformat may take minutes to convert a few MB of nonsense."""
    if tree["nbformat"] == 4:
        return tree["cells"]
    if tree["nbformat"] not in (2, 3):
        raise Unreadable(f"this format is not read (nbformat {tree['nbformat']}): save it as .ipynb in JupyterLab")
    cells = [cell for sheet in tree["worksheets"] for cell in sheet["cells"]]
    return [{**cell, "source": cell["input"]} if "input" in cell else cell for cell in cells]


def _cell(cell: dict) -> dict:
    """A cell with what the grader uses and nothing else: no outputs, no attachments, text as text."""
    source, metadata = cell.get("source", ""), cell.get("metadata")
    source = "".join(map(str, source)) if isinstance(source, list) else source
    kind = cell.get("cell_type")
    grading = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    id = grading.get("grade_id") if isinstance(grading, dict) else None
    return {
        "cell_type": kind if kind in ("code", "markdown", "raw") else "raw",
        "source": writable(source) if isinstance(source, str) else "",
        "grade_id": id if isinstance(id, str) else None,
    }


def code(notebook: NotebookNode) -> list[tuple[str, str]]:
    """The code cells with labels: "cell 3" is the third cell of all, as the student counts them."""
    return [(f"cell {i}", cell.source) for i, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
