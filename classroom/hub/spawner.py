"""The spawner: a student's server under the student's own account, inside limits that hold."""

from __future__ import annotations

import asyncio
import math
import resource
from collections.abc import Callable

from jupyterhub.spawner import LocalProcessSpawner
from traitlets import Bool, Integer

from .limits import Group, Hierarchy, Limits, NoControlGroups, find


class LimitedSpawner(LocalProcessSpawner):
    """JupyterHub's spawner of local processes, each server in a control group of its own.

    mem_limit (bytes), cpu_limit (processors) and process_limit must be set. Where control groups cannot be made a
    server is refused, unless `without_control_groups` allows limits per process in their place: these do not bound
    what many processes of one student take together, and they bound no processor.
    """

    process_limit = Integer(512, help="the most processes and threads of one student").tag(config=True)
    without_control_groups = Bool(False, help="go on, with weaker limits, where there are none").tag(config=True)
    hierarchy: Hierarchy | None = None  # found once, when the first server starts

    def group(self) -> Group:
        if LimitedSpawner.hierarchy is None:
            LimitedSpawner.hierarchy = find()
        return Group(LimitedSpawner.hierarchy, self.user.name + (f"+{self.name}" if self.name else ""))

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        become_user = super().make_preexec_fn(name)
        group = self._make_group()

        def prepare() -> None:
            if group is None:
                resource.setrlimit(resource.RLIMIT_AS, (self.mem_limit, self.mem_limit))
                resource.setrlimit(resource.RLIMIT_NPROC, (self.process_limit, self.process_limit))
            else:
                group.join()
            become_user()

        return prepare

    def _make_group(self) -> Group | None:
        limits = Limits(self.mem_limit, self.cpu_limit, self.process_limit)
        try:
            group = self.group()
            group.make(limits)
        except NoControlGroups as reason:
            if not self.without_control_groups:
                raise NoControlGroups(f"{reason}. No server is started without limits that hold") from None
            self.log.warning(
                "WEAK LIMITS for %s: %s. Each process is limited, not the student.", self.user.name, reason
            )
            return None
        return group

    async def start(self) -> tuple[str, int]:
        try:
            return await super().start()
        except Exception:
            await self._clear()
            raise

    async def poll(self) -> int | None:
        """A server that ended by itself leaves no group and no process of the student behind."""
        status = await super().poll()
        if status is not None:
            await self._clear()
        return status

    async def stop(self, now: bool = False) -> None:
        await super().stop(now)
        await self._clear()

    async def _clear(self) -> None:
        try:
            group = self.group()
        except NoControlGroups:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(None, group.remove)
        except OSError as error:
            self.log.error("The group of %s could not be removed: %s", self.user.name, error)


def threads(cpus: float) -> dict[str, str]:
    """As many threads for NumPy and PyTorch as there are processors for the student; more would only wait."""
    number = str(max(1, math.floor(cpus)))
    return dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), number)
