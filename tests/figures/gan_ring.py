"""Python's answer to the figure `gan_ring`: the same start and random numbers, played with PyTorch by the library."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from playwright.sync_api import Locator
from torch import nn

from minilib.pt import gan
from tests.figures.keyboard import press_keys
from tests.figures.train_in_browser import generator, normal

PAGE = "notebooks/20_gan_game.html"
BATCH, WIDTH, NOISE, RATE, SIGMA, SAMPLES = 64, 32, 4, 1e-3, 0.1, 1000
ANGLES = np.arange(8) * math.pi / 4
CENTRES = 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)


def network(sizes: tuple[int, int, int, int], random: Callable[[], float], leaky: bool) -> nn.Sequential:
    """Weights and biases drawn in the page's order, even within ±1/√(numbers that enter)."""
    bend = (lambda: nn.LeakyReLU(0.2)) if leaky else nn.ReLU
    a, b, c, d = sizes
    made = nn.Sequential(nn.Linear(a, b), bend(), nn.Linear(b, c), bend(), nn.Linear(c, d)).double()
    for layer in made:
        if isinstance(layer, nn.Linear):
            for part in (layer.weight, layer.bias):
                start = [(2 * random() - 1) / math.sqrt(layer.in_features) for _ in range(part.numel())]
                part.data = torch.tensor(start, dtype=torch.float64).reshape(part.shape)
    return made


def noise(n: int, random: Callable[[], float]) -> torch.Tensor:
    return torch.tensor([[normal(random) for _ in range(NOISE)] for _ in range(n)], dtype=torch.float64)


def expected(settings: dict[str, Any]) -> dict[str, Any]:
    """What the figure must say after `steps` steps with these settings: autograd instead of slopes by hand."""
    random, leaky = generator(settings["seed"]), settings["activation"] == "leaky"
    made = network((NOISE, WIDTH, WIDTH, 2), random, leaky)
    judge = network((2, WIDTH, WIDTH, 1), random, leaky)
    betas = (float(settings["beta1"]), 0.999)
    players = [torch.optim.Adam(net.parameters(), lr=RATE, betas=betas) for net in (made, judge)]

    def draw() -> tuple[torch.Tensor]:
        points = []
        for _ in range(BATCH):
            centre = CENTRES[math.floor(8 * random())]
            points.append([centre[axis] + SIGMA * normal(random) for axis in (0, 1)])
        return (torch.tensor(points, dtype=torch.float64),)

    penalty = (lambda real, fake: settings["r1"] * gan.r1_penalty(judge, real)) if settings["r1"] else None
    gan.train_gan(
        made, judge, draw, lambda n: noise(n, random), *players,
        steps=settings["steps"], penalty=penalty, progress=False,
    )  # fmt: skip
    samples = made(noise(SAMPLES, generator(1000 + settings["seed"]))).detach().numpy()
    away = np.linalg.norm(samples[:, None] - CENTRES, axis=2) < 3 * SIGMA
    weights = [w.detach().flatten() for net in (made, judge) for w in net.parameters()]
    return {
        "modes": int((away.mean(0) >= 0.01).sum()),
        "good": float(away.any(1).mean()),
        "weights": torch.cat(weights).numpy(),
    }


def agree(got: dict[str, Any]) -> None:
    want = expected(got)
    assert len(got["weights"]) == len(want["weights"]) == 1282 + 1185
    np.testing.assert_allclose(got["weights"], want["weights"], rtol=1e-7, atol=1e-9)
    assert abs(got["modes"] - want["modes"]) <= 1, (got["modes"], want["modes"])
    assert abs(got["good"] - want["good"]) <= 0.003, (got["good"], want["good"])


def drive(root: Locator, result: Callable[[], dict[str, Any]]) -> None:
    """As given, then leaky, without momentum, with R1 and another seed, then play: all by keyboard."""
    first = result()
    assert (first["steps"], first["activation"], first["beta1"], first["r1"], first["seed"]) == (0, "relu", 0.9, 0, 1)
    agree(first)
    one, hundred = (root.get_by_role("button", name=name) for name in ("One step", "100 steps"))
    press_keys(one, "Enter", 5)
    assert result()["steps"] == 5
    press_keys(hundred, "Space")
    after = result()
    assert after["steps"] == 105
    agree(after)
    assert f"Step 105: {after['modes']} of 8 spots covered" in root.inner_text()

    press_keys(root.get_by_label("R1"), "ArrowDown", 2)
    press_keys(one, "Enter", 20)
    with_r1 = result()
    assert (with_r1["r1"], with_r1["steps"]) == (0.3, 20)
    agree(with_r1)
    press_keys(root.get_by_label("Activation"), "ArrowDown")
    press_keys(root.get_by_label("Momentum"), "Home")
    press_keys(root.get_by_label("R1"), "ArrowDown", 3)
    press_keys(root.get_by_label("Seed"), "ArrowRight", 2)
    press_keys(one, "Enter", 15)
    other = result()
    assert (other["activation"], other["beta1"], other["r1"], other["seed"]) == ("leaky", 0, 10, 3)
    agree(other)

    press_keys(root.get_by_role("button", name="Play"), "Space")
    root.page.wait_for_timeout(300)
    press_keys(root.get_by_role("button", name="Pause"), "Space")
    played = result()
    assert played["steps"] > 15
    assert not np.array_equal(played["weights"], other["weights"])
    press_keys(root.get_by_role("button", name="Restart"), "Enter")
    assert result()["steps"] == 0
