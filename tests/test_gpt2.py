"""GPT-2 as the transformers library has it, with random weights, in our GPT and back."""

from __future__ import annotations

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from minilib.pt.generate import beam, generate
from minilib.pt.gpt2 import from_gpt2, to_gpt2
from tests.test_pt_transformer import DEVICES, FORMS, tiny


def gpt2(seed=0, **changes):
    """A small one in float64, with weights far enough from the start that every part matters."""
    torch.manual_seed(seed)
    sizes = {"vocab_size": 50, "n_positions": 32, "n_embd": 24, "n_layer": 3, "n_head": 4}
    config = GPT2Config(**(sizes | {"bos_token_id": 0, "eos_token_id": None, "pad_token_id": 0} | changes))
    model = GPT2LMHeadModel(config).double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.3 * torch.randn_like(p)
    return model


def ids(batch=2, length=20):
    return torch.randint(50, (batch, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": False}, {"n_layer": 11, "n_head": 1}], ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_gpt2s_weights_give_gpt2s_logits(changes, device):
    theirs = gpt2(**changes).to(device)
    ours = from_gpt2(theirs.state_dict(), theirs.config.n_head)
    assert ours.config.tied == theirs.config.tie_word_embeddings
    assert (ours.head.weight is ours.token_embedding.weight) == ours.config.tied
    x = ids(length=32).to(device)
    torch.testing.assert_close(ours(x), theirs(x).logits, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cached", [True, False])
def test_it_writes_gpt2s_greedy_text(cached):
    theirs, x = gpt2(), ids(length=5)
    expected = theirs.generate(x, attention_mask=torch.ones_like(x), max_new_tokens=20, do_sample=False)
    ours = from_gpt2(theirs.state_dict(), 4)
    assert generate(ours, x, 20, 0, cached=cached) == expected.tolist()


def test_its_beams_are_gpt2s():
    theirs, x = gpt2(), ids(1, 5)
    expected = theirs.generate(
        x, attention_mask=torch.ones_like(x), max_new_tokens=10, do_sample=False, num_beams=4, num_return_sequences=4,
        length_penalty=0.0, return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    found = beam(from_gpt2(theirs.state_dict(), 4), x[0], 4, 10)
    assert [row for row, _ in found] == expected.sequences.tolist()
    assert [score for _, score in found] == pytest.approx(expected.sequences_scores.tolist(), abs=1e-4)  # in float32


@pytest.mark.parametrize("tied", [True, False])
def test_our_weights_give_our_logits_in_gpt2(tied):
    ours = tiny(vocab_size=50, context=32, tied=tied, head_bias=False)
    theirs = gpt2(n_embd=12, n_head=3, n_layer=2, tie_word_embeddings=tied)
    theirs.load_state_dict(to_gpt2(ours), strict=True)
    torch.testing.assert_close(theirs(ids()).logits, ours(ids()), rtol=1e-9, atol=1e-9)


def test_there_and_back_changes_nothing():
    theirs = gpt2()
    back = to_gpt2(from_gpt2(theirs.state_dict(), 4))
    assert back.keys() == theirs.state_dict().keys()
    assert all(torch.equal(x, back[name]) for name, x in theirs.state_dict().items())


def test_published_files_hold_masks_and_neither_prefix_nor_head():
    theirs = gpt2()
    published = theirs.transformer.state_dict()
    for i in range(3):
        published[f"h.{i}.attn.bias"] = torch.ones(1, 1, 32, 32).tril()
        published[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    torch.testing.assert_close(from_gpt2(published, 4)(ids()), theirs(ids()).logits, rtol=1e-9, atol=1e-9)


def test_weights_of_another_layout_are_refused():
    state = gpt2().state_dict()
    with pytest.raises(ValueError, match=r"begin with wte.weight and wpe.weight, these with token_embedding.weight, "):
        from_gpt2(tiny().state_dict(), 3)
    with pytest.raises(ValueError, match="d_model=24 is not divisible by nhead=5; try 20 or 25"):
        from_gpt2(state, 5)
    missing = {name: x for name, x in state.items() if "h.1.ln_2" not in name}
    words = r"missing \['h.1.ln_2.bias', 'h.1.ln_2.weight'\], unknown \['score.weight'\]"
    with pytest.raises(ValueError, match=words):
        from_gpt2({**missing, "score.weight": torch.zeros(2, 24)}, 4)


@pytest.mark.parametrize("form", ["plain", "lean", "like Llama"])
def test_a_gpt_of_another_form_is_not_exported(form):
    with pytest.raises(ValueError, match=r"GPT-2 is a GPT with .*head_bias=False|GPT-2 is a GPT with .*bias=True"):
        to_gpt2(tiny(**FORMS[form]))
