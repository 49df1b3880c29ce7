"""What the exercises' notebooks define, run: with their solutions, and as a student gets them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nbformat
import pytest
import torch

from minilib.check import exercises
from tests.notebook_files import EXERCISES, checks, code_cells, read
from tools.exercises import student_version

mpl.use("agg")
IDS = sorted(exercises())


def notebook_of(id: str) -> Path:
    return next(path for path in EXERCISES if path.stem.startswith(id[:2]))


def run_cells(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """What the code cells of a notebook define, run one after the other."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, f"<cell {cell.get('id')}>", "exec"), names)
    return names


@cache
def solved(path: Path) -> dict[str, Any]:
    return run_cells(read(path))


@cache
def unsolved(path: Path) -> dict[str, Any]:
    return run_cells(nbformat.reads(student_version(path), as_version=4))


def solution(id: str) -> Any:
    """The solution's function."""
    path = notebook_of(id)
    return solved(path)[checks(path)[id]]


@pytest.fixture(autouse=True)
def the_dtype_that_the_notebook_sets(request):
    """torch's default belongs to the process: each test has that of its notebook, and leaves the usual one behind."""
    given = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    path = notebook_of(given["id"]) if "id" in given else given.get("path")
    if path and any("set_default_dtype(torch.float64)" in cell.source for cell in code_cells(path)):
        torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
