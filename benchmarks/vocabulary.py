"""How many tokens should a small GPT know? Equal seconds, judged in bits per byte: `python -m benchmarks.vocabulary`.

Merges are learnt from the first 85 % of the plays, rates chosen on the next 5 %, and a stretch of the last 10 % is
looked at once, by three seeds. Seconds are CPU seconds of one core (OMP_NUM_THREADS=1); rivals take their steps in
turn, each on its own clock. "256, far" is the control: bytes with a window as long, in bytes, as that of 4,096 tokens,
and a batch that gives a step as many bytes as a step of "256" reads.
Writes benchmarks/results/vocabulary.json.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.machine import describe, rounded
from minilib import data, metrics
from minilib.config import GPTConfig
from minilib.pt.transformer import GPT
from minilib.schedules import warmup_cosine
from minilib.text import BPETokenizer

RESULTS = Path(__file__).parent / "results" / "vocabulary.json"
COMMAND = "python -m benchmarks.vocabulary"
RIVALS = {  # tokens, window, batch
    "256": (256, 64, 12),
    "1,024": (1024, 64, 12),
    "4,096": (4096, 64, 12),
    "256, far": (256, 192, 4),
}
RATES, SEEDS = (4e-3, 8e-3, 1.6e-2, 3.2e-2), (0, 1, 2)
TUNING, SECONDS = 6, 12
JUDGED = 120_000  # characters


class Runner:
    """A model on its own clock; the rate warms up and falls along that clock."""

    def __init__(self, name: str, ids: np.ndarray, rate: float, seconds: float, seed: int):
        vocabulary, self.window, self.batch = RIVALS[name]
        torch.manual_seed(seed)
        self.model = GPT(GPTConfig(vocabulary, self.window, d_model=64, nhead=2, num_layers=2))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=rate)
        self.schedule = warmup_cosine(rate, 1000, warmup=50, final=rate / 20)
        self.ids, self.seconds, self.rng = ids, seconds, np.random.default_rng(1000 + seed)
        self.used, self.steps = 0.0, 0

    def chunk(self) -> None:
        started = time.process_time()
        for _ in range(5):
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule(int(1000 * min(1.0, self.used / self.seconds)))
            starts = self.rng.integers(0, len(self.ids) - self.window, self.batch)
            cut = torch.from_numpy(self.ids[starts[:, None] + np.arange(self.window + 1)])
            loss = F.cross_entropy(self.model(cut[:, :-1]).flatten(0, 1), cut[:, 1:].flatten())
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.steps += 1
        self.used += time.process_time() - started


@torch.no_grad()
def losses(model: GPT, ids: np.ndarray, window: int) -> np.ndarray:
    """The nats of every token but the first; behind the first window each sees half a window at least."""
    model.eval()
    found, half = [], window // 2
    for start in range(0, len(ids) - 1, half):
        cut = torch.from_numpy(ids[start : start + window + 1])
        nats = F.cross_entropy(model(cut[None, :-1])[0], cut[1:], reduction="none").double().numpy()
        found.append(nats if start == 0 else nats[half:])
        if start + window >= len(ids) - 1:
            break
    model.train()
    return np.concatenate(found)


def judge(runner: Runner, tokenizer: BPETokenizer, text: str) -> dict[str, float]:
    ids = tokenizer.encode(text)
    nats = losses(runner.model, ids, runner.window)
    assert len(nats) == len(ids) - 1
    return {
        "nats_per_token": float(nats.mean()),
        "bits_per_byte": metrics.bits_per_byte(nats, tokenizer.decode(ids[1:])),
        "steps": runner.steps,
    }


def race(runners: list[Runner]) -> None:
    while waiting := [runner for runner in runners if runner.used < runner.seconds]:
        min(waiting, key=lambda runner: runner.used).chunk()


def main() -> None:
    torch.set_num_threads(1)
    text = "".join(data.shakespeare().values())
    a, b = int(0.85 * len(text)), int(0.9 * len(text))
    tokenizers = {size: BPETokenizer.train(text[:a], size) for size in {size for size, _, _ in RIVALS.values()}}
    ids = {size: tokenizer.encode(text[:a]) for size, tokenizer in tokenizers.items()}
    size = {name: RIVALS[name][0] for name in RIVALS}

    tries: dict[str, dict[str, float]] = {name: {} for name in RIVALS}
    for rate in RATES:
        runners = {name: Runner(name, ids[size[name]], rate, TUNING, 9) for name in RIVALS}
        race(list(runners.values()))
        for name, runner in runners.items():
            found = judge(runner, tokenizers[size[name]], text[a : a + JUDGED // 2])
            tries[name][str(rate)] = found["bits_per_byte"]
            print(rate, name, found, flush=True)
    best = {name: float(min(tried, key=tried.__getitem__)) for name, tried in tries.items()}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in RIVALS}
    for seed in SEEDS:
        runners = {name: Runner(name, ids[size[name]], best[name], SECONDS, seed) for name in RIVALS}
        race(list(runners.values()))
        for name, runner in runners.items():
            runs[name].append(judge(runner, tokenizers[size[name]], text[b : b + JUDGED]))
            print(seed, name, runs[name][-1], flush=True)
    result: dict[str, Any] = {
        **describe(COMMAND, ("numpy", "torch")),
        "threads": 1, "seconds": {"tuning": TUNING, "runs": SECONDS},
        "window": {name: window for name, (_, window, _) in RIVALS.items()},
        "batch": {name: batch for name, (_, _, batch) in RIVALS.items()},
        "weights": {
            name: sum(p.numel() for p in Runner(name, ids[size[name]], 1e-3, 1, 0).model.parameters())
            for name in RIVALS
        },
        "bytes_per_token": {
            name: len(text[b : b + JUDGED].encode()) / len(tokenizers[size[name]].encode(text[b : b + JUDGED]))
            for name in RIVALS
        },
        "tries": tries, "best": best, "runs": runs,
    }  # fmt: skip
    RESULTS.write_text(json.dumps(rounded(result), indent=1, ensure_ascii=False) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
