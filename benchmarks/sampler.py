"""Two GPTs small enough for a page of the book: one has read the plays, one nothing but 3,000 characters of Hamlet.

`python -m benchmarks.sampler`, with OMP_NUM_THREADS=1, trains both (about two minutes) and writes
benchmarks/results/sampler.json. Each weight of a matrix becomes one of 63 letters, a whole number from −31 to 31, times
a scale of its row; what that costs in loss stands beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.machine import describe
from minilib import data
from minilib.config import GPTConfig
from minilib.pt.train import fit
from minilib.pt.transformer import GPT
from minilib.schedules import warmup_cosine
from minilib.text import CharTokenizer

RESULTS = Path(__file__).resolve().parent / "results" / "sampler.json"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+"
HALF = len(LETTERS) // 2
EXCERPT = 3000
RUNS = {"all the plays": (6000, 32, 48), "these 3,000 characters": (3000, 12, 30)}  # steps, windows a step, width
RATE = 6e-3


def config(vocab_size: int, width: int) -> GPTConfig:
    """A chapter's lean GPT of two blocks."""
    return GPTConfig(
        vocab_size, 64, width, 3, 2, positions="rope", activation="relu2", init="fan_in", bias=False
    )  # fmt: skip


def pack(matrix: Tensor) -> dict[str, Any]:
    """A matrix as letters, row after row, and the scale of each row."""
    scale = matrix.abs().amax(1) / HALF
    whole = (matrix / scale[:, None]).round().int() + HALF
    letters = "".join(LETTERS[i] for i in whole.flatten().tolist())
    return {"letters": letters, "scales": [float(f"{x:.3g}") for x in scale.tolist()]}


def unpack(packed: Any) -> Tensor:
    """What the letters stand for; a row of plain numbers is itself."""
    if isinstance(packed, list):
        return torch.tensor(packed)
    scales = torch.tensor(packed["scales"])
    whole = torch.tensor([LETTERS.index(letter) - HALF for letter in packed["letters"]])
    return whole.view(len(scales), -1) * scales[:, None]


def load(packed: dict[str, Any], vocab_size: int) -> GPT:
    """The GPT of which the page has the letters."""
    model = GPT(config(vocab_size, len(packed["norm.weight"])))
    model.load_state_dict({name: unpack(x) for name, x in packed.items()})
    return model.eval()


def loss_fn(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


@torch.no_grad()
def judge(model: GPT, ids: np.ndarray) -> float:
    """Mean loss over whole windows of 64."""
    ids = ids[: (len(ids) - 1) // 64 * 64 + 1]
    x, y = (torch.tensor(part).view(-1, 64) for part in (ids[:-1], ids[1:]))
    return round(float(loss_fn(model.eval()(x), y)), 4)


def main() -> None:
    torch.set_num_threads(1)
    plays = "".join(data.shakespeare().values())
    tokens, cut = CharTokenizer(plays), int(0.9 * len(plays))
    start = plays.index("**HAMLET**  \nTo be, or not to be")
    excerpt = plays[start : start + EXCERPT]
    texts = dict(zip(RUNS, (plays[:cut], excerpt), strict=True))
    held_out = tokens.encode(plays[cut : cut + 200_000])
    models = {}
    for name, (steps, batch, width) in RUNS.items():
        torch.manual_seed(0)
        model, ids = GPT(config(len(tokens), width)), tokens.encode(texts[name])
        optimizer = torch.optim.AdamW(model.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
        windows = data.Windows(ids, 64, batch, steps, np.random.default_rng(0))
        schedule = warmup_cosine(RATE, steps, 50, RATE / 10)
        fit(model, windows, loss_fn, optimizer, epochs=1, schedule=schedule, max_norm=1.0, device="cpu")
        exact = judge(model, held_out)
        weights = {
            key: pack(x) if x.ndim == 2 else [float(f"{n:.4g}") for n in x.tolist()]
            for key, x in model.state_dict().items()
        }
        small = load(weights, len(tokens))
        models[name] = {
            "weights": weights, "held_out": judge(small, held_out), "held_out_exact": exact,
            "on_excerpt": judge(small, tokens.encode(excerpt)),
        }  # fmt: skip
        print(name, {key: x for key, x in models[name].items() if key != "weights"})
    result = {"about": describe("python -m benchmarks.sampler"), "vocabulary": tokens.vocabulary, "excerpt": excerpt}
    RESULTS.write_text(json.dumps(result | {"models": models}, ensure_ascii=False, indent=1) + "\n", "utf8")


if __name__ == "__main__":
    main()
