"""Optimisers: what a step does, what they remember and refuse; that they are torch's is shown in test_mirror."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilib.scratch import nn, optim
from tests.strategies import arrays

EVERY = [
    lambda params: optim.SGD(params, lr=0.1),
    lambda params: optim.SGD(params, lr=0.05, momentum=0.9, nesterov=True),
    lambda params: optim.Adam(params, lr=0.1),
    lambda params: optim.AdamW(params, lr=0.1, weight_decay=0.0),
]
every_optimiser = pytest.mark.parametrize("make", EVERY, ids=["SGD", "nesterov", "Adam", "AdamW"])


def bowl(p):
    """The gradient of a quadratic with its lowest point at 3."""
    p.grad = np.array([1.0, 4.0]) * (p.data - 3)


@every_optimiser
def test_the_bottom_of_a_bowl_is_found(make):
    p = nn.Parameter(np.zeros(2))
    optimizer = make([p])
    for _ in range(300):
        bowl(p)
        optimizer.step()
    np.testing.assert_allclose(p.data, 3, atol=1e-2)
    optimizer.zero_grad()
    assert p.grad is None


@every_optimiser
def test_a_run_continued_from_a_state_equals_one_that_never_stopped(make):
    def steps(p, optimizer, n):
        for _ in range(n):
            bowl(p)
            optimizer.step()

    whole, first = nn.Parameter(np.zeros(2)), nn.Parameter(np.zeros(2))
    steps(whole, make([whole]), 7)
    optimizer = make([first])
    steps(first, optimizer, 3)
    state = optimizer.state_dict()
    steps(first, optimizer, 1)  # the state is a copy: this does not change it
    second = nn.Parameter(np.zeros(2))
    resumed = make([second])
    replay = nn.Parameter(np.zeros(2))
    steps(replay, make([replay]), 3)
    second.data[...] = replay.data
    resumed.load_state_dict(state)
    steps(second, resumed, 4)
    np.testing.assert_array_equal(second.data, whole.data)


@every_optimiser
def test_parameters_without_a_gradient_stay_and_float32_stays_float32(make):
    moved, still = (nn.Parameter(np.ones(2, np.float32)) for _ in range(2))
    optimizer = make([moved, still])
    optimizer.lr = np.float64(0.1)
    for _ in range(3):
        moved.grad = np.ones(2, np.float32)
        optimizer.step()
    assert moved.dtype == np.float32
    assert (moved.data < 1).all()
    assert (still.data == 1).all()


@every_optimiser
def test_a_step_changes_the_array_in_place_and_not_the_gradient(make):
    p = nn.Parameter(np.ones(2))
    array, gradient = p.data, np.ones(2)
    optimizer = make([p])
    for _ in range(2):
        p.grad = gradient
        optimizer.step()
    assert p.data is array
    assert gradient.tolist() == [1, 1]


@given(arrays((3,), 0.1, 5.0), st.sampled_from([-1, 1]), st.floats(1e-3, 1e3))
def test_adams_first_step_is_lr_whatever_the_gradients_size(gradient, sign, scale):
    p = nn.Parameter(np.zeros(3))
    p.grad = sign * scale * gradient
    optim.Adam([p], lr=0.01).step()
    np.testing.assert_allclose(p.data, -0.01 * sign, rtol=1e-3)


def test_adamw_decays_apart_from_the_gradient():
    p, q = nn.Parameter(np.array([2.0])), nn.Parameter(np.array([2.0]))
    p.grad, q.grad = np.array([5.0]), np.array([5.0])
    optim.AdamW([p], lr=0.1, weight_decay=0.5).step()
    optim.Adam([q], lr=0.1).step()
    np.testing.assert_allclose(p.data, q.data - 0.1 * 0.5 * 2)


@given(st.lists(arrays((2, 3), -10, 10), min_size=1, max_size=4), st.floats(0.01, 100))
def test_clipping_bounds_the_joint_length_and_keeps_the_direction(gradients, max_norm):
    params = [nn.Parameter(np.zeros((2, 3))) for _ in gradients]
    for p, g in zip(params, gradients, strict=True):
        p.grad = g
    flat = np.concatenate([g.ravel() for g in gradients])
    length = optim.clip_grad_norm_(iter(params), max_norm)
    clipped = np.concatenate([p.grad.ravel() for p in params])
    assert np.isclose(length, np.linalg.norm(flat))
    assert np.linalg.norm(clipped) <= max_norm * (1 + 1e-9) or length <= max_norm
    np.testing.assert_allclose(clipped, flat * min(1, max_norm / length), rtol=1e-3, atol=1e-9)


def test_clipping_keeps_float32_and_does_not_touch_shared_arrays():
    p = nn.Parameter(np.zeros(2, np.float32))
    p.grad = gradient = np.array([3, 4], np.float32)
    assert optim.clip_grad_norm_([p], 1.0) == 5
    assert p.grad.dtype == np.float32
    assert gradient.tolist() == [3, 4]


# What goes wrong says what to do ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "make, message",
    [
        (lambda p: optim.SGD(p, momentun=0.9), "SGD has no setting 'momentun'; did you mean 'momentum'? It takes lr, "),
        (
            lambda p: optim.Adam(p, beta=(0.9, 0.9)),
            "Adam has no setting 'beta'; did you mean 'betas'? It takes lr, betas",
        ),
        (lambda p: optim.AdamW(p, xyz=1), "AdamW has no setting 'xyz'. It takes lr, betas, eps, weight_decay"),
    ],
)
def test_an_unknown_setting_is_named_with_the_one_that_was_meant(make, message):
    with pytest.raises(TypeError) as error:
        make([nn.Parameter(np.ones(1))])
    assert str(error.value).startswith(message)


def test_no_parameters_is_an_error():
    model = nn.Linear(2, 2)
    used_up = model.parameters()
    list(used_up)
    with pytest.raises(ValueError, match=r"no parameters to optimise: pass model\.parameters\(\), a fresh one"):
        optim.SGD(used_up)


def test_a_negative_rate_is_an_error():
    with pytest.raises(ValueError, match=r"learning rate lr must not be negative, got -0\.1"):
        optim.Adam([nn.Parameter(np.ones(1))], lr=-0.1)


def test_nesterov_needs_momentum():
    with pytest.raises(ValueError, match="needs momentum > 0"):
        optim.SGD([nn.Parameter(np.ones(1))], nesterov=True)


def test_the_state_of_another_optimiser_is_refused_by_name():
    p = nn.Parameter(np.ones(1))
    with pytest.raises(ValueError, match=r"another optimiser or network: \['mean\.0', 'square\.0', 'velocity\.0'\]"):
        optim.SGD([p]).load_state_dict(optim.Adam([p]).state_dict())


def test_an_optimiser_without_update_says_so():
    p = nn.Parameter(np.ones(1))
    p.grad = np.ones(1)
    with pytest.raises(NotImplementedError, match=r"Optimizer must define update\(self, p, grad, \*memory\)"):
        optim.Optimizer([p], lr=0.1).step()
