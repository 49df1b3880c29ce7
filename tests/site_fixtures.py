"""The built site in a real browser, for tests: build it once, serve it, open it.

`tests/conftest.py` brings the fixtures `built`, `site` and `browser` to every test; `open_figure` is for interactive
figures.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Response, sync_playwright

import make
from tools import site as site_tools

ROOT = site_tools.ROOT
MODES = {
    "desktop-light": ((1280, 900), "light"),
    "desktop-dark": ((1280, 900), "dark"),
    "phone-light": ((390, 844), "light"),
    "phone-dark": ((390, 844), "dark"),
}
QUIET = ("gpu", "background-networking", "component-update", "sync")
SWITCHES = ["--no-first-run", *(f"--disable-{what}" for what in QUIET)]


def pages() -> list[str]:
    """Every page of the table of contents, and the search page."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))
    found = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    return [*found, "search"]


def chapters() -> list[str]:
    """The pages that are notebooks."""
    return [page for page in pages() if page.startswith("notebooks/")]


@contextlib.contextmanager
def build_lock() -> Iterator[None]:
    """One build at a time, should tests run in several processes."""
    lock = Path(tempfile.gettempdir()) / f"site-build-{zlib.crc32(str(ROOT).encode())}.lock"
    until = time.monotonic() + 240
    while time.monotonic() < until:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            if time.time() - lock.stat().st_mtime > 240:
                lock.unlink(missing_ok=True)
            time.sleep(0.5)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder of the built site; it is built first if it is missing or older than its sources."""
    with build_lock():
        if not site_tools.is_current():
            site_tools.build()
    return site_tools.HTML


@pytest.fixture(scope="session")
def site(built: Path) -> Iterator[str]:
    """The address of the served site, without a slash at its end."""
    server = site_tools.make_server(0, built)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        started = playwright.chromium.launch(
            executable_path=make.find_browser(), args=[*SWITCHES, *(["--no-sandbox"] if root else [])]
        )
        yield started
        started.close()


def new_context(browser: Browser, mode: str = "desktop-light", **options: bool) -> BrowserContext:
    """A fresh profile with the screen and the colours of a mode."""
    (width, height), colours = MODES[mode]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=colours, reduced_motion="reduce", **options
    )  # type: ignore[arg-type]
    context.set_default_timeout(90_000)  # a busy machine may take long; a broken page takes for ever
    return context


@dataclass
class Visit:
    """What a page asked for and complained about while it was open."""

    page: Page
    base: str
    mode: str = "desktop-light"
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("response", lambda response: self.responses.append(response))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error in a script: {error}"))
        self.page.on("console", lambda message: self._listen(message.type, message.text))

    def _listen(self, kind: str, text: str) -> None:
        if kind == "error":
            self.complaints.append(f"console: {text}")

    def open(self, path: str) -> Page:
        """Go to a page and wait until its figures have started."""
        self.requests.clear()
        self.complaints.clear()
        self.responses.clear()
        self.page.goto(f"{self.base}/{path}", wait_until="load")
        self.page.wait_for_function("[...document.querySelectorAll('.lm-widget')].every(f => f.dataset.ready)")
        return self.page

    @property
    def fetched(self) -> list[str]:
        """The addresses asked for, without what the page made itself."""
        return [url for url in self.requests if not url.startswith(("data:", "blob:"))]

    @property
    def foreign(self) -> list[str]:
        """Addresses outside the site."""
        return [url for url in self.fetched if not url.startswith(self.base)]

    def weight(self) -> int:
        """Bytes of all responses, each compressed."""
        return sum(len(gzip.compress(response.body())) for response in self.responses if response.url in self.fetched)


def open_figure(page: Page, url: str, index: int = 0) -> Locator:
    """Open a page and return its interactive figure number `index`, ready.

    Its numbers: `figure.evaluate("f => f.model.get('result')")`. Move it as a reader does, with the keyboard:
    `figure.get_by_label("Learning rate").focus()`, then `page.keyboard.press("ArrowRight")`.
    """
    page.goto(url, wait_until="load")
    figure = page.locator(".lm-widget").nth(index)
    figure.scroll_into_view_if_needed()
    page.wait_for_function("i => document.querySelectorAll('.lm-widget')[i].dataset.ready === 'true'", arg=index)
    return figure


def result_of(figure: Locator) -> dict[str, object]:
    """What a figure has computed last."""
    return figure.evaluate("f => f.model.get('result')")
