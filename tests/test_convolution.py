"""Convolution and pooling: what they are by definition, and what they refuse; torch's numbers are in test_mirror."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilib.scratch import Tensor, nn
from minilib.scratch import functional as F
from minilib.scratch.convolution import gather, scatter
from tests.strategies import seeds

few = st.integers(1, 3)


@given(few, few, few, st.integers(0, 2), seeds)
def test_a_convolution_is_its_seven_loops(height, width, stride, padding, seed):
    rng = np.random.default_rng(seed)
    x, weight, bias = (
        rng.standard_normal((2, 2, 5, 4)),
        rng.standard_normal((3, 2, height, width)),
        rng.standard_normal(3),
    )
    y = F.conv2d(Tensor(x), Tensor(weight), Tensor(bias), stride=stride, padding=padding).data
    padded = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    for b, o, i, j in np.ndindex(y.shape):
        total = bias[o]
        for c, u, v in np.ndindex(2, height, width):
            total += weight[o, c, u, v] * padded[b, c, i * stride + u, j * stride + v]
        assert np.isclose(y[b, o, i, j], total, 1e-12, 1e-12)


@given(few, few, few, st.integers(0, 2), seeds)
def test_scatter_is_the_transpose_of_gather(height, width, stride, padding, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 3, 5, 4))
    copies = gather(x, (height, width), stride, padding)
    other = rng.standard_normal(copies.shape)
    back = scatter(lambda i, j: other[:, i, j], x, (height, width), stride, padding)
    assert np.isclose((copies * other).sum(), (x * back).sum(), 1e-12, 1e-12)


@given(seeds)
def test_a_moved_picture_gives_a_moved_convolution(seed):
    rng = np.random.default_rng(seed)
    x, weight = np.zeros((1, 2, 9, 9)), Tensor(rng.standard_normal((3, 2, 3, 3)))
    x[:, :, 2:5, 2:5] = rng.standard_normal((2, 3, 3))
    there = F.conv2d(Tensor(np.roll(x, (2, 1), (2, 3))), weight, padding=1).data
    np.testing.assert_allclose(there, np.roll(F.conv2d(Tensor(x), weight, padding=1).data, (2, 1), (2, 3)), atol=1e-12)


def test_a_kernel_of_one_point_is_a_linear_layer_at_every_place():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((6, 3))
    y = F.conv2d(Tensor(x), Tensor(weight[:, :, None, None])).data
    np.testing.assert_allclose(y, np.einsum("oc,bchw->bohw", weight, x), 1e-12)


def test_pooling_before_or_after_a_relu_is_the_same():
    x = Tensor(np.random.default_rng(0).standard_normal((2, 3, 6, 6)))
    np.testing.assert_array_equal(F.max_pool2d(F.relu(x), 2).data, F.relu(F.max_pool2d(x, 2)).data)


def test_among_equals_the_first_receives_the_whole_gradient():
    x = Tensor(np.array([[[[1.0, 2.0], [2.0, 2.0]]]]), requires_grad=True)
    F.max_pool2d(x, 2).backward(np.full((1, 1, 1, 1), 5.0))
    np.testing.assert_array_equal(x.grad, [[[[0, 5], [0, 0]]]])


@given(st.integers(1, 3), st.sampled_from([None, 1, 2, 3]), seeds)
def test_pooling_conserves_the_gradient(size, stride, seed):
    x = Tensor(np.random.default_rng(seed).integers(0, 3, (2, 3, 5, 7)).astype(float), requires_grad=True)
    for pool in (F.max_pool2d, F.avg_pool2d):
        x.grad = None
        y = pool(x, size, stride)
        g = np.random.default_rng(seed).standard_normal(y.shape)
        y.backward(g)
        assert np.isclose(x.grad.sum(), g.sum(), 1e-12, 1e-12)


def test_activations_go_from_layer_to_layer_without_a_copy():
    x = Tensor(np.ones((2, 3, 8, 8), np.float32))
    for layer in (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(4), nn.AvgPool2d(3)):
        x = layer(x)
        assert x.data.swapaxes(0, 1).flags.c_contiguous, layer


def test_a_small_network_overfits_one_batch():
    from minilib.scratch import optim

    rng = np.random.default_rng(0)
    x, y = Tensor(rng.standard_normal((12, 1, 6, 6))), rng.integers(0, 3, 12)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, rng=rng), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(72, 3, rng=rng),
    )  # fmt: skip
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01


# What they refuse ---------------------------------------------------------------------------------------------------
def test_a_kernel_larger_than_its_input_is_named_with_both_sizes():
    x = Tensor(np.zeros((1, 1, 4, 2)))
    with pytest.raises(
        ValueError, match=r"^conv2d: a kernel of 3×5 is larger than its input of 4×2 with padding 1: use a"
    ):
        F.conv2d(x, Tensor(np.zeros((1, 1, 3, 5))), padding=1)
    with pytest.raises(
        ValueError, match=r"^max_pool2d: a kernel of 3×3 is larger than its input of 4×2: use a smaller"
    ):
        F.max_pool2d(x, 3)
    with pytest.raises(ValueError, match=r"^avg_pool2d: a kernel of 3×3 is larger than its input of 4×2"):
        nn.AvgPool2d(3)(x)


def test_channels_that_do_not_fit_are_named():
    with pytest.raises(
        ValueError, match=r"conv2d: weight \(4, 3, 2, 2\) takes \(B, 3, H, W\), the input is \(2, 1, 8, 8\)"
    ):
        F.conv2d(Tensor(np.zeros((2, 1, 8, 8))), Tensor(np.zeros((4, 3, 2, 2))))


def test_one_picture_without_its_batch_is_refused():
    with pytest.raises(
        ValueError, match=r"max_pool2d takes \(B, C, H, W\), got \(3, 4, 4\); for one picture use x\[None\]"
    ):
        F.max_pool2d(Tensor(np.zeros((3, 4, 4))), 2)
    with pytest.raises(ValueError, match=r"takes \(B, 3, H, W\), the input is \(3, 4, 4\)"):
        nn.Conv2d(3, 4, 2)(Tensor(np.zeros((3, 4, 4))))


def test_picture_layers_print_their_sizes():
    assert repr(nn.Conv2d(1, 16, 3, padding=1)) == "Conv2d(1, 16, kernel_size=3, stride=1, padding=1)"
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(kernel_size=2, stride=2)"
    assert repr(nn.AvgPool2d(3, 1)) == "AvgPool2d(kernel_size=3, stride=1)"
