"""What the measurements of chapter 21 are made of: scores that agree with closed forms, cheats, players that learn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks import gan_images  # noqa: E402

RNG = np.random.default_rng(0)


def test_the_frechet_distance_of_two_clouds():
    a = RNG.standard_normal((500, 3)) @ RNG.standard_normal((3, 3))
    turn = np.linalg.qr(RNG.standard_normal((3, 3)))[0]
    b = 2 * a[:300] + 1
    assert gan_images.frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert gan_images.frechet(a, a + np.array([1, 2, 2])) == pytest.approx(9)
    assert gan_images.frechet(a, b) == pytest.approx(gan_images.frechet(b, a))
    assert gan_images.frechet(a @ turn, b @ turn) == pytest.approx(gan_images.frechet(a, b))
    line, other = a[:, :1], b[:, 1:2]
    gaps = (line.mean() - other.mean()) ** 2 + (line.std(ddof=1) - other.std(ddof=1)) ** 2
    assert gan_images.frechet(line.repeat(2, 1) * [1, 0], other.repeat(2, 1) * [1, 0]) == pytest.approx(gaps)


def test_balls_reach_to_their_third_neighbour():
    centres = np.array([[0.0], [1.0], [2.0], [3.0]])
    assert gan_images.reached(np.array([[2.9], [7.1], [-3.5]]), centres, k=3) == pytest.approx(1 / 3)
    assert gan_images.reached(centres, centres) == 1


def test_the_cheats_are_a_thousand_pictures_of_the_classes_in_turn():
    (x, y), _ = gan_images.digits()
    rows = gan_images.cheaters(x, y)
    assert {tuple(some.shape) for some in rows.values()} == {(1000, 1, 28, 28)}
    assert all(some.min() >= -1 and some.max() <= 1 for some in rows.values())
    assert gan_images.to_nearest(rows["copies"][:50], x).max() == 0
    assert gan_images.to_nearest(rows["moved copies"][:50], x).min() > 1
    assert gan_images.moved_to_nearest(rows["moved copies"][:50], x, 1).max() < 0.1
    assert len(rows["ten digits"].unique(dim=0)) == 10
    few = gan_images.equally(y, 3, torch.Generator().manual_seed(0))
    assert y[few].tolist() == 3 * list(range(10))


def test_a_few_steps_of_every_player(monkeypatch):
    monkeypatch.setattr(gan_images, "STEPS", 6)
    (x, y), _ = gan_images.digits()
    averaged, raw = gan_images.train(x[:100], y[:100], seed=0, size=(4, 3))
    made, asked = gan_images.make(averaged, 20)
    assert made.shape == (20, 1, 28, 28) and asked[:11].tolist() == [*range(10), 0]
    assert not torch.equal(made, gan_images.make(raw, 20)[0])
    assert gan_images.make(gan_images.train(x[:100], y[:100], 0, None, (4, 3))[0], 5)[0].shape == (5, 1, 28, 28)


def test_a_study_without_made_digits_learns():
    (x, y), held = gan_images.digits()
    draw = {"real": (x[:200], y[:200])}
    right = gan_images.one_study(draw, {"real": "real", "made": "", "shifts": True}, 2e-3, 0.0, 0, held)
    assert right > 0.7


def test_the_stored_results_are_those_the_chapter_speaks_of():
    found = json.loads(gan_images.RESULTS.read_text("utf8"))
    assert min(found["parade"]["judges"]) >= 0.97
    games = [game["end"][0] for game in found["gans"]["with labels"]]
    assert len(games) == 3 and np.mean([game["recognised"] for game in games]) >= 0.95
    assert all(min(game["shares"]) > 0.05 for game in games)  # ten classes of ten
    assert found["parade"]["rows"].keys() == gan_images.cheaters(*gan_images.digits()[0]).keys()
    assert all(len(runs) == 5 for runs in found["study"]["runs"].values())
    assert gan_images.FIGURE.stat().st_size < 200_000


def test_the_hanzi_run_works_at_a_tiny_size():
    matplotlib = pytest.importorskip("matplotlib")
    from benchmarks import gan_hanzi

    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    real = gan_hanzi.glyphs(font, range(0x41, 0x17F), most=120)  # Latin letters: the font has no hanzi
    assert real.shape == (120, 1, 64, 64) and real.min() == -1 and real.max() == 1
    assert len(gan_hanzi.glyphs(font, range(0x41, 0x43))) == 2
    found = gan_hanzi.run(real, steps=3, width=2, batch=8, device="cpu")
    assert found["held_out"] == 6 and np.isfinite(found["frechet"]["made"])
    assert gan_hanzi.painter(64)(torch.zeros(2, 128)).shape == (2, 1, 64, 64)
