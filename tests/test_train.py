"""`fit`: what it measures, when it stops, and that a run which was interrupted ends as one which was not."""

from __future__ import annotations

import json

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from minilib import data, schedules
from minilib.scratch import Tensor, nn, optim
from minilib.scratch import functional as F
from minilib.scratch import train as train_module
from minilib.scratch.train import Diverged, fit

SOURCE = np.random.default_rng(0)
X = SOURCE.standard_normal((40, 5)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)


def classifier(seed=0, dropout=0.2):
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Linear(5, 16, rng=rng), nn.ReLU(), nn.Dropout(dropout, rng=rng), nn.Linear(16, 2, rng=rng))


def batches(seed=1, size=16):
    return data.Batches(X, Y, size, np.random.default_rng(seed))


def line(start=0.0):
    """A model of one weight w, whose output is w · x."""
    model = nn.Linear(1, 1, bias=False)
    model.weight.data[...] = start
    return model


ONE = [(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32))]


def weights(model):
    return np.concatenate([p.data.ravel() for p in model.parameters()])


def quick(model, given=None, loss=F.cross_entropy, optimizer=None, **options):
    optimizer = optimizer or optim.Adam(model.parameters(), lr=0.01)
    return fit(model, given or batches(), loss, optimizer, **{"epochs": 1, "progress": False, **options})


# What it does -------------------------------------------------------------------------------------------------------
def test_training_separates_two_classes():
    model = classifier()
    history = quick(model, epochs=40)
    assert history["loss"][0] > 0.5 > 0.2 > history["loss"][-1]
    assert (model(Tensor(X)).data.argmax(1) == Y).mean() > 0.95


def test_one_step_is_gradient_descent_by_hand():
    model = line()
    history = quick(model, ONE, F.mse_loss, optim.SGD(model.parameters(), lr=0.25))
    assert history == {"loss": [1.0]}
    assert weights(model) == 0.5  # w − lr · 2 (w − 1)


def test_the_loss_of_an_epoch_is_the_mean_over_rows_not_over_batches():
    model = line()
    rows = [(np.ones((n, 1), np.float32), np.full((n, 1), y, np.float32)) for n, y in ((3, 0.0), (1, 4.0))]
    assert quick(model, rows, F.mse_loss, optim.SGD(model.parameters(), lr=0.0))["loss"] == [4.0]


def test_the_schedule_sets_the_rate_of_each_step():
    model, seen = line(), []
    optimizer = optim.SGD(model.parameters(), lr=9.0)

    def schedule(step):
        seen.append(step)
        return 0.25 if step == 0 else 0.0

    quick(model, ONE, F.mse_loss, optimizer, epochs=3, schedule=schedule)
    assert seen == [0, 1, 2]
    assert weights(model) == 0.5


def test_gradients_are_clipped_before_the_step():
    model = line()
    quick(model, ONE, F.mse_loss, optim.SGD(model.parameters(), lr=1.0), max_norm=0.01)
    assert np.isclose(weights(model), 0.01, 1e-4)


def test_evaluation_sees_eval_mode_and_no_gradients_and_training_the_opposite():
    model, modes = classifier(), []

    def loss(logits, y):
        modes.append(("train", model.training, logits.requires_grad))
        return F.cross_entropy(logits, y)

    def evaluate(m):
        modes.append(("valid", m.training, m(Tensor(X)).requires_grad))
        return {"accuracy": np.float32(0.5), "loss": 1}

    history = quick(model, loss=loss, epochs=2, evaluate=evaluate)
    assert set(modes) == {("train", True, True), ("valid", False, False)}
    assert list(history) == ["loss", "valid_accuracy", "valid_loss"]
    assert history["valid_accuracy"] == [0.5, 0.5]
    assert not model.training


# Early stopping -----------------------------------------------------------------------------------------------------
def scripted(values, seen):
    """An evaluation that says what it is told, and notes the weights it was asked about."""

    def evaluate(model):
        seen.append(weights(model).copy())
        return {"loss": values[len(seen) - 1]}

    return evaluate


def test_training_stops_when_validation_stops_improving_and_puts_the_best_weights_back():
    model, seen = classifier(), []
    history = quick(model, epochs=9, evaluate=scripted([3, 1, 2, 1, 0, 0, 0, 0, 0], seen), patience=2)
    assert history["valid_loss"] == [3, 1, 2, 1]  # equal is no improvement
    np.testing.assert_array_equal(weights(model), seen[1])
    assert (seen[1] != seen[3]).any()


def test_the_best_weights_may_be_those_of_the_first_epoch():
    model, seen = classifier(), []
    history = quick(model, epochs=9, evaluate=scripted([1, 2, 3], seen), patience=1)
    assert history["valid_loss"] == [1, 2]
    np.testing.assert_array_equal(weights(model), seen[0])


def test_patience_needs_something_to_watch_and_an_epoch_at_least():
    with pytest.raises(ValueError, match="patience counts epochs without progress: needed 1 or more, got 0"):
        quick(classifier(), patience=0, evaluate=lambda m: {"loss": 1.0})
    with pytest.raises(ValueError, match="patience needs evaluate: early stopping must watch data that the training"):
        quick(classifier(), patience=1)
    with pytest.raises(ValueError, match="patience watches 'valid_loss', but evaluate gave loss, valid_accuracy"):
        quick(classifier(), patience=1, evaluate=lambda m: {"accuracy": 1.0})


# Divergence ---------------------------------------------------------------------------------------------------------
def diverge(model, loss, **options):
    with pytest.raises(Diverged) as error:
        quick(model, ONE, loss, optim.SGD(model.parameters(), lr=options.pop("lr", 0.1)), **options)
    return error.value


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
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        fit(model, ONE * batches_per_epoch, loss, optimizer, epochs=9, progress=False)
    whole_epochs = bad_step // batches_per_epoch
    assert error.value.step == bad_step
    assert f"at step 4 (epoch {whole_epochs}), both counted from 0" in str(error.value)
    assert len(error.value.history.get("loss", [])) == whole_epochs
    np.testing.assert_array_equal(weights(model), seen[-1])
    assert seen[-1] != seen[-2]


def test_a_rate_that_is_too_large_is_noticed_without_a_warning():
    model = line()
    error = diverge(model, F.mse_loss, lr=50.0, epochs=1000)
    assert 5 < error.step < 1000
    assert np.isfinite(F.mse_loss(model(Tensor(ONE[0][0])), ONE[0][1]).item())
    assert "Try a smaller rate than 50, max_norm=1.0, or look for bad values in the data" in str(error)


def test_a_bad_number_in_the_first_batch_leaves_the_starting_weights():
    model = line(0.25)
    error = diverge(model, lambda output, y: output.sum() * np.nan)
    assert error.step == 0
    assert error.history == {}
    assert weights(model) == 0.25


def test_batches_that_are_used_up_are_noticed():
    model = classifier()
    with pytest.raises(ValueError, match=r"batches gave nothing in this epoch: a generator is used up after one pass"):
        quick(model, iter([(X, Y)]), epochs=2)


# Checkpoints --------------------------------------------------------------------------------------------------------
MAKERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
}


def session(epochs, make, checkpoint=None, patience=None):
    """A run from scratch, as a new process would build it: dropout, shuffling, noise, memory, schedule."""
    model = classifier()
    source = data.Batches(X, Y, 16, np.random.default_rng(1), lambda x, rng: x + rng.normal(0, 0.01, x.shape))
    history = fit(
        model, source, F.cross_entropy, make(model.parameters()), epochs=epochs, progress=False, checkpoint=checkpoint,
        schedule=schedules.warmup_cosine(0.02, 15, 4), max_norm=1.0, patience=patience,
        evaluate=lambda m: {"loss": F.cross_entropy(m(Tensor(X)), Y).item()},
    )  # fmt: skip
    return model.state_dict(), history


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("patience", [None, 3])
def test_two_and_three_epochs_are_five_bit_for_bit(make, patience, tmp_path):
    path = tmp_path / "new" / "folder" / "run.npz"
    whole, whole_history = session(5, make, patience=patience)
    session(2, make, path, patience)
    parts, parts_history = session(5, make, path, patience)
    assert parts_history == whole_history
    assert all(np.array_equal(parts[name], whole[name]) for name in whole)


def test_a_finished_run_that_is_called_again_changes_nothing(tmp_path):
    make = MAKERS["Adam"]
    first, history = session(3, make, tmp_path / "run.npz")
    again, same_history = session(3, make, tmp_path / "run.npz")
    assert history == same_history
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_the_best_weights_survive_an_interruption(tmp_path):
    path, seen = tmp_path / "run.npz", []
    values = [3, 0.5, 2, 0.7, 2]
    quick(classifier(), epochs=3, evaluate=scripted(values, seen), patience=3, checkpoint=path)
    model = classifier()
    history = quick(model, epochs=9, evaluate=scripted(values, seen), patience=3, checkpoint=path)
    assert history["valid_loss"] == values
    np.testing.assert_array_equal(weights(model), seen[1])


@pytest.mark.parametrize("moment", ["writing", "renaming"])
def test_a_crash_while_writing_leaves_the_old_checkpoint_whole(moment, tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    session(2, MAKERS["Adam"], path)
    before = path.read_bytes()

    def half_a_file(file, **arrays):
        file.write(before[: len(before) // 2])
        raise KeyboardInterrupt

    def no_rename(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        if moment == "writing":
            patched.setattr(train_module.np, "savez", half_a_file)
        else:
            patched.setattr(type(path), "replace", no_rename)
        session(3, MAKERS["Adam"], path)
    assert path.read_bytes() == before
    whole, _ = session(5, MAKERS["Adam"])
    resumed, _ = session(5, MAKERS["Adam"], path)
    assert all(np.array_equal(resumed[name], whole[name]) for name in whole)
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]


def damaged(raw):
    yield "empty", b""
    yield "text", b"not a checkpoint"
    yield "half", raw[: len(raw) // 2]
    flipped = bytearray(raw)
    flipped[raw.index(b'"history"')] ^= 0xFF
    yield "one byte", bytes(flipped)


def test_a_damaged_checkpoint_is_named_with_the_way_out(tmp_path):
    path = tmp_path / "run.npz"
    quick(classifier(), checkpoint=path)
    for _, content in damaged(path.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=r"run\.npz is not a readable checkpoint \(.*\): delete it to start afresh"
        ):
            quick(classifier(), checkpoint=path)
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(ValueError, match="is not a readable checkpoint"):
        quick(classifier(), checkpoint=path)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    quick(classifier(), checkpoint=path)
    with pytest.raises(ValueError, match="the weights do not fit this network"):
        quick(nn.Sequential(nn.Dropout(0.5), nn.Linear(5, 2)), checkpoint=path)
    with pytest.raises(ValueError, match=r"written with 2 random generators, this training has 1: build the model and"):
        quick(classifier(), data.Batches(X, Y, 16), checkpoint=path)
    model = classifier()
    with pytest.raises(ValueError, match="of another optimiser"):
        quick(model, optimizer=optim.SGD(model.parameters()), checkpoint=path)


def test_a_checkpoint_holds_no_pickle_and_readable_facts(tmp_path):
    path = tmp_path / "run.npz"
    history = quick(classifier(), checkpoint=path)
    with np.load(path, allow_pickle=False) as file:
        assert json.loads(file["meta"].tobytes())["history"] == history
        assert "model/0.weight" in file


def test_a_generator_that_is_shared_is_stored_once(tmp_path):
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Dropout(0.1, rng=rng), nn.Linear(5, 2, rng=rng), nn.Dropout(0.1, rng=rng))
    quick(model, data.Batches(X, Y, 8, rng), checkpoint=tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as file:
        assert len(json.loads(file["meta"].tobytes())["rngs"]) == 1


# The bar ------------------------------------------------------------------------------------------------------------
def test_in_a_notebook_the_bar_leaves_nothing_on_stderr():
    code = (
        "from minilib.scratch import nn, optim, train\n"
        "from minilib.scratch import functional as F\n"
        "model = nn.Linear(1, 1)\n"
        "batches = [([[1.0]], [[2.0]])]\n"
        "train.fit(model, batches, F.mse_loss, optim.SGD(model.parameters()), epochs=2, progress=True)['loss'][1] > 0"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    streams = {output.name: output.text for output in notebook.cells[0].outputs if output.output_type == "stream"}
    assert list(streams) == ["stdout"]
    assert streams["stdout"].strip() == ""  # it wiped itself out
