"""`python -m classroom release | collect | grade | feedback`: the way of an assignment through a class."""

import os
import sys

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before NumPy is loaded: the grader runs side by side, not thread by thread
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # two seconds for a check that no notebook needs

import argparse  # noqa: E402
import csv  # noqa: E402
import io  # noqa: E402
import unicodedata  # noqa: E402
from collections import Counter  # noqa: E402
from dataclasses import asdict  # noqa: E402
from pathlib import Path  # noqa: E402

from classroom.course import Course, Wrong, as_cell, find_assignment, write  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    options = _parser().parse_args()
    course = Course(options.course.expanduser().resolve())
    try:
        assignment = find_assignment(options.assignment) if "assignment" in options else ""
        return STEPS[options.step](course, assignment, options)
    except Wrong as error:
        print(f"classroom: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("classroom: interrupted; what was finished stays, run it again to go on", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m classroom", description=__doc__)
    parser_of: dict[str, argparse.ArgumentParser] = {}
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    for name, step in STEPS.items():
        parser_of[name] = steps.add_parser(name, help=step.__doc__, description=step.__doc__)
        if name != "formgrader":
            parser_of[name].add_argument("assignment", help="a chapter's exercises: 03_backpropagation, or 03")
        parser_of[name].add_argument("--course", type=Path, default=ROOT / "course", help="folder (default: course)")
    release, collect, grade, formgrader = (parser_of[name] for name in STEPS if name != "feedback")
    release.add_argument("--seed", type=int, help="a variant: other numbers, other letters, other hidden cases")
    release.add_argument("--due", help="when it is due, as 2027-01-31 18:00")
    collect.add_argument("--from", dest="source", required=True, metavar="PLACE", help="a folder, a zip, or: exchange")
    grade.add_argument("--jobs", type=int, default=max(1, min(os.cpu_count() or 1, 16)), help="side by side")
    grade.add_argument("--unsafe", action="store_true", help="without a sandbox: only if you trust every student")
    formgrader.add_argument("--port", type=int, default=8888)
    formgrader.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    return parser


def release(course: Course, assignment: str, options: argparse.Namespace) -> int:
    """write the student's folder and a zip of it"""
    from classroom.release import release

    archive = release(course, assignment, options.seed, options.due)
    known = course.settings(assignment)
    print(
        f"{assignment}, variant {known.seed}, {f'due {known.due[:16]}'.replace('T', ' ') if known.due else 'no date'}"
    )
    print(f"for students: {archive}\n              {archive.with_suffix('')}")
    return 0


def collect(course: Course, assignment: str, options: argparse.Namespace) -> int:
    """take in what students have handed in, and say in a table what became of each file"""
    from classroom.collect import Row, collect

    rows = collect(course, assignment, options.source)
    text = io.StringIO()
    writer = csv.DictWriter(text, Row.__dataclass_fields__, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: as_cell(v) for k, v in asdict(row).items()} for row in rows)
    write(course.reports(assignment) / "collected.csv", text.getvalue())
    print_table([tuple(Row.__dataclass_fields__), *(tuple(asdict(row).values()) for row in rows)])
    counts = Counter(row.what for row in rows)
    print(", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing there")
    return 0


def print_table(rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as what they hold; of a long cell, but for the last, its beginning and its end."""
    rows = [(*map(_short, row[:-1]), row[-1]) for row in rows]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip())


def _short(text: str) -> str:
    return text if len(text) <= 56 else f"{text[:32]} … {text[-21:]}"


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: two for a Chinese character."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def grade(course: Course, assignment: str, options: argparse.Namespace) -> int:
    """run and judge every submission, each in a sandbox, and enter the marks into nbgrader's gradebook"""
    if not sys.platform.startswith("linux"):
        raise Wrong("grading needs Linux: on Windows use WSL, on a Mac a Linux machine or container")
    from classroom.grade import alone, grade_all, why_no_marks
    from classroom.gradebook import marks, sync
    from classroom.sandbox import Limits

    course.settings(assignment)
    if reason := why_no_marks(not options.unsafe):
        raise Wrong(f"no marks were made: {reason}")
    if options.unsafe:
        print(
            "UNSAFE: submissions run as you, with your files and network; these marks do not count",
            file=sys.stderr,
        )
    with alone(course, assignment):
        try:
            failed = grade_all(course, assignment, options.jobs, Limits(walls=not options.unsafe))
        finally:
            entered = sync(course, assignment)
    for student, why in failed.items():
        print(f"not graded: {student}: {why}", file=sys.stderr)
    print(f"{entered} of {len(course.submissions(assignment))} submissions are in the gradebook")
    waiting = sum(mark.waiting for cells in marks(course, assignment).values() for mark in cells.values())
    if not failed:
        print(f"next: {f'{waiting} written answers wait, make formgrader; then ' if waiting else ''}make feedback")
    return 1 if failed else 0


def feedback(course: Course, assignment: str, options: argparse.Namespace) -> int:
    """write a page for each student, a table of marks, and an overview of the class"""
    from classroom.reports import feedback

    course.settings(assignment)
    count = feedback(course, assignment)
    reports = course.reports(assignment)
    print(f"{count} pages in {course.root / 'feedback'}")
    print(f"overview: {reports / 'overview.html'}\nmarks:    {reports / 'marks.csv'}")
    return 0


def formgrader(course: Course, assignment: str, options: argparse.Namespace) -> int:
    """mark written answers in nbgrader's formgrader, in the browser"""
    from classroom.gradebook import reach_tools

    if not (course.root / "gradebook.db").exists():
        raise Wrong(f"there is no gradebook in {course.root}: make release comes first")
    reach_tools()
    command = [sys.executable, "-m", "jupyter", "server", f"--ServerApp.root_dir={course.root}"]
    command += ["--ServerApp.default_url=/formgrader", f"--ServerApp.port={options.port}"]
    command += ["--allow-root"] * (getattr(os, "geteuid", lambda: 1)() == 0) + ["--no-browser"] * options.no_browser
    os.chdir(course.root)
    sys.stdout.flush()
    os.execv(sys.executable, command)  # in this process's place, so that stopping it stops the server


STEPS = {"release": release, "collect": collect, "grade": grade, "feedback": feedback, "formgrader": formgrader}

if __name__ == "__main__":
    sys.exit(main())
