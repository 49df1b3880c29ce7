"""Run a notebook that nobody trusts: in a process of its own, behind bubblewrap, and bring plain data back.

Inside there is no network, no file of the course but the library without its judges, nothing that can be written but a
small scratch folder in memory, and limits on time, memory, processes and output. What comes out is read with suspicion.
A step that kills or hangs the interpreter is left out and the rest run again, so that it costs nothing else.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import minilib
from classroom import syscalls, wire

HERE = Path(__file__).resolve().parent
COURSE = Path("/course")
INSIDE = {"inside.py": "inside.py", "wire.py": "wire.py", "no_check.py": "minilib/check/__init__.py"}
"""Our files in the sandbox, and where there; the judges of `minilib.check` are not among them."""
USER = 61_000
"""A sandbox that root starts runs as this user plus its slot: nobody's account, nobody's files."""
LATE = "it did not come back"


@dataclass(frozen=True)
class Limits:
    """Seconds on the clock, bytes, counts; a right answer of the course needs a small part of each.

    walls: whether there is bubblewrap around it; without, only the limits hold that a process sets for itself.
    """

    step: float = 10.0
    total: float = 90.0
    memory: int = 2 * 2**30
    scratch: int = 64 * 2**20
    files: int = 20_000
    tasks: int = 40
    output: int = 48 * 2**20
    walls: bool = True

    def inside(self, slot: int) -> dict[str, int]:
        """For inside.py: names of rlimits; the user to become, 0 for none."""
        each = {"AS": self.memory, "FSIZE": self.scratch, "NOFILE": 256, "CPU": round(2 * self.total), "CORE": 0}
        if not self.walls:  # the limit of processes would count everything that the teacher runs
            return {**each, "user": 0}
        return {**each, "NPROC": self.tasks, "user": USER + slot if os.getuid() == 0 else 0}


@dataclass
class Outcome:
    """What a notebook did: outputs by answer; otherwise why there are none; cells that raised or had to be left out."""

    outputs: dict[str, list[Any]] = field(default_factory=dict)
    crashes: dict[str, tuple[int, str]] = field(default_factory=dict)
    unwritten: set[str] = field(default_factory=set)
    stopped: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    last: str | None = None
    done: bool = False
    labels: frozenset[str] = frozenset()

    def add(self, other: Outcome) -> None:
        """Take in what a later run has shown: it counts where both speak of the same answer."""
        seen = other.outputs.keys() | other.crashes.keys() | other.unwritten
        self.outputs = {name: sent for name, sent in self.outputs.items() if name not in seen} | other.outputs
        self.crashes = {name: told for name, told in self.crashes.items() if name not in seen} | other.crashes
        self.unwritten = (self.unwritten - seen) | other.unwritten
        self.faults |= other.faults


class Broken(RuntimeError):
    """The sandbox itself could not be started."""


def available() -> bool:
    """Whether bubblewrap is installed and may be used here."""
    found = shutil.which("bwrap")
    if not found:
        return False
    with syscalls.rules() as rules:
        probe = [found, "--seccomp", str(rules.fileno()), *walls(), sys.executable, "-c", ""]
        return subprocess.run(probe, capture_output=True, check=False, pass_fds=[rules.fileno()]).returncode == 0


def run(
    cells: Sequence[tuple[str, str]], answers: dict[str, list[Any]], limits: Limits | None = None, slot: int = 0
) -> Outcome:
    """What the answers give on their inputs (name → encoded argument tuples), after the cells (label, source) ran.

    slot: number of this sandbox among those that run at the same time.
    Raises Broken if no sandbox could be started.
    """
    limits = limits or Limits()
    end = time.monotonic() + limits.total
    total = Outcome()
    job = {"cells": list(cells), "answers": answers, "limits": limits.inside(slot)}
    known = {label for label, _ in cells} | answers.keys()
    while True:
        one, why = _attempt({**job, "skip": sorted(total.stopped)}, limits, end)
        total.add(one)
        guilty = one.last
        if one.done or guilty not in known or guilty in total.stopped or time.monotonic() > end:
            break
        total.stopped[guilty] = why
    if not one.done:
        for name in answers.keys() - total.outputs.keys() - total.crashes.keys():
            total.stopped.setdefault(name, why)
    failed = [name for name in answers if name in total.crashes or LATE not in total.stopped.get(name, LATE)]
    for name in failed if len(total.crashes) + len(total.stopped) > 1 else ():
        # it may have failed over what another answer left behind: once more, the only one that is called
        if time.monotonic() < end:
            others = {*total.stopped, *answers} - {name}
            one, _ = _attempt({**job, "skip": sorted(others)}, limits, end)
            total.add(one)
            if name in one.outputs:
                total.stopped.pop(name, None)
    return total


def _attempt(job: dict[str, Any], limits: Limits, end: float) -> tuple[Outcome, str]:
    """One run, and in words why it ended early."""
    outcome = Outcome(labels=frozenset(label for label, _ in job["cells"]))
    with (
        tempfile.TemporaryFile() as letter, tempfile.TemporaryFile() as errors, syscalls.rules() as rules,
        tempfile.TemporaryDirectory() as empty,
    ):  # fmt: skip
        letter.write(json.dumps(job).encode())
        letter.seek(0)
        python = [sys.executable, "-sPB", "-X", "utf8"]
        inside = (COURSE if limits.walls else HERE) / "inside.py"
        outer = ["bwrap", "--seccomp", str(rules.fileno()), *walls(limits)] if limits.walls else []
        command = [*outer, *python, str(inside)]
        process = subprocess.Popen(
            command, stdin=letter, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
            cwd=empty, env=environment(empty), pass_fds=[rules.fileno()] if limits.walls else [],
        )  # fmt: skip
        try:
            why = _listen(process, outcome, limits, end)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()  # type: ignore[union-attr]
        if outcome.last is None and not outcome.done:
            errors.seek(0)
            raise Broken(errors.read().decode("utf8", "replace").strip()[-500:] or why or "it ended at once")
    code = process.returncode
    if code == wire.NO_MEMORY:
        why = f"it asked for more than {limits.memory / 2**30:.0f} GiB of memory"
    return outcome, why or f"it ended the interpreter ({f'signal {-code}' if code < 0 else f'exit code {code}'})"


def _listen(process: subprocess.Popen[bytes], outcome: Outcome, limits: Limits, end: float) -> str:
    """Read events until the end; returns why it had to be stopped, or "" if it stopped by itself."""
    assert process.stdout is not None
    pipe, size = process.stdout.fileno(), 0
    begun: list[bytes] = []  # of a line that has not ended
    deadline, look = min(end, time.monotonic() + limits.step + 20), time.monotonic() + 0.5  # 20 s: to start
    with selectors.DefaultSelector() as ready:
        ready.register(pipe, selectors.EVENT_READ)
        while not outcome.done:
            now = time.monotonic()
            if now > deadline:
                return f"{LATE} within {limits.total if now > end else limits.step:.0f} seconds"
            if now > look:
                look = now + 0.5
                if excess := _excess(process.pid, limits):
                    return excess
            if not ready.select(min(deadline, look) - now):
                continue
            piece = os.read(pipe, 1 << 20)
            size += len(piece)
            if size > limits.output:
                return f"it gave back more than {limits.output / 2**20:.0f} MiB"
            if not piece:
                return ""
            begun.append(piece)
            if b"\n" not in piece:
                continue
            *lines, rest = b"".join(begun).split(b"\n")
            begun = [rest]
            for line in lines:
                if _note(line, outcome):
                    deadline = min(end, time.monotonic() + limits.step)
    return ""


def _note(line: bytes, outcome: Outcome) -> bool:
    """Take one event in; what is not one is passed over. True if a new step has begun."""
    try:
        match json.loads(line):
            case ["start", str(label)]:
                outcome.last = label
                return True
            case ["fault", str(label), str(text)] if label in outcome.labels:
                outcome.faults[label] = _told(text)
            case ["outputs", str(name), list(outputs)]:
                outcome.add(Outcome(outputs={name: outputs}))
            case ["crash", str(name), int(case), str(text)]:
                outcome.add(Outcome(crashes={name: (case, _told(text))}))
            case ["unwritten", str(name)]:
                outcome.add(Outcome(unwritten={name}))
            case ["done"]:
                outcome.done = True
    except (ValueError, RecursionError):
        pass
    return False


def _told(text: str) -> str:
    """What a sandbox says of an exception, fit to be shown."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in wire.writable(text[:700]))


def _excess(pid: int, limits: Limits) -> str:
    """What all processes below one have more of than they may, or ""."""
    memory = files = 0
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return ""
    for process in below:
        try:
            memory += process.memory_info().rss
            files = max(files, *(_made(process.pid, place, limits.scratch) for place in ("tmp", "dev/shm")))
        except (psutil.Error, OSError):  # it has ended
            continue
    if memory > limits.memory:
        return f"it used more than {limits.memory / 2**30:.0f} GiB of memory"
    return f"it made more than {limits.files:,} files" if files > limits.files else ""


def _made(pid: int, place: str, size: int) -> int:
    """How many files a scratch folder holds: even an empty one takes a kilobyte of memory, of the kernel's own."""
    held = os.statvfs(f"/proc/{pid}/root/{place}")
    ours = held.f_blocks * held.f_frsize == size  # while the walls are going up, this may still be the teacher's
    return held.f_files - held.f_ffree if ours else 0


def walls(limits: Limits | None = None) -> list[str]:
    """The arguments of bubblewrap: what is there, what can be written, what is cut off."""
    limits = limits or Limits()
    words = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    if os.getuid() == 0:  # inside.py gives root up; in a user namespace it would stay the same user outside
        words += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        words += ["--unshare-user", "--disable-userns"]
    words += ["--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"]
    for name, value in environment("/tmp").items():
        words += ["--setenv", name, value]
    small = ["--size", str(limits.scratch), "--perms", "1777", "--tmpfs"]
    words += [
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        *small,
        "/dev/shm",
        *small,
        "/tmp",
    ]  # first: Python may lie below /tmp
    for place in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache"):
        path = Path(place)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), place]
        elif path.exists():
            words += ["--ro-bind", place, place]
    words += bound(sys.base_prefix, sys.prefix, at=(COURSE / "x",))
    library = Path(minilib.__file__).parent
    words += ["--ro-bind", str(library), str(COURSE / "minilib"), "--tmpfs", str(COURSE / "minilib/check")]
    for copy in sorted({library, *(Path(place).resolve() / "minilib" for place in sys.path if place)}):
        if copy.is_dir() and (copy.is_relative_to(sys.prefix) or copy.is_relative_to(sys.base_prefix)):
            words += ["--tmpfs", str(copy)]  # as after `pip install .`: the judges lie there a second time
    for name, there in INSIDE.items():
        words += ["--ro-bind", str(HERE / name), str(COURSE / there)]
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]


def bound(*places: str, at: Sequence[Path] = ()) -> list[str]:
    """Folders that a sandbox shows read-only, with the way to them (and to `at`) open to any user of it."""
    paths = list(dict.fromkeys(map(Path, places)))
    words = []
    for folder in dict.fromkeys(parent for path in [*paths, *at] for parent in reversed(path.parents[:-1])):
        words += ["--perms", "0755", "--dir", str(folder)]
    for path in paths:
        words += ["--ro-bind", str(path), str(path)]
    return words


def environment(home: str) -> dict[str, str]:
    """What a sandboxed process may know of this machine."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        **one, "PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": home, "IPYTHONDIR": home, "MPLCONFIGDIR": home,
        "MPLBACKEND": "Agg", "MINILIB_PROGRESS": "0", "PYTHONHASHSEED": "0", "LANG": "C.UTF-8",
        "MALLOC_ARENA_MAX": "2",  # or each thread takes 64 MiB of the address space that is left
    }  # fmt: skip
