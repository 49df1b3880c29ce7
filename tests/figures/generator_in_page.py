"""Python's answer to the figure `generator_in_page`: the same weights in PyTorch's layers, the same noise."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from playwright.sync_api import Locator
from torch.nn import functional as F

from tests.figures.keyboard import press_keys
from tests.site_fixtures import ROOT

PAGE = "notebooks/21_gan_images.html"


@cache
def packed() -> dict[str, Any]:
    return json.loads((ROOT / "benchmarks" / "results" / "gan_figure.json").read_text("utf8"))


def layer(i: int, *shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    one = packed()["layers"][i]
    weight = np.frombuffer(b64decode(one["weight"]), np.int8).reshape(shape) * one["scale"]
    return torch.tensor(weight), torch.tensor(one.get("bias", []), dtype=torch.float64)


def picture(noise: np.ndarray, digit: int) -> np.ndarray:
    latent, c = packed()["latent"], packed()["channels"]
    first, up1, up2 = layer(0, 98 * c, latent + latent // 2), layer(1, 2 * c, c, 4, 4), layer(2, c, 1, 4, 4)
    label = layer(3, 10, latent // 2)[0][digit]
    flat = first[0] @ torch.cat([torch.tensor(noise), label]) + first[1].repeat_interleave(49)
    maps = F.relu(flat).view(1, 2 * c, 7, 7)
    for weight, bias in (up1, up2):
        maps = F.conv_transpose2d(maps, weight, bias, stride=2, padding=1)
        maps = F.relu(maps) if weight is up1[0] else torch.tanh(maps)
    return (maps.flatten().numpy() + 1) / 2


def uniform(seed: int) -> Callable[[], float]:
    """mulberry32, as in common.js."""
    state, whole = seed, 0xFFFFFFFF

    def draw() -> float:
        nonlocal state
        state = (state + 0x6D2B79F5) & whole
        t = ((state ^ (state >> 15)) * (1 | state)) & whole
        t ^= (t + (((t ^ (t >> 7)) * (61 | t)) & whole)) & whole
        return ((t ^ (t >> 14)) & whole) / 2**32

    return draw


def noise(seed: int, strength: float) -> np.ndarray:
    draw = uniform(seed)
    pairs = [(draw(), draw()) for _ in range(packed()["latent"])]
    return strength * np.array([np.sqrt(-2 * np.log(1 - a)) * np.cos(2 * np.pi * b) for a, b in pairs])


def agree(got: dict[str, Any]) -> dict[str, Any]:
    """The made picture, its nearest real digit and the variety of the sixteen are those of PyTorch's layers."""
    other = noise(got["seed"], got["strength"])
    np.testing.assert_allclose(got["noise"], other, atol=1e-9)
    made = picture(np.array([got["first"], got["second"], *other[2:]]), got["digit"])
    np.testing.assert_allclose(got["made"], made, atol=1e-4)
    raw = np.frombuffer(b64decode(packed()["digits"]), np.uint8)
    digits = np.stack([raw >> 4, raw & 15], 1).reshape(-1, 784) / 15
    far = np.linalg.norm(digits - made, axis=1)
    assert len(digits) == 100 and abs(got["distance"] - far.min()) < 1e-3
    assert far[got["nearest"]] < far.min() + 1e-3
    panel = [picture(noise(1000 * got["seed"] + i + 1, got["strength"]), got["digit"]) for i in range(16)]
    apart = [np.linalg.norm(a - b) for i, a in enumerate(panel) for b in panel[i + 1 :]]
    assert abs(got["alike"] - min(apart)) < 1e-3 and abs(got["mean"] - np.mean(apart)) < 1e-3
    return got


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """Another class, both numbers, the strength from end to end, other noise: by keyboard."""
    start = agree(result())
    assert (start["digit"], start["strength"]) == (3, 1)
    press_keys(root.get_by_label("Digit", exact=True), "ArrowDown")
    assert agree(result())["digit"] == 4
    press_keys(root.get_by_label("First number"), "ArrowRight", 12)
    press_keys(root.get_by_label("Second number"), "ArrowLeft", 5)
    moved = agree(result())
    assert abs(moved["first"] - 1.2) < 1e-9 and abs(moved["second"] + 0.5) < 1e-9
    strength = root.get_by_label("Strength of the noise")
    press_keys(strength, "Home")
    still = agree(result())
    assert still["strength"] == 0 and still["mean"] < 1e-6
    assert "the two most alike are 0 apart" in root.inner_text()
    press_keys(strength, "End")
    loud = agree(result())
    assert loud["strength"] == 1.5 and loud["mean"] > moved["mean"]
    root.get_by_role("button", name="Other noise").press("Enter")
    assert agree(result())["seed"] == 2
