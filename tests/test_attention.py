"""Attention, the Transformer block and the GPT: what holds for every input; torch's numbers are in test_mirror."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minilib.config import GPTConfig
from minilib.scratch import Tensor, optim
from minilib.scratch import functional as F
from minilib.scratch.attention import (
    GPT,
    LearnedPositions,
    MultiHeadAttention,
    SinusoidalPositions,
    TransformerBlock,
    scaled_dot_product_attention,
)
from minilib.scratch.gradcheck import directional_error
from tests.compare import to_torch
from tests.strategies import seeds
from tests.test_mirror import TorchAttention, in_float64

CONFIG = GPTConfig(vocab_size=11, context=8, d_model=12, nhead=3, num_layers=2)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(getattr(a, "data", a), getattr(b, "data", b), tolerance, tolerance)


def tiny(seed=0, **changes):
    return in_float64(GPT(GPTConfig(**{**vars(CONFIG), **changes}), rng=np.random.default_rng(seed)))


# The look-up --------------------------------------------------------------------------------------------------------
@given(seeds)
def test_a_query_that_fits_one_key_far_better_gets_its_value(seed):
    keys, values = np.eye(4), np.random.default_rng(seed).standard_normal((4, 3))
    close(scaled_dot_product_attention(Tensor(1000 * keys[[2, 0]]), Tensor(keys), Tensor(values)), values[[2, 0]])


def test_a_query_of_zeros_gets_the_mean():
    values = numbers(5, 3)
    found = scaled_dot_product_attention(Tensor(np.zeros((1, 2))), Tensor(numbers(5, 2)), Tensor(values))
    close(found, values.mean(0, keepdims=True))


@given(seeds)
def test_the_order_of_the_pairs_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    q, k, v = rng.standard_normal((3, 4)), rng.standard_normal((5, 4)), rng.standard_normal((5, 2))
    order = rng.permutation(5)
    ours = scaled_dot_product_attention(*map(Tensor, (q, k, v)))
    close(scaled_dot_product_attention(*map(Tensor, (q, k[order], v[order]))), ours)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_scores_of_ten_thousand_give_finite_gradients(dtype):
    q, k, v = (Tensor((1e4 * numbers(3, 4, seed=s)).astype(dtype), requires_grad=True) for s in range(3))
    scaled_dot_product_attention(q, k, v).sum().backward()
    assert all(np.isfinite(x.grad).all() for x in (q, k, v))


def test_a_query_that_may_look_nowhere_gets_zeros_and_passes_no_gradient():
    q, k, v = (Tensor(numbers(3, 4, seed=s), requires_grad=True) for s in range(3))
    look = np.array([[True, True, False], [False] * 3, [True] * 3])
    found = scaled_dot_product_attention(q, k, v, look)
    found.sum().backward()
    assert (found.data[1] == 0).all()
    assert (q.grad[1] == 0).all()
    assert np.isfinite(k.grad).all()


def test_a_mask_of_booleans_one_of_numbers_and_is_causal_say_the_same():
    q, k, v = (Tensor(numbers(2, 3, 5, 4, seed=s)) for s in range(3))
    look = np.tri(5, dtype=bool)
    ours = scaled_dot_product_attention(q, k, v, is_causal=True)
    close(scaled_dot_product_attention(q, k, v, look), ours)
    close(scaled_dot_product_attention(q, k, v, Tensor(np.where(look, 0, -np.inf))), ours)
    close(scaled_dot_product_attention(q, k, v, look.tolist()), ours)


# Heads --------------------------------------------------------------------------------------------------------------
def test_a_mask_means_what_it_means_to_torchs_functional():
    ours, theirs = in_float64(MultiHeadAttention(6, 3)), TorchAttention(6, 3, batch_first=True).double()
    theirs.load_state_dict({name: to_torch(a) for name, a in ours.state_dict().items()})
    x, look = numbers(2, 4, 6), np.tri(4, dtype=bool)
    expected = theirs(to_torch(x), look).detach().numpy()
    close(ours(Tensor(x), look), expected, 1e-9)
    close(ours(Tensor(x), is_causal=True), expected, 1e-9)


def test_heads_are_separate_look_ups_side_by_side():
    layer, x = in_float64(MultiHeadAttention(6, 2)), numbers(1, 5, 6)
    layer.out_proj.weight.data[:] = np.eye(6)
    q, k, v = np.split(x @ layer.in_proj_weight.data.T, 3, axis=-1)
    found = [scaled_dot_product_attention(*(Tensor(a[..., part]) for a in (q, k, v))).data
             for part in (slice(0, 3), slice(3, 6))]  # fmt: skip
    close(layer(Tensor(x)), np.concatenate(found, -1))


def test_the_weights_shown_are_the_weights_used():
    layer, x = in_float64(MultiHeadAttention(4, 2)), Tensor(numbers(2, 5, 4))
    weights = layer.weights(x, is_causal=True)
    assert weights.shape == (2, 2, 5, 5)
    close(weights.sum(-1), np.ones((2, 2, 5)))
    assert (weights * (1 - np.tri(5)) == 0).all()
    values = (x.data @ layer.in_proj_weight.data[8:].T).reshape(2, 5, 2, 2)
    found = np.einsum("bhts,bshk->bthk", weights, values).reshape(2, 5, 4)
    close(layer(x, is_causal=True), found @ layer.out_proj.weight.data.T)


def test_without_positions_a_permuted_sequence_gives_the_permuted_output():
    block, x = in_float64(TransformerBlock(6, 2)), numbers(2, 5, 6)
    order = np.random.default_rng(0).permutation(5)
    close(block(Tensor(x[:, order])), block(Tensor(x)).data[:, order])
    places = SinusoidalPositions(5, 6)
    assert np.abs(block(places(Tensor(x[:, order]))).data - block(places(Tensor(x))).data[:, order]).max() > 0.1


def test_an_attention_starts_as_torchs_does():
    ours = MultiHeadAttention(64, 4, rng=np.random.default_rng(0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = torch.nn.MultiheadAttention(64, 4)
    for name, expected in theirs.state_dict().items():
        assert abs(ours.state_dict()[name].std() - expected.numpy().std()) < 0.002


# Positions ----------------------------------------------------------------------------------------------------------
def test_sines_and_cosines_stand_where_the_formula_puts_them():
    table = SinusoidalPositions(20, 6)(Tensor(np.zeros((1, 20, 6)))).data[0]
    for place in range(20):
        for i in range(3):
            angle = place / 10_000 ** (2 * i / 6)
            assert np.isclose(table[place, 2 * i], math.sin(angle))
            assert np.isclose(table[place, 2 * i + 1], math.cos(angle))


def test_sinusoidal_places_at_one_distance_have_one_inner_product():
    table = SinusoidalPositions(50, 8).table
    for distance in (0, 1, 7):
        products = (table[: 50 - distance] * table[distance:]).sum(-1)
        close(products, np.full(50 - distance, products[0]))


@pytest.mark.parametrize("places", [LearnedPositions(5, 4), SinusoidalPositions(5, 4)])
def test_a_sequence_longer_than_the_context_is_refused(places):
    assert places(Tensor(np.zeros((1, 5, 4), np.float32))).dtype == np.float32
    with pytest.raises(ValueError, match=r"a sequence of 6 exceeds the context of 5: cut it, as in ids\[:, -5:\]"):
        places(Tensor(np.zeros((1, 6, 4))))


# The GPT ------------------------------------------------------------------------------------------------------------
@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 3), st.integers(1, 4), st.integers(0, 3), st.booleans())
def test_the_number_of_parameters_is_the_formula(V, T, H, K, L, tied):
    D = H * K
    model = GPT(GPTConfig(V, T, D, H, L, tied=tied), rng=np.random.default_rng(0))
    count = sum(p.data.size for p in model.parameters())
    assert count == 2 * V * D + T * D + L * (12 * D**2 + 13 * D) + 2 * D + V - tied * V * D


@pytest.mark.parametrize("changes", [{}, {"norm_first": False}, {"tied": True}], ids=str)
def test_the_whole_gpts_gradient_is_right_along_random_directions(changes):
    model = tiny(**changes)
    rng = np.random.default_rng(1)
    for p in model.parameters():  # livelier than the start: every part shall matter
        p.data += 0.3 * rng.standard_normal(p.shape)
    ids, targets = rng.integers(0, 11, (2, 3, 8))

    def loss():
        return F.cross_entropy(model(ids).reshape(-1, 11), targets.ravel())

    assert max(directional_error(loss, list(model.parameters()), rng) for _ in range(3)) < 1e-6


def test_a_later_token_does_not_change_an_earlier_prediction():
    model, ids = tiny(), np.random.default_rng(0).integers(0, 11, (2, 8))
    before = model(ids).data
    ids[:, 5] = (ids[:, 5] + 1) % 11
    after = model(ids).data
    np.testing.assert_array_equal(after[:, :5], before[:, :5])
    assert (after[:, 5:] != before[:, 5:]).all()


@pytest.mark.parametrize("tied, above", [(False, 1 / 6), (True, 1 / 2)])
def test_a_fresh_gpt_is_as_little_above_even_guessing_as_half_the_variance_of_its_logits(tied, above):
    model = GPT(GPTConfig(vocab_size=84, tied=tied), rng=np.random.default_rng(0))
    ids, targets = np.random.default_rng(1).integers(0, 84, (2, 8, 64))
    loss = F.cross_entropy(model(ids).reshape(-1, 84), targets.ravel()).item()
    assert abs(loss - math.log(84) - above) < 0.1


@pytest.mark.parametrize("changes", [{}, {"norm_first": False}, {"tied": True}, {"dropout": 0.1}], ids=str)
def test_a_gpt_overfits_one_batch(changes):
    model = GPT(GPTConfig(**{**vars(CONFIG), "d_model": 24, **changes}), rng=np.random.default_rng(0))
    ids = np.random.default_rng(1).integers(0, 11, (4, 9))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(ids[:, :-1]).reshape(-1, 11), ids[:, 1:].ravel())
        loss.backward()
        optimizer.step()
    loss = F.cross_entropy(model.eval()(ids[:, :-1]).reshape(-1, 11), ids[:, 1:].ravel())
    assert loss.item() < 0.3  # the first tokens cannot be told apart


def test_a_tied_head_is_the_embedding_also_after_loading():
    model, other = tiny(tied=True), tiny(seed=1, tied=True)
    assert model.head.weight is model.token_embedding.weight
    other.load_state_dict(model.state_dict())
    assert other.head.weight is other.token_embedding.weight
    close(other([[1, 2]]), model([[1, 2]]))


# Generating ---------------------------------------------------------------------------------------------------------
def test_a_cold_gpt_always_takes_the_likeliest_and_keeps_what_it_was_given():
    model = tiny()
    ids = model.generate([[3, 1], [0, 0]], 20, temperature=0, rng=np.random.default_rng(0))
    assert ids.shape == (2, 22)
    assert ids[:, :2].tolist() == [[3, 1], [0, 0]]
    for end in range(2, 22):
        seen = ids[:, max(0, end - 8) : end]
        np.testing.assert_array_equal(ids[:, end], model(seen).data[:, -1].argmax(-1))
    np.testing.assert_array_equal(model.generate(ids[:, :2], 20, top_k=1, rng=np.random.default_rng(0)), ids)


@pytest.mark.parametrize("temperature, top_k", [(1.0, None), (0.5, None), (2.0, 4), (1.0, 100)])
def test_tokens_are_drawn_with_the_probabilities_of_the_softmax(temperature, top_k):
    model, rng = tiny(), np.random.default_rng(0)
    model.head.weight.data[:] = rng.standard_normal((11, 12)) / 3
    drawn = model.generate(np.zeros((40_000, 1), int), 1, temperature, top_k, rng=rng)[:, 1]
    logits = model([[0]]).data[0, -1] / temperature
    if top_k == 4:
        logits[np.argsort(logits)[:-4]] = -np.inf
    expected = F.softmax(Tensor(logits)).data
    assert np.abs(np.bincount(drawn, minlength=11) / len(drawn) - expected).max() < 0.01


def test_the_same_rng_writes_the_same_text():
    model = tiny()
    one, two = (model.generate([[1]], 12, rng=np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (model.generate([[1]], 12, rng=np.random.default_rng(5)) != one).any()


def test_generating_leaves_no_graph():
    model = tiny()
    model.generate([[1]], 3, rng=np.random.default_rng(0))
    assert all(p.grad is None for p in model.parameters())
    assert model([[1]]).requires_grad


# What they refuse ---------------------------------------------------------------------------------------------------
def test_a_width_that_the_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match=r"embed_dim=130 is not divisible by num_heads=4; try 128 or 132"):
        MultiHeadAttention(130, 4)
    with pytest.raises(ValueError, match=r"embed_dim=2 is not divisible by num_heads=4; try 4$"):
        TransformerBlock(2, 4)


def test_what_only_the_gpt_in_pytorch_has_is_refused():
    with pytest.raises(ValueError, match="the NumPy GPT has no norm='rms', num_kv_heads=1: leave it out, or take"):
        tiny(norm="rms", num_kv_heads=1)
    for change in ({"positions": "rope"}, {"activation": "relu2"}, {"bias": False}, {"head_bias": False},
                   {"qk_norm": True}, {"init": "fan_in"}):  # fmt: skip
        with pytest.raises(ValueError, match=f"has no {next(iter(change))}="):
            tiny(**change)


@pytest.mark.parametrize("shape", [(4, 5), (3,), (2, 5, 5), (1, 1, 1, 5, 5)])
def test_a_mask_of_the_wrong_shape_is_named_with_both_shapes(shape):
    with pytest.raises(ValueError) as error:
        MultiHeadAttention(6, 3)(Tensor(np.zeros((2, 5, 6))), np.ones(shape, bool))
    assert str(error.value) == f"attn_mask must broadcast to the scores (..., T, S) = (2, 3, 5, 5), got {shape}"


def test_two_masks_at_once_are_refused():
    with pytest.raises(ValueError, match=r"is_causal=True is a mask already: pass attn_mask=mask & np\.tri"):
        MultiHeadAttention(6, 3)(Tensor(np.zeros((2, 5, 6))), np.ones((5, 5), bool), is_causal=True)


@pytest.mark.parametrize("shapes", [[(3, 4), (5, 6), (5, 2)], [(3, 4), (5, 4), (6, 2)]])
def test_queries_keys_and_values_that_do_not_fit_are_named(shapes):
    with pytest.raises(ValueError, match=r"attention: query \(3, 4\) and key \(5, .\) must agree in their last length"):
        scaled_dot_product_attention(*(Tensor(np.zeros(shape)) for shape in shapes))


def test_a_stream_of_another_width_is_refused():
    with pytest.raises(ValueError, match=r"MultiHeadAttention needs \(B, T, embed_dim=6\), got \(5, 6\)"):
        MultiHeadAttention(6, 3)(Tensor(np.zeros((5, 6))))


def test_a_sequence_longer_than_the_gpts_context_is_refused():
    with pytest.raises(ValueError, match="a sequence of 9 exceeds the context of 8"):
        tiny()(np.zeros((1, 9), int))


def test_an_odd_width_has_no_sines_and_cosines():
    with pytest.raises(ValueError, match="sines and cosines come in pairs: d_model must be even, got 5"):
        SinusoidalPositions(3, 5)


@pytest.mark.parametrize("temperature, top_k", [(-1, None), (1, 0)])
def test_impossible_sampling_is_refused(temperature, top_k):
    with pytest.raises(
        ValueError, match=f"needed temperature ≥ 0 and top_k ≥ 1, got temperature={temperature}, top_k="
    ):
        tiny().generate([[0]], 1, temperature, top_k, rng=np.random.default_rng(0))


def test_attention_layers_print_their_sizes():
    assert repr(MultiHeadAttention(6, 3)).startswith("MultiHeadAttention(\n  (out_proj): Linear(in_features=6")
    assert repr(LearnedPositions(5, 4)) == "LearnedPositions(5, 4)"
