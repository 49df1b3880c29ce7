"""`python -m minilib.check progress [FOLDER]`: chapter by chapter, what passes in the notebooks of a folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from minilib.check.progress import of_folder, table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m minilib.check", description=__doc__)
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    task = tasks.add_parser("progress", help="run the notebooks of a folder and show what passes")
    task.add_argument("folder", nargs="?", type=Path, default=Path("exercises"), help="default: exercises")
    task.add_argument("-v", "--verbose", action="store_true", help="say what is wrong with each answer, too")
    task.add_argument("--seconds", type=float, default=120.0, help="after which a notebook is stopped (default: 120)")
    options = parser.parse_args()
    try:
        print(table(of_folder(options.folder, options.seconds), options.verbose))
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
