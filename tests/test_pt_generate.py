"""Generating in PyTorch: the same text cached or not, alone or in a batch; the probabilities that were asked for."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minilib.pt.generate import beam, generate, probabilities
from minilib.scratch import attention as scratch
from tests.strategies import seeds
from tests.test_mirror import in_float64
from tests.test_pt_transformer import DEVICES, FORMS, every_form, tiny

PROMPTS = [[3, 1, 4, 1, 5], [9], [2, 6, 5], [3, 5, 8, 9, 7, 9, 3, 2]]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# Greedy ---------------------------------------------------------------------------------------------------------------
@every_form
@pytest.mark.parametrize("device", DEVICES)
def test_cached_and_uncached_write_the_same_also_beyond_the_context(form, device):
    model = tiny(**FORMS[form]).to(device)
    cached = generate(model, PROMPTS, 12, 0)
    assert cached == generate(model, PROMPTS, 12, 0, cached=False)
    assert [len(row) for row in cached] == [17, 13, 15, 20]
    assert [row[: len(prompt)] for row, prompt in zip(cached, PROMPTS, strict=True)] == PROMPTS
    for row, prompt in zip(cached, PROMPTS, strict=True):
        for end in range(len(prompt), len(row)):
            seen = torch.tensor([row[max(0, end - 8) : end]], device=device)
            assert row[end] == model(seen)[0, -1].argmax()


@every_form
def test_a_prompt_in_a_batch_becomes_what_it_becomes_alone(form):
    model = tiny(**FORMS[form])
    assert generate(model, PROMPTS, 9, 0, stop=[7]) == [generate(model, [p], 9, 0, stop=[7])[0] for p in PROMPTS]


@pytest.mark.parametrize("form", ["plain", "post-norm", "tied"])
def test_the_numpy_gpt_writes_the_same(form):
    model = tiny(**FORMS[form])
    ours = in_float64(scratch.GPT(model.config))
    ours.load_state_dict(model.state_dict())
    prompts = np.random.default_rng(0).integers(0, 11, (3, 4))
    expected = ours.generate(prompts, 15, temperature=0, rng=np.random.default_rng(0))
    assert generate(model, prompts, 15, 0) == expected.tolist()


def test_a_row_ends_with_the_first_token_of_stop_that_it_writes():
    model = tiny()
    free = generate(model, PROMPTS, 12, 0)
    stop = {free[0][7], free[3][9]}
    stopped = generate(model, PROMPTS, 12, 0, stop=stop)
    for row, full, prompt in zip(stopped, free, PROMPTS, strict=True):
        wrote = full[len(prompt) :]
        ends = [i + 1 for i, token in enumerate(wrote) if token in stop]
        assert row == prompt + wrote[: min(ends, default=12)]
    assert any(len(row) < len(full) for row, full in zip(stopped, free, strict=True))


def test_nothing_more_is_computed_once_every_row_has_stopped():
    model, calls = tiny(), []
    model.register_forward_hook(lambda *_: calls.append(1))
    first = generate(model, [[1]], 1, 0)[0][1]
    calls.clear()
    assert generate(model, [[1], [1]], 50, 0, stop=[first]) == [[1, first]] * 2
    assert len(calls) == 1


def test_prompts_may_be_lists_arrays_and_tensors():
    model = tiny()
    expected = generate(model, [[1, 2], [3, 4]], 5, 0)
    assert generate(model, np.array([[1, 2], [3, 4]]), 5, 0) == expected
    assert generate(model, torch.tensor([[1, 2], [3, 4]], dtype=torch.int32), 5, 0) == expected
    assert generate(model, (np.array([1, 2]), torch.tensor([3, 4])), 5, 0) == expected
    assert generate(model, [[1, 2], [3]], 0) == [[1, 2], [3]]


def test_generating_leaves_no_graph():
    model = tiny()
    generate(model, [[1]], 3)
    assert all(p.grad is None for p in model.parameters())
    assert model(torch.tensor([[1]])).requires_grad


# Sampling -------------------------------------------------------------------------------------------------------------
rows_of_logits = st.lists(st.floats(-6, 6, width=32), min_size=1, max_size=9).map(lambda x: torch.tensor(x).double())


@given(rows_of_logits, st.floats(0.1, 3), st.integers(1, 12))
def test_top_k_is_a_softmax_over_the_k_likeliest_and_what_ties_with_them(logits, temperature, k):
    found = probabilities(logits, temperature, k)
    least = sorted(logits.tolist())[-min(k, len(logits))]
    weights = [math.exp(x / temperature) if x >= least else 0 for x in logits.tolist()]
    torch.testing.assert_close(found, torch.tensor(weights).double() / sum(weights))


@given(rows_of_logits, st.floats(0.1, 3), st.floats(0.01, 1))
def test_top_p_is_the_smallest_set_that_reaches_p(logits, temperature, p):
    logits = logits + torch.arange(len(logits)) * 1e-4  # no ties: the set is then the only one
    full, found = (logits / temperature).softmax(-1), probabilities(logits, temperature, top_p=p)
    kept = found > 0
    assert kept.any()
    assert full[kept].sum() >= p - 1e-9
    assert full[kept].sum() - full[kept].min() < p + 1e-9
    assert kept.all() or full[kept].min() >= full[~kept].max()
    torch.testing.assert_close(found, full * kept / full[kept].sum())


def test_top_p_comes_after_temperature_and_top_k():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).double().log()
    expected = {
        (1.0, None, 0.7): [5 / 8, 3 / 8, 0, 0],
        (1.0, 2, 0.6): [1, 0, 0, 0],  # of two, 0.5 / 0.8 is enough
        (1.0, 3, 0.9): [50 / 95, 30 / 95, 15 / 95, 0],
        (0.5, None, 0.9): [25 / 34, 9 / 34, 0, 0],  # squares: 0.25, 0.09, 0.0225, 0.0025
        (0.0, None, None): [1, 0, 0, 0],
        (1.0, None, 1.0): [0.5, 0.3, 0.15, 0.05],
    }
    for setting, p in expected.items():
        torch.testing.assert_close(probabilities(logits, *setting), torch.tensor(p).double())
    assert torch.equal(probabilities(logits.expand(2, 3, 4), 1.0, 2)[1, 2], probabilities(logits, 1.0, 2))


@pytest.mark.parametrize("setting", [(1.0, None, None), (0.5, None, None), (2.0, 4, None), (1.0, 100, 0.7)])
def test_tokens_are_drawn_with_these_probabilities(setting):
    model = tiny()
    drawn = torch.tensor(generate(model, [[0]] * 10_000, 1, *setting, generator=seeded()))[:, 1]
    expected = probabilities(model(torch.tensor([[0]]))[0, -1], *setting)
    shares = drawn.bincount(minlength=11) / len(drawn)
    assert (shares - expected).abs().max() < 0.02
    assert not shares[expected == 0].any()


def test_the_same_seed_writes_the_same_text_cached_or_not():
    model = tiny()
    texts = [
        generate(model, PROMPTS, 12, generator=seeded(seed), cached=cached)
        for seed, cached in ((4, True), (4, False), (5, True))
    ]
    assert texts[0] == texts[1] != texts[2]


# Beam search ----------------------------------------------------------------------------------------------------------
def log_probability(model, prompt, tokens):
    logits = model(torch.tensor([[*prompt, *tokens]]))[0, len(prompt) - 1 : -1].log_softmax(-1)
    return sum(row[token].item() for row, token in zip(logits, tokens, strict=True))


@pytest.mark.parametrize("stop", [(), (1,), (0, 2)])
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_what_trying_everything_finds(seed, stop):
    model = tiny(seed, vocab_size=4)
    texts = set()
    for tokens in itertools.product(range(4), repeat=4):
        ends = [i + 1 for i, token in enumerate(tokens) if token in stop]
        texts.add(tokens[: min(ends, default=4)])
    expected = sorted(((log_probability(model, [3, 0], text), text) for text in texts), reverse=True)
    found = beam(model, [3, 0], 4**4, 4, stop=stop)
    assert len(found) == len(expected)
    for (ids, score), (best, text) in zip(found, expected, strict=True):
        assert ids == [3, 0, *text]
        assert score == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("width", [1, 2, 3, 7])
@given(seeds)
def test_a_narrow_beam_keeps_the_best_beginnings(width, seed):
    model = tiny(seed % 1000, vocab_size=4, num_layers=1)
    kept = [((), 0.0)]
    for _ in range(3):
        longer = [(*text, token) for text, _ in kept for token in range(4)]
        kept = sorted(((t, log_probability(model, [1], t)) for t in longer), key=lambda x: -x[1])[:width]
    found = beam(model, [1], width, 3)
    assert [tuple(ids[1:]) for ids, _ in found] == [text for text, _ in kept]


@every_form
def test_a_beam_of_one_is_greedy_also_beyond_the_context(form):
    model = tiny(**FORMS[form])
    greedy = generate(model, PROMPTS, 12, 0, stop=[7])
    assert [beam(model, prompt, 1, 12, stop=[7])[0][0] for prompt in PROMPTS] == greedy


def test_a_beam_that_cannot_go_on_ends():
    model, calls = tiny(vocab_size=2), []
    model.register_forward_hook(lambda *_: calls.append(1))
    found = beam(model, [0], 9, 5, stop=[0, 1])
    assert sorted(ids for ids, _ in found) == [[0, 0], [0, 1]]
    assert sum(math.exp(score) for _, score in found) == pytest.approx(1)
    assert len(calls) == 1
    assert beam(model, [0], 2, 0) == [([0], 0.0)]


# What is refused ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "prompts, words",
    [
        ([[1], [1] * 9], r"prompt 1 has 9 tokens, the context holds 1 to 8: cut it, as in ids\[-8:\]"),
        ([[1], []], "prompt 1 has 0 tokens, the context holds 1 to 8: begin with a token that starts a text"),
        ([], "needed one prompt or more, got none"),
        ([1, 2], r"prompt 0 must be a row of whole numbers \(T,\), got torch.int64 of shape \(\): .* as in \[ids\]"),
        ([[1.0, 2.0]], r"prompt 0 must be a row of whole numbers \(T,\), got torch.float32 of shape \(2,\)"),
        ([[[1, 2]]], r"must be a row of whole numbers \(T,\), got torch.int64 of shape \(1, 2\)"),
        ([[1], [2, 50]], "ids go from 2 to 50, but this GPT's vocabulary knows 0 to 10"),
        ([[-3]], "ids go from -3 to -3, but this GPT's vocabulary knows 0 to 10"),
    ],
)
def test_prompts_that_cannot_be_continued_say_why(prompts, words):
    with pytest.raises(ValueError, match=words):
        generate(tiny(), prompts, 3)


@pytest.mark.parametrize("setting", [(-1, None, None), (1, 0, None), (1, None, 0), (1, None, 1.5), (0, -1, None)])
def test_impossible_sampling_is_refused(setting):
    words = rf"needed temperature ≥ 0, top_k ≥ 1 and 0 < top_p ≤ 1, got temperature={setting[0]}, top_k={setting[1]}"
    with pytest.raises(ValueError, match=words):
        generate(tiny(), [[0]], 1, *setting)


def test_impossible_lengths_and_widths_are_refused():
    with pytest.raises(ValueError, match="needed max_new_tokens ≥ 0, got -1"):
        generate(tiny(), [[0]], -1)
    with pytest.raises(ValueError, match="needed width ≥ 1, got 0"):
        beam(tiny(), [0], 0, 3)
    with pytest.raises(ValueError, match="prompt 0 has 9 tokens"):
        beam(tiny(), [0] * 9, 2, 3)
