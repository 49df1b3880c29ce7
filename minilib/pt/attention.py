"""Attention as in minilib.scratch.attention, and what a trained model needs besides: rotations, groups, a cache."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from minilib.config import multiples_near

__all__ = [
    "ACTIVATIONS", "KVCache", "LearnedPositions", "MultiHeadAttention", "TransformerBlock", "gelu_tanh", "relu2",
    "rotate", "rotation", "swiglu",
]  # fmt: skip


class KVCache:
    """The keys and values that one attention layer has seen: all that it
    needs of the past.

    Room for `capacity` places, of which `length` are filled: for each
    sequence 2 · capacity · num_kv_heads · width numbers.
    Raises ValueError when there is no room left.
    Derived in: notebooks/14_gpt.ipynb
    """

    def __init__(self, capacity: int):
        self.capacity, self.length = capacity, 0
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Take in k and v (B, H, T, K) of the next T places; give all so
        far, (B, H, length, K) each."""
        start, end = self.length, self.length + k.shape[2]
        check_length(end, self.capacity)
        if self.keys is None or self.values is None:
            shape = (*k.shape[:2], self.capacity, k.shape[3])
            self.keys, self.values = k.new_empty(shape), v.new_empty(shape)
        self.keys[:, :, start:end] = k
        self.values[:, :, start:end] = v
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def keep(self, rows: Tensor) -> None:
        """Go on with these sequences of the batch, in this order; one may
        come more than once."""
        if self.keys is not None and self.values is not None:
            self.keys, self.values = self.keys[rows], self.values[rows]


class MultiHeadAttention(nn.Module):
    """Every position asks all others, in num_heads smaller spaces at once.

    x (B, T, embed_dim) → the same shape. Arguments, masks and parameters as
    in minilib.scratch.attention; beyond it
    num_kv_heads: heads of keys and values; each serves a group of queries;
    in_proj_weight is (embed_dim + 2 · num_kv_heads · width, embed_dim).
    qk_norm: queries and keys get the root mean square 1, head by head.
    rotation: from `rotation`, turns queries and keys.
    cache: holds the places before x, and takes in those of x.
    Derived in: notebooks/09_attention.ipynb
    """

    def __init__(
        self, embed_dim: int, num_heads: int, *,
        num_kv_heads: int | None = None, bias: bool = True,
        qk_norm: bool = False,
    ):  # fmt: skip
        super().__init__()
        if embed_dim % num_heads:
            raise ValueError(
                f"embed_dim={embed_dim} is not divisible by num_heads="
                f"{num_heads}; try {multiples_near(embed_dim, num_heads)}"
            )
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.num_kv_heads = num_kv_heads or num_heads
        self.width, self.qk_norm = embed_dim // num_heads, qk_norm
        rows = embed_dim + 2 * self.num_kv_heads * self.width
        self.in_proj_weight = nn.Parameter(torch.empty(rows, embed_dim))
        nn.init.xavier_uniform_(self.in_proj_weight)
        self.in_proj_bias = nn.Parameter(torch.zeros(rows)) if bias else None
        self.out_proj = nn.Linear(embed_dim, embed_dim, bias=bias)
        if bias:
            nn.init.zeros_(self.out_proj.bias)

    def forward(
        self, x: Tensor, attn_mask: Tensor | None = None,
        is_causal: bool = False, rotation: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:  # fmt: skip
        q, k, v = self._project(x, rotation)
        if cache is not None:
            k, v = cache.append(k, v)
        steps, past = q.shape[-2], k.shape[-2] - q.shape[-2]
        if is_causal and past:  # torch's own mask starts at the first key
            is_causal = False
            if steps > 1:
                look = x.new_ones(steps, past + steps, dtype=torch.bool)
                attn_mask = look.tril(past)
        found = F.scaled_dot_product_attention(
            q, k, v, attn_mask, is_causal=is_causal,
            enable_gqa=self.num_kv_heads < self.num_heads,
        )  # (B, H, T, K)  # fmt: skip
        return self.out_proj(found.transpose(1, 2).flatten(2))

    def _project(
        self, x: Tensor, rotation: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        packed = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        heads = packed.unflatten(-1, (-1, self.width)).transpose(1, 2)
        asked = self.num_kv_heads
        q, k, v = heads.split([self.num_heads, asked, asked], 1)
        if self.qk_norm:
            q, k = (F.rms_norm(z, (self.width,)) for z in (q, k))
        if rotation is not None:
            q, k = rotate(q, rotation), rotate(k, rotation)
        return q, k, v  # (B, heads, T, K)


# Rotary positions -----------------------------------------------------------------------------------------------------
def rotation(
    places: Tensor, width: int, dtype: torch.dtype = torch.float32
) -> Tensor:  # fmt: skip
    """By what `rotate` multiplies at each of the places (T,): complex numbers
    of length 1, (T, width / 2).

    Pair i turns by 10,000^(−2i/width) radians a place (Su et al. 2021,
    arXiv:2104.09864). dtype: float32 or float64, in which the
    angles are computed.
    Derived in: notebooks/14_gpt.ipynb
    """
    pair = torch.arange(0, width, 2, device=places.device, dtype=dtype)
    angles = places[:, None] * 10_000 ** (-pair / width)
    return torch.polar(torch.ones_like(angles), angles)


def rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn the pairs of neighbours in x (..., T, width) by what belongs to
    their places.

    How well a query fits a key then depends, of all places, on their
    distance alone.
    Derived in: notebooks/14_gpt.ipynb
    """
    exact = x.to(rotation.real.dtype).unflatten(-1, (-1, 2))
    turned = torch.view_as_complex(exact) * rotation
    return torch.view_as_real(turned).flatten(-2).type_as(x)


# Activations ----------------------------------------------------------------------------------------------------------
def gelu_tanh(x: Tensor) -> Tensor:
    """GELU in GPT-2's form, by tanh."""
    return F.gelu(x, approximate="tanh")


def relu2(x: Tensor) -> Tensor:
    """The square of ReLU (So et al. 2021, Primer)."""
    return F.relu(x).square()


def swiglu(x: Tensor) -> Tensor:
    """x (..., 2n) → (..., n): one half opens and shuts the other (Shazeer 2020, arXiv:2002.05202)."""
    gate, up = x.chunk(2, -1)
    return F.silu(gate) * up


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": gelu_tanh, "relu2": relu2, "swiglu": swiglu}


class TransformerBlock(nn.Module):
    """Look around, then think: each adds to the stream x (B, T, d_model).

    Arguments and parameters as in minilib.scratch.attention; beyond it
    norm_layer: makes a norm from d_model;   num_kv_heads, bias, qk_norm,
    rotation, cache: as in MultiHeadAttention. With swiglu linear1 is twice
    dim_feedforward wide, which is then 8/3 · d_model: the same size in all.
    Derived in: notebooks/10_transformer_numpy.ipynb
    """

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int | None = None,
        dropout: float = 0.0,
        activation: Callable[[Tensor], Tensor] = gelu_tanh,
        norm_first: bool = True, *,
        norm_layer: Callable[[int], nn.Module] = nn.LayerNorm,
        num_kv_heads: int | None = None, bias: bool = True,
        qk_norm: bool = False,
    ):  # fmt: skip
        super().__init__()
        gates = 2 if activation is swiglu else 1
        wide = dim_feedforward or (4 * d_model, 8 * d_model // 3)[gates - 1]
        self.activation, self.norm_first = activation, norm_first
        self.self_attn = MultiHeadAttention(
            d_model, nhead, num_kv_heads=num_kv_heads, bias=bias,
            qk_norm=qk_norm,
        )  # fmt: skip
        self.linear1 = nn.Linear(d_model, gates * wide, bias=bias)
        self.linear2 = nn.Linear(wide, d_model, bias=bias)
        self.norm1, self.norm2 = norm_layer(d_model), norm_layer(d_model)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()

    def forward(
        self, x: Tensor, attn_mask: Tensor | None = None,
        is_causal: bool = False, rotation: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:  # fmt: skip
        def look(h: Tensor) -> Tensor:
            found = self.self_attn(h, attn_mask, is_causal, rotation, cache)
            return self.dropout(found)

        def think(h: Tensor) -> Tensor:
            wide = self.activation(self.linear1(h))
            return self.dropout(self.linear2(wide))

        if self.norm_first:
            x = x + look(self.norm1(x))
            return x + think(self.norm2(x))
        x = self.norm1(x + look(x))
        return self.norm2(x + think(x))


class LearnedPositions(nn.Module):
    """Adds to x (B, T, D) a learnt row for each place: weight (context, D).

    start: the place of x's first row. Raises ValueError if x ends beyond
    the context.
    Derived in: notebooks/10_transformer_numpy.ipynb
    """

    def __init__(self, context: int, d_model: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(context, d_model))
        nn.init.normal_(self.weight)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        end = start + x.shape[-2]
        check_length(end, len(self.weight))
        return x + self.weight[start:end]

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.weight.shape))


def check_length(length: int, context: int) -> None:
    """Raise ValueError if a sequence of this length does not fit."""
    if length > context:
        raise ValueError(
            f"a sequence of {length} exceeds the context of {context}: cut it, as in ids[:, -{context}:]"
        )  # fmt: skip
