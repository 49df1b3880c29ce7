"""Race the NumPy engine on the networks of chapters 07, 08 and 10: one training step with Adam.

Against PyTorch eager, HIPS autograd, and the bare matrix products of a step. Each network in a process and thread of
its own, all timed in turn after a warm-up, in CPU time, as medians. Run it with `make bench`.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import multiprocessing
import pstats
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import rivals
from benchmarks.engine import Step, seconds
from benchmarks.machine import describe
from minilib.config import GPTConfig
from minilib.scratch import Tensor, nn, optim
from minilib.scratch import functional as F
from minilib.scratch.attention import GPT

RESULTS = Path(__file__).parent / "results" / "networks.json"
TF = torch.nn.functional
LETTERS = 27
CONFIG = GPTConfig(vocab_size=84, context=64, d_model=128, nhead=4, num_layers=4)


def cnn(kit: Any) -> Any:
    return kit.Sequential(
        kit.Conv2d(1, 16, 3, padding=1), kit.MaxPool2d(2), kit.ReLU(),
        kit.Conv2d(16, 32, 3, padding=1), kit.MaxPool2d(2), kit.ReLU(), kit.Flatten(), kit.Linear(1568, 10),
    )  # fmt: skip


def lstm(kit: Any) -> Any:
    class Reader(kit.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = kit.LSTM(128, 128, batch_first=True), kit.Linear(128, LETTERS)

        def forward(self, x: Any) -> Any:
            return self.head(self.lstm(x)[0])

    return Reader()


class TorchBlock(torch.nn.Module):
    """A pre-norm block as one writes it in PyTorch today, with its fused attention."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.norm1, self.norm2 = heads, torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.in_proj, self.out_proj = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.linear1, self.linear2 = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        packed = self.in_proj(self.norm1(x)).unflatten(-1, (3, self.heads, -1))
        found = TF.scaled_dot_product_attention(*packed.permute(2, 0, 3, 1, 4), is_causal=True)
        x = x + self.out_proj(found.transpose(1, 2).flatten(2))
        return x + self.linear2(TF.gelu(self.linear1(self.norm2(x)), approximate="tanh"))


class TorchGPT(torch.nn.Module):
    def __init__(self, config: GPTConfig):
        super().__init__()
        width = config.d_model
        self.tokens, self.places = (torch.nn.Embedding(n, width) for n in (config.vocab_size, config.context))
        self.blocks = torch.nn.Sequential(*(TorchBlock(width, config.nhead) for _ in range(config.num_layers)))
        self.norm, self.head = torch.nn.LayerNorm(width), torch.nn.Linear(width, config.vocab_size)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.blocks(self.tokens(ids) + self.places.weight)))


def minilib_step(model: Any, x: np.ndarray, y: np.ndarray, classes: int) -> Step:
    optimizer, inputs = optim.Adam(model.parameters(), lr=1e-3), Tensor(x)

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs).reshape(-1, classes), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torch_step(model: torch.nn.Module, x: np.ndarray, y: np.ndarray, classes: int) -> Step:
    optimizer, inputs, targets = torch.optim.Adam(model.parameters(), lr=1e-3), torch.tensor(x), torch.tensor(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = TF.cross_entropy(model(inputs).reshape(-1, classes), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def contests() -> dict[str, Callable[[], dict[str, Step]]]:
    """For each network the engines that race, and the bare matrix products."""
    rng = np.random.default_rng(0)

    def pictures() -> dict[str, Step]:
        x, y = rng.random((64, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, 64)
        params = rivals.weights((16, 1, 3, 3), (16,), (32, 16, 3, 3), (32,), (1568, 10), (10,))
        return {
            "minilib": minilib_step(cnn(nn), x, y, 10),
            "PyTorch eager": torch_step(cnn(torch.nn), x, y, 10),
            "HIPS autograd": rivals.adam_step(rivals.cnn, params, x, y),
            "matrix products": rivals.floor_step(rivals.cnn_products()),
        }

    def letters() -> dict[str, Step]:
        x, y = rng.standard_normal((32, 64, 128), dtype=np.float32), rng.integers(0, LETTERS, 32 * 64)
        params = rivals.weights((128, 512), (128, 512), (512,), (128, LETTERS), (LETTERS,))
        return {
            "minilib": minilib_step(lstm(nn), x, y, LETTERS),
            "PyTorch eager": torch_step(lstm(torch.nn), x, y, LETTERS),
            "HIPS autograd": rivals.adam_step(rivals.lstm, params, x, y),
            "matrix products": rivals.floor_step(rivals.lstm_products()),
        }

    def text() -> dict[str, Step]:
        x, y = rng.integers(0, 84, (12, 64)), rng.integers(0, 84, 12 * 64)
        params, forward = rivals.gpt(CONFIG)
        return {
            "minilib": minilib_step(GPT(CONFIG), x, y, 84),
            "PyTorch eager": torch_step(TorchGPT(CONFIG), x, y, 84),
            "HIPS autograd": rivals.adam_step(forward, params, x, y),
            "matrix products": rivals.floor_step(rivals.gpt_products(CONFIG, 12)),
        }

    return {"CNN": pictures, "LSTM": letters, "GPT": text}


def race(name: str, rounds: int, repeat: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """A row for each engine, timed in turn, ratios as medians over the rounds; and where our own time goes."""
    torch.set_num_threads(1)
    steps = contests()[name]()
    times = [[1000 * seconds(step, repeat) for step in steps.values()] for _ in range(rounds + 2)][2:]  # two to warm up
    ratios = np.median([[t / row[0] for t in row] for row in times], axis=0)
    rows = [
        {"setting": name, "engine": engine, "ms": round(float(ms), 2), "ratio": round(float(ratio), 2)}
        for engine, ms, ratio in zip(steps, np.median(times, axis=0), ratios, strict=True)
    ]
    return rows, where(steps["minilib"], rounds)


def where(step: Step, times: int) -> dict[str, float]:
    """The share of our step that each function takes by itself, its matrix products included: the largest eight."""
    profile = cProfile.Profile()
    profile.runcall(lambda: [step() for _ in range(times)])
    own: dict[str, float] = {}
    for (path, _, name), (_, _, seconds_alone, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        name = f"{Path(path).stem}.{name}" if "minilib" in path else "NumPy"
        own[name] = own.get(name, 0.0) + seconds_alone
    whole = sum(own.values())
    largest = sorted(own.items(), key=lambda item: -item[1])[:8]
    return {name: round(spent / whole, 3) for name, spent in largest}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--repeat", type=int, default=3, help="steps a round")
    parser.add_argument("--write", type=Path, default=RESULTS, help="where the result goes, as JSON")
    options = parser.parse_args()
    tasks = [(name, options.rounds, options.repeat) for name in contests()]
    # a process for each: memory that one network has freed would be at hand for the next
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        rows = pool.starmap(race, tasks, chunksize=1)
    for row in [row for found, _ in rows for row in found]:
        print("   ".join(f"{name} {value}" for name, value in row.items()))
    result = {
        **describe("make bench"),
        "rows": [row for found, _ in rows for row in found],
        "where": {name: shares for name, (_, shares) in zip(contests(), rows, strict=True)},
    }
    options.write.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
