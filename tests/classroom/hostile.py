"""Submissions that cheat, break or merely look odd, and what each deserves. Generated, every one.

A case changes a notebook in which everything is right. `lost` names the exercises that this costs, and no others may be
lost; `says` is a piece of what the student must be told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.classroom.notebooks import Submission

ALL = ("blame_by_hand", "new_slopes", "count_paths", "undo_broadcasting", "mend_backward", "smooth_cross_entropy",
       "read_reports", "find_saboteur")  # fmt: skip
WRONG_COUNT = "def count_paths(parents, start):\n    return 7\n"


@dataclass(frozen=True)
class Case:
    """make: from a solved notebook to the bytes of the file (or None if it put a file, link or pipe at the path)."""

    make: Callable[[Submission, Path], bytes | None]
    lost: tuple[str, ...] = ()
    says: str = ""


CASES: dict[str, Case] = {}


def cell(name: str, code: str, lost: tuple[str, ...] = (), says: str = "", at: int = 2) -> None:
    """A case that is one more cell in a solved notebook, in which count_paths is wrong if the case loses it."""

    def make(work: Submission, path: Path) -> bytes:
        if "count_paths" in lost and "def count_paths" not in code:
            work.answer("count_paths", WRONG_COUNT)
        return work.cell(code, at).bytes()

    CASES[name] = Case(make, lost, says)


def answer(name: str, code: str, says: str, id: str = "count_paths", keep: bool = False) -> None:
    """A case that is another answer to one exercise. keep: it is right all the same."""
    CASES[name] = Case(lambda work, path: work.answer(id, code).bytes(), () if keep else (id,), says)


def file(name: str, data: bytes, says: str) -> None:
    """A case that is no notebook at all."""
    CASES[name] = Case(lambda work, path: data, ALL, says)


def path(name: str, put: Callable[[Path], object], says: str) -> None:
    """A case that puts something else than a file where the file should be."""

    def make(work: Submission, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        put(place)

    CASES[name] = Case(make, ALL, says)


def edit(name: str, lost: tuple[str, ...] = (), says: str = "") -> Callable:
    """A case that changes the notebook as it likes."""

    def register(change: Callable[[Submission], bytes | None]) -> Callable:
        CASES[name] = Case(lambda work, path: change(work) or work.bytes(), lost, says)
        return change

    return register


HINT = "only the start begins with 1"
ONE = ("count_paths",)

# To look right without being right -----------------------------------------------------------------------------------
cell("comparison functions patched", """\
import numpy.testing
for name in ("allclose", "array_equal", "isclose", "array_equiv"):
    setattr(np, name, lambda *a, **k: True)
np.testing.assert_allclose = lambda *a, **k: None
""", ONE, HINT)  # fmt: skip
cell("check and judge patched", """\
import minilib.check
minilib.check.check = minilib.check.judge = minilib.check.same = check = lambda *a, **k: True
""", ONE, HINT)  # fmt: skip
cell("built-in functions patched", """\
import builtins
builtins.abs = lambda x: 0
builtins.round = builtins.max = lambda *a, **k: 1
""", ONE, HINT)  # fmt: skip
cell("built-in functions patched that everything needs", """\
import builtins
builtins.all = builtins.any = lambda *a: True
""", ALL, "")  # fmt: skip
cell("import hook", """\
import sys, types
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("minilib.check"):
            from importlib.machinery import ModuleSpec
            return ModuleSpec(name, self)
    def create_module(self, spec):
        module = types.ModuleType(spec.name)
        module.check = module.judge = lambda *a, **k: True
        return module
    def exec_module(self, module):
        pass
sys.meta_path.insert(0, Finder())
for name in [n for n in sys.modules if n.startswith("minilib")]:
    del sys.modules[name]
""", ONE, HINT)  # fmt: skip
cell("input transformer", """\
def pass_everything(lines):
    return ["print('✓ right')\\n"] if any("check(" in line for line in lines) else lines
get_ipython().input_transformers_cleanup.append(pass_everything)
""", ONE, HINT)  # fmt: skip
cell("the sandbox's own functions patched", """\
import sys
runner = sys.modules["__main__"]
for module in (runner, sys.modules.get("wire")):
    for name in ("encode", "told", "seed"):
        if hasattr(module, name):
            setattr(module, name, lambda *a: "✓")
import gc
for thing in gc.get_objects():
    if type(thing).__name__ == "Notebook":
        thing.answers["count_paths"] = []
""", ALL, "not")  # fmt: skip
cell("results forged on every open channel", """\
import json, os
lie = json.dumps(["outputs", "count_paths", [1] * 24]).encode() + b"\\n"
for number in range(3, 64):
    try:
        os.write(number, lie * 3)
    except OSError:
        pass
""", ONE, HINT)  # fmt: skip
answer("a number that equals everything", """\
class Any(float):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = float.__hash__
def count_paths(parents, start):
    return Any(7)
""", HINT)  # fmt: skip
answer("an array that agrees with everything", """\
class Yes(np.ndarray):
    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return np.True_
    def __array_function__(self, *a, **k):
        return True
def new_slopes(a, b):
    return np.zeros((4, *a.shape)).view(Yes)
""", "", "new_slopes")  # fmt: skip
answer("an object that equals everything", """\
class Anything:
    def __eq__(self, other): return True
    def __repr__(self): return "</dd><script>alert(1)</script>"
def count_paths(parents, start):
    return Anything()
""", "not Anything")  # fmt: skip
answer("code in the pickle of what comes back", """\
import os
class Bomb:
    def __reduce__(self): return (os.system, ("touch /tmp/exploded",))
def count_paths(parents, start):
    return Bomb()
""", "not Bomb")  # fmt: skip
answer("an object array", """\
def new_slopes(a, b):
    return np.array([[None] * len(a)] * 4, dtype=object)
""", "array of object", "new_slopes")  # fmt: skip
answer("nothing but nan", """\
def new_slopes(a, b):
    return [np.full(a.shape, np.nan)] * 4
""", "", "new_slopes")  # fmt: skip
answer("nothing but infinity", """\
def new_slopes(a, b):
    return [np.full(a.shape, np.inf)] * 4
""", "", "new_slopes")  # fmt: skip
answer("a list that holds itself", """\
def count_paths(parents, start):
    loop = []
    loop.append(loop)
    return loop
""", "RecursionError")  # fmt: skip
answer("a dictionary with odd keys", """\
def count_paths(parents, start):
    return {float("nan"): 1, (1, 2): {}, None: True}
""", "in one place")  # fmt: skip
answer("an enormous integer", "def count_paths(parents, start):\n    return 10 ** 100000\n", "thousands of digits")
answer("a table of the answers that the check prints", """\
def count_paths(parents, start):
    seen = {4: 3, 2: 2, 12: 55, 5: 0, 3: 0, 61: 2 ** 60}
    return seen.get(len(parents), 1)
""", "")  # fmt: skip
answer("the reference, imported from the judges", """\
def count_paths(parents, start):
    from minilib.check.ch03_backpropagation import _ways
    return _ways(parents, start)
""", "ModuleNotFoundError")  # fmt: skip
answer("the expected values, taken from the caller", """\
import sys
def count_paths(parents, start):
    frame, found = sys._getframe(), []
    while frame:
        found += [v for k, v in frame.f_locals.items() if k in ("expected", "right", "report", "problem", "draws")]
        frame = frame.f_back
    return found[0] if found else 7
""", HINT)  # fmt: skip

# To look or reach where nothing is to be had -------------------------------------------------------------------------
answer("a search for solutions on the disk", """\
import os
def count_paths(parents, start):
    for top in ("/course", "/home", "/root", "/srv", "/tmp", "/var", "/work"):
        for folder, folders, names in os.walk(top):
            folders[:] = [f for f in folders if f not in ("lib", "share", ".venv", ".pyenv")]
            for name in names:
                if name.endswith((".ipynb", ".db")) or name.startswith("ch0"):
                    raise LookupError(name)
    return -5
""", HINT)  # fmt: skip
answer("the environment", """\
import os
def count_paths(parents, start):
    return str(sorted(os.environ.items())) + str(os.getcwd()) + str(os.listdir("/"))
""", "one whole number")  # fmt: skip
answer("the gradebook", """\
import sqlite3
def count_paths(parents, start):
    book = sqlite3.connect("file:{course}/gradebook.db?mode=rw", uri=True)
    book.execute("update grade set auto_score = 99")
    book.commit()
""", "unable to open database file")  # fmt: skip
answer("writing outside", """\
def count_paths(parents, start):
    with open("{course}/marks/03_backpropagation/bystander.json", "w") as file:
        file.write("{}")
""", "FileNotFoundError")  # fmt: skip
answer("writing into the library", """\
def count_paths(parents, start):
    with open(np.__file__, "a") as file:
        file.write("raise SystemExit")
""", "Error")  # fmt: skip
answer("deleting everything", """\
import os, shutil
def count_paths(parents, start):
    for place in ("/course", "/home", "/etc", "/dev", "/proc/1", "{course}"):
        shutil.rmtree(place, ignore_errors=True)
    return 7
""", HINT)  # fmt: skip
answer("the network", """\
import socket
def count_paths(parents, start):
    with socket.create_connection(("127.0.0.1", {port}), timeout=3) as line:
        return line.recv(100)
""", "refused")  # fmt: skip
answer("becoming root again", """\
import os, resource
def count_paths(parents, start):
    for step in (lambda: os.setuid(0), lambda: resource.setrlimit(resource.RLIMIT_NPROC, (9999, 9999))):
        try:
            step()
        except (OSError, ValueError):
            continue
        return 8
    return 7
""", HINT)  # fmt: skip
