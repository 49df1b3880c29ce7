"""What attention costs as the text grows, and what depth buys: stored for chapter 09.

`python -m benchmarks.attention`, with OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1, takes about five minutes and
writes benchmarks/results/attention.json. Times are CPU times, medians of several rounds in which both versions take
turns, and of five fresh processes the fastest. In the look-up task each network picks its learning rate on 1,000
validation streams, for each seed by itself; the 1,000 test streams are looked at once.
"""

from __future__ import annotations

import json
import multiprocessing
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.machine import describe, rounded
from minilib.scratch import functional as F
from minilib.scratch import lookup, nn, optim
from minilib.scratch.attention import LearnedPositions, MultiHeadAttention
from minilib.scratch.tensor import Tensor, no_grad

ROOT = Path(__file__).resolve().parent.parent
LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)
SEEDS = (0, 1, 2)
RATES = (3e-4, 1e-3, 3e-3)
STEPS = 1000
PAIRS, TOKENS = 6, 13


# Cost ----------------------------------------------------------------------------------------------------------------
def plain(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The library's attention: one table of T × T."""
    return lookup.attention(q, k, v)[0]


def streaming(q: np.ndarray, k: np.ndarray, v: np.ndarray, block: int = 256) -> np.ndarray:
    """The same in blocks, as chapter 09 derives it."""
    found = np.empty((len(q), v.shape[-1]), q.dtype)
    for i in range(0, len(q), block):
        asks = q[i : i + block] / np.sqrt(q.dtype.type(q.shape[-1]))
        top: Any = -np.inf
        total: Any = 0
        taken: Any = 0
        for j in range(0, len(k), block):
            scores = asks @ k[j : j + block].T
            larger = np.maximum(top, scores.max(-1, keepdims=True))
            scores = np.exp(scores - larger)
            shrink = np.exp(top - larger)
            total = total * shrink + scores.sum(-1, keepdims=True)
            taken = taken * shrink + scores @ v[j : j + block]
            top = larger
        found[i : i + block] = taken / total
    return found


def cost(length: int) -> dict[str, dict[str, float]]:
    """Median CPU seconds and peak memory of both on one head of 64 numbers in float32."""
    rng = np.random.default_rng(0)
    qkv = [rng.standard_normal((length, 64), dtype=np.float32) for _ in range(3)]
    both: dict[str, Callable[..., np.ndarray]] = {"plain": plain, "streaming": streaming}
    times: dict[str, list[float]] = {name: [] for name in both}
    for _ in range(3 if length > 8000 else 7):
        for name, function in both.items():
            start = time.process_time()
            function(*qkv)
            times[name].append(time.process_time() - start)
    return {name: {"seconds": float(np.median(times[name])), "mib": peak(both[name], qkv)} for name in both}


def repeated_cost(length: int) -> dict[str, Any]:
    """The fastest of five fresh processes: what a large table costs depends on the state of the machine's memory."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        runs = pool.map(cost, [length] * 5, chunksize=1)
    found: dict[str, Any] = {
        name: {what: min(run[name][what] for run in runs) for what in ("seconds", "mib")}
        for name in ("plain", "streaming")
    }
    return found | {"ratios": sorted(run["streaming"]["seconds"] / run["plain"]["seconds"] for run in runs)}


def peak(function: Callable[..., np.ndarray], arrays: list[np.ndarray]) -> float:
    tracemalloc.start()
    function(*arrays)
    found = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return found


# Depth ---------------------------------------------------------------------------------------------------------------
def phone_book(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Streams k v k v … k? and the value that stood behind the key that is asked for."""
    order = rng.permuted(np.tile(np.arange(16), (2, n, 1)), axis=2)
    keys, values = order[:, :, :PAIRS]
    which, rows = rng.integers(PAIRS, size=n), np.arange(n)
    ids = np.stack([keys, values + 16], axis=2).reshape(n, 2 * PAIRS)
    return np.column_stack([ids, keys[rows, which]]), values[rows, which]


class Reader(nn.Module):
    """Attention layers that add to the stream; then, if `wide`, a network of two layers; then 16 logits."""

    def __init__(self, layers: int, heads: int = 1, width: int = 64, wide: int = 0, *, rng: np.random.Generator):
        self.token, self.place = nn.Embedding(33, width, rng=rng), LearnedPositions(TOKENS, width, rng=rng)
        self.looks = nn.Sequential(*(MultiHeadAttention(width, heads, rng=rng) for _ in range(layers)))
        thinks = [nn.Linear(width, wide, rng=rng), nn.ReLU(), nn.Linear(wide, width, rng=rng)] if wide else []
        self.thinks = nn.Sequential(*thinks)
        self.head = nn.Linear(width, 16, rng=rng)

    def forward(self, ids: Any) -> Tensor:
        x = self.place(self.token(ids))
        for look in self.looks:
            x = x + look(x, is_causal=True)
        x = x[:, -1]
        return self.head(x + self.thinks(x) if len(self.thinks) else x)


NETWORKS: dict[str, Callable[[np.random.Generator], nn.Module]] = {
    "one layer": lambda rng: Reader(1, rng=rng),
    "one layer, 4 heads": lambda rng: Reader(1, heads=4, rng=rng),
    "one layer, 4 heads, 128 wide": lambda rng: Reader(1, heads=4, width=128, rng=rng),
    "one layer and a network of 256 units": lambda rng: Reader(1, wide=256, rng=rng),
    "two layers": lambda rng: Reader(2, rng=rng),
}


def score(model: nn.Module, streams: tuple[np.ndarray, np.ndarray]) -> float:
    ids, answers = streams
    with no_grad():
        return float((model(ids).data.argmax(1) == answers).mean())


def learnt(network: str, seed: int, rate: float) -> tuple[float, float, list[float]]:
    """Accuracy on validation and test streams, and on the validation streams every 100 steps."""
    rng = np.random.default_rng(seed)
    model = NETWORKS[network](rng)
    optimizer = optim.Adam(model.parameters(), lr=rate)
    valid, test = (phone_book(1000, np.random.default_rng(s)) for s in (1001, 1002))
    course = []
    for step in range(STEPS):
        if step % 100 == 0:
            course.append(score(model, valid))
        ids, answers = phone_book(64, rng)
        loss = F.cross_entropy(model(ids), answers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return score(model, valid), score(model, test), course


def depth(network: str) -> dict[str, Any]:
    """For each seed: the rate chosen on validation streams, the test accuracy with it, and how it came about."""
    found: dict[str, Any] = {"rate": [], "test": [], "course": []}
    for seed in SEEDS:
        runs = [learnt(network, seed, rate) for rate in RATES]
        best = int(np.argmax([valid for valid, _, _ in runs]))
        found["rate"].append(RATES[best])
        found["test"].append(runs[best][1])
        found["course"].append([round(x, 3) for x in runs[best][2]])
    return found


def store(result: dict[str, Any]) -> None:
    path = ROOT / "benchmarks" / "results" / "attention.json"
    path.write_text(json.dumps(rounded(result), indent=1) + "\n", encoding="utf8", newline="\n")


def main() -> None:
    """Run both, and store what there is after each part."""
    about = {**describe("python -m benchmarks.attention", ("numpy",)), "seeds": SEEDS, "rates": RATES, "steps": STEPS}
    result: dict[str, Any] = {"about": {**about, "threads": 1}, "cost": {}, "depth": {}}
    for length in tqdm(LENGTHS, desc="cost"):
        result["cost"][str(length)] = repeated_cost(length)
        store(result)
    for name in tqdm(NETWORKS, desc="depth"):
        result["depth"][name] = depth(name)
        store(result)


if __name__ == "__main__":
    main()
