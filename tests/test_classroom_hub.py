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

from classroom.hub import install
from classroom.hub.limits import FOLDER, NoControlGroups, find
from classroom.hub.settings import Settings
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
            all_log_in_at_once([*students, teacher])
            for claim in CLAIMS:
                began = time.monotonic()
                with subtests.test(claim.__name__.replace("_", " ")):
                    claim(settings, teacher, students)
                print(f"{time.monotonic() - began:5.1f} s", claim.__name__)
            began = time.monotonic()
        print(f"{time.monotonic() - began:5.1f} s until all was stopped")
        assert [name for name in passwords if processes(name)] == []
        assert [path for name in passwords for path in groups(name)] == []
    assert accounts_left(list(passwords), settings.students) == []


WITHOUT = ("unshare", "--mount", "sh", "-c", 'umount --all --types cgroup,cgroup2; exec "$@"', "sh")


@pytest.mark.parametrize("strict", [True, False])
def test_where_linux_cannot_bound_a_server_none_is_started_unless_weaker_limits_are_asked_for(strict):
    if reason := why_not():
        pytest.skip(reason)
    with course(1.5, 1, 400, 1, strict) as (settings, passwords):
        with running(settings, WITHOUT) as url:
            _, student = [Student(url, name, password) for name, password in passwords.items()]
            if strict:
                assert student.log_in() == 500
                assert [name for name in passwords if processes(name)] == []
            else:
                student.start()
                assert student.run(EAT).startswith("MemoryError")
                assert student.run(FORK).startswith("BlockingIOError")
        said = (settings.state / "hub.log").read_text("utf8")
        assert ("No server is started without limits that hold" if strict else "WEAK LIMITS") in said
        assert [name for name in passwords if processes(name)] == []


def groups(name: str) -> list[Path]:
    """The folders of a student's control group."""
    return [path for folder in set(find().folders.values()) if (path := folder / FOLDER / name).exists()]


def memory(name: str) -> int:
    """Bytes, a page that several processes share counted in parts."""
    return sum(process.memory_full_info().pss for process in processes(name))


def all_log_in_at_once(people: list[Student]) -> None:
    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(Student.start, people))
    print("seconds until the servers answered:", *sorted(round(person.seconds) for person in people))
    print("memory of a server, MB:", *sorted(memory(person.name) >> 20 for person in people))
    assert all(person.answers() for person in people)


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
    attempts = [
        f"os.listdir('/home/{other.name}')",
        f"os.listdir('/home/{teacher.name}')",
        f"os.listdir('{settings.state}')",
        f"open('/proc/{processes(other.name)[0].pid}/environ')",
        f"os.kill({processes(other.name)[0].pid}, 0)",
    ]
    assert possible(one, attempts) == "[]"


def possible(student: Student, attempts: list[str]) -> str:
    """Those that Linux does not refuse."""
    lines = ["import os", f"done = {attempts!r}[:0]", f"for attempt in {attempts!r}:", "    try: exec(attempt)"]
    lines += ["    except PermissionError: continue", "    done.append(attempt)", "print(done)"]
    return student.run("\n".join(lines))


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
    the_submission_is_closed_to(other, submission)
    forge(inbound, one, other)
    said = as_teacher(settings, "nbgrader", "collect", ASSIGNMENT)
    assert f"REFUSED: {one.name}+{ASSIGNMENT}+2099-01-01 00:00:00 UTC+x belongs to {other.name}" in said
    assert "LEFT OUT" in said
    collected = BELOW / settings.teacher / "course" / "submitted"
    assert "KeyError" in (collected / one.name / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_text("utf8")
    assert [path.name for path in (collected / other.name / ASSIGNMENT).iterdir()] == ["timestamp.txt"]


def the_submission_is_closed_to(other: Student, submission: Path) -> None:
    inbound = submission.parent
    attempts = [
        f"os.listdir('{inbound}')",
        f"os.listdir('{submission}')",
        f"open('{submission}/{ASSIGNMENT}.ipynb')",
        f"os.rename('{submission}', '{submission}x')",
        f"os.rename('{inbound.parent}', '{inbound.parent}x')",
    ]
    assert possible(other, attempts) == "[]"


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
    assert one.run(EAT_TOGETHER) in ("-9", "DIED")
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


CLAIMS = (
    each_server_runs_under_the_students_own_account,
    only_the_teacher_has_the_formgrader,
    a_server_is_closed_to_other_students,
    an_assignment_goes_out_and_comes_back,
    memory_is_bounded_over_all_processes_of_a_student,
    the_processor_is_bounded,
    a_fork_bomb_ends_at_the_limit,
    stopping_a_server_ends_what_it_left_behind,
)
