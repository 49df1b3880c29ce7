"""`fit` for torch: what the NumPy one does; devices, precision, processes; checkpoints that go on bit for bit."""

from __future__ import annotations

import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from minilib import data, schedules
from minilib.pt import checkpoint as files
from minilib.pt import train as train_module
from minilib.pt.device import enough_memory
from minilib.pt.train import Diverged, find_device, fit
from minilib.scratch import functional as SF
from minilib.scratch import nn as snn
from minilib.scratch import optim as soptim
from minilib.scratch import train as scratch_train
from tests import ddp_run

ROOT = Path(__file__).resolve().parent.parent
SOURCE = np.random.default_rng(0)
X = SOURCE.standard_normal((40, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def ctrl_c_is_heard():
    """A test run in the background of a script ignores SIGINT, and so would the processes that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def classifier(seed=0, dropout=0.2):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2))


def batches(seed=1, size=16):
    return data.Batches(X, Y, size, np.random.default_rng(seed))


def line(start=0.0):
    """A model of one weight w, whose output is w · x."""
    model = nn.Linear(1, 1, bias=False)
    model.weight.data[...] = start
    return model


ONE = [(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32))]


def weights(model):
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])


def quick(model, given=None, loss=F.cross_entropy, optimizer=None, **options):
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=0.01)
    options = {"epochs": 1, "progress": False, "device": "cpu", **options}
    return fit(model, given or batches(), loss, optimizer, **options)


def same_state(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# What it does -------------------------------------------------------------------------------------------------------
def test_it_trains_as_the_numpy_one_does():
    ours = snn.Sequential(snn.Linear(5, 16), snn.Tanh(), snn.Linear(16, 2))
    theirs = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 2)).double()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        p.data = q.detach().numpy().copy()
    common = {"epochs": 4, "schedule": schedules.warmup_cosine(0.02, 12, 3), "max_norm": 0.5, "progress": False}
    rows = [data.Batches(X.astype(float), Y, 16, np.random.default_rng(1)) for _ in range(2)]
    adam = soptim.AdamW(ours.parameters(), lr=0.01), torch.optim.AdamW(theirs.parameters(), lr=0.01)
    one = scratch_train.fit(ours, rows[0], SF.cross_entropy, adam[0], **common)
    other = fit(theirs, rows[1], F.cross_entropy, adam[1], **common, device="cpu")
    np.testing.assert_allclose(other["loss"], one["loss"], rtol=1e-12)
    np.testing.assert_allclose(weights(theirs), np.concatenate([p.data.ravel() for p in ours.parameters()]), rtol=1e-9)


def test_the_errors_of_both_halves_read_the_same():
    error = Diverged("text", 3, {"loss": [1.0]})
    twin = scratch_train.Diverged("text", 3, {"loss": [1.0]})
    assert vars(error) == vars(twin)
    assert error.args == twin.args
    assert isinstance(error, FloatingPointError)


def test_training_separates_two_classes():
    model = classifier()
    history = quick(model, epochs=40)
    assert history["loss"][0] > 0.5 > 0.2 > history["loss"][-1]
    assert (model(torch.tensor(X)).argmax(1).numpy() == Y).mean() > 0.95


def test_one_step_is_gradient_descent_by_hand():
    model = line()
    history = quick(model, ONE, F.mse_loss, torch.optim.SGD(model.parameters(), lr=0.25))
    assert history == {"loss": [1.0]}
    assert weights(model) == 0.5  # w − lr · 2 (w − 1)


def test_the_loss_of_an_epoch_is_the_mean_over_rows_not_over_batches():
    model = line()
    rows = [(np.ones((n, 1), np.float32), np.full((n, 1), y, np.float32)) for n, y in ((3, 0.0), (1, 4.0))]
    assert quick(model, rows, F.mse_loss, torch.optim.SGD(model.parameters(), lr=0.0))["loss"] == [4.0]


def test_the_schedule_sets_the_rate_of_each_step_in_every_group():
    model, seen = line(), []
    groups = [{"params": [model.weight]}, {"params": [torch.zeros(1, requires_grad=True)]}]
    optimizer = torch.optim.SGD(groups, lr=9.0)

    def schedule(step):
        seen.append(step)
        return 0.25 if step == 0 else 0.0

    quick(model, ONE, F.mse_loss, optimizer, epochs=3, schedule=schedule)
    assert seen == [0, 1, 2]
    assert weights(model) == 0.5
    assert [group["lr"] for group in optimizer.param_groups] == [0.0, 0.0]


def test_gradients_are_clipped_before_the_step():
    model = line()
    quick(model, ONE, F.mse_loss, torch.optim.SGD(model.parameters(), lr=1.0), max_norm=0.01)
    assert np.isclose(weights(model), 0.01, 1e-4)


def test_evaluation_sees_eval_mode_and_no_gradients_and_training_the_opposite():
    model, modes = classifier(), []

    def loss(logits, y):
        modes.append(("train", model.training, logits.requires_grad))
        return F.cross_entropy(logits, y)

    def evaluate(m):
        modes.append(("valid", m.training, m(torch.tensor(X)).requires_grad))
        return {"accuracy": np.float32(0.5), "loss": torch.tensor(1)}

    history = quick(model, loss=loss, epochs=2, evaluate=evaluate)
    assert set(modes) == {("train", True, True), ("valid", False, False)}
    assert list(history) == ["loss", "valid_accuracy", "valid_loss"]
    assert history["valid_accuracy"] == [0.5, 0.5]
    assert not model.training


def test_a_loader_of_torch_serves_as_batches():
    rows = DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), 16, shuffle=True)
    assert quick(classifier(), rows, epochs=20)["loss"][-1] < 0.4


# Early stopping -----------------------------------------------------------------------------------------------------
def scripted(values, seen):
    """An evaluation that says what it is told, and notes the weights it was asked about."""

    def evaluate(model):
        seen.append(weights(model).copy())
        return {"loss": values[len(seen) - 1]}

    return evaluate


@pytest.mark.parametrize("ema", [None, 0.9])
def test_training_stops_when_validation_stops_improving_and_puts_the_best_weights_back(ema):
    model, seen = classifier(), []
    history = quick(model, epochs=9, evaluate=scripted([3, 1, 2, 1, 0, 0, 0, 0, 0], seen), patience=2, ema=ema)
    assert history["valid_loss"] == [3, 1, 2, 1]  # equal is no improvement
    np.testing.assert_array_equal(weights(model), seen[1])
    assert (seen[1] != seen[3]).any()


def test_arguments_that_make_no_sense_are_refused():
    for options, text in [
        ({"patience": 0, "evaluate": len}, "patience counts epochs without progress: needed 1 or more, got 0"),
        ({"patience": 1}, "patience needs evaluate: early stopping must watch data that the training does not see"),
        (
            {"patience": 1, "evaluate": lambda m: {"accuracy": 1.0}},
            "patience watches 'valid_loss', but evaluate gave loss, valid_accuracy",
        ),
        ({"accumulate": 0}, "accumulate counts batches per step: needed 1 or more, got 0"),
        ({"ema": 1.0}, "needed 0 ≤ ema < 1, got 1.0"),
        ({"dtype": torch.int8}, "dtype is for autocast: needed None, torch.bfloat16 or torch.float16, got torch.int8"),
    ]:
        with pytest.raises(ValueError, match=re.escape(text)):
            quick(classifier(), **options)


# Divergence ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("batches_per_epoch", [1, 2, 3, 10])
def test_a_loss_that_is_no_number_stops_at_its_step_with_the_weights_of_the_last_finite_loss(bad, batches_per_epoch):
    model, seen, bad_step = line(), [], 4

    def loss(output, y):
        if len(seen) == bad_step:
            return output.sum() * bad
        seen.append(weights(model).copy())
        return F.mse_loss(output, y)

    with pytest.raises(Diverged) as error:
        quick(model, ONE * batches_per_epoch, loss, torch.optim.SGD(model.parameters(), lr=0.1), epochs=9)
    whole_epochs = bad_step // batches_per_epoch
    assert error.value.step == bad_step
    assert f"at step 4 (epoch {whole_epochs}), both counted from 0" in str(error.value)
    assert len(error.value.history.get("loss", [])) == whole_epochs
    np.testing.assert_array_equal(weights(model), seen[-1])
    assert seen[-1] != seen[-2]


def test_a_rate_that_is_too_large_is_noticed_without_a_warning():
    model = line()
    with pytest.raises(Diverged) as error:
        quick(model, ONE, F.mse_loss, torch.optim.SGD(model.parameters(), lr=50.0), epochs=1000)
    assert 5 < error.value.step < 1000
    assert torch.isfinite(F.mse_loss(model(torch.ones(1, 1)), torch.ones(1, 1)))
    assert "Try a smaller rate than 50, max_norm=1.0, or look for bad values in the data" in str(error)


def test_a_bad_number_in_the_first_batch_leaves_the_starting_weights_and_statistics():
    model = nn.Sequential(nn.BatchNorm1d(1), line(0.25))
    before = {name: x.clone() for name, x in model.state_dict().items()}
    with pytest.raises(Diverged) as error:
        quick(model, [(torch.full((2, 1), math.nan), torch.ones(2, 1))], F.mse_loss)
    assert (error.value.step, error.value.history) == (0, {})
    assert same_state(model.state_dict(), before)


def test_batches_that_are_used_up_are_noticed():
    with pytest.raises(ValueError, match=r"batches gave nothing in this epoch: a generator is used up after one pass"):
        quick(classifier(), iter([(X, Y)]), epochs=2)


# Devices, precision, memory -----------------------------------------------------------------------------------------
def test_a_device_that_is_not_there_is_named_with_the_way_out():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device() == find_device("auto")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match=r"^cuda asked for, none found; use device='cpu'$"):
            quick(classifier(), device="cuda")
    many = torch.cuda.device_count() + 7
    with pytest.raises(ValueError, match=f"^cuda:{many} asked for, .* found; use device='cpu'$"):
        find_device(torch.device("cuda", many))
    with pytest.raises(ValueError, match="device 'tpu' is unknown: needed 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'"):
        find_device("tpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_on_a_gpu_it_is_the_same_training(tmp_path):
    for name in ("cuda", "auto", "cuda:0"):
        one, other = classifier(dropout=0.0), classifier(dropout=0.0)
        history = quick(one, epochs=3, ema=0.9)
        assert np.allclose(quick(other, epochs=3, ema=0.9, device=name)["loss"], history["loss"], rtol=1e-4)
        assert next(other.parameters()).is_cuda
    whole, _ = session(5, MAKERS["AdamW"], device="cuda")
    session(2, MAKERS["AdamW"], tmp_path / "run", device="cuda")
    assert same_state(session(5, MAKERS["AdamW"], tmp_path / "run", device="cuda")[0], whole)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_reduced_precision_computes_in_it_keeps_the_weights_and_learns(dtype):
    model, kinds = classifier(), set()

    def loss(logits, y):
        kinds.add(logits.dtype)
        return F.cross_entropy(logits, y)

    history = quick(model, loss=loss, epochs=40, dtype=dtype, max_norm=1.0)
    assert kinds == {dtype}
    assert next(model.parameters()).dtype == torch.float32
    assert history["loss"][-1] < 0.25


def test_half_precision_scales_its_losses_so_that_small_gradients_are_not_lost():
    def tiny(output, y):
        return (output.float() * 1e-8).mean()  # its gradient is less than half of the smallest float16

    moved = {}
    for dtype in (torch.float16, None):
        model = line()
        quick(model, ONE, tiny, torch.optim.SGD(model.parameters(), lr=1e8), dtype=dtype)
        moved[dtype] = weights(model).item()
    assert abs(moved[None] + 1.0) < 1e-5
    assert abs(moved[torch.float16] - moved[None]) < 0.01


def test_half_precision_clips_the_gradients_and_not_their_scaled_selves():
    model = line()
    options = {"dtype": torch.float16, "max_norm": 0.01}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    quick(model, ONE, lambda output, y: 0.25 * F.mse_loss(output.float(), y), optimizer, **options)
    assert np.isclose(weights(model), 0.01, 1e-3)


def test_memory_that_runs_out_names_the_batch_and_a_smaller_one():
    def loss(output, y):
        return torch.empty(10**15).sum()

    with pytest.raises(RuntimeError, match="out of memory with batches of 16 rows: use batches of 8, and accumulate=2"):
        quick(classifier(), loss=loss)
    with pytest.raises(RuntimeError, match="out of memory with batches of 16 rows: use batches of 8, and accumulate=6"):
        quick(classifier(), loss=loss, accumulate=3)
    with pytest.raises(RuntimeError, match="out of memory with batches of 1 row: make the model or its input smaller"):
        quick(classifier(), batches(size=1), loss=loss)
    message = "CUDA out of memory. Tried to allocate 20.00 GiB"
    with pytest.raises(torch.OutOfMemoryError, match="batches of 64 rows: use batches of 32") as error:  # noqa: SIM117
        with enough_memory(64, 1):
            raise torch.OutOfMemoryError(message)
    assert message in str(error.value.__cause__)


def test_another_fault_stays_what_it_is():
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        quick(classifier(), [(X[:, :3], Y)])


def test_compile_is_a_switch(monkeypatch):
    counters = torch._dynamo.utils.counters
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))  # without the C++ compiler
    counters.clear()
    plain, compiled = classifier(dropout=0.0), classifier(dropout=0.0)
    history = quick(plain, epochs=2)
    assert not counters["stats"]["unique_graphs"]
    assert np.allclose(quick(compiled, epochs=2, compile=True)["loss"], history["loss"], rtol=1e-5)
    assert counters["stats"]["unique_graphs"] >= 1
    assert list(compiled.state_dict()) == list(plain.state_dict())


# Accumulation and averaging -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("max_norm", [None, 0.05])
def test_small_batches_accumulated_are_one_large_one(max_norm):
    results = []
    for size, accumulate in ((15, 1), (5, 3)):  # 40 rows: steps of 15, 15 and 10, the last of two batches
        model = classifier(dropout=0.0).double()
        rows = data.Batches(X.astype(float), Y, size, np.random.default_rng(1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        seen = []

        def rate(step, seen=seen):
            seen.append(step)
            return 0.5

        history = quick(
            model, rows, optimizer=optimizer, epochs=3, accumulate=accumulate, max_norm=max_norm, schedule=rate
        )
        assert seen == list(range(9))
        results.append((history["loss"], weights(model)))
    np.testing.assert_allclose(results[1][0], results[0][0], rtol=1e-12)
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=1e-12, atol=1e-14)


def test_accumulated_batches_of_unequal_size_count_by_their_rows():
    x, y = torch.tensor(X).double(), torch.tensor(Y)
    cuts = [(x[:1], y[:1]), (x[1:30], y[1:30]), (x[30:], y[30:])]
    models = [classifier(dropout=0.0).double() for _ in range(2)]
    losses = [
        quick(model, rows, optimizer=torch.optim.SGD(model.parameters(), lr=0.5), accumulate=3)["loss"]
        for model, rows in zip(models, ([(x, y)], cuts), strict=True)
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-12)
    np.testing.assert_allclose(weights(models[1]), weights(models[0]), rtol=1e-12)


def test_averaged_weights_are_what_evaluation_sees_and_what_stays():
    decay, model, raw, seen = 0.8, line(), [], []

    def loss(output, y):
        raw.append(model.weight.item())
        return F.mse_loss(output, y)

    def evaluate(m):
        seen.append(m.weight.item())
        return {"loss": 0.0}

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    quick(model, ONE * 2, loss, optimizer, epochs=4, ema=decay, evaluate=evaluate)
    after = [*raw[1:], raw[-1] - 0.1 * 2 * (raw[-1] - 1)]  # the weight behind each of the eight steps
    for epoch in range(4):
        steps = np.array(after[: 2 * epoch + 2])
        share = decay ** np.arange(len(steps))[::-1]
        assert abs(seen[epoch] - (share * steps).sum() / share.sum()) < 1e-6
    assert model.weight.item() == seen[-1]
    assert all(abs(seen[epoch] - after[2 * epoch + 1]) > 0.01 for epoch in range(1, 4))


def test_an_evaluation_that_fails_leaves_the_own_weights_and_not_the_averages():
    model, raw = line(), []

    def evaluate(m):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        quick(model, ONE * 3, F.mse_loss, torch.optim.SGD(model.parameters(), lr=0.1), ema=0.9, evaluate=evaluate)
    plain = line()
    quick(plain, ONE * 3, F.mse_loss, torch.optim.SGD(plain.parameters(), lr=0.1))
    assert model.weight.item() == plain.weight.item()
    assert raw == []


# Checkpoints --------------------------------------------------------------------------------------------------------
class Slowing(torch.optim.Optimizer):
    """Gradient descent that takes ever smaller steps, and counts them in a plain number."""

    def __init__(self, params):
        super().__init__(params, {"lr": 0.1})

    def step(self):
        for p in self.param_groups[0]["params"]:
            state = self.state[p]
            state["count"] = state.get("count", 0) + 1
            p.data -= self.param_groups[0]["lr"] / state["count"] * p.grad


MAKERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
    "one that is not torch's": Slowing,
}
LOADER = TensorDataset(torch.tensor(X), torch.tensor(Y))


class Tied(nn.Module):
    """Two names for one matrix, statistics in buffers, and dropout."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner, self.norm, self.head = nn.Linear(5, 5), nn.BatchNorm1d(5), nn.Linear(5, 5)
        self.head.weight = self.inner.weight

    def forward(self, x):
        return self.head(F.dropout(self.norm(self.inner(x)).relu(), 0.2, self.training))


def session(epochs, make, checkpoint=None, patience=None, loss=F.cross_entropy, source=None, **options):
    """A run from scratch, as a new process would build it: dropout, shuffling, noise, memory, schedule."""
    model = Tied()
    noise = data.Batches(
        X, Y, 16, np.random.default_rng(1), lambda x, rng: x + rng.normal(0, 0.01, x.shape).astype("f")
    )
    settings = {
        "schedule": schedules.warmup_cosine(0.02, 15, 4), "max_norm": 1.0, "patience": patience, "device": "cpu",
        "evaluate": lambda m: {"loss": F.cross_entropy(m(torch.tensor(X).to(m.head.bias)).cpu(), torch.tensor(Y))},
    }  # fmt: skip
    history = fit(
        model, source or noise, loss, make(model.parameters()), epochs=epochs, progress=False, checkpoint=checkpoint,
        **{**settings, **options},
    )  # fmt: skip
    return model.state_dict(), history


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("options", [{}, {"patience": 3}, {"ema": 0.9, "patience": 3}, {"accumulate": 2, "ema": 0.5}])
def test_two_and_three_epochs_are_five_bit_for_bit(make, options, tmp_path):
    path = tmp_path / "new" / "folder" / "run.safetensors"
    whole, whole_history = session(5, make, **options)
    session(2, make, path, **options)
    parts, parts_history = session(5, make, path, **options)
    assert parts_history == whole_history
    assert same_state(parts, whole)
    assert same_state(files.weights(path), whole)


def test_with_half_precision_too(tmp_path):
    # so large a loss that it is scaled less and less in the first epochs
    options = {"dtype": torch.float16, "accumulate": 2, "loss": lambda logits, y: 100 * F.cross_entropy(logits, y)}
    whole, whole_history = session(5, MAKERS["AdamW"], **options)
    session(2, MAKERS["AdamW"], tmp_path / "run", **options)
    parts, parts_history = session(5, MAKERS["AdamW"], tmp_path / "run", **options)
    assert parts_history == whole_history
    assert same_state(parts, whole)


def test_a_finished_run_that_is_called_again_changes_nothing(tmp_path):
    first, history = session(3, MAKERS["AdamW"], tmp_path / "run", ema=0.5)
    again, same_history = session(3, MAKERS["AdamW"], tmp_path / "run", ema=0.5)
    assert history == same_history
    assert same_state(first, again)


class Stop:
    """A loss that presses Ctrl-C in its `call`-th call."""

    def __init__(self, call):
        self.calls, self.call = 0, call

    def __call__(self, logits, y):
        self.calls += 1
        if self.calls == self.call:
            os.kill(os.getpid(), signal.SIGINT)
        return F.cross_entropy(logits, y)


SOURCES = {
    "Batches": lambda: None,
    "a loader with torch's generator": lambda: DataLoader(LOADER, 16, shuffle=True),
    "a loader with its own": lambda: DataLoader(LOADER, 16, shuffle=True, generator=torch.Generator().manual_seed(3)),
    "a sampler with its own": lambda: DataLoader(
        LOADER, 16, sampler=RandomSampler(LOADER, generator=torch.Generator().manual_seed(3))
    ),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("call", [1, 2, 3, 4, 8, 15])  # 3 batches an epoch, 5 epochs
def test_ctrl_c_finishes_the_step_saves_and_goes_on_bit_for_bit(call, source, tmp_path):
    handler = signal.getsignal(signal.SIGINT)
    whole, whole_history = session(5, MAKERS["AdamW"], source=source(), ema=0.5)
    loss = Stop(call)
    with pytest.raises(KeyboardInterrupt):
        session(5, MAKERS["AdamW"], tmp_path / "run", loss=loss, source=source(), ema=0.5)
    assert loss.calls == call
    assert signal.getsignal(signal.SIGINT) is handler
    parts, parts_history = session(5, MAKERS["AdamW"], tmp_path / "run", source=source(), ema=0.5)
    assert parts_history == whole_history
    assert same_state(parts, whole)


def test_ctrl_c_in_the_midst_of_accumulation_and_twice(tmp_path):
    options = {"accumulate": 2, "patience": 9}
    whole, whole_history = session(5, MAKERS["momentum"], **options)
    for call in (4, 5):  # the second run goes on from the first
        with pytest.raises(KeyboardInterrupt):
            session(5, MAKERS["momentum"], tmp_path / "run", loss=Stop(call), **options)
    parts, parts_history = session(5, MAKERS["momentum"], tmp_path / "run", **options)
    assert parts_history == whole_history
    assert same_state(parts, whole)


def test_ctrl_c_during_evaluation_keeps_the_epoch(tmp_path):
    def evaluate(m):
        os.kill(os.getpid(), signal.SIGINT)
        return {"loss": 1.0}

    with pytest.raises(KeyboardInterrupt):
        quick(classifier(), epochs=3, evaluate=evaluate, checkpoint=tmp_path / "run")
    history = quick(classifier(), epochs=1, evaluate=evaluate, checkpoint=tmp_path / "run")
    assert history["valid_loss"] == [1.0]


def test_a_second_ctrl_c_stops_at_once_as_does_one_without_a_checkpoint(tmp_path):
    def twice(logits, y):
        with pytest.raises(KeyboardInterrupt):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
        return F.cross_entropy(logits, y)

    with pytest.raises(KeyboardInterrupt):  # the first of the two is still remembered
        quick(classifier(), loss=twice, checkpoint=tmp_path / "run")
    loss = Stop(2)
    with pytest.raises(KeyboardInterrupt):
        quick(classifier(), loss=loss, epochs=5)
    assert loss.calls == 2


def test_a_ctrl_c_that_comes_after_the_last_step_is_not_lost():
    with pytest.raises(KeyboardInterrupt), train_module._ctrl_c(True):
        os.kill(os.getpid(), signal.SIGINT)


SCRIPT = """
import sys
from tests.ddp_run import long_run
try:
    long_run(sys.argv[1], 10_000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
long_run(sys.argv[1], 10_000)
"""


def wait_for(path, process):
    until = time.monotonic() + 60
    while not path.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)


def test_a_process_stopped_by_ctrl_c_and_killed_while_it_writes_goes_on_bit_for_bit(tmp_path):
    path, beside = tmp_path / "run.safetensors", tmp_path / "run.safetensors.tmp"
    for _ in range(5):
        command = [sys.executable, "-c", SCRIPT, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            wait_for(path, process)
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == b"interrupted\n"
            wait_for(beside, process)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        if beside.exists():
            break
    assert beside.exists(), "never caught while writing"
    with safe_open(path, "pt") as file:
        written = len(json.loads(file.metadata()["minilib"])["history"]["loss"])
    assert {file.name for file in tmp_path.iterdir()} == {path.name, beside.name}
    parts, parts_history = ddp_run.long_run(path, written + 2)
    whole, whole_history = ddp_run.long_run(None, written + 2)
    assert parts_history == whole_history
    assert parts == whole
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def damaged(raw):
    yield "empty", b""
    yield "text", b"not a checkpoint"
    yield "half", raw[: len(raw) // 2]
    yield "cut short by one", raw[:-1]
    for place in (raw.index(b"history"), raw.index(b"settings"), len(raw) // 2, len(raw) - 1):
        flipped = bytearray(raw)
        flipped[place] ^= 1
        yield f"one bit at {place}", bytes(flipped)


def test_a_damaged_checkpoint_is_named_with_the_way_out(tmp_path):
    path = tmp_path / "run.safetensors"
    words = r"run\.safetensors is not a readable checkpoint \(.*\): delete it to start afresh"
    quick(classifier(), checkpoint=path)
    model, before = classifier(seed=1), classifier(seed=1).state_dict()
    for _, content in damaged(path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=words):
            quick(model, checkpoint=path)
        with pytest.raises(ValueError, match=words):
            files.weights(path)
    save_file({"x": torch.ones(1)}, path)
    with pytest.raises(ValueError, match=words):
        quick(model, checkpoint=path)
    assert same_state(model.state_dict(), before)


def test_a_checkpoint_of_another_training_is_refused_with_every_difference(tmp_path):
    path = tmp_path / "run"
    quick(classifier(), checkpoint=path)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 17), nn.ReLU(), nn.Linear(16, 2).double())
    before = {name: x.clone() for name, x in model.state_dict().items()}
    with pytest.raises(ValueError, match="the weights do not fit this network") as error:
        quick(model, checkpoint=path)
    for part in (
        "2.weight is missing", "2.bias is missing", "3.weight is not in this network",
        "0.weight has shape (16, 5), needed (17, 5)", "0.bias has shape (16,), needed (17,)",
        "Build model, batches and optimiser as they were, or delete it to start afresh",
    ):  # fmt: skip
        assert part in str(error.value)
    assert same_state(model.state_dict(), before)
    with pytest.raises(ValueError, match=r"3.weight has torch.float32, needed torch.float64"):
        quick(classifier().double(), checkpoint=path)
    model = classifier()
    for options, text in [
        ({"optimizer": torch.optim.SGD(model.parameters(), lr=0.01)}, "optimizer was Adam, is SGD"),
        ({"optimizer": torch.optim.Adam([model[0].weight])}, r"parameters was \[4\], is \[1\]"),
        (
            {"optimizer": torch.optim.Adam(model.parameters(), weight_decay=0.5)},
            r"weight_decay was \[0\], is \[0.5\]",
        ),
        ({"given": data.Batches(X, Y, 16)}, "random generators was 2, is 1"),
        ({"ema": 0.5}, "run is of another training: ema was None, is 0.5. Build"),
        ({"accumulate": 2, "dtype": torch.bfloat16}, "dtype was None, is torch.bfloat16; accumulate was 1, is 2"),
    ]:
        with pytest.raises(ValueError, match=text):
            quick(model, checkpoint=path, **options)


def test_a_rate_that_was_changed_goes_on_as_it_was_written(tmp_path):
    model = line()
    quick(model, ONE, F.mse_loss, torch.optim.SGD(model.parameters(), lr=0.25), checkpoint=tmp_path / "run")
    optimizer = torch.optim.SGD(model.parameters(), lr=9.0)
    quick(model, ONE, F.mse_loss, optimizer, epochs=2, checkpoint=tmp_path / "run")
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_a_checkpoint_holds_no_pickle_and_readable_facts(tmp_path):
    history = quick(classifier(), checkpoint=tmp_path / "run", ema=0.5)
    with safe_open(tmp_path / "run", "pt") as file:
        meta = json.loads(file.metadata()["minilib"])
        names = set(file.keys())
    assert meta["history"] == history
    assert meta["progress"] == [3, 0, 0.0, 0]
    (tmp_path / "plain").touch()
    assert (tmp_path / "run").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert {"model/0.weight", "ema/3.bias", "optimizer/0/exp_avg", "rng/now/0"} <= names


def test_the_weights_of_a_checkpoint_can_be_had_without_training(tmp_path):
    model, other = Tied(), Tied()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    quick(model, optimizer=optimizer, epochs=2, checkpoint=tmp_path / "run", ema=0.9)
    other.load_state_dict(files.weights(tmp_path / "run"))
    assert same_state(other.state_dict(), model.state_dict())


# Several processes ----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    launch = ["--nproc-per-node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"]
    command = [sys.executable, "-m", "torch.distributed.run", *launch, "tests/ddp_run.py", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.mark.parametrize("case", ddp_run.CASES)
def test_two_processes_of_half_a_batch_are_one_of_the_whole(case, two_processes):
    found = [json.loads((two_processes[0] / f"{case}-{rank}.json").read_text("utf8")) for rank in range(2)]
    assert found[0] == found[1]
    history, values = ddp_run.train(case)
    assert history.keys() == found[0]["history"].keys()
    for name, measured in history.items():
        np.testing.assert_allclose(found[0]["history"][name], measured, rtol=1e-12)
    np.testing.assert_allclose(found[0]["weights"], values, rtol=1e-12, atol=1e-12)


def test_the_first_process_alone_writes_and_shows_the_bar(two_processes):
    _, done = two_processes
    assert done.stdout.count("files of rank") == 1
    assert "files of rank 0: log, run.safetensors" in done.stdout
    assert done.stderr.count("?it/s]") == 1


def test_two_processes_go_on_bit_for_bit_with_dropout_after_ctrl_c_to_one_of_them(two_processes):
    assert "resumed alike: True True" in two_processes[1].stdout


def test_processes_whose_losses_diverge_or_whose_batches_differ_both_stop(two_processes):
    out = two_processes[1].stdout
    assert out.count("the loss is nan at step 1 (epoch 0)") == 2
    assert out.count("the processes drew different batches: seed their rng alike in each, as default_rng(0)") == 2


def test_one_process_under_torchrun_is_one_without(monkeypatch):
    without = ddp_run.train("averaged")
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}.items():
        monkeypatch.setenv(name, value)
    try:
        assert ddp_run.train("averaged") == without
        assert torch.distributed.is_initialized()
    finally:
        torch.distributed.destroy_process_group()


def test_a_checkpoint_of_two_processes_is_not_for_one(two_processes):
    with pytest.raises(ValueError, match="processes was 2, is 1"):
        ddp_run.train("plain", two_processes[0] / "run.safetensors")


# The bar and the log --------------------------------------------------------------------------------------------------
def test_the_bar_counts_tokens_and_moves_within_an_epoch(capsys):
    ids = np.random.default_rng(0).integers(0, 9, (6, 50))
    model = nn.Sequential(nn.Embedding(9, 9))

    def loss(logits, y):
        time.sleep(0.12)
        return F.cross_entropy(logits.transpose(1, 2), y)

    quick(model, data.Batches(ids, ids, 1), loss, progress=True)
    drawn = capsys.readouterr().err.split("\r")
    seen = [match for text in drawn if (match := re.match(r"epoch: +0%.* 0/1 .*loss=[\d.]+, tokens/s=([\d,]+)", text))]
    assert len(seen) >= 4
    assert all(20 < int(match[1].replace(",", "")) < 450 for match in seen)  # 50 in an eighth of a second


def test_the_bar_counts_rows_where_they_are_not_ids(capsys):
    def loss(logits, y):
        time.sleep(0.12)
        return F.cross_entropy(logits, y)

    quick(classifier(), batches(size=20), loss, progress=True)
    assert re.search(r"loss=[\d.]+, rows/s=\d+", capsys.readouterr().err)


def test_in_a_notebook_the_bar_goes_to_the_stream_that_is_not_red(capsys, monkeypatch):
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stdout", stream)
    quick(classifier(), progress=True)
    assert "epoch" in stream.getvalue()
    assert stream.getvalue().split("\r")[-2].strip() == ""  # it wipes itself out
    assert capsys.readouterr().err == ""


def logged(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder))
    reader.Reload()
    return {name: [(event.step, event.value) for event in reader.Scalars(name)] for name in reader.Tags()["scalars"]}


def test_the_log_can_be_read_by_tensorboard_and_goes_on_after_a_pause(tmp_path):
    pytest.importorskip("tensorboard")
    options = {"tensorboard": tmp_path / "log", "checkpoint": tmp_path / "run", "schedule": lambda step: 0.5**step}
    quick(classifier(), epochs=1, evaluate=lambda m: {"accuracy": 0.25}, **options)
    quick(classifier(), epochs=2, evaluate=lambda m: {"accuracy": 0.5}, **options)
    seen = logged(tmp_path / "log")
    assert seen["valid_accuracy"] == [(3, 0.25), (6, 0.5)]
    assert seen["lr"] == [(step + 1, 0.5**step) for step in range(6)]
    assert [step for step, _ in seen["loss"]] == [1, 2, 3, 4, 5, 6]


def test_a_missing_tensorboard_is_named_with_the_command(monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.split(".")[:3] == ["torch", "utils", "tensorboard"]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delattr(torch.utils, "tensorboard", raising=False)
    with pytest.raises(ImportError, match="tensorboard='logs' needs TensorBoard: pip install tensorboard"):
        quick(classifier(), tensorboard="logs")
