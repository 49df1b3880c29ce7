"""Python's answer to the figure `lstm_gates`: the same stored weights, read with NumPy."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from tests.figures.keyboard import press_keys
from tests.site_fixtures import ROOT

PAGE = "notebooks/08_sequences.html"
Array = np.ndarray


def stored_weights() -> dict[str, Array]:
    kept = json.loads((ROOT / "benchmarks" / "results" / "sequences_lstm.json").read_text("utf8"))["weights"]
    return {
        name: np.frombuffer(base64.b64decode(p["float16"]), "<f2").astype(float).reshape(p["shape"])
        for name, p in kept.items()
    }


def sigmoid(z: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(z / 2)


def expected(settings: dict[str, Any], name: str) -> dict[str, Any]:
    """What the figure must say about `name` with these settings."""
    w, unit = stored_weights(), settings["unit"] - 1
    ids = [0, *(ord(letter) - 96 for letter in name)]
    h = c = np.zeros(57)
    bits, cell, forget = [], [], []
    for t, (symbol, target) in enumerate(zip(ids, [*ids[1:], 0], strict=True)):
        if settings["erase"] and t == settings["erase"]:
            h = c = np.zeros(57)
        z = w["memory.weight_ih_l0"] @ w["letters.weight"][symbol] + w["memory.weight_hh_l0"] @ h
        z = (z + w["memory.bias_ih_l0"] + w["memory.bias_hh_l0"]).reshape(4, 57)
        i, f, g, o = sigmoid(z[0]), sigmoid(z[1] + settings["shift"]), np.tanh(z[2]), sigmoid(z[3])
        c = f * c + i * g
        h = o * np.tanh(c)
        logits = w["head.weight"] @ h + w["head.bias"]
        p = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        bits.append(-np.log2(p[target]))
        cell.append(c[unit])
        forget.append(f[unit])
    return {"mean": np.mean(bits), "bits": bits, "cell": cell, "forget": forget, "next": p}


def agree(got: dict[str, Any]) -> None:
    for key, value in expected(got, got["name"]).items():
        assert np.shape(got[key]) == np.shape(value), key
        assert np.allclose(got[key], value, rtol=1e-6, atol=1e-7), (key, got[key], value)


def can_be_met() -> None:
    """What the page says one can see and find."""
    as_trained = {"unit": 21, "shift": 0, "erase": 0}
    cell = expected(as_trained, "washington")["cell"]
    assert np.corrcoef(cell, np.arange(11))[0, 1] > 0.8
    for name in ("nguyen", "zhuang"):
        assert expected(as_trained, name)["mean"] > 4
    usual, erased = (expected({**as_trained, "erase": k}, "washington")["bits"] for k in (0, 10))
    assert np.allclose(usual[:10], erased[:10])
    assert erased[10] > usual[10] + 1


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """Type a name, follow another unit, shift the gates, erase, and go back: all by keyboard."""
    can_be_met()
    first = result()
    assert (first["name"], first["unit"], first["shift"], first["erase"]) == ("washington", 21, 0, 0)
    agree(first)

    field = root.get_by_role("textbox", name="A name")
    field.focus()
    field.press("ControlOrMeta+a")
    field.press_sequentially("O'Brien 2")
    typed = result()
    assert typed["name"] == "obrien"
    assert typed["skipped"] == 3
    agree(typed)
    assert "3 characters outside a–z skipped" in root.inner_text()

    press_keys(root.get_by_label("Unit to follow"), "ArrowLeft", 11)
    press_keys(root.get_by_label("Added to forget bias"), "ArrowRight", 4)
    changed = result()
    assert (changed["unit"], changed["shift"]) == (10, 2)
    agree(changed)
    assert changed["mean"] != typed["mean"]

    press_keys(root.get_by_label("Added to forget bias"), "Home")
    press_keys(root.get_by_label("Erase the memory"), "ArrowRight", 3)
    erased = result()
    assert (erased["shift"], erased["erase"]) == (-6, 3)
    agree(erased)
    assert f"{erased['mean']:.2f} bits" in root.inner_text()
    assert "erased before reading letter 3, r" in root.inner_text()
    press_keys(root.get_by_label("Erase the memory"), "End")
    assert result()["erase"] == 6, "the slider ends where the name does"
    assert "before letter 6, n" in root.inner_text()

    press_keys(root.get_by_role("button", name="As it was trained"), "Enter")
    back = result()
    assert (back["shift"], back["erase"], back["mean"]) == (0, 0, typed["mean"])

    field.focus()
    field.press("ControlOrMeta+a")
    field.press("Delete")
    empty = result()
    assert empty["name"] == ""
    agree(empty)
