"""GPT-2's weights in our GPT and ours in its layout, that of the transformers library: the same numbers, moved."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from minilib.pt.transformer import GPT, GPTConfig

__all__ = ["from_gpt2", "to_gpt2"]

NAMES = {
    "token_embedding": "wte", "position_embedding": "wpe", "blocks": "h", "head": "lm_head",
    "self_attn.in_proj_": "attn.c_attn.", "self_attn.out_proj": "attn.c_proj",
    "linear1": "mlp.c_fc", "linear2": "mlp.c_proj", "norm1": "ln_1", "norm2": "ln_2", "norm.": "ln_f.",
}  # fmt: skip
"""What a part is called here and there."""

FIXED = {
    "norm_first": True, "norm": "layer", "positions": "learned", "activation": "gelu", "num_kv_heads": None,
    "bias": True, "head_bias": False, "qk_norm": False,
}  # fmt: skip
"""What GPT-2 is, beyond its sizes."""


def from_gpt2(state: Mapping[str, Tensor], nhead: int) -> GPT:
    """Our GPT with the weights of a GPT2LMHeadModel, or of a GPT2Model, whose head is the embedding.

    state: its state_dict(), or what its published files hold. All sizes come from it but nhead, which leaves no trace.
    Raises ValueError for weights of another layout.
    Derived in: notebooks/14_gpt.ipynb
    """
    theirs = {
        name.removeprefix("transformer."): x
        for name, x in state.items()
        if not name.endswith((".attn.bias", ".attn.masked_bias"))  # the causal mask, in older files
    }
    if not {"wte.weight", "wpe.weight"} <= theirs.keys():
        first = ", ".join(list(state)[:3])
        raise ValueError(f"GPT-2's weights begin with wte.weight and wpe.weight, these with {first}")
    table, places = theirs["wte.weight"], theirs["wpe.weight"]
    head = theirs.setdefault("lm_head.weight", table)
    blocks = len({name.split(".")[1] for name in theirs if name.startswith("h.")})
    sizes = (len(table), len(places), table.shape[1], nhead, blocks)
    model = GPT(GPTConfig(*sizes, tied=torch.equal(head, table), head_bias=False)).to(table)
    needed = {_name(ours): ours for ours in model.state_dict()}
    if needed.keys() != theirs.keys():
        missing, unknown = sorted(needed.keys() - theirs.keys()), sorted(theirs.keys() - needed.keys())
        raise ValueError(f"these are not GPT-2's weights: missing {missing}, unknown {unknown}")
    model.load_state_dict({needed[name]: _turned(name, x) for name, x in theirs.items()})
    return model


def to_gpt2(model: GPT) -> dict[str, Tensor]:
    """The state_dict of a GPT2LMHeadModel with the weights of our GPT.

    Raises ValueError for a GPT of another form.
    Derived in: notebooks/14_gpt.ipynb
    """
    wrong = [f"{name}={value!r}" for name, value in FIXED.items() if getattr(model.config, name) != value]
    if wrong:
        raise ValueError(f"GPT-2 is a GPT with {', '.join(wrong)}: build yours with that, and train it again")
    theirs = {_name(ours): x for ours, x in model.state_dict().items()}
    return {name if name == "lm_head.weight" else f"transformer.{name}": _turned(name, x) for name, x in theirs.items()}


def _name(ours: str) -> str:
    """The name of a parameter in GPT-2."""
    for here, there in NAMES.items():
        ours = ours.replace(here, there)
    return ours


def _turned(name: str, x: Tensor) -> Tensor:
    """GPT-2's linear layers, Conv1D, hold their weights as (in, out): turned over on both ways."""
    return x.T.contiguous() if ".c_" in name and name.endswith("weight") else x
