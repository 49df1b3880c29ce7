"""Generative adversarial networks: two small players, their losses, two penalties and the game between them.

A score is what the discriminator D gives before any sigmoid: large for "real".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from minilib.progress import progress_bar

History = dict[str, list[float]]


# The players ---------------------------------------------------------------------------------------------------------
class Generator(nn.Module):
    """Noise z (B, latent) → pictures (B, 1, 28, 28) within ±1, as DCGAN.

    7 × 7 with 2 · channels, then 14 × 14 with channels, then 28 × 28.
    classes: if given, it also needs labels (B,) from 0 to classes − 1;
    a learnt vector per class, half as long as z, is put beside z.
    Source: Radford, Metz and Chintala 2016; classes: Mirza, Osindero 2014.
    Raises ValueError if z or the labels are not of these shapes.
    Derived in: notebooks/21_gan_images.ipynb
    """

    def __init__(
        self, latent: int = 32, channels: int = 24, classes: int | None = None
    ):  # fmt: skip
        super().__init__()
        self.latent, self.classes = latent, classes
        wide, c = 2 * channels, channels
        beside = (latent + 1) // 2 if classes else 0
        self.layers = nn.Sequential(
            nn.Linear(latent + beside, wide * 7 * 7, bias=False),
            nn.Unflatten(1, (wide, 7, 7)), nn.BatchNorm2d(wide), nn.ReLU(),
            nn.ConvTranspose2d(wide, c, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(c), nn.ReLU(),
            nn.ConvTranspose2d(c, 1, 4, stride=2, padding=1), nn.Tanh(),
        )  # fmt: skip
        self.layers.apply(start_as_dcgan)
        if classes:
            self.label = nn.Embedding(classes, beside)  # N(0, 1), as z

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if z.shape[1:] != (self.latent,):
            got = tuple(z.shape)
            raise ValueError(f"needed noise (B, {self.latent}), got {got}")
        if _has_labels(labels, self.classes, len(z)):
            z = torch.cat([z, self.label(labels)], dim=1)
        return self.layers(z)


class Discriminator(nn.Module):
    """Pictures x (B, 1, 28, 28) → scores (B,), large for "real".

    h(x) holds 2 · channels · 7 · 7 features. score = w·h + b, and with
    classes w·h + b + e_c·h, with a learnt e_c for each class c: the
    projection of Miyato and Koyama 2018. Labels as in Generator.
    spectral: torch's spectral_norm on every weight (Miyato et al. 2018).
    No batch norm: the penalties below ask each picture for its own slope.
    Raises ValueError for pictures or labels of another shape.
    Derived in: notebooks/21_gan_images.ipynb
    """

    def __init__(
        self, channels: int = 24, classes: int | None = None,
        spectral: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.classes, wide, c = classes, 2 * channels, channels
        self.features = nn.Sequential(
            nn.Conv2d(1, c, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(c, wide, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Flatten(),
        )  # fmt: skip
        self.score = nn.Linear(wide * 7 * 7, 1)
        if classes:
            self.label = nn.Embedding(classes, wide * 7 * 7)
        self.apply(start_as_dcgan)
        if spectral:
            for module in list(self.modules()):
                if hasattr(module, "weight"):
                    spectral_norm(module)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        if x.shape[1:] != (1, 28, 28):
            got = tuple(x.shape)
            raise ValueError(f"needed pictures (B, 1, 28, 28), got {got}")
        h = self.features(x)
        score = self.score(h).squeeze(1)
        if _has_labels(labels, self.classes, len(x)):
            score = score + (self.label(labels) * h).sum(1)
        return score


def start_as_dcgan(module: nn.Module) -> None:
    """Weights from N(0, 0.02²), biases 0; for nn.Module.apply.

    Source: Radford, Metz and Chintala 2016, section 4.
    Derived in: notebooks/21_gan_images.ipynb
    """
    layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)
    if isinstance(module, layers):
        for name, p in module.named_parameters(recurse=False):
            nn.init.normal_(p, std=0.02 if name == "weight" else 0)


def _has_labels(labels: Tensor | None, classes: int | None, rows: int) -> bool:
    """Whether there are labels to use; ValueError if they are not what the network was built for."""
    if labels is None:
        if classes:
            raise ValueError(f"this network was built with classes={classes}: needed labels ({rows},), got none")
        return False
    if not classes:
        raise ValueError("got labels, but this network was built without classes: leave them out, or say classes=…")
    if labels.shape != (rows,):
        raise ValueError(f"needed one label for each row, ({rows},), got {tuple(labels.shape)}")
    if rows and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"needed labels from 0 to {classes - 1}, got {labels.min()} to {labels.max()}")
    return True


# The losses: of scores (B,), to be made small ------------------------------------------------------------------------
def minimax_d(real: Tensor, fake: Tensor) -> Tensor:
    """−V = −E ln D(real) − E ln(1 − D(fake)), with D = σ(score).

    At the best D it is 2 ln 2 − 2 JSD. Source: Goodfellow et al. 2014.
    Derived in: notebooks/20_gan_game.ipynb
    """
    return -F.logsigmoid(real).mean() - F.logsigmoid(-fake).mean()


def minimax_g(fake: Tensor) -> Tensor:
    """E ln(1 − D(fake)), from there too: its slope dies out where D is sure.

    Derived in: notebooks/20_gan_game.ipynb
    """
    return F.logsigmoid(-fake).mean()


def non_saturating_g(fake: Tensor) -> Tensor:
    """−E ln D(fake): the same wish, steep where D is sure.

    Source: Goodfellow et al. 2014, section 3.
    Derived in: notebooks/20_gan_game.ipynb
    """
    return -F.logsigmoid(fake).mean()


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 − real) + E max(0, 1 + fake): enough is enough at ±1.

    Source: Lim and Ye 2017; Miyato et al. 2018.
    Derived in: notebooks/20_gan_game.ipynb
    """
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def wasserstein_d(real: Tensor, fake: Tensor) -> Tensor:
    """E fake − E real: without a bound on D's slope it has no minimum.

    Source: Arjovsky, Chintala and Bottou 2017.
    Derived in: notebooks/20_gan_game.ipynb
    """
    return fake.mean() - real.mean()


def wasserstein_g(fake: Tensor) -> Tensor:
    """−E fake: the generator's side of both hinge and Wasserstein.

    Derived in: notebooks/20_gan_game.ipynb
    """
    return -fake.mean()


LOSSES: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "minimax": (minimax_d, minimax_g),
    "non-saturating": (minimax_d, non_saturating_g),
    "hinge": (hinge_d, wasserstein_g),
    "wasserstein": (wasserstein_d, wasserstein_g),
}
"""Name → (discriminator's loss of real and fake scores, generator's loss of fake scores)."""


# The penalties: added to the discriminator's loss, times a weight ----------------------------------------------------
def gradient_penalty(
    discriminator: Callable[..., Tensor], real: Tensor, fake: Tensor,
    *labels: Tensor, generator: torch.Generator | None = None,
) -> Tensor:  # fmt: skip
    """WGAN-GP: E (‖∇D(x)‖ − 1)², x at random between real and fake.

    real and fake (B, …), of one shape; labels go to the discriminator as
    they are. The paper's weight is λ = 10. generator: for the places.
    Source: Gulrajani et al. 2017.
    Raises ValueError if real and fake differ in shape.
    Derived in: notebooks/20_gan_game.ipynb
    """
    if real.shape != fake.shape:
        got = f"{tuple(real.shape)} and {tuple(fake.shape)}"
        raise ValueError(f"needed real and fake of one shape, got {got}")
    each = real.new_empty(len(real), *[1] * (real.ndim - 1))
    t = each.uniform_(generator=generator)
    slopes = _slopes(discriminator, t * real + (1 - t) * fake, *labels)
    return (slopes.norm(dim=1) - 1).square().mean()


def r1_penalty(
    discriminator: Callable[..., Tensor], real: Tensor, *labels: Tensor
) -> Tensor:  # fmt: skip
    """R1: ½ E ‖∇D(x)‖² at real x (B, …), to be multiplied by γ.

    Labels go to the discriminator as they are.
    Source: Mescheder, Geiger and Nowozin 2018.
    Derived in: notebooks/20_gan_game.ipynb
    """
    slopes = _slopes(discriminator, real, *labels)
    return slopes.square().sum(1).mean() / 2


def _slopes(discriminator: Callable[..., Tensor], x: Tensor, *labels: Tensor) -> Tensor:
    """d score / d x for each row, flat (B, numbers of a row), itself differentiable by the weights."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(discriminator(x, *labels).sum(), x, create_graph=True)[0].flatten(1)


# The game ------------------------------------------------------------------------------------------------------------
def train_gan(
    generator: nn.Module, discriminator: nn.Module,
    draw: Callable[[], Any], noise: Callable[[int], Tensor],
    g_optimizer: torch.optim.Optimizer,
    d_optimizer: torch.optim.Optimizer, *,
    steps: int, loss: str = "non-saturating", d_steps: int = 1,
    penalty: Callable[..., Tensor] | None = None,
    after: Callable[[int], Any] | None = None,
    progress: bool | None = None,
) -> History:  # fmt: skip
    """Play in turn, `d_steps` moves of D, then one of G; in place.

    draw: () → a batch, (real,) or (real, labels); made pictures get the
    labels of the real ones. noise: n → z (n, …). loss: a name in LOSSES.
    penalty: (real, fake, *labels) → what is added to D's loss, with weight.
    after: called with each step's number, after it: rates, averages, films.
    progress: a bar; None: after two seconds, unless MINILIB_PROGRESS=0.
    Returns both losses of each step, "generator" and "discriminator" (its
    last move's). Raises ValueError for an unknown loss, FloatingPointError
    at the first that is nan or infinite, before it moves a weight.
    Derived in: notebooks/20_gan_game.ipynb
    """
    if loss not in LOSSES:
        raise ValueError(f"loss={loss!r}: needed one of {', '.join(LOSSES)}")
    d_loss, g_loss = LOSSES[loss]
    generator.train(), discriminator.train()
    history: History = {"generator": [], "discriminator": []}
    with progress_bar("step", steps, progress=progress) as bar:
        for step in range(steps):
            for _ in range(d_steps):
                real, *labels = draw()
                fake = generator(noise(len(real)), *labels).detach()
                scores = [discriminator(x, *labels) for x in (real, fake)]
                value = d_loss(*scores)
                if penalty is not None:
                    value = value + penalty(real, fake, *labels)
                d_value = _move(d_optimizer, value, "discriminator", step)
            fake = generator(noise(len(real)), *labels)
            value = g_loss(discriminator(fake, *labels))
            g_value = _move(g_optimizer, value, "generator", step)
            history["discriminator"].append(d_value)
            history["generator"].append(g_value)
            if after is not None:
                after(step)
            bar.update()
    return history


def _move(optimizer: torch.optim.Optimizer, loss: Tensor, player: str, step: int) -> float:
    """One step of one player, whose slopes alone are computed."""
    value = loss.item()
    if not math.isfinite(value):
        raise FloatingPointError(
            f"the {player}'s loss is {value} at step {step}, counted from 0; its weights are those before. "
            "Try a smaller rate, a penalty, or look for bad values in the data"
        )
    optimizer.zero_grad()
    loss.backward(inputs=[weight for group in optimizer.param_groups for weight in group["params"]])
    optimizer.step()
    return value
