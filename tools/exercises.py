"""Write the student versions of the exercises: `python -m tools.exercises [--fresh] [--to FOLDER] [--seed N]`.

Solutions become `raise NotImplementedError()`, outputs go; a file that a student has worked in is kept.

A seed other than 0 makes a variant: its checks show other numbers, and where logs (maps, reports) are told apart by
letters, these are dealt anew. A cell that shows such logs says so in its metadata:

    "letters": {"of": "03.read_reports", "texts": ["(?m)^[A-E]( .*)$"], "names": []}

The groups of each pattern in `texts`, one after the other, are the logs A, B, C …, or parts of them, once or several
times over; they change places, the letters before them stay. The groups of `names` are single letters that speak of a
log elsewhere. Exercises whose labels mean something have no letters (minilib/check/spec.py) and stay as they are.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.preprocessors import ClearSolutions

from minilib.check import exercises
from minilib.check.letters import Dealt, deal

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "notebooks" / "exercises"


def student_version(source: Path, seed: int = 0) -> str:
    """The text of a notebook without solutions and outputs. Raises ValueError if a solution could not be cut out."""
    notebook = nbformat.read(source, as_version=4)
    notebook, _ = ClearSolutions().preprocess(notebook, {})
    for cell in notebook.cells:
        solution = cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution")
        if solution and "NotImplementedError" not in cell.source:
            raise ValueError(f"{source.name}, cell {cell.id}: no ### BEGIN SOLUTION … ### END SOLUTION to cut out")
    hand_out(notebook, seed)
    return nbformat.writes(notebook) + "\n"


def hand_out(notebook: nbformat.NotebookNode, seed: int) -> None:
    """Take the outputs out of a notebook and make it the variant of a seed."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        marked = cell.metadata.pop("letters", None)
        if seed:
            cell.source = variant(cell.source, seed, marked)
    notebook.metadata.pop("widgets", None)


def variant(source: str, seed: int, marked: dict[str, Any] | None = None) -> str:
    """The source of a cell in a variant: its check with the seed, and the lettered logs that it shows dealt anew."""
    if marked:
        dealt = deal(marked["of"], exercises()[marked["of"]].letters, seed)
        for pattern in marked.get("names", []):
            source = _replaced(source, pattern, dealt, _renamed)
        for pattern in marked["texts"]:
            source = _replaced(source, pattern, dealt, _moved)
    return re.sub(r'^check\("([^"]+)", (\w+)\)$', rf'check("\1", \2, seed={seed})', source, flags=re.MULTILINE)


def _replaced(source: str, pattern: str, dealt: Dealt, change: Callable[[list[str], Dealt], list[str]]) -> str:
    """The source with the groups of all matches exchanged for what `change` makes of them."""
    found = list(re.finditer(pattern, source))
    spans = [match.span(k) for match in found for k in range(1, match.re.groups + 1)]
    if not spans:
        raise ValueError(f"the pattern {pattern!r} of the metadata finds nothing in {source[:60]!r} …")
    texts = change([source[start:end] for start, end in spans], dealt)
    for (start, end), text in reversed(list(zip(spans, texts, strict=True))):
        source = source[:start] + text + source[end:]
    return source


def _renamed(letters: list[str], dealt: Dealt) -> list[str]:
    return [dealt[letter] for letter in letters]


def _moved(texts: list[str], dealt: Dealt) -> list[str]:
    """The texts of A, B, C … (once, or several times over), each where its new letter stands."""
    letters, n = list(dealt), len(dealt)
    if len(texts) % n:
        raise ValueError(f"{len(texts)} texts cannot be shared out among the letters {''.join(letters)}")
    old = {new: letters.index(letter) for letter, new in dealt.items()}
    return [texts[start + old[letter]] for start in range(0, len(texts), n) for letter in letters]


def write_all(folder: Path, fresh: bool = False, seed: int = 0) -> dict[str, str]:
    """Write every student version into `folder`; returns what happened to each: written or kept."""
    folder.mkdir(parents=True, exist_ok=True)
    done = {}
    for source in sorted(SOURCES.glob("*.ipynb")):
        target = folder / source.name
        keep = target.exists() and not fresh
        if not keep:
            target.write_text(student_version(source, seed), encoding="utf8", newline="\n")
        done[source.stem] = "kept, you may have worked in it" if keep else "written"
    return done


def main() -> None:
    parser = argparse.ArgumentParser(prog="make exercises", description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "exercises", help="folder (default: exercises)")
    parser.add_argument("--fresh", action="store_true", help="overwrite what is there")
    parser.add_argument("--seed", type=int, default=0, help="write the variant of this seed (default: 0)")
    options = parser.parse_args()
    for name, what in write_all(options.to, options.fresh, options.seed).items():
        print(f"{name}: {what}")
    print(f"Open them with: .venv/bin/jupyter lab {options.to}   (Windows: .venv\\Scripts\\jupyter lab {options.to})")


if __name__ == "__main__":
    main()
