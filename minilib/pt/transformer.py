"""A GPT in PyTorch, from the plain one of minilib.scratch to the forms of later years, by its configuration."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from minilib.config import GPTConfig
from minilib.pt.attention import ACTIVATIONS, KVCache, LearnedPositions, TransformerBlock, check_length, rotation

__all__ = ["GPT", "GPTConfig"]


class GPT(nn.Module):
    """A stream of token and place to which every block adds, read out by a
    norm and a linear head.

    forward(ids (B, T)) → logits (B, T, vocab_size) for the token after each.
    cache: from new_cache(); ids then go on where it ends, and it grows.
    Parameters as in minilib.scratch.attention.GPT: from there they come as
    load_state_dict({k: torch.tensor(a) for k, a in numpy_state.items()}),
    and there load_state_dict takes the state_dict() of this one as it is.
    Raises ValueError for a sequence beyond the context, ids of another dtype
    than int64 or int32, and, on the CPU, for ids that are in no vocabulary.
    Derived in: notebooks/10_transformer_numpy.ipynb
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config, width = config, config.d_model
        layer_norm = partial(nn.LayerNorm, bias=config.bias)
        norm_layer = nn.RMSNorm if config.norm == "rms" else layer_norm
        self.token_embedding = nn.Embedding(config.vocab_size, width)
        if config.positions == "learned":
            self.position_embedding = LearnedPositions(config.context, width)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                width, config.nhead, None, config.dropout,
                ACTIVATIONS[config.activation], config.norm_first,
                norm_layer=norm_layer, num_kv_heads=config.num_kv_heads,
                bias=config.bias, qk_norm=config.qk_norm,
            )
            for _ in range(config.num_layers)
        )  # fmt: skip
        self.norm = norm_layer(width)
        bias = config.bias and config.head_bias
        self.head = nn.Linear(width, config.vocab_size, bias=bias)
        self._start()

    def forward(
        self, ids: Tensor, cache: list[KVCache] | None = None
    ) -> Tensor:  # fmt: skip
        past = cache[0].length if cache else 0
        end = past + ids.shape[-1]
        check_length(end, self.config.context)
        x = self._embed(ids)  # (B, T, D)
        turn = None
        if self.config.positions == "learned":
            x = self.position_embedding(x, past)
        else:
            places = torch.arange(past, end, device=ids.device)
            width = self.config.d_model // self.config.nhead
            dtype = torch.promote_types(x.dtype, torch.float32)
            turn = rotation(places, width, dtype)
        for i, block in enumerate(self.blocks):
            x = block(x, None, True, turn, cache[i] if cache else None)
        return self.head(self.norm(x))

    def new_cache(self) -> list[KVCache]:
        """Empty memories, one a block, each for a whole context."""
        return [KVCache(self.config.context) for _ in self.blocks]

    def _embed(self, ids: Tensor) -> Tensor:
        if ids.dtype not in (torch.int64, torch.int32):
            raise ValueError(
                "ids must be whole numbers, int64 or int32, "
                f"got {ids.dtype}: convert them, as in ids.long()"
            )  # fmt: skip
        try:
            return self.token_embedding(ids)
        except IndexError:
            raise foreign_ids(ids, self.config.vocab_size) from None

    def _start(self) -> None:
        """Give the first weights where they are not those of torch."""
        if self.config.tied:
            std = 1 / math.sqrt(self.config.d_model)
            nn.init.normal_(self.token_embedding.weight, std=std)
            if self.config.positions == "learned":
                nn.init.normal_(self.position_embedding.weight, std=std)
            self.head.weight = self.token_embedding.weight
        if self.config.init == "fan_in":
            for name, p in self.named_parameters():
                if name.endswith(("out_proj.weight", "linear2.weight")):
                    nn.init.zeros_(p)
                elif p.ndim == 2 and "embedding" not in name:
                    nn.init.normal_(p, std=1 / math.sqrt(p.shape[1]))


def foreign_ids(ids: Tensor, vocab_size: int) -> ValueError:
    """The complaint about ids that a vocabulary does not know."""
    return ValueError(
        f"ids go from {ids.min()} to {ids.max()}, but this GPT's vocabulary knows 0 to {vocab_size - 1}: "
        "take the tokeniser that the GPT was trained with, or build it with a larger vocab_size"
    )
