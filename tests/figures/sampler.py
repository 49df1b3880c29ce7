"""Python's answer to the figure `sampler`: the same two GPTs, the library's probabilities, the same chance."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from playwright.sync_api import Locator

from benchmarks.sampler import RESULTS, load
from minilib.pt.generate import probabilities
from minilib.pt.transformer import GPT
from tests.figures.keyboard import press_keys

PAGE = "notebooks/14_gpt.html"
MASK = 0xFFFFFFFF
STORED = json.loads(RESULTS.read_text("utf8"))
VOCABULARY, EXCERPT = STORED["vocabulary"], STORED["excerpt"]


def mulberry(seed: int) -> Iterator[float]:
    """The generator of common.js."""
    state = seed
    while True:
        state = (state + 0x6D2B79F5) & MASK
        t = ((state ^ (state >> 15)) * (state | 1)) & MASK
        t ^= (t + ((t ^ (t >> 7)) * (t | 61))) & MASK
        yield ((t ^ (t >> 14)) & MASK) / 2**32


@torch.inference_mode()
def next_chances(model: GPT, text: str, got: dict[str, Any]) -> np.ndarray:
    ids = torch.tensor([[VOCABULARY.index(letter) for letter in text[-64:]]])
    logits = model(ids)[0, -1].double()
    return probabilities(logits, got["temperature"], got["topK"], got["topP"]).numpy()


def agree(got: dict[str, Any]) -> dict[str, Any]:
    """Every character written is the one that Python would draw, and what comes next has Python's probabilities."""
    model = load(STORED["models"][got["model"]]["weights"], len(VOCABULARY))
    text, chance = got["prompt"], mulberry(got["seed"])
    for letter in got["written"]:
        below = np.append(0, next_chances(model, text, got).cumsum())
        u, i = next(chance), VOCABULARY.index(letter)
        assert below[i] - 1e-4 <= u <= below[i + 1] + 1e-4, (text, letter)
        text += letter
    np.testing.assert_allclose(got["probabilities"], next_chances(model, text, got), atol=1e-4)
    written = got["written"]
    for i, n in enumerate(got["matches"]):
        assert written[i : i + n] in EXCERPT
        assert i + n == len(written) or written[i : i + n + 1] not in EXCERPT
    assert got["longest"] == max(got["matches"], default=0)
    return got


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """Both models write; every knob is turned by keyboard."""

    def wait(length: int) -> dict[str, Any]:
        for _ in range(300):
            if len(result()["written"]) == length:
                break
            time.sleep(0.05)
        return agree(result())

    agree(result())
    many, one = root.get_by_role("button", name="Write"), root.get_by_role("button", name="One")
    many.press("Enter")
    plays = wait(100)
    assert plays["model"] == "all the plays" and plays["longest"] < 25
    one.press("Enter")
    assert wait(101)["written"][:100] == plays["written"]

    press_keys(root.get_by_label("Seed"), "ArrowRight")
    assert agree(result())["written"] == ""
    press_keys(root.get_by_label("Top-k"), "Home")
    assert max(agree(result())["probabilities"]) == 1
    for label, key, times in (("Temperature", "ArrowRight", 4), ("Top-k", "ArrowRight", 19), ("Top-p", "ArrowLeft", 2)):
        press_keys(root.get_by_label(label), key, times)
    root.page.emulate_media(reduced_motion="reduce")  # then it writes at once
    settings = agree(result())
    assert (settings["temperature"], settings["topK"], settings["topP"]) == (1.2, 20, 0.9)
    assert sum(p > 0 for p in settings["probabilities"]) <= 20
    many.press("Enter")
    assert wait(100)["written"] != plays["written"]

    press_keys(root.get_by_label("Model that has read"), "ArrowDown")
    press_keys(root.get_by_label("Temperature"), "Home")
    assert max(agree(result())["probabilities"]) == 1
    many.press("Enter")
    parrot = wait(100)
    assert parrot["longest"] > 60
    assert "more than the" in root.inner_text()
    root.get_by_label("begins with").fill("€")  # no character of the plays: as if it began with a line
    assert result()["written"] == "" and len(result()["probabilities"]) == 84
