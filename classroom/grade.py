"""Grade what was handed in: a process, a sandbox and a result file for each submission, judged outside the sandbox.

A result file is complete or not there; it holds a digest of all it depends on, so that a second run does what is still
to do and nothing twice. No result depends on another submission.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import multiprocessing
import multiprocessing.connection
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import numpy as np

from classroom import sandbox, wire
from classroom.assignment import Answer, Unreadable, answers, code, read_file, read_notebook
from classroom.course import Course, Settings, Wrong, write
from classroom.results import Lines, Result, Verdict, load
from classroom.sandbox import Limits
from minilib import check
from minilib.check.report import shown
from minilib.progress import progress_bar

DRAWS = 3
"""Sets of hidden cases that an answer must pass."""
JUDGE_SECONDS, JUDGING = 20, 40
"""Seconds to judge one answer, and all answers of a submission; with those of its sandbox below PATIENCE."""
PR_SET_PDEATHSIG = 1
PATIENCE = 150.0
"""Seconds after which a submission's whole process is given up; its sandbox has its own, shorter limits."""


# One submission ------------------------------------------------------------------------------------------------------
def grade_one(course: Course, assignment: str, student: str, limits: Limits, slot: int = 0) -> Result:
    """The result of one submission. Raises sandbox.Broken if there is no sandbox to run it in."""
    path = course.submitted(student, assignment) / f"{assignment}.ipynb"
    settings = course.settings(assignment)
    asked = answers(nbformat.read(course.source(assignment), as_version=4))
    digest = _digest(course, assignment, student)
    try:
        notebook = read_notebook(read_file(path))
    except Unreadable as error:
        nothing = [Verdict(a.id, a.title, a.cell, 0.0, a.points, "absent") for a in asked]
        return Result(student, assignment, digest, limits.walls, nothing, problem=str(error))
    draws = {a.name: hidden(settings, a.id) for a in asked}
    inputs = {name: [wire.encode(case) for cases in draw for case in cases] for name, draw in draws.items()}
    outcome = sandbox.run(code(notebook), inputs, limits, slot)
    end = time.monotonic() + JUDGING
    verdicts = [_verdict(a, draws[a.name], outcome, settings.seed, end) for a in asked]
    notes = [f"{label} was left out: {why}" for label, why in outcome.stopped.items() if label.startswith("cell ")]
    notes += [f"{label} raised {text}" for label, text in outcome.faults.items()]
    return Result(student, assignment, digest, limits.walls, verdicts, notes=notes)


def hidden(settings: Settings, id: str) -> list[list[Any]]:
    """The hidden cases of an exercise: as many draws as DRAWS, from seeds that nobody can guess."""
    seeds = [hashlib.sha256(f"{settings.secret} {settings.seed} {id} {k}".encode()).digest() for k in range(DRAWS)]
    return [check.exercises()[id].cases(np.random.default_rng(int.from_bytes(seed))) for seed in seeds]


def _verdict(answer: Answer, draws: list[list[Any]], outcome: sandbox.Outcome, seed: int, end: float) -> Verdict:
    def says(state: str, *lines: tuple[str, str]) -> Verdict:
        points = answer.points if state == "right" else 0.0
        return Verdict(answer.id, answer.title, answer.cell, points, answer.points, state, list(lines))

    name = answer.name
    if name in outcome.stopped:
        return says("stopped", ("got", f"nothing: {outcome.stopped[name]}"))
    if name in outcome.crashes:
        case, text = outcome.crashes[name]
        cases = [case for draw in draws for case in draw]
        given = cases[case] if 0 <= case < len(cases) else ()
        return says("crashed", *([("went in", shown(given))] if given else []), ("got", text))
    if name in outcome.unwritten:
        return says("unwritten", ("likely", "the answer is still to be written"))
    if name not in outcome.outputs:
        return says("absent", ("likely", f"after the notebook has run there is no `{name}`: the answer keeps the name "
                               "that the exercise gives it, and the cell that defines it must run"))  # fmt: skip
    state, lines = _judged(answer, draws, outcome.outputs[name], seed, end)
    return says(state, *lines)


def _judged(answer: Answer, draws: list[list[Any]], sent: list[Any], seed: int, end: float) -> tuple[str, Lines]:
    """State, and the lines of the report."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(max(1, min(JUDGE_SECONDS, round(end - time.monotonic()))))
    try:
        outputs = [wire.decode(one) for one in sent]
        if len(outputs) != sum(map(len, draws)):
            raise ValueError("another number of outputs than inputs")
        odd = next((what for one in outputs if (what := wire.oddity(one))), None)
        if odd is not None:
            return "wrong", [("likely", f"give back numbers, text, lists or NumPy arrays, not {odd}")]
        for draw in draws:
            mine, outputs = outputs[: len(draw)], outputs[len(draw) :]
            report = check.judge(answer.id, draw, mine, seed=seed)
            if not report:
                return "wrong", list(report.lines)
        return "right", []
    except Exception as error:
        text = f"{type(error).__name__}: {error}"[:150]
        return "wrong", [("likely", f"what came back could not be judged ({text})")]
    finally:
        signal.alarm(0)


def _too_long(*_: Any) -> None:
    raise TimeoutError("judging it took too long")


# A class -------------------------------------------------------------------------------------------------------------
@cache
def _grader() -> str:
    """A digest of everything that decides on marks: a change of it makes results old."""
    files = sorted([*Path(check.__file__).parent.glob("*.py"), *Path(__file__).parent.glob("*.py")])
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _digest(course: Course, assignment: str, student: str) -> str:
    try:
        data = read_file(course.submitted(student, assignment) / f"{assignment}.ipynb")
    except Unreadable as error:
        data = str(error).encode()
    parts = (repr(asdict(course.settings(assignment))), _grader(), course.source(assignment).read_bytes(), data)
    return hashlib.sha256(b"|".join(p if isinstance(p, bytes) else p.encode() for p in parts)).hexdigest()


def to_do(course: Course, assignment: str, walls: bool = True) -> list[str]:
    """The students whose result is missing, out of date, or made without a sandbox where there is one."""
    waiting = []
    for student in course.submissions(assignment):
        result = load(course.marks(assignment) / f"{student}.json")
        if result is None or result.digest != _digest(course, assignment, student) or result.safe != walls:
            waiting.append(student)
    return waiting


def grade_all(course: Course, assignment: str, jobs: int = 2, limits: Limits | None = None) -> dict[str, str]:
    """Grade what is still to do, `jobs` at a time; returns who could not be graded, and why."""
    limits = limits or Limits()
    check.exercises()  # loaded once, before the processes part
    waiting = to_do(course, assignment, limits.walls)[::-1]
    running: dict[int, tuple[Any, str, float]] = {}
    failed: dict[str, str] = {}
    fork = multiprocessing.get_context("fork")
    with progress_bar("submissions", len(waiting), progress=sys.stderr.isatty() or None) as bar:
        try:
            while waiting or running:
                for slot in range(jobs):
                    if waiting and slot not in running:
                        student = waiting.pop()
                        work = (course, assignment, student, limits, slot, cores(slot, jobs))
                        process = fork.Process(target=_work, args=work)
                        process.start()
                        running[slot] = (process, student, time.monotonic() + PATIENCE)
                multiprocessing.connection.wait([one[0].sentinel for one in running.values()], timeout=1.0)
                for slot, (process, student, deadline) in list(running.items()):
                    if process.is_alive() and time.monotonic() < deadline:
                        continue
                    failed |= _ended(process, course, assignment, student)
                    del running[slot]
                    bar.update()
        finally:
            for process, *_ in running.values():
                process.kill()
                process.join()
    return failed


def cores(slot: int, jobs: int) -> list[int]:
    """This slot's share of the cores: what is busy in one sandbox must not cost its neighbour time, and so marks."""
    ours = sorted(os.sched_getaffinity(0))
    return ours[slot::jobs] or [ours[slot % len(ours)]]


def _work(course: Course, assignment: str, student: str, limits: Limits, slot: int, cores: list[int]) -> None:
    """In a process of its own, which ends with the grader: write one result."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.sched_setaffinity(0, cores)
    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30,) * 2)  # a judge that is fed nonsense must not take the machine
    try:
        result = grade_one(course, assignment, student, limits, slot)
    except BaseException as error:
        write(_trouble(course, assignment, student), f"{type(error).__name__}: {error}")
        raise SystemExit(1) from None
    write(course.marks(assignment) / f"{student}.json", json.dumps(asdict(result), indent=1))


def _trouble(course: Course, assignment: str, student: str) -> Path:
    return course.marks(assignment) / f".{student}.trouble"


def _ended(process: Any, course: Course, assignment: str, student: str) -> dict[str, str]:
    """Clean up after a process; what went wrong, if it did: then there is no mark, not a mark of 0."""
    late = process.is_alive()
    process.kill()
    process.join()
    trouble = _trouble(course, assignment, student)
    said = trouble.read_text("utf8") if trouble.exists() else f"the grader's process ended ({process.exitcode})"
    trouble.unlink(missing_ok=True)
    if process.exitcode == 0:
        return {}
    return {student: f"not finished after {PATIENCE:.0f} seconds" if late else said}


@contextmanager
def alone(course: Course, assignment: str) -> Iterator[None]:
    """Let one grader at a time work on an assignment, and clear away what a killed one left. Raises Wrong."""
    folder = course.marks(assignment)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w", encoding="utf8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Wrong(f"another `make grade` is at work on {assignment}; wait for it, or stop it") from None
        for left in [*folder.glob(".*.part"), *folder.glob(".*.trouble")]:
            left.unlink()
        yield


def why_no_marks(walls: bool) -> str:
    """Why no marks can be made here, or "": there must be a sandbox, unless the teacher says otherwise."""
    if not walls or sandbox.available():
        return ""
    why = "bwrap may not be used here" if shutil.which("bwrap") else "bubblewrap is not installed"
    return (
        f"{why}, and without it a submission could read your files, change marks, or reach the network.\n"
        "Install it (Debian, Ubuntu: apt-get install bubblewrap), or add --unsafe (make: UNSAFE=1)\n"
        "if you trust every student; such results are marked as unsafe."
    )
