"""The training loop of minilib.scratch.train, for torch: on any device, in reduced precision, in several processes.

Derived in: notebooks/12_training_fast.ipynb
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from minilib.progress import progress_bar
from minilib.pt import checkpoint as files
from minilib.pt.checkpoint import History, Run
from minilib.pt.device import anyone, enough_memory, find_device, fingerprint, gather, join
from minilib.schedules import Schedule

PRECISIONS = (None, torch.bfloat16, torch.float16)


class Diverged(FloatingPointError):
    """The loss is not a number any more. `step` says when, `history` what was seen until then."""

    def __init__(self, message: str, step: int, history: History):
        super().__init__(message)
        self.step, self.history = step, history


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Any, Any]],
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    *,
    epochs: int,
    schedule: Schedule | None = None,
    max_norm: float | None = None,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    monitor: str = "loss",
    patience: int | None = None,
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
    device: str | torch.device = "auto",
    dtype: torch.dtype | None = None,
    accumulate: int = 1,
    ema: float | None = None,
    compile: bool = False,
    tensorboard: str | Path | None = None,
) -> History:
    """Train `model` in place; returns what was measured, a list with one number per epoch under each name.

    batches: gives (x, y) pairs, arrays or tensors, and can be gone through once per epoch, such as
    minilib.data.Batches.   loss_fn: (model(x), y) → a tensor of one number, a mean over rows.   schedule: step →
    learning rate.   max_norm: clips gradients.
    evaluate: called after each epoch in eval mode, without gradients, with the model on its device; its numbers enter
    the history as "valid_NAME".
    patience: stop once "valid_" + monitor has not become smaller for so many epochs; the best weights are put back.
    checkpoint: a safetensors file written after each epoch and at Ctrl-C, in one piece; if it exists, training goes on
    from there, to the same numbers as if it had never stopped, mid-epoch too. It knows of torch's random generators,
    and of those that batches and modules hold as `rng`.   progress: a bar on stderr; None: after two seconds, unless
    MINILIB_PROGRESS=0 is set.
    device: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps"; the model is moved there and stays.
    dtype: of autocast, torch.bfloat16 or torch.float16 (its losses scaled).   accumulate: batches per step; it is the
    step of one batch with all their rows.   ema: the decay of a running mean of the weights, unbiased as Adam's;
    evaluate sees it, and at the end it is in the model.   compile: with torch.compile.   tensorboard: a folder.
    Under torchrun each process takes its share of every batch, and the first alone writes.
    Raises Diverged at the first loss that is nan or infinite; the model then holds the last weights whose loss was not.
    Derived in: notebooks/12_training_fast.ipynb
    """
    if patience is not None and evaluate is None:
        raise ValueError("patience needs evaluate: early stopping must watch data that the training does not see")
    if patience is not None and patience < 1:
        raise ValueError(f"patience counts epochs without progress: needed 1 or more, got {patience}")
    if accumulate < 1:
        raise ValueError(f"accumulate counts batches per step: needed 1 or more, got {accumulate}")
    if ema is not None and not 0 <= ema < 1:
        raise ValueError(f"ema is the share of the mean that each step keeps: needed 0 ≤ ema < 1, got {ema}")
    if dtype not in PRECISIONS:
        raise ValueError(f"dtype is for autocast: needed None, torch.bfloat16 or torch.float16, got {dtype}")
    place = find_device(device)
    rank, world = join(place)
    run = Run(
        model.to(place), batches, optimizer, torch.amp.GradScaler(place.type, enabled=dtype is torch.float16), place,
        {"device": place.type, "dtype": dtype, "accumulate": accumulate, "ema": ema, "processes": world},
    )  # fmt: skip
    if ema is not None:
        means = {x: x.detach().clone() for x in model.parameters()}
        run.ema = {name: means[x] for name, x in model.named_parameters(remove_duplicate=False)}
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and path.exists():
        files.load(path, run)
    run.good = [x.detach().clone() for x in (*model.parameters(), *model.buffers())]
    net: nn.Module = torch.compile(model) if compile else model  # type: ignore[assignment]
    if world > 1:
        net = DistributedDataParallel(net, device_ids=[place.index] if place.type == "cuda" else None)
    history, first = run.history, len(run.history.get("loss", ()))
    with (
        progress_bar("epoch", epochs, first, progress if rank == 0 else False) as bar,
        _log(tensorboard if rank == 0 else None, run.step) as log,
        _ctrl_c(path is not None) as asked,
    ):
        for epoch in range(first, epochs):
            if patience is not None and epoch - 1 - run.best["epoch"] >= patience:
                break
            began, seen, speed = time.perf_counter(), 0, {}
            for value, units, unit in _steps(run, net, loss_fn, schedule, max_norm, accumulate, dtype, ema):
                seen += units
                speed = {f"{unit}/s": f"{seen / (time.perf_counter() - began):,.0f}"}
                bar.set_postfix({"loss": f"{value:.4g}"} | speed, refresh=False)
                bar.update(0)  # drawn ten times a second at most
                log("loss", value, run.step)
                log("lr", optimizer.param_groups[0]["lr"], run.step)
                if path is not None and anyone(asked, place):
                    files.save(path, run)
                    raise KeyboardInterrupt
            measured = {"loss": run.total / run.count}
            if evaluate is not None:
                with torch.no_grad(), _averaged(run), torch.autocast(place.type, dtype, enabled=dtype is not None):
                    numbers = {f"valid_{name}": float(x) for name, x in evaluate(model.eval()).items()}
                    first_says = gather(torch.tensor([*numbers.values()], dtype=torch.float64), place)[0].tolist()
                    measured |= dict(zip(numbers, first_says, strict=True))
                    _keep_best(run, measured, f"valid_{monitor}", epoch, patience)
            for name, value in measured.items():
                history.setdefault(name, []).append(value)
                if name != "loss":
                    log(name, value, run.step)
            run.done, run.total, run.count = 0, 0.0, 0
            bar.update()
            bar.set_postfix({name: f"{value:.4g}" for name, value in measured.items()} | speed, refresh=False)
            if path is not None:
                files.save(path, run)
                if anyone(asked, place):
                    raise KeyboardInterrupt
    if run.ema:
        _put(run.ema, model)
    if run.best["state"]:
        model.load_state_dict(run.best["state"])
    model.eval()
    return history


def _steps(
    run: Run, net: nn.Module, loss_fn: Callable[[Tensor, Tensor], Tensor], schedule: Schedule | None,
    max_norm: float | None, accumulate: int, dtype: torch.dtype | None, ema: float | None,
) -> Iterator[tuple[float, int, str]]:  # fmt: skip
    """The rest of an epoch; after each step its loss, how much it saw, and of what: tokens if x is whole numbers."""
    model, optimizer = run.model.train(), run.optimizer
    parameters, means = list(model.parameters()), list(dict.fromkeys(run.ema.values()))
    held = [x.detach() for x in (*parameters, *model.buffers())]
    stream = run.stream()
    while group := [(torch.as_tensor(x), torch.as_tensor(y)) for x, y in islice(stream, accumulate)]:
        if run.done == 0 and len({int(x) for x in gather(torch.tensor(fingerprint(*chain(*group))), run.device)}) > 1:
            raise ValueError("the processes drew different batches: seed their rng alike in each, as default_rng(0)")
        if schedule is not None:
            rate = schedule(run.step)
            for settings in optimizer.param_groups:
                settings["lr"] = rate
        optimizer.zero_grad()
        rows = sum(len(y) for _, y in group)
        with enough_memory(max(len(y) for _, y in group), accumulate):
            value = _gradients(run, net, loss_fn, group, rows, dtype)
            if not np.isfinite(value):
                torch._foreach_copy_(held, run.good)
                raise _diverged(value, run)
            torch._foreach_copy_(run.good, held)
            if max_norm is not None:
                run.scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(parameters, max_norm)
            run.scaler.step(optimizer)
            run.scaler.update()
        run.step, run.done = run.step + 1, run.done + len(group)
        run.total, run.count = run.total + value * rows, run.count + rows
        if ema is not None:
            with torch.no_grad():  # as in Adam, divided by what the mean has seen of 1 so far
                torch._foreach_lerp_(means, held[: len(means)], (1 - ema) / (1 - ema**run.step))
        whole = not group[0][0].is_floating_point()
        yield value, sum(x.numel() if whole else len(x) for x, _ in group), "tokens" if whole else "rows"
    if run.count == 0:
        raise ValueError("batches gave nothing in this epoch: a generator is used up after one pass, use data.Batches")


def _gradients(
    run: Run, net: nn.Module, loss_fn: Callable[[Tensor, Tensor], Tensor], group: list[tuple[Tensor, Tensor]],
    rows: int, dtype: torch.dtype | None,
) -> float:  # fmt: skip
    """Leave the gradient of the mean loss over all rows of the group in all processes; gives that loss."""
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    total = torch.zeros((), device=run.device)
    for i, batch in enumerate(group):
        x, y = (part.tensor_split(world)[rank] for part in batch) if world > 1 else batch
        share = len(y) / rows
        if len(y) == 0:  # fewer rows than processes: all must take part, this one with a loss of 0 times its own
            x, y = batch[0][:1], batch[1][:1]
        alone = world > 1 and i < len(group) - 1
        with net.no_sync() if alone else nullcontext():  # type: ignore[operator]
            with torch.autocast(run.device.type, dtype, enabled=dtype is not None):
                loss = loss_fn(net(x.to(run.device)), y.to(run.device)) * share
            run.scaler.scale(loss * world).backward()  # processes take the mean of their gradients, not the sum
        total = total + loss.detach()
    return float(sum(gather(total, run.device)))


def _diverged(value: float, run: Run) -> Diverged:
    return Diverged(
        f"the loss is {value} at step {run.step} (epoch {len(run.history.get('loss', ()))}), both counted from 0; "
        "the model has back the last weights whose loss was finite. Try a smaller rate than "
        f"{run.optimizer.param_groups[0]['lr']:g}, max_norm=1.0, or look for bad values in the data",
        run.step,
        run.history,
    )


def _keep_best(run: Run, measured: dict[str, float], name: str, epoch: int, patience: int | None) -> None:
    if patience is None:
        return
    if name not in measured:
        raise ValueError(f"patience watches {name!r}, but evaluate gave {', '.join(measured)}")
    if measured[name] < run.best["value"]:
        state = {key: x.detach().clone() for key, x in run.model.state_dict().items()}
        run.best.update(value=measured[name], epoch=epoch, state=state)


@torch.no_grad()
def _put(weights: dict[str, Tensor], model: nn.Module) -> None:
    for name, x in model.named_parameters():
        x.copy_(weights[name])


@contextmanager
def _averaged(run: Run) -> Iterator[None]:
    """The averaged weights, if there are any, in place of the model's own."""
    own = {name: x.detach().clone() for name, x in run.model.named_parameters()} if run.ema else {}
    try:
        if run.ema:
            _put(run.ema, run.model)
        yield
    finally:
        if run.ema:
            _put(own, run.model)


@contextmanager
def _ctrl_c(caught: bool) -> Iterator[list[int]]:
    """The first Ctrl-C is noted, to stop between two steps; a second one stops at once, as without a checkpoint."""
    asked: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if not (caught and callable(before) and threading.current_thread() is threading.main_thread()):
        yield asked
        return

    def note(number: int, frame: Any) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt


@contextmanager
def _log(folder: str | Path | None, step: int) -> Iterator[Callable[[str, float, int], None]]:
    if folder is None:
        yield lambda name, value, step: None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ImportError(f"tensorboard={str(folder)!r} needs TensorBoard: pip install tensorboard") from None
    with SummaryWriter(str(folder), purge_step=step + 1) as writer:
        yield writer.add_scalar
