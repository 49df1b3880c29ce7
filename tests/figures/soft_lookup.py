"""Python's answer to the figure `soft_lookup`: the library's attention, and the softmax of a table of scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Locator

from minilib.scratch import Tensor
from minilib.scratch.attention import scaled_dot_product_attention
from tests.figures.keyboard import press_keys

PAGE = "notebooks/09_attention.html"
BEATS, LOSES = np.array([2, 0, 1]), np.array([1, 2, 0])


def expected_keys(settings: dict[str, Any]) -> dict[str, Any]:
    """Weights and answer for the query, keys, values, temperature and mask of the figure."""
    q, k = Tensor(np.array([settings["query"]])), Tensor(np.array(settings["keys"], float))
    looks, scale = np.array([settings["looks"]]), 1 / settings["temperature"]
    weights = scaled_dot_product_attention(q, k, Tensor(np.eye(3)), looks, scale=scale)
    return {"weights": weights.data[0], "answer": float(weights.data[0] @ settings["values"])}


def expected_game(scores: Any) -> dict[str, Any]:
    """What each token puts on the one that it beats, and the odds multiplied around the circle."""
    scores = np.array(scores, float)
    odds = scores[range(3), BEATS] - scores[range(3), LOSES]
    wanted = 1 / (1 + np.exp(-odds))  # a softmax over the two others
    return {"wanted": wanted, "product": np.exp(odds.sum()), "won": bool((wanted > 0.6).all())}


def agree(got: dict[str, Any]) -> None:
    wanted = expected_game(got["scores"]) if got["mode"] == "game" else expected_keys(got)
    for name, value in wanted.items():
        assert np.allclose(got[name], value, rtol=1e-6, atol=1e-9), (name, got[name], value)


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """Meet the challenges on the keys, hide them one by one, then play the game both ways: all by keyboard."""

    def press(label: str, key: str, times: int = 1) -> dict[str, Any]:
        control = root.get_by_label(label, exact=True)
        press_keys(control, key, times)
        agree(result())
        return result()

    first = result()
    agree(first)
    assert f"{first['answer']:.3f}" == "4.142"  # Anne, as in the text
    assert "Answer: 4.142." in root.inner_text()

    press("x", "ArrowLeft", 20)
    top = press("y", "End")
    assert np.allclose(top["query"], [0, 4])
    assert top["answer"] > 6.99
    centre = press("y", "ArrowLeft", 40)
    assert np.allclose(centre["query"], [0, 0])
    assert np.isclose(centre["answer"], 13 / 3)

    press("Move", "ArrowDown", 2)
    moved = press("x", "ArrowRight", 5)
    assert np.allclose(moved["keys"][1], [0.5, 2])
    assert moved["query"] == centre["query"]
    assert press("Value of Bo", "ArrowRight", 2)["values"] == [4, 8, 2]
    assert np.isclose(press("Temperature", "End")["temperature"], 100)
    press("Move", "ArrowUp", 2)
    press("x", "End")
    cold = press("Temperature", "Home")
    assert np.isclose(cold["temperature"], 0.1)
    assert np.isclose(cold["answer"], 4)  # the best key takes all
    for name in ("Ann", "Bo"):
        press(f"may look at {name}", "Space")
    assert np.isclose(result()["answer"], 2)  # only Cy is left
    assert "Ann hidden" in root.inner_text()
    nothing = press("may look at Cy", "Space")
    assert nothing["weights"] == [0, 0, 0]
    assert "No key may be looked at" in root.inner_text()

    game = press("Show", "ArrowDown")
    assert (game["mode"], game["won"]) == ("game", False)
    for times, name in ((20, "Rock with Scissors"), (10, "Paper with Rock"), (0, "Scissors with Paper")):
        tried = press(name, "ArrowRight", times)
        assert np.isclose(tried["product"], 1)
        assert not tried["won"]
    assert "whatever the scores" in root.inner_text()
    press("Scores", "ArrowDown")
    for name in ("Rock to Scissors", "Paper to Rock", "Scissors to Paper"):
        won = press(name, "End")
    assert won["won"]
    assert "All three above 0.6: won." in root.inner_text()
