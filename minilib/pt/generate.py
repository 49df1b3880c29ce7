"""Text from a GPT: one token after the other, remembered rather than computed again.

Derived in: notebooks/14_gpt.ipynb
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from minilib.pt.attention import KVCache
from minilib.pt.transformer import GPT, foreign_ids

__all__ = ["beam", "generate", "probabilities"]


@torch.inference_mode()
def generate(
    model: GPT, prompts: Sequence[Any], max_new_tokens: int,
    temperature: float = 1.0, top_k: int | None = None,
    top_p: float | None = None, *, stop: Collection[int] = (),
    generator: torch.Generator | None = None, cached: bool = True,
) -> list[list[int]]:  # fmt: skip
    """Continue each prompt, a row of ids (T,), by drawing token after token.

    The rows may differ in length; each comes back with max_new_tokens more,
    or fewer if it met a token of `stop`, which is then its last.
    temperature, top_k, top_p: see `probabilities`; at temperature 0 a row
    becomes what it becomes alone. What lies further back than the context is
    not seen. cached=False computes everything again for every token: the
    same text, later. A model with dropout should be in eval mode.
    Raises ValueError for a prompt that is empty, longer than the context, or
    holds ids that the model does not know.
    Derived in: notebooks/14_gpt.ipynb
    """
    _check_sampling(temperature, top_k, top_p)
    ids, lengths = _side_by_side(model, prompts, max_new_tokens)
    ends = torch.tensor(lengths, device=ids.device)
    stops = torch.tensor(sorted(stop), device=ids.device)
    over = torch.zeros_like(ends, dtype=torch.bool)
    cache = model.new_cache() if cached else None
    for end in range(min(lengths), ids.shape[1]):
        logits = _next_logits(model, ids[:, :end], cache)
        new = _draw(logits, temperature, top_k, top_p, generator)
        if end < max(lengths):  # some still read their prompts
            new = torch.where(ends <= end, new, ids[:, end])
        ids[:, end] = new
        if len(stops):
            over |= (ends <= end) & torch.isin(new, stops)
            if over.all():
                break
    rows = zip(ids.tolist(), lengths, strict=True)
    return [_cut(row, n, n + max_new_tokens, stop) for row, n in rows]


@torch.inference_mode()
def beam(
    model: GPT, prompt: Any, width: int, max_new_tokens: int, *,
    stop: Collection[int] = (),
) -> list[tuple[list[int], float]]:  # fmt: skip
    """The likeliest continuations of a prompt (T,) that are found when only
    the `width` best beginnings are kept: (ids, log-probability), best first.

    width=1 is greedy; a large enough width looks at everything. A row that
    met a token of `stop` is complete. Sums of different lengths are compared
    as they are: longer means less likely.
    Derived in: notebooks/14_gpt.ipynb
    """
    if width < 1:
        raise ValueError(f"needed width ≥ 1, got {width}")
    ids, (start,) = _side_by_side(model, [prompt], max_new_tokens)
    stops = torch.tensor(sorted(stop), device=ids.device)
    scores = ids.new_zeros(1, dtype=torch.float64)
    complete = torch.zeros_like(scores, dtype=torch.bool)
    cache = model.new_cache()
    for end in range(start, ids.shape[1]):
        logits = _next_logits(model, ids[:, :end], cache)
        steps = logits.double().log_softmax(-1)  # (rows, V)
        steps[complete] = -torch.inf  # such a row only stays as it is:
        steps[complete, 0] = 0  # one more token that does not count
        total = (scores[:, None] + steps).flatten()
        scores, best = total.topk(min(width, len(total)))
        scores, best = scores[scores > -torch.inf], best[scores > -torch.inf]
        rows, new = best // steps.shape[1], best % steps.shape[1]
        ids = ids[rows]
        ids[:, end] = new
        complete = complete[rows] | torch.isin(new, stops)
        for memory in cache:
            memory.keep(rows)
        if complete.all():
            break
    found = (_cut(row, start, len(row), stop) for row in ids.tolist())
    return list(zip(found, scores.tolist(), strict=True))


def probabilities(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None,
    top_p: float | None = None,
) -> Tensor:  # fmt: skip
    """With which probability each token is drawn: logits (..., V) → the same.

    temperature: below 1 more of the likely, at 0 only the likeliest.
    top_k: among the k likeliest only, and what ties with the last of them.
    top_p: then, among the fewest whose probabilities reach top_p together
    (Holtzman et al. 2020, arXiv:1904.09751).
    Raises ValueError unless temperature ≥ 0, top_k ≥ 1 and 0 < top_p ≤ 1.
    Derived in: notebooks/14_gpt.ipynb
    """
    _check_sampling(temperature, top_k, top_p)
    if temperature == 0:
        likeliest = logits.argmax(-1, keepdim=True)
        return torch.zeros_like(logits).scatter(-1, likeliest, 1)
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        least = logits.topk(top_k).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    p = logits.softmax(-1)
    if top_p is not None and top_p < 1:
        falling, order = p.sort(-1, descending=True)
        before = falling.cumsum(-1) - falling  # what the likelier ones hold
        kept = falling * (before < top_p)
        p = torch.zeros_like(p).scatter(-1, order, kept)
        p = p / p.sum(-1, keepdim=True)
    return p


def _check_sampling(temperature: float, top_k: int | None, top_p: float | None) -> None:
    if temperature < 0 or (top_k is not None and top_k < 1) or (top_p is not None and not 0 < top_p <= 1):
        raise ValueError(
            f"needed temperature ≥ 0, top_k ≥ 1 and 0 < top_p ≤ 1, "
            f"got temperature={temperature}, top_k={top_k}, top_p={top_p}"
        )


def _draw(
    logits: Tensor, temperature: float, top_k: int | None, top_p: float | None, generator: torch.Generator | None
) -> Tensor:
    """One id for each row of logits (B, V)."""
    if temperature == 0:
        return logits.argmax(-1)
    p = probabilities(logits.float(), temperature, top_k, top_p)
    return torch.multinomial(p, 1, generator=generator)[:, 0]


def _next_logits(model: GPT, ids: Tensor, cache: list[KVCache] | None) -> Tensor:
    """The logits (B, V) for the token after ids (B, T), as far as the model sees them.

    Beyond the context the window slides: every token gets a new place, and what is remembered is of no use.
    """
    context = model.config.context
    if not cache or ids.shape[1] > context:
        return model(ids[:, -context:])[:, -1]
    return model(ids[:, cache[0].length :], cache)[:, -1]


def _side_by_side(model: GPT, prompts: Sequence[Any], max_new_tokens: int) -> tuple[Tensor, list[int]]:
    """The prompts in one table on the model's device, with room for what is to come, and their lengths."""
    context, vocabulary = model.config.context, model.config.vocab_size
    rows = [torch.as_tensor(prompt) for prompt in prompts]
    if not rows:
        raise ValueError("needed one prompt or more, got none")
    if max_new_tokens < 0:
        raise ValueError(f"needed max_new_tokens ≥ 0, got {max_new_tokens}")
    for i, row in enumerate(rows):
        if row.ndim != 1 or (row.is_floating_point() and len(row)):
            raise ValueError(
                f"prompt {i} must be a row of whole numbers (T,), got {row.dtype} of shape {tuple(row.shape)}: "
                "prompts are a list of rows, as in [ids]"
            )
        if not 1 <= len(row) <= context:
            raise ValueError(
                f"prompt {i} has {len(row)} tokens, the context holds 1 to {context}: "
                + (f"cut it, as in ids[-{context}:]" if len(row) else "begin with a token that starts a text")
            )
        if row.min() < 0 or row.max() >= vocabulary:
            raise foreign_ids(row, vocabulary)
    lengths = [len(row) for row in rows]
    table = torch.zeros(len(rows), max(lengths) + max_new_tokens, dtype=torch.int64)
    for place, row in zip(table, rows, strict=True):
        place[: len(row)] = row
    return table.to(model.head.weight.device), lengths


def _cut(row: list[int], start: int, end: int, stop: Collection[int]) -> list[int]:
    """What was written from `start` on ends at `end`, or with the first token of `stop`."""
    met = (i + 1 for i in range(start, end) if row[i] in stop)
    return row[: next(met, end)]
