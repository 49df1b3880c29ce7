"""The rivals of a race run the same course: given our weights, they compute our logits."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from benchmarks import engine, gan, gpu, networks, rivals, vocabulary
from benchmarks import gpt as pt_gpt
from minilib.config import GPTConfig
from minilib.scratch import Tensor, nn
from minilib.scratch.attention import GPT
from minilib.text import CharTokenizer

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


def test_the_plain_gpt_of_torchs_layers_is_ours():
    torch.manual_seed(0)
    ours = pt_gpt.GPT(CONFIG)
    theirs = pt_gpt.PlainGPT(CONFIG)
    theirs.load_state_dict(ours.state_dict())
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    torch.testing.assert_close(theirs(ids), ours(ids))
    found = pt_gpt.write_times(5, rounds=1)  # raises where the three ways write different texts
    assert found.keys() == {"cached", "uncached", "torch's layers"}


def test_the_judge_of_the_gpts_guesses_every_character_but_the_first_once():
    class Knows(torch.nn.Module):
        """Certain that the next is one more; sees no further than it may."""

        def forward(self, ids):
            return 20.0 * torch.nn.functional.one_hot((ids + 1) % 7, 7)

    ids = torch.arange(64 * 3 + 10) % 7
    right = pt_gpt.judge(Knows(), ids)
    wrong = ids.clone()
    wrong[-1] = (wrong[-1] + 1) % 7  # the last of all, in a short piece
    assert pt_gpt.judge(Knows(), wrong) - right == pytest.approx(20 / (len(ids) - 1), rel=1e-4)


def test_the_race_of_gpts_runs_from_start_to_end(monkeypatch):
    text = torch.arange(3000) % 7
    monkeypatch.setattr(pt_gpt, "corpus", lambda: (CharTokenizer("abcdefg"), text))
    monkeypatch.setattr(pt_gpt, "FORMS", {name: pt_gpt.FORMS[name] for name in ("plain", "lean", "lean + QK-norm")})
    monkeypatch.setattr(pt_gpt, "RATES", (1e-3, 3e-3))
    monkeypatch.setattr(pt_gpt, "SEEDS", (0, 1))
    with ThreadPoolExecutor(1) as pool:
        found = pt_gpt.race(pool, {"plain": 1.0, "lean": 1.5, "lean + QK-norm": 2.0}, share=0.003)
    assert found["rates"].keys() == {"plain", "lean"}
    assert found["race"]["lean"]["steps"] == {"equal time": 4, "equal steps": 6, "few steps": 1}
    losses = [x for row in found["race"].values() for what in row["steps"] for x in row[what]]
    assert len(losses) == 14 and all(0 < x < 3 for x in losses)


def test_what_a_gpu_would_measure_runs_here_in_small():
    found = gpu.measure(gpu.TINY, torch.device("cpu"), compiled=False)  # a compiler takes a minute
    assert not [name for name, part in found.items() if isinstance(part, str)], found
    assert all(row["tokens/s"] > 0 for row in found["training"].values())
    assert found["agreement"] == 0 and len(found["larger"]["samples"]) == 3


def test_without_a_gpu_the_script_says_so(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gpu", "--device", "cuda:7"])
    with pytest.raises(SystemExit, match="no GPU was found"):
        gpu.main()


def test_the_control_of_the_vocabulary_race_reads_as_many_bytes_a_step():
    windows = {name: window * batch for name, (_, window, batch) in vocabulary.RIVALS.items()}
    assert windows["256, far"] == windows["256"] == windows["1,024"] == windows["4,096"]


def test_the_models_of_the_vocabulary_race_learn_in_turn():
    ids = np.tile(np.arange(5), 60)
    runners = [vocabulary.Runner(name, ids, 4e-3, 0.2, 0) for name in ("256", "256, far")]
    untrained = [vocabulary.losses(runner.model, ids, runner.window).mean() for runner in runners]
    vocabulary.race(runners)
    for runner, before in zip(runners, untrained, strict=True):
        assert runner.steps >= 5 and runner.used >= runner.seconds
        found = vocabulary.losses(runner.model, ids, runner.window)
        assert len(found) == len(ids) - 1 and found.mean() < before - 0.5
