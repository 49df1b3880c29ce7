"""Recurrent layers: states, gates and memory; torch's numbers are in test_mirror, gradients in test_gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from minilib.scratch import Tensor, nn, no_grad, optim
from minilib.scratch import functional as F
from tests.compare import to_torch

LAYERS = [nn.RNN, nn.GRU, nn.LSTM]
every_layer = pytest.mark.parametrize("make", LAYERS, ids=lambda make: make.__name__)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def in_float64(layer):
    for p in layer.parameters():
        p.data = p.data.astype(np.float64)
    return layer


def states_of(state):
    return state if isinstance(state, tuple) else (state,)


@every_layer
def test_a_sequence_may_be_read_in_two_parts(make):
    layer, x = in_float64(make(3, 4)), Tensor(numbers(7, 2, 3))
    whole, last = layer(x)
    first, state = layer(x[:3])
    second, end = layer(x[3:], state)
    np.testing.assert_allclose(np.concatenate([first.data, second.data]), whole.data, 1e-12)
    for a, b in zip(states_of(end), states_of(last), strict=True):
        np.testing.assert_allclose(a.data, b.data, 1e-12)


@every_layer
def test_the_gradient_passes_through_a_state_that_is_handed_on(make):
    x = numbers(6, 2, 3)
    gradients = []
    for cut in (6, 2):
        layer = in_float64(make(3, 4, rng=np.random.default_rng(5)))
        rest, state = Tensor(x), None
        losses = []
        for part in (rest[:cut], rest[cut:]):
            if len(part):
                output, state = layer(part, state)
                losses.append((output**2).sum())
        sum(losses[1:], losses[0]).backward()
        gradients.append([p.grad for p in layer.parameters()])
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_allclose(a, b, 1e-10, 1e-12)


@every_layer
def test_states_given_from_outside_and_their_gradients_are_torchs(make):
    ours, theirs = in_float64(make(3, 4, batch_first=True)), getattr(torch.nn, make.__name__)(3, 4, batch_first=True)
    theirs.double().load_state_dict({name: to_torch(a) for name, a in ours.state_dict().items()})
    x, start = numbers(2, 5, 3), [numbers(1, 2, 4, seed=i) for i in range(2 if make is nn.LSTM else 1)]
    mine, other = [Tensor(s, requires_grad=True) for s in start], [to_torch(s, True) for s in start]
    output, end = ours(Tensor(x), tuple(mine) if len(mine) > 1 else mine[0])
    expected, last = theirs(to_torch(x), tuple(other) if len(other) > 1 else other[0])
    (output.sum() + sum((s**2).sum() for s in states_of(end))).backward()
    (expected.sum() + sum((s**2).sum() for s in states_of(last))).backward()
    np.testing.assert_allclose(output.data, expected.detach().numpy(), 1e-9, 1e-9)
    for a, b in zip(mine, other, strict=True):
        np.testing.assert_allclose(a.grad, b.grad.numpy(), 1e-9, 1e-9)


@every_layer
def test_no_step_depends_on_a_later_one(make):
    layer, x = make(3, 4, batch_first=True), numbers(2, 6, 3)
    before = layer(Tensor(x))[0].data
    x[:, 4:] += 1
    after = layer(Tensor(x))[0].data
    np.testing.assert_array_equal(after[:, :4], before[:, :4])
    assert (after[:, 4:] != before[:, 4:]).any()


def test_a_cell_with_open_forget_gate_and_closed_input_keeps_its_value_and_its_gradient():
    layer = in_float64(nn.LSTM(1, 3))
    layer.bias_ih_l0.data[:] = np.repeat([-50.0, 50.0, 0.0, 50.0], 3)  # i, f, g, o
    c = Tensor(numbers(1, 2, 3), requires_grad=True)
    _, (_, end) = layer(Tensor(numbers(100, 2, 1)), (Tensor(np.zeros((1, 2, 3))), c))
    np.testing.assert_allclose(end.data, c.data, 1e-12)
    end.sum().backward()
    np.testing.assert_allclose(c.grad, np.ones((1, 2, 3)), 1e-12)


def test_a_gru_with_a_closed_update_gate_keeps_its_state():
    layer = in_float64(nn.GRU(1, 3))
    layer.bias_ih_l0.data[3:6] = 50
    h = Tensor(numbers(1, 2, 3))
    np.testing.assert_allclose(layer(Tensor(numbers(20, 2, 1)), h)[1].data, h.data, 1e-12)


@every_layer
def test_huge_inputs_saturate_and_do_not_overflow(make):
    layer, x = make(2, 3), Tensor(np.full((4, 1, 2), 1e4, np.float32), requires_grad=True)
    output, _ = layer(x)
    output.sum().backward()
    assert np.isfinite(output.data).all()
    assert np.isfinite(x.grad).all()


@every_layer
def test_a_layer_starts_within_torchs_bounds(make):
    layer = make(10, 100, rng=np.random.default_rng(0))
    for p in layer.parameters():
        assert np.abs(p.data).max() <= 0.1
        assert abs(p.data.std() / (0.1 / np.sqrt(3)) - 1) < 0.1


@every_layer
def test_a_layer_learns_to_recall_the_first_sign(make):
    rng = np.random.default_rng(0)
    layer, head = make(1, 16, batch_first=True, rng=rng), nn.Linear(16, 2, rng=rng)
    model = nn.Sequential(layer, head)
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        x = 0.3 * rng.standard_normal((32, 6, 1)).astype(np.float32)
        y = rng.integers(0, 2, 32)
        x[:, 0, 0] = 2 * y - 1
        optimizer.zero_grad()
        loss = F.cross_entropy(head(layer(Tensor(x))[0][:, -1]), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


# What they refuse ---------------------------------------------------------------------------------------------------
@every_layer
def test_inputs_of_another_shape_are_refused(make):
    name = make.__name__
    with pytest.raises(
        ValueError, match=rf"{name} needs \(T, B, D\) with D = 3 and at least one step, got \(2, 5, 4\)"
    ):
        make(3, 4)(Tensor(np.zeros((2, 5, 4))))
    with pytest.raises(ValueError, match=rf"{name} needs \(B, T, D\) with D = 3 and at least one step, got \(5, 3\)"):
        make(3, 4, batch_first=True)(Tensor(np.zeros((5, 3))))
    with pytest.raises(ValueError, match=r"at least one step, got \(2, 0, 3\)"):
        make(3, 4, batch_first=True)(Tensor(np.zeros((2, 0, 3))))


@every_layer
def test_a_state_of_another_shape_is_named_with_the_needed_one(make):
    state = Tensor(np.zeros((2, 4)))
    with pytest.raises(
        ValueError, match=rf"{make.__name__}: a state has shape \(1, B, H\) = \(1, 2, 4\), got \(2, 4\)"
    ):
        make(3, 4)(Tensor(np.zeros((5, 2, 3))), (state, state) if make is nn.LSTM else state)


@every_layer
def test_an_empty_batch_passes(make):
    layer = make(3, 4, batch_first=True)
    with no_grad():
        output, state = layer(Tensor(np.zeros((0, 5, 3), np.float32)))
    assert output.shape == (0, 5, 4)
    assert all(s.shape == (1, 0, 4) for s in states_of(state))


def test_recurrent_layers_print_their_sizes():
    assert repr(nn.LSTM(2, 3, batch_first=True)) == repr(torch.nn.LSTM(2, 3, batch_first=True))
    assert repr(nn.RNN(2, 3)) == repr(torch.nn.RNN(2, 3))
