"""The built site in a real Chromium: every page, on a desktop and a phone, light and dark."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from tests.site_fixtures import MODES, ROOT, Visit, chapters, new_context, pages
from tools import site as site_tools

MAX_BYTES, MAX_REQUESTS = 350_000, 30
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
TEXT_WITHOUT_CODE = """() => {
  const copy = document.querySelector("main").cloneNode(true);
  copy.querySelectorAll("code, pre, script, style, .katex, .lm-widget").forEach((part) => part.remove());
  return copy.textContent;
}"""
IMAGES_WITHOUT_ALT = "() => [...document.images].filter((i) => !i.alt.trim()).map((i) => i.src)"
LOAD_ALL_IMAGES = """() => {
  for (const image of document.images) image.loading = "eager";
  return Promise.all([...document.images].map((image) => image.decode()));
}"""
# an article's colours do not depend on the screen, nor the structure of a page on its colours: no rule runs twice
EVERYWHERE, AROUND_THE_ARTICLE = {"exclude": [".katex-html"]}, {"exclude": ["article"]}
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
COLOURS: dict = {"runOnly": COLOUR_RULES}
STRUCTURE: dict = {"rules": {rule: {"enabled": False} for rule in COLOUR_RULES}}
AXE_RUNS = {
    "desktop-light": [(EVERYWHERE, {})],
    "desktop-dark": [(EVERYWHERE, COLOURS)],
    "phone-light": [(EVERYWHERE, STRUCTURE), (AROUND_THE_ARTICLE, COLOURS)],
    "phone-dark": [(AROUND_THE_ARTICLE, COLOURS)],
}
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module", params=list(MODES))
def visit(request: pytest.FixtureRequest, browser: Browser, site: str) -> Iterator[Visit]:
    """One tab a mode, used for all pages in turn."""
    context = new_context(browser, request.param)
    yield Visit(context.new_page(), site, mode=request.param)
    context.close()


def axe_violations(page: Page, mode: str) -> list[str]:
    """What axe-core finds, one line a rule. It need not read a formula twice: the drawn half is hidden from readers."""
    page.evaluate(AXE.read_text("utf8"))
    run = "([where, rules]) => axe.run(where, {...rules, resultTypes: ['violations']})"
    found = [rule for where, rules in AXE_RUNS[mode] for rule in page.evaluate(run, [where, rules])["violations"]]
    return [
        f"axe {rule['id']}: {rule['help']} ({len(rule['nodes'])}×, first {rule['nodes'][0]['target']}"
        f" {rule['nodes'][0]['html'][:160]})"
        for rule in found
    ]


@pytest.mark.parametrize("name", pages())
def test_page_is_sound(visit: Visit, name: str) -> None:
    page = visit.open(f"{name}.html")
    text = page.evaluate(TEXT_WITHOUT_CODE)
    troubles = [f"foreign request: {url}" for url in visit.foreign] + visit.complaints
    troubles += [f"without alt text: {source}" for source in page.evaluate(IMAGES_WITHOUT_ALT)]
    troubles += [f"unrendered formula: {found}" for found in re.findall(r"\$\$|\\[a-zA-Z]{3,}.{0,30}", text)]
    troubles += ["KaTeX error"] * page.locator(".katex-error").count()
    if (wider := page.evaluate(TOO_WIDE)) > 0:
        troubles.append(f"{wider} pixels wider than the screen")
    troubles += axe_violations(page, visit.mode)
    assert not troubles, f"{name}: " + "\n".join(troubles)


@pytest.mark.parametrize("name", pages())
def test_page_is_light(browser: Browser, site: str, name: str) -> None:
    context = new_context(browser)
    visit = Visit(context.new_page(), site)
    page = visit.open(f"{name}.html")
    page.evaluate(LOAD_ALL_IMAGES)
    weight, count = visit.weight(), len(visit.fetched)
    context.close()
    print(f"{name}: {weight / 1000:.0f} KB compressed, {count} requests")
    assert weight <= MAX_BYTES and count <= MAX_REQUESTS, f"{name}: {weight} bytes, {count} requests"


@pytest.mark.parametrize("name", [page for page in pages() if page != "search"])
def test_page_reads_without_javascript(browser: Browser, site: str, name: str) -> None:
    context = new_context(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/{name}.html")
    assert len(page.locator("article").inner_text()) > 200
    formulas = page.locator("article :not(details *) > .katex").or_(page.locator("article p > span.math .katex"))
    if formulas.count():
        assert formulas.first.bounding_box()["height"] > 5
    figures = page.locator(".lm-widget")
    for i in range(figures.count()):
        assert "JavaScript" in figures.nth(i).inner_text()
    context.close()


@pytest.mark.parametrize("name", [*chapters(), "book/index"])
def test_page_lives_in_a_folder(browser: Browser, built: Path, name: str) -> None:
    context = new_context(browser)
    visit = Visit(context.new_page(), built.as_uri())
    page = visit.open(f"{name}.html")
    for figure in page.locator(".lm-widget").all():
        assert figure.evaluate("f => Object.keys(f.model.get('result')).length") > 0
    assert not visit.foreign and not visit.complaints, visit.complaints
    context.close()


def phrase(name: str) -> str:
    """The words of a chapter's second heading: they stand in no title of a page."""
    cells = nbformat.read(ROOT / f"{name}.ipynb", as_version=4).cells
    headings = re.findall(r"^## (.+)$", "\n".join(c.source for c in cells if c.cell_type == "markdown"), re.MULTILINE)
    return re.sub(r"\$[^$]*\$|[^\w\s-]", " ", headings[0])


@pytest.mark.parametrize("where", ["served", "folder"])
@pytest.mark.parametrize("name", chapters())
def test_search_finds_each_chapter(browser: Browser, site: str, built: Path, name: str, where: str) -> None:
    context = new_context(browser)
    visit = Visit(context.new_page(), site if where == "served" else built.as_uri())
    page = visit.open(f"search.html?q={quote(phrase(name))}")
    page.locator(f"ul.search a[href*='{Path(name).name}']").first.wait_for(timeout=10_000)
    assert not visit.complaints, visit.complaints
    context.close()


def test_a_wrong_address_at_any_depth_leads_home(browser: Browser, site: str) -> None:
    context = new_context(browser)
    page = context.new_page()
    answer = page.goto(f"{site}/a/b/c/nothing.html")
    assert answer is not None and answer.status == 404
    page.get_by_role("link").click()
    page.wait_for_url("**/book/index.html")
    context.close()


class Links(HTMLParser):
    """The anchors of a page, and what it points to."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            if name in ("href", "src") and value:
                self.targets.add(value)


def test_links_and_anchors_resolve(built: Path) -> None:
    found: dict[Path, Links] = {}
    for path in built.rglob("*.html"):
        if "_static" not in path.parts:
            found[path.resolve()] = parser = Links()
            parser.feed(path.read_text("utf8"))
    troubles = []
    for path, links in found.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            aim = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not aim.exists():
                troubles.append(f"{path.name}: {target} leads nowhere")
            elif parts.fragment and aim in found and unquote(parts.fragment) not in found[aim].anchors:
                troubles.append(f"{path.name}: {target} has no such anchor")
    assert not troubles, "\n".join(troubles)


def test_the_site_has_a_map_an_icon_and_a_description(built: Path) -> None:
    first = (built / "book" / "index.html").read_text("utf8")
    assert '<html lang="en"' in first and 'rel="icon"' in first and 'property="og:description"' in first
    assert "skip-link" in first
    assert f"{chapters()[0]}.html" in (built / "sitemap.xml").read_text("utf8")


def test_a_reader_who_leaves_early_is_no_error(tmp_path, capfd) -> None:
    (tmp_path / "large").write_bytes(bytes(50_000_000))
    with site_tools.make_server(0, tmp_path) as server:  # which waits, at its end, for who is still being served
        server.daemon_threads = False
        visit = socket.create_connection(server.server_address)
        visit.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        visit.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leave without a word
        server.handle_request()
        visit.recv(1)
        visit.close()
    assert capfd.readouterr().err == ""


def test_a_taken_port_is_named(built: Path) -> None:
    with site_tools.make_server(0) as server, pytest.raises(site_tools.SiteError, match="choose another with --port"):
        site_tools.make_server(server.server_port)


def test_only_the_modern_typefaces_are_kept() -> None:
    rule = 'src:url(a.woff2) format("woff2"),url(a.woff) format("woff"),url(a.ttf) format("truetype")}'
    assert site_tools.only_woff2(rule) == 'src:url(a.woff2) format("woff2")}'


def test_nothing_of_third_parties_is_tracked() -> None:
    assert "resolved" not in (ROOT / "package-lock.json").read_text("utf8")
    assert site_tools.VENDOR.is_relative_to(site_tools.BUILD)
