"""For every test: notebooks are run by nbval, each stored output compared with what a fresh kernel gives."""

import os

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
