"""Normalisation and embeddings: what holds for every input, what they refuse; torch's numbers are in test_mirror."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given

from minilib.scratch import Tensor, nn, optim
from minilib.scratch import functional as F
from minilib.scratch.train import Diverged, fit
from tests.compare import to_torch
from tests.strategies import seeds


@given(seeds)
def test_a_row_is_brought_to_mean_0_and_variance_1_wherever_it_was(seed):
    rng = np.random.default_rng(seed)
    x = Tensor(rng.standard_normal((5, 16)))
    normal = F.layer_norm(x, (16,), eps=0).data
    np.testing.assert_allclose(normal.mean(-1), 0, atol=1e-12)
    np.testing.assert_allclose((normal**2).mean(-1), 1, 1e-12)
    np.testing.assert_allclose(F.layer_norm(x * 7 + 3, (16,), eps=0).data, normal, 1e-9, 1e-9)
    rms = F.rms_norm(x * 7, (16,), eps=0).data
    np.testing.assert_allclose((rms**2).mean(-1), 1, 1e-12)
    np.testing.assert_allclose(rms, F.rms_norm(x, (16,), eps=0).data, 1e-9, 1e-9)


@given(seeds)
def test_the_gradient_has_no_part_along_what_normalising_removes(seed):
    rng = np.random.default_rng(seed)
    x, g = Tensor(rng.standard_normal((5, 8)), requires_grad=True), rng.standard_normal((5, 8))
    y = F.layer_norm(x, (8,), eps=0)
    y.backward(g)
    np.testing.assert_allclose(x.grad.sum(-1), 0, atol=1e-12)
    np.testing.assert_allclose((x.grad * y.data).sum(-1), 0, atol=1e-10)


def test_layer_norm_looks_at_one_row_only_and_batch_norm_at_all():
    x = np.random.default_rng(0).standard_normal((4, 3))
    layer, batch = nn.LayerNorm(3), nn.BatchNorm1d(3)
    np.testing.assert_allclose(layer(Tensor(x)).data[:1], layer(Tensor(x[:1])).data, 1e-12)
    assert (batch(Tensor(x)).data[:2] != batch(Tensor(x[:2])).data).all()
    np.testing.assert_allclose(batch.eval()(Tensor(x)).data[:1], batch(Tensor(x[:1])).data, 1e-12)


@pytest.mark.parametrize("kind, shape", [("BatchNorm1d", (6, 3)), ("BatchNorm2d", (2, 3, 4, 5))])
def test_running_statistics_follow_torchs_over_ten_batches(kind, shape):
    ours, theirs = getattr(nn, kind)(3, momentum=0.3), getattr(torch.nn, kind)(3, momentum=0.3)
    for step in range(10):
        x = 2 + np.random.default_rng(step).standard_normal(shape).astype(np.float32)
        ours(Tensor(x)), theirs(to_torch(x))
    for name, expected in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name], expected.numpy(), 1e-5)
    assert ours.num_batches_tracked.item() == 10
    assert ours.state_dict()["num_batches_tracked"].dtype == np.int64


def test_buffers_are_state_but_no_parameters():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    names = ["running_mean", "running_var", "num_batches_tracked"]
    assert list(model.state_dict())[-3:] == [f"1.{name}" for name in names]
    assert [id(x) for x in model.buffers()] == [id(getattr(model[1], name)) for name in names]
    assert not any(x.requires_grad for x in model.buffers())
    other = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model(Tensor(np.random.default_rng(0).standard_normal((5, 2))))
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other[1].running_mean.data, model[1].running_mean.data)


def test_a_diverged_training_gives_back_finite_running_statistics_too():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 2)).astype(np.float32), rng.integers(0, 2, 8)
    batches = [(x, y), (x * np.float32(np.inf), y)]
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2, rng=rng))
    with pytest.raises(Diverged):
        fit(model, batches, F.cross_entropy, optim.SGD(model.parameters(), lr=0.1), epochs=1)
    assert all(np.isfinite(a).all() for a in model.state_dict().values())
    assert model[0].num_batches_tracked.item() == 1


# Embeddings ---------------------------------------------------------------------------------------------------------
def test_a_repeated_id_adds_up_its_gradients():
    weight = Tensor(np.arange(8.0).reshape(4, 2), requires_grad=True)
    rows = F.embedding([[1, 3], [1, 1]], weight)
    np.testing.assert_array_equal(rows.data, weight.data[[[1, 3], [1, 1]]])
    rows.backward(np.arange(8.0).reshape(2, 2, 2))
    np.testing.assert_array_equal(weight.grad, [[0, 0], [0 + 4 + 6, 1 + 5 + 7], [0, 0], [2, 3]])


@given(seeds)
def test_an_embedding_is_a_product_with_one_hot_rows(seed):
    rng = np.random.default_rng(seed)
    ids, values, g = rng.integers(0, 5, (3, 4)), rng.standard_normal((5, 2)), rng.standard_normal((3, 4, 2))
    one, two = Tensor(values, requires_grad=True), Tensor(values, requires_grad=True)
    F.embedding(Tensor(ids), one).backward(g)
    (Tensor(F.one_hot(ids, 5).astype(float)) @ two).backward(g)
    np.testing.assert_allclose(one.grad, two.grad, 1e-12, 1e-12)


# What they refuse ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("id", [7, -1, 100])
def test_an_id_outside_the_vocabulary_is_named_with_its_range(id):
    with pytest.raises(ValueError, match=f"id {id} is outside the vocabulary: with 7 entries, ids are 0 to 6"):
        nn.Embedding(7, 2)([[0, id]])


def test_ids_that_are_no_integers_are_refused():
    with pytest.raises(TypeError, match="ids must be integers, one token each, got float64"):
        nn.Embedding(7, 2)(np.array([0.0, 1.0]))


@pytest.mark.parametrize("make", [nn.LayerNorm, nn.RMSNorm])
def test_a_row_of_another_length_is_named(make):
    with pytest.raises(ValueError, match=r"_norm: normalized_shape is \(4,\), the input has shape \(2, 3\)"):
        make(4)(Tensor(np.zeros((2, 3))))


def test_batch_norm_needs_two_numbers_a_channel_in_training():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match=r"needs two numbers a channel in training, got shape \(1, 3\): call eval\(\)"):
        layer(Tensor(np.zeros((1, 3))))
    assert layer.num_batches_tracked.item() == 0
    assert layer.eval()(Tensor(np.zeros((1, 3)))).shape == (1, 3)


def test_batch_norm_refuses_other_axes():
    with pytest.raises(ValueError, match=r"BatchNorm1d takes \(B, C\) or \(B, C, L\), got \(2, 3, 4, 5\)"):
        nn.BatchNorm1d(3)(Tensor(np.zeros((2, 3, 4, 5))))
    with pytest.raises(ValueError, match=r"BatchNorm2d takes \(B, C, H, W\), got \(2, 3\)"):
        nn.BatchNorm2d(3)(Tensor(np.zeros((2, 3))))


def test_these_layers_print_their_sizes():
    assert repr(nn.Embedding(7, 2)) == repr(torch.nn.Embedding(7, 2))
    assert repr(nn.LayerNorm(4)) == "LayerNorm((4,), eps=1e-05)"
    assert repr(nn.RMSNorm(4)) == "RMSNorm((4,), eps=None)"
    assert repr(nn.BatchNorm2d(3)) == "BatchNorm2d(3, eps=1e-05, momentum=0.1)"
