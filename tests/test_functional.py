"""Activations, softmax and losses: what holds for every input, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minilib.scratch import Tensor
from minilib.scratch import functional as F
from tests.compare import equals_torch, to_torch
from tests.strategies import arrays, seeds, shapes

TF = torch.nn.functional
HUGE = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4], [-1e4, 3.0, 1e4]])
numbers = arrays(shapes(), -6, 6).map(Tensor)
rows = arrays(shapes(least_dims=1, most_dims=2, sides=st.integers(1, 4)), -6, 6).map(Tensor)


def close(a, b):
    np.testing.assert_allclose(getattr(a, "data", a), getattr(b, "data", b), 1e-10, 1e-12)


# Identities ---------------------------------------------------------------------------------------------------------
@given(numbers)
def test_activations_obey_their_identities(x):
    close(F.sigmoid(x) + F.sigmoid(-x), np.ones(x.shape))
    close(F.sigmoid(x), 0.5 + 0.5 * F.tanh(x / 2))
    close(F.softplus(x) - F.softplus(-x), x)
    close(F.relu(x) - F.relu(-x), x)
    close(F.leaky_relu(x, negative_slope=0.1), 0.9 * F.relu(x) + 0.1 * x)
    for form in ("none", "tanh"):
        close(F.gelu(x, approximate=form) - F.gelu(-x, approximate=form), x)
    assert np.abs((F.gelu(x) - F.gelu(x, approximate="tanh")).data).max(initial=0) < 1e-3


@given(rows, st.floats(-50, 50))
def test_softmax_is_a_distribution_that_a_shift_does_not_change(x, shift):
    probabilities = F.softmax(x)
    assert (probabilities.data >= 0).all()
    close(probabilities.sum(axis=-1), np.ones(x.shape[:-1]))
    close(F.softmax(x + shift), probabilities)
    close(F.logsumexp(x + shift), F.logsumexp(x) + shift)
    close(F.log_softmax(x).exp(), probabilities)
    close(x - F.logsumexp(x, keepdim=True), F.log_softmax(x))


@given(rows)
def test_the_gradient_of_logsumexp_is_softmax(x):
    x.requires_grad = True
    F.logsumexp(x).sum().backward()
    close(x.grad, F.softmax(x).data)


@given(seeds)
def test_cross_entropy_picks_from_log_softmax_and_its_gradient_is_softmax_minus_one_hot(seed):
    rng = np.random.default_rng(seed)
    logits, targets = Tensor(rng.standard_normal((5, 4)), requires_grad=True), rng.integers(0, 4, 5)
    loss = F.cross_entropy(logits, targets)
    loss.backward()
    close(loss, -F.log_softmax(logits).data[np.arange(5), targets].mean())
    close(logits.grad, (F.softmax(logits).data - F.one_hot(targets, 4)) / 5)
    close(F.cross_entropy(logits, Tensor(targets)), loss)


@given(arrays((6,), -9, 9), seeds)
def test_one_score_against_zero_costs_what_two_logits_do(scores, seed):
    targets = np.random.default_rng(seed).integers(0, 2, 6)
    two = np.stack([np.zeros(6), scores], 1)
    close(F.binary_cross_entropy_with_logits(Tensor(scores), targets), F.cross_entropy(Tensor(two), targets))


@given(arrays((3, 4)), arrays((2, 4)), arrays((2,)))
def test_linear_is_a_product_and_a_sum(x, weight, bias):
    close(F.linear(Tensor(x), Tensor(weight), Tensor(bias)), x @ weight.T + bias)
    close(F.linear(Tensor(x[0]), Tensor(weight)), weight @ x[0])


def test_guessing_evenly_among_ten_costs_ln_10():
    assert math.isclose(F.cross_entropy(Tensor(np.zeros((3, 10))), [0, 5, 9]).item(), math.log(10))


def test_one_hot_rows_hold_a_single_one():
    assert F.one_hot([[2], [0]], 3).tolist() == [[[0, 0, 1]], [[1, 0, 0]]]


# Extremes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "ours, theirs",
    [
        (F.softmax, lambda t: t.softmax(-1)),
        (F.log_softmax, lambda t: t.log_softmax(-1)),
        (F.logsumexp, lambda t: t.logsumexp(-1)),
        (F.sigmoid, torch.sigmoid),
        (F.tanh, torch.tanh),
        (F.softplus, TF.softplus),
        (F.gelu, TF.gelu),
        (lambda x: F.gelu(x, approximate="tanh"), lambda t: TF.gelu(t, approximate="tanh")),
        (lambda x: F.cross_entropy(x, [1, 0, 2, 0]), lambda t: TF.cross_entropy(t, torch.tensor([1, 0, 2, 0]))),
        (
            lambda x: F.binary_cross_entropy_with_logits(x, HUGE < 5),
            lambda t: TF.binary_cross_entropy_with_logits(t, to_torch(HUGE < 5).to(t.dtype)),
        ),
    ],
    ids=["softmax", "log_softmax", "logsumexp", "sigmoid", "tanh", "softplus", "gelu", "gelu tanh", "ce", "bce"],
)
def test_scores_of_ten_thousand_give_torchs_finite_numbers_and_gradients(ours, theirs, dtype):
    equals_torch(ours, theirs, [HUGE.astype(dtype)], rtol=1e-6, atol=1e-7)


def test_a_probability_of_zero_costs_a_finite_loss():
    logits = Tensor(np.array([[1e4, 0.0]]), requires_grad=True)
    assert F.softmax(logits).data[0, 1] == 0
    loss = F.cross_entropy(logits, [1])
    loss.backward()
    assert loss.item() == 1e4
    close(logits.grad, [[1, -1]])


def test_an_excluded_class_has_probability_zero_and_no_gradient():
    masked = np.array([[0.0, -np.inf, 1.0]])
    equals_torch(F.softmax, lambda t: t.softmax(-1), [masked])
    equals_torch(lambda x: F.cross_entropy(x, [2]), lambda t: TF.cross_entropy(t, torch.tensor([2])), [masked])


# Dropout ------------------------------------------------------------------------------------------------------------
def test_dropout_zeroes_a_share_p_and_keeps_the_mean():
    dropped = F.dropout(Tensor(np.ones(100_000)), 0.3, rng=np.random.default_rng(0)).data
    assert set(np.unique(dropped)) == {0, 1 / 0.7}
    assert abs((dropped == 0).mean() - 0.3) < 0.005
    assert abs(dropped.mean() - 1) < 0.01


def test_dropout_passes_its_gradient_through_the_same_holes():
    x = Tensor([1.0] * 50, requires_grad=True)
    dropped = F.dropout(x, 0.5, rng=np.random.default_rng(1))
    dropped.sum().backward()
    np.testing.assert_array_equal(x.grad, dropped.data)
    assert x.grad.dtype == np.float32


def test_dropout_does_nothing_when_not_training_or_at_zero():
    x, rng = Tensor([1.0, 2.0]), np.random.default_rng(0)
    assert F.dropout(x, 0.5, training=False, rng=rng) is x
    assert F.dropout(x, 0.0, rng=rng) is x


@pytest.mark.parametrize("p", [-0.1, 1.0, 50])
def test_dropout_refuses_a_share_that_is_none(p):
    with pytest.raises(ValueError, match=rf"needed 0 ≤ p < 1, got {p}"):
        F.dropout(Tensor([1.0]), p, rng=np.random.default_rng(0))


# Losses and their inputs --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("loss", [F.mse_loss, F.binary_cross_entropy_with_logits])
@pytest.mark.parametrize("target", [[0, 1], [False, True], np.array([0.0, 1.0]), Tensor([0.0, 1.0])], ids=repr)
def test_targets_of_any_kind_leave_a_float32_loss_in_float32(loss, target):
    x = Tensor([0.5, -0.5], requires_grad=True)
    result = loss(x, target)
    assert result.dtype == np.float32
    result.backward()
    assert np.isclose(result.item(), loss(Tensor([0.5, -0.5]), [0.0, 1.0]).item())


def test_the_target_of_a_squared_error_may_be_learnt_too():
    x, y = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 5.0], requires_grad=True)
    F.mse_loss(x, y).backward()
    np.testing.assert_array_equal(x.grad, [-2, -3])
    np.testing.assert_array_equal(y.grad, [2, 3])


@pytest.mark.parametrize("target", [3, -1, 7])
def test_a_label_out_of_range_is_named_with_the_range(target):
    with pytest.raises(ValueError, match=f"target {target} is out of range: with 3 classes, targets are 0 to 2"):
        F.cross_entropy(Tensor(np.zeros((2, 3))), [0, target])
    with pytest.raises(ValueError, match=f"target {target} is out of range"):
        F.one_hot(target, 3)


def test_labels_that_are_no_integers_are_refused():
    with pytest.raises(TypeError, match="targets must be integers, one class each, got float64"):
        F.cross_entropy(Tensor(np.zeros((2, 3))), [0.0, 1.0])


@pytest.mark.parametrize("logits, targets", [((2, 3, 4), (2, 3)), ((3,), ()), ((2, 3), (3,)), ((2, 3), (2, 3))])
def test_cross_entropy_names_the_shapes_that_it_needs_and_got(logits, targets):
    with pytest.raises(
        ValueError, match=r"needs logits \(B, V\) and targets \(B,\), got .*: reshape\(-1, V\)"
    ) as error:
        F.cross_entropy(Tensor(np.zeros(logits)), np.zeros(targets, int))
    assert f"{logits} and {targets}" in str(error.value)


@pytest.mark.parametrize("loss", [F.mse_loss, F.binary_cross_entropy_with_logits])
def test_a_target_of_another_shape_is_refused_even_where_it_would_broadcast(loss):
    with pytest.raises(
        ValueError, match=rf"^{loss.__name__}: input \(3, 1\) and target \(3,\) differ in shape; reshape"
    ):
        loss(Tensor(np.zeros((3, 1))), np.zeros(3))


def test_linear_names_the_features_that_it_takes():
    with pytest.raises(ValueError, match=r"linear: weight \(2, 3\) takes 3 features, the input has shape \(5, 4\)"):
        F.linear(Tensor(np.zeros((5, 4))), Tensor(np.zeros((2, 3))))


def test_a_bias_of_the_wrong_length_is_named():
    with pytest.raises(ValueError, match=r"linear: shapes \(5, 3\) and \(2, 3\) and \(4,\) do not broadcast"):
        F.linear(Tensor(np.zeros((5, 3))), Tensor(np.zeros((2, 3))), Tensor(np.zeros(4)))
