"""Each interactive figure, on its page in a real browser, moved by keyboard and compared with Python.

`tests/figures/NAME.py` belongs to `minilib/widgets/NAME.js`: `PAGE` says where it stands, and `drive(root, result)`
moves it (root: the figure; result(): what it has computed last) and asserts.
"""

from __future__ import annotations

from importlib import import_module

import pytest
from playwright.sync_api import Browser

from tests.site_fixtures import ROOT, Visit, new_context, open_figure, result_of

FIGURES = sorted(path.stem for path in (ROOT / "minilib" / "widgets").glob("*.js") if path.stem != "common")


@pytest.mark.parametrize("name", FIGURES)
def test_figure_moved_by_keyboard_agrees_with_python(browser: Browser, site: str, name: str) -> None:
    figure_test = import_module(f"tests.figures.{name}")
    context = new_context(browser)
    visit = Visit(context.new_page(), site)
    figure = open_figure(visit.page, f"{site}/{figure_test.PAGE}", getattr(figure_test, "INDEX", 0))
    figure_test.drive(figure, lambda: result_of(figure))
    assert not visit.complaints, visit.complaints
    context.close()
