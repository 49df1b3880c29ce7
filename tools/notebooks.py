"""Execute notebooks from a fresh kernel and store them with their outputs: `python -m tools.notebooks [FILE ...]`."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
QUIET = {"MINILIB_PROGRESS": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""The environment in which outputs are stored and compared: no progress bars, one thread, the same sums."""


def all_notebooks() -> list[Path]:
    """Every chapter, every exercise source, and the pages of the book that compute something."""
    return sorted((ROOT / "notebooks").rglob("*.ipynb")) + sorted((ROOT / "book").glob("*.ipynb"))


def store(path: Path) -> float:
    """Run one notebook top to bottom, write it back with outputs and widget state; returns the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", record_timing=False, store_widget_state=True,
        coalesce_streams=True, resources={"metadata": {"path": str(path.parent)}},
    )  # fmt: skip
    notebook.metadata.pop("widgets", None)
    client.execute()
    notebook.metadata = nbformat.from_dict(_kept(notebook.metadata))
    path.write_text(nbformat.writes(notebook), encoding="utf8", newline="\n")
    return time.perf_counter() - started


def _kept(metadata: dict) -> dict:
    """The notebook's metadata without what changes from machine to machine."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    widgets = {"widgets": metadata["widgets"]} if "widgets" in metadata else {}
    return {"kernelspec": kernel, "language_info": {"name": "python", "file_extension": ".py"}, **widgets}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="notebooks to store; all of them if none is named")
    files = parser.parse_args().files or all_notebooks()
    os.environ.update(QUIET)
    for path in (bar := tqdm(files, unit="notebook")):
        bar.set_postfix_str(path.stem)
        try:
            tqdm.write(f"{path.stem}: {store(path):.1f} s")
        except CellExecutionError as error:
            raise SystemExit(f"{path}: a cell failed, nothing was stored\n{error}") from None


if __name__ == "__main__":
    main()
