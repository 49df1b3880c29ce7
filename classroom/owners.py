"""Whose a file is: read from its path, in the forms that learning-management systems give it or as people name files.

What a system has written decides; what a student may have typed behind it is not asked. The forms: Moodle's and
Canvas's are those of their sources (moodle mod/assign/classes/downloader.php, canvas-lms lib/content_zipper.rb),
Blackboard's is the one that public scripts for its downloads read.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from classroom.course import Person
from tools.exercises import SOURCES

MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_[a-z]+_(?P<rest>.*)", re.S)
"""`First Last_12345_assignsubmission_file_` as a folder's name, or with the file's own name behind it."""
CANVAS = re.compile(r"(?P<name>[^\W\d_]\w*?)_(?P<late>late_)?(?P<number>\d+)_\d+_(?P<rest>.+)", re.S | re.IGNORECASE)
"""`lastfirst_LATE_123_456_` before the file's own name: the number of the user, then that of the file."""
BLACKBOARD = re.compile(r"(?P<name>.+?)_attempt_(?P<time>\d{4}(?:-\d\d){5})(?P<rest>_.*|\..*)", re.S)
"""`Assignment_username_attempt_2026-11-20-10-00-00_` before the file's own name."""
LONGEST = 100
"""Bytes of a student's id: it names folders."""


@dataclass(frozen=True)
class Form:
    """A path as a system wrote it. late: what the system says of it, "" if nothing; time: when it was handed in."""

    system: str
    name: str
    number: str = ""
    rest: str = ""
    late: str = ""
    time: datetime.datetime | None = None


def form(part: str) -> Form | None:
    """What a system put into one part of a path, or None."""
    if found := MOODLE.fullmatch(part):
        return Form("Moodle", found["name"], found["number"], found["rest"])
    if found := BLACKBOARD.fullmatch(part):
        try:
            time = datetime.datetime.strptime(found["time"], "%Y-%m-%d-%H-%M-%S").astimezone()
        except (ValueError, OverflowError):
            time = None
        return Form("Blackboard", found["name"], "", found["rest"], time=time)
    if found := CANVAS.fullmatch(part):
        return Form("Canvas", found["name"], found["number"], found["rest"], "says Canvas" if found["late"] else "")
    return None


@dataclass(frozen=True)
class Owner:
    """The student that a path names, or the fault why none; told: what a system wrote into the part that decides."""

    student: str
    fault: str = ""
    told: Form | None = None


def outer_folders(paths: Sequence[str], assignment: str) -> int:
    """How many folders stand around all files, as in an archive of a folder; they name nobody."""
    split, outer = [path.split("/") for path in paths], 0
    for depth in range(1, min(map(len, split), default=0)):
        if len({parts[depth - 1] for parts in split}) > 1 or form(split[0][depth - 1]):
            break
        if len({_leading(parts[depth], assignment) for parts in split} - {""}) > 1:
            outer = depth
    return outer


def fault(path: str, assignment: str) -> str:
    """Why a file cannot be a submission, by its name; "" if it can."""
    name = path.rsplit("/", 1)[-1]
    if not name.lower().endswith(".ipynb"):
        return "not a notebook (.ipynb)"
    told = form(name)
    own = told.rest if told and told.rest else name
    if assignment in own:
        return ""
    others = sorted(source.stem for source in SOURCES.glob("*.ipynb") if source.stem != assignment)
    other = next((one for one in others if one in own or one in path.split("/")[:-1]), "")
    return f"belongs to {other}" if other else ""


def owner(path: str, people: dict[str, Person], assignment: str, outer: int = 0) -> Owner:
    """Whose file a path is. The first part of it (after `outer` folders) that names anybody decides.

    With a class list, somebody's id, LMS name, e-mail address or full name must stand in it, as whole words; without
    one, whatever stands before the assignment's name or an LMS's number is taken as the id.
    """
    if reason := fault(path, assignment):
        return Owner("", reason)
    for part in path.split("/")[outer:]:
        told = form(part)
        if people:
            found = _named(f"{told.name} {told.number}" if told else part.replace(assignment, " "), people)
            if len(found) == 1:
                return Owner(found.pop(), "", told)
            if found:
                return Owner("", f"could be {', '.join(sorted(found))}")
            if told:
                break
        elif student := _leading(part, assignment):
            long = len(student.encode()) > LONGEST
            return Owner("", "the student's name in it is too long") if long else Owner(student, "", told)
    return Owner("", "nobody in students.csv is called that" if people else "no student's name in the file's name")


def _named(text: str, people: dict[str, Person]) -> set[str]:
    """The people whom a text names: one, nobody, or all who may be meant.

    A name inside a longer one does not count ("ann" in "ann lee"); whoever is meant must be in every place that names
    somebody: a number tells two people of one name apart, "ann_bob" is not decided.
    """
    text = f" {_plain(text)} "
    places: dict[tuple[int, int], set[str]] = {}
    for person in people.values():
        for key in _keys(person):
            start = text.find(f" {key} ")
            while start >= 0:
                places.setdefault((start, start + len(key)), set()).add(person.id)
                start = text.find(f" {key} ", start + 1)
    outermost = [
        ids for (a, b), ids in places.items() if not any(c <= a and b <= d and (a, b) != (c, d) for c, d in places)
    ]
    meant = set.intersection(*outermost) if outermost else set()
    return meant or set().union(*outermost)


@cache
def _keys(person: Person) -> set[str]:
    names = [_plain(name) for name in (person.first_name, person.last_name)]
    full = [" ".join(order) for order in (names, names[::-1]) if all(names)]
    keys = {_plain(person.id), _plain(person.lms), _plain(person.email), *full, *(f.replace(" ", "") for f in full)}
    return keys - {""}


def _plain(text: str) -> str:
    """Words of letters and digits, lower case, without accents, one space between."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    return " ".join(re.findall(r"[^\W_]+", text))


def _leading(part: str, assignment: str) -> str:
    """What a part of a path would be as a student's id, "" if it holds nothing of that kind."""
    if told := form(part):
        name = told.name.rsplit("_", 1)[-1] if told.system == "Blackboard" else told.name
    else:
        name = re.sub(r"\.(ipynb|zip)$", "", part, flags=re.IGNORECASE).split(assignment, 1)[0]
    return re.sub(r"[^\w.@-]+", "_", unicodedata.normalize("NFC", name)).strip("_-. ")


def namesakes(owners: Iterable[Owner]) -> set[str]:
    """The students whose files carry different numbers of an LMS: different people of one name."""
    numbers = {(one.student, one.told.number) for one in owners if one.told and one.told.number}
    return {student for student, count in Counter(student for student, _ in numbers).items() if count > 1}
