"""What a small GPT is worth: beside an LSTM at equal seconds, with the norm in two places, with a cache and without.

`python -m benchmarks.small_gpt PART`, with OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1, for PART text, recall, cache,
"depth 2", "depth 6" or "depth 12", writes that part of benchmarks/results/small_gpt.json. Seconds are CPU seconds of
one core; rivals take their steps in turn, each on its own clock, so that other work on the machine falls on both alike.
Rates and sizes are chosen on validation data, with as many tries for each rival; the test data are looked at once.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from benchmarks.width import rounded
from minilib import data
from minilib.schedules import warmup_cosine
from minilib.scratch import functional as F
from minilib.scratch import nn, optim
from minilib.scratch.attention import GPT, GPTConfig
from minilib.scratch.tensor import Tensor, no_grad
from minilib.text import CharTokenizer

RESULTS = Path(__file__).resolve().parent / "results" / "small_gpt.json"
SEEDS = (0, 1, 2)
SECONDS, TUNING = 30, 10
CONTEXT = 64
# layers, heads, width, tied, batch, rate
GPTS = [(2, 4, 64, tied, 16, rate) for tied in (False, True) for rate in (6e-3, 1.2e-2, 2.4e-2)]
# units, batch, rate
LSTMS = [(128, batch, rate) for batch in (32, 16) for rate in (8e-3, 1.6e-2, 3.2e-2)]
RATES = (1e-3, 3e-3, 1e-2)
DEPTHS, DEPTH_RATES = (2, 6, 12), (1e-3, 3e-3, 1e-2)
SAMPLES = {"temperature 0.8, top 20": (0.8, 20), "temperature 0": (0.0, None), "temperature 2": (2.0, None)}
Draw = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]


class CharLSTM(nn.Module):
    """An LSTM of chapter 08 between an embedding and a linear head: ids (B, T) → logits (B, T, vocab_size)."""

    def __init__(self, vocab_size: int, units: int, rng: np.random.Generator):
        self.embedding = nn.Embedding(vocab_size, 64, rng=rng)
        self.lstm = nn.LSTM(64, units, batch_first=True, rng=rng)
        self.head = nn.Linear(units, vocab_size, rng=rng)

    def forward(self, ids: np.ndarray) -> Tensor:
        return self.head(self.lstm(self.embedding(ids))[0])


class Runner:
    """A model on its own clock: takes steps until its CPU seconds are used up, warm-up and cosine along that clock."""

    def __init__(self, model: nn.Module, rate: float, batch: int, draw: Draw, seconds: float, seed: int):
        self.model, self.batch, self.draw, self.seconds = model, batch, draw, seconds
        self.optimizer, self.rng = optim.Adam(model.parameters(), lr=rate), np.random.default_rng(1000 + seed)
        self.schedule = warmup_cosine(rate, 1000, warmup=50, final=rate / 20)
        self.used, self.steps = 0.0, 0

    def chunk(self, steps: int = 5) -> None:
        start = time.process_time()
        for _ in range(steps):
            self.optimizer.lr = self.schedule(int(1000 * self.used / self.seconds))
            x, y = self.draw(self.batch, self.rng)
            loss = loss_on(self.model, x, y)
            self.optimizer.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(list(self.model.parameters()), 1.0)
            self.optimizer.step()
        self.used += time.process_time() - start
        self.steps += steps


def loss_on(model: nn.Module, x: np.ndarray, y: np.ndarray) -> Tensor:
    """Over all places, or over the last one if the targets are one number a row."""
    logits = model(x)
    logits = logits[:, -1] if y.ndim == 1 else logits.reshape(-1, logits.shape[-1])
    return F.cross_entropy(logits, y.reshape(-1))


def race(runners: list[Runner], marks: tuple[float, ...], measure: Callable[[nn.Module], float]) -> list[dict]:
    """Steps in turn; what `measure` says when a clock passes each mark is not on the clock."""
    found: list[dict[str, Any]] = [{"seconds": [], "value": []} for _ in runners]
    while any(len(f["value"]) < len(marks) for f in found):
        for runner, seen in sorted(zip(runners, found, strict=True), key=lambda pair: pair[0].used):
            if len(seen["value"]) == len(marks):
                continue
            runner.chunk()
            if runner.used >= marks[len(seen["value"])]:
                seen["seconds"].append(marks[len(seen["value"])])
                seen["value"].append(measure(runner.model))
                seen["steps"] = runner.steps
            break
    return found


@functools.cache
def plays() -> tuple[np.ndarray, np.ndarray, np.ndarray, CharTokenizer]:
    """Ids of 85 % of the text to learn from, 5 % to choose by, the last 10 % to test on."""
    text = "".join(data.shakespeare().values())
    tokenizer = CharTokenizer(text)
    ids = tokenizer.encode(text)
    a, b = int(0.85 * len(ids)), int(0.9 * len(ids))
    return ids[:a], ids[a:b], ids[b:], tokenizer


def windows(ids: np.ndarray, context: int = CONTEXT) -> Draw:
    def draw(batch: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        starts = rng.integers(0, len(ids) - context, batch)
        cut = ids[starts[:, None] + np.arange(context + 1)]
        return cut[:, :-1], cut[:, 1:]

    return draw


def text_loss(ids: np.ndarray, batches: int) -> Callable[[nn.Module], float]:
    def measure(model: nn.Module) -> float:
        with no_grad():
            return float(np.mean([loss_on(model, x, y).item() for x, y in fixed]))

    rng = np.random.default_rng(7)
    fixed = [windows(ids)(48, rng) for _ in range(batches)]
    return measure


def gpt(vocabulary: int, context: int, shape: tuple, seed: int) -> GPT:
    layers, heads, width, tied, *_ = shape
    return GPT(GPTConfig(vocabulary, context, width, heads, layers, tied=tied), rng=np.random.default_rng(seed))


def text() -> dict[str, Any]:
    """Both on Shakespeare: tried sizes and rates, then three seeds with the best."""
    train, valid, test, tokenizer = plays()
    makers: dict[str, tuple[list, Callable[[Any, int], nn.Module]]] = {
        "GPT": (GPTS, lambda shape, seed: gpt(len(tokenizer), CONTEXT, shape, seed)),
        "LSTM": (LSTMS, lambda shape, seed: CharLSTM(len(tokenizer), shape[0], np.random.default_rng(seed))),
    }

    def runner(name: str, shape: tuple, seconds: float, seed: int) -> Runner:
        return Runner(makers[name][1](shape, seed), shape[-1], shape[-2], windows(train), seconds, seed)

    tries: dict[str, list] = {name: [] for name in makers}
    for shapes in zip(GPTS, LSTMS, strict=True):
        pair = [runner(name, shape, TUNING, 9) for name, shape in zip(makers, shapes, strict=True)]
        for name, shape, seen in zip(makers, shapes, race(pair, (TUNING,), text_loss(valid, 10)), strict=True):
            tries[name].append([*shape, seen["value"][0]])
            print(name, shape, seen, flush=True)
    best = {name: tuple(min(rows, key=lambda row: row[-1])[:-1]) for name, rows in tries.items()}
    runs: dict[str, list] = {name: [] for name in makers}
    samples: dict[str, str] = {}
    for seed in SEEDS:
        pair = [runner(name, best[name], SECONDS, seed) for name in makers]
        for name, seen in zip(makers, race(pair, (2, 5, 10, 20, SECONDS), text_loss(test, 20)), strict=True):
            runs[name].append(seen)
            print(name, seed, seen, flush=True)
        if seed == 0:
            samples = {name: written(pair[0].model, tokenizer, *how) for name, how in SAMPLES.items()}
    weights = {name: count(pair[i].model) for i, name in enumerate(makers)}
    return {"tries": tries, "best": best, "weights": weights, "runs": runs, "samples": samples}


def written(model: Any, tokenizer: CharTokenizer, temperature: float, top_k: int | None) -> str:
    ids = model.generate(tokenizer.encode("\n")[None], 300, temperature, top_k, rng=np.random.default_rng(0))
    return tokenizer.decode(ids[0, 1:])


def count(model: nn.Module) -> int:
    return sum(p.data.size for p in model.parameters())


def recall() -> dict[str, Any]:
    """Both on the phone book of chapter 09, of 32 symbols: the value that belongs to the last key."""

    def draw(batch: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return data.phone_book(batch, rng)

    def accuracy(seed: int) -> Callable[[nn.Module], float]:
        x, y = data.phone_book(1000, np.random.default_rng(seed))

        def measure(model: nn.Module) -> float:
            with no_grad():
                return float((model(x).data[:, -1].argmax(1) == y).mean())

        return measure

    makers: dict[str, Callable[[int], nn.Module]] = {
        "GPT": lambda seed: gpt(32, 13, (2, 2, 64, False), seed),
        "LSTM": lambda seed: CharLSTM(32, 128, np.random.default_rng(seed)),
    }
    tries: dict[str, list] = {name: [] for name in makers}
    for rate in RATES:
        pair = [Runner(make(9), rate, 64, draw, TUNING, 9) for make in makers.values()]
        for name, seen in zip(makers, race(pair, (TUNING,), accuracy(8)), strict=True):
            tries[name].append([rate, seen["value"][0]])
    best = {name: max(rows, key=lambda row: row[-1])[0] for name, rows in tries.items()}
    print(tries, flush=True)
    runs: dict[str, list] = {name: [] for name in makers}
    for seed in SEEDS:
        pair = [Runner(make(seed), best[name], 64, draw, SECONDS, seed) for name, make in makers.items()]
        for name, seen in zip(makers, race(pair, (1, 2, 3, 5, 10, 20, SECONDS), accuracy(7)), strict=True):
            runs[name].append(seen)
            print(name, seed, seen, flush=True)
    return {"tries": tries, "best": best, "runs": runs}


def depth(layers: int) -> dict[str, Any]:
    """Final validation loss by place of the norm, warm-up, rate and seed: 250 steps of 8 windows of 32."""
    train, valid, _, tokenizer = plays()
    fixed = [windows(valid, 32)(32, np.random.default_rng(7)) for _ in range(4)]
    rows = []
    for place in ("pre", "post", "post, warm-up")[: 2 if layers == 2 else 3]:
        for rate in DEPTH_RATES:
            losses = []
            for seed in SEEDS:
                config = GPTConfig(len(tokenizer), 32, 32, 2, layers, norm_first=place == "pre")
                model = GPT(config, rng=np.random.default_rng(seed))
                optimizer, rng = optim.Adam(model.parameters(), lr=rate), np.random.default_rng(100 + seed)
                for step in range(250):
                    if "warm-up" in place:
                        optimizer.lr = rate * min(1, (step + 1) / 100)
                    loss = loss_on(model, *windows(train, 32)(8, rng))
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                with no_grad():
                    losses.append(float(np.mean([loss_on(model, x, y).item() for x, y in fixed])))
            rows.append({"layers": layers, "place": place, "rate": rate, "losses": losses})
            print(rows[-1], flush=True)
    return {"rows": rows}


class Cached:
    """A GPT that is shown one token at a time and keeps the keys and values of those before."""

    def __init__(self, model: GPT):
        self.model, self.seen = model, 0
        self.kept: list[Any] = [None] * model.config.num_layers

    @no_grad()
    def step(self, ids: np.ndarray) -> np.ndarray:
        """ids (B,) of the newest tokens → logits (B, V)."""
        model = self.model
        x = model.token_embedding(ids[:, None]) + model.position_embedding.weight[self.seen]  # (B, 1, D)
        for layer, block in enumerate(model.blocks):
            attention = block.self_attn
            packed = F.linear(block.norm1(x), attention.in_proj_weight, attention.in_proj_bias).data
            q, k, v = packed.reshape(len(ids), 1, 3, attention.num_heads, -1).transpose(2, 0, 3, 1, 4)
            if self.kept[layer]:
                k, v = (np.concatenate(pair, axis=2) for pair in zip(self.kept[layer], (k, v), strict=True))
            self.kept[layer] = k, v  # (B, H, tokens so far, K) each
            found = F.scaled_dot_product_attention(Tensor(q), Tensor(k), Tensor(v)).transpose(1, 2)
            x = x + attention.out_proj(found.reshape(x.shape))
            x = x + block.linear2(block.activation(block.linear1(block.norm2(x))))
        self.seen += 1
        return model.head(model.norm(x)).data[:, 0]


def cache() -> dict[str, Any]:
    """CPU seconds to write so many characters greedily with a GPT 4 layers deep, 128 wide, full pass against cache."""
    rows = []
    for tokens in (63, 255):
        model, times = gpt(84, 256, (4, 4, 128, False), 0), []
        for _ in range(4):
            start = time.process_time()
            full = model.generate(np.zeros((1, 1), int), tokens, 0.0, rng=np.random.default_rng(0))
            middle, cached, ids = time.process_time(), Cached(model), [np.zeros(1, int)]
            for _ in range(tokens):
                ids.append(cached.step(ids[-1]).argmax(1))
            times.append([middle - start, time.process_time() - middle])
            assert np.array_equal(full[0], np.concatenate(ids))
        rows.append({"tokens": tokens, "full": np.median(times[1:], 0)[0], "cached": np.median(times[1:], 0)[1]})
        print(rows[-1], flush=True)
    return {"rows": rows}


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "text": text, "recall": recall, "cache": cache, **{f"depth {n}": functools.partial(depth, n) for n in DEPTHS},
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_gpt", description=__doc__)
    parser.add_argument("part", choices=PARTS)
    part = parser.parse_args().part
    about = {**describe(f"python -m benchmarks.small_gpt '{part}'", ("numpy",)), "seeds": SEEDS, "threads": 1}
    found = PARTS[part]()
    stored = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else {}
    stored[part] = rounded({"about": about, **found})
    RESULTS.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf8", newline="\n")


if __name__ == "__main__":
    main()
