"""What both `fit` promise in the same words, the NumPy one and the one for torch: early stopping, and the bar."""

from __future__ import annotations

import numpy as np
import pytest

from tests import test_pt_train, test_train


@pytest.fixture(params=[test_train, test_pt_train], ids=["scratch", "pt"])
def half(request):
    """The tests of one half, for its classifier, its short training and its weights."""
    return request.param


def test_the_best_weights_are_put_back_also_when_the_epochs_run_out(half):
    model, seen = half.classifier(), []
    half.quick(model, epochs=3, evaluate=half.scripted([3, 1, 2], seen), patience=5)
    np.testing.assert_array_equal(half.weights(model), seen[1])


def test_without_patience_the_last_weights_stay(half):
    model, seen = half.classifier(), []
    half.quick(model, epochs=3, evaluate=half.scripted([3, 1, 2], seen))
    np.testing.assert_array_equal(half.weights(model), seen[2])


def test_a_validation_that_is_never_a_number_stops_too_with_the_last_weights(half):
    model, seen = half.classifier(), []
    history = half.quick(model, epochs=9, evaluate=half.scripted([np.nan] * 9, seen), patience=2)
    assert len(history["loss"]) == 2
    np.testing.assert_array_equal(half.weights(model), seen[-1])


def test_another_measure_can_be_watched(half):
    model, errors = half.classifier(), iter([3, 1, 2, 5])
    history = half.quick(model, epochs=9, evaluate=lambda m: {"error": next(errors)}, monitor="error", patience=2)
    assert history["valid_error"] == [3, 1, 2, 5]


@pytest.mark.parametrize(
    "progress, variable, shown",
    [(None, None, True), (True, "0", True), (None, "1", True), (False, None, False), (None, "0", False)],
)
def test_the_bar_goes_to_stderr_and_can_be_switched_off(half, progress, variable, shown, capsys, monkeypatch):
    monkeypatch.delenv("MINILIB_PROGRESS", raising=False)
    monkeypatch.setattr("minilib.progress.BAR_AFTER", 0)
    if variable is not None:
        monkeypatch.setenv("MINILIB_PROGRESS", variable)
    half.quick(half.classifier(), epochs=2, progress=progress)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("epoch" in err) == shown


def test_a_short_run_shows_no_bar_unless_it_is_asked_for(half, capsys, monkeypatch):
    monkeypatch.delenv("MINILIB_PROGRESS", raising=False)
    half.quick(half.classifier(), epochs=2, progress=None)
    assert capsys.readouterr().err == ""
    half.quick(half.classifier(), epochs=2, progress=True)
    assert "epoch" in capsys.readouterr().err
