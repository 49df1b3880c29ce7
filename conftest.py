"""For every test: notebooks are run by nbval, each stored output compared with what a fresh kernel gives.

The chapters of Part I, each in a fresh kernel, must be through within six minutes, two at a time on two cores.
"""

import os
import re
import time
from collections import Counter

import pytest
from nbval.kernel import RunningKernel

os.environ.setdefault("MINILIB_PROGRESS", "0")  # a bar would be output that depends on the machine's speed


def _execute_as_a_reader_would(self: RunningKernel, cell_input: str, allow_stdin: bool | None = None) -> str:
    """nbval runs cells without history; then IPython shows a last line in spite of its semicolon."""
    return self.kc.execute(cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False)


RunningKernel.execute_cell_input = _execute_as_a_reader_would


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A kernel's sockets and log file are closed late, by the garbage collector; that is no fault of a notebook."""
    for item in items:
        if item.path.suffix != ".ipynb":
            continue
        item.add_marker(pytest.mark.filterwarnings("default::ResourceWarning"))
        item.add_marker(pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning"))


PART_ONE = re.compile(r"notebooks/((?:0\d|10)_\w+)\.ipynb::")
LIMIT = 360
started = time.monotonic()
seconds: Counter[str] = Counter()  # by chapter, its kernel's start included
through = 0.0  # when the last cell of Part I came back


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    global through
    if chapter := PART_ONE.match(report.nodeid):
        seconds[chapter[1]] += report.duration
        through = time.monotonic() - started


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if seconds:
        terminalreporter.section("seconds a chapter of Part I")
        for chapter, value in sorted(seconds.items()):
            terminalreporter.line(f"{value:6.0f}  {chapter}")
        verdict = "TOO SLOW: " if through > LIMIT else ""
        total = f"{seconds.total():6.0f}  one after the other; {verdict}{through:.0f} as they ran, limit {LIMIT}"
        terminalreporter.line(total)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if through > LIMIT and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
