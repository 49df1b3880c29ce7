"""The GPT in PyTorch: the NumPy GPT's numbers, every form that a configuration can ask for, what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from minilib.config import GPTConfig
from minilib.pt.transformer import GPT
from minilib.scratch import attention as scratch
from minilib.scratch import functional as SF
from tests.compare import to_torch
from tests.test_mirror import in_float64

SMALL = GPTConfig(vocab_size=11, context=8, d_model=12, nhead=3, num_layers=2)
LEAN = {"positions": "rope", "activation": "relu2", "bias": False, "init": "fan_in"}
LLAMA = {
    "positions": "rope", "norm": "rms", "activation": "swiglu", "bias": False, "nhead": 6, "num_kv_heads": 2,
}  # fmt: skip
FORMS = {
    "plain": {},
    "post-norm": {"norm_first": False},
    "tied": {"tied": True},
    "GPT-2": {"tied": True, "head_bias": False},
    "lean": LEAN,
    "lean with QK-norm": {**LEAN, "qk_norm": True},
    "like Llama": LLAMA,
    "like Llama, tied": {**LLAMA, "tied": True},
}
every_form = pytest.mark.parametrize("form", FORMS)
IDS = np.random.default_rng(1).integers(0, 11, (2, 8))
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))]


def tiny(seed=0, lively=True, **changes):
    """A small GPT in float64, with weights far enough from the start that every part matters."""
    torch.manual_seed(seed)
    model = GPT(replace(SMALL, **changes)).double()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.3 * torch.randn_like(p) * lively
    return model


# The mirror -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", ["plain", "post-norm", "tied"])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("towards", ["torch", "NumPy"])
def test_with_the_same_weights_both_gpts_have_the_same_logits_and_gradients(form, device, towards):
    theirs = tiny(**FORMS[form]).to(device)
    ours = in_float64(scratch.GPT(theirs.config, rng=np.random.default_rng(0)))
    if towards == "torch":
        theirs.load_state_dict({name: torch.tensor(a) for name, a in ours.state_dict().items()})
    else:
        ours.load_state_dict({name: x.cpu() for name, x in theirs.state_dict().items()})
    inputs, targets = IDS[:, :-1], IDS[:, 1:]
    mine, other = ours(inputs), theirs(to_torch(inputs).to(device))
    np.testing.assert_allclose(mine.data, other.detach().cpu().numpy(), 1e-9, 1e-9)
    SF.cross_entropy(mine.reshape(-1, 11), targets.ravel()).backward()
    F.cross_entropy(other.flatten(0, 1), to_torch(targets.ravel()).to(device)).backward()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for (our_name, p), (their_name, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert our_name == their_name
        np.testing.assert_allclose(p.grad, q.grad.cpu().numpy(), 1e-9, 1e-9)


@pytest.mark.parametrize("tied", [False, True])
def test_both_gpts_start_with_the_same_spread(tied):
    config = GPTConfig(vocab_size=1000, tied=tied)
    torch.manual_seed(0)
    ours, theirs = scratch.GPT(config, rng=np.random.default_rng(0)).state_dict(), GPT(config).state_dict()
    for name, expected in theirs.items():
        assert ours[name].std() == pytest.approx(expected.std().item(), rel=0.15, abs=1e-12), name


def test_a_tied_head_is_the_embedding_also_after_loading():
    model, other = tiny(tied=True), tiny(seed=1, tied=True)
    other.load_state_dict(model.state_dict())
    assert other.head.weight is other.token_embedding.weight
    assert torch.equal(other(to_torch(IDS)), model(to_torch(IDS)))


# Forms ----------------------------------------------------------------------------------------------------------------
@every_form
def test_a_later_token_does_not_change_an_earlier_prediction(form):
    model, ids = tiny(**FORMS[form]), to_torch(IDS)
    before = model(ids)
    ids[:, 5] = (ids[:, 5] + 1) % 11
    after = model(ids)
    torch.testing.assert_close(after[:, :5], before[:, :5], rtol=1e-12, atol=1e-12)
    assert (after[:, 5:] != before[:, 5:]).all()


@every_form
def test_the_order_of_what_came_before_matters(form):
    model = tiny(**FORMS[form])
    one, two = model(torch.tensor([[1, 2, 3, 4]])), model(torch.tensor([[2, 1, 3, 4]]))
    assert (one[:, -1] - two[:, -1]).abs().max() > 1e-3


@every_form
@pytest.mark.parametrize("parts", [[8], [1] * 8, [1, 7], [5, 1, 2]])
def test_cached_equals_uncached_in_all_positions(form, parts):
    model, ids = tiny(**FORMS[form]), to_torch(IDS)
    cache = model.new_cache()
    with torch.no_grad():
        found = torch.cat([model(part, cache) for part in ids.split(parts, 1)], 1)
        torch.testing.assert_close(found, model(ids), rtol=1e-10, atol=1e-10)


@every_form
def test_every_parameter_learns_and_one_batch_is_overfitted(form):
    model, ids = tiny(lively=False, **{"d_model": 24, **FORMS[form]}).float(), to_torch(IDS)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(80):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        optimizer.step()
    assert loss < 0.3  # the first tokens cannot be told apart
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


@every_form
def test_bfloat16_changes_little(form):
    model, ids = tiny(**FORMS[form]), to_torch(IDS)
    exact = model(ids)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model.float()(ids)
    assert (mixed - exact).abs().max() < 0.15 * exact.std()
    assert (model.bfloat16()(ids) - exact).abs().max() < 0.25 * exact.std()


def test_a_configuration_gives_the_parameters_that_its_form_has():
    names = {form: set(GPT(replace(SMALL, **changes)).state_dict()) for form, changes in FORMS.items()}
    assert names["plain"] - names["GPT-2"] == {"head.bias"}
    assert not [name for name in names["lean"] | names["like Llama"] if "bias" in name or "position" in name]
    assert names["lean"] == names["lean with QK-norm"] == names["like Llama"]
    assert isinstance(GPT(replace(SMALL, norm="rms")).norm, nn.RMSNorm)


def test_qk_norm_counts():
    plain, normed = tiny(**LEAN), tiny(**LEAN, qk_norm=True)
    assert (plain(to_torch(IDS)) - normed(to_torch(IDS))).abs().max() > 1e-3


def test_a_lean_gpt_starts_with_blocks_that_add_nothing_and_matrices_that_keep_the_size():
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=84, **LEAN))
    x = torch.randn(2, 5, 128)
    for block in model.blocks:
        assert torch.equal(block(x), x)
        for weight in (block.self_attn.in_proj_weight, block.linear1.weight):
            assert weight.std().item() == pytest.approx(1 / math.sqrt(128), rel=0.03)
    assert model.head.weight.std().item() == pytest.approx(1 / math.sqrt(128), rel=0.03)
    assert model.token_embedding.weight.std().item() == pytest.approx(1, rel=0.03)


# What is refused ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "changes, words",
    [
        ({"d_model": 130}, "d_model=130 is not divisible by nhead=4; try 128 or 132"),
        ({"d_model": 2}, "d_model=2 is not divisible by nhead=4; try 4$"),
        ({"nhead": 0}, "nhead must be 1 or more, got 0"),
        ({"num_kv_heads": 3}, "num_kv_heads=3 does not divide nhead=4; choose among 1, 2, 4"),
        ({"num_kv_heads": 0}, "num_kv_heads=0 does not divide nhead=4; choose among 1, 2, 4"),
        ({"norm": "batch"}, "norm='batch' is not known; choose among layer, rms"),
        ({"positions": "sinus"}, "positions='sinus' is not known; choose among learned, rope"),
        ({"activation": "relu"}, "activation='relu' is not known; choose among gelu, relu2, swiglu"),
        ({"init": "zero"}, "init='zero' is not known; choose among torch, fan_in"),
        ({"positions": "rope", "d_model": 12}, r"a head must be even, got d_model / nhead = 3; try d_model=16"),
    ],
)
def test_a_configuration_that_cannot_be_built_says_why(changes, words):
    with pytest.raises(ValueError, match=words):
        GPTConfig(vocab_size=5, **changes)


@pytest.mark.parametrize("positions", ["learned", "rope"])
def test_a_sequence_longer_than_the_context_is_refused(positions):
    model = tiny(positions=positions)
    with pytest.raises(ValueError, match=r"a sequence of 9 exceeds the context of 8: cut it, as in ids\[:, -8:\]"):
        model(torch.zeros(1, 9, dtype=torch.int64))
    cache = model.new_cache()
    model(to_torch(IDS), cache)
    with pytest.raises(ValueError, match="a sequence of 9 exceeds the context of 8"):
        model(to_torch(IDS[:, :1]), cache)


def test_ids_of_another_vocabulary_are_named():
    with pytest.raises(ValueError, match="ids go from 0 to 50, but this GPT's vocabulary knows 0 to 10: take the tok"):
        tiny()(torch.tensor([[0, 50, 3]]))
    with pytest.raises(ValueError, match="ids go from -1 to 3,"):
        tiny()(torch.tensor([[3, -1]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.bool])
def test_ids_that_are_no_whole_numbers_are_refused(dtype):
    with pytest.raises(ValueError, match=rf"ids must be whole numbers, int64 or int32, got {dtype}: convert them"):
        tiny()(torch.zeros(1, 3, dtype=dtype))
    assert tiny()(torch.zeros(1, 3, dtype=torch.int32)).shape == (1, 3, 11)
