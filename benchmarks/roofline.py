"""What one core can do, what one layer makes of it, and what the usual remedies buy: `python -m benchmarks.roofline`.

With OMP_NUM_THREADS=1; about five minutes. Rivals are timed in turn, after a warm-up, in CPU seconds; stored are the
best and the median of the rounds, so other work on the machine can only make a number worse. The loader alone is
timed by the clock on the wall, because waiting uses no processor. Writes benchmarks/results/roofline.json, or, called
with names of PARTS, those parts of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from benchmarks.machine import describe, rounded
from minilib import data
from minilib.config import GPTConfig
from minilib.pt.transformer import GPT

RESULTS = Path(__file__).parent / "results" / "roofline.json"
COMMAND = "python -m benchmarks.roofline"
WIDTH, BATCHES = 1024, (1, 4, 16, 64, 256)
ATTENTION = ((64, 12), (256, 4), (1024, 1))  # tokens, sequences
SMALL = GPTConfig(vocab_size=256, context=64, d_model=128, nhead=4, num_layers=4)
ROWS = 12
Work = Callable[[], Any]


def race(rivals: dict[str, Work], rounds: int, repeat: int = 1) -> dict[str, dict[str, float]]:
    """CPU seconds of one call, best and median of the rounds; in each round every rival is called `repeat` times."""
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(rounds + 1):
        for name, work in rivals.items():
            start = time.process_time()
            for _ in range(repeat):
                work()
            if turn:  # the first is the warm-up
                seconds[name].append((time.process_time() - start) / repeat)
    return {name: {"best": min(x), "median": float(np.median(x))} for name, x in seconds.items()}


def copies() -> list[dict[str, Any]]:
    """From one array into another: every byte is read once and written once."""
    rows = []
    for mega in (1, 4, 16, 64, 256):
        source = torch.zeros(mega * 250_000)
        goal = torch.ones_like(source)
        found = race({"copy": lambda s=source, g=goal: g.copy_(s)}, 15, max(1, 64 // mega))["copy"]
        rows.append({"megabytes": mega, **found, "gb_s": 2e-3 * mega / found["best"]})
    return rows


def products() -> list[dict[str, Any]]:
    """Square matrix products; float32 and bfloat16 in turn."""
    rows = []
    for n in (256, 512, 1024):
        a, b = torch.randn(n, n), torch.randn(n, n)
        pairs = {"float32": (a, b), "bfloat16": (a.bfloat16(), b.bfloat16())}
        found = race({name: lambda p=p: p[0] @ p[1] for name, p in pairs.items()}, 15, (1024 // n) ** 2)
        rows += [{"n": n, "dtype": k, **x, "gflop_s": 2e-9 * n**3 / x["best"]} for k, x in found.items()]
    return rows


def layer() -> list[dict[str, Any]]:
    """One Linear, forward, on more and more rows together. The batches take turns."""
    net = nn.Linear(WIDTH, WIDTH, bias=False)
    inputs = {str(b): torch.randn(b, WIDTH) for b in BATCHES}
    with torch.no_grad():
        found = race({b: lambda x=x: net(x) for b, x in inputs.items()}, 40, 5)
    rows = []
    for b in BATCHES:
        flop, moved = 2 * b * WIDTH**2, 4 * (WIDTH**2 + 2 * b * WIDTH)
        best = found[str(b)]["best"]
        rows.append({"batch": b, "intensity": flop / moved, **found[str(b)], "gflop_s": 1e-9 * flop / best})
    return rows


def elementwise() -> dict[str, Any]:
    """On 64 MB: a fresh result, the same in place, and ten times the arithmetic."""
    x = torch.randn(16_000_000)
    out = torch.empty_like(x)
    return race(
        {
            "x + 1": lambda: x + 1,
            "x + 1 into a given place": lambda: torch.add(x, 1, out=out),
            "gelu": lambda: F.gelu(x, approximate="tanh"),
        },
        9,
    )


def smallest() -> dict[str, float]:
    """The least that an operation costs: add 1 to a single number."""
    x = torch.zeros(1)
    return race({"add": lambda: x.add_(1)}, 9, 20_000)["add"]


def explicit(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention, each step an operation of its own."""
    hidden = torch.ones(q.shape[-2], q.shape[-2], dtype=torch.bool).triu(1)
    scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(hidden, -torch.inf)
    return scores.softmax(-1) @ v


def fused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def attention() -> list[dict[str, Any]]:
    """Forward and backward of 4 heads of 32; both forms in turn."""
    rows = []
    for tokens, batch in ATTENTION:
        q, k, v = (torch.randn(batch, 4, tokens, 32, requires_grad=True) for _ in range(3))

        def step(form: Callable[..., Tensor], q: Tensor = q, k: Tensor = k, v: Tensor = v) -> None:
            form(q, k, v).sum().backward()

        found = race({"explicit": lambda s=step: s(explicit), "fused": lambda s=step: s(fused)}, 15, 3)
        rows.append({"tokens": tokens, "batch": batch, **found})
    return rows


def trainer(precision: torch.dtype | None = None, compiled: bool = False, **adam: Any) -> Work:
    """A step of the small GPT on 12 windows of 64 random tokens."""
    torch.manual_seed(0)
    model = GPT(SMALL)
    net = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, **adam)
    ids = torch.randint(0, 256, (ROWS, 65))

    def step() -> float:
        with torch.autocast("cpu", precision or torch.bfloat16, enabled=precision is not None):
            loss = F.cross_entropy(net(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def in_a_row(first: str, second: str) -> dict[str, float]:
    """The wrong way: in a fresh process one after the other, 20 steps each, without a warm-up."""
    code = (
        "import json, time, torch; torch.set_num_threads(1)\n"
        "from benchmarks.roofline import trainer\n"
        "found = []\n"
        f"for kind in {[first, second]!r}:\n"
        "    step, start = trainer(**{kind: True} if kind == 'fused' else {'foreach': False}), time.process_time()\n"
        "    for _ in range(20): step()\n"
        "    found.append((time.process_time() - start) / 20)\n"
        "print(json.dumps(found))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return dict(zip(("first", "second"), json.loads(out), strict=True))


def optimisers() -> dict[str, Any]:
    """AdamW as a loop over the parameters and as one fused call: timed one after the other, then in turn.

    In turn the loop runs against itself too: what it shows there is the size of nothing.
    """
    pairs = [("loop", "fused"), ("fused", "loop"), ("loop", "loop")]
    once = [{"order": pair, **in_a_row(*pair)} for _ in range(3) for pair in pairs]
    turn = race({"loop": trainer(foreach=False), "fused": trainer(fused=True), "again": trainer(foreach=False)}, 15, 8)
    return {"in a row": once, "in turn": turn}


def precision() -> dict[str, Any]:
    """The same step with and without autocast to bfloat16."""
    return race({"float32": trainer(), "bfloat16": trainer(torch.bfloat16)}, 7, 4)


def used() -> float:
    """CPU seconds of this process and of all its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def chain(x: Tensor) -> Tensor:
    return (torch.tanh(x * 1.5 + 0.5) * x + x.square()) / 2


def compiled() -> dict[str, Any]:
    """First call and later calls, with an empty cache: a chain of operations on 4 million floats, then the GPT."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp()
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    x = torch.randn(4_000_000)
    quick = torch.compile(chain)
    start, wall = used(), time.perf_counter()
    gap = (quick(x) - chain(x)).abs().max().item()
    found: dict[str, Any] = {
        "chain": {
            "first call": used() - start,
            "first call, wall": time.perf_counter() - wall,
            "largest difference": gap,
            **race({"eager": lambda: chain(x), "compiled": lambda: quick(x)}, 15, 3),
        }
    }
    step, plain = trainer(compiled=True), trainer()
    start, wall = used(), time.perf_counter()
    step()
    found["GPT"] = {
        "first call": used() - start,
        "first call, wall": time.perf_counter() - wall,
        **race({"eager": plain, "compiled": step}, 7, 4),
    }
    return found


class Tilted(Dataset):
    """Digits (N, 1, 28, 28), each turned by an angle of its own when it is asked for."""

    def __init__(self, images: Tensor):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Tensor:
        return tilt(self.images[i : i + 1], torch.tensor([float(i)]))[0]


def tilt(images: Tensor, numbers: Tensor) -> Tensor:
    """Turn images (B, 1, 28, 28) by up to half a radian, each by an angle that follows from its number."""
    angle = 0.5 * torch.sin(numbers)
    c, s, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    turn = torch.stack([torch.stack([c, -s, zero], 1), torch.stack([s, c, zero], 1)], 1)  # (B, 2, 3)
    grid = F.affine_grid(turn, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def whole_batches(images: Tensor) -> Iterator[Tensor]:
    """The same digits, turned a batch at a time."""
    for start in range(0, len(images), 64):
        yield tilt(images[start : start + 64], torch.arange(start, min(start + 64, len(images))).float())


def loading() -> list[dict[str, Any]]:
    """Seconds of a step on the wall, and how much of it the step waited for digits: the best of 30 epochs, in turn."""
    images = torch.from_numpy(data.mnist_5k().x[:1920].astype(np.float32)).reshape(-1, 1, 28, 28)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 384), nn.ReLU(), nn.Linear(384, 784))
    optimizer = torch.optim.SGD(net.parameters(), 1e-3)

    def train(x: Tensor) -> None:
        loss = F.mse_loss(net(x), x.flatten(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    sources: dict[str, Callable[[], Any]] = {
        "one by one": DataLoader(Tilted(images), 64).__iter__,
        "one by one, a worker": DataLoader(Tilted(images), 64, num_workers=1, persistent_workers=True).__iter__,
        "a batch at a time": lambda: whole_batches(images),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sources}
    for _ in range(31):
        for name, source in sources.items():
            asked = start = time.perf_counter()
            waited, steps = 0.0, 0
            for x in source():
                waited += time.perf_counter() - asked
                train(x)
                steps += 1
                asked = time.perf_counter()
            found[name].append(((time.perf_counter() - start) / steps, waited / steps))
    rows = []
    for name, (_, *epochs) in found.items():
        (step, waiting), median = min(epochs), float(np.median(epochs, axis=0)[0])
        rows.append({"name": name, "step": step, "waiting": waiting, "median": median})
    return rows


PARTS: dict[str, Callable[[], Any]] = {
    "copy": copies, "matmul": products, "layer": layer, "elementwise": elementwise, "smallest": smallest,
    "attention": attention, "adamw": optimisers, "precision": precision, "loading": loading, "compile": compiled,
}  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    stored = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else {}
    result: dict[str, Any] = {**stored, **describe(COMMAND, ("numpy", "torch")), "threads": 1}
    for name in sys.argv[1:] or PARTS:
        result[name] = rounded(PARTS[name]())
        print(name, result[name], flush=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf8", newline="\n")


if __name__ == "__main__":
    main()
