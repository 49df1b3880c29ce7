"""A class of thirty, three chapters, from release to feedback, by the real commands: `python -m benchmarks.classroom`.

Twelve submissions are right, twelve are wrong in one to three exercises, six are hostile or broken. Each mark is
compared with the one deserved; the seconds of each step go into benchmarks/results/classroom.json. Needs bubblewrap.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nbformat import NotebookNode

from benchmarks.machine import describe, rounded
from classroom.assignment import answers
from classroom.course import Course
from classroom.results import load
from tests.classroom.notebooks import Submission

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "classroom.json"
CHAPTERS = ("03_backpropagation", "05_optimisers", "11_from_numpy_to_pytorch")
HOSTILE = {
    "an endless loop": "while True:\n    pass",
    "the end of the interpreter": "import os\nos._exit(0)",
    "a memory bomb": "hoard = []\nwhile True:\n    hoard.append(bytearray(100_000_000))",
    "a fork bomb": "import os\nwhile True:\n    os.fork()",
    "patched comparisons": "np.allclose = np.array_equal = lambda *a, **k: True",
    "broken JSON": "",
}


def run(step: str, course: Course, chapter: str, *words: str) -> float:
    """Seconds that a step takes."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "classroom", step, chapter, "--course", str(course.root), *words]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def hand_in(course: Course, chapter: str, inbox: Path) -> dict[str, set[str]]:
    """Write the files of a class; returns what each student deserves to lose."""
    rng, lost = random.Random(0), {}
    for k in range(30):
        work, name = Submission(course, chapter).solved(), f"student{k:02}"
        asked, spoiled = answers(work.source), set()
        if k >= 12:
            for one in rng.sample(asked, 1 if k >= 24 else rng.randint(1, 3)):
                begins = re.compile(rf"^def {one.name}\b", re.MULTILINE)
                cell = next(cell for cell in work.cells if is_solution(cell) and begins.search(cell.source))
                cell.source = f"def {one.name}(*args):\n    return args[0] if args else {{}}\n"
                spoiled.add(one.id)
        if k >= 24:
            work.cell(list(HOSTILE.values())[k - 24])
        data = work.bytes()
        if k == 29:
            data, spoiled = data[: len(data) // 2], {one.id for one in asked}
        (inbox / f"{name}_{chapter}.ipynb").write_bytes(data)
        lost[name] = spoiled
    return lost


def is_solution(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classroom", description=__doc__)
    parser.add_argument("--keep", type=Path, help="a folder to work in and to keep (default: a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = options.keep or Path(scratch)
        course, found = Course((root / "course").resolve()), {}
        for chapter in CHAPTERS:
            inbox = root / f"inbox_{chapter}"
            inbox.mkdir(parents=True)
            seconds = {"release": run("release", course, chapter)}
            lost = hand_in(course, chapter, inbox)
            seconds["collect"] = run("collect", course, chapter, "--from", str(inbox))
            seconds["grade"] = run("grade", course, chapter, "--jobs", "2")
            seconds["feedback"] = run("feedback", course, chapter)
            for student, deserved in lost.items():
                result = load(course.marks(chapter) / f"{student}.json")
                assert result and {one.id for one in result.verdicts if one.state != "right"} == deserved, student
            found[chapter] = {"submissions": len(lost), "seconds": rounded(seconds)}
            print(chapter, found[chapter], flush=True)
        machine = describe("python -m benchmarks.classroom", ("numpy", "torch", "nbgrader")) | {"cores": os.cpu_count()}
        RESULT.write_text(json.dumps({"machine": machine, "chapters": found}, indent=1) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
