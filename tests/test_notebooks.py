"""House rules of the notebooks. That their outputs are true is tested by running them (notebooks/conftest.py)."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import minilib
from tests.notebook_files import CHAPTERS, EXERCISES, PAGES, ROOT, code_cells, read, tags

ALL = CHAPTERS + EXERCISES + PAGES
every_notebook = pytest.mark.parametrize("path", ALL, ids=lambda path: str(path.relative_to(ROOT)))
every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
LONGEST_CELL = 25
LONGEST_LINE = 80  # of a cell, as wide as the column of the page
VOLATILE = {
    "a path": r"(?<![\w.])(/home|/root|/tmp|/usr|/work|[A-Z]:\\)",
    "an address in memory": r"0x[0-9a-f]{6,}",
    "a date": r"\b20\d\d-\d\d-\d\d\b",
    "more digits than hold on every processor": r"(?<![\w.])-?\d*\.(?=\d{7,})0*[1-9]\d{6,}(?![\w])",
}


def _outputs(path: Path) -> list:
    return [output for cell in code_cells(path) for output in cell.get("outputs", [])]


def _texts(path: Path) -> list[str]:
    texts = []
    for output in _outputs(path):
        texts.append(output.get("text", ""))
        texts += [value for kind, value in output.get("data", {}).items() if kind in ("text/plain", "text/html")]
    return texts


def test_the_first_chapters_are_there():
    assert {path.stem[:2] for path in CHAPTERS} >= {"02", "03", "04"}
    assert [path.stem for path in EXERCISES] == [path.stem for path in CHAPTERS]


@every_notebook
def test_cells_were_run_once_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1)), "store it again: python -m tools.notebooks FILE"


@every_notebook
def test_no_cell_failed_or_wrote_to_stderr(path):
    assert not [output for output in _outputs(path) if output.output_type == "error"]
    assert not [output.text for output in _outputs(path) if output.get("name") == "stderr"]


@every_notebook
def test_no_output_is_volatile(path):
    for text in _texts(path):
        for what, pattern in VOLATILE.items():
            found = re.search(pattern, text)
            assert not found, f"{what} in an output: {text[max(0, found.start() - 40) : found.end() + 20]!r}"


@every_notebook
def test_no_cell_hides_its_result_behind_a_semicolon(path):
    assert not [cell.source for cell in code_cells(path) if cell.source.rstrip().endswith(";")]


@every_notebook
def test_cells_are_short(path, record_property):
    sizes = sorted(len(cell.source.splitlines()) for cell in code_cells(path))
    report = f"{path.stem}: {len(sizes)} code cells, median {sizes[len(sizes) // 2]} lines, longest {sizes[-1]}"
    record_property("cell sizes", report)
    print(report)
    # an exercise's cell holds a whole solution; a chapter's cell one idea
    assert sizes[-1] <= (LONGEST_CELL if path in CHAPTERS else 2 * LONGEST_CELL), report


@every_notebook
def test_no_line_of_code_is_wider_than_the_page(path):
    lines = [line for cell in code_cells(path) for line in cell.source.splitlines()]
    assert not [line for line in lines if len(line) > LONGEST_LINE]


@every_notebook
def test_every_picture_says_what_is_seen_and_what_it_means(path):
    for cell in code_cells(path):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            mystnb = cell.metadata.get("mystnb", {})
            assert len(mystnb.get("image", {}).get("alt", "")) > 20, cell.source
            assert len(mystnb.get("figure", {}).get("caption", "")) > 20, cell.source


@every_chapter
def test_every_chapter_has_its_parts(path):
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    assert text.count('<details class="predict">') >= 2, "predict-first questions"
    assert ":::{admonition} Product lens" in text
    assert "\n:class: exercises\n" in text
    assert "## Sources" in text
    words = len(re.findall(r"\w+", re.sub(r"\$\$.*?\$\$|\$.*?\$", "", text, flags=re.S)))
    assert 1800 <= words <= 5500, f"{words} words"


@every_chapter
def test_every_chapter_has_an_interactive_figure(path):
    kinds = [kind for output in _outputs(path) for kind in output.get("data", {})]
    assert "application/vnd.jupyter.widget-view+json" in kinds


# Derive once, compare once, import ever after -------------------------------------------------------------------------
def _homes() -> dict[str, str]:
    """Public names of minilib with the notebook in which they are derived, from their own docstrings."""
    homes = {}
    for info in pkgutil.walk_packages(minilib.__path__, "minilib."):
        if ".check.ch" in info.name or info.name.startswith(("minilib.widgets", "minilib.check.__main__")):
            continue
        module = importlib.import_module(info.name)
        for name, thing in vars(module).items():
            inner = inspect.unwrap(thing) if callable(thing) else thing
            if name.startswith("_") or getattr(inner, "__module__", None) != module.__name__:
                continue
            found = re.search(r"Derived in: notebooks/(\w+)\.ipynb", getattr(inner, "__doc__", None) or "")
            if found:
                homes[name] = found[1]
    return homes


def _compared(path: Path) -> set[str]:
    """Every name that stands in a call of `same(...)` in a notebook."""
    names: set[str] = set()
    for cell in code_cells(path):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "same":
                names |= set(re.findall(r"\w+", ast.unparse(node)))
    return names


def _defined(path: Path) -> set[str]:
    """Functions and classes that a notebook defines, but for cells tagged `variant`."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    cells = [cell for cell in code_cells(path) if "variant" not in tags(cell)]
    return {node.name for cell in cells for node in ast.parse(cell.source).body if isinstance(node, kinds)}


def test_some_names_have_a_home():
    assert {"cross_entropy", "unbroadcast", "fit"} <= _homes().keys()


@every_chapter
def test_a_home_notebook_compares_every_name_that_it_derives(path):
    homes = [name for name, home in _homes().items() if home == path.stem]
    missing = [name for name in homes if name not in _compared(path)]
    assert not missing, f"no same(...) names {missing}"


@every_chapter
def test_no_other_notebook_defines_a_name_of_the_library_again(path):
    foreign = {name for name, home in _homes().items() if home != path.stem}
    assert not _defined(path) & foreign, "import it, or tag the cell `variant`"


@every_chapter
def test_a_listing_of_the_library_fits_the_page(path):
    for cell in code_cells(path):
        if "show.source(" in cell.source:
            listings = [output.data["text/plain"] for output in cell.outputs if "data" in output]
            lines = [line for listing in listings for line in listing.splitlines()]
            assert not [line for line in lines if len(line) > LONGEST_LINE], cell.source
