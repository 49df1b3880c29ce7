"""A training run in one safetensors file, from which it goes on to the same numbers, bit for bit."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from minilib.pt.device import fingerprint, gather, rank

History = dict[str, list[float]]
States = tuple[list[Any], list[Tensor]]


@dataclass
class Run:
    """All that changes while a model is trained: what a checkpoint holds.

    settings: what a checkpoint must agree in.   step: of the optimiser.   done, total, count: batches, losses and
    rows of the epoch at hand.   start: the random generators as they were when it began.   good: the last weights
    and buffers whose loss was finite.
    """

    model: nn.Module
    batches: Iterable[tuple[Any, Any]]
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    device: torch.device
    settings: dict[str, Any]
    ema: dict[str, Tensor] = field(default_factory=dict)
    history: History = field(default_factory=dict)
    best: dict[str, Any] = field(default_factory=lambda: {"value": np.inf, "epoch": -1, "state": {}})
    step: int = 0
    done: int = 0
    total: float = 0.0
    count: int = 0
    start: States = ([], [])
    good: list[Tensor] = field(default_factory=list)

    def stream(self) -> Iterator[tuple[Any, Any]]:
        """The batches of this epoch that are still to come: those before are drawn again and passed over."""
        now = self.states()
        if self.done == 0:
            self.start = now
            return iter(self.batches)
        self.set_states(self.start)
        stream = iter(self.batches)
        for _ in islice(stream, self.done):
            pass
        self.set_states(now)
        return stream

    def generators(self) -> tuple[list[np.random.Generator], list[torch.Generator]]:
        """Every source of randomness that training draws on, each once."""
        owners = [self.batches, getattr(self.batches, "sampler", None), *self.model.modules()]
        found = [getattr(owner, name, None) for owner in owners for name in ("rng", "generator")]
        found.append(torch.default_generator)
        if self.device.type == "cuda":
            found.append(torch.cuda.default_generators[self.device.index])
        if self.device.type == "mps":
            found.append(torch.mps._get_default_mps_generator())
        each = list({id(generator): generator for generator in found}.values())
        ours = [generator for generator in each if isinstance(generator, np.random.Generator)]
        return ours, [generator for generator in each if isinstance(generator, torch.Generator)]

    def states(self) -> States:
        ours, torchs = self.generators()
        return [rng.bit_generator.state for rng in ours], [generator.get_state() for generator in torchs]

    def set_states(self, states: States) -> None:
        ours, torchs = self.generators()
        for rng, state in zip(ours, states[0], strict=True):
            rng.bit_generator.state = state
        for generator, kept in zip(torchs, states[1], strict=True):
            generator.set_state(kept)


def save(path: Path, run: Run) -> None:
    """Write beside the file, then rename: a crash leaves the old checkpoint or the new one, never half of one."""
    now, start = run.states(), run.start
    moments = [("now", now[1]), ("start", start[1])]
    tensors = {f"rng/{when}/{i}": torch.stack(gather(x, run.device)) for when, xs in moments for i, x in enumerate(xs)}
    if rank() > 0:
        return
    memory = {f"{i}/{k}": v for i, kept in run.optimizer.state_dict()["state"].items() for k, v in kept.items()}
    tensors |= {f"model/{name}": x for name, x in run.model.state_dict().items()}
    tensors |= {f"ema/{name}": x for name, x in run.ema.items()}
    tensors |= {f"best/{name}": x for name, x in run.best["state"].items()}
    tensors |= {f"optimizer/{name}": x for name, x in memory.items() if isinstance(x, Tensor)}
    # copies: two names of one tensor, as in a model with tied weights, would be refused
    tensors = {name: x.detach().to("cpu", copy=True).contiguous() for name, x in tensors.items()}
    meta = {
        "history": run.history,
        "best": [run.best["value"], run.best["epoch"]],
        "progress": [run.step, run.done, run.total, run.count],
        "rngs": {"now": now[0], "start": start[0]},
        "settings": _settings(run),
        "lr": [float(group["lr"]) for group in run.optimizer.param_groups],
        "scaler": run.scaler.state_dict(),
        "optimizer": {name: x for name, x in memory.items() if not isinstance(x, Tensor)},
    }
    text = json.dumps(meta)
    check = fingerprint(*(tensors[name] for name in sorted(tensors)), start=zlib.crc32(text.encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".tmp")
    with beside.open("wb") as file:  # not save_file: killed, it leaves a file under a name of its own
        file.write(to_bytes(tensors, {"minilib": text, "crc32": str(check)}))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _settings(run: Run) -> dict[str, Any]:
    """What both sides must have in common, as JSON gives it back: the training's settings and the optimiser's."""
    groups = run.optimizer.param_groups
    names = sorted({name for group in groups for name in group} - {"params", "lr", "initial_lr"})
    found = {
        **run.settings,
        "random generators": sum(len(kind) for kind in run.generators()),
        "optimizer": type(run.optimizer).__name__,
        "parameters": [len(group["params"]) for group in groups],
        **{name: [group.get(name) for group in groups] for name in names},
    }
    return json.loads(json.dumps(found, default=str))


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata()
        check = fingerprint(
            *(tensors[name] for name in sorted(tensors)), start=zlib.crc32(metadata["minilib"].encode())
        )
        if str(check) != metadata["crc32"]:
            raise ValueError("its check sum does not fit what it holds")
        return tensors, json.loads(metadata["minilib"])
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(f"{path} is not a readable checkpoint ({error}): delete it to start afresh") from None


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {k.removeprefix(name + "/"): x for k, x in tensors.items() if k.startswith(name + "/")}


def weights(path: str | Path) -> dict[str, Tensor]:
    """What `fit` would leave in the model: the best weights if it had patience, else the averaged, else the last.

    For model.load_state_dict, on the CPU. Raises ValueError if the file is damaged.
    """
    tensors, _ = _read(Path(path))
    return _part(tensors, "model") | _part(tensors, "ema") | _part(tensors, "best")


def load(path: Path, run: Run) -> None:
    """Put a run back to where it was written; raises ValueError, and changes nothing, unless all of it fits."""
    tensors, meta = _read(path)
    part = partial(_part, tensors)
    theirs, ours = meta["settings"], _settings(run)
    faults = [f"{k} was {theirs[k]}, is {ours[k]}" for k in theirs if k in ours and theirs[k] != ours[k]]
    if misfits := _misfits(part("model"), run.model.state_dict()):
        faults.append(f"the weights do not fit this network: {'; '.join(misfits)}")
    if faults:
        raise ValueError(
            f"{path} is of another training: {'; '.join(faults)}. "
            "Build model, batches and optimiser as they were, or delete it to start afresh"
        )

    run.model.load_state_dict(part("model"))
    for name, x in part("ema").items():
        run.ema[name].copy_(x)
    memory: dict[int, dict[str, Any]] = {}
    for key, value in (part("optimizer") | meta["optimizer"]).items():
        index, name = key.split("/", 1)
        memory.setdefault(int(index), {})[name] = value
    groups = run.optimizer.state_dict()["param_groups"]
    groups = [{**group, "lr": lr} for group, lr in zip(groups, meta["lr"], strict=True)]
    run.optimizer.load_state_dict({"state": memory, "param_groups": groups})
    run.scaler.load_state_dict(meta["scaler"])
    run.history.update(meta["history"])
    run.best.update(value=meta["best"][0], epoch=meta["best"][1], state=part("best"))
    run.step, run.done, run.total, run.count = meta["progress"]
    for when in ("start", "now"):
        # cloned: set_state reads from the start of the storage, wherever the row lies
        states = [tensors[f"rng/{when}/{i}"][rank()].clone() for i in range(len(part(f"rng/{when}")))]
        if when == "start":
            run.start = meta["rngs"][when], states
        else:
            run.set_states((meta["rngs"][when], states))


def _misfits(theirs: dict[str, Tensor], ours: dict[str, Tensor]) -> list[str]:
    faults = [f"{name} is missing" for name in ours if name not in theirs]
    faults += [f"{name} is not in this network" for name in theirs if name not in ours]
    for name in ours.keys() & theirs.keys():
        if theirs[name].shape != ours[name].shape:
            faults.append(f"{name} has shape {tuple(theirs[name].shape)}, needed {tuple(ours[name].shape)}")
        elif theirs[name].dtype != ours[name].dtype:
            faults.append(f"{name} has {theirs[name].dtype}, needed {ours[name].dtype}")
    return faults
