"""What crosses the wall of the sandbox: plain values unchanged, everything else as plain values or not at all."""

import ast
import base64
import enum
import inspect
import json
import math
import tracemalloc
from collections import Counter, OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from classroom import wire

NUMBERS = hnp.boolean_dtypes() | hnp.integer_dtypes(endianness="?") | hnp.unsigned_integer_dtypes(endianness="?")
DTYPES = NUMBERS | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64))
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
SCALARS = ARRAYS.filter(lambda a: a.size > 0).map(lambda a: a.astype(a.dtype.newbyteorder("=")).reshape(-1)[0])
TEXT = st.text(st.characters(codec="utf8"))
KEYS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.binary()
KEYS |= st.tuples(KEYS, KEYS)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary() | ARRAYS | SCALARS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*wire.DECODERS, "x"]), inner, max_size=2)
    ),
    max_leaves=15,
)


def crossed(value):
    return wire.decode(json.loads(json.dumps(wire.encode(value))))


def alike(a, b) -> bool:
    """The same value of the same types, all the way down; NaN is like NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | np.generic):
        same_type = a.dtype == b.dtype.newbyteorder("=") or a.dtype.newbyteorder("=") == b.dtype
        return same_type and a.shape == b.shape and a.astype(b.dtype).tobytes() == b.tobytes()
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, dict):
        return alike(list(a), list(b)) and all(alike(a[key], b[key]) for key in a)
    return a == b


# Round trips ---------------------------------------------------------------------------------------------------------
@given(VALUES)
def test_plain_values_cross_unchanged_in_value_and_type(value):
    assert alike(value, crossed(value))


@pytest.mark.parametrize("dtype", sorted(wire.DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3), (2, 0, 3), (1, 1, 1)])
def test_arrays_of_every_type_and_shape_cross(dtype, shape):
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    assert alike(array, crossed(array))
    assert crossed(array).flags.writeable


@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=2, max_dims=3, max_side=4)))
def test_how_an_array_lies_in_memory_does_not_matter(array):
    for view in (
        np.asfortranarray(array),
        array.T,
        array[::-1],
        array[:, ::2],
        np.broadcast_to(array, (2, *array.shape)),
    ):
        back = crossed(view)
        assert alike(view, back)
        assert back.dtype.isnative


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.int8, np.uint16, np.bool_])
def test_a_scalar_of_numpy_keeps_its_type(kind):
    """np.float64 is a float to Python, too, and x.mean() or x.shape must not fail inside."""
    assert type(crossed(kind(1))) is kind
    assert type(crossed([kind(1)])[0]) is kind


def test_numbers_of_numpy_are_keys_as_numbers_are():
    labels, counts = np.unique([3, 1, 3], return_counts=True)
    assert crossed(dict(zip(labels, counts, strict=True))) == {1: 1, 3: 2}


@pytest.mark.parametrize("value", [math.inf, -math.inf, -0.0, 5e-324, 2**64, -(10**3000), "", b"", [], (), {}])
def test_extremes_cross(value):
    assert alike(value, crossed(value))
    assert math.isnan(crossed(math.nan))


def test_lone_halves_of_pairs_become_text_that_can_be_written():
    for value in ("a\ud800b", ["\udcff"], {"\ud800": "\udfff"}, ("\ud83d",)):
        text = repr(crossed(value))
        text.encode("utf8")
        assert "?" in text
    assert crossed("😀") == "😀"


# What is not plain ---------------------------------------------------------------------------------------------------
class Agreeable(float):
    def __eq__(self, other):
        return True

    __hash__ = float.__hash__

    def __repr__(self):
        return "__import__('os').system('true')"


class Int(int):
    __repr__ = Agreeable.__repr__


class Text(str):
    __repr__ = Agreeable.__repr__
    __str__ = Agreeable.__repr__


class Array(np.ndarray):
    def __eq__(self, other):
        return True


class Level(enum.IntEnum):
    LOW = 1


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Agreeable(2.5), 2.5), (Int(7), 7), (Text("a"), "a"), (type("L", (list,), {})([1]), [1]), (Level.LOW, 1),
        (type("B", (bytes,), {})(b"x"), b"x"), (Pair(1, 2), (1, 2)), (Counter("aa"), {"a": 2}),
        (OrderedDict(a=1), {"a": 1}),
        (np.zeros(2).view(Array), np.zeros(2)), (np.ma.masked_array([1, 2], [0, 1]), np.array([1, 2])),
        (np.str_("a"), "a"), (np.bytes_(b"a"), b"a"), ({Int(1): Agreeable(1)}, {1: 1.0}),
        (np.longdouble(0.5), np.float64(0.5)),
    ],
)  # fmt: skip
def test_what_is_built_on_a_plain_type_arrives_as_that_type(value, plain):
    back = crossed(value)
    assert alike(back, plain)
    assert wire.oddity(back) is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (object(), "object"), ([{1}], "set"), ((1, [range(3)]), "range"), ({"a": lambda: 0}, "function"),
        (1j, "complex"),
        (np.array([object()]), "array of object"), (np.array(["a"]), "array of <U1"),
        (np.zeros(2, "M8[s]"), "array of datetime64[s]"),
        (np.zeros(1, [("a", "f8")]), "array of [('a', '<f8')]"), (np.array([1j]), "array of complex128"),
        ({(1, object()): 1}, "object"),
        (memoryview(b"a"), "memoryview"),
    ],
)  # fmt: skip
def test_anything_else_arrives_as_its_name_wherever_it_is(value, name):
    assert wire.oddity(crossed(value)) == name


@pytest.mark.parametrize(
    "value",
    [2**10_001, "a" * 200_001, [0] * 200_001, b"a" * 200_001, np.zeros(1_000_001), np.broadcast_to(0.0, (10**9,))],
)
def test_what_is_too_large_is_not_sent(value):
    with pytest.raises(ValueError, match=r"larger than anything|more than anything"):
        wire.encode(value)


def test_a_list_in_itself_is_not_sent():
    value = []
    value.append(value)
    with pytest.raises(RecursionError):
        wire.encode(value)


# What anybody may send -----------------------------------------------------------------------------------------------
PLAIN = (type(None), bool, int, float, str, bytes, list, tuple, dict, np.ndarray, np.generic, wire.Odd)


def only_plain(value) -> bool:
    parts = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list | tuple) else []
    exact = type(value) in PLAIN or isinstance(value, np.generic)
    return exact and not (isinstance(value, np.ndarray) and value.dtype.hasobject) and all(map(only_plain, parts))


@settings(max_examples=400)
@given(TREES)
def test_any_json_gives_a_plain_value_or_a_value_error(tree):
    try:
        value = wire.decode(tree)
    except ValueError:
        return
    assert only_plain(value)
    wire.oddity(value)


GOOD = base64.b64encode(bytes(16)).decode()


@pytest.mark.parametrize("tag", ["array", "scalar"])
@given(
    code=st.sampled_from(["<f8", "|O", "<U4", "|V8", "f8", "<c16", "|b1", "i", "", None, 3, ["<f8"]]),
    shape=st.lists(
        st.integers(-3, 5) | st.sampled_from([2**31, 2**62, 2**63, 10**30, True, 1.0, None, "2"]), max_size=4
    )
    | st.none(),
    text=st.sampled_from([GOOD, "", GOOD[:-1], "====", "\ud800", "ü" * 4, None, 7, GOOD * 2]),
)
def test_arrays_whose_type_size_or_data_disagree_are_refused(tag, code, shape, text):
    try:
        value = wire.decode({tag: [code, shape, text]})
    except ValueError:
        return
    assert code in wire.DTYPES
    assert all(type(n) is int and n >= 0 for n in shape)
    assert math.prod(shape) * wire.DTYPES[code].itemsize == len(base64.b64decode(text))
    assert value.dtype == wire.DTYPES[code]


@pytest.mark.parametrize(
    "shape", [[10**9], [2**62, 2], [0, 2**62], [0, 10**30], [10**30], [-1], [1] * 33, [1] * 65, [-2, -1]]
)
def test_a_size_that_is_claimed_allocates_nothing(shape):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="array"):
            wire.decode({"array": ["<f8", shape, GOOD if shape == [-2, -1] else ""]})
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("tag", ["list", "tuple", "dict"])
def test_a_thousand_and_a_hundred_thousand_levels_end_in_an_error(tag):
    for depth in (1_000, 100_000):
        tree = []
        for _ in range(depth):
            tree = [tree] if tag == "list" else {tag: [tree]} if tag == "tuple" else {tag: [[1, tree]]}
        with pytest.raises(RecursionError):
            wire.decode(tree)
        while isinstance(tree, list | dict) and tree:  # taken apart by hand: freeing it would recurse, too
            tree = tree[tag] if isinstance(tree, dict) else tree[-1]


def test_truth_values_are_true_or_false_whatever_bytes_come():
    array = wire.decode({"array": ["|b1", [3], base64.b64encode(bytes([0, 2, 255])).decode()]})
    assert array.tolist() == [False, True, True]
    assert array.view(np.uint8).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "tree",
    [{}, {"array": []}, {"x": 1}, {"tuple": [], "dict": []}, {"dict": [[1]]}, {"bytes": 3}, {"odd": []}, {"": 0}],
)
def test_what_is_not_of_the_protocol_is_refused(tree):
    with pytest.raises(ValueError, match=r"not |array"):
        wire.decode(tree)


def test_nothing_that_reads_can_run_code():
    """No pickle, no eval, no import of a name that comes in: by the source itself."""
    tree = ast.parse(inspect.getsource(wire))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "base64", "math", "typing", "numpy"}
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    banned = {"eval", "exec", "compile", "getattr", "__import__", "np.load", "np.save", "globals", "np.dtype.type"}
    assert not called & banned
    assert "pickle" not in inspect.getsource(wire)
