"""Attention and its block in PyTorch: the NumPy one's numbers, and what only this half has."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from minilib.pt.attention import (
    ACTIVATIONS,
    KVCache,
    LearnedPositions,
    MultiHeadAttention,
    TransformerBlock,
    rotate,
    rotation,
    swiglu,
)
from minilib.scratch import attention as scratch
from tests.compare import equals_torch, to_torch
from tests.test_mirror import in_float64

rng = np.random.default_rng(0)
LOOK = np.tri(4, dtype=bool) | np.eye(4, k=1, dtype=bool)


def numbers(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


# (NumPy's, torch's, shape of the input, options of the call)
PAIRS = {
    "MultiHeadAttention": (scratch.MultiHeadAttention(6, 3), MultiHeadAttention(6, 3), (2, 4, 6), {}),
    "causal": (scratch.MultiHeadAttention(6, 2), MultiHeadAttention(6, 2), (2, 4, 6), {"is_causal": True}),
    "masked": (scratch.MultiHeadAttention(6, 2), MultiHeadAttention(6, 2), (2, 4, 6), {"attn_mask": LOOK}),
    "TransformerBlock": (scratch.TransformerBlock(6, 2), TransformerBlock(6, 2), (2, 4, 6), {"is_causal": True}),
    "post-norm": (
        scratch.TransformerBlock(6, 3, 5, norm_first=False), TransformerBlock(6, 3, 5, norm_first=False), (2, 4, 6), {},
    ),
    "LearnedPositions": (scratch.LearnedPositions(5, 4), LearnedPositions(5, 4), (2, 3, 4), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("towards", ["torch", "NumPy"])
def test_with_the_same_weights_both_halves_have_the_same_outputs_and_gradients(name, towards):
    ours, theirs, shape, options = PAIRS[name]
    ours, theirs = in_float64(ours), theirs.double()
    if towards == "torch":
        theirs.load_state_dict({key: to_torch(a) for key, a in ours.state_dict().items()})
    else:
        ours.load_state_dict(theirs.state_dict())
    for p in (*ours.parameters(), *theirs.parameters()):
        p.grad = None
    there = {key: to_torch(x) if isinstance(x, np.ndarray) else x for key, x in options.items()}
    equals_torch(lambda x: ours(x, **options), lambda x: theirs(x, **there), [rng.standard_normal(shape)])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for (our_name, p), (their_name, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert our_name == their_name
        np.testing.assert_allclose(p.grad, q.grad.numpy(), 1e-9, 1e-9)


def test_both_halves_take_the_same_arguments_and_say_what_they_are():
    with pytest.raises(ValueError, match="embed_dim=130 is not divisible by num_heads=4; try 128 or 132"):
        MultiHeadAttention(130, 4)
    assert repr(LearnedPositions(5, 4)) == repr(scratch.LearnedPositions(5, 4))


def test_an_attention_starts_as_torchs_does():
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(64, 4), nn.MultiheadAttention(64, 4)
    for name, expected in theirs.state_dict().items():
        assert abs(ours.state_dict()[name].std() - expected.std()) < 0.002


def test_dropout_acts_in_training_and_only_there():
    block, x = TransformerBlock(6, 2, dropout=0.5).double(), numbers(2, 4, 6)
    assert not torch.equal(block(x), block(x))
    quiet = TransformerBlock(6, 2).double()
    quiet.load_state_dict(block.state_dict())
    torch.testing.assert_close(block.eval()(x), quiet(x))


# Groups ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_heads_of_keys_that_serve_a_group_are_heads_that_are_equal(groups):
    few = MultiHeadAttention(8, 4, num_kv_heads=groups).double()
    all_heads = MultiHeadAttention(8, 4).double()
    nn.init.normal_(few.in_proj_bias)
    assert few.in_proj_weight.shape == (8 + 2 * 2 * groups, 8)

    def repeated(x):
        q, k, v = x.split([8, 2 * groups, 2 * groups])
        return torch.cat([q, *(z.unflatten(0, (groups, 2)).repeat_interleave(4 // groups, 0).flatten(0, 1)
                               for z in (k, v))])  # fmt: skip

    all_heads.load_state_dict({
        name: repeated(x) if name.startswith("in_") else x for name, x in few.state_dict().items()
    })  # fmt: skip
    x = numbers(2, 5, 8)
    torch.testing.assert_close(few(x, is_causal=True), all_heads(x, is_causal=True), rtol=1e-12, atol=1e-12)


# Rotary positions -----------------------------------------------------------------------------------------------------
def test_a_rotation_is_the_papers_matrix():
    x, turned = numbers(6, 4), rotate(numbers(6, 4), rotation(torch.arange(6), 4, torch.float64))
    for place in range(6):
        for i in range(2):
            angle = place * 10_000 ** (-2 * i / 4)
            matrix = torch.tensor(
                [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64
            )
            pair = slice(2 * i, 2 * i + 2)
            torch.testing.assert_close(turned[place, pair], matrix @ x[place, pair], rtol=1e-12, atol=1e-12)


def test_after_turning_only_the_distance_counts_and_lengths_are_kept():
    q, k, places = numbers(8, seed=1), numbers(8, seed=2), torch.arange(40)
    turn = rotation(places, 8, torch.float64)
    queries, keys = rotate(q.expand(40, 8), turn), rotate(k.expand(40, 8), turn)
    for distance in (0, 1, 7):
        products = (queries[distance:] * keys[: 40 - distance]).sum(-1)
        torch.testing.assert_close(products, products[:1].expand(40 - distance))
    torch.testing.assert_close(queries.norm(dim=-1), q.norm().expand(40))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_turning_keeps_the_dtype(dtype):
    x = numbers(2, 3, 5, 4)
    turned = rotate(x.to(dtype), rotation(torch.arange(5), 4))
    assert turned.dtype == dtype
    exact = rotate(x, rotation(torch.arange(5), 4, torch.float64))
    torch.testing.assert_close(turned.double(), exact, rtol=0.02, atol=0.02)


def test_queries_and_keys_are_turned_and_values_are_not():
    layer, x = MultiHeadAttention(4, 1).double(), numbers(1, 5, 4)
    turn = rotation(torch.arange(5), 4, torch.float64)
    q, k, v = (x @ w.T for w in layer.in_proj_weight.chunk(3))
    found = F.scaled_dot_product_attention(rotate(q, turn), rotate(k, turn), v)
    torch.testing.assert_close(layer(x, rotation=turn), found @ layer.out_proj.weight.T)


def test_a_layer_that_turns_does_not_see_where_a_text_begins():
    layer, x = MultiHeadAttention(8, 2).double(), numbers(2, 5, 8)
    here, there = (rotation(torch.arange(5) + start, 4, torch.float64) for start in (0, 100))
    expected = layer(x, is_causal=True, rotation=here)
    torch.testing.assert_close(layer(x, is_causal=True, rotation=there), expected)
    assert (layer(x, is_causal=True) - expected).abs().max() > 1e-3


# Norms and activations ------------------------------------------------------------------------------------------------
def test_with_qk_norm_the_length_of_what_comes_in_does_not_matter_to_the_weights():
    layer, x = MultiHeadAttention(6, 2, qk_norm=True).double(), numbers(2, 4, 6)
    for z in layer._project(1000 * x, None)[:2]:
        torch.testing.assert_close(z.square().mean(-1), torch.ones(2, 2, 4, dtype=torch.float64))
    torch.testing.assert_close(layer(1000 * x), 1000 * layer(x))


def test_activations_are_their_formulas():
    x = numbers(3, 6)
    gelu = 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    torch.testing.assert_close(ACTIVATIONS["gelu"](x), gelu)
    torch.testing.assert_close(ACTIVATIONS["relu2"](x), x.clamp(min=0) ** 2)
    gate, up = x[:, :3], x[:, 3:]
    torch.testing.assert_close(ACTIVATIONS["swiglu"](x), gate / (1 + torch.exp(-gate)) * up)


def test_a_gated_block_is_as_large_as_a_plain_one():
    gated, plain = TransformerBlock(48, 2, activation=swiglu), TransformerBlock(48, 2)
    assert gated.linear1.weight.numel() + gated.linear2.weight.numel() == 8 * 48**2
    assert plain.linear1.weight.numel() + plain.linear2.weight.numel() == 8 * 48**2
    assert gated(torch.zeros(1, 3, 48)).shape == (1, 3, 48)
    assert TransformerBlock(48, 2, 10, activation=swiglu).linear1.out_features == 20


def test_a_block_takes_the_norm_it_is_given_and_no_bias():
    block = TransformerBlock(6, 2, norm_layer=nn.RMSNorm, bias=False)
    assert isinstance(block.norm1, nn.RMSNorm)
    assert all(p.ndim == 2 or "norm" in name for name, p in block.named_parameters())


# The cache ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("parts", [[7], [1] * 7, [3, 1, 3], [2, 5]])
@pytest.mark.parametrize("groups", [2, 4])
def test_what_was_seen_in_parts_gives_what_it_gives_in_one(parts, groups):
    layer, x = MultiHeadAttention(8, 4, num_kv_heads=groups).double(), numbers(2, 7, 8)
    cache, turn = KVCache(9), rotation(torch.arange(7), 2, torch.float64)
    with torch.no_grad():
        expected = layer(x, is_causal=True, rotation=turn)
        found = [layer(a, is_causal=True, rotation=t, cache=cache)
                 for a, t in zip(x.split(parts, 1), turn.split(parts), strict=True)]  # fmt: skip
    torch.testing.assert_close(torch.cat(found, 1), expected, rtol=1e-12, atol=1e-12)
    assert cache.length == 7
    assert cache.keys.shape == (2, groups, 9, 2)


def test_a_cache_goes_on_with_the_rows_it_is_told():
    cache, k, v = KVCache(4), numbers(3, 2, 2, 5), numbers(3, 2, 2, 5, seed=1)
    cache.keep(torch.tensor([0]))  # nothing seen, nothing to choose
    cache.append(k, v)
    cache.keep(torch.tensor([2, 0, 0, 2]))
    keys, values = cache.append(k[[0, 0, 0, 0], :, :1], v[[0, 0, 0, 0], :, :1])
    assert torch.equal(keys[:, :, :2], k[[2, 0, 0, 2]])
    assert torch.equal(values[:, :, :2], v[[2, 0, 0, 2]])
    assert keys.shape == (4, 2, 3, 5)


def test_a_full_cache_takes_no_more():
    cache = KVCache(2)
    cache.append(torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 2, 4))
    with pytest.raises(ValueError, match="a sequence of 3 exceeds the context of 2"):
        cache.append(torch.zeros(1, 1, 1, 4), torch.zeros(1, 1, 1, 4))
    assert cache.length == 2


def test_positions_start_where_they_are_told_and_end_with_the_context():
    places, x = LearnedPositions(5, 4), torch.zeros(2, 3, 4)
    assert torch.equal(places(x, 2)[1], places.weight[2:5])
    with pytest.raises(ValueError, match=r"a sequence of 6 exceeds the context of 5: cut it, as in ids\[:, -5:\]"):
        places(x, 3)
