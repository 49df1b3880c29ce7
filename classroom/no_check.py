"""Stands for `minilib.check` in the sandbox: the checks in a notebook are for its reader, marks are made outside."""

from typing import Any


class Later:
    """What a check says here."""

    def __repr__(self) -> str:
        return "this answer is judged after the notebook has run"


def check(*_: Any, **__: Any) -> Later:
    return Later()


def same(*_: Any, **__: Any) -> None:
    return None
