"""The training loop, once: forward, backward, step, with all that goes wrong caught.

Derived in: notebooks/04_multilayer_perceptrons.ipynb
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from minilib.progress import progress_bar
from minilib.schedules import Schedule
from minilib.scratch.nn import Module
from minilib.scratch.optim import Optimizer, clip_grad_norm_
from minilib.scratch.tensor import Tensor, no_grad

History = dict[str, list[float]]


class Diverged(FloatingPointError):
    """The loss is not a number any more. `step` says when, `history` what was seen until then."""

    def __init__(self, message: str, step: int, history: History):
        super().__init__(message)
        self.step, self.history = step, history


def fit(
    model: Module,
    batches: Iterable[tuple[Any, Any]],
    loss_fn: Callable[[Tensor, Any], Tensor],
    optimizer: Optimizer,
    *,
    epochs: int,
    schedule: Schedule | None = None,
    max_norm: float | None = None,
    evaluate: Callable[[Module], dict[str, float]] | None = None,
    monitor: str = "loss",
    patience: int | None = None,
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
) -> History:
    """Train `model` in place; returns what was measured, a list with one number per epoch under each name.

    batches: gives (x, y) pairs and can be gone through once per epoch, such as minilib.data.Batches.
    loss_fn: (model(x), y) → a tensor of one number.   schedule: step → learning rate.   max_norm: clips gradients.
    evaluate: called after each epoch in eval mode, without gradients; its numbers enter the history as "valid_NAME".
    patience: stop once "valid_" + monitor has not become smaller for so many epochs; the best weights are put back.
    checkpoint: a file written after each epoch, in one piece; if it exists, training goes on from there, to the same
    numbers as if it had never stopped.   progress: a bar on stderr; None: after two seconds, unless
    MINILIB_PROGRESS=0 is set.
    Raises Diverged at the first loss that is nan or infinite; the model then holds the last weights whose loss was not.
    Derived in: notebooks/04_multilayer_perceptrons.ipynb
    """
    if patience is not None and evaluate is None:
        raise ValueError("patience needs evaluate: early stopping must watch data that the training does not see")
    if patience is not None and patience < 1:
        raise ValueError(f"patience counts epochs without progress: needed 1 or more, got {patience}")
    history: History = {}
    best: dict[str, Any] = {"value": np.inf, "epoch": -1, "state": {}}
    rngs = _generators(model, batches)
    if checkpoint is not None and Path(checkpoint).exists():
        _load(Path(checkpoint), model, optimizer, rngs, history, best)
    first = len(history.get("loss", ()))
    good = [x.data.copy() for x in (*model.parameters(), *model.buffers())]
    with progress_bar("epoch", epochs, first, progress) as bar:
        for epoch in range(first, epochs):
            if patience is not None and epoch - 1 - best["epoch"] >= patience:
                break
            with np.errstate(all="ignore"):  # what overflows shows in the loss, which is watched
                measured = _epoch(model.train(), batches, loss_fn, optimizer, schedule, max_norm, history, good)
            if evaluate is not None:
                with no_grad():
                    measured |= {f"valid_{name}": float(x) for name, x in evaluate(model.eval()).items()}
            for name, value in measured.items():
                history.setdefault(name, []).append(value)
            _keep_best(best, measured, f"valid_{monitor}", epoch, model, patience)
            if checkpoint is not None:
                _save(Path(checkpoint), model, optimizer, rngs, history, best)
            bar.update()
            bar.set_postfix({name: f"{value:.4g}" for name, value in measured.items()}, refresh=False)
    if patience is not None and best["epoch"] >= 0:
        model.load_state_dict(best["state"])
    model.eval()
    return history


def _epoch(
    model: Module, batches: Iterable[tuple[Any, Any]], loss_fn: Callable[[Tensor, Any], Tensor], optimizer: Optimizer,
    schedule: Schedule | None, max_norm: float | None, history: History, good: list[np.ndarray],
) -> dict[str, float]:  # fmt: skip
    """One pass; `good` holds, from epoch to epoch, the last weights whose loss was finite."""
    parameters = list(model.parameters())
    held = [*parameters, *model.buffers()]
    total, count = 0.0, 0
    for x, y in batches:
        if schedule is not None:
            optimizer.lr = schedule(optimizer.steps)
        loss = loss_fn(model(Tensor(x)), y)
        value = loss.item()
        if not np.isfinite(value):
            for kept, data in zip(held, good, strict=True):
                kept.data[...] = data
            raise _diverged(value, optimizer, history)
        for kept, data in zip(held, good, strict=True):
            np.copyto(data, kept.data)
        optimizer.zero_grad()
        loss.backward()
        if max_norm is not None:
            clip_grad_norm_(parameters, max_norm)
        optimizer.step()
        total, count = total + value * len(y), count + len(y)
    if count == 0:
        raise ValueError("batches gave nothing in this epoch: a generator is used up after one pass, use data.Batches")
    return {"loss": total / count}


def _diverged(value: float, optimizer: Optimizer, history: History) -> Diverged:
    return Diverged(
        f"the loss is {value} at step {optimizer.steps} (epoch {len(history.get('loss', ()))}), both counted from 0; "
        f"the model has back the last weights whose loss was finite. Try a smaller rate than {optimizer.lr:g}, "
        "max_norm=1.0, or look for bad values in the data",
        optimizer.steps,
        history,
    )


def _keep_best(
    best: dict[str, Any], measured: dict[str, float], name: str, epoch: int, model: Module, patience: int | None
) -> None:
    if patience is None:
        return
    if name not in measured:
        raise ValueError(f"patience watches {name!r}, but evaluate gave {', '.join(measured)}")
    if measured[name] < best["value"]:
        best.update(value=measured[name], epoch=epoch, state=model.state_dict())


def _generators(model: Module, batches: Any) -> list[np.random.Generator]:
    """Every source of randomness that training draws on, each once."""
    found = [getattr(batches, "rng", None), *(getattr(module, "rng", None) for module in model.modules())]
    return list({id(rng): rng for rng in found if isinstance(rng, np.random.Generator)}.values())


def _save(
    path: Path, model: Module, optimizer: Optimizer, rngs: list[np.random.Generator], history: History, best: dict
) -> None:
    """Write beside the file, then rename: a crash leaves the old checkpoint or the new one, never half of one."""
    arrays = {f"model/{k}": v for k, v in model.state_dict().items()}
    arrays |= {f"optimizer/{k}": np.asarray(v) for k, v in optimizer.state_dict().items()}
    arrays |= {f"best/{k}": v for k, v in best["state"].items()}
    meta = {
        "history": history,
        "best": [best["value"], best["epoch"]],
        "rngs": [rng.bit_generator.state for rng in rngs],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".tmp")
    with partial.open("wb") as file:
        np.savez(file, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _load(
    path: Path, model: Module, optimizer: Optimizer, rngs: list[np.random.Generator], history: History, best: dict
) -> None:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = dict(file)
        meta = json.loads(arrays.pop("meta").tobytes())
    except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a readable checkpoint ({error}): delete it to start afresh") from None

    def part(name: str) -> dict[str, np.ndarray]:
        return {k.removeprefix(name + "/"): v for k, v in arrays.items() if k.startswith(name + "/")}

    if len(rngs) != len(meta["rngs"]):
        raise ValueError(
            f"{path} was written with {len(meta['rngs'])} random generators, this training has {len(rngs)}: "
            "build the model and the batches as they were, or delete it to start afresh"
        )
    model.load_state_dict(part("model"))
    optimizer.load_state_dict(part("optimizer"))
    for rng, state in zip(rngs, meta["rngs"], strict=True):
        rng.bit_generator.state = state
    history.update(meta["history"])
    best.update(value=meta["best"][0], epoch=meta["best"][1], state=part("best"))
