"""The graph stepper of chapter 03, moved by keyboard and compared with minilib's own gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from minilib.scratch import Tensor

PAGE = "notebooks/03_backpropagation.html"


def expected(settings: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Value and blame of some nodes, by minilib's engine in float64, from the figure's graph and inputs."""
    x = {name: Tensor(float(value), requires_grad=True, dtype=float) for name, value in settings["inputs"].items()}
    if settings["graph"] == "coffee":
        result = x["price"] * (10 - 2 * x["price"])
        name = "takings"
    elif settings["graph"] == "neuron":
        result = -(x["w₁"] * x["x₁"] + x["w₂"] * x["x₂"] + x["b"]).sigmoid().log()
        name = "loss"
    else:
        result = _published(x["a"], x["b"])
        name = "g"
    result.backward()
    return {name: (result.item(), 1.0)} | {key: (one.item(), float(one.grad)) for key, one in x.items()}


def _published(a: Tensor, b: Tensor) -> Tensor:
    c, d = a + b, a * b + b**3
    c = c + (c + 1)
    c = c + (1 + c + (-a))
    d = d + (d * 2 + (b + a).relu())
    d = d + (3 * d + (b - a).relu())
    f = (c - d) ** 2
    return f / 2.0 + 10.0 / f


def drive(root: Any, result: Callable[[], dict[str, Any]]) -> None:
    """Step through all three graphs, move their inputs, and compare what is shown at the end."""
    following, end = root.get_by_role("button", name="Next"), root.get_by_role("button", name="To the end")
    graph, last = root.get_by_label("Graph", exact=True), root.get_by_label("keep the last path only")

    guess, readout = root.get_by_role("textbox"), root.locator(".lm-readout")
    assert guess.is_disabled() and root.get_by_text("Guess the next blame").is_visible()
    following.focus()
    following.press("Enter")
    assert result()["values"] == {"price": 3, "−2·price": -6} and result()["blames"] == {}
    for _ in range(3):
        following.press("ArrowRight")
    assert result()["step"] == 4 and result()["blames"] == {"takings": 1}
    assert root.get_by_text("Guess the blame of cups, to two digits").is_visible()
    assert root.locator("svg").get_by_text("blame ?").count() == 1
    guess.fill("three")
    guess.press("Enter")
    assert result()["step"] == 4 and "A guess is a number" in readout.inner_text()
    guess.fill("3")
    guess.press("Enter")
    assert result()["blames"] == {"takings": 1, "cups": 3}
    assert "You guessed 3: right" in readout.inner_text()
    guess.fill("-1")
    guess.press("Enter")
    assert "You guessed −1: not quite" in readout.inner_text()
    guess.fill("7")
    root.get_by_role("button", name="Start again").press("Enter")
    assert result()["step"] == 0 and guess.input_value() == "" and guess.is_disabled()
    end.press("Enter")
    _agrees(result())
    assert guess.is_disabled() and "4 − 6 = −2" in readout.inner_text()
    for _ in range(5):
        root.get_by_label("price", exact=True).press("ArrowLeft")
    _agrees(result())
    assert math.isclose(result()["inputs"]["price"], 2.5) and abs(result()["blames"]["price"]) < 1e-9
    assert math.isclose(result()["values"]["takings"], 12.5)
    last.press("Space")
    assert math.isclose(result()["blames"]["price"], -5)  # one path of two: −2 × 2.5
    last.press("Space")

    graph.press("ArrowDown")
    end.press("Enter")
    _agrees(result())
    for _ in range(30):
        root.get_by_label("x₁", exact=True).press("ArrowLeft")
        root.get_by_label("x₂", exact=True).press("ArrowRight")
    _agrees(result())
    assert result()["blames"]["b"] < -0.99 and result()["values"]["ŷ"] < 0.01
    assert "b −1" not in readout.inner_text()
    assert f"b −{-result()['blames']['b']:.4f}" in readout.inner_text()

    graph.press("ArrowDown")
    end.press("Enter")
    _agrees(result())
    root.get_by_role("button", name="Previous").press("Enter")
    for said, judged in (("150", "not quite"), ("140", "right")):  # 138.8, to two digits
        while "a" in result()["blames"]:
            root.get_by_role("button", name="Previous").press("Enter")
        guess.fill(said)
        guess.press("Enter")
        assert f"You guessed {said}: {judged}" in readout.inner_text()
    end.press("Enter")
    assert [round(result()["blames"][name], 4) for name in "ab"] == [138.8338, 645.5773]
    assert "a 139, b 646" in readout.inner_text()
    for _ in range(3):
        root.get_by_label("a", exact=True).press("ArrowRight")
    _agrees(result())
    for _ in range(3):
        root.get_by_label("a", exact=True).press("ArrowLeft")
    for _ in range(14):  # b from 2 to −5: both rectifiers are off
        root.get_by_label("b", exact=True).press("ArrowLeft")
    _agrees(result())
    blames = result()["blames"]
    assert blames["b+a"] == blames["b−a"] == 0 and min(abs(blames["relu₁"]), abs(blames["relu₂"])) > 0
    assert sum(blame == 0 for blame in blames.values()) == 2
    assert not root.page.evaluate("document.documentElement.scrollWidth > innerWidth")


def _agrees(shown: dict[str, Any]) -> None:
    assert shown["step"] == shown["steps"]
    for name, (value, blame) in expected(shown).items():
        assert math.isclose(shown["values"][name], value, rel_tol=1e-9, abs_tol=1e-9), (
            name,
            shown["values"][name],
            value,
        )
        assert math.isclose(shown["blames"][name], blame, rel_tol=1e-9, abs_tol=1e-9), (
            name,
            shown["blames"][name],
            blame,
        )
