"""A DCGAN of Chinese characters, 64 × 64 pixels, for a GPU: `python -m benchmarks.gan_hanzi --font FONT.otf`.

FONT is any file with hanzi, such as the one in the package manimgx-fonts-cjk; all characters of the block U+4E00 to
U+9FFF that it has are drawn, a twentieth of them held out. With `--steps 20 --width 4 --most 200` it runs on a CPU in
seconds, to see that it works. Writes benchmarks/results/gan_hanzi.json: losses; the Fréchet distance to held-out
pictures of made and of training ones, in 64 principal components of the training pictures; distances to the nearest
training picture; and sixteen made pictures.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.gan_images import code, frechet, to_nearest
from benchmarks.machine import describe, rounded
from minilib.pt.gan import start_as_dcgan, train_gan

RESULTS = Path(__file__).parent / "results" / "gan_hanzi.json"
COMMAND = "python -m benchmarks.gan_hanzi"
SIDE, LATENT = 64, 128
HANZI = range(0x4E00, 0xA000)


def glyphs(font: Path, characters: range, most: int | None = None) -> Tensor:
    """Pictures (N, 1, 64, 64) from −1, paper, to 1, ink, of the characters that the font can draw."""
    letters = ImageFont.truetype(str(font), 54, layout_engine=ImageFont.Layout.BASIC)

    def drawn(character: str) -> np.ndarray:
        paper = Image.new("L", (SIDE, SIDE))
        ImageDraw.Draw(paper).text((SIDE // 2, SIDE // 2), character, fill=255, font=letters, anchor="mm")
        return np.asarray(paper)

    missing = drawn("\U0010ffff")  # what the font draws for a character that it lacks
    found = [picture for one in characters if (picture := drawn(chr(one))).any() and (picture != missing).any()]
    order = np.random.default_rng(0).permutation(len(found))[:most]
    return torch.from_numpy(np.stack([found[i] for i in order])[:, None]).float() / 127.5 - 1


def painter(width: int) -> nn.Sequential:
    """Noise (B, 128) → (B, 1, 64, 64), through 4, 8, 16 and 32 pixels a side."""
    sizes = [8 * width, 4 * width, 2 * width, width]
    layers: list[nn.Module] = [nn.Linear(LATENT, sizes[0] * 16, bias=False), nn.Unflatten(1, (sizes[0], 4, 4))]
    for a, b in pairwise(sizes):
        layers += [nn.BatchNorm2d(a), nn.ReLU(), nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, 1, 4, 2, 1), nn.Tanh()]
    return nn.Sequential(*layers).apply(start_as_dcgan)


class Critic(nn.Sequential):
    """(B, 1, 64, 64) → scores (B,)."""

    def __init__(self, width: int):
        sizes, layers = [1, width, 2 * width, 4 * width, 8 * width], []
        for a, b in pairwise(sizes):
            layers += [spectral_norm(nn.Conv2d(a, b, 4, 2, 1).apply(start_as_dcgan)), nn.LeakyReLU(0.2)]
        last = spectral_norm(nn.Linear(8 * width * 16, 1).apply(start_as_dcgan))
        super().__init__(*layers, nn.Flatten(), last, nn.Flatten(0))


def run(real: Tensor, steps: int, width: int, batch: int, device: str, seed: int = 0) -> dict[str, Any]:
    """Train, and measure on the last twentieth of the pictures."""
    torch.manual_seed(seed)
    kept = len(real) * 19 // 20
    train, held = real[:kept].to(device), real[kept:]
    players = painter(width).to(device), Critic(width).to(device)
    adams = [torch.optim.Adam(player.parameters(), 2e-4, betas=(0.0, 0.99)) for player in players]
    average = AveragedModel(players[0], multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)
    started = time.perf_counter()
    history = train_gan(
        *players, lambda: (train[torch.randint(kept, (batch,), device=device)],),
        lambda n: torch.randn(n, LATENT, device=device), *adams,
        steps=steps, loss="hinge", after=lambda _: average.update_parameters(players[0]),
    )  # fmt: skip
    seconds = time.perf_counter() - started
    noise = torch.randn(len(held), LATENT, generator=torch.Generator().manual_seed(seed)).to(device)
    with torch.no_grad():
        made = torch.cat([average.module.eval()(z) for z in noise.split(64)]).cpu()
    shown = train.cpu()
    middle = shown.flatten(1).mean(0)
    axes = torch.linalg.svd(shown[:4000].flatten(1) - middle, full_matrices=False)[2][:64]

    def seen(x: Tensor) -> np.ndarray:
        return ((x.flatten(1) - middle) @ axes.T).double().numpy()

    tail = max(1, steps // 10)
    return {
        "pictures": len(real), "held_out": len(held), "steps": steps, "width": width, "batch": batch,
        "seconds": seconds, "losses": {name: float(np.mean(values[-tail:])) for name, values in history.items()},
        "frechet": {"made": frechet(seen(held), seen(made)), "real": frechet(seen(held), seen(shown[: len(held)]))},
        "neighbour": {"made": float(to_nearest(made, shown).median()), "held": float(to_nearest(held, shown).median())},
        "made": code(((made[:16] + 1) * 127.5).round().to(torch.uint8).numpy()),
    }  # fmt: skip


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    ask.add_argument("--font", type=Path, required=True)
    ask.add_argument("--steps", type=int, default=16_000)
    ask.add_argument("--width", type=int, default=64)
    ask.add_argument("--batch", type=int, default=64)
    ask.add_argument("--most", type=int, help="draw no more characters than these")
    ask.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    ask.add_argument("--out", type=Path, default=RESULTS)
    given = ask.parse_args()
    real = glyphs(given.font, HANZI, given.most)
    found = run(real, given.steps, given.width, given.batch, given.device)
    device = torch.cuda.get_device_name() if given.device.startswith("cuda") else "CPU"
    result = {**describe(COMMAND, ("numpy", "torch")), "device": device, "font": given.font.name, **found}
    given.out.write_text(json.dumps(rounded(result), indent=1, ensure_ascii=False) + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
