"""The rivals of a race run the same course: given our weights, they compute our logits."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from benchmarks import engine, gan, networks, rivals
from minilib.config import GPTConfig
from minilib.scratch import Tensor, nn
from minilib.scratch.attention import GPT

CONFIG = GPTConfig(vocab_size=7, context=6, d_model=8, nhead=2, num_layers=2)
RNG = np.random.default_rng(0)


def arrays(module):
    return {name: parameter.data for name, parameter in module.named_parameters()}


def test_the_convolutional_network_in_autograd_is_ours():
    model, x = networks.cnn(nn), RNG.random((3, 1, 28, 28), dtype=np.float32)
    *convolutions, weight, bias = arrays(model).values()
    np.testing.assert_allclose(rivals.cnn([*convolutions, weight.T, bias], x), model(Tensor(x)).data, atol=1e-5)


def test_the_lstm_in_autograd_is_ours():
    model, x = networks.lstm(nn), RNG.standard_normal((3, 5, 128)).astype(np.float32)
    w_ih, w_hh, b_ih, b_hh, head, bias = arrays(model).values()
    found = rivals.lstm([w_ih.T, w_hh.T, b_ih + b_hh, head.T, bias], x)
    np.testing.assert_allclose(found.reshape(3, 5, -1), model(Tensor(x)).data, atol=1e-5)


def test_the_gpt_in_autograd_is_ours():
    model, ids = GPT(CONFIG, rng=np.random.default_rng(0)), RNG.integers(0, 7, (2, 6))
    ours = arrays(model)
    order = ("norm1", "self_attn.in_proj_", "self_attn.out_proj", "norm2", "linear1", "linear2")
    params = [ours["token_embedding.weight"], ours["position_embedding.weight"]]
    for block in range(CONFIG.num_layers):
        for name in order:
            joint = "" if name.endswith("_") else "."
            params += [ours[f"blocks.{block}.{name}{joint}{kind}"].T for kind in ("weight", "bias")]
    params += [ours["norm.weight"], ours["norm.bias"], ours["head.weight"].T, ours["head.bias"]]
    made, forward = rivals.gpt(CONFIG)
    assert [p.shape for p in made] == [p.shape for p in params]
    np.testing.assert_allclose(forward(params, ids), model(ids).data.reshape(-1, 7), atol=1e-5)


def test_the_step_by_hand_is_ours():
    x, y = RNG.random((5, 20), dtype=np.float32), np.array([0, 3, 1, 2, 3])
    steps = [make((20, 6, 4), x, y) for make in (engine.numpy_engine, engine.by_hand)]
    losses = np.array([[step() for step in steps] for _ in range(50)])
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-5)
    assert losses[-1, 0] < losses[0, 0]


@pytest.mark.parametrize("name", networks.contests())
def test_every_engine_takes_a_step_and_ours_says_where_its_time_goes(name):
    rows, where = networks.race(name, rounds=1, repeat=1)
    assert [row["engine"] for row in rows] == ["minilib", "PyTorch eager", "HIPS autograd", "matrix products"]
    assert all(row["ms"] > 0 for row in rows)
    assert 0 < sum(where.values()) <= 1.01


def test_the_ring_counts_modes_good_samples_and_spread():
    rng = torch.Generator().manual_seed(0)
    real = gan.CENTRES.repeat(250, 1) + 0.1 * torch.randn(2000, 2, generator=rng)
    modes, good, spread = gan.score(real)
    assert modes == 8
    assert good == pytest.approx(1 - np.exp(-4.5), abs=0.01)
    assert spread == pytest.approx(0.97, abs=0.02)
    assert gan.score(gan.CENTRES[:1].repeat(2000, 1)) == (1, 1.0, 0.0)
    assert gan.score(torch.zeros(2000, 2))[:2] == (0, 0.0)


ARMS = [{**gan.COLLAPSES, **change} for change in gan.ONE.values()]
ARMS += [{**gan.MATCHED, **settings[0]} for settings in gan.RIVALS.values()]


@pytest.mark.parametrize("setting", ARMS, ids=str)
def test_every_arm_of_the_ring_plays_and_is_repeated_by_its_seed(setting):
    first, again = (gan.play(setting, 0, steps=3, every=2) for _ in range(2))
    assert len(first) == 2
    np.testing.assert_array_equal(first, again)
    assert np.isfinite(first[-1][1])


def test_the_stored_race_is_the_one_that_the_script_plays():
    stored = json.loads((gan.ROOT / "benchmarks" / "results" / "gan.json").read_text("utf8"))
    assert stored["steps"] == gan.STEPS
    assert list(stored["one"]) == list(gan.ONE)
    assert list(stored["rivals"]) == list(gan.RIVALS)
    for name, arm in stored["rivals"].items():
        assert len(arm["tuning"]) == len(gan.RIVALS[name]) * len(gan.RATES)
        assert len(arm["good"]) == len(gan.SEEDS)
