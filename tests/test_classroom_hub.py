"""A class on one server: ten accounts log in over HTTP, work side by side, and stay within their limits.

It makes real accounts of the machine (and removes them), so it runs as root only; elsewhere it skips with the reason.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("accounts, control groups and JupyterHub's spawner are of Linux", allow_module_level=True)

from classroom.hub import accounts, install
from classroom.hub.limits import FOLDER, Limits, NoControlGroups, find
from classroom.hub.settings import Settings, load
from tests.hub_class import PLACE, Student, accounts_left, as_teacher, course, processes, running
from tools.exercises import student_version

EXERCISES = install.ROOT / "notebooks" / "exercises"
ASSIGNMENT = "03_backpropagation"
MEMORY_GB, PROCESSORS, PROCESSES, STUDENTS = 0.6, 0.5, 150, 10
BELOW = Path("/home")

EAT = "held = [bytearray(2**20) for _ in range(2000)]"
EAT_TOGETHER = """
import subprocess, sys
code = "import time; held = [bytearray(2**20) for _ in range(200)]; time.sleep(2)"
eaters = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
print(sorted(eater.wait() for eater in eaters)[0])
"""
BURN = """
import os, subprocess, sys, time
code = "import time\\nend = time.time() + 3\\nwhile time.time() < end: pass"
burners = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
for burner in burners: burner.wait()
used = os.times()
print(used.children_user + used.children_system)
"""
FORK = """
import subprocess
started = []
try:
    for _ in range(1000): started.append(subprocess.Popen(["sleep", "60"]))
except OSError as error:
    print(type(error).__name__, len(started))
for process in started: process.kill(); process.wait()
"""
STAY = """
import subprocess
print(subprocess.Popen(["sleep", "600"], start_new_session=True).pid)
"""


def why_not() -> str:
    """Why the server cannot be tried on this machine; "" if it can."""
    if os.geteuid() != 0:
        return "only root can make accounts"
    if not install.is_current(PLACE):
        return f"{PLACE} is missing or old: run `python3 -m classroom.hub install --for-tests`"
    if closed := install.closed_part(PLACE):
        return f"the accounts of students cannot enter {closed}"
    if missing := [tool for tool in ("useradd", "userdel", "chpasswd", "groupadd") if not shutil.which(tool)]:
        return f"there is no {missing[0]} to make accounts with"
    try:
        find(to_leaf=False)
    except NoControlGroups as reason:
        return str(reason)
    return ""


def test_ten_students_work_on_one_server_within_their_limits(subtests):
    """One test, since the hub is started once: each claim is a part of it, named where it is checked."""
    if reason := why_not():
        pytest.skip(reason)
    with course(MEMORY_GB, PROCESSORS, PROCESSES, STUDENTS) as (settings, passwords):
        with running(settings) as url:
            teacher, *students = [Student(url, name, password) for name, password in passwords.items()]
            a_wrong_password_is_refused(url, students[0])
            with ThreadPoolExecutor(STUDENTS + 1) as pool:
                list(pool.map(Student.start, [*students, teacher]))
            print("seconds until the server answered:", *(f"{student.seconds:.0f}" for student in students))
            print("memory of the ten servers, MB:", sum(resident(student.name) for student in students) >> 20)
            assert all(student.answers() for student in [*students, teacher])
            for claim in (
                each_server_runs_under_the_students_own_account,
                only_the_teacher_has_the_formgrader,
                a_server_is_closed_to_other_students,
                an_assignment_goes_out_and_comes_back,
                memory_is_bounded_over_all_processes_of_a_student,
                the_processor_is_bounded,
                a_fork_bomb_ends_at_the_limit,
                stopping_a_server_ends_what_it_left_behind,
            ):
                began = time.monotonic()
                with subtests.test(claim.__name__.replace("_", " ")):
                    claim(settings, teacher, students)
                print(f"{time.monotonic() - began:5.1f} s", claim.__name__)
        assert [name for name in passwords if processes(name)] == []
        assert [path for name in passwords for path in groups(name)] == []
    assert accounts_left(list(passwords), settings.students) == []


def groups(name: str) -> list[Path]:
    """The folders of a student's control group."""
    return [path for folder in set(find().folders.values()) if (path := folder / FOLDER / name).exists()]


def resident(name: str) -> int:
    return sum(process.memory_info().rss for process in processes(name))


def a_wrong_password_is_refused(url: str, student: Student) -> None:
    assert Student(url, student.name, "guess").log_in() == 403
    assert Student(url, "root", "guess").log_in() == 403


def each_server_runs_under_the_students_own_account(settings: Settings, teacher: Student, students: list[Student]):
    for student in students:
        assert student.get("api/me").json()["identity"]["username"] == student.name
        assert any("jupyterhub-singleuser" in " ".join(process.cmdline()) for process in processes(student.name))
        assert len(groups(student.name)) in (1, 3)
    told = students[0].run("import getpass, os; print(getpass.getuser(), os.getcwd())")
    assert told == f"{students[0].name} {pwd.getpwnam(students[0].name).pw_dir}"


def only_the_teacher_has_the_formgrader(settings: Settings, teacher: Student, students: list[Student]):
    assert teacher.get("formgrader").status_code == 200
    assert students[0].get("formgrader").status_code == 404
    for person, off in ((students[0], True), (teacher, False)):
        page = re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', person.get("lab").text, re.S)
        assert page
        assert ("@jupyter/nbgrader:formgrader" in json.loads(page[1])["disabledExtensions"]) == off


def a_server_is_closed_to_other_students(settings: Settings, teacher: Student, students: list[Student]):
    one, other = students[:2]
    address = f"{one.url}/user/{other.name}/api/contents"
    assert one.session.get(address, timeout=60).status_code in (403, 404)
    assert denied(one, f"os.listdir('/home/{other.name}')")
    assert denied(one, f"os.listdir('{settings.state}')")
    assert denied(one, f"open('/proc/{processes(other.name)[0].pid}/environ')")


def denied(student: Student, attempt: str) -> bool:
    return student.run(f"import os; {attempt}").startswith("PermissionError")


def an_assignment_goes_out_and_comes_back(settings: Settings, teacher: Student, students: list[Student]):
    one, other = students[:2]
    release(settings)
    one.exchange("fetch", settings.course, ASSIGNMENT)
    work = pwd.getpwnam(one.name).pw_dir + f"/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"
    marked = f"p = '{work}'; s = open(p).read().replace('NotImplementedError', 'KeyError'); open(p, 'w').write(s)"
    assert one.run(marked + "; print(s.count('KeyError') > 3)") == "True"
    one.exchange("submit", settings.course, ASSIGNMENT)
    inbound = settings.exchange / settings.course / "inbound"
    (submission,) = inbound.iterdir()
    assert pwd.getpwuid(submission.stat().st_uid).pw_name == one.name
    for attempt in (
        f"os.listdir('{inbound}')",
        f"open('{submission}/{ASSIGNMENT}.ipynb')",
        f"os.listdir('{submission}')",
    ):
        assert other.run(f"import os; {attempt}").startswith("PermissionError"), attempt
    for attempt in (
        f"os.rename('{submission}', '{submission}x')",
        f"os.rename('{inbound.parent}', '{inbound.parent}x')",
    ):
        assert other.run(f"import os; {attempt}").startswith("PermissionError"), attempt
    forge(inbound, one, other)
    said = as_teacher(settings, "nbgrader", "collect", ASSIGNMENT)
    assert f"REFUSED: {one.name}+{ASSIGNMENT}+2099-01-01 00:00:00 UTC+x belongs to {other.name}" in said
    assert "LEFT OUT" in said
    collected = BELOW / settings.teacher / "course" / "submitted"
    assert "KeyError" in (collected / one.name / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_text("utf8")
    assert [path.name for path in (collected / other.name / ASSIGNMENT).iterdir()] == ["timestamp.txt"]


def release(settings: Settings) -> None:
    """The student's version of a chapter into the exchange, from the course folder of the teacher."""
    folder = BELOW / settings.teacher / "course"
    (folder / "release" / ASSIGNMENT).mkdir(parents=True)
    text = student_version(EXERCISES / f"{ASSIGNMENT}.ipynb")
    (folder / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").write_text(text, "utf8")
    entry = pwd.getpwnam(settings.teacher)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, entry.pw_uid, entry.pw_gid)
    (folder / "secret.txt").write_text("a solution", "utf8")
    as_teacher(settings, "nbgrader", "release_assignment", ASSIGNMENT)


def forge(inbound: Path, one: Student, other: Student) -> None:
    """A submission under another's name, and one that is a link to what only the teacher can read."""
    name = f"{inbound}/{one.name}+{ASSIGNMENT}+2099-01-01 00:00:00 UTC+x"
    assert other.run(f"import os; os.mkdir('{name}'); print('made')") == "made"
    name = f"{inbound}/{other.name}+{ASSIGNMENT}+2026-01-01 00:00:00 UTC+x"
    target = f"/home/{pwd.getpwuid(inbound.stat().st_uid).pw_name}/course/secret.txt"
    code = f"import os; os.mkdir({name!r}); os.symlink({target!r}, {name!r} + '/{ASSIGNMENT}.ipynb');"
    code += f"open({name!r} + '/timestamp.txt', 'w').write('2026-01-01 00:00:00 UTC'); print('made')"
    assert other.run(code) == "made"


def memory_is_bounded_over_all_processes_of_a_student(settings: Settings, teacher: Student, students: list[Student]):
    one, other = students[:2]
    with ThreadPoolExecutor(2) as pool:
        eating = pool.submit(one.run, EAT)
        working = pool.submit(other.run, "import time; time.sleep(1); print(sum(range(10**6)))")
        assert eating.result() == "DIED"
        assert working.result() == "499999500000"
    assert one.run(EAT_TOGETHER) == "-9"
    assert all(student.answers() for student in students)
    assert one.run("print(1 + 1)") == "2"


def the_processor_is_bounded(settings: Settings, teacher: Student, students: list[Student]):
    used = float(students[2].run(BURN))
    assert used < 3.5 * PROCESSORS * 1.3, "two busy processes, three seconds: more than half a processor"


def a_fork_bomb_ends_at_the_limit(settings: Settings, teacher: Student, students: list[Student]):
    one, other = students[3:5]
    with ThreadPoolExecutor(2) as pool:
        bomb, working = pool.submit(one.run, FORK), pool.submit(other.run, "print(6 * 7)")
        error, started = bomb.result().split()
        assert error == "BlockingIOError"
        assert int(started) < PROCESSES
        assert working.result() == "42"
    assert one.answers()


def stopping_a_server_ends_what_it_left_behind(settings: Settings, teacher: Student, students: list[Student]):
    one = students[5]
    left = int(one.run(STAY))
    assert left in [process.pid for process in processes(one.name)]
    assert one.session.delete(f"{one.url}/hub/api/users/{one.name}/server", timeout=60).status_code in (202, 204)
    end = time.monotonic() + 20
    while processes(one.name) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes(one.name) == []
    assert groups(one.name) == []
    assert students[6].answers()


# What needs neither root nor a hub ------------------------------------------------------------------------------------
SETTINGS = install.HERE / "settings.toml"


def test_the_settings_that_are_handed_out_are_complete():
    settings = load(SETTINGS)
    assert settings.exchange.is_absolute()
    assert settings.memory_gb > MEMORY_GB


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('course = "a b"', "it names a folder"),
        ("memory_gb = 0.1", "at the least"),
        ('memory_gb = "2"', "of the kind “float” is needed"),
        ("processes = true", "of the kind “int” is needed"),
        ('key = "/etc/key.pem"', "belong together"),
        ('exchange = "exchange"', "must begin with /"),
        ('colour = "red"', "colour is no setting"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_should_be(tmp_path, line, said):
    name = line.split(" = ")[0]
    lines = [other for other in SETTINGS.read_text("utf8").splitlines() if not other.startswith(f"{name} ")]
    (tmp_path / "hub.toml").write_text("\n".join([*lines, line]), "utf8")
    with pytest.raises(ValueError, match=said):
        load(tmp_path / "hub.toml")


def test_a_missing_setting_is_named(tmp_path):
    (tmp_path / "hub.toml").write_text('course = "models"', "utf8")
    with pytest.raises(ValueError, match="'teacher'"):
        load(tmp_path / "hub.toml")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("name\nanna\n", "the column id"),
        ("id\nAnna Berg\n", "line 2: 'Anna Berg' cannot name an account"),
        ("id\nanna\nroot; rm\n", "line 3"),
        ("id\nanna\nbert\nanna\n", "line 4: anna stands there twice"),
        ("id\n-f\n", "cannot name an account"),
    ],
)
def test_a_roster_with_a_name_that_no_account_can_have_is_refused(tmp_path, lines, said):
    (tmp_path / "roster.csv").write_text(lines, "utf8")
    with pytest.raises(accounts.Wrong, match=said):
        accounts.read(tmp_path / "roster.csv")


def fake(folder: Path, mounts: str, own: str) -> Path:
    """A folder that says of control groups what /proc/self would."""
    folder.mkdir(exist_ok=True)
    (folder / "mounts").write_text(mounts, "utf8")
    (folder / "cgroup").write_text(own, "utf8")
    return folder


def test_without_control_groups_the_reason_is_said(tmp_path):
    with pytest.raises(NoControlGroups, match="no control groups are mounted"):
        find(fake(tmp_path, "proc /proc proc rw 0 0\n", "0::/\n"))


def test_a_service_without_delegation_is_told_the_line_that_is_missing(tmp_path):
    own = tmp_path / "system.slice" / "course-hub.service"
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text("memory pids\n", "utf8")
    proc = fake(tmp_path / "proc", f"cgroup2 {tmp_path} cgroup2 rw 0 0\n", "0::/system.slice/course-hub.service\n")
    with pytest.raises(NoControlGroups, match="lacks cpu; in the unit: Delegate=cpu memory pids"):
        find(proc)


def test_each_version_of_the_kernels_interface_gets_its_own_files():
    limits = Limits(memory=2**30, cpus=0.5, processes=100)
    assert limits.files(2)["cpu"] == [("cpu.max", "50000 100000")]
    assert limits.files(1)["cpu"] == [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "50000")]
    assert limits.files(1)["pids"] == limits.files(2)["pids"] == [("pids.max", "100")]
