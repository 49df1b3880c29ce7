"""Four training programs under torch's profiler: `python -m benchmarks.profiles`, a few seconds.

Writes benchmarks/results/profiles.json: for each the operations with the largest share of the processor's time, as the
exercise of chapter 12 prints them. "Self" leaves out what an operation calls; "total" has it in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # before torch: the profiler writes nothing to the screen

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.data import DataLoader

from benchmarks.machine import describe
from benchmarks.roofline import Tilted
from minilib import data

RESULTS = Path(__file__).parent / "results" / "profiles.json"
COMMAND = "python -m benchmarks.profiles"
STEPS, ROWS, SHOWN = 10, 64, 8
Step = Callable[[nn.Module, Tensor], Tensor]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 784))


def together(net: nn.Module, x: Tensor) -> Tensor:
    return F.mse_loss(net(x), x.flatten(1))


def row_by_row(net: nn.Module, x: Tensor) -> Tensor:
    return torch.stack([F.mse_loss(net(row[None]), row.flatten()[None]) for row in x]).mean()


class Hoarder:
    """The healthy step, and a record of everything seen, grown by `torch.cat` in every step."""

    def __init__(self) -> None:
        self.seen = torch.zeros(20_000, 1, 28, 28)

    def __call__(self, net: nn.Module, x: Tensor) -> Tensor:
        self.seen = torch.cat([self.seen, x])
        return together(net, x)


def ready(images: Tensor) -> Iterator[Tensor]:
    yield from images.split(ROWS)


def tilted(images: Tensor) -> Iterator[Tensor]:
    yield from DataLoader(Tilted(images), ROWS)


def table(step: Step, source: Callable[[Tensor], Iterator[Tensor]]) -> list[dict[str, object]]:
    """Its operations, the largest self time first."""
    images = torch.from_numpy(data.mnist_5k().x[: STEPS * ROWS].astype(np.float32)).reshape(-1, 1, 28, 28)
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), 1e-3)

    def epoch() -> None:
        for x in source(images):
            with record_function("forward"):
                loss = step(net, x)
            optimizer.zero_grad()
            with record_function("backward"):
                loss.backward()
            optimizer.step()

    epoch()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        epoch()
    events = sorted(seen.key_averages(), key=lambda event: -event.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in events)
    return [
        {
            "name": event.key.removeprefix("enumerate(DataLoader)#_SingleProcess").removeprefix("Optimizer.step#")[:32],
            "self": round(100 * event.self_cpu_time_total / whole, 1),
            "total": round(100 * event.cpu_time_total / whole, 1),
            "calls": event.count,
        }
        for event in events[:SHOWN]
    ]


PROGRAMS: dict[str, tuple[Step, Callable[[Tensor], Iterator[Tensor]]]] = {
    "A": (row_by_row, ready),
    "B": (Hoarder(), ready),
    "C": (together, ready),
    "D": (together, tilted),
}


def main() -> None:
    torch.set_num_threads(1)
    tables = {name: table(*program) for name, program in PROGRAMS.items()}
    about = {**describe(COMMAND, ("torch",)), "steps": STEPS, "rows": ROWS, "threads": 1}
    RESULTS.write_text(json.dumps({**about, "tables": tables}, indent=1) + "\n", encoding="utf8", newline="\n")
    for name, rows in tables.items():
        print(name)
        for row in rows:
            print(f"  {row['name']:<34}{row['self']:>6}{row['total']:>7}{row['calls']:>7}")


if __name__ == "__main__":
    main()
