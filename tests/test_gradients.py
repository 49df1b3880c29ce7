"""Every operation's values and gradients, against torch and against central differences, over drawn shapes."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minilib.scratch
from minilib.scratch import Tensor, concatenate, maximum, minimum, stack, where
from minilib.scratch import functional as F
from minilib.scratch.gradcheck import GradientError, directional_error, gradcheck
from minilib.scratch.tensor import OPERATIONS, differentiable
from tests import network_cases
from tests.compare import equals_differences, equals_torch, leaves, to_torch, weights_for
from tests.strategies import LAYOUTS, arrays, seeds, several, shapes, with_axis

TF = torch.nn.functional
CASES = dict(network_cases.CASES)
"""For each operation a strategy that draws (arrays, our function of them, torch's)."""


def case(name):
    def register(strategy):
        CASES[name] = strategy()
        return strategy

    return register


def elementwise(name, ours, theirs, low=-2.0, high=2.0):
    CASES[name] = arrays(shapes(), low, high).map(lambda a: ([a], ours, theirs))


def binary(name, ours, theirs, low=-2.0, high=2.0):
    CASES[name] = several(2, low, high).map(lambda pair: (pair, ours, theirs))


binary("add", lambda a, b: a + b, torch.add)
binary("sub", lambda a, b: a - b, torch.sub)
binary("mul", lambda a, b: a * b, torch.mul)
binary("div", lambda a, b: a / b, torch.div, 0.5, 2.0)
binary("maximum", maximum, torch.maximum)
binary("minimum", minimum, torch.minimum)
elementwise("neg", lambda a: -a, torch.neg)
elementwise("abs", abs, torch.abs)
elementwise("exp", Tensor.exp, torch.exp)
elementwise("log", Tensor.log, torch.log, 0.1, 3.0)
elementwise("sqrt", Tensor.sqrt, torch.sqrt, 0.1, 3.0)
elementwise("tanh", F.tanh, torch.tanh)
elementwise("sigmoid", F.sigmoid, torch.sigmoid)
elementwise("softplus", F.softplus, TF.softplus)
elementwise("relu", F.relu, torch.relu)
elementwise("to", lambda a: a.to(np.float64), lambda a: a.to(torch.float64))


@case("pow")
@st.composite
def _pow(draw):
    if draw(st.booleans()):
        return draw(several(2, 0.2, 2.0)), lambda a, b: a**b, torch.pow
    power, low = draw(st.sampled_from([(2, -2.0), (3.0, -2.0), (1, -2.0), (0, -2.0), (0.5, 0.1), (-1.5, 0.1)]))
    if draw(st.booleans()):
        return [draw(arrays(shapes(), low))], lambda a: a**power, lambda a: a**power
    return [draw(arrays(shapes()))], lambda a: 1.5**a, lambda a: 1.5**a


@case("where")
@st.composite
def _where(draw):
    condition, a, b = draw(several(3))
    return [a, b], lambda x, y: where(condition > 0, x, y), lambda x, y: torch.where(to_torch(condition > 0), x, y)


@case("matmul")
@st.composite
def _matmul(draw):
    n, k, m = (draw(st.integers(0, 3)) for _ in range(3))
    batch_a, batch_b = ((), ())
    left, right = draw(st.sampled_from(["matrices", "batches", "row", "column", "vectors"])), None
    if left == "batches":
        batch_a, batch_b = draw(st.sampled_from([((2,), (2,)), ((2,), ()), ((), (3,)), ((3, 1), (1, 2)), ((0,), (0,))]))
    left, right = {"row": ((k,), (k, m)), "column": ((n, k), (k,)), "vectors": ((k,), (k,))}.get(
        left, ((*batch_a, n, k), (*batch_b, k, m))
    )
    return [draw(arrays(left)), draw(arrays(right))], lambda a, b: a @ b, torch.matmul


@case("leaky_relu")
@st.composite
def _leaky_relu(draw):
    slope = draw(st.sampled_from([0.01, 0.2]))
    return [draw(arrays(shapes()))], lambda a: F.leaky_relu(a, negative_slope=slope), lambda a: TF.leaky_relu(a, slope)


@case("gelu")
@st.composite
def _gelu(draw):
    form = draw(st.sampled_from(["none", "tanh"]))
    return [draw(arrays(shapes()))], lambda a: F.gelu(a, approximate=form), lambda a: TF.gelu(a, approximate=form)


def _every_axis(a, axis):
    return tuple(range(a.ndim)) if axis is None else axis


@case("sum")
@st.composite
def _sum(draw):
    a, axis, keep = draw(with_axis())
    return [a], lambda x: x.sum(axis=axis, keepdims=keep), lambda t: t.sum(dim=_every_axis(t, axis), keepdim=keep)


@case("mean")
@st.composite
def _mean(draw):
    a, axis, keep = draw(with_axis(never_empty=True))
    axis = axis if a.ndim else None  # NumPy has no axis 0 there
    return [a], lambda x: x.mean(axis=axis, keepdims=keep), lambda t: t.mean(dim=_every_axis(t, axis), keepdim=keep)


@case("var")
@st.composite
def _var(draw):
    a, axis, keep = draw(with_axis(never_empty=True))
    a = np.concatenate([np.atleast_1d(a)] * 2, axis if isinstance(axis, int) else -1)  # two numbers at least
    a = a + np.random.default_rng(0).uniform(0, 1, a.shape)
    correction = draw(st.integers(0, 1))
    return (
        [a],
        lambda x: x.var(axis=axis, correction=correction, keepdims=keep),
        lambda t: t.var(dim=_every_axis(t, axis), correction=correction, keepdim=keep),
    )


def _extreme(ours, theirs):
    @st.composite
    def strategy(draw):
        a, axis, keep = draw(with_axis(never_empty=True))
        return [a], lambda x: ours(x, axis=axis, keepdims=keep), lambda t: theirs(t, _every_axis(t, axis), keep)

    return strategy()


CASES["max"] = _extreme(Tensor.max, torch.amax)
CASES["min"] = _extreme(Tensor.min, torch.amin)


def _softmax_family(ours, theirs):
    @st.composite
    def strategy(draw):
        a, dim, _ = draw(with_axis(-4.0, 4.0, never_empty=True, tuples=False))
        dim = -1 if dim is None else dim
        a = a[..., :0] if a.ndim > 1 and dim == 0 and draw(st.booleans()) else a
        return [a], lambda x: ours(x, dim=dim), lambda t: theirs(t, dim=dim)

    return strategy()


CASES["softmax"] = _softmax_family(F.softmax, torch.softmax)
CASES["log_softmax"] = _softmax_family(F.log_softmax, torch.log_softmax)


@case("logsumexp")
@st.composite
def _logsumexp(draw):
    a, dim, keep = draw(with_axis(never_empty=True))
    dim = -1 if dim is None else dim
    return [a], lambda x: F.logsumexp(x, dim=dim, keepdim=keep), lambda t: torch.logsumexp(t, dim, keep)


@case("reshape")
@st.composite
def _reshape(draw):
    a = draw(arrays(shapes()))
    shape = tuple(draw(st.permutations(a.shape))) + draw(st.sampled_from([(), (1,)]))
    if a.size and draw(st.booleans()):
        shape = (*shape[:1], -1) if shape[:1] else (-1,)
    return [a], lambda x: x.reshape(*shape) if shape else x.reshape(()), lambda t: t.reshape(shape)


@case("permute")
@st.composite
def _permute(draw):
    a = draw(arrays(shapes()))
    dims = [d - a.ndim * draw(st.integers(0, 1)) for d in draw(st.permutations(range(a.ndim)))]
    return [a], lambda x: x.permute(*dims), lambda t: t.permute(dims)


INDICES = [
    0, -1, slice(1, None), slice(None, None, 2), slice(2, 2), ..., None, (0, 1), (..., -1), (slice(None), None, 1),
    [0, 0, 2], [-1, 2, 2, 2], (slice(None), [1, 1]), ([0, 0, 1], [1, 1, 0]), ([[0], [0]], [1, 1]),
    np.array([True, False, True]), (np.array([False] * 3), slice(1)), [],
]  # fmt: skip


@case("getitem")
@st.composite
def _getitem(draw):
    a = draw(arrays((3, 4, 2)))
    index = INDICES[draw(st.integers(0, len(INDICES) - 1))]
    parts = index if isinstance(index, tuple) else (index,)
    theirs = tuple(torch.tensor(i, dtype=None if i else torch.long) if isinstance(i, list) else i for i in parts)
    theirs = tuple(to_torch(i) if isinstance(i, np.ndarray) else i for i in theirs)
    return [a], lambda x: x[index], lambda t: t[theirs]


def _joined(ours, theirs, ragged):
    @st.composite
    def strategy(draw):
        shape = draw(shapes(least_dims=1 if ragged else 0))
        axis = draw(st.integers(-len(shape) - (not ragged), len(shape) - ragged))
        parts = []
        for _ in range(draw(st.integers(1, 3))):
            own = list(shape)
            if ragged:
                own[axis] = draw(st.integers(0, 3))
            parts.append(draw(arrays(tuple(own))))
        return parts, lambda *xs: ours(xs, axis=axis), lambda *ts: theirs(ts, dim=axis)

    return strategy()


CASES["concatenate"] = _joined(concatenate, torch.cat, ragged=True)
CASES["stack"] = _joined(stack, torch.stack, ragged=False)


@case("linear")
@st.composite
def _linear(draw):
    batch, out, in_ = draw(shapes(most_dims=2)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    inputs = [draw(arrays((*batch, in_))), draw(arrays((out, in_))), draw(arrays((out,)))]
    return inputs[: draw(st.integers(2, 3))], F.linear, TF.linear


@case("_cross_entropy")
@st.composite
def _cross_entropy(draw):
    rows, classes = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    targets = np.random.default_rng(draw(seeds)).integers(0, classes, rows)
    logits = [draw(arrays((rows, classes), -5, 5))]
    return logits, lambda x: F.cross_entropy(x, targets), lambda t: TF.cross_entropy(t, to_torch(targets))


def _import_everything():
    for module in pkgutil.iter_modules(minilib.scratch.__path__, "minilib.scratch."):
        importlib.import_module(module.name)


def _untested():
    return OPERATIONS.keys() - CASES.keys()


def test_no_operation_is_without_a_gradient_test():
    _import_everything()
    assert not _untested(), "add a case for each in tests/test_gradients.py"
    assert not CASES.keys() - OPERATIONS.keys(), "cases of operations that are gone"


def test_a_new_operation_without_a_gradient_test_is_noticed():
    def cube(a):
        return a**3, (lambda g: g,)

    differentiable(cube)
    try:
        assert _untested() == {"cube"}
    finally:
        del OPERATIONS["cube"]


every_operation = pytest.mark.parametrize("name", CASES)


@every_operation
@given(data=st.data())
def test_values_and_gradients_equal_torch(name, data):
    inputs, ours, theirs = data.draw(CASES[name])
    equals_torch(ours, theirs, inputs)


@every_operation
@given(data=st.data())
@settings(max_examples=10)
def test_gradients_equal_central_differences(name, data):
    inputs, ours, _ = data.draw(CASES[name])
    equals_differences(ours, inputs)


@every_operation
@given(data=st.data())
@settings(max_examples=10)
def test_float32_in_gives_float32_out_in_values_and_gradients(name, data):
    inputs, ours, _ = data.draw(CASES[name])
    tensors = leaves([np.asarray(a, np.float32) for a in inputs])
    result = ours(*tensors)
    if name != "to":
        assert result.dtype == np.float32
    result.backward(weights_for(result.shape))
    assert all(x.grad.dtype == np.float32 for x in tensors)


@every_operation
@given(data=st.data())
@settings(max_examples=10)
def test_no_gradient_shares_memory_with_anything_else(name, data):
    inputs, ours, _ = data.draw(CASES[name])
    tensors = leaves(inputs)
    result = ours(*tensors)
    weights = weights_for(result.shape)
    (result * 2).backward(weights)
    others = [weights, result.data, *inputs]
    for i, x in enumerate(tensors):
        for other in [*others, *(y.grad for y in tensors[:i])]:
            assert not np.shares_memory(x.grad, other)
        before = [y.grad.copy() for y in tensors]
        x.grad += 1
        assert all((y.grad == b).all() for y, b in zip(tensors, before, strict=True) if y is not x)


@every_operation
@given(data=st.data())
@settings(max_examples=5)
def test_an_operation_leaves_its_inputs_as_they_were(name, data):
    inputs, ours, _ = data.draw(CASES[name])
    before = [a.copy() for a in inputs]
    result = ours(*leaves(inputs))
    result.backward(weights_for(result.shape))
    for a, b in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(a, b)


# Random graphs ------------------------------------------------------------------------------------------------------
ONE = [
    (lambda x: x.tanh(), torch.tanh),
    (F.sigmoid, torch.sigmoid),
    (F.gelu, TF.gelu),
    (lambda x: F.gelu(x, approximate="tanh"), lambda t: TF.gelu(t, approximate="tanh")),
    (lambda x: F.leaky_relu(x, negative_slope=0.2), lambda t: TF.leaky_relu(t, 0.2)),
    (F.relu, torch.relu),
    (F.softplus, TF.softplus),
    (abs, torch.abs),
    (lambda x: -x, torch.neg),
    (lambda x: x.tanh().exp(), lambda t: t.tanh().exp()),
    (lambda x: (1 + x * x).log(), lambda t: (1 + t * t).log()),
    (lambda x: (x**2 + 0.5).sqrt(), lambda t: (t**2 + 0.5).sqrt()),
    (lambda x: 2 / (3 + x**2), lambda t: 2 / (3 + t**2)),
    (lambda x: 1 - x, lambda t: 1 - t),
    (F.softmax, lambda t: t.softmax(-1)),
    (lambda x: F.log_softmax(x, dim=0) / 4, lambda t: t.log_softmax(0) / 4),
    (lambda x: F.logsumexp(x, dim=-1, keepdim=True), lambda t: t.logsumexp(-1, True)),
    (lambda x: x.sum(axis=-1, keepdims=True) / 3, lambda t: t.sum(-1, True) / 3),
    (lambda x: x.mean(axis=0), lambda t: t.mean(0) if t.ndim else t[0]),
    (lambda x: x.var(correction=0), lambda t: t.var(correction=0)),
    (lambda x: x.max(axis=-1, keepdims=True), lambda t: t.amax(-1, True)),
    (lambda x: x.min(axis=0), lambda t: t.amin(0)),
    (lambda x: x.T, lambda t: t.permute(tuple(reversed(range(t.ndim))))),
    (lambda x: x.reshape(-1)[:4], lambda t: t.reshape(-1)[:4]),
    (lambda x: x[[0, -1, 0]], lambda t: t[[0, -1, 0]]),
    (lambda x: x[..., 0], lambda t: t[..., 0]),
    (lambda x: x[None], lambda t: t[None]),
]
TWO = [
    (lambda a, b: a + b, torch.add),
    (lambda a, b: a - b, torch.sub),
    (lambda a, b: a * b, torch.mul),
    (lambda a, b: a / (1 + b * b), lambda a, b: a / (1 + b * b)),
    (lambda a, b: (1 + a * a) ** b.tanh(), lambda a, b: (1 + a * a) ** b.tanh()),
    (maximum, torch.maximum),
    (minimum, torch.minimum),
    (lambda a, b: where(a.data > b.data, a, b * 2), lambda a, b: torch.where(a > b, a, b * 2)),
    (lambda a, b: a @ b / 3, lambda a, b: a @ b / 3),
    (lambda a, b: a @ b.T / 3, lambda a, b: a @ b.permute(tuple(reversed(range(b.ndim)))) / 3),
    (lambda a, b: concatenate([a, b]), lambda a, b: torch.cat([a, b])),
    (lambda a, b: stack([a, b], axis=-1), lambda a, b: torch.stack([a, b], -1)),
]


def _grow(rng, pool, size):
    """Add up to `size` results of random operations to a pool of (ours, torch's); what torch refuses is drawn again."""
    grown = 0
    while grown < size:
        one = rng.random() < 0.5
        ours, theirs = (ONE if one else TWO)[rng.integers(len(ONE if one else TWO))]
        picked = [pool[rng.integers(len(pool))] for _ in range(1 if one else 2)]
        try:
            expected = theirs(*(t for _, t in picked))
        except (RuntimeError, IndexError):
            continue
        if 0 < expected.numel() <= 64 and expected.ndim <= 4 and float(expected.detach().abs().max()) < 100:
            pool.append((ours(*(x for x, _ in picked)), expected))
            grown += 1


@pytest.mark.parametrize("block", range(10))
def test_a_thousand_random_graphs_have_torchs_gradients(block):
    for seed in range(100 * block, 100 * block + 100):
        rng = np.random.default_rng(seed)
        inputs = [rng.standard_normal(shape) for shape in [(3, 4), (4,), (3, 1), (1, 4), (4, 3)]]
        mine, other = leaves(inputs), [to_torch(a, True) for a in inputs]
        pool = list(zip(mine, other, strict=True))
        _grow(rng, pool, int(rng.integers(1, 21)))
        ends = pool[len(inputs) :]
        sum((x.mean() for x, _ in ends), Tensor(np.zeros(()))).backward()
        sum(t.mean() for _, t in ends).backward()
        for x, t in zip(mine, other, strict=True):
            if t.grad is None:
                assert x.grad is None
            else:
                np.testing.assert_allclose(x.grad, t.grad.numpy(), 1e-8, 1e-9, err_msg=f"seed {seed}")


# The checkers themselves --------------------------------------------------------------------------------------------
def _with_slope(factor):
    """Squares, with a slope that is right only for the factor 2."""

    def square(a):
        return a * a, (lambda g: factor * g * a,)

    operation = differentiable(square)
    del OPERATIONS["square"]
    return operation


def test_gradcheck_accepts_a_right_and_refuses_a_slightly_wrong_slope():
    x = Tensor(np.array([0.5, -3.0]), requires_grad=True)
    assert gradcheck(_with_slope(2), [x])
    with pytest.raises(
        GradientError, match=r"^square, input 0, index \(0,\): backward gives 0\.1.*, central differences 0\.1"
    ):
        gradcheck(_with_slope(2.002), [x])


def test_gradcheck_leaves_values_and_gradients_as_they_were():
    x, plain = Tensor(np.array([1.0, 2.0]), requires_grad=True), Tensor(np.array([3.0, 4.0]))
    x.grad = np.array([7.0, 7.0])
    gradcheck(lambda a, b, power: a**power * b, [x, plain, 3])
    np.testing.assert_array_equal(x.data, [1, 2])
    np.testing.assert_array_equal(x.grad, [7, 7])
    assert plain.grad is None


def test_gradcheck_finds_no_fault_with_an_input_that_is_not_used():
    used, unused = leaves([np.ones(2), np.ones(2)])
    assert gradcheck(lambda a, b: a * 2, [used, unused])


def test_gradcheck_refuses_float32():
    with pytest.raises(ValueError, match=r"input 0 is float32: central differences need float64, as in x\.to"):
        gradcheck(Tensor.exp, [Tensor([1.0], requires_grad=True)])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradcheck_works_in_every_memory_layout(layout):
    x = Tensor(LAYOUTS[layout](np.arange(6.0).reshape(2, 3)), requires_grad=True)
    assert gradcheck(Tensor.exp, [x])


@given(seeds)
def test_one_random_direction_tells_a_right_gradient_from_a_wrong_one(seed):
    rng = np.random.default_rng(seed)
    parameters = leaves([rng.uniform(0.5, 1, (3, 2)), rng.uniform(0.5, 1, 2)])
    before = [p.data.copy() for p in parameters]

    def error(factor):
        square = _with_slope(factor)
        return directional_error(lambda: sum(square(p).sum() for p in parameters), parameters, rng)

    assert error(2) < 1e-6 < 1e-3 < error(2.01)
    for p, b in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(p.data, b)


def test_a_parameter_that_the_loss_does_not_use_counts_as_flat():
    used, unused = leaves([np.ones(2), np.ones(2)])
    assert directional_error(lambda: (used**2).sum(), [used, unused], np.random.default_rng(0)) < 1e-8
