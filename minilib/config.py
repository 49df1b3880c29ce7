"""What a model is made of, in numbers: both halves of the library read the same dataclasses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GPTConfig:
    """A decoder-only Transformer: sizes under PyTorch's names.

    context: the longest sequence.   tied: whether the head shares the token embedding's matrix (Press & Wolf 2017).
    norm_first: layer norm before each part (pre-norm, GPT-2) or behind its addition (post-norm, Vaswani et al. 2017).
    """

    vocab_size: int
    context: int = 64
    d_model: int = 128
    nhead: int = 4
    num_layers: int = 4
    dropout: float = 0.0
    tied: bool = False
    norm_first: bool = True
