"""Runs in the sandbox: the cells of one notebook, and the answers they define, on the inputs that it is given.

    python inside.py < job        job and output: JSON, the output a line an event

Nothing that it writes is believed: it says what came out, and what that is worth is judged outside. An answer is tried
right after the cell that binds its name, as a reader would who runs cell after cell; if it raises there, once more at
the end, when everything below it is defined, too.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import wire

Send = Callable[..., None]


def main() -> None:
    job = json.loads(sys.stdin.buffer.read())
    lock_in(job["limits"])
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    write, dumps, process, leave = channel.write, json.dumps, os.getpid, os._exit  # before anybody can replace them
    home = process()

    def send(*event: Any) -> None:
        if process() != home:  # forked in an answer and come back from it: one run is enough
            leave(0)
        line = memoryview(dumps(event).encode() + b"\n")
        while line:
            line = line[write(line) :]

    notebook = Notebook(job, send)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    notebook.run()
    send("done")
    os._exit(0)  # threads and exit handlers of the notebook have no say


def lock_in(limits: dict[str, int]) -> None:
    """Limits for this process and whatever it starts; hard ones, and for a user who may not raise them."""
    user = limits.pop("user")
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    if user:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)


class Notebook:
    """One run of the cells that are not to be skipped."""

    def __init__(self, job: dict[str, Any], send: Send) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        self.cells: list[tuple[str, str]] = job["cells"]
        self.answers: dict[str, list[Any]] = job["answers"]
        self.skip, self.send = set(job["skip"]), send
        self.raised: list[str] = []
        config = Config()
        config.HistoryManager.enabled = False
        self.shell = InteractiveShell.instance(config=config)
        self.shell._showtraceback = lambda *_: None  # type: ignore[method-assign]
        self.shell.user_ns["__name__"] = "__main__"
        magics = self.shell.magics_manager.magics["line"]
        magics["matplotlib"] = lambda line: None  # whatever window it asks for, there is none
        sys.path.insert(0, "")  # as in Jupyter: a module that a cell has written can be imported

    def run(self) -> None:
        seed()
        for label, source in self.cells:
            if label in self.skip:
                continue
            self.send("start", label)
            before = {name: self.value(name) for name in self.answers}
            result = self.shell.run_cell(source, store_history=True)
            error = result.error_before_exec or result.error_in_exec
            if isinstance(error, MemoryError):
                os._exit(wire.NO_MEMORY)  # what filled it would stay: the others run again without this cell
            if error is not None:
                self.send("fault", label, told(error))
            for name in self.answers:
                if self.value(name) is not before[name] and name not in self.skip:
                    self.try_out(name)
        for name in self.raised:
            self.try_out(name, again=True)

    def value(self, name: str) -> Any:
        return self.shell.user_ns.get(name)

    def try_out(self, name: str, again: bool = False) -> None:
        """Call the answer on every input (a value is its own output) and send what comes back."""
        self.send("start", name)
        seed()
        answer, outputs = self.value(name), []
        for case, inputs in enumerate(self.answers[name]):
            try:
                outputs.append(wire.encode(answer(*wire.decode(inputs)) if callable(answer) else answer))
            except NotImplementedError:
                self.send("unwritten", name)
                return
            except BaseException as error:
                if not again:
                    self.send("crash", name, case, told(error))
                    self.raised.append(name)
                return
        self.send("outputs", name, outputs)


new_rng = np.random.default_rng


def seed() -> None:
    """The same random numbers in each run: a mark must not depend on luck."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    np.random.default_rng = lambda seed=0: new_rng(0 if seed is None else seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


def told(error: BaseException) -> str:
    """An exception in one line, with the line of the notebook that it comes from."""
    if isinstance(error, MemoryError):
        error.__traceback__ = None  # it holds what fills the memory
        return f"MemoryError: it asked for more than {resource.getrlimit(resource.RLIMIT_AS)[0] / 2**30:.0f} GiB"
    try:
        text = f"{type(error).__name__}: {error}"
        own = [f.line for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("<ipython-input")]
    except BaseException:
        return "an exception that cannot be shown"
    return text[:400] + (f" in the line `{own[-1][:200]}`" if own and own[-1] else "")


if __name__ == "__main__":
    main()
