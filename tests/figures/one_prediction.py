"""Python's answer to the figure `one_prediction`: the page's own weights in the library's GPT."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from minilib.scratch.attention import GPT, GPTConfig
from minilib.scratch.tensor import Tensor, no_grad
from tests.figures.keyboard import press_keys

PAGE = "notebooks/10_transformer_numpy.html"
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "10_transformer_numpy.ipynb"


def config() -> dict[str, Any]:
    """What the notebook handed to the figure, as it is stored."""
    states = json.loads(NOTEBOOK.read_text("utf8"))["metadata"]["widgets"]
    found = [one["state"]["config"] for one in states["application/vnd.jupyter.widget-state+json"]["state"].values()
             if "weights" in one["state"].get("config", {})]  # fmt: skip
    return found[0]


def trained() -> tuple[GPT, str]:
    given = config()
    arrays = {
        name: step * np.array([ord(c) - 80 for c in text]).reshape(shape)
        for name, (step, shape, text) in given["weights"].items()
    }
    vocab, width = arrays["token_embedding.weight"].shape
    blocks = len({name.split(".")[1] for name in arrays if name.startswith("blocks.")})
    tied = "head.weight" not in arrays
    shape = GPTConfig(vocab, len(arrays["position_embedding.weight"]), width, given["heads"], blocks, tied=tied)
    model = GPT(shape, rng=np.random.default_rng(0))
    for p in model.parameters():
        p.data = p.data.astype(np.float64)
    if tied:
        arrays["head.weight"] = arrays["token_embedding.weight"]
    model.load_state_dict(arrays)
    return model, given["vocabulary"]


def expected(model: GPT, vocabulary: str, got: dict[str, Any]) -> dict[str, Any]:
    """The norms, the logits at the chosen stage, and the attention, with the library's own layers."""
    ids = np.array([[vocabulary.index(c) for c in got["text"]]])
    with no_grad():
        x = model.token_embedding(ids)
        if got["places"]:
            x = model.position_embedding(x)
        stages, looks = [x], []
        for i, block in enumerate(model.blocks):
            looks.append(block.self_attn.weights(block.norm1(x), is_causal=True)[0, :, -1])
            kept = i not in got["dropped"]
            if kept:
                x = x + block.self_attn(block.norm1(x), is_causal=True)
            stages.append(x)
            if kept:
                x = x + block.linear2(block.activation(block.linear1(block.norm2(x))))
            stages.append(x)
        logits = [model.head(model.norm(Tensor(s.data[:, -1]))).data[0] for s in stages]
    z = logits[got["stage"]] / got["temperature"]
    chances = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    best = np.argsort(-chances)[:5]
    return {
        "norms": [float(np.linalg.norm(s.data[0, -1])) for s in stages],
        "logits": logits[got["stage"]],
        "look": looks[got["block"]][got["head"]],
        "guesses": [vocabulary[s.argmax()] for s in logits],
        "top": [(vocabulary[i], chances[i]) for i in best],
    }


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """Every stage, another head, dropped blocks and places, a text typed, a temperature: all by keyboard."""
    model, vocabulary = trained()

    def agree() -> dict[str, Any]:
        got = result()
        right = expected(model, vocabulary, got)
        for name in ("norms", "logits", "look"):
            assert np.allclose(got[name], right[name], rtol=1e-6, atol=1e-6), name
        assert got["guesses"] == right["guesses"]
        assert math.isclose(sum(got["look"]), 1, rel_tol=1e-9)
        for (letter, chance), (other, share) in zip(got["top"], right["top"], strict=True):
            assert letter == other
            assert math.isclose(chance, share, rel_tol=1e-6)
        return got

    def press(label: str, key: str, times: int = 1) -> dict[str, Any]:
        control = root.get_by_label(label, exact=True)
        press_keys(control, key, times)
        return agree()

    first = agree()
    assert first["stage"] == len(first["norms"]) - 1
    for stage in reversed(range(first["stage"])):
        assert press("Read after", "ArrowLeft")["stage"] == stage
    assert press("Read after", "End")["stage"] == first["stage"]
    moved = press("Attention of", "ArrowDown")
    assert (moved["block"], moved["head"]) == (0, 1)
    assert moved["look"] != first["look"]

    dropped = press("drop block 1", "Space")
    assert dropped["dropped"] == [0]
    assert not np.allclose(dropped["logits"], first["logits"])
    press("drop block 1", "Space")
    placeless = press("drop places", "Space")
    assert not placeless["places"]
    press("drop places", "Space")

    text = root.get_by_label("Text", exact=True)
    text.focus()
    text.press("Control+a")
    root.page.keyboard.type("What is thy nam")
    typed = agree()
    assert typed["text"] == "What is thy nam"
    cold, hot = press("Temperature", "Home"), press("Temperature", "End")
    assert (cold["temperature"], hot["temperature"]) == (0.2, 2)
    assert cold["top"][0][1] > typed["top"][0][1] > hot["top"][0][1]
    assert "Likeliest at each stage" in root.inner_text()
    text.focus()
    text.press("Control+a")
    text.press("Delete")
    assert agree()["text"] == "\n"
