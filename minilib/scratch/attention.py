"""Attention as modules, and what is built from it: the Transformer block and a GPT."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minilib.config import GPTConfig
from minilib.scratch import functional as F
from minilib.scratch import init
from minilib.scratch.functional import scaled_dot_product_attention
from minilib.scratch.lookup import attention_mask, attention_weights
from minilib.scratch.nn import Dropout, Embedding, LayerNorm, Linear, Module, Parameter, Sequential
from minilib.scratch.tensor import Tensor, no_grad

__all__ = [
    "GPT", "GPTConfig", "LearnedPositions", "MultiHeadAttention", "SinusoidalPositions", "TransformerBlock",
    "scaled_dot_product_attention",
]  # fmt: skip


class MultiHeadAttention(Module):
    """Every position asks all others, in num_heads smaller spaces at once (Vaswani et al. 2017, §3.2.2).

    x (B, T, embed_dim) → the same shape. attn_mask: True where a query may look, or numbers added to the scores,
    broadcast to (B, H, T, T). Parameters as in torch.nn.MultiheadAttention: in_proj_weight (3 · embed_dim, embed_dim)
    holds W_Q, W_K and W_V one below the other, so that one product makes all three.
    Derived in: notebooks/09_attention.ipynb
    """

    def __init__(self, embed_dim: int, num_heads: int, *, rng: np.random.Generator | None = None):
        if embed_dim % num_heads:
            near = [n * num_heads for n in (embed_dim // num_heads, embed_dim // num_heads + 1) if n]
            raise ValueError(
                f"embed_dim={embed_dim} is not divisible by num_heads={num_heads}; try {' or '.join(map(str, near))}"
            )
        rng = rng or np.random.default_rng()
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.in_proj_weight = Parameter(np.empty((3 * embed_dim, embed_dim), np.float32))
        init.xavier_uniform_(self.in_proj_weight, rng=rng)
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim, np.float32))
        self.out_proj = Linear(embed_dim, embed_dim, rng=rng)
        self.out_proj.bias = Parameter(np.zeros(embed_dim, np.float32))

    def forward(
        self, x: Tensor, attn_mask: Any = None, is_causal: bool = False
    ) -> Tensor:  # fmt: skip
        packed, mask = self._project(x, attn_mask, is_causal)
        return self.out_proj(F._self_attention(packed, mask).reshape(x.shape))

    def weights(self, x: Tensor, attn_mask: Any = None, is_causal: bool = False) -> np.ndarray:
        """How much each position looks at each other one: (B, H, T, T), rows summing to 1, to be looked at."""
        packed, mask = self._project(x, attn_mask, is_causal)
        q, k, _ = packed.data.transpose(2, 0, 3, 1, 4)
        return attention_weights(q, k, mask, 1 / math.sqrt(q.shape[-1]))

    def _project(self, x: Tensor, attn_mask: Any, is_causal: bool) -> tuple[Tensor, Any]:
        if x.ndim != 3 or x.shape[-1] != self.embed_dim:
            raise ValueError(f"MultiHeadAttention needs (B, T, embed_dim={self.embed_dim}), got {x.shape}")
        (batch, steps, width), heads = x.shape, self.num_heads
        packed = F.linear(x, self.in_proj_weight, self.in_proj_bias).reshape(batch, steps, 3, heads, width // heads)
        shape = (batch, heads, steps, width)
        return packed, attention_mask(shape, shape, attn_mask, is_causal)


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU in GPT-2's form, by tanh: many times faster in NumPy than the exact one."""
    return F.gelu(x, approximate="tanh")


class TransformerBlock(Module):
    """Look around, then think: each adds to the stream x (B, T, d_model).

    norm_first=True: x + f(norm(x)) (pre-norm, as GPT-2);
    False: norm(x + f(x)) (post-norm, as Vaswani et al. 2017).
    dim_feedforward: 4 · d_model by default. dropout acts on what is added.
    Parameters as in torch.nn.TransformerEncoderLayer, whose dropout acts
    at two places more.
    Derived in: notebooks/10_transformer_numpy.ipynb
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int | None = None,
        dropout: float = 0.0,
        activation: Callable[[Tensor], Tensor] = gelu_tanh,
        norm_first: bool = True, *, rng: np.random.Generator | None = None,
    ):  # fmt: skip
        rng = rng or np.random.default_rng()
        wide = dim_feedforward or 4 * d_model
        self.activation, self.norm_first = activation, norm_first
        self.self_attn = MultiHeadAttention(d_model, nhead, rng=rng)
        self.linear1 = Linear(d_model, wide, rng=rng)
        self.linear2 = Linear(wide, d_model, rng=rng)
        self.norm1, self.norm2 = LayerNorm(d_model), LayerNorm(d_model)
        self.dropout = Dropout(dropout, rng=rng)

    def forward(
        self, x: Tensor, attn_mask: Any = None, is_causal: bool = False
    ) -> Tensor:  # fmt: skip
        def look(h: Tensor) -> Tensor:
            return self.dropout(self.self_attn(h, attn_mask, is_causal))

        def think(h: Tensor) -> Tensor:
            return self.dropout(self.linear2(self.activation(self.linear1(h))))

        if self.norm_first:
            x = x + look(self.norm1(x))
            return x + think(self.norm2(x))
        x = self.norm1(x + look(x))
        return self.norm2(x + think(x))


# Positions -----------------------------------------------------------------------------------------------------------
class LearnedPositions(Module):
    """Adds to x (B, T, D) a learnt row for each place: weight (context, D).

    Raises ValueError if T > context.

    Derived in: notebooks/10_transformer_numpy.ipynb
    """

    def __init__(
        self, context: int, d_model: int, *,
        rng: np.random.Generator | None = None,
    ):  # fmt: skip
        self.weight = Parameter(np.empty((context, d_model), np.float32))
        init.normal_(self.weight, rng=rng or np.random.default_rng())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight[: _fitting_length(x.shape[-2], len(self.weight))]

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.weight.shape))


class SinusoidalPositions(Module):
    """Adds to x (B, T, D) sines and cosines (Vaswani et al. 2017, §3.5).

    Their wavelengths go from 2π to 10,000 · 2π; nothing is learnt.
    Raises ValueError if T > context, or if d_model is odd.
    Derived in: notebooks/09_attention.ipynb
    """

    def __init__(self, context: int, d_model: int):
        if d_model % 2:
            pairs = "sines and cosines come in pairs: d_model must be even"
            raise ValueError(f"{pairs}, got {d_model}")
        slowness = 10_000 ** (np.arange(0, d_model, 2) / d_model)
        angles = np.arange(context)[:, None] / slowness
        waves = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
        self.table = waves.reshape(context, d_model)

    def forward(self, x: Tensor) -> Tensor:
        length = _fitting_length(x.shape[-2], len(self.table))
        return x + self.table[:length].astype(x.dtype)


def _fitting_length(length: int, context: int) -> int:
    if length > context:
        raise ValueError(f"a sequence of {length} exceeds the context of {context}: cut it, as in ids[:, -{context}:]")
    return length


# GPT -----------------------------------------------------------------------------------------------------------------
class GPT(Module):
    """A stream of token and place to which every block adds, read out by a norm and a linear head.

    forward(ids (B, T)) → logits (B, T, vocab_size) for the token after each. Raises ValueError if T > context.
    Every layer starts as torch starts it; the tables of a tied GPT start with a deviation of 1/√d_model instead of 1,
    so that the first logits are small.
    Derived in: notebooks/10_transformer_numpy.ipynb
    """

    def __init__(self, config: GPTConfig, *, rng: np.random.Generator | None = None):
        _refuse_what_pt_alone_has(config)
        rng, self.config = rng or np.random.default_rng(), config
        vocabulary, width = config.vocab_size, config.d_model
        self.token_embedding = Embedding(vocabulary, width, rng=rng)
        self.position_embedding = LearnedPositions(config.context, width, rng=rng)

        def block() -> TransformerBlock:
            return TransformerBlock(width, config.nhead, None, config.dropout, norm_first=config.norm_first, rng=rng)

        self.blocks = Sequential(*(block() for _ in range(config.num_layers)))
        self.norm = LayerNorm(width)
        self.head = Linear(width, vocabulary, rng=rng)
        if config.tied:
            for table in (self.token_embedding.weight, self.position_embedding.weight):
                init.normal_(table, std=1 / math.sqrt(width), rng=rng)
            self.head.weight = self.token_embedding.weight

    def forward(self, ids: Any) -> Tensor:
        x = self.position_embedding(self.token_embedding(ids))  # (B, T, D)
        for block in self.blocks:
            x = block(x, is_causal=True)
        return self.head(self.norm(x))

    @no_grad()
    def generate(
        self, ids: Any, max_new_tokens: int, temperature: float = 1.0, top_k: int | None = None, *,
        rng: np.random.Generator,
    ) -> np.ndarray:  # fmt: skip
        """Continue ids (B, T), T ≥ 1, by drawing one token after the other: (B, T + max_new_tokens).

        temperature: below 1 more of the likely, 0 always the likeliest.   top_k: draw among the k likeliest only.
        What lies further back than the context is not seen.
        """
        ids = np.asarray(ids)
        for _ in range(max_new_tokens):
            logits = self(ids[:, -self.config.context :]).data[:, -1]
            ids = np.concatenate([ids, _draw(logits, temperature, top_k, rng)[:, None]], axis=1)
        return ids


def _refuse_what_pt_alone_has(config: GPTConfig) -> None:
    beyond = ("norm", "positions", "activation", "num_kv_heads", "bias", "head_bias", "qk_norm", "init")
    asked = [
        f"{name}={getattr(config, name)!r}" for name in beyond if getattr(config, name) != getattr(GPTConfig, name)
    ]
    if asked:
        raise ValueError(f"the NumPy GPT has no {', '.join(asked)}: leave it out, or take minilib.pt.transformer.GPT")


def _draw(logits: np.ndarray, temperature: float, top_k: int | None, rng: np.random.Generator) -> np.ndarray:
    """One id for each row of logits (B, V)."""
    if temperature < 0 or (top_k is not None and top_k < 1):
        raise ValueError(f"needed temperature ≥ 0 and top_k ≥ 1, got temperature={temperature}, top_k={top_k}")
    if temperature == 0:
        return logits.argmax(axis=-1)
    if top_k is not None and top_k < logits.shape[-1]:
        least = np.partition(logits, -top_k, axis=-1)[:, -top_k, None]
        logits = np.where(logits < least, -np.inf, logits)
    noise = rng.gumbel(size=logits.shape)  # the largest of logit + Gumbel noise is a draw from the softmax
    return (logits / temperature + noise).argmax(axis=-1)
