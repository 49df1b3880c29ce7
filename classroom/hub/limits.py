"""Control groups: what one student's server, and all that it starts, may take of memory, processors and processes.

Linux counts for a whole control group, so a limit holds however many processes a student starts. Both interfaces of the
kernel are served: version 2 (Debian since 11, Ubuntu since 22.04) and version 1 (older systems, some containers).
Only root can make the groups.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

FOLDER = "course-hub"
PERIOD = 100_000  # microseconds over which the kernel averages the use of processors
CONTROLLERS = ("memory", "cpu", "pids")


class NoControlGroups(OSError):
    """Why limits cannot be set here, in one sentence for the person who runs the server."""


@dataclass(frozen=True)
class Limits:
    """memory in bytes (swap is not given in addition), cpus as a number of processors (0.5 is half of one)."""

    memory: int
    cpus: float
    processes: int

    def files(self, version: int) -> dict[str, list[tuple[str, str]]]:
        """For each controller its files and their contents, in the order in which they must be written."""
        quota = str(round(self.cpus * PERIOD))
        if version == 2:
            memory = [("memory.max", str(self.memory)), ("memory.swap.max", "0")]
            cpu = [("cpu.max", f"{quota} {PERIOD}")]
        else:
            memory = [("memory.limit_in_bytes", str(self.memory)), ("memory.memsw.limit_in_bytes", str(self.memory))]
            cpu = [("cpu.cfs_period_us", str(PERIOD)), ("cpu.cfs_quota_us", quota)]
        return {"memory": memory, "cpu": cpu, "pids": [("pids.max", str(self.processes))]}


OPTIONAL = {"memory.swap.max", "memory.memsw.limit_in_bytes"}  # absent from a kernel that does not count swap


@dataclass(frozen=True)
class Hierarchy:
    """Where groups can be made: for each controller a folder (in version 2 the same for all)."""

    version: int
    folders: dict[str, Path]


def find(proc: Path = Path("/proc/self"), to_leaf: bool = True) -> Hierarchy:
    """The part of the control groups that this process may manage; raises NoControlGroups with the reason.

    In version 2 a group with processes of its own cannot hand controllers on, so `to_leaf` moves all of this group's
    processes into a group below it, before the controllers are switched on for its other children.
    """
    mounts = [line.split() for line in (proc / "mounts").read_text("utf8").splitlines()]
    own = dict(line.split(":", 2)[1:] for line in (proc / "cgroup").read_text("utf8").splitlines())
    one = {name: Path(words[1]) for name in CONTROLLERS for words in mounts if _is_version_one(words, name)}
    if len(one) == len(CONTROLLERS):
        paths = {name: next((p for names, p in own.items() if name in names.split(",")), "/") for name in CONTROLLERS}
        folders = {name: _below(one[name], paths[name]) for name in CONTROLLERS}
        found = Hierarchy(1, folders)
    else:
        two = next((Path(words[1]) for words in mounts if words[2] == "cgroup2"), None)
        if two is None:
            raise NoControlGroups("no control groups are mounted under /sys/fs/cgroup")
        folder = _below(two, own.get("", "/"))
        if to_leaf:
            folder = _delegate(folder)
        found = Hierarchy(2, dict.fromkeys(CONTROLLERS, folder))
    for name, folder in found.folders.items():
        if not os.access(folder, os.W_OK):
            raise NoControlGroups(f"groups for “{name}” cannot be made in {folder}: it is read-only for this process")
    return found


def _is_version_one(mount: list[str], controller: str) -> bool:
    return mount[2] == "cgroup" and controller in mount[3].split(",")


def _below(mount: Path, path: str) -> Path:
    """A container often sees its own group at the mount point and not under the path that the kernel tells."""
    inside = mount / path.lstrip("/")
    return inside if inside.is_dir() else mount


def _delegate(folder: Path) -> Path:
    """Switch the controllers on for the children of this group (version 2)."""
    if folder.name == "hub" and (folder.parent / "cgroup.subtree_control").exists():
        folder = folder.parent  # an earlier call has moved this process already
    try:
        missing = set(CONTROLLERS) - set((folder / "cgroup.controllers").read_text("utf8").split())
        if missing:
            raise NoControlGroups(f"{folder} lacks {', '.join(sorted(missing))}; in the unit: Delegate=cpu memory pids")
        if set(CONTROLLERS) <= set((folder / "cgroup.subtree_control").read_text("utf8").split()):
            return folder
        leaf = folder / "hub"
        leaf.mkdir(exist_ok=True)
        for process in (folder / "cgroup.procs").read_text("utf8").split():
            with contextlib.suppress(OSError):  # it has ended, or is the kernel's own
                (leaf / "cgroup.procs").write_text(process, "utf8")
        (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in CONTROLLERS), "utf8")
    except NoControlGroups:
        raise
    except OSError as error:
        raise NoControlGroups(f"the controllers of {folder} cannot be switched on: {error}") from None
    return folder


class Group:
    """The control group of one student: made before the server starts, joined by it, removed after it."""

    def __init__(self, hierarchy: Hierarchy, name: str) -> None:
        safe = re.sub(r"[^A-Za-z0-9_.-]", lambda match: f"%{ord(match[0]):x}", name).lstrip(".") or "_"
        parents = {folder / FOLDER for folder in hierarchy.folders.values()}
        self.version = hierarchy.version
        self.parents = sorted(parents)
        self.folders = {controller: base / FOLDER / safe for controller, base in hierarchy.folders.items()}

    def make(self, limits: Limits) -> None:
        """Make the group, or take the one that is there, and write the limits."""
        for parent in self.parents:
            parent.mkdir(exist_ok=True)
            if self.version == 2:
                (parent / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in CONTROLLERS), "utf8")
        for controller, lines in limits.files(self.version).items():
            folder = self.folders[controller]
            folder.mkdir(exist_ok=True)
            for name, value in lines:
                if name in OPTIONAL and not (folder / name).exists():
                    continue
                (folder / name).write_text(value, "utf8")

    def join(self) -> None:
        """Move the calling process in; what it starts later is born there."""
        for folder in sorted(set(self.folders.values())):
            with Path(folder / "cgroup.procs").open(
                "wb", buffering=0
            ) as file:  # one write: called between fork and exec
                file.write(b"0")

    def processes(self) -> list[int]:
        """The process ids in the group."""
        path = self.folders["pids"] / "cgroup.procs"
        return [int(word) for word in path.read_text("utf8").split()] if path.exists() else []

    def remove(self, seconds: float = 5) -> None:
        """End every process that is left in the group, and remove the group. Raises OSError if that does not work."""
        end = time.monotonic() + seconds
        while self.processes():
            for process in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            if time.monotonic() > end:
                raise OSError(f"processes {self.processes()} in {self.folders['pids']} do not end")
            time.sleep(0.02)
        for folder in [*self.folders.values(), *self.parents]:
            with contextlib.suppress(FileNotFoundError):
                self._remove_folder(folder, end)

    def _remove_folder(self, folder: Path, end: float) -> None:
        """A group that has just become empty may be busy for a moment; a parent with other students stays."""
        while True:
            try:
                return folder.rmdir()
            except FileNotFoundError:
                return None
            except OSError:
                if folder in self.parents:
                    return None
                if time.monotonic() > end:
                    raise
            time.sleep(0.02)
