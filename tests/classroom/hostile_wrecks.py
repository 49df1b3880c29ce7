"""More hostile submissions: those that take the machine, break the interpreter or the notebook itself."""

from __future__ import annotations

import json
import os

from tests.classroom.hostile import ALL, HINT, ONE, WRONG_COUNT, answer, cell, edit, file, path

# To take the machine -------------------------------------------------------------------------------------------------
answer("a fork bomb", """\
import os
def count_paths(parents, start):
    while True:
        os.fork()
""", "")  # fmt: skip
answer("a bomb of threads", """\
import threading, time
def count_paths(parents, start):
    while True:
        threading.Thread(target=time.sleep, args=(60,)).start()
""", "can't start new thread")  # fmt: skip
answer("a memory bomb", """\
def count_paths(parents, start):
    hoard = [parents]
    while True:
        hoard.append(np.empty(50_000_000))
""", "MemoryError")  # fmt: skip
answer("a memory bomb of many processes", """\
import os, time
def count_paths(parents, start):
    for _ in range(8):
        if os.fork() == 0:
            hoard = bytearray(b"x") * 700_000_000
            time.sleep(60)
    time.sleep(60)
""", "GiB of memory")  # fmt: skip
cell("memory filled in a cell", """\
hoard = []
while True:
    hoard.append(np.empty(20_000_000))
""", says="GiB of memory")  # fmt: skip
answer("an endless loop", "def count_paths(parents, start):\n    while True:\n        pass\n", "did not come back")
cell("an endless loop in a cell", "while True:\n    pass", says="cell 3 was left out")
answer("a sleep", "import time\ndef count_paths(parents, start):\n    time.sleep(1e6)\n", "did not come back")
answer("a scratch folder filled", """\
def count_paths(parents, start):
    with open("/tmp/full", "wb") as file:
        for _ in range(500):
            file.write(bytes(1_000_000))
""", "OSError")  # fmt: skip
answer(
    "a giant return value", "def count_paths(parents, start):\n    return np.ones(60_000_000)\n", "larger than anything"
)
answer("a giant list", "def count_paths(parents, start):\n    return [1.0] * 30_000_000\n", "30,000,000")
cell("events forged for cells that are not there", """\
import os
lie = b'["fault", "\\\\ud800</code><script>alert(1)</script>", "x"]\\n'
for number in range(3, 64):
    try:
        os.write(number, lie * 100)
    except OSError:
        pass
""")  # fmt: skip
cell("an endless stream of results", """\
import os
for number in range(3, 64):
    try:
        while True:
            os.write(number, b"x" * 1_000_000)
    except OSError:
        pass
""", says="MiB")  # fmt: skip
cell("200 MB of output", "for _ in range(200):\n    print('x' * 1_000_000)")
cell(
    "a daemon that stays behind",
    """\
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve("/bin/sleep", ["sleep", "3600"], {"STAYED": "{course}"})
    os._exit(0)
""",
)

answer("calls of the kernel that reach past walls and limits", """\
import ctypes, os, socket
def count_paths(parents, start):
    kernel = ctypes.CDLL(None)
    keys, memory, spaces = kernel.syscall(248, b"user", b"x", b"left", 4, -4), kernel.shmget(0, 4096, 0o1600), None
    spaces = kernel.unshare(0x10000000)
    if (keys, memory, spaces) != (-1, -1, -1):
        raise SystemExit("a call went through")
    for step in (lambda: os.memfd_create("x"), lambda: os.sched_setaffinity(0, {0}), lambda: socket.socket(40, 1)):
        try:
            step()
        except OSError:
            continue
        raise SystemExit("a call went through")
    return 7
""", HINT)  # fmt: skip
answer("a million empty files", """\
import os
def count_paths(parents, start):
    for k in range(1_000_000):
        os.mknod(f"/dev/shm/{k}")
""", "more than 20,000 files")  # fmt: skip
answer("a billion rows of nothing", """\
def new_slopes(a, b):
    return [np.zeros((10 ** 9, 0))] * 4
""", "more than 50,000 values", "new_slopes")  # fmt: skip

# To end or break the interpreter -------------------------------------------------------------------------------------
answer(
    "os._exit in an answer", "import os\ndef count_paths(parents, start):\n    os._exit(0)\n", "ended the interpreter"
)
cell("os._exit in a cell", "import os\nos._exit(0)", says="cell 3 was left out")
cell("sys.exit in a cell", "import sys\nsys.exit(0)", says="SystemExit")
answer("SIGKILL to itself", "import os\ndef count_paths(parents, start):\n    os.kill(os.getpid(), 9)\n", "ended")
answer("SIGKILL to everything", "import os\ndef count_paths(parents, start):\n    os.kill(-1, 9)\n", "No such process")
answer("a segmentation fault", "import ctypes\ndef count_paths(parents, start):\n    ctypes.string_at(0)\n", "ended")
answer("an exception that cannot be shown", """\
class Silent(BaseException):
    def __str__(self): raise self
def count_paths(parents, start):
    raise Silent
""", "cannot be shown")  # fmt: skip
answer("markup and control characters in an exception", """\
def count_paths(parents, start):
    raise ValueError("<script>alert(1)</script>\\x1b[2J\\ud800")
""", "&lt;script&gt;")  # fmt: skip
answer("a right answer beside a crash", "def count_paths(parents, start):\n    return 1 / 0\n", "ZeroDivisionError")
answer("a syntax error", "def count_paths(parents, start):\n    return (\n", "SyntaxError")
answer("stale state", "def count_paths(parents, start):\n    return from_a_deleted_cell(parents, start)\n", "NameError")
answer("another name for the answer", "def my_count(parents, start):\n    return 7\n", "keeps the name")


# The notebook itself -------------------------------------------------------------------------------------------------
@edit("check cells deleted")
def _deleted(work):
    work.notebook.cells = [c for c in work.cells if "check(" not in c.source or "import" in c.source]


@edit("check and solution cells duplicated")
def _duplicated(work):
    work.notebook.cells = [copy for c in work.cells for copy in [c] * (2 if "nbgrader" in c.metadata else 1)]


@edit("check cells edited, points raised", lost=ONE, says=HINT)
def _edited(work):
    work.answer("count_paths", WRONG_COUNT)
    for c in work.cells:
        if c.metadata.get("nbgrader", {}).get("grade"):
            c.metadata.nbgrader.points = 1000
            c.source = "print('✓')" if c.cell_type == "code" else c.source


@edit("metadata stripped")
def _stripped(work):
    for c in work.cells:
        c.metadata = {}
    work.notebook.metadata = {}


@edit("metadata of the wrong kind")
def _odd_metadata(work):
    tree = json.loads(work.bytes())
    for c in tree["cells"]:
        c["metadata"] = {"nbgrader": ["grade", 99]}
    return json.dumps(tree).encode()


@edit("halves of UTF-16 pairs in every kind of cell")
def _halves(work):
    tree = json.loads(work.bytes())
    for kind in ("code", "markdown", "raw"):
        tree["cells"].insert(2, {"cell_type": kind, "metadata": {}, "source": "# \ud800"})
    return json.dumps(tree).encode()


@edit("ten megabytes in one line of text")
def _long_line(work):
    tree = json.loads(work.bytes())
    tree["cells"].insert(2, {"cell_type": "markdown", "metadata": {}, "source": "a" * 9_000_000})
    return json.dumps(tree).encode()


@edit("the format of 2013")
def _version_3(work):
    import nbformat

    return nbformat.writes(nbformat.convert(work.notebook, 3), version=3).encode()


@edit("a format before cells had ids")
def _version_4_0(work):
    tree = json.loads(work.bytes())
    tree["nbformat_minor"] = 0
    for c in tree["cells"]:
        del c["id"]
    return json.dumps(tree).encode()


@edit("a format of the future", lost=ALL, says="nbformat 9")
def _version_9(work):
    tree = json.loads(work.bytes())
    tree["nbformat"] = 9
    return json.dumps(tree).encode()


@edit("cells without what a cell must have")
def _poor_cells(work):
    tree = json.loads(work.bytes())
    for c in tree["cells"]:
        for key in ("id", "metadata", "outputs", "execution_count"):
            c.pop(key, None)
    tree["cells"] += [{"cell_type": "code", "source": None}, {"cell_type": "video", "source": 3}]
    return json.dumps(tree).encode()


@edit("100,000 cells", lost=ALL, says="cells")
def _many_cells(work):
    tree = json.loads(work.bytes())
    tree["cells"] += [
        {"cell_type": "code", "source": "1", "metadata": {}, "outputs": [], "execution_count": None}
    ] * 100_000
    return json.dumps(tree).encode()


file(
    "an old format with 150,000 outputs",
    json.dumps({"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": "1", "outputs": [
        {"output_type": "stream", "text": "x"}] * 150_000}]}]}).encode(),
    "",
)  # fmt: skip
file("broken JSON", b'{"cells": [{"cell_type": "code", "sour', "damaged")
file("JSON that is no notebook", b"[1, 2, 3]", "nbformat")
file("JSON 200,000 levels deep", b"[" * 200_000, "not a notebook")
file("an empty file", b"", "empty")
file("binary data", os.urandom(3000) + b"\xff\xfe", "binary")
file("a picture with the name of a notebook", b"\x89PNG\r\n\x1a\n" + bytes(500), "binary")
file("50 MB", b'{"nbformat": 4, "cells": [' + b" " * 50_000_000 + b"]}", "larger than")
path("a link to a file outside", lambda place: place.symlink_to("/etc/passwd"), "link")
path("a folder with the name of a notebook", lambda place: place.mkdir(), "not a file")
path("a pipe", lambda place: os.mkfifo(place), "not a file")
