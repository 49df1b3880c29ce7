"""The driver: it explains itself, and what is missing is said in one sentence."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import make

ROOT = Path(make.__file__).parent


def _python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "make.py", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_alone_it_explains_every_task():
    shown = _python().stdout
    for task in make.TASKS:
        assert re.search(rf"^  {task.__name__} +\S", shown, re.M)


def test_the_makefile_knows_the_same_tasks():
    line = next(x for x in (ROOT / "Makefile").read_text(encoding="utf8").splitlines() if x.startswith("TASKS"))
    assert line.split("=")[1].split() == [task.__name__ for task in make.TASKS]


def test_an_unknown_task_is_refused_with_the_known_ones():
    refused = _python("bok")
    assert refused.returncode
    assert "book" in refused.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this system: python make.py serves")
def test_without_python_the_makefile_says_so():
    refused = subprocess.run(
        ["make", "PYTHON=no-python", "book"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert refused.returncode
    assert "Python 3.11 or newer is needed" in refused.stdout


def test_an_old_python_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(make.sys, "version_info", (3, 9, 1))
    monkeypatch.setattr(make.sys, "argv", ["make.py", "book"])
    with pytest.raises(SystemExit, match=r"Python 3\.11 or newer is needed"):
        make.main()


def test_a_failing_command_ends_in_one_sentence():
    with pytest.raises(SystemExit, match="no network, it seems"):
        make.run(sys.executable, "-c", "raise SystemExit(1)", hint="no network, it seems")


def test_without_any_browser_it_says_what_to_do(monkeypatch):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(make.shutil, "which", lambda name: None)
    monkeypatch.setattr(make, "PYTHON", Path(sys.executable))
    monkeypatch.setattr(make.subprocess, "run", lambda *words, **options: subprocess.CompletedProcess(words, 1, "", ""))
    with pytest.raises(SystemExit, match="need a Chromium and none could be found or fetched"):
        make.find_browser()


def test_a_browser_that_is_named_is_taken(monkeypatch, tmp_path):
    named = tmp_path / "browser"
    named.touch()
    monkeypatch.setenv("CHROMIUM", str(named))
    assert make.find_browser() == str(named)


def test_what_is_installed_is_not_installed_again(monkeypatch, tmp_path):
    asked: list[str] = []
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    monkeypatch.setattr(make, "VENV", tmp_path)
    monkeypatch.setattr(make, "PYTHON", tmp_path / "bin" / "python")
    monkeypatch.setattr(make, "install", asked.append)
    make.set_up("site", "data")
    make.set_up("site", "test")
    assert asked == ["site", "data", "test"]


def test_the_workflow_calls_the_commands_of_the_readme():
    workflow = (ROOT / ".github" / "workflows" / "course.yml").read_text(encoding="utf8")
    assert re.findall(r"run: (p.*)", workflow) == ["python make.py book", "python make.py test"]


def test_an_unknown_setting_is_refused_with_the_known_ones():
    done = _python("release", "ASIGNMENT=03")
    assert done.returncode == 1
    assert "'ASIGNMENT=03' is no setting; these are: ASSIGNMENT=…" in done.stderr
