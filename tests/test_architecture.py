"""The rules that keep the library one piece: who may import whom, how long a file may be, how files are opened."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "minilib").rglob("*.py"))}
SHARED = ("config", "data", "text", "metrics", "schedules", "progress", "check", "show")
every_file = pytest.mark.parametrize("name", FILES)


def tree(name):
    return ast.parse(FILES[name].read_text("utf8"))


def imports(name):
    """Every module that a file imports, at its top or within a function, in full."""
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: write the import in full"
            assert node.names[0].name != "*", f"{name}:{node.lineno}: name what is imported"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith("minilib")}
    return found


def half(name):
    """The part of the library that a file, or a module by its dotted name, belongs to."""
    parts = name.removesuffix(".py").replace("/", ".").split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "minilib" else ""


def outside(name):
    return {module.split(".")[0] for module in imports(name)} - {"minilib"} - set(sys.stdlib_module_names)


def inside(name):
    return {half(module) for module in imports(name) if module.startswith("minilib")} - {"", half(name)}


DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


@every_file
def test_a_file_imports_only_what_its_part_may(name):
    part = half(name)
    if part in SHARED:
        # check.same takes tensors of both halves: an engine is imported when it is called, never before
        framework = {"torch"} if name == "minilib/check/__init__.py" else set()
        assert outside(name) <= ({"tqdm"} if part == "progress" else {"numpy", *framework})
        allowed = {*SHARED, "scratch"} if part == "check" else {*SHARED}
        assert inside(name) <= allowed
    elif part == "scratch":
        assert outside(name) <= {"numpy"}
        assert inside(name) <= {*SHARED}
    elif part == "pt":
        assert outside(name) <= {"numpy", "torch", "safetensors"}
        assert inside(name) <= {*SHARED}
    elif part in ("plot", "widgets"):
        assert "torch" not in outside(name)
        assert inside(name) <= {*SHARED}
    else:
        assert name == "minilib/__init__.py", "a new part of the library: give it a rule here"
        assert not outside(name) | inside(name)


@pytest.mark.parametrize("name", [name for name in FILES if half(name) in SHARED])
def test_the_shared_half_imports_the_engine_only_inside_functions(name):
    for node in tree(name).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert "scratch" not in ast.unparse(node)


def loaded_by(statement):
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return {module.split(".")[0] for module in done.stdout.split()}


@pytest.mark.parametrize(
    "statement",
    [
        "import minilib",
        "import minilib.scratch, minilib.scratch.train, minilib.scratch.gradcheck, minilib.scratch.init",
        "from minilib import data, metrics, schedules, show, check; data.digits(); check.exercises()",
    ],
)
def test_neither_torch_nor_matplotlib_is_loaded_unasked(statement):
    heavy = {"torch", "matplotlib", "sklearn", "mlxtend", "scipy", "pandas", "anywidget", "IPython"}
    assert not loaded_by(statement) & heavy


def test_the_plain_import_loads_not_even_numpy():
    assert "numpy" not in loaded_by("import minilib")


@every_file
def test_a_file_can_be_read_in_one_sitting(name):
    assert len(FILES[name].read_text("utf8").splitlines()) <= 300


def lines_of_code(source):
    """Lines with something to run: no empty ones, comments or docstrings."""
    tree = ast.parse(source)
    texts = [node.body[0] for node in ast.walk(tree) if isinstance(node, DOCUMENTED) and ast.get_docstring(node)]
    told = {line for text in texts for line in range(text.lineno, text.end_lineno + 1)}
    lines = enumerate(source.splitlines(), start=1)
    return sum(number not in told and line.strip() != "" and line.strip()[0] != "#" for number, line in lines)


def test_the_library_stays_small():
    """What the course teaches, and apart from it what judges the exercises, without their growing specifications."""
    sizes = {name: lines_of_code(path.read_text("utf8")) for name, path in FILES.items()}
    judging = [name for name in sizes if name.startswith("minilib/check/")]
    assert sum(n for name, n in sizes.items() if name not in judging) <= 3750
    assert sum(sizes[name] for name in judging if not name.startswith("minilib/check/ch")) <= 450


def unnamed_encodings(source):
    """Lines that read or write text without saying in which encoding: Windows would take another."""
    place_of_encoding = {"read_text": 0, "write_text": 1}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(k.arg == "encoding" for k in node.keywords):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in place_of_encoding and len(node.args) <= place_of_encoding[name]:
            yield node.lineno
        if name == "open":
            place_of_mode = 1 if isinstance(node.func, ast.Name) else 0
            modes = [*node.args[place_of_mode:], *(k.value for k in node.keywords if k.arg == "mode")]
            if not any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in modes):
                yield node.lineno


@every_file
def test_every_text_file_is_opened_with_its_encoding(name):
    assert not list(unnamed_encodings(FILES[name].read_text("utf8")))


def test_a_missing_encoding_is_noticed():
    bad = ["open('f')", "path.open()", "path.read_text()", "p.write_text(x)", "open('f', 'w')", "open('b', mode='r')"]
    good = ["open('f', 'rb')", "path.open('wb')", "path.read_text('utf8')", "p.write_text(x, 'utf8')",
            "open('f', encoding='utf8')", "p.write_text(x, encoding='utf8')", "p.read_bytes()"]  # fmt: skip
    assert all(list(unnamed_encodings(line)) for line in bad)
    assert not any(list(unnamed_encodings(line)) for line in good)


@every_file
def test_every_module_says_what_it_is_for(name):
    assert ast.get_docstring(tree(name))


@every_file
def test_nothing_is_seeded_for_everybody(name):
    source = ast.unparse(tree(name))
    assert "np.random.seed" not in source
    assert "RandomState" not in source
