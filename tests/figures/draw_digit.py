"""Python's answer to the figure `draw_digit`: the same weights in a network of the library, the picture with NumPy."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from minilib.scratch import nn
from minilib.scratch.tensor import Tensor, no_grad
from tests.figures.keyboard import press_keys
from tests.notebook_files import ROOT

PAGE = "notebooks/07_convolution.html"
SHAPES = ((8, 1, 5, 5), (8,), (16, 8, 3, 3), (16,), (10, 784), (10,))


@cache
def config() -> dict[str, Any]:
    """What the chapter's own run has handed to the figure."""
    notebook = json.loads((ROOT / "notebooks" / "07_convolution.ipynb").read_text("utf8"))
    states = notebook["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    return next(state["state"]["config"] for state in states if "networks" in state["state"].get("config", {}))


@cache
def network(name: str) -> nn.Sequential:
    flat = np.frombuffer(base64.b64decode(config()["networks"][name]), "<f2").astype(np.float64)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(784, 10),
    )  # fmt: skip
    for parameter, shape in zip(model.parameters(), SHAPES, strict=True):
        parameter.data, flat = flat[: np.prod(shape)].reshape(shape), flat[np.prod(shape) :]
    assert flat.size == 0
    return model


def stored(index: int) -> np.ndarray:
    pictures = np.frombuffer(base64.b64decode(config()["digits"]), np.uint8).reshape(-1, 28, 28)
    return pictures[index] / 255


def resample(old: np.ndarray, v: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The old picture read at the places (v, u), between pixels interpolated, blank outside."""
    wide = np.pad(old, 60)
    i, j = np.floor(v).astype(int), np.floor(u).astype(int)
    a, b = v - i, u - j
    i, j = i + 60, j + 60
    upper, lower = ((1 - b) * wide[row, j] + b * wide[row, j + 1] for row in (i, i + 1))
    return (1 - a) * upper + a * lower


def picture(got: dict[str, Any]) -> np.ndarray:
    base = np.array(got["drawn"]).reshape(28, 28) if got["digit"] == "own" else stored(int(got["digit"]))
    y, x = np.indices((28, 28)) - 13.5
    turn = np.exp(1j * np.radians(got["turn"])) * ((x - got["right"]) + 1j * (y - got["down"])).conj()
    moved = resample(base, 13.5 - turn.imag, 13.5 + turn.real)
    if not got["centre"] or moved.max() <= 0.1:
        return moved
    rows, columns = np.nonzero(moved > 0.1)
    scale = 20 / (max(np.ptp(rows), np.ptp(columns)) + 1)
    mass = [(moved * place).sum() / moved.sum() for place in np.indices((28, 28))]
    return resample(moved, y / scale + mass[0], x / scale + mass[1])


def agree(got: dict[str, Any]) -> None:
    shown = picture(got)
    assert abs(got["ink"] - shown.sum()) < 1e-2, (got["ink"], shown.sum())
    for name in ("plain", "augmented"):
        with no_grad():
            maps = [Tensor(shown[None, None])]
            for layer in network(name):
                maps.append(layer(maps[-1]))
        logits = maps[-1].data[0]
        assert np.allclose(got[name], logits, atol=2e-3), (name, got[name], logits)
        if name == got["maps"]:
            assert np.isclose(got["first"], maps[2].data.sum(), rtol=1e-3)
            assert np.isclose(got["second"], maps[4].data.sum(), rtol=1e-3)


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """Another digit, moved, turned and centred; then one drawn, all by keyboard."""
    right, down, turn = (root.get_by_label(name, exact=True) for name in ("Move right", "Move down", "Turn"))

    def press(control: Locator, key: str, times: int = 1) -> dict[str, Any]:
        press_keys(control, key, times)
        agree(result())
        return result()

    first = result()
    agree(first)
    assert first["digit"] == "10"
    assert f"A stored {config()['labels'][10]}: plain says {first['answers'][0]}" in root.inner_text()

    away = press(right, "ArrowRight", 6)
    assert away["right"] == 6
    said = "They agree." if len(set(away["answers"])) == 1 else "They disagree."
    assert "right by 6" in root.inner_text() and said in root.inner_text()
    press(down, "ArrowLeft", 2)
    tilted = press(turn, "ArrowRight", 3)
    assert (tilted["down"], tilted["turn"]) == (-2, 15)
    press(root.get_by_label("Maps of", exact=True), "ArrowDown")
    assert result()["maps"] == "plain"
    press(root.get_by_label("centre as MNIST does"), "Space")
    assert result()["centre"] is True
    press(root.get_by_label("Digit", exact=True), "ArrowDown", 3)

    press(root.get_by_role("button", name="Clear the board"), "Enter")
    assert result()["digit"] == "own" and result()["ink"] == 0
    assert "The board is empty." in root.inner_text()
    board = root.get_by_role("application")
    press(board, "ArrowUp", 7)
    for _ in range(12):
        press(board, "Space")
        press(board, "ArrowDown")
    drawn = result()
    assert drawn["cursor"] == [19, 14] and drawn["ink"] > 12
    assert "Your own drawing" in root.inner_text()
    press(root.get_by_label("centre as MNIST does"), "Space")
    press(board, "Space")
    once = result()["ink"]
    assert press(board, "Space")["ink"] < once  # space on ink takes it away
