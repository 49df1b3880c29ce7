"""A progress bar for whoever waits."""

from __future__ import annotations

import os
import sys

from tqdm import tqdm

BAR_AFTER = 2.0
"""Seconds after which a bar appears that nobody asked for: a short run needs none."""


def progress_bar(what: str, total: int, first: int = 0, progress: bool | None = None) -> tqdm:
    """A bar over `total` things called `what`, of which `first` are done; it goes away at the end.

    progress: whether to show it; None: after two seconds, unless MINILIB_PROGRESS=0 is set. It goes to stderr, in a
    notebook to stdout, since JupyterLab keeps a red stripe for what stderr has shown.
    """
    shown = os.environ.get("MINILIB_PROGRESS") != "0" if progress is None else progress
    file = sys.stdout if type(sys.stdout).__module__.startswith("ipykernel") else sys.stderr
    wait = 0 if progress else BAR_AFTER
    return tqdm(
        total=total, initial=first, desc=what, leave=False, disable=not shown, delay=wait, file=file, miniters=0
    )
