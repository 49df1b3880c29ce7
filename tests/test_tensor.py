"""What a tensor is and how `backward` walks; the operations themselves are in test_gradients.py."""

from __future__ import annotations

import copy
import gc
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given

from minilib.scratch import Tensor, concatenate, maximum, no_grad, stack, where
from minilib.scratch.engine import unbroadcast
from tests.compare import equals_torch, leaves, to_torch
from tests.strategies import arrays, broadcastable, seeds, shapes


def parameter(*shape):
    return Tensor(np.ones(shape), requires_grad=True)


# What it holds ------------------------------------------------------------------------------------------------------
def test_python_floats_become_float32_and_arrays_keep_their_dtype():
    assert Tensor(1.5).dtype == Tensor([[1.0, 2.0]]).dtype == np.float32
    assert Tensor(np.float64(1.5)).dtype == Tensor(np.ones(2)).dtype == np.float64
    assert Tensor([1, 2]).dtype.kind == "i"
    assert Tensor([1.0], dtype=np.float64).dtype == Tensor(Tensor(np.ones(1))).dtype == np.float64


def test_a_tensor_and_its_array_are_one():
    array = np.ones(3)
    assert Tensor(array).numpy() is array
    assert Tensor(array).detach().data is array


def test_numpy_reads_a_tensor_as_an_array():
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    assert np.asarray(x) is x.data
    assert np.array(x) is not x.data
    assert np.asarray(x, np.float64).dtype == np.float64
    assert np.arange(3)[Tensor([2, 0])].tolist() == [2, 0]


def test_one_number_becomes_a_python_number():
    assert Tensor(1.5).item() == float(Tensor([[1.5]])) == 1.5
    assert isinstance(Tensor(1.5).item(), float)
    assert bool(Tensor(0.0)) is False
    with pytest.raises(ValueError, match="size 1"):
        Tensor([1.0, 2.0]).item()


def test_a_tensor_prints_its_numbers_and_whether_it_wants_a_gradient():
    assert repr(Tensor([1.0, 0.12345])) == "tensor([1.    , 0.1235])"
    assert repr(Tensor(2.0, requires_grad=True)) == "tensor(2., requires_grad=True)"


def test_iterating_goes_over_the_first_axis_and_keeps_gradients():
    x = parameter(3, 2)
    assert len(x) == 3
    sum(row * i for i, row in enumerate(x)).sum().backward()
    np.testing.assert_array_equal(x.grad, [[0, 0], [1, 1], [2, 2]])
    with pytest.raises(TypeError, match="len"):
        len(Tensor(1.0))


def test_comparisons_give_booleans_without_a_gradient():
    x = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    y = Tensor(np.array([3.0, 2.0, 1.0]))
    for result, expected in [
        (x < y, [1, 0, 0]), (x <= y, [1, 1, 0]), (x > y, [0, 0, 1]), (x >= y, [0, 1, 1]), (x == y, [0, 1, 0]),
        (x != y, [1, 0, 1]), (x > 1, [0, 1, 1]), (np.array([3.0, 2.0, 1.0]) == x, [0, 1, 0]),
    ]:  # fmt: skip
        assert result.data.tolist() == [bool(i) for i in expected]
        assert not result.requires_grad
    assert x.argmax().item() == 2
    assert len({x, y, x}) == 2


@given(arrays(shapes(least_dims=2)))
def test_transposing_twice_changes_nothing(a):
    x = Tensor(a)
    np.testing.assert_array_equal(x.T.T.data, a)
    np.testing.assert_array_equal(x.transpose(0, -1).transpose(-1, 0).data, a)
    equals_torch(lambda x: x.transpose(0, -1) * 2, lambda t: t.transpose(0, -1) * 2, [a])


def test_shapes_may_be_given_as_numbers_or_as_one_tuple():
    x = parameter(2, 3)
    assert x.reshape(3, 2).shape == x.reshape((3, 2)).shape == x.reshape([3, -1]).shape == (3, 2)
    assert x.permute(1, 0).shape == x.permute((1, 0)).shape == (3, 2)
    assert x.sum((0, 1)).shape == x.sum(axis=(0, 1)).shape == ()


def test_tensors_index_tensors():
    x = Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    rows, columns = Tensor([0, 0]), Tensor([1, 1])
    assert x[rows, columns].data.tolist() == [1, 1]
    assert x[x > 9.5].data.tolist() == [10, 11]
    x[rows, columns].sum().backward()
    assert x.grad[0, 1] == x.grad.sum() == 2


def test_whole_numbers_have_no_gradient():
    x = parameter(2)
    assert not x.to(int).requires_grad
    assert x.to(np.float32).requires_grad


def test_a_copied_leaf_is_its_own():
    x = parameter(2)
    y = copy.deepcopy(x)
    y.data[0] = 5
    assert x.data[0] == 1
    assert y.requires_grad


# Numbers do not promote ---------------------------------------------------------------------------------------------
NUMBERS = [2, 2.5, True, np.float64(2.5), np.float32(2.5), np.int64(2), np.int32(2), np.bool_(True)]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda n: f"{type(n).__name__}")
def test_a_single_number_keeps_the_tensors_dtype_on_either_side(number):
    for x in (Tensor([1.0, 2.0], requires_grad=True), Tensor(1.0, requires_grad=True)):
        plain = float(number)
        for result, expected in [
            (x + number, x.data + plain), (number + x, x.data + plain), (x - number, x.data - plain),
            (number - x, plain - x.data), (x * number, x.data * plain), (number * x, x.data * plain),
            (x / number, x.data / plain), (number / x, plain / x.data), (x**number, x.data**plain),
            (number**x, plain**x.data), (maximum(x, number), np.maximum(x.data, plain)),
            (where(x > 1, x, number), np.where(x.data > 1, x.data, plain)),
        ]:  # fmt: skip
            assert result.dtype == np.float32
            np.testing.assert_allclose(result.data, expected, 1e-6)
            x.grad = None
            result.sum().backward()
            assert x.grad.dtype == np.float32


def test_a_list_is_read_as_a_tensor_would_be():
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    assert (x - [[0.5, 0.5]]).dtype == np.float32
    assert ([[2.0], [3.0]] @ x).data.tolist() == [[2, 4], [3, 6]]
    assert concatenate([x, [[3.0, 4.0]]]).shape == stack([x, [[3.0, 4.0]]])[:, 0].shape == (2, 2)


def test_an_array_on_the_left_asks_the_tensor():
    x, array = parameter(2), np.array([3.0, 4.0])
    for result in (array + x, array - x, array * x, array / x, array**x, array @ x):
        assert isinstance(result, Tensor)
        assert result.requires_grad


# Backward -----------------------------------------------------------------------------------------------------------
def test_where_paths_meet_gradients_add_up():
    x = Tensor(np.array(3.0), requires_grad=True)
    y = x * x
    (y * y + y + x).backward()
    assert x.grad == 4 * 27 + 2 * 3 + 1


def test_gradients_of_several_backward_calls_add_up():
    x = parameter(2)
    x.sum().backward()
    (3 * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [4, 4])


def test_a_leaf_can_be_the_result_itself():
    x, weights = parameter(2), np.array([2.0, 3.0])
    x.backward(weights)
    x.grad += 1
    assert weights.tolist() == [2, 3]
    single = Tensor(1.0, requires_grad=True)
    single.backward()
    single.backward()
    assert single.grad == 2


def test_only_leaves_that_ask_for_it_get_a_gradient():
    x, constant = parameter(2), Tensor(np.ones(2))
    middle = x * constant
    middle.sum().backward()
    assert x.grad is not None
    assert constant.grad is None
    assert middle.grad is None


def test_a_gradient_may_be_a_tensor_a_list_or_an_array():
    for gradient in (Tensor([1.0, 2.0]), [1.0, 2.0], np.array([1, 2])):
        x = parameter(2)
        (x * 3).backward(gradient)
        np.testing.assert_array_equal(x.grad, [3, 6])
        assert x.grad.dtype == np.float64


def test_parents_of_mixed_dtype_each_get_a_gradient_of_their_own():
    single, double = Tensor([1.0], requires_grad=True), parameter(1)
    (single * double).sum().backward()
    assert single.grad.dtype == np.float32
    assert double.grad.dtype == np.float64


def test_mutating_one_gradient_never_changes_another():
    a, b, c = (parameter(2) for _ in range(3))
    result = (a + b) * 2 + c.reshape(2) + a.detach()
    weights = np.ones(2)
    result.backward(weights)
    for x, rest in ((a, (b, c)), (b, (a, c)), (c, (a, b))):
        before = [y.grad.copy() for y in rest]
        x.grad *= 10
        assert all((y.grad == g).all() for y, g in zip(rest, before, strict=True))
    assert weights.tolist() == [1, 1]


@given(seeds)
def test_gradients_are_linear_in_the_gradient_that_comes_in(seed):
    rng = np.random.default_rng(seed)
    data, first, second = rng.standard_normal((3, 2, 3))

    def pulled(gradient):
        x = Tensor(data, requires_grad=True)
        (x.tanh() * x).backward(gradient)
        return x.grad

    np.testing.assert_allclose(pulled(first + 2 * second), pulled(first) + 2 * pulled(second), 1e-12)


def test_a_chain_of_20000_operations_works_backwards():
    x = parameter(2)
    y = x
    for _ in range(20_000):
        y = y + 0.5 * x
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [10_001, 10_001])


def test_a_chain_of_20000_operations_can_be_thrown_away_unused():
    x = parameter(2)
    y = x
    for _ in range(20_000):
        y = y.tanh()
    y = None
    gc.collect()
    assert x.grad is None


def test_results_that_nobody_holds_are_freed_at_once():
    x = parameter(2)
    middle = x * 2
    seen = weakref.ref(middle)
    result = middle.sum()
    del middle
    assert seen() is not None
    result.backward()
    assert seen() is None, "backward keeps the graph alive"


@given(broadcastable(2))
def test_unbroadcast_is_the_adjoint_of_broadcasting(pair):
    shape, other = pair
    full = np.broadcast_shapes(shape, other)
    x, g = np.random.default_rng(0).standard_normal(shape), np.random.default_rng(1).standard_normal(full)
    # <broadcast(x), g> = <x, unbroadcast(g)> defines it
    assert np.isclose((np.broadcast_to(x, full) * g).sum(), (x * unbroadcast(g, shape)).sum())
    assert unbroadcast(g, shape).shape == shape


# Without a graph ----------------------------------------------------------------------------------------------------
def test_within_no_grad_nothing_is_remembered():
    x = parameter(2)
    with no_grad():
        assert not (x * 2).requires_grad
        with no_grad():
            pass
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_when_its_block_fails():
    x = parameter(1)
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (x * 2).requires_grad


def test_no_grad_decorates_a_function():
    @no_grad()
    def double(x):
        return x * 2

    x = parameter(1)
    assert not double(x).requires_grad
    assert not double(x).requires_grad
    assert (x * 2).requires_grad


def test_detach_cuts_the_graph():
    x = Tensor(np.array(3.0), requires_grad=True)
    (x * x.detach()).backward()
    assert x.grad == 3


# Ties, kinks, repeated indices --------------------------------------------------------------------------------------
@pytest.mark.parametrize("axis", [0, 1, None])
def test_tied_extremes_share_their_gradient_as_torch_amax_does(axis):
    a = np.array([[1.0, 3.0, 3.0], [3.0, 3.0, 3.0], [1.0, 2.0, 3.0]])
    dims = (0, 1) if axis is None else axis
    equals_torch(lambda x: x.max(axis=axis), lambda t: t.amax(dims), [a])
    equals_torch(lambda x: x.min(axis=axis), lambda t: t.amin(dims), [a])


def test_ties_of_two_tensors_and_kinks_follow_torch():
    a, b = np.array([1.0, 2.0, 0.0]), np.array([1.0, 1.0, -0.0])
    equals_torch(maximum, torch.maximum, [a, b])
    equals_torch(lambda x: abs(x) + x.relu(), lambda t: t.abs() + t.relu(), [b - a])


def test_an_element_picked_twice_receives_both_gradients():
    x = parameter(3)
    x[[0, 0, 2]].backward(np.array([1.0, 10.0, 100.0]))
    np.testing.assert_array_equal(x.grad, [11, 0, 100])


@pytest.mark.parametrize("power", [0, 1, 2, 0.5, 3])
def test_powers_of_zero_have_torchs_gradient(power):
    with np.errstate(divide="ignore"):
        equals_torch(lambda x: x**power, lambda t: t**power, [np.array([0.0, 2.0])])


def test_a_tensor_of_exponents_may_hold_zeros():
    a, b = np.array([0.0, 2.0, 0.0]), np.array([2.0, 0.0, 0.0])
    equals_torch(lambda x, y: x**y, torch.pow, [a, b])


def test_means_of_nothing_are_nan_and_have_an_empty_gradient():
    x = parameter(0, 3)
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="empty slice"):
        result = x.mean()
    assert np.isnan(result.item())
    result.backward()
    x.mean(axis=1).backward(np.ones(0))
    assert x.grad.shape == (0, 3)


def test_sums_of_a_single_number_may_name_an_axis():
    equals_torch(lambda x: x.sum(axis=0) + x.max(axis=-1), lambda t: t.sum(0) + t.amax(-1), [np.array(2.0)])


# What goes wrong says what to do ------------------------------------------------------------------------------------
def test_shapes_that_do_not_broadcast_are_both_named():
    with pytest.raises(ValueError, match=r"^add: shapes \(2, 3\) and \(2,\) do not broadcast: read from the right"):
        parameter(2, 3) + parameter(2)
    with pytest.raises(ValueError, match=r"^where: shapes \(4,\) and \(3,\) and \(\) do not broadcast"):
        where(np.ones(4, bool), parameter(3), 0.0)


def test_matrices_that_do_not_fit_are_both_named():
    with pytest.raises(ValueError, match=r"^matmul: shapes \(2, 3\) and \(2, 3\) do not fit: the last length on the"):
        parameter(2, 3) @ parameter(2, 3)


def test_other_errors_of_numpy_come_through():
    with pytest.raises(ValueError, match=r"cannot reshape array of size 3 into shape \(2,2\)"):
        parameter(3).reshape(2, 2)


def test_backward_needs_a_single_number():
    with pytest.raises(
        RuntimeError, match=r"one number to start from, got shape \(2,\): reduce it first, as in loss\."
    ):
        (parameter(2) * 2).backward()


def test_backward_needs_something_to_differentiate():
    with pytest.raises(RuntimeError, match=r"nothing to differentiate: no tensor .* has requires_grad=True"):
        Tensor(1.0).backward()


def test_the_incoming_gradient_must_have_the_tensors_shape():
    with pytest.raises(ValueError, match=r"gradient must have the tensor's shape \(2,\), got \(3,\)"):
        (parameter(2) * 2).backward(np.ones(3))


def test_backward_twice_is_refused_also_through_a_shared_part():
    x = parameter(2)
    shared = x * 2
    first, second = shared.sum(), shared.mean()
    first.backward()
    for used in (first, second):
        with pytest.raises(RuntimeError, match="called before on this graph and freed it: compute the result again"):
            used.backward()
    np.testing.assert_array_equal(x.grad, [2, 2])


@pytest.mark.parametrize("data", [3, [1, 2], True, np.arange(2)])
def test_an_integer_cannot_require_a_gradient(data):
    with pytest.raises(TypeError, match=r"only floating-point tensors have a gradient, got \w+: write 3\.0 for 3, or"):
        Tensor(data, requires_grad=True)
    assert Tensor(data, requires_grad=True, dtype=float).requires_grad


@pytest.mark.parametrize("data", ["text", [None], [object()], np.array(["a"])])
def test_what_is_no_number_is_no_tensor(data):
    with pytest.raises(
        TypeError, match=r"a tensor holds numbers, got .*: pass numbers, nested lists of them or an array"
    ):
        Tensor(data)


def test_the_torch_helpers_copy():
    array = np.ones(2)
    to_torch(array).add_(1)
    (x,) = leaves([array])
    assert array.tolist() == x.data.tolist() == [1, 1]
