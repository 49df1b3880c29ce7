"""The settings of the server: /etc/course-hub.toml, or the file that COURSE_HUB_SETTINGS names."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

DEFAULT = Path("/etc/course-hub.toml")


@dataclass(frozen=True)
class Settings:
    """One value a line of settings.toml, where each is explained."""

    course: str
    teacher: str
    students: str
    exchange: Path
    memory_gb: float
    processors: float
    processes: int
    idle_minutes: int
    address: str
    certificate: str
    key: str
    state: Path
    without_control_groups: bool = False
    hub_port: int = 8081
    proxy_port: int = 8001


def load(path: Path | None = None) -> Settings:
    """Read and check the settings; raises ValueError or OSError, saying what to write."""
    path = path or Path(os.environ.get("COURSE_HUB_SETTINGS", DEFAULT))
    values = tomllib.loads(path.read_text("utf8"))
    kinds = {field.name: field.type for field in fields(Settings)}
    for name in values.keys() - kinds.keys():
        raise ValueError(f"{path}: {name} is no setting; there are: {', '.join(kinds)}")
    try:
        settings = Settings(**{name: _as(kinds[name], value, f"{path}: {name}") for name, value in values.items()})
    except TypeError as error:
        raise ValueError(f"{path}: {str(error).partition('() ')[2]}") from None
    _check(settings, path)
    return settings


def _as(kind: Any, value: Any, where: str) -> Any:
    if kind == "Path" and isinstance(value, str):
        return Path(value)
    wanted: dict[str, tuple[type, ...]] = {"str": (str,), "float": (int, float), "int": (int,), "bool": (bool,)}
    if not isinstance(value, wanted.get(kind, ())) or (kind != "bool" and isinstance(value, bool)):
        raise ValueError(f"{where} = {value!r}: a value of the kind “{kind}” is needed")
    return value


def _check(settings: Settings, path: Path) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", settings.course):
        raise ValueError(f"{path}: course = {settings.course!r}: letters, digits, - _ and . only; it names a folder")
    if settings.memory_gb < 0.25 or settings.processors <= 0 or settings.processes < 64:
        raise ValueError(f"{path}: a server needs memory_gb of 0.25, some processor, and processes of 64 at the least")
    if bool(settings.certificate) != bool(settings.key):
        raise ValueError(f"{path}: certificate and key belong together: give both, or neither")
    if not settings.exchange.is_absolute() or not settings.state.is_absolute():
        raise ValueError(f"{path}: exchange and state must begin with /")
