"""A small GPT on the plays: what buys what, what it costs, and how fast it writes: `python -m benchmarks.gpt`.

The published small setting: 4 layers, 4 heads, 128 wide, context 64, batches of 12, the 38 plays with the last tenth
held out, the loss over the whole of it. Rates are chosen on the tenth before, by a seed of its own. Steps and
generation are timed in turn, in CPU seconds of one core (OMP_NUM_THREADS=1). An hour and a half on one core;
`--workers 2` shares the runs among processes. Writes benchmarks/results/gpt.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from benchmarks.machine import describe, rounded
from minilib import data
from minilib.config import GPTConfig
from minilib.pt.attention import gelu_tanh
from minilib.pt.generate import generate
from minilib.pt.train import fit
from minilib.pt.transformer import GPT
from minilib.schedules import warmup_cosine
from minilib.text import CharTokenizer

RESULTS = Path(__file__).resolve().parent / "results" / "gpt.json"
COMMAND = "python -m benchmarks.gpt"
STEPS, SHORT, BATCH, CONTEXT, WARMUP = 2000, 400, 12, 64, 100
SEEDS, TUNING, RATES = (0, 1, 2), 100, (1.5e-3, 3e-3, 6e-3)
LEAN: dict[str, Any] = {"positions": "rope", "activation": "relu2", "bias": False, "init": "fan_in"}
FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "RoPE": {"positions": "rope"},
    "ReLU squared": {"activation": "relu2"},
    "fan-in start": {"init": "fan_in"},
    "RMSNorm": {"norm": "rms"},
    "lean": LEAN,
    "lean + QK-norm": {**LEAN, "qk_norm": True},
}
GOAL = ("plain", "lean")  # also after exactly as many steps, and after few
LARGER = GPTConfig(84, 128, 192, 6, 6, qk_norm=True, **LEAN)
LARGER_STEPS, LARGER_BATCH, LARGER_RATE = 2400, 16, 3e-3
PROMPT = "\n\nKING HENRY.\n"


class Run(NamedTuple):
    """One training: the form, its rate, steps and seed; trained on the text up to `end`, judged on the tenth after."""

    form: dict[str, Any]
    rate: float
    steps: int
    seed: int
    end: float = 0.9


class Windows:
    """So many batches of pieces from random places: x and, one further, y."""

    def __init__(self, ids: Tensor, steps: int, batch: int, context: int, seed: int):
        self.ids, self.steps, self.batch, self.context = ids, steps, batch, context
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Any:
        for _ in range(self.steps):
            starts = self.rng.integers(0, len(self.ids) - self.context, self.batch)
            cut = self.ids[torch.from_numpy(starts[:, None] + np.arange(self.context + 1))]
            yield cut[:, :-1], cut[:, 1:]


def corpus() -> tuple[CharTokenizer, Tensor]:
    """The plays, in order, as ids of their 84 characters."""
    text = "".join(data.shakespeare().values())
    tokenizer = CharTokenizer(text)
    return tokenizer, torch.tensor(tokenizer.encode(text))


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean over all places, in nats."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


@torch.inference_mode()
def judge(model: nn.Module, ids: Tensor, context: int = CONTEXT) -> float:
    """Nats a character over the whole of ids, in pieces side by side: each character but the first guessed once."""
    total = 0.0
    *full, last = [ids[None, i : i + context + 1] for i in range(0, len(ids) - 1, context)]
    for rows in (torch.cat(full[i : i + 128]) for i in range(0, len(full), 128)):
        total += cross_entropy(model(rows[:, :-1]), rows[:, 1:]).item() * rows[:, 1:].numel()
    return (total + cross_entropy(model(last[:, :-1]), last[:, 1:]).item() * (last.numel() - 1)) / (len(ids) - 1)


def adamw(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """Decay on matrices alone, as nanoGPT has it."""
    groups = [{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
              {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0}]  # fmt: skip
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=True)


def train(run: Run) -> float:
    """The loss on what was held out."""
    torch.set_num_threads(1)
    tokenizer, ids = corpus()
    torch.manual_seed(run.seed)
    model, end = GPT(GPTConfig(len(tokenizer), CONTEXT, **run.form)), int(len(ids) * run.end)
    batches = Windows(ids[:end], run.steps, BATCH, CONTEXT, 1000 + run.seed)
    schedule = warmup_cosine(run.rate, run.steps, min(WARMUP, run.steps // 4), run.rate / 10)
    fit(model, batches, cross_entropy, adamw(model, run.rate), epochs=1, schedule=schedule, max_norm=1.0,
        progress=False, device="cpu")  # fmt: skip
    return judge(model.eval(), ids[end : int(len(ids) * (run.end + 0.1))])


class PlainGPT(nn.Module):
    """The same GPT from torch's own layers: what one writes without a library. It has no cache."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config, width = config, config.d_model
        self.token_embedding = nn.Embedding(config.vocab_size, width)
        self.position_embedding = nn.Embedding(config.context, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, config.nhead, 4 * width, 0.0, gelu_tanh, batch_first=True, norm_first=True
            )
            for _ in range(config.num_layers)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, config.vocab_size)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
        mask = nn.Transformer.generate_square_subsequent_mask(ids.shape[1], ids.device)
        for block in self.blocks:
            x = block(x, mask, is_causal=True)
        return self.head(self.norm(x))


@torch.inference_mode()
def write(model: nn.Module, tokens: int) -> list[int]:
    """Greedy text from token 0, everything computed again for every token."""
    ids = torch.zeros(1, 1, dtype=torch.int64)
    for _ in range(tokens):
        ids = torch.cat([ids, model(ids)[:, -1].argmax(-1, keepdim=True)], 1)
    return ids[0].tolist()


def step_times(rounds: int) -> dict[str, float]:
    """CPU seconds of a training step of each form and of torch's own layers, taken in turn: medians."""
    torch.manual_seed(0)
    made: dict[str, nn.Module] = {name: GPT(GPTConfig(84, CONTEXT, **form)) for name, form in FORMS.items()}
    made["torch's layers"] = PlainGPT(GPTConfig(84, CONTEXT))
    players = {name: (model, adamw(model, 1e-3)) for name, model in made.items()}
    times: dict[str, list[float]] = {name: [] for name in made}
    for _ in tqdm(range(rounds), desc="a step of each in turn"):
        ids = torch.randint(84, (BATCH, CONTEXT + 1))
        for name, (model, optimizer) in players.items():
            began = time.process_time()
            optimizer.zero_grad()
            cross_entropy(model(ids[:, :-1]), ids[:, 1:]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            times[name].append(time.process_time() - began)
    return {name: statistics.median(seen[len(seen) // 10 :]) for name, seen in times.items()}


def write_times(tokens: int, rounds: int) -> dict[str, float]:
    """CPU seconds for so many tokens: with the cache, without, and by torch's own layers with the same weights."""
    torch.manual_seed(0)
    ours = GPT(GPTConfig(84, tokens + 1)).eval()
    theirs = PlainGPT(ours.config).eval()
    theirs.load_state_dict(ours.state_dict())
    ways = {
        "cached": lambda: generate(ours, [[0]], tokens, 0)[0],
        "uncached": lambda: generate(ours, [[0]], tokens, 0, cached=False)[0],
        "torch's layers": lambda: write(theirs, tokens),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in tqdm(range(rounds), desc=f"{tokens} tokens in turn"):
        texts = []
        for name, way in ways.items():
            began = time.process_time()
            texts.append(way())
            times[name].append(time.process_time() - began)
        if texts[0] != texts[1] or texts[0] != texts[2]:
            raise AssertionError("the ways to write do not write the same")
    return {name: statistics.median(seen) for name, seen in times.items()}


def steps(share: float = 1.0) -> dict[str, dict[str, float]]:
    """A training step of each form in milliseconds, and as a ratio to the plain one's."""
    found = step_times(max(2, int(150 * share)))
    return {name: {"ms": 1000 * s, "ratio": s / found["plain"]} for name, s in found.items()}


def writing(share: float = 1.0) -> dict[str, dict[str, float]]:
    """Writing 256 and 512 tokens; the ratio says how much longer it takes without the cache."""
    lengths = [max(4, int(n * share)) for n in (256, 512)]
    found = {n: write_times(n, max(1, int(5 * share))) for n in lengths}
    return {str(n): {**s, "ratio": s["uncached"] / s["cached"], "tokens/s": n / s["cached"]} for n, s in found.items()}


def race(pool: ProcessPoolExecutor, ratios: dict[str, float], share: float = 1.0) -> dict[str, Any]:
    """Rates for the plain and the lean form; then every form for equal time, some for equal steps, few and many."""

    def run(jobs: list[Run], what: str) -> list[float]:
        return list(tqdm(pool.map(train, jobs), total=len(jobs), desc=what))

    long, short = int(STEPS * share), int(SHORT * share)
    tried = [(name, rate) for name in ("plain", "lean") for rate in RATES]
    losses = run([Run(FORMS[name], rate, long, TUNING, 0.8) for name, rate in tried], "rates")
    rates = {name: {rate: x for (n, rate), x in zip(tried, losses, strict=True) if n == name} for name in FORMS}
    best = {name: min(rates["lean" if "lean" in name else "plain"].items(), key=lambda pair: pair[1])[0]
            for name in FORMS}  # fmt: skip
    lengths = {name: {"equal time": int(long / ratios[name])} for name in FORMS}
    for name in GOAL:
        lengths[name] |= {"equal steps": long, "few steps": short}
    plans = sorted({(name, n) for name, plan in lengths.items() for n in plan.values()})
    losses = run([Run(FORMS[name], best[name], n, seed) for name, n in plans for seed in SEEDS], "race")
    seen = dict(zip(plans, zip(*[iter(losses)] * len(SEEDS), strict=True), strict=True))
    found = {name: {"rate": best[name], "steps": plan, **{what: seen[name, n] for what, n in plan.items()}}
             for name, plan in lengths.items()}  # fmt: skip
    return {"rates": {name: tried for name, tried in rates.items() if tried}, "race": found}


def larger(share: float = 1.0) -> dict[str, Any]:
    """A GPT of 2.7 million parameters, its loss along the way, and what it writes."""
    tokenizer, ids = corpus()
    torch.manual_seed(0)
    model, end, config = GPT(LARGER), len(ids) * 9 // 10, LARGER
    epochs, each = 12, max(1, int(LARGER_STEPS * share / 12))
    batches = Windows(ids[:end], each, LARGER_BATCH, config.context, 1000)
    few = ids[end : end + max(1000, int(60_000 * share))]
    history = fit(model, batches, cross_entropy, adamw(model, LARGER_RATE), epochs=epochs, max_norm=1.0,
                  schedule=warmup_cosine(LARGER_RATE, epochs * each, WARMUP, LARGER_RATE / 10), device="cpu",
                  evaluate=lambda net: {"loss": judge(net, few, config.context)})  # fmt: skip
    held_out = ids[end:] if share == 1 else few
    prompts, chance = [tokenizer.encode(PROMPT)] * 3, torch.Generator().manual_seed(0)
    rows = generate(model.eval(), prompts, int(500 * share), 0.8, generator=chance)
    return {
        "parameters": sum(p.numel() for p in model.parameters()), "steps": epochs * each,
        "along the way": [[(i + 1) * each, loss] for i, loss in enumerate(history["valid_loss"])],
        "loss": judge(model, held_out, config.context), "samples": [tokenizer.decode(row) for row in rows],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = ("steps", "race", "writing", "larger")
    parser.add_argument("parts", nargs="*", default=names, help=f"of {', '.join(names)}: to be measured again")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    if wrong := set(arguments.parts) - set(names):
        parser.error(f"parts are {', '.join(names)}, got {', '.join(sorted(wrong))}")
    torch.set_num_threads(1)
    found = json.loads(RESULTS.read_text(encoding="utf8")) if RESULTS.exists() else {}
    for part in arguments.parts:
        if part == "race":
            ratios = {name: row["ratio"] for name, row in found["steps"].items()}
            with ProcessPoolExecutor(arguments.workers) as pool:
                found |= race(pool, ratios)
        else:
            found[part] = {"steps": steps, "writing": writing, "larger": larger}[part]()
        found["about"] = {**describe(COMMAND, ("torch", "numpy")), "threads": 1}
        RESULTS.write_text(json.dumps(rounded(found), indent=1, ensure_ascii=False) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
