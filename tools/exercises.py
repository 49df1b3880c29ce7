"""Write the student versions of the exercises: `python -m tools.exercises [--fresh] [--to FOLDER]`.

Solutions become `raise NotImplementedError()`, outputs go; a file that a student has worked in is kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nbformat
from nbgrader.preprocessors import ClearSolutions

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "notebooks" / "exercises"


def student_version(source: Path) -> str:
    """The text of a notebook without solutions and outputs. Raises ValueError if a solution could not be cut out."""
    notebook = nbformat.read(source, as_version=4)
    notebook, _ = ClearSolutions().preprocess(notebook, {})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if cell.metadata.get("nbgrader", {}).get("solution") and "NotImplementedError" not in cell.source:
                raise ValueError(f"{source.name}, cell {cell.id}: no ### BEGIN SOLUTION … ### END SOLUTION to cut out")
    notebook.metadata.pop("widgets", None)
    return nbformat.writes(notebook) + "\n"


def write_all(folder: Path, fresh: bool = False) -> dict[str, str]:
    """Write every student version into `folder`; returns what happened to each: written or kept."""
    folder.mkdir(parents=True, exist_ok=True)
    done = {}
    for source in sorted(SOURCES.glob("*.ipynb")):
        target = folder / source.name
        keep = target.exists() and not fresh
        if not keep:
            target.write_text(student_version(source), encoding="utf8", newline="\n")
        done[source.stem] = "kept, you may have worked in it" if keep else "written"
    return done


def main() -> None:
    parser = argparse.ArgumentParser(prog="make exercises", description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "exercises", help="folder (default: exercises)")
    parser.add_argument("--fresh", action="store_true", help="overwrite what is there")
    options = parser.parse_args()
    for name, what in write_all(options.to, options.fresh).items():
        print(f"{name}: {what}")
    print(f"Open them with `make lab`, or: jupyter lab {options.to.name}")


if __name__ == "__main__":
    main()
