"""Submissions as text: a student's notebook with every answer right, and ways to spoil it."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from classroom.course import Course
from tools.exercises import SOURCES


class Submission:
    """A student's copy of an assignment; each method changes it and gives it back."""

    def __init__(self, course: Course, assignment: str) -> None:
        self.notebook = nbformat.read(course.release(assignment) / f"{assignment}.ipynb", as_version=4)
        self.source = nbformat.read(SOURCES / f"{assignment}.ipynb", as_version=4)

    @property
    def cells(self) -> list[NotebookNode]:
        return self.notebook.cells

    def solved(self, memo: str = "We wait: 0.77 on the test is the number.") -> Submission:
        """Every answer as in the course's solution."""
        right = {c.metadata.nbgrader.grade_id: c.source for c in self.source.cells if "nbgrader" in c.metadata}
        for cell in self.cells:
            grading = cell.metadata.get("nbgrader", {})
            if grading.get("solution"):
                cell.source = right[grading["grade_id"]] if cell.cell_type == "code" else memo
        return self

    def find(self, id: str) -> NotebookNode:
        return next(c for c in self.cells if c.metadata.get("nbgrader", {}).get("grade_id") == id)

    def answer(self, id: str, code: str) -> Submission:
        """Another text for one solution cell."""
        self.find(id).source = code
        return self

    def edit(self, id: str, old: str, new: str) -> Submission:
        """One change in one solution cell."""
        cell = self.find(id)
        assert old in cell.source, f"{old!r} is not in {id}"
        cell.source = cell.source.replace(old, new)
        return self

    def cell(self, code: str, at: int = 2) -> Submission:
        """One more code cell, by default after the imports."""
        self.cells.insert(at, nbformat.v4.new_code_cell(code))
        return self

    def bytes(self) -> bytes:
        return json.dumps(self.notebook).encode()


def hand_in(course: Course, student: str, assignment: str, data: bytes) -> Path:
    """Put a file where a collected one lies."""
    path = course.submitted(student, assignment) / f"{assignment}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
