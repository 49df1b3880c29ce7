"""A course on the teacher's disk: nbgrader's folders, an assignment's settings, and who is in the class."""

from __future__ import annotations

import csv
import json
import os
import secrets
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.exercises import SOURCES

CONFIG = '''"""nbgrader's settings for this course; `make release` writes this file once, then it is yours."""

from pathlib import Path

from nbgrader.preprocessors import NbGraderPreprocessor

c = get_config()  # noqa: F821
c.CourseDirectory.root = str(Path(__file__).parent)
c.CourseDirectory.course_id = "large_models"
c.CourseDirectory.db_url = f"sqlite:///{Path(__file__).parent / 'gradebook.db'}"
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError()"}
# c.Exchange.root = "/srv/nbgrader/exchange"  # where students fetch and submit, on a server that you share


class Refuse(NbGraderPreprocessor):
    def preprocess(self, nb, resources):
        raise RuntimeError("Marks are made by `make grade`, in a sandbox. nbgrader's own autograder would run this "
                           "notebook as you, with your files.")


c.Autograde.sanitize_preprocessors = [Refuse]
'''


class Wrong(Exception):
    """Something the teacher can mend; the message says what to do."""


@dataclass
class Settings:
    """What was decided when an assignment was handed out. secret: the hidden cases follow from it; keep it."""

    seed: int = 0
    secret: str = ""
    due: str = ""


@dataclass(frozen=True)
class Person:
    """A row of students.csv; `id` names folders, `lms` is what a learning-management system calls the person."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms: str = ""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.id


@dataclass(frozen=True)
class Course:
    """The folders of a course, as nbgrader lays them out, and ours beside them."""

    root: Path

    def source(self, assignment: str) -> Path:
        return self.root / "source" / assignment / f"{assignment}.ipynb"

    def release(self, assignment: str) -> Path:
        return self.root / "release" / assignment

    def submitted(self, student: str, assignment: str) -> Path:
        return self.root / "submitted" / student / assignment

    def earlier(self, student: str, assignment: str) -> Path:
        """Where a submission goes when a newer one replaces it."""
        return self.root / "earlier" / student / assignment

    def autograded(self, student: str, assignment: str) -> Path:
        return self.root / "autograded" / student / assignment

    def feedback(self, student: str, assignment: str) -> Path:
        return self.root / "feedback" / student / assignment

    def marks(self, assignment: str) -> Path:
        """A file a student: what the grader found."""
        return self.root / "marks" / assignment

    def reports(self, assignment: str) -> Path:
        """What the teacher reads: the overview, the table for a learning-management system."""
        return self.root / "reports" / assignment

    @property
    def gradebook(self) -> str:
        return f"sqlite:///{self.root / 'gradebook.db'}"

    def set_up(self) -> None:
        """Make the folder and nbgrader's configuration, unless they are there."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = self.root / "nbgrader_config.py"
        if not config.exists():
            config.write_text(CONFIG, encoding="utf8")

    def settings(self, assignment: str) -> Settings:
        path = self._settings(assignment)
        if not path.exists():
            raise Wrong(f"{assignment} has not been handed out from {self.root}: make release ASSIGNMENT={assignment}")
        return Settings(**json.loads(path.read_text("utf8")))

    def decide(self, assignment: str, seed: int | None, due: str | None) -> Settings:
        """The settings of an assignment: those there were, changed where something is given; the secret stays."""
        path = self._settings(assignment)
        old = self.settings(assignment) if path.exists() else Settings(secret=secrets.token_hex(16))
        new = Settings(old.seed if seed is None else seed, old.secret, old.due if due is None else due)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, json.dumps(asdict(new), indent=1), mode=0o600)
        return new

    def _settings(self, assignment: str) -> Path:
        return self.root / "settings" / f"{assignment}.json"

    def roster(self) -> dict[str, Person]:
        """The class by id, from students.csv; empty if there is no such file."""
        path = self.root / "students.csv"
        if not path.exists():
            return {}
        try:
            lines = path.read_text("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise Wrong(f"{path} is not UTF-8: in a spreadsheet, save it as “CSV UTF-8”") from None
        comma = (
            ";" if lines and ";" in lines[0] and "," not in lines[0] else ","
        )  # as Excel in much of Europe writes it
        reader = csv.DictReader(lines, delimiter=comma)
        heads = [head.strip().lower().replace(" ", "_") for head in reader.fieldnames or ()]
        if "id" not in heads:
            found = ", ".join(heads) or "nothing"
            raise Wrong(f"{path} needs a column id (and may have first_name, last_name, email, lms); it has: {found}")
        reader.fieldnames = heads
        rows = list(reader)
        known = Person.__dataclass_fields__
        people = [Person(**{k: (v or "").strip() for k, v in row.items() if k in known}) for row in rows]
        for person in people:
            check_id(person.id, path)
        if twice := [id for id, count in Counter(person.id for person in people if person.id).items() if count > 1]:
            raise Wrong(f"{path} has {', '.join(twice)} twice: an id stands for one person")
        return {person.id: person for person in people if person.id}

    def submissions(self, assignment: str) -> list[str]:
        """The students who have handed something in, in order."""
        return sorted(folder.parent.name for folder in (self.root / "submitted").glob(f"*/{assignment}"))


def check_id(id: str, where: Path) -> None:
    """Raise Wrong for an id that cannot name a folder."""
    if id in (".", "..") or id.startswith("-") or any(c in id for c in "/\\+\0\n\r"):  # nbgrader's exchange splits at +
        raise Wrong(f"{where}: {id!r} cannot be a student's id: letters, digits, '.', '_', '@' and '-' can")


def find_assignment(name: str) -> str:
    """The full name of a chapter's exercises, also from its number alone. Raises Wrong for an unknown one."""
    names = sorted(path.stem for path in SOURCES.glob("*.ipynb"))
    found = [one for one in names if one == name] or [one for one in names if name and one.startswith(f"{name}_")]
    if len(found) != 1:
        raise Wrong(f"ASSIGNMENT={name or '…'} is none of: {', '.join(names)}")
    return found[0]


def as_cell(text: str) -> str:
    """Text for a CSV file: a spreadsheet must not take one that begins with a sign for a formula."""
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that whoever looks sees the old one or the new one, also after a loss of power."""
    write_bytes(path, text.encode("utf8"), mode)


def write_bytes(path: Path, data: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)
    partial.touch(mode)
    partial.write_bytes(data)
    partial.replace(path)
