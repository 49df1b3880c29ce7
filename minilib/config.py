"""What a model is made of, in numbers: both halves of the library read the same dataclasses."""

from __future__ import annotations

from dataclasses import dataclass

CHOICES = {
    "norm": ("layer", "rms"),
    "positions": ("learned", "rope"),
    "activation": ("gelu", "relu2", "swiglu"),
    "init": ("torch", "fan_in"),
}


@dataclass(frozen=True)
class GPTConfig:
    """A decoder-only Transformer: sizes under PyTorch's names. The NumPy GPT knows the first eight, torch's knows all.

    context: the longest sequence.   tied: whether the head shares the token embedding's matrix (Press & Wolf 2017).
    norm_first: norm before each part (pre-norm, GPT-2) or behind its addition (post-norm, Vaswani et al. 2017).
    norm: "layer" or "rms" (Zhang & Sennrich 2019).   positions: "learned" or "rope" (Su et al. 2021).
    activation: "gelu" by tanh, "relu2" (So et al. 2021) or "swiglu" (Shazeer 2020).
    num_kv_heads: so many heads of keys and values, each for a group of queries (Ainslie et al. 2023); None: nhead.
    bias: in every layer; head_bias=False: in every layer but the head (GPT-2).
    qk_norm: queries and keys brought to one length before they meet (after Henry et al. 2020).
    init: "torch": every layer as torch starts it; "fan_in": matrices with a deviation of 1/√(their inputs), and zeros
    in the two of each block that write to the stream.
    Raises ValueError for sizes that do not fit each other and for names that are not known.
    """

    vocab_size: int
    context: int = 64
    d_model: int = 128
    nhead: int = 4
    num_layers: int = 4
    dropout: float = 0.0
    tied: bool = False
    norm_first: bool = True
    norm: str = "layer"
    positions: str = "learned"
    activation: str = "gelu"
    num_kv_heads: int | None = None
    bias: bool = True
    head_bias: bool = True
    qk_norm: bool = False
    init: str = "torch"

    def __post_init__(self) -> None:
        for name in ("vocab_size", "context", "d_model", "nhead"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is not known; choose among {', '.join(known)}")
        if self.d_model % self.nhead:
            near = multiples_near(self.d_model, self.nhead)
            raise ValueError(f"d_model={self.d_model} is not divisible by nhead={self.nhead}; try {near}")
        groups = self.num_kv_heads
        if groups is not None and (groups < 1 or self.nhead % groups):
            fitting = ", ".join(str(n) for n in range(1, self.nhead + 1) if self.nhead % n == 0)
            raise ValueError(f"num_kv_heads={groups} does not divide nhead={self.nhead}; choose among {fitting}")
        width = self.d_model // self.nhead
        if self.positions == "rope" and width % 2:
            raise ValueError(
                f"rope turns pairs of numbers: a head must be even, got d_model / nhead = {width}; "
                f"try d_model={self.d_model + self.nhead}"
            )


def multiples_near(width: int, heads: int) -> str:
    """The multiples of `heads` on both sides of `width`, for a message."""
    below = width // heads * heads
    return " or ".join(str(n) for n in (below, below + heads) if n)
