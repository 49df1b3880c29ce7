"""Python's answer to the figure `watch_merges`: the tokenisers of chapter 13 learnt again, and their ids."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from minilib import data
from minilib.text import BPETokenizer
from tests.figures.keyboard import press_keys

PAGE = "notebooks/13_tokenisation.html"
HARD = "We'll see:  é🙂 12345 ½\n\tstrawberry…! ROMEO 魑魅魍魉很不错的酒店！！"


@cache
def merges() -> dict[str, list[tuple[int, int]]]:
    plays = "".join(data.shakespeare().values())
    reviews = list(dict.fromkeys(data.reviews_zh().x))
    shuffled = "\n".join(reviews[i] for i in np.random.default_rng(0).permutation(len(reviews)))
    english, chinese = (text[: int(0.9 * len(text))] for text in (plays, shuffled))
    texts = {"English": english, "Chinese": chinese, "mixed": english[:1_000_000] + chinese[:350_000]}
    return {name: BPETokenizer.train(text, 1256).merges for name, text in texts.items()}


def agree(got: dict[str, Any]) -> dict[str, Any]:
    """The figure's ids are the library's with as many merges, and its counts are true."""
    tokeniser = BPETokenizer(merges()[got["tokeniser"]][: got["merges"]])
    assert got["ids"] == tokeniser.encode(got["text"]).tolist(), (got["tokeniser"], got["merges"])
    assert tokeniser.decode(got["ids"]) == got["text"]
    assert (got["bytes"], got["characters"]) == (len(got["text"].encode()), len(got["text"]))
    return got


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """From bytes to 1,000 merges under each tokeniser, with a text of one's own, by keyboard."""
    text, slider = root.get_by_label("Your text"), root.get_by_label("Merges")
    learnt_from = root.get_by_label("Learnt from")

    first = agree(result())
    assert (first["tokeniser"], first["merges"], len(first["ids"])) == ("English", 0, first["bytes"])
    press_keys(slider, "ArrowRight", 3)
    assert agree(result())["merges"] == 30
    press_keys(slider, "End")
    english = agree(result())
    assert english["merges"] == 1000 and len(english["ids"]) < 0.8 * first["bytes"]
    assert f"{len(english['ids'])} tokens for {english['characters']} characters" in root.inner_text()

    counts = []
    for name in ("Chinese", "mixed"):
        press_keys(learnt_from, "ArrowDown")
        found = agree(result())
        assert found["tokeniser"] == name
        counts.append(len(found["ids"]))
    assert max(counts) < len(english["ids"])

    text.fill(HARD)
    for name in ("mixed", "Chinese", "English"):
        assert agree(result())["tokeniser"] == name
        press_keys(learnt_from, "ArrowUp")
    assert agree(result())["text"] == HARD
    text.fill("")
    assert agree(result())["ids"] == []
    assert "0 tokens" in root.inner_text()
    text.fill("przybylski")  # the challenge: ten letters, ten tokens
    press_keys(slider, "End")
    assert len(agree(result())["ids"]) == 10
