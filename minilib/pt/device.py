"""Where a model is trained: on which device, and in how many processes."""

from __future__ import annotations

import atexit
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor


def find_device(name: str | torch.device = "auto") -> torch.device:
    """The device of that name; under torchrun, "cuda" is this process's own. Raises ValueError if it is not here."""
    found = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if name == "auto":
        name = next(kind for kind, number in found.items() if number)
    match = re.fullmatch(r"(cuda|mps|cpu)(?::(\d+))?", str(name))
    if match is None:
        raise ValueError(f"device {name!r} is unknown: needed 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'")
    kind, index = match[1], int(match[2] or (os.environ.get("LOCAL_RANK", 0) if match[1] == "cuda" else 0))
    if index >= found[kind]:
        number = found[kind] or "none"
        raise ValueError(f"{name} asked for, {number} found; use device='cpu'")
    return torch.device(kind, index) if kind == "cuda" else torch.device(kind)


def join(place: torch.device) -> tuple[int, int]:
    """Under torchrun, meet the other processes; gives this one's rank and their number."""
    if {"RANK", "WORLD_SIZE"} <= os.environ.keys() and not dist.is_initialized():
        if place.type == "cuda":
            torch.cuda.set_device(place)
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
        atexit.register(lambda: dist.is_initialized() and dist.destroy_process_group())
    if not dist.is_initialized():
        return 0, 1
    dist.barrier()  # a file that the first has still to finish must not be read
    return dist.get_rank(), dist.get_world_size()


def rank() -> int:
    """Of this process among those of torchrun; 0 without it."""
    return dist.get_rank() if dist.is_initialized() else 0


def gather(x: Tensor, device: torch.device) -> list[Tensor]:
    """The tensors that the processes hold in this place, by rank."""
    if not dist.is_initialized():
        return [x]
    x = x.to(device)
    all_of_them = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(all_of_them, x)
    return [y.cpu() for y in all_of_them]


def anyone(asked: list[int], place: torch.device) -> bool:
    """Whether Ctrl-C has come to any process: they must stop at the same step."""
    return any(bool(x) for x in gather(torch.tensor(len(asked)), place))


def fingerprint(*tensors: Tensor, start: int = 0) -> int:
    """A check sum (CRC-32) over their bytes, in this order."""
    for x in tensors:
        start = zlib.crc32(x.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data, start)
    return start


@contextmanager
def enough_memory(rows: int, accumulate: int) -> Iterator[None]:
    """Where memory runs out, say with batches of which size, and what would need less."""
    try:
        yield
    except RuntimeError as error:
        if not re.search(r"out of memory|can't allocate memory|not enough memory", str(error)):
            raise
        kind = torch.OutOfMemoryError if isinstance(error, torch.OutOfMemoryError) else RuntimeError
        advice = f"use batches of {rows // 2}, and accumulate={2 * accumulate} for the same steps"
        advice = advice if rows > 1 else "make the model or its input smaller"
        raise kind(f"out of memory with batches of {rows} {'rows' if rows > 1 else 'row'}: {advice}") from error
