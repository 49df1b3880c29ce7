"""Submissions that are right, each in its own way: every one deserves full marks."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.classroom.notebooks import Submission

UNUSUAL: dict[str, Callable[[Submission], bytes]] = {}


def unusual(name: str) -> Callable:
    def register(change: Callable[[Submission], bytes | None]) -> Callable:
        UNUSUAL[name] = lambda work: change(work) or work.bytes()
        return change

    return register


@unusual("other names inside")
def _names(work):
    work.answer("count_paths", """\
def count_paths(eltern, anfang):
    wege = [0] * len(eltern)
    wege[anfang] = 1
    for knoten in range(anfang + 1, len(eltern)):
        wege[knoten] = sum(wege[p] for p in eltern[knoten])
    return wege[-1]
""")  # fmt: skip


@unusual("prints, pictures and displays everywhere")
def _prints(work):
    for cell in [c for c in work.cells if c.cell_type == "code"]:
        cell.source += "\nprint('here', 1); display({'a': 1}); np.arange(3)"


@unusual("further cells, magics and shell commands")
def _magics(work):
    for k, code in enumerate(
        ("%matplotlib inline", "%%time\nsum(range(10))", "!ls", "%timeit -n1 -r1 1 + 1", "??np.sum")
    ):
        work.cell(code, 3 + 2 * k)


@unusual("helpers below the answers that use them")
def _helpers(work):
    work.answer("count_paths", "def count_paths(parents, start):\n    return _ways(parents, start, len(parents) - 1)\n")
    work.cell(
        "from functools import cache\n\n\ndef _ways(parents, start, node):\n    @cache\n    def to(n):\n"
        "        return 1 if n == start else sum(map(to, parents[n]))\n    return to(node)\n", len(work.cells),
    )  # fmt: skip


@unusual("the same name for two helpers")
def _same_name(work):
    work.edit("blame_by_hand", "def blame_by_hand", "def helper(x):\n    return x\n\n\ndef blame_by_hand")
    work.edit("blame_by_hand", "return da, db, dc", "return helper(da), helper(db), helper(dc)")
    work.edit("new_slopes", "def new_slopes", "def helper(x):\n    return None\n\n\ndef new_slopes")


@unusual("float32 and single numbers of NumPy")
def _float32(work):
    work.edit("new_slopes", "return softplus, np.sign(a), (a > b) + tie, (b > a) + tie",
              "return [np.float32(x) for x in (softplus, np.sign(a), (a > b) + tie, (b > a) + tie)]")  # fmt: skip
    work.edit("blame_by_hand", "return da, db, dc", "return np.array([da, db, dc])")
    work.edit("count_paths", "return ways[-1]", "return np.int64(ways[-1])")


@unusual("lists in place of arrays and tuples")
def _lists(work):
    work.edit("blame_by_hand", "return da, db, dc", "return [da, db, dc]")
    work.edit("new_slopes", "return softplus, np.sign(a), (a > b) + tie, (b > a) + tie",
              "return [list(x) for x in (softplus, np.sign(a), (a > b) + tie, (b > a) + tie)]")  # fmt: skip


@unusual("a lambda, a class and a partial function")
def _callables(work):
    work.edit("blame_by_hand", "def blame_by_hand", "def _blame")
    work.find("blame_by_hand").source += "\n\nblame_by_hand = lambda *abc: _blame(*abc)\n"
    work.edit("count_paths", "def count_paths", "def _count")
    work.find(
        "count_paths"
    ).source += "\n\nclass Count:\n    __call__ = staticmethod(_count)\n\n\ncount_paths = Count()\n"
    work.edit("new_slopes", "def new_slopes(a, b)", "def _slopes(extra, a, b)")
    work.find("new_slopes").source += "\n\nfrom functools import partial\nnew_slopes = partial(_slopes, 'x')\n"


@unusual("an answer in pieces, a first try above it")
def _pieces(work):
    work.edit("count_paths", "def count_paths", "from itertools import pairwise\n\n\ndef count_paths")
    at = work.cells.index(work.find("count_paths"))
    work.cell("def count_paths(parents, start):\n    return 'first try'", at)


@unusual("slow but right")
def _slow(work):
    work.edit("count_paths", "ways = []", "import time\n    time.sleep(0.02)\n    ways = []")


@unusual("arguments changed in place")
def _in_place(work):
    work.edit("new_slopes", "softplus = ", "a = a.copy()\n    b *= 1.0\n    softplus = ")
    work.edit("count_paths", "return ways[-1]", "parents.clear()\n    return ways[-1]")


@unusual("saved by another program: outputs, attachments, state of widgets, Windows line ends, a byte-order mark")
def _other_editor(work):
    tree = json.loads(work.bytes())
    for cell in tree["cells"]:
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n").splitlines(keepends=True)
        if cell["cell_type"] == "code":
            cell["execution_count"] = 99
            cell["outputs"] = [
                {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<b>x</b>" * 1000}}
            ]
    tree["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    tree["metadata"]["kernelspec"] = {"name": "conda-env-x", "display_name": "Python [conda]", "language": "python"}
    return b"\xef\xbb\xbf" + json.dumps(tree).encode()


@unusual("a pool of threads")
def _threads(work):
    work.edit("count_paths", "return ways[-1]", "from concurrent.futures import ThreadPoolExecutor\n"
              "    with ThreadPoolExecutor(20) as pool:\n"
              "        return list(pool.map(int, ways * 20))[-1]")  # fmt: skip


@unusual("a helper module that a cell writes")
def _module(work):
    work.cell("%%writefile my_helper.py\ndef last(values):\n    return values[-1]\n")
    work.cell("from my_helper import last", 3)
    work.edit("count_paths", "return ways[-1]", "return last(ways)")


@unusual("another backend for pictures, beside the imports")
def _backend(work):
    imports = next(c for c in work.cells if c.cell_type == "code")
    imports.source = "%matplotlib widget\n" + imports.source


@unusual("await, and an event loop in an answer")
def _await(work):
    work.cell("import asyncio\nawait asyncio.sleep(0)")
    work.edit("count_paths", "return ways[-1]",
              "async def later():\n        return ways[-1]\n    return asyncio.run(later())")  # fmt: skip


@unusual("stubs left above the answers, and a cell between them that ends the interpreter")
def _stubs(work):
    at = work.cells.index(work.find("count_paths"))
    work.cell("import os\nos._exit(1)", at)
    work.cell("def count_paths(parents, start):\n    raise NotImplementedError()", at)
