"""Archives and folders that attack, or are damaged: nothing is written elsewhere, nothing lost, nobody else pays."""

import os
import stat
import tracemalloc
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.collect import collect
from classroom.course import Course, Person, Wrong, check_id
from classroom.owners import owner
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
    put,
    stored,
    told,
    tree,
    zipped,
)  # fmt: skip

__all__ = ["course", "inbox"]


def test_paths_that_lead_out_of_an_archive_lead_nowhere(course, tmp_path):
    names = [f"../../ann/{NAME}", f"/etc/bob/{NAME}", f"C:\\cem\\{NAME}", f"./dora/{NAME}", f"..\\eve\\{NAME}"]
    archive = pack(tmp_path / "all.zip", {name: notebook(name) for name in names})
    before = tree(tmp_path)
    rows = collect(course, CHAPTER, archive)
    assert len(rows) == len(names)
    assert all(row.what in ("taken", "newer") for row in rows)
    assert {row.student for row in rows} >= {"ann", "dora", "eve"}
    after = tree(tmp_path)
    assert {path: after[path] for path in before} == before
    assert all(
        path.startswith((f"{course.root}/submitted", f"{course.root}/earlier")) for path in set(after) - set(before)
    )


def test_links_are_not_followed_in_archives_or_folders(course, inbox, tmp_path):
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(notebook("secret"))
    (inbox / "ann.ipynb").symlink_to(secret)
    (tmp_path / "elsewhere").mkdir()
    put(tmp_path / "elsewhere", "bob.ipynb", notebook("secret"))
    (inbox / "folder").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(inbox / "cem.ipynb")
    link = zipfile.ZipInfo("dora.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(inbox / "all.zip", "w") as archive:
        archive.writestr(link, str(secret))
    rows = collect(course, CHAPTER, str(inbox))
    assert [(row.path, row.what) for row in sorted(rows, key=lambda row: row.path)] == [
        ("all.zip/dora.ipynb" if row == "all.zip" else row, "refused")
        for row in ("all.zip", "ann.ipynb", "cem.ipynb", "folder")
    ]
    (row,) = collect(course, CHAPTER, str(inbox / "all.zip"))
    assert (row.what, row.remark) == ("refused", "a link, not a file")
    assert not course.submissions(CHAPTER)


def test_something_else_at_the_place_of_a_submission_is_moved_aside_not_followed(course, inbox, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    target = course.submitted("ann", CHAPTER) / NAME
    target.parent.mkdir(parents=True)
    target.symlink_to(secret)
    os.utime(target, (MONDAY.timestamp(),) * 2, follow_symlinks=False)
    put(inbox, "ann.ipynb", notebook("ann"), MONDAY + HOUR)
    assert told(collect(course, CHAPTER, str(inbox))) == [("ann", "newer")]
    assert stored(course, "ann") == notebook("ann")
    assert not target.is_symlink()
    assert secret.read_text() == "secret"
    assert [path.readlink() for path in course.earlier("ann", CHAPTER).iterdir()] == [secret]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_bomb_is_not_unpacked(course, tmp_path, method):
    zeros = bytes(2**20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", method) as archive:
        with archive.open("ann.ipynb", "w", force_zip64=True) as file:
            for _ in range(2**10 if method == zipfile.ZIP_DEFLATED else 2**7):
                file.write(zeros)
        archive.writestr("bob.ipynb", notebook())
        with archive.open("cem.ipynb", "w") as file:  # says that it is small, and is not
            file.write(notebook())
            for _ in range(64):
                file.write(zeros)
        archive.getinfo("cem.ipynb").file_size = 1000
    assert (tmp_path / "bomb.zip").stat().st_size < 1.5 * 2**20
    nested = pack(tmp_path / "nested.zip", {"dora.zip": (tmp_path / "bomb.zip").read_bytes()})
    peak = _peak(course, tmp_path / "bomb.zip")
    rows = {row.path: (row.what, row.remark) for row in collect(course, CHAPTER, str(tmp_path / "bomb.zip"))}
    assert rows["ann.ipynb"] == ("refused", "larger than 10 MB once unpacked")
    assert rows["cem.ipynb"][0] == "refused"
    assert rows["bob.ipynb"][0] == ("same" if method == zipfile.ZIP_DEFLATED else "refused")
    assert peak < 60
    (row,) = collect(course, CHAPTER, nested)
    assert row.what == "refused"
    one = zipped({"ann.ipynb": bytes(40 * 2**20)})
    (row,) = collect(course, CHAPTER, pack(tmp_path / "nested.zip", {"dora.zip": one}))
    assert (row.what, row.remark) == ("refused", "larger than 10 MB once unpacked")


def _peak(course: Course, archive: Path) -> float:
    """Mebibytes that collecting an archive takes at most, beyond what stands there."""
    tracemalloc.start()
    try:
        collect(course, CHAPTER, str(archive))
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def test_an_archive_of_thirty_thousand_files_is_none_of_a_class(course, tmp_path):
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for k in range(30_000):
            archive.writestr(f"{k}.ipynb", b"")
    with pytest.raises(Wrong, match="30,000 files"):
        collect(course, CHAPTER, str(tmp_path / "many.zip"))
    assert not course.submissions(CHAPTER)


def test_encrypted_and_damaged_entries_cost_nobody_else(course, tmp_path):
    pack(tmp_path / "all.zip", {f"{name}.ipynb": notebook(name) for name in ("ann", "bob", "cem")})
    data = bytearray((tmp_path / "all.zip").read_bytes())
    local, central = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    data[local + 6] |= 1  # encrypted, says ann's header
    data[central + 8] |= 1
    data[data.index(b"bob.ipynb") + 30] ^= 0xFF
    (tmp_path / "all.zip").write_bytes(data)
    rows = collect(course, CHAPTER, str(tmp_path / "all.zip"))
    assert sorted((row.path, row.what) for row in rows) == [
        ("ann.ipynb", "refused"), ("bob.ipynb", "refused"), ("cem.ipynb", "taken"),
    ]  # fmt: skip
    assert all("cannot be unpacked" in row.remark for row in rows if row.what == "refused")


@pytest.mark.parametrize("keep", [0.2, 0.9, 0.999])
def test_a_truncated_archive_is_said_to_be_one(course, tmp_path, keep):
    data = zipped({f"{k}.ipynb": notebook(str(k)) for k in range(30)})
    (tmp_path / "all.zip").write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(Wrong, match="cannot be read as a zip"):
        collect(course, CHAPTER, str(tmp_path / "all.zip"))


def test_an_archive_spoiled_anywhere_ends_in_a_table_or_a_sentence(course, tmp_path):
    data = zipped({"ann.ipynb": notebook(), "bob.zip": zipped({"bob.ipynb": notebook()})})
    for place in range(0, len(data), 3):
        for value in (0, 255, data[place] ^ 1):
            spoiled = bytearray(data)
            spoiled[place] = value
            (tmp_path / "all.zip").write_bytes(spoiled)
            try:
                collect(course, CHAPTER, str(tmp_path / "all.zip"))
            except Wrong as error:
                assert "cannot be read as a zip" in str(error)


def test_control_characters_in_names_reach_neither_terminal_nor_folders(course, tmp_path):
    names = ["ann\x1b[2J.ipynb", "bob\nroot.ipynb", "cem\u202egpj.ipynb", "\x07.ipynb", "dora.ipynb\x1b]0;x\x07"]
    rows = collect(course, CHAPTER, pack(tmp_path / "all.zip", {name: notebook(name) for name in names}))
    assert len(rows) == len(names)
    assert all(cell.isprintable() for row in rows for cell in (row.student, row.path, row.remark))
    assert all(name.isprintable() for name in tree(course.root))


def test_a_name_that_is_not_utf8_can_be_told_and_taken(course, inbox):
    path = os.fsencode(inbox) + b"/J\xf6rg.ipynb"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(notebook())
    (row,) = collect(course, CHAPTER, str(inbox))
    assert row.what == "taken"
    assert row.path.encode("utf8") == b"J\\udcf6rg.ipynb"


def test_names_that_differ_in_case_or_normal_form_lose_nothing(course, tmp_path):
    composed, apart = (unicodedata.normalize(form, "Jörg.ipynb") for form in ("NFC", "NFD"))
    names = ["Ann.ipynb", "ann.ipynb", composed, apart]
    rows = collect(course, CHAPTER, pack(tmp_path / "all.zip", {name: notebook(name) for name in names}))
    assert sorted(told(rows)) == [("Ann", "taken"), ("Jörg", "newer"), ("Jörg", "taken"), ("ann", "taken")]
    held = [*earlier(course, "Jörg"), *(stored(course, one) for one in ("Ann", "ann", "Jörg"))]
    assert sorted(held) == sorted(notebook(name) for name in names)


def test_the_same_name_twice_in_an_archive_loses_nothing(course, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("ann.ipynb", notebook("1"))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("ann.ipynb", notebook("2"))
    assert len(collect(course, CHAPTER, str(tmp_path / "all.zip"))) == 2
    assert sorted([stored(course, "ann"), *earlier(course, "ann")]) == [notebook("1"), notebook("2")]


def test_a_name_too_long_for_a_folder_is_refused(course, tmp_path):
    (row,) = collect(course, CHAPTER, pack(tmp_path / "all.zip", {"a" * 5000 + ".ipynb": notebook()}))
    assert (row.what, row.remark) == ("refused", "the student's name in it is too long")


def test_names_in_utf8_that_do_not_say_so_are_read(course, tmp_path):
    """As macOS packs them."""
    archive = Path(pack(tmp_path / "all.zip", {"Jörg.ipynb": notebook()}))
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\x03\x04") + 7] &= ~0x08
    data[data.index(b"PK\x01\x02") + 9] &= ~0x08
    archive.write_bytes(data)
    (row,) = collect(course, CHAPTER, str(archive))
    assert (row.student, row.what) == ("Jörg", "taken")


@given(st.text(max_size=60), st.sampled_from(["", "_03_backpropagation", "_1_assignsubmission_file_", "_2_3_x"]))
def test_any_name_gives_an_id_that_can_name_a_folder_or_a_reason(text, end):
    for people in ({}, {"ann": Person("ann", "Ann", "Lee")}):
        found = owner(f"{text}{end}.ipynb", people, CHAPTER)
        assert bool(found.student) != bool(found.fault)
        check_id(found.student, Path("here"))
        assert found.student.isprintable()
        assert len(found.student.encode()) <= 100


@pytest.mark.parametrize("place", ["nowhere", "text.zip"])
def test_a_source_that_is_none_stops_with_what_is_possible(course, tmp_path, place):
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(Wrong, match=r"neither a folder nor a zip|cannot be read as a zip"):
        collect(course, CHAPTER, str(tmp_path / place))
