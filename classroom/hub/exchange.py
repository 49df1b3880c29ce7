"""Handing in and collecting through a shared folder, in which every student can write what and as whom they like."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbgrader.exchange.default.collect import ExchangeCollect
from nbgrader.exchange.default.submit import ExchangeSubmit
from nbgrader.utils import ignore_patterns


class ClosedSubmit(ExchangeSubmit):
    """nbgrader's submit, after which only the student and the teacher can read what was handed in.

    nbgrader leaves a submission readable by all, under a name that nobody can guess. The folder of the submissions
    hands its group, the teacher's, on to what is made in it; so the rights of all others can be taken away.
    """

    def copy_files(self) -> None:
        super().copy_files()
        for folder, _, names in os.walk(Path(self.inbound_path) / self.assignment_filename, topdown=False):
            for path in [*(Path(folder) / name for name in names), Path(folder)]:
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~stat.S_IRWXO | stat.S_IRGRP)


class OwnedCollect(ExchangeCollect):
    """nbgrader's collect, which takes a submission only from the account that it names.

    nbgrader warns of a folder `anna+…` that belongs to another account, and collects it. It follows links, also to
    files that only the teacher can read (the solution, say), and an odd file ends the collecting for all.
    """

    src_records: list[dict[str, Any]]

    def _sort_by_timestamp(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        own = [record for record in records if self._is_own(record)]
        return super()._sort_by_timestamp(own) or [{**records[0], "username": ""}]

    def _is_own(self, record: dict[str, Any]) -> bool:
        try:
            owner = pwd.getpwuid((Path(self.inbound_path) / record["filename"]).lstat().st_uid).pw_name
        except (KeyError, OSError):
            owner = "an unknown account"
        if owner != record["username"]:
            self.log.error("REFUSED: %s belongs to %s", record["filename"], owner)
        return owner == record["username"]

    def init_src(self) -> None:
        super().init_src()
        self.src_records = [record for record in self.src_records if record["username"]]

    def do_copy(self, src: str, dest: str, log: object = None) -> None:
        """Copy ordinary files alone; what cannot be copied is named, and the next student's turn comes."""
        if self.get_size(src) > 1000 * self.coursedir.max_dir_size:
            self.log.error("REFUSED: %s is larger than %d KB", src, self.coursedir.max_dir_size)
            return
        usual = ignore_patterns(
            exclude=self.coursedir.ignore, include=self.coursedir.include,
            max_file_size=self.coursedir.max_file_size, log=self.log,
        )  # fmt: skip
        try:
            shutil.copytree(src, dest, ignore=self._without_odd_files(usual), symlinks=True)
        except (shutil.Error, OSError) as error:
            self.log.error("NOT ALL of %s could be copied: %s", src, error)

    def _without_odd_files(self, usual: Callable[[str, list[str]], set[str]]) -> Callable[[str, list[str]], set[str]]:
        def ignore(folder: str, names: list[str]) -> set[str]:
            kinds = {name: (Path(folder) / name).lstat().st_mode for name in names}
            odd = {name for name, mode in kinds.items() if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))}
            for name in sorted(odd):
                self.log.error("LEFT OUT: %s/%s is no ordinary file", folder, name)
            return odd | set(usual(folder, [name for name in names if name not in odd]))

        return ignore
