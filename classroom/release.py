"""Hand out: an assignment's source, its student version by nbgrader, notes for students, and a zip of all that."""

from __future__ import annotations

import ast
import datetime
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from classroom.assignment import answers
from classroom.course import Course, Settings, Wrong, write
from classroom.gradebook import generate
from minilib import data
from minilib.check import exercises
from minilib.check.letters import deal
from tools.exercises import SOURCES, hand_out

NOTES = """# {title}

Open `{assignment}.ipynb` in JupyterLab, write your answers into the cells that ask for them, and run the check below
each: it says what went in, what was expected, what came out, and the likely mistake. A hint folds out below each
statement. Hand in this one file, under this name{due}.

- An answer keeps the name that the exercise gives it. You may add cells, helpers and prints.
- Before you hand in: *Restart Kernel and Run All Cells*. What only works in another order will not work for us either.
- Marks are made with other numbers than those of the check, in a process that only sees your code cells: changes to
  checks, to points or to the library have no effect.
- A decision memo, where there is one, is read and marked by your teacher.

## On your own computer

Python 3.11 or newer, and the folder of the course (its repository; your teacher says where it is). In it, once:

```
python3 -m venv .venv
.venv/bin/python -m pip install ".[{extras}]"
```

On Windows: `python -m venv .venv`, and `.venv\\Scripts\\python` in place of `.venv/bin/python`. Then, in the folder of
this file: `PATH-OF-THE-COURSE/.venv/bin/python -m jupyter lab`.

## Data

{data}
"""


def release(course: Course, assignment: str, seed: int | None = None, due: str | None = None) -> Path:
    """Write the student's folder and its zip; returns the zip. A changed seed makes another variant.

    due: as 2027-01-31 18:00, in this machine's time zone if it names none. Raises Wrong.
    """
    until = due and when(due).isoformat()
    course.set_up()
    if course.release(assignment).exists() and seed not in (None, course.settings(assignment).seed):
        old = course.settings(assignment).seed
        raise Wrong(f"{assignment} was handed out with SEED={old}; what students do with it could not be graded with "
                    f"another. Another variant needs another folder: COURSE=course_{seed}")  # fmt: skip
    settings = course.decide(assignment, seed, until)
    source = course.source(assignment)
    notebook = nbformat.read(SOURCES / f"{assignment}.ipynb", as_version=4)
    hand_out(notebook, settings.seed)
    _tell_letters(notebook, settings.seed)
    write(source, nbformat.writes(notebook) + "\n")
    write(source.with_name("README.md"), notes(assignment, notebook, settings))
    generate(course, assignment, settings.due)
    folder = course.release(assignment)
    _proof(notebook, nbformat.read(folder / source.name, as_version=4))
    return _zip(folder)


def when(text: str) -> datetime.datetime:
    """A date with its time zone; without a time it is the end of that day. Raises Wrong.

    Only year-month-day is read: 01.02. and 02/01 mean different days to different people.
    """
    text = text.strip()
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            text += " 23:59"
        elif not re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:", text):
            raise ValueError("no time of day")
        return datetime.datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise Wrong(f"DUE={text!r} is no date; write it as 2027-01-31 18:00, or 2027-01-31 for its end") from None


def _tell_letters(notebook: NotebookNode, seed: int) -> None:
    """Say in the source of a variant, which the teacher keeps, what its letters are: the solutions have the book's."""
    id = ""
    for cell in notebook.cells:
        id = cell.metadata.get("exercise", {}).get("id", id)
        letters = exercises()[id].letters if id else ""
        if seed and letters and cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution"):
            dealt = ", ".join(f"{old} is {new}" for old, new in deal(id, letters, seed).items())
            begin = re.compile("^( *)### BEGIN SOLUTION$", re.MULTILINE)
            cell.source = begin.sub(rf"\g<0>\n\1# in this variant {dealt}", cell.source, count=1)


def notes(assignment: str, notebook: NotebookNode, settings: Settings) -> str:
    """What a student has to know, in Markdown."""
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    extras = ["lab", *(["data"] if _data_sets(notebook) else []), *(["pt"] if _needs_torch(notebook) else [])]
    sets = [f"- `data.{name}`: {(getattr(data, name).__doc__ or '').splitlines()[0]}" for name in _data_sets(notebook)]
    return NOTES.format(
        title=title, assignment=assignment, extras=",".join(extras),
        due=f", by {datetime.datetime.fromisoformat(settings.due):%A %d %B %Y, %H:%M %Z}" if settings.due else "",
        data="\n".join(sets) or "This assignment reads no data set: its numbers are in the notebook or made by it.",
    )  # fmt: skip


def _trees(notebook: NotebookNode) -> Iterator[ast.AST]:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            yield from ast.walk(ast.parse(cell.source))


def _data_sets(notebook: NotebookNode) -> list[str]:
    called = {
        node.attr for node in _trees(notebook)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "data"
    }  # fmt: skip
    return sorted(called & set(data.__all__))


def _needs_torch(notebook: NotebookNode) -> bool:
    imported = [alias.name for node in _trees(notebook) if isinstance(node, ast.Import) for alias in node.names]
    for node in _trees(notebook):
        if isinstance(node, ast.ImportFrom) and node.module:
            imported += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return any(name == part or name.startswith(f"{part}.") for name in imported for part in ("torch", "minilib.pt"))


def _proof(source: NotebookNode, released: NotebookNode) -> None:
    """What must not be in a student's hands is not; raises Wrong otherwise."""
    text = "\n".join(cell.source for cell in released.cells)
    for cell in source.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            parts = cell.source.split("### BEGIN SOLUTION")[1:] or [cell.source]
            for part in parts:
                if part.split("### END SOLUTION")[0].strip() in text:
                    raise Wrong(
                        f"a solution is still in the student version (cell {cell.metadata['nbgrader']['grade_id']})"
                    )
    if answers(released) != answers(source):
        raise Wrong("a check is missing or changed in the student version")


def _zip(folder: Path) -> Path:
    """The folder as a zip that is the same, byte for byte, whenever it is made."""
    target = folder.parent / f"{folder.name}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", (2000, 1, 1, 0, 0, 0))
                info.external_attr = 0o644 << 16
                archive.writestr(info, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target
