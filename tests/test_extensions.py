"""The book's own Sphinx extensions, on small books, and the claims in the chapters that exist."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from minilib import check
from tools import site as site_tools

ROOT = site_tools.ROOT
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import claims  # noqa: E402
import course_data  # noqa: E402
import exercises  # noqa: E402
import figures  # noqa: E402
import idea_map  # noqa: E402
import katex_math  # noqa: E402

REGISTRY = claims.read_registry(ROOT / "book" / "claims.yml")
WRITTEN = [number for number in course_data.CHAPTERS if course_data.exists(ROOT, number)]
CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "book" / "_ext")!r})
extensions = ["myst_nb", "katex_math", "claims", "admonitions", "figures", "course_map"]
extensions += ["first_page", "page_assets", "repairs", "glossary_links"]
html_math_renderer = "katex"
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
nb_execution_mode = "off"
nb_ipywidgets_js = {{}}
numfig = True
html_baseurl = "https://example.org/course/"
root_doc = "index"
exclude_patterns = ["notebooks/exercises"]
"""
CLAIM = {
    "id": "C11", "source": "article 2 §4.3", "claim": "Squares, $x^2$, everywhere.", "verdict": "half true",
    "finding": "Not behind a sigmoid.", "chapters": [2],
}  # fmt: skip


def make_book(folder: Path, pages: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Build a small book, warnings as errors."""
    (folder / "book" / "_templates").mkdir(parents=True)
    (folder / "book" / "_templates" / "not_found.html").write_text("BASE_PATH", "utf8")
    (folder / "conf.py").write_text(CONF, "utf8")
    later = {**CLAIM, "id": "C46", "chapters": [16]}
    (folder / "book" / "claims.yml").write_text(json.dumps([CLAIM, later]), "utf8")
    for name, text in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf8")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", ".", "out"]
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf8")


def exercise_notebook() -> str:
    """One exercise, as its author writes it."""
    statement = (
        "## Exercise 1 · Walk the bowl\n\nFor $L(w) = w^2$, write `walk`.\n\n"
        '<details class="hint"><summary>▸ Hint</summary>\n\nMultiply by $1 - 2\\eta$.\n\n</details>'
    )
    meta = {"id": "02.walk", "title": "Walk the bowl", "kind": "write", "difficulty": 2, "minutes": 5}
    solution = "def walk(w):\n    ### BEGIN SOLUTION\n    return w * 0.5\n    ### END SOLUTION"
    new = nbformat.v4
    cells = [
        new.new_markdown_cell("# Exercises"),
        new.new_markdown_cell(statement, metadata={"exercise": meta}),
        new.new_code_cell(solution, metadata={"nbgrader": {"solution": True, "grade": False}}),
        new.new_code_cell('check("02.walk", walk)', metadata={"nbgrader": {"solution": False, "grade": True}}),
    ]
    return nbformat.writes(new.new_notebook(cells=cells))


BOX = ":::{admonition} Where they are\n:class: exercises\nIn a folder.\n:::"


def claim_box(said: str, name: str = "C11") -> str:
    """A claim check, as its author writes it."""
    return f":::{{admonition}} Claim check {name}\n:class: claim-check\n{said}\n\nTrue?\n:::"


def widget_notebook() -> str:
    """A chapter that has stored one figure twice, and a layout that nothing shows."""
    view = "application/vnd.jupyter.widget-view+json"
    output = nbformat.v4.new_output("display_data", data={view: {"model_id": "abc"}, "text/plain": "Figure()"})
    terms = "**Steep walks.** A walk is a **Steep walk**; it has a slope."
    claim = claim_box("Squares, $x^2$, everywhere.")
    cells = [nbformat.v4.new_markdown_cell(f"# Chapter\n\n{terms}\n\n{claim}\n\n{BOX}")]
    cells += [nbformat.v4.new_code_cell("Figure()", outputs=[output], execution_count=n) for n in (1, 2)]
    state = {
        "abc": {"state": {"_esm": "let a // </script>", "_css": ".a{}", "config": {"rate": 1}, "result": {}}},
        "layout": {"state": {"_model_name": "LayoutModel"}},
    }
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": state}}
    metadata = {"widgets": widgets, "language_info": {"name": "python"}}
    return nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata=metadata))


def glossary(*terms: str) -> str:
    """A page of terms."""
    entries = "\n\n".join(f"{term}\n  词. Said." for term in terms)
    return f"# Glossary\n\n```{{glossary}}\n{entries}\n```\n"


@pytest.fixture(scope="module")
def small_book(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A book that uses every extension, built once: page name → HTML."""
    folder = tmp_path_factory.mktemp("book")
    text = (
        "# First\n\nInline $\\frac12$.\n\n$$\na &= b \\\\\nc &= d\n$$ (two)\n\nSee {eq}`two`.\n\n"
        "```{course-map}\n```\n\n```{part-contents} 1\n```\n\n"
        "```{claim-table}\n```\n\n```{toctree}\nnotebooks/02_gradient_descent\nbook/glossary\n```\n"
    )
    done = make_book(
        folder,
        {
            "index.md": text,
            "book/glossary.md": glossary("steep walk", "slope"),
            "notebooks/02_gradient_descent.ipynb": widget_notebook(),
            "notebooks/exercises/02_gradient_descent.ipynb": exercise_notebook(),
        },
    )
    assert done.returncode == 0, done.stderr
    out = folder / "out"
    return {path.relative_to(out).as_posix(): path.read_text("utf8") for path in out.rglob("*.html")}


def test_formulas_are_html_and_mathml_and_numbered(small_book: dict[str, str]) -> None:
    page = small_book["index.html"]
    assert page.count("<math ") >= 2 and "mfrac" in page
    assert re.search(r'class="eqno">\(1\)', page)
    assert not re.search(r"<script[^>]*(?:mathjax|katex)", page, re.IGNORECASE)


@pytest.mark.parametrize("formula", [r"$\frac{1}{$", "$$\n\\unknown x\n$$"])
def test_a_bad_formula_fails_the_build_and_is_named(tmp_path: Path, formula: str) -> None:
    done = make_book(tmp_path, {"index.md": f"# First\n\n{formula}\n"})
    assert done.returncode != 0
    assert "formula on page index" in done.stderr and formula.strip("$\n") in done.stderr


def test_katex_answers_many_formulas_with_one_process() -> None:
    katex = katex_math.Katex()
    first = katex.render("x^2", False)
    process = katex.process
    assert katex.render("x^2", False) is first and katex.render("x^2", True) != first
    assert katex.process is process
    katex.stop()


@pytest.mark.parametrize(
    ("formula", "better"),
    [
        (r"a &= b", r"\begin{aligned}a &= b\end{aligned}"),
        (r"\begin{align} a &= b \end{align}", r"\begin{align*} a &= b \end{align*}"),
        (r"a \& b", r"a \& b"),
    ],
)
def test_several_lines_get_an_environment(formula: str, better: str) -> None:
    assert katex_math.prepare(formula) == better


def test_a_claim_shows_its_verdict_folded(small_book: dict[str, str]) -> None:
    page = small_book["notebooks/02_gradient_descent.html"]
    box = page[page.index('id="claim-c11"') :]
    folded = box[box.index("<details") : box.index("</details>")]
    assert "Half true." in folded and "Not behind a sigmoid." in folded and "article 2 §4.3" in folded
    assert "Half true" not in box[: box.index("<details")]
    assert "True?" in box[: box.index("<details")]


def test_the_table_links_what_is_in_the_book_and_names_what_is_planned(small_book: dict[str, str]) -> None:
    page = small_book["index.html"]
    assert 'href="notebooks/02_gradient_descent.html#claim-c11"' in page
    assert "Comes with chapter 16, Translation." in page
    assert page.count('<strong class="verdict">expected: ') == 1


def test_an_unknown_claim_fails_the_build(tmp_path: Path) -> None:
    done = make_book(tmp_path, {"index.md": f"# First\n\n{claim_box('Said.', 'C99')}\n"})
    assert done.returncode != 0 and "claim C99 is not in book/claims.yml" in done.stderr


def test_a_claim_told_otherwise_than_in_the_registry_fails_the_build(tmp_path: Path) -> None:
    done = make_book(tmp_path, {"index.md": f"# First\n\n{claim_box('Cubes.')}\n"})
    assert done.returncode != 0 and "claim C11 reads differently in book/claims.yml: Squares" in done.stderr


@pytest.mark.parametrize("change", [{"verdict": "maybe"}, {"finding": None}])
def test_a_wrong_entry_of_the_registry_is_named(tmp_path: Path, change: dict[str, str | None]) -> None:
    entry = {key: value for key, value in {**CLAIM, **change}.items() if value is not None}
    path = tmp_path / "claims.yml"
    path.write_text(json.dumps([entry]), "utf8")
    with pytest.raises(ValueError, match="C11"):
        claims.read_registry(path)


def test_an_exercise_shows_its_facts_and_folds_hint_and_solution(small_book: dict[str, str]) -> None:
    page = small_book["notebooks/02_gradient_descent.html"]
    section = page[page.index('id="exercise-02-walk"') :]
    before, solution = section.split('<details class="solution">', 1)
    assert "Exercise 1 · Walk the bowl" in before and "●●○" in before and "5 minutes" in before and "write" in before
    assert '<details class="hint"><summary>Hint' in before and "check(&quot;02.walk&quot;," in before
    assert "0.5" not in before and "0.5" in solution[: solution.index("</details>")]
    assert "SOLUTION" not in page and "In a folder" not in page


def test_a_solution_loses_its_markers_and_keeps_its_indentation(tmp_path: Path) -> None:
    path = tmp_path / "02.ipynb"
    path.write_text(exercise_notebook(), "utf8")
    (exercise,) = exercises.read_exercises(path)
    assert exercise.solution == "def walk(w):\n    return w * 0.5"
    assert exercise.statement.startswith("\nFor $L(w) = w^2$")


def test_an_exercise_without_a_check_is_named(tmp_path: Path) -> None:
    notebook = nbformat.reads(exercise_notebook(), as_version=4)
    notebook.cells.pop()
    path = tmp_path / "02.ipynb"
    nbformat.write(notebook, path)
    with pytest.raises(ValueError, match=r"02\.walk needs a solution cell and a grade cell"):
        exercises.read_exercises(path)


def test_a_stored_figure_is_embedded_once_and_safely(small_book: dict[str, str]) -> None:
    page = small_book["notebooks/02_gradient_descent.html"]
    found = re.search(r'<script type="application/json" id="lm-figures">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    assert len(data["figures"]) == 2 and len(data["sources"]) == 2
    assert all(figure["state"] == {"config": {"rate": 1}, "result": {}} for figure in data["figures"].values())
    assert page.count('class="lm-widget"') == 2 and "widget-state+json" not in page and "LayoutModel" not in page
    assert "widgets.js" in page and "widgets.js" not in small_book["index.html"]


def test_the_map_links_only_chapters_that_exist(small_book: dict[str, str]) -> None:
    page = small_book["index.html"]
    assert page.count('class="map-ready"') == 2 and page.count('class="map-planned"') == 2 * 31


def test_the_plan_numbers_every_chapter_once() -> None:
    assert list(course_data.CHAPTERS) == list(range(1, 33))
    assert set(course_data.QUESTIONS) <= set(course_data.CHAPTERS)


def test_the_registry_is_whole() -> None:
    assert list(REGISTRY) == [f"C{number:02d}" for number in range(1, 47)]
    for claim in REGISTRY.values():
        assert set(claim["chapters"]) <= set(course_data.CHAPTERS), claim["id"]
        assert claim.get("kind") == "source" or claim["chapters"], f"{claim['id']} has no home"


HOMES = [(claim["chapters"][0], name) for name, claim in REGISTRY.items() if claim["chapters"]]


@pytest.mark.parametrize(("chapter", "name"), [home for home in HOMES if home[0] in WRITTEN])
def test_a_claim_is_checked_in_its_chapter(chapter: int, name: str) -> None:
    cells = nbformat.read(ROOT / f"{course_data.docname(chapter)}.ipynb", as_version=4).cells
    assert any(re.search(rf"Claim check {name}\n", cell.source) for cell in cells), f"chapter {chapter} lacks {name}"
    if REGISTRY[name].get("kind") == "source":
        assert "{cite" in REGISTRY[name]["finding"]
        return
    tagged = [cell.source for cell in cells if f"claim-{name}" in cell.metadata.get("tags", [])]
    assert any(re.search(r"^\s*assert\b", code, re.MULTILINE) for code in tagged), f"{name}: no cell asserts it"


@pytest.mark.parametrize("chapter", WRITTEN)
def test_stored_figures_carry_the_current_source(chapter: int) -> None:
    notebook = nbformat.read(ROOT / f"{course_data.docname(chapter)}.ipynb", as_version=4)
    widgets = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    names = [path.stem for path in (ROOT / "minilib" / "widgets").glob("*.js") if path.stem != "common"]
    current = {figures.figure_source(ROOT, name) for name in names}
    for model in widgets.get("state", {}).values():
        if "_esm" in model["state"]:
            stored = (model["state"]["_esm"], model["state"].get("_css", ""))
            assert stored in current, f"chapter {chapter}: run the notebook again, its figure's source has changed"


# The glossary -------------------------------------------------------------------------------------------------------
def test_a_terms_first_bold_use_links_to_its_entry_and_back(small_book: dict[str, str]) -> None:
    page, entries = small_book["notebooks/02_gradient_descent.html"], small_book["book/glossary.html"]
    assert page.count('href="../book/glossary.html#term-steep-walk" id="first-term-steep-walk"') == 1
    assert page.count('id="first-term-') == 1
    assert 'Introduced in <a class="reference internal" href="../notebooks/02_gradient_descent.html#first-' in entries
    assert 'href="../notebooks/02_gradient_descent.html">2 · Chapter' in entries  # "slope" is bold nowhere


def test_a_term_that_no_chapter_uses_fails_the_build(tmp_path: Path) -> None:
    index = "# First\n\n```{toctree}\nbook/glossary\n```\n"
    done = make_book(tmp_path, {"index.md": index, "book/glossary.md": glossary("unheard")})
    assert done.returncode != 0 and "no chapter uses unheard" in done.stderr


# The map of ideas -----------------------------------------------------------------------------------------------------
IDEAS = idea_map.read_ideas(ROOT / "book" / "ideas.yml")


@pytest.mark.parametrize("idea", IDEAS, ids=lambda idea: idea["idea"])
def test_an_idea_of_the_map_is_in_the_library_and_has_an_exercise(idea: dict[str, str]) -> None:
    module, name = f"minilib.{idea['library']}".rsplit(".", 1)
    assert hasattr(importlib.import_module(module), name)
    assert idea["exercise"] in check.exercises()


def test_every_chapter_of_the_first_part_has_ideas_in_its_order() -> None:
    chapters = [idea_map.chapter_of(idea) for idea in IDEAS]
    assert chapters == sorted(chapters)
    assert set(chapters) == set(range(1, 11))
