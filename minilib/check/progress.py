"""How far a learner is: notebooks are run as they are, each in a process of its own, and their checks noted."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minilib.check import exercises
from minilib.progress import progress_bar

MARK = "minilib.check.progress: "
SIGNS = {"right": "✓", "wrong": "✗", "open": "·"}


@dataclass
class Chapter:
    """A notebook: its exercises in order with their titles, what each check said (state, report), what stopped it."""

    name: str
    titles: dict[str, str]
    said: dict[str, tuple[str, str]] = field(default_factory=dict)
    fault: str = ""

    def state(self, id: str) -> str:
        return self.said.get(id, ("open", ""))[0]

    @property
    def right(self) -> int:
        return sum(self.state(id) == "right" for id in self.titles)


def of_folder(folder: Path, seconds: float = 120.0) -> list[Chapter]:
    """What passes in each notebook of a folder that checks exercises. Raises FileNotFoundError if there is none."""
    every = [(path, _read(path)) for path in sorted(folder.glob("*.ipynb"))]
    found = [(path, chapter) for path, chapter in every if chapter.titles or chapter.fault]
    if not any(chapter.titles for _, chapter in found):
        raise FileNotFoundError(
            f"no notebook with exercises in {folder}: `make exercises` writes them into the folder exercises; "
            "or name the folder where yours are"
        )
    with progress_bar("notebooks", len(found)) as bar, ThreadPoolExecutor(max(1, (os.cpu_count() or 2) // 2)) as pool:
        for _ in pool.map(lambda one: _fill(one[0], one[1], seconds), found):
            bar.update()
    return [chapter for _, chapter in found]


def _cells(path: Path) -> list[str]:
    """The code of a notebook, cell by cell. Raises ValueError, KeyError or TypeError if the file is no notebook."""
    cells = json.loads(path.read_text("utf8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def _read(path: Path) -> Chapter:
    """The exercises that a notebook checks."""
    known, titles = exercises(), {}
    try:
        cells = _cells(path)
    except (OSError, ValueError, KeyError, TypeError):
        return Chapter(path.stem, {}, fault="cannot be read: is the file damaged?")
    for source in cells:
        for node in ast.walk(_tree(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check" and node.args:
                id = getattr(node.args[0], "value", None)
                if id in known:
                    titles[id] = known[id].title
    return Chapter(path.stem, titles)


def _tree(source: str) -> ast.AST:
    try:
        return ast.parse(_plain(source))
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def _plain(source: str) -> str:
    """Code without the lines that only Jupyter understands."""
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())


def _fill(path: Path, chapter: Chapter, seconds: float) -> None:
    """Run a notebook and note what its checks say."""
    command = [sys.executable, "-X", "utf8", "-c", "from minilib.check.progress import run; run()", str(path.resolve())]
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": path.parent}
    try:
        text = subprocess.run(command, stdout=subprocess.PIPE, timeout=seconds, check=False, **quiet).stdout  # type: ignore[call-overload]
    except subprocess.TimeoutExpired as error:
        text, chapter.fault = error.stdout or b"", f"stopped after {seconds:.0f} seconds: does a cell not come back?"
    for line in text.decode("utf8", "replace").splitlines():
        if line.startswith(MARK):
            id, *said = json.loads(line.removeprefix(MARK))
            if id or "" not in chapter.said:  # the first of the cells that stopped
                chapter.said[id] = tuple(said)
    chapter.fault = chapter.fault or chapter.said.pop("", ("", ""))[1]


def run() -> None:
    """In a process of its own: run the notebook named on the command line; a line for each check."""
    import minilib.check as module

    check = module.check

    def noting(id: str, answer: Any, **options: Any) -> Any:
        report = check(id, answer, **options)
        state = "right" if report else "open" if "still to be written" in repr(report) else "wrong"
        print("\n" + MARK + json.dumps([id, state, repr(report)]), flush=True)
        return report

    module.check = noting
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(_cells(Path(sys.argv[1])), 1):
        try:
            exec(compile(_plain(source), "<cell>", "exec"), names)
        except NotImplementedError:
            continue
        except (Exception, SystemExit) as error:
            text = f"code cell {number} stops with {type(error).__name__}: {error}"
            print("\n" + MARK + json.dumps(["", "", text[:150]]), flush=True)


def table(chapters: list[Chapter], verbose: bool = False) -> str:
    """A line a chapter: a sign for each exercise, how many are right, what comes next."""
    width = max(len(chapter.name) for chapter in chapters)
    signs = max(len(chapter.titles) for chapter in chapters)
    lines = []
    for chapter in chapters:
        if not chapter.titles:
            lines.append(f"{chapter.name:<{width}}  {chapter.fault}")
            continue
        row = "".join(SIGNS[chapter.state(id)] for id in chapter.titles)
        todo = next((id for id in chapter.titles if chapter.state(id) != "right"), None)
        then = f"next: {todo} {chapter.titles[todo]}" if todo else "all right"
        lines.append(f"{chapter.name:<{width}}  {row:<{signs}}  {chapter.right:>2} of {len(chapter.titles)}  {then}")
        if chapter.fault:
            lines.append(f"{'':<{width}}  {chapter.fault}")
        if verbose:
            lines += [report for state, report in chapter.said.values() if state == "wrong"]
    total = sum(len(chapter.titles) for chapter in chapters)
    right = sum(chapter.right for chapter in chapters)
    return "\n".join([*lines, f"{right} of {total} exercises are right   (✓ right, ✗ not yet, · to be written)"])
