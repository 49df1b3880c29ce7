"""Whatever way files come in: each goes to its owner or into the table with a reason, none is lost, none written over.

The forms of names are Moodle's and Canvas's as their sources make them (mod/assign/classes/downloader.php and
lib/content_zipper.rb), and Blackboard's as public scripts that sort its downloads read it.
"""

import datetime
import os
import subprocess
import sys
import unicodedata

import pytest

from classroom.collect import collect
from classroom.course import Wrong
from classroom.release import release
from tests.classroom.incoming import (
    CHAPTER,
    HOUR,
    MONDAY,
    NAME,
    course,
    earlier,
    inbox,
    notebook,
    pack,
    people,
    put,
    stored,
    told,
    tree,
    zipped,
)  # fmt: skip
from tests.classroom.notebooks import Submission, hand_in
from tools.exercises import ROOT, SOURCES, student_version

__all__ = ["course", "inbox"]


# Ways of handing in --------------------------------------------------------------------------------------------------
def test_flat_files_and_folders_named_by_student_go_to_their_owners(course, inbox):
    put(inbox, "ann.ipynb", notebook("ann"))
    put(inbox, f"bob_{NAME}", notebook("bob"))
    put(inbox, f"cem/{NAME}", notebook("cem"))
    put(inbox, "dora lee/my work.ipynb", notebook("dora"))
    assert told(collect(course, CHAPTER, str(inbox))) == [
        ("ann", "taken"), ("bob", "taken"), ("cem", "taken"), ("dora_lee", "taken"),
    ]  # fmt: skip
    assert [stored(course, one) for one in ("ann", "bob", "cem", "dora_lee")] == [
        notebook(mark) for mark in ("ann", "bob", "cem", "dora")
    ]


@pytest.mark.parametrize("outer", ["hand-ins/", f"{CHAPTER}/", "a/b/"])
def test_a_folder_around_all_files_is_nobody(course, inbox, outer):
    put(inbox, f"{outer}ann.ipynb", notebook("ann"))
    put(inbox, f"{outer}bob/{NAME}", notebook("bob"))
    assert told(collect(course, CHAPTER, str(inbox))) == [("ann", "taken"), ("bob", "taken")]


def test_one_students_folder_with_two_files_is_one_student(course, inbox):
    put(inbox, f"ann/{NAME}", notebook("right"))
    put(inbox, "ann/notes.ipynb", notebook("notes"))
    rows = collect(course, CHAPTER, str(inbox))
    assert sorted(told(rows)) == [("ann", "refused"), ("ann", "taken")]
    assert [row.remark for row in rows if row.what == "refused"] == [f"another file is called {CHAPTER}"]
    assert stored(course, "ann") == notebook("right")


def test_in_nbgraders_layout_the_time_is_that_of_its_timestamp(course, inbox):
    put(inbox, f"ann/{CHAPTER}/{NAME}", notebook(), MONDAY + 99 * HOUR)
    put(inbox, f"ann/{CHAPTER}/timestamp.txt", b"2026-11-16 12:00:00.000000 UTC")
    put(inbox, f"ann/{CHAPTER}/README.md", b"as handed out")
    (row,) = collect(course, CHAPTER, str(inbox))
    assert (row.student, row.what, row.late) == ("ann", "taken", "")
    assert (course.submitted("ann", CHAPTER) / "timestamp.txt").read_text() == "2026-11-16 12:00:00.000000 UTC\n"


def test_a_timestamp_that_a_student_has_put_beside_a_file_counts_for_nothing(course, inbox):
    put(inbox, f"ann/{NAME}", notebook(), MONDAY + 7 * HOUR)
    put(inbox, "ann/timestamp.txt", b"2020-01-01 00:00:00 UTC")
    (row,) = collect(course, CHAPTER, str(inbox))
    assert row.late == "1.0 hours"


@pytest.mark.parametrize("listed", [False, True])
def test_archives_of_learning_management_systems_are_understood(course, tmp_path, listed):
    if listed:
        rows = "al,Ann,Lee,\nbm,Bob,Maier,\ncz,Çem,Öz,\ndf,Dora,Fox,dfox1\nef,Eve,Fay,\n"
        people(course, f"id,first_name,last_name,lms\n{rows}")
    archive = pack(tmp_path / "all.zip", {
        f"Ann Lee_12345_assignsubmission_file_/{NAME}": notebook("ann"),
        "Bob Maier_12346_assignsubmission_file_Lee.ipynb": notebook("bob"),
        f"özçem_123_456_{NAME}": notebook("cem"),
        f"fayeve_LATE_124_457_{CHAPTER}-1.ipynb": notebook("eve"),
        f"Chapter 3_dfox1_attempt_2026-11-20-10-00-00_{NAME}": notebook("dora"),
        "Chapter 3_dfox1_attempt_2026-11-20-10-00-00.txt": b"Name: Dora Fox",
    })  # fmt: skip
    rows = collect(course, CHAPTER, archive)
    ids = ["al", "bm", "cz", "df", "ef"] if listed else ["Ann_Lee", "Bob_Maier", "özçem", "dfox1", "fayeve"]
    assert sorted(told(rows)) == sorted([("", "refused"), *((one, "taken") for one in ids)])
    assert [stored(course, one) for one in ids] == [notebook(x) for x in ("ann", "bob", "cem", "dora", "eve")]
    late = {row.student: row.late for row in rows}
    due = MONDAY + 6 * HOUR
    attempt = datetime.datetime(2026, 11, 20, 10, 0).astimezone()
    days = f"{(attempt - due).total_seconds() / 86400:.1f} days"
    assert [late[one] for one in ids] == ["", "", "", days, "says Canvas"]


def test_a_download_after_the_due_date_makes_nobody_late(course, tmp_path):
    """Moodle and Canvas pack with the time of the download."""
    names = [f"Ann Lee_1_assignsubmission_file_/{NAME}", f"maierbob_22_33_{NAME}"]
    archive = pack(tmp_path / "all.zip", dict.fromkeys(names, notebook()), MONDAY + 50 * HOUR)
    rows = collect(course, CHAPTER, archive)
    assert {row.student: row.late for row in rows} == {"Ann_Lee": "see the LMS", "maierbob": ""}
    assert not (course.submitted("Ann_Lee", CHAPTER) / "timestamp.txt").exists()


def test_what_a_student_types_behind_the_systems_name_gives_the_file_to_nobody_else(course, tmp_path):
    people(course, "id,first_name,last_name\nbob,Maximilian,Mustermann\nann,Ann,Lee\n")
    archive = pack(tmp_path / "all.zip", {
        "Ann Lee_1_assignsubmission_file_/Maximilian Mustermann.ipynb": notebook("1"),
        "Ann Lee_1_assignsubmission_file_/bob/bob.ipynb": notebook("2"),
        "leeann_22_33_Maximilian Mustermann.ipynb": notebook("3"),
        "Not Enrolled_4_assignsubmission_file_/bob.ipynb": notebook("4"),
        "ann/bob_1_assignsubmission_file_bob.ipynb": notebook("5"),
    })  # fmt: skip
    rows = collect(course, CHAPTER, archive)
    assert {row.student for row in rows if row.what != "refused"} == {"ann", "bob"}
    assert [row.what for row in rows if row.student == "bob"] == ["missing"]
    assert [row.remark for row in rows if row.what == "refused"] == ["nobody in students.csv is called that"]


# A class list --------------------------------------------------------------------------------------------------------
def test_a_class_list_as_spreadsheets_write_it_tells_people_by_id_name_and_number(course, inbox):
    text = (
        "id,first_name,last_name,email,lms\n"
        "a1,Jörg,Müller,jm@uni.example,\na11,Anna,Schmidt,as@uni.example,777\na12,Anna,Schmidt,,778\n"
        "ann,Ann,Lee,,\nann_lee2,Ann-Marie,Lee,,\nx9,小明,王,,\n"
    )
    people(course, text, "utf-8-sig")
    put(inbox, unicodedata.normalize("NFD", "Müller Jörg.ipynb"), notebook("a1"))
    put(inbox, "a11.ipynb", notebook("a11"))
    put(inbox, "Anna Schmidt_778_assignsubmission_file_/work.ipynb", notebook("a12"))
    put(inbox, "Anna Schmidt.ipynb", notebook("?"))
    put(inbox, "ANN.ipynb", notebook("ann"))
    put(inbox, "ann_lee2.ipynb", notebook("ann_lee2"))
    put(inbox, "王小明.ipynb", notebook("x9"))
    put(inbox, "ann and a11.ipynb", notebook("pair"))
    put(inbox, "zoe.ipynb", notebook("zoe"))
    rows = collect(course, CHAPTER, str(inbox))
    for student in ("a1", "a11", "a12", "ann", "ann_lee2", "x9"):
        assert stored(course, student) == notebook(student)
    assert {row.path: row.remark for row in rows if row.what == "refused"} == {
        "Anna Schmidt.ipynb": "could be a11, a12",
        "ann and a11.ipynb": "could be a11, ann",
        "zoe.ipynb": "nobody in students.csv is called that",
    }


def test_whoever_has_handed_in_nothing_is_missing(course, inbox):
    people(course, "id\nann\nbob\n")
    put(inbox, "ann.ipynb", notebook())
    assert told(collect(course, CHAPTER, str(inbox))) == [("ann", "taken"), ("bob", "missing")]
    assert told(collect(course, CHAPTER, str(inbox))) == [("ann", "same"), ("bob", "missing")]


def test_a_class_list_without_ids_stops_with_what_is_needed(course, inbox):
    people(course, "first_name,last_name\nAnn,Lee\n")
    put(inbox, "ann.ipynb", notebook())
    with pytest.raises(Wrong, match="needs a column id"):
        collect(course, CHAPTER, str(inbox))
    assert not course.submissions(CHAPTER)


def test_without_a_class_list_two_people_of_one_name_are_not_made_one(course, tmp_path):
    names = [f"Ann Lee_{number}_assignsubmission_file_/{NAME}" for number in (1, 2)]
    rows = collect(course, CHAPTER, pack(tmp_path / "all.zip", dict.fromkeys(names, notebook())))
    assert told(rows) == [("Ann_Lee", "refused")] * 2
    assert "class list" in rows[0].remark
    assert not course.submissions(CHAPTER)


# Again, and late -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("order", ["old first", "new first"])
def test_of_two_submissions_the_newer_counts_in_whichever_order_they_come(course, inbox, order):
    both = [("old", MONDAY), ("new", MONDAY + HOUR)]
    seen = []
    for mark, time in both if order == "old first" else both[::-1]:
        put(inbox, "ann.ipynb", notebook(mark), time)
        seen += [row.what for row in collect(course, CHAPTER, str(inbox))]
    assert seen == (["taken", "newer"] if order == "old first" else ["taken", "older"])
    assert stored(course, "ann") == notebook("new")
    assert earlier(course, "ann") == [notebook("old")]


def test_collecting_the_same_again_changes_nothing(course, inbox):
    for k in range(3):
        put(inbox, f"ann_{CHAPTER}-{k}.ipynb", notebook(str(k)), MONDAY + k // 2 * HOUR)
    put(inbox, f"bob_{CHAPTER}.ipynb", notebook("bob"))
    put(inbox, f"bob_{CHAPTER}-2.ipynb", notebook("bob 2"))
    collect(course, CHAPTER, str(inbox))
    before = tree(course.root)
    rows = collect(course, CHAPTER, str(inbox))
    assert tree(course.root) == before
    assert [row.what for row in rows] == ["older", "older", "same", "older", "same"]
    assert stored(course, "bob") == notebook("bob 2")
    assert earlier(course, "ann") == [notebook("0"), notebook("1")]


def test_of_two_files_of_one_second_the_higher_counter_counts(course, tmp_path):
    names = {f"leeann_1_{9 - k}_{CHAPTER}{end}.ipynb": notebook(end) for k, end in enumerate(["-10", "", "-2"])}
    rows = collect(course, CHAPTER, pack(tmp_path / "all.zip", names))
    assert [row.what for row in rows] == ["taken", "newer", "newer"]
    assert stored(course, "leeann") == notebook("-10")
    assert earlier(course, "leeann") == sorted([notebook(""), notebook("-2")])


def test_the_first_version_handed_in_a_third_time_counts_again(course, inbox):
    for k, mark in enumerate(["a", "b", "a"]):
        put(inbox, "ann.ipynb", notebook(mark), MONDAY + k * HOUR)
        collect(course, CHAPTER, str(inbox))
    assert stored(course, "ann") == notebook("a")
    assert earlier(course, "ann") == [notebook("a"), notebook("b")]


@pytest.mark.parametrize(
    ("after", "says"),
    [(-1, ""), (0, ""), (0.5, "30.0 minutes"), (0.01, "0.6 minutes"), (5, "5.0 hours"), (60, "2.5 days")],
)
@pytest.mark.parametrize("zone", [0, -5, 5.5])
def test_late_is_said_in_minutes_hours_or_days_in_every_time_zone(course, inbox, after, says, zone):
    due = (MONDAY + 6 * HOUR).astimezone(datetime.timezone(zone * HOUR))
    course.decide(CHAPTER, None, due.isoformat())
    put(inbox, "ann.ipynb", notebook(), due + after * HOUR)
    (row,) = collect(course, CHAPTER, str(inbox))
    assert row.late == says


# Files that are none, or not the ones asked for ----------------------------------------------------------------------
def test_what_is_no_notebook_of_this_assignment_is_named_with_the_reason(course, inbox):
    put(inbox, "ann/solution.pdf", b"%PDF")
    put(inbox, "ann/work.py", b"print()")
    put(inbox, "ann/page.html", b"<html>")
    put(inbox, "ann/04_multilayer_perceptrons.ipynb", notebook())
    put(inbox, "bob/04_multilayer_perceptrons/work.ipynb", notebook())
    put(inbox, "cem.ipynb", b"")
    put(inbox, NAME, notebook())
    put(inbox, "dora.ipynb", b"not json")
    put(inbox, "eve.ipynb", notebook(code="def other(): ..."))
    put(inbox, "FAY.IPYNB", notebook())
    rows = {row.path: (row.what, row.remark) for row in collect(course, CHAPTER, str(inbox))}
    no, other = "not a notebook (.ipynb)", "belongs to 04_multilayer_perceptrons"
    assert rows.pop("dora.ipynb")[1].startswith("the file is not a notebook, or a damaged one")
    assert rows == {
        "ann/solution.pdf": ("refused", no),
        "ann/work.py": ("refused", no),
        "ann/page.html": ("refused", no),
        "ann/04_multilayer_perceptrons.ipynb": ("refused", other),
        "bob/04_multilayer_perceptrons/work.ipynb": ("refused", other),
        "cem.ipynb": ("refused", "the file is empty"),
        NAME: ("refused", "no student's name in the file's name"),
        "eve.ipynb": ("taken", f"holds no answer of {CHAPTER}: another assignment?"),
        "FAY.IPYNB": ("taken", ""),
    }


def test_a_students_own_zip_counts_if_it_holds_one_notebook(course, inbox):
    put(inbox, "ann.zip", zipped({f"work/{NAME}": notebook("ann"), "work/.ipynb_checkpoints/x.ipynb": notebook("no")}))
    put(inbox, "bob.ZIP", zipped({"bob.ipynb": notebook(), f"{NAME}": notebook()}))
    put(inbox, "cem.zip", zipped({"work.py": b"print()"}))
    put(inbox, "dora.zip", b"no zip")
    put(inbox, "eve.zip", zipped({"ann.ipynb": notebook("eve")}))
    rows = {row.path: (row.student, row.what, row.remark) for row in collect(course, CHAPTER, str(inbox))}
    assert rows.pop(f"ann.zip/{NAME}") == ("ann", "taken", "")
    assert rows.pop("eve.zip/ann.ipynb") == ("eve", "taken", "")
    assert stored(course, "ann") == notebook("ann")
    assert {path: remark.removeprefix("a zip that cannot be used: ") for path, (*_, remark) in rows.items()} == {
        "bob.ZIP": "it holds 2 notebooks, not one",
        "cem.zip": "it holds 0 notebooks, not one",
        "dora.zip": "File is not a zip file",
    }


# The command ---------------------------------------------------------------------------------------------------------
def test_the_command_prints_a_table_that_fits_and_keeps_all_of_it(course, tmp_path):
    folder = "Konstantin Alexander Freiherr von und zu Hohenlohe-Langenburg_1234567_assignsubmission_file_"
    work = student_version(SOURCES / NAME).encode()
    names = {f"{folder}/{CHAPTER} (my final version) (2).ipynb": work, "a\x1b[31m.pdf": b"%PDF"}
    archive = pack(tmp_path / "all.zip", names)
    command = [sys.executable, "-m", "classroom", "collect", CHAPTER, "--from", archive, "--course", str(course.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "(2).ipynb" in done.stdout  # the end of a long path tells files apart
    assert "Konstantin" in done.stdout
    assert done.stdout.endswith("1 refused, 1 taken\n")
    table = (course.reports(CHAPTER) / "collected.csv").read_text("utf8")
    assert f"{folder}/{CHAPTER} (my final version) (2).ipynb" in table
    assert "\x1b" not in table


def test_a_broken_file_never_takes_the_place_of_a_good_one(course, tmp_path):
    release(course, CHAPTER)
    good = hand_in(course, "ada", CHAPTER, Submission(course, CHAPTER).bytes()).read_bytes()
    inbox = tmp_path / "later"
    inbox.mkdir()
    (inbox / "ada.ipynb").write_bytes(b"{broken")
    os.utime(inbox / "ada.ipynb", (4_000_000_000, 4_000_000_000))
    (row,) = collect(course, CHAPTER, str(inbox))
    assert row.what == "broken"
    assert row.remark.endswith("UTC counts")
    assert (course.submitted("ada", CHAPTER) / f"{CHAPTER}.ipynb").read_bytes() == good
    assert [path.read_bytes() for path in course.earlier("ada", CHAPTER).glob("*.ipynb")] == [b"{broken"]


def test_who_is_no_longer_in_the_class_list_is_named(course, tmp_path):
    release(course, CHAPTER)
    hand_in(course, "ghost", CHAPTER, Submission(course, CHAPTER).bytes())
    (course.root / "students.csv").write_text("ID;First name\nada;Ada\n", encoding="utf8")  # as Excel has it in Europe
    (tmp_path / "empty").mkdir()
    rows = {row.student: row for row in collect(course, CHAPTER, str(tmp_path / "empty"))}
    assert rows["ada"].what == "missing"
    assert rows["ghost"].what == "unknown"
    assert "rm -r submitted/ghost" in rows["ghost"].remark
