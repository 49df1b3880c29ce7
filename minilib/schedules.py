"""Learning rates as functions of the step: `schedule(step)` → rate, for both halves of the library."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(lr: float) -> Schedule:
    return lambda step: lr


def step_decay(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """Multiply the rate by `factor` after each `every` steps."""
    return lambda step: lr * factor ** (step // every)


def warmup_cosine(lr: float, total: int, warmup: int = 0, final: float = 0.0) -> Schedule:
    """Rise in a line to `lr` over the first `warmup` steps, then fall along half a cosine to `final` at step `total`.

    The first step has the rate lr / warmup, not 0. Raises ValueError unless 0 ≤ warmup < total.
    Derived in: notebooks/05_optimisers.ipynb
    """
    if not 0 <= warmup < total:
        raise ValueError(f"needed 0 ≤ warmup < total, got warmup={warmup}, total={total}")

    def rate(step: int) -> float:
        if step < warmup:
            return lr * (step + 1) / warmup
        progress = min(1.0, (step - warmup) / (total - warmup))
        return final + 0.5 * (lr - final) * (1 + math.cos(math.pi * progress))

    return rate
