"""Accounts of the machine for a class: made from a roster, with a password each, and the folders they need."""

from __future__ import annotations

import csv
import grp
import os
import pwd
import re
import secrets
import shutil
import subprocess
from pathlib import Path

from .settings import Settings

NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")  # what useradd takes on every distribution
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that is mistaken for another on paper


class Wrong(Exception):
    """What is wrong with the roster, in one sentence."""


def read(roster: Path) -> list[str]:
    """The column `id` of a CSV file; raises Wrong if a name cannot be that of an account."""
    with roster.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or "id" not in rows[0]:
        raise Wrong(f"{roster} needs a first line with the column id, and a line for each student")
    names = [(row["id"] or "").strip() for row in rows]
    for line, name in enumerate(names, start=2):
        if not NAME.fullmatch(name):
            raise Wrong(f"{roster}, line {line}: {name!r} cannot name an account; small letters, digits, - and _ can")
        if names.index(name) != line - 2:
            raise Wrong(f"{roster}, line {line}: {name} stands there twice")
    return names


def make(names: list[str], settings: Settings) -> dict[str, str]:
    """Make the accounts that are missing; the passwords of the new ones by name. Needs root."""
    _group(settings.students)
    folders(settings)
    return {name: _account(name, ["--groups", settings.students]) for name in names if not _exists(name)}


def make_teacher(settings: Settings) -> str:
    """The teacher's account, if there is none; its password, or "" if it was there."""
    return "" if _exists(settings.teacher) else _account(settings.teacher, [])


def folders(settings: Settings) -> None:
    """The exchange, in which nobody can replace what is another's, and the hub's own folder."""
    settings.exchange.mkdir(parents=True, exist_ok=True)
    Path(settings.exchange).chmod(0o1777)  # nbgrader wants all to write; the 1 keeps them from renaming the course
    settings.state.mkdir(parents=True, exist_ok=True)
    Path(settings.state).chmod(0o700)
    course = settings.exchange / settings.course
    teacher = pwd.getpwnam(settings.teacher)
    for path, mode in ((course, 0o755), (course / "outbound", 0o755), (course / "inbound", 0o3733)):
        path.mkdir(exist_ok=True)
        os.chown(path, teacher.pw_uid, teacher.pw_gid)
        Path(path).chmod(mode)  # inbound: all may lay something in, nobody sees what is there, but the teacher


def remove(names: list[str], settings: Settings) -> None:
    """Remove these accounts and their homes, if they are in the students' group; other accounts are left alone."""
    students = set(grp.getgrnam(settings.students).gr_mem)
    for name in names:
        if name in students:
            subprocess.run(["userdel", name], check=True, capture_output=True)
            shutil.rmtree(_home(name), ignore_errors=True)


def _home(name: str) -> Path:
    return Path("/home") / name


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _group(name: str) -> None:
    try:
        grp.getgrnam(name)
    except KeyError:
        subprocess.run(["groupadd", name], check=True)


def _account(name: str, more: list[str]) -> str:
    """An account with a group and a home of its own, both closed to others."""
    home = _home(name)
    command = ["useradd", "--create-home", "--home-dir", str(home), "--user-group", "--shell", "/bin/bash", *more]
    subprocess.run([*command, name], check=True)
    home.chmod(0o700)
    password = "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))
    subprocess.run(["chpasswd"], input=f"{name}:{password}\n", text=True, check=True)
    return password
