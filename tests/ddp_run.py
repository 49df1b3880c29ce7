"""What tests/test_pt_train.py starts in other processes, two under torchrun among them, and calls itself to compare."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from minilib import data, schedules
from minilib.pt.train import Diverged, fit

RNG = np.random.default_rng(0)
X = RNG.standard_normal((37, 5))
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
RANK = int(os.environ.get("RANK", 0))
CASES = {
    "plain": {},  # the last batch has five rows
    "one row more than a whole number of batches": {"size": 12},
    "accumulated": {"accumulate": 2, "max_norm": 0.05},
    "averaged": {"ema": 0.7, "patience": 2},
}


def train(case, checkpoint=None, epochs=3, dropout=0.0, rng=0, stop=0, **options):
    """Build everything from scratch, as in a script of a reader, and train; gives the history and the weights."""
    torch.manual_seed(RANK if dropout else 0)
    net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 2)).double()
    settings = {**CASES[case], **options}
    batches = data.Batches(X, Y, settings.pop("size", 8), np.random.default_rng(rng))
    calls = []

    def loss(logits, y):
        calls.append(len(y))
        if len(calls) == stop:
            os.kill(os.getpid(), signal.SIGINT)
        return F.cross_entropy(logits, y)

    history = fit(
        net, batches, settings.pop("loss", loss), torch.optim.AdamW(net.parameters(), lr=0.01), epochs=epochs,
        device="cpu", schedule=schedules.warmup_cosine(0.05, 16, 3), checkpoint=checkpoint,
        evaluate=lambda m: {"loss": F.cross_entropy(m(torch.tensor(X)), torch.tensor(Y))},
        **{"progress": False, **settings},
    )  # fmt: skip
    return history, [x for p in net.parameters() for x in p.detach().ravel().tolist()]


def long_run(checkpoint, epochs):
    """With a file that takes a while to write."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2)).double()
    net.ballast = nn.Parameter(torch.zeros(2_000_000))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    batches = data.Batches(X, Y, 8, np.random.default_rng(1))
    history = fit(net, batches, F.cross_entropy, optimizer, epochs=epochs, checkpoint=checkpoint, device="cpu")
    return [x for name, p in net.named_parameters() if name != "ballast" for x in p.ravel().tolist()], history


def nan_in_one(logits, y):
    """A loss that in its second call is no number, in the first process alone."""
    nan_in_one.calls += 1
    return F.cross_entropy(logits, y) * (float("nan") if nan_in_one.calls == 2 and RANK == 0 else 1.0)


nan_in_one.calls = 0


def main(folder):
    for case in CASES:
        history, weights = train(case)
        found = json.dumps({"history": history, "weights": weights})
        (folder / f"{case}-{RANK}.json").write_text(found, "utf8")

    own = folder / f"own-{RANK}"
    train("plain", own / "run.safetensors", progress=True, tensorboard=own / "log")
    if own.exists():
        print(f"files of rank {RANK}: {', '.join(sorted(path.name for path in own.iterdir()))}", flush=True)

    whole = train("plain", dropout=0.3)
    try:
        train("plain", folder / "run.safetensors", dropout=0.3, stop=7 if RANK == 1 else 0)
    except KeyboardInterrupt:
        parts = train("plain", folder / "run.safetensors", dropout=0.3)
        print(f"resumed alike: {parts[0] == whole[0]} {parts[1] == whole[1]}", flush=True)

    for options in ({"loss": nan_in_one}, {"rng": RANK}):
        try:
            train("plain", **options)
        except (Diverged, ValueError) as error:
            print(error, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
