"""`python3 -m classroom.hub install` and `… accounts ROSTER.csv`: sets up the course's server. Run by root."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from pathlib import Path

from . import accounts, install, settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m classroom.hub", description=__doc__)
    tasks = parser.add_subparsers(dest="task", required=True)
    task = tasks.add_parser("install", help="put everything that the server needs into one folder")
    task.add_argument("--into", type=Path, default=install.DEFAULT, help="that folder (%(default)s)")
    task.add_argument("--extras", default="hub,lab,data,pt", help="which parts of the course's packages (%(default)s)")
    task.add_argument("--for-tests", action="store_true", help=f"a small one, for the tests, in {install.TEST.name}")
    task = tasks.add_parser("accounts", help="make the accounts of a roster, and the folders of the exchange")
    task.add_argument("roster", type=Path, help="a CSV file with a column id")
    task.add_argument("--passwords", type=Path, default=Path("passwords.csv"), help="written there (%(default)s)")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("hub: only root can set up the server; try it with sudo")
    try:
        _install(chosen) if chosen.task == "install" else _accounts(chosen.roster, chosen.passwords)
    except (install.CannotInstall, accounts.Wrong, ValueError, OSError) as error:
        sys.exit(f"hub: {error}")


def _install(chosen: argparse.Namespace) -> None:
    if chosen.for_tests:
        install.install(install.TEST, "hub")
    else:
        install.install(chosen.into.resolve(), chosen.extras)


def _accounts(roster: Path, target: Path) -> None:
    names, known = accounts.read(roster), settings.load()
    if target.exists():
        raise FileExistsError(f"{target} is there already; move it away, it may hold passwords that are needed")
    teacher = accounts.make_teacher(known)
    new = {**({known.teacher: teacher} if teacher else {}), **accounts.make(names, known)}
    if new:
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf8") as file:
            csv.writer(file).writerows([("id", "password"), *new.items()])
        print(f"hub: {len(new)} new accounts; their passwords are in {target}, which only root can read")
    print(f"hub: {len(names)} students may log in")


if __name__ == "__main__":
    main()
