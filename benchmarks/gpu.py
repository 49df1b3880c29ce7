"""Everything that needs a GPU, in one command: `python -m benchmarks.gpu`; planned for eight minutes of a large one.

Measures the ceilings (copying, matrix products), the same layer at growing batches, attention in one call against
attention written out, asynchronous launching, training and writing of a GPT in several precisions, and trains a larger
GPT on the plays. Writes benchmarks/results/gpu.json with the device's name and the commit. Nothing is estimated: what
cannot be measured here (no compiler, too little memory) is stored as the error's first line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from benchmarks.gpt import LEAN, PROMPT, PlainGPT, Windows, adamw, corpus, cross_entropy, judge
from benchmarks.machine import describe, rounded
from minilib.config import GPTConfig
from minilib.pt.device import find_device
from minilib.pt.generate import generate
from minilib.pt.train import fit
from minilib.pt.transformer import GPT
from minilib.schedules import warmup_cosine

RESULTS = Path(__file__).resolve().parent / "results" / "gpu.json"
COMMAND = "python -m benchmarks.gpu"
FULL: dict[str, Any] = {
    "copy": 2**28, "product": 8192, "layer": 4096, "batches": (1, 4, 16, 64, 256, 1024, 4096),
    "lengths": (256, 1024, 4096), "heads": 16, "launches": 200, "tokens": 256,
    "gpt": GPTConfig(50_304, 1024, 768, 12, 12), "rows": 8,
    "writer": GPTConfig(84, 512, 384, 6, 6, **LEAN),
    "larger": GPTConfig(84, 256, 384, 6, 6, dropout=0.2, qk_norm=True, **LEAN), "steps": 3000, "larger rows": 64,
}  # fmt: skip
TINY: dict[str, Any] = {
    "copy": 2**12, "product": 32, "layer": 16, "batches": (1, 4), "lengths": (8,), "heads": 2, "launches": 3,
    "tokens": 4, "gpt": GPTConfig(84, 16, 16, 2, 1), "rows": 2,
    "writer": GPTConfig(84, 16, 16, 2, 1, **LEAN),
    "larger": GPTConfig(84, 16, 16, 2, 1, qk_norm=True, **LEAN), "steps": 3, "larger rows": 2,
}  # fmt: skip


def wait(device: torch.device) -> None:
    """Until everything that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(device: torch.device, work: Callable[..., Any], *given: Any, repeat: int = 10) -> float:
    """The median of so many runs, each waited for, after three that do not count."""
    times = []
    for _ in range(3 + repeat):
        wait(device)
        began = time.perf_counter()
        work(*given)
        wait(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times[3:])


def attempt(work: Callable[..., Any], *given: Any) -> Any:
    """What it gives, or the first line of its error."""
    try:
        return work(*given)
    except RuntimeError as error:  # out of memory is one
        return str(error).splitlines()[0]


def ceilings(size: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """GB/s of a copy; TFLOP/s of a matrix product in each precision."""
    x, n = torch.rand(size["copy"], device=device), size["product"]
    y = torch.empty_like(x)
    found: dict[str, Any] = {"copy GB/s": 2 * x.nbytes / seconds(device, y.copy_, x) / 1e9}
    kinds = {"float32": (torch.float32, "highest"), "tf32": (torch.float32, "high"),
             "bfloat16": (torch.bfloat16, "highest"), "float16": (torch.float16, "highest")}  # fmt: skip
    for name, (dtype, precision) in kinds.items():
        a, b = (torch.rand(n, n, device=device).to(dtype) for _ in range(2))
        torch.set_float32_matmul_precision(precision)
        found[f"{name} TFLOP/s"] = 2 * n**3 / seconds(device, torch.matmul, a, b) / 1e12
    torch.set_float32_matmul_precision("highest")
    return found


def layer(size: dict[str, Any], device: torch.device) -> list[dict[str, float]]:
    """One linear layer in bfloat16: FLOP a byte, TFLOP/s and microseconds a row as the batch grows."""
    n, rows = size["layer"], []
    linear = nn.Linear(n, n, bias=False, device=device, dtype=torch.bfloat16)
    for batch in size["batches"]:
        x = torch.rand(batch, n, device=device, dtype=torch.bfloat16)
        with torch.no_grad():
            took = seconds(device, linear, x, repeat=30)
        flop, moved = 2 * batch * n * n, 2 * (n * n + 2 * batch * n)
        speed = {"TFLOP/s": flop / took / 1e12, "us a row": took / batch * 1e6}
        rows.append({"batch": batch, "FLOP/byte": flop / moved, **speed})
    return rows


def written_out(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention with the square of all scores in memory."""
    scores = q @ k.mT / q.shape[-1] ** 0.5
    hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
    return scores.masked_fill(hidden, -torch.inf).softmax(-1) @ v


def attention(size: dict[str, Any], device: torch.device) -> list[dict[str, Any]]:
    """Forward and backward, written out and in one call: milliseconds, and memory on top."""
    ways = {"written out": written_out, "one call": partial(F.scaled_dot_product_attention, is_causal=True)}

    def both_ways(way: Callable[..., Tensor], *qkv: Tensor) -> None:
        way(*qkv).sum().backward()

    rows = []
    for length in size["lengths"]:
        qkv = [torch.rand(4, size["heads"], length, 64, device=device, dtype=torch.bfloat16, requires_grad=True)
               for _ in range(3)]  # fmt: skip
        row: dict[str, Any] = {"length": length}
        for name, way in ways.items():
            before = _memory(device, fresh=True)
            row[f"{name} ms"] = 1e3 * seconds(device, both_ways, way, *qkv)
            row[f"{name} MB"] = (_memory(device) - before) / 1e6
        rows.append(row)
    return rows


def launching(size: dict[str, Any], device: torch.device) -> dict[str, float]:
    """Seconds until the last product is asked for, and until it is there."""
    a = torch.rand(size["product"] // 4, size["product"] // 4, device=device)
    seconds(device, torch.matmul, a, a)
    began = time.perf_counter()
    for _ in range(size["launches"]):
        a @ a
    asked = time.perf_counter() - began
    wait(device)
    return {"products": size["launches"], "asked for": asked, "there": time.perf_counter() - began}


def training(size: dict[str, Any], device: torch.device, compiled: bool, peak: float) -> dict[str, Any]:
    """Tokens a second of a training step, ours and torch's own layers; 6 operations are counted a weight and token."""
    config, half = size["gpt"], torch.bfloat16
    ids = torch.randint(config.vocab_size, (size["rows"], config.context + 1), device=device)

    def measured(kind: type[GPT | PlainGPT], dtype: torch.dtype | None, compile: bool) -> dict[str, float]:
        torch.manual_seed(0)
        model = kind(config).to(device)
        net, optimizer = torch.compile(model) if compile else model, adamw(model, 3e-4)
        _memory(device, fresh=True)

        def step() -> None:
            optimizer.zero_grad()
            with torch.autocast(device.type, dtype, enabled=dtype is not None):
                loss = cross_entropy(net(ids[:, :-1]), ids[:, 1:])
            loss.backward()
            optimizer.step()

        began = time.perf_counter()
        step()
        wait(device)
        first, took = time.perf_counter() - began, seconds(device, step)
        speed, weights = ids[:, 1:].numel() / took, sum(p.numel() for p in model.parameters())
        return {"tokens/s": speed, "TFLOP/s": 6 * weights * speed / 1e12, "first step s": first,
                "share of the peak": 6 * weights * speed / 1e12 / peak, "memory MB": _memory(device) / 1e6}  # fmt: skip

    plans: dict[str, tuple[Any, torch.dtype | None, bool]] = {
        "float32": (GPT, None, False), "bfloat16": (GPT, half, False), "bfloat16, compiled": (GPT, half, True),
        "bfloat16, torch's layers": (PlainGPT, half, False),
    }  # fmt: skip
    return {name: attempt(measured, *plan) for name, plan in plans.items() if compiled or not plan[2]}


def writing(size: dict[str, Any], device: torch.device) -> dict[str, float]:
    """Tokens a second, greedy, with the cache and without."""
    torch.manual_seed(0)
    model, n = GPT(size["writer"]).eval().to(device), size["tokens"]
    ways = {name: seconds(device, partial(generate, cached=cached), model, [[0]], n, 0, repeat=3)
            for name, cached in (("cached", True), ("uncached", False))}  # fmt: skip
    return {"tokens": n, **{f"{name} tokens/s": n / took for name, took in ways.items()}}


def agreement(size: dict[str, Any], device: torch.device) -> float:
    """The largest difference between the logits of one GPT, float64, on the processor and on the device."""
    torch.manual_seed(0)
    model, ids = GPT(size["writer"]).double().eval(), torch.randint(84, (2, size["writer"].context))
    with torch.no_grad():
        return (model(ids) - model.to(device)(ids.to(device)).cpu()).abs().max().item()


def larger(size: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """A GPT of some ten million parameters on the plays: the loss over the held-out tenth, and what it writes."""
    tokenizer, ids = corpus()
    torch.manual_seed(0)
    config, end, steps = size["larger"], len(ids) * 9 // 10, size["steps"]
    model, began = GPT(config), time.perf_counter()
    fit(model, Windows(ids[:end], steps, size["larger rows"], config.context, 0), cross_entropy, adamw(model, 1e-3),
        epochs=1, schedule=warmup_cosine(1e-3, steps, min(100, steps - 1), 1e-4), max_norm=1.0, device=device,
        dtype=torch.bfloat16)  # fmt: skip
    took, held_out = time.perf_counter() - began, ids[end:].to(device)
    held_out = held_out if steps > 100 else held_out[:200]
    loss = judge(model.eval(), held_out, config.context)
    chance = torch.Generator(device).manual_seed(0)
    prompt = tokenizer.encode(PROMPT)[-config.context // 2 :]
    rows = generate(model, [prompt] * 3, min(600, config.context // 2), 0.8, generator=chance)
    return {"steps": steps, "seconds": took, "loss": loss, "samples": [tokenizer.decode(row) for row in rows]}


def _memory(device: torch.device, fresh: bool = False) -> float:
    """The most bytes in use since the last fresh start; 0 where there is no such count."""
    if device.type != "cuda":
        return 0.0
    most = torch.cuda.max_memory_allocated(device)
    if fresh:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        most = torch.cuda.memory_allocated(device)
    return most


def measure(size: dict[str, Any], device: torch.device, compiled: bool = True) -> dict[str, Any]:
    """All of it, part by part; a part that fails is stored as the first line of its error."""
    parts: list[tuple[Callable[..., Any], Any]] = [
        (layer, ()), (attention, ()), (launching, ()), (agreement, ()), (writing, ()), (larger, ()),
    ]  # fmt: skip
    found: dict[str, Any] = {"ceilings": ceilings(size, device)}
    parts.append((training, (compiled, found["ceilings"]["bfloat16 TFLOP/s"])))
    for part, more in (bar := tqdm(parts, desc="parts")):
        bar.set_postfix_str(part.__name__)
        found[part.__name__] = attempt(part, size, device, *more)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, …; default: cuda")
    try:
        device = find_device(parser.parse_args().device)
    except ValueError:
        sys.exit("no GPU was found: this script fills the table of what needs one, and has nothing to do without")
    found = measure(FULL, device)
    gpu = torch.cuda.get_device_properties(device)
    about = {**describe(COMMAND, ("torch",)), "device": gpu.name, "memory GB": gpu.total_memory / 1e9,
             "cuda": torch.version.cuda}  # fmt: skip
    RESULTS.write_text(json.dumps(rounded({**found, "about": about}), indent=1) + "\n", encoding="utf8")
    print(f"stored in {RESULTS}")


if __name__ == "__main__":
    main()
