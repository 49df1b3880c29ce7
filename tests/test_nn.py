"""Modules: how they find parameters, hold their state and behave in training; their numbers are in test_mirror."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from minilib.scratch import Tensor, init, nn


class Net(nn.Module):
    def __init__(self, rng):
        self.scale = nn.Parameter(np.ones(3, np.float32))
        self.hidden = nn.Linear(4, 3, rng=rng)
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(3, 2, rng=rng))
        self.name, self.unused = "net", None

    def forward(self, x):
        return self.head(self.hidden(x) * self.scale)


@pytest.fixture
def net():
    return Net(np.random.default_rng(0))


def test_parameters_are_found_in_order_under_dotted_names(net):
    expected = ["scale", "hidden.weight", "hidden.bias", "head.1.weight", "head.1.bias"]
    assert [name for name, _ in net.named_parameters()] == expected
    assert [name for name, _ in net.named_parameters("a.")] == [f"a.{name}" for name in expected]
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in net.parameters())
    assert [type(m).__name__ for m in net.modules()] == ["Net", "Linear", "Sequential", "ReLU", "Linear"]


def test_every_parameter_receives_a_gradient_and_loses_it(net):
    net(Tensor(np.ones((2, 4), np.float32))).sum().backward()
    assert all(p.grad.shape == p.shape and p.grad.dtype == np.float32 for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_a_frozen_parameter_receives_none(net):
    net.hidden.weight.requires_grad = False
    net(Tensor(np.ones((2, 4), np.float32))).sum().backward()
    assert net.hidden.weight.grad is None
    assert net.hidden.bias.grad is not None


def test_the_state_is_a_copy_that_restores_the_outputs(net):
    x = Tensor(np.ones((2, 4), np.float32))
    before, state = net(x).data, net.state_dict()
    for p in net.parameters():
        p.data += 1
    assert not np.allclose(net(x).data, before)
    net.load_state_dict(state)
    np.testing.assert_array_equal(net(x).data, before)


def test_loading_keeps_each_parameters_dtype_and_identity(net):
    weight = net.hidden.weight
    net.load_state_dict({name: a.astype(np.float64) for name, a in net.state_dict().items()})
    assert net.hidden.weight is weight
    assert weight.dtype == np.float32


def test_a_state_that_does_not_fit_is_named_in_full_and_changes_nothing(net):
    before = net.state_dict()
    state = {name: a + 1 for name, a in before.items() if name != "scale"}
    state |= {"hidden.weight": np.ones((4, 3)), "extra": np.ones(1)}
    with pytest.raises(ValueError) as error:
        net.load_state_dict(state)
    assert str(error.value) == (
        "the weights do not fit this network: scale is missing; extra is not in this network; "
        "hidden.weight has shape (4, 3), needed (3, 4)"
    )
    for name, a in net.state_dict().items():
        np.testing.assert_array_equal(a, before[name])


def test_the_same_rng_gives_the_same_network_and_none_gives_another():
    one, two = (Net(np.random.default_rng(3)).state_dict() for _ in range(2))
    assert all((one[name] == two[name]).all() for name in one)
    assert (nn.Linear(3, 3).weight.data != nn.Linear(3, 3).weight.data).any()


def test_a_copied_network_is_independent(net):
    twin = copy.deepcopy(net)
    twin.scale.data[:] = 9
    assert (net.scale.data == 1).all()


def test_train_and_eval_reach_every_module(net):
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())


def test_dropout_acts_only_in_training():
    x, layer = Tensor(np.ones(1000, np.float32)), nn.Dropout(0.25, rng=np.random.default_rng(0))
    assert 0.2 < (layer(x).data == 0).mean() < 0.3
    assert (layer(x).data != layer(x).data).any()
    assert layer.eval()(x) is x
    assert repr(layer) == "Dropout(p=0.25)"
    assert repr(nn.Dropout()) == "Dropout(p=0.5)"


def test_dropout_draws_from_the_rng_that_it_is_given():
    x = Tensor(np.ones(100, np.float32))
    one, two = (nn.Dropout(0.5, rng=np.random.default_rng(3))(x).data for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("p", [-0.5, 1, 2])
def test_dropout_refuses_an_impossible_share_when_it_is_made(p):
    with pytest.raises(ValueError, match=rf"p is the share of elements dropped: needed 0 ≤ p < 1, got {p}"):
        nn.Dropout(p)


def test_a_sequence_has_a_length_and_members_also_after_training():
    layers = [nn.Linear(2, 2), nn.Tanh(), nn.Flatten()]
    model = nn.Sequential(*layers)
    assert len(model) == len(model.eval()) == 3
    assert [model[0], model[1], model[-1]] == layers
    assert len(nn.Sequential()) == 0


def test_a_module_without_forward_says_so():
    class Lazy(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Lazy must define forward\(self, \.\.\.\)"):
        Lazy()(1)
    assert repr(Lazy()) == "Lazy()"


def test_networks_print_as_a_tree(net):
    assert repr(net) == (
        "Net(\n  (hidden): Linear(in_features=4, out_features=3, bias=True)\n  (head): Sequential(\n    (0): ReLU()\n"
        "    (1): Linear(in_features=3, out_features=2, bias=True)\n  )\n)"
    )


@pytest.mark.parametrize("scheme", [init.kaiming_normal_, init.xavier_normal_])
def test_a_signal_keeps_its_spread_through_twenty_layers(scheme):
    rng = np.random.default_rng(0)
    x = Tensor(rng.standard_normal((200, 256)))
    for _ in range(20):
        layer = nn.Linear(256, 256, bias=False)
        options = {"nonlinearity": "relu"} if scheme is init.kaiming_normal_ else {}
        scheme(layer.weight, **options, rng=rng)
        x = layer(x).relu() if options else layer(x)
    assert 0.5 < (x.data**2).mean() < 2


def test_fans_need_a_matrix():
    with pytest.raises(ValueError, match=r"need a weight of two or more axes, got shape \(3,\)"):
        init.xavier_normal_(Tensor(np.ones(3)), rng=np.random.default_rng(0))


def test_an_unknown_nonlinearity_lists_the_known_ones():
    with pytest.raises(
        ValueError, match="no gain is known for 'swish'; known: linear, sigmoid, tanh, relu, leaky_relu"
    ):
        init.calculate_gain("swish")
