"""GANs: the losses by their written definitions, the penalties by closed forms, and a game that is won."""

from __future__ import annotations

import math
import time

import pytest
import torch
from torch import nn

from minilib.pt.gan import LOSSES, Discriminator, Generator, gradient_penalty, r1_penalty, train_gan

LABELS = torch.tensor([0, 9, 3, 3])
LN2 = math.log(2)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def mean_gradient(loss, *scores):
    """The slope of the loss by each score, as if it were a sum."""
    scores = [s.clone().requires_grad_() for s in scores]
    return [g * g.numel() for g in torch.autograd.grad(loss(*scores), scores)]


# The losses ---------------------------------------------------------------------------------------------------------
def test_each_loss_is_its_definition():
    real, fake = 3 * numbers(50), 3 * numbers(50, seed=1) - 1
    p, q = 1 / (1 + torch.exp(-real)), 1 / (1 + torch.exp(-fake))
    game = -(p.log().mean() + (1 - q).log().mean())
    hinge = (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()
    wanted = {
        "minimax": (game, (1 - q).log().mean()),
        "non-saturating": (game, -q.log().mean()),
        "hinge": (hinge, -fake.mean()),
        "wasserstein": (fake.mean() - real.mean(), -fake.mean()),
    }
    assert wanted.keys() == LOSSES.keys()
    for name, (d_loss, g_loss) in LOSSES.items():
        torch.testing.assert_close((d_loss(real, fake), g_loss(fake)), wanted[name], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_huge_scores_give_finite_losses_and_slopes(name, dtype):
    d_loss, g_loss = LOSSES[name]
    scores = torch.tensor([-1e4, 1e4, -1e4, 1e4], dtype=dtype)
    for loss, given in ((d_loss, (scores, -scores)), (g_loss, (scores,))):
        slopes = mean_gradient(loss, *given)
        assert abs(loss(*given).item()) <= 2.1e4
        assert all(g.isfinite().all() and g.abs().max() <= 1 for g in slopes)


def test_a_sure_mistake_costs_as_much_as_its_score():
    d_loss, g_loss = LOSSES["non-saturating"]
    wrong = torch.tensor([-1e4])
    assert d_loss(wrong, -wrong) == 2e4
    assert g_loss(wrong) == 1e4


def test_at_the_best_discriminator_the_value_is_twice_jsd_less_2_ln_2():
    counts = torch.tensor([[4, 3, 2, 1], [1, 1, 3, 5]])
    p, q = counts.double() / 10
    best = (p / q).log()
    real, fake = (best.repeat_interleave(n) for n in counts)
    middle = (p + q) / 2
    jsd = ((p * (p / middle).log()).sum() + (q * (q / middle).log()).sum()) / 2
    d_loss = LOSSES["minimax"][0]
    assert jsd > 0.1
    assert -d_loss(real, fake).item() == pytest.approx(-2 * LN2 + 2 * jsd.item(), abs=1e-14)
    for off in 0.1 * numbers(20, 4):  # and nothing near is better for D
        real, fake = ((best + off).repeat_interleave(n) for n in counts)
        assert -d_loss(real, fake) < -2 * LN2 + 2 * jsd


def test_where_nothing_can_be_told_apart_the_value_is_minus_ln_4():
    assert -LOSSES["minimax"][0](torch.zeros(3), torch.zeros(5)).item() == pytest.approx(-2 * LN2)


@pytest.mark.parametrize("score", [-700.0, -30.0, -2.0, 0.0, 2.0, 30.0])
def test_the_two_slopes_of_the_generator_differ_by_e_to_the_minus_score(score):
    (saturating,), (other,) = (
        mean_gradient(LOSSES[name][1], torch.tensor([score], dtype=torch.float64))
        for name in ("minimax", "non-saturating")
    )
    assert saturating < 0 and other < 0  # both want a larger score
    assert (other / saturating).log().item() == pytest.approx(-score, abs=1e-12)


@pytest.mark.parametrize(("theta", "saturating", "other"), [(1, 0.398, 0.602), (3, 0.296, 2.70), (6, 0.0125, 5.99)])
def test_the_better_the_judge_the_less_the_first_loss_teaches(theta, saturating, other):
    """Data N(0, 1), generator N(θ, 1), D at its best: score θ²/2 − θx. By quantiles instead of chance."""
    normal = torch.distributions.Normal(0.0, 1.0)
    z = normal.icdf((torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000)
    mean = torch.tensor(float(theta), dtype=torch.float64, requires_grad=True)
    for name, wanted in (("minimax", saturating), ("non-saturating", other)):
        loss = LOSSES[name][1](theta**2 / 2 - theta * (mean + z))
        assert torch.autograd.grad(loss, mean)[0].item() == pytest.approx(wanted, rel=5e-3)


# The penalties ------------------------------------------------------------------------------------------------------
def linear(weight):
    return lambda x: x.flatten(1) @ weight.flatten()


@pytest.mark.parametrize("shape", [(2,), (1, 28, 28)])
def test_penalties_of_a_linear_discriminator_in_closed_form(shape):
    weight = numbers(*shape).requires_grad_()
    real, fake = numbers(5, *shape, seed=1), numbers(5, *shape, seed=2)
    length = weight.detach().norm()
    for penalty, value, slope in (
        (gradient_penalty(linear(weight), real, fake), (length - 1) ** 2, 2 * (length - 1) / length),
        (r1_penalty(linear(weight), real), length**2 / 2, 1.0),
    ):
        torch.testing.assert_close(penalty, value)
        torch.testing.assert_close(torch.autograd.grad(penalty, weight)[0], slope * weight.detach())


def critic(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()


def central_slopes(network, x, step=1e-5):
    """d score / d x without autograd, (B, 2)."""
    with torch.no_grad():
        columns = [(network(x + step * e) - network(x - step * e)) / (2 * step) for e in torch.eye(2).double()]
    return torch.cat(columns, dim=1)


def test_penalties_and_their_slopes_agree_with_central_differences():
    network, real, fake = critic(), numbers(6, 2), numbers(6, 2, seed=1)
    t = torch.rand(6, 1, generator=rng(7), dtype=torch.float64)
    between = t * real + (1 - t) * fake

    def ours():
        return gradient_penalty(network, real, fake, generator=rng(7)), r1_penalty(network, real)

    def by_hand():
        lengths = central_slopes(network, between).norm(dim=1)
        return ((lengths - 1) ** 2).mean(), (central_slopes(network, real) ** 2).sum(1).mean() / 2

    torch.testing.assert_close(ours(), by_hand(), rtol=1e-8, atol=1e-9)
    weight = network[0].weight
    slopes = [torch.autograd.grad(value, weight)[0][1, 0] for value in ours()]
    found = []
    for change in (1e-4, -2e-4):
        with torch.no_grad():
            weight[1, 0] += change
        found.append(torch.stack(ours()).detach())
    torch.testing.assert_close(torch.stack(slopes), (found[0] - found[1]) / 2e-4, rtol=1e-5, atol=1e-8)


def test_a_flat_discriminator_gives_penalties_with_finite_slopes():
    weight = torch.zeros(2, requires_grad=True)
    for penalty, value in (
        (gradient_penalty(linear(weight), torch.ones(3, 2), torch.zeros(3, 2)), 1.0),
        (r1_penalty(linear(weight), torch.ones(3, 2)), 0.0),
    ):
        assert penalty.item() == value
        assert torch.autograd.grad(penalty, weight)[0].isfinite().all()


def test_the_penalty_looks_at_random_places_between_real_and_fake():
    seen = []

    def remember(x):
        seen.append(x.detach())
        return x.sum(1)

    gradient_penalty(remember, torch.ones(1000, 2), torch.zeros(1000, 2), generator=rng())
    (places,) = seen
    assert (places[:, 0] == places[:, 1]).all()  # one place on the line for each pair
    assert places.min() < 0.01 < 0.99 < places.max()
    r1_penalty(remember, torch.ones(3, 2))
    assert (seen[1] == 1).all()


def test_penalties_leave_real_and_fake_as_they_were():
    real, fake = numbers(3, 2), numbers(3, 2, seed=1).requires_grad_()
    (gradient_penalty(critic(), real, fake) + r1_penalty(critic(), real)).backward()
    assert not real.requires_grad and fake.grad is None


@pytest.mark.parametrize("spectral", [False, True])
def test_penalties_reach_every_weight_of_a_conditional_discriminator(spectral):
    network = Discriminator(4, classes=10, spectral=spectral)
    real, fake = torch.randn(4, 1, 28, 28), torch.randn(4, 1, 28, 28)
    for penalty in (gradient_penalty(network, real, fake, LABELS), r1_penalty(network, real, LABELS)):
        network.zero_grad()
        penalty.backward()
        moved = [name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
        assert len([name for name in moved if "weight" in name]) == 4


def test_real_and_fake_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"real and fake of one shape, got \(3, 2\) and \(2, 2\)"):
        gradient_penalty(critic(), numbers(3, 2), numbers(2, 2))


# The players --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("labels", [None, LABELS])
@pytest.mark.parametrize("spectral", [False, True])
def test_shapes_and_ranges(labels, spectral):
    classes = None if labels is None else 10
    generator, discriminator = Generator(6, 4, classes), Discriminator(4, classes, spectral)
    pictures = generator(torch.randn(4, 6), labels)
    assert pictures.shape == (4, 1, 28, 28)
    assert pictures.abs().max() <= 1
    assert discriminator(pictures, labels).shape == (4,)


@pytest.mark.parametrize("labels", [None, LABELS])
@pytest.mark.parametrize("spectral", [False, True])
def test_a_state_dict_carries_everything(labels, spectral):
    classes = None if labels is None else 10
    z, x = torch.randn(4, 6), torch.randn(4, 1, 28, 28)
    for make, given in (
        (lambda: Generator(6, 4, classes), z),
        (lambda: Discriminator(4, classes, spectral), x),
    ):
        one, other = make(), make().eval()
        one(given, labels)  # moves the running means and, if spectral, the vectors of the power iteration
        assert not torch.equal(one.eval()(given, labels), other(given, labels))
        other.load_state_dict(one.state_dict())
        assert torch.equal(one(given, labels), other(given, labels))


def test_the_score_is_a_projection_on_weights_and_class():
    network = Discriminator(4, classes=10).double()
    x = numbers(4, 1, 28, 28)
    h = network.features(x)
    w, b, e = network.score.weight[0], network.score.bias[0], network.label.weight[LABELS]
    torch.testing.assert_close(network(x, LABELS), torch.stack([h[i] @ w + b + h[i] @ e[i] for i in range(4)]))


def test_another_label_gives_another_picture_and_another_score():
    torch.manual_seed(0)
    generator, discriminator = Generator(classes=10).eval(), Discriminator(classes=10)
    z = torch.randn(1, 32).expand(10, 32)
    pictures = generator(z, torch.arange(10))
    assert len(pictures.detach().flatten(1).unique(dim=0)) == 10
    scores = discriminator(pictures[:1].expand(10, -1, -1, -1), torch.arange(10))
    assert len(scores.unique()) == 10


def test_weights_start_as_in_dcgan():
    torch.manual_seed(0)
    generator, discriminator = Generator(classes=10), Discriminator(classes=10)
    for network in (generator.layers, discriminator):
        for name, weight in network.named_parameters():
            if weight.ndim > 1:
                assert weight.std().item() == pytest.approx(0.02, rel=0.1), name
            elif "bias" in name:
                assert (weight == 0).all()
    assert generator.label.weight.std().item() == pytest.approx(1, rel=0.2)


def test_spectral_norm_brings_every_weight_to_norm_one():
    torch.manual_seed(0)
    network = Discriminator(8, classes=10, spectral=True)
    for _ in range(50):  # a step of the power iteration each
        network(torch.randn(1, 1, 28, 28), LABELS[:1])
    network.eval()
    layers = [network.features[0], network.features[2], network.score, network.label]
    norms = [torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2).item() for layer in layers]
    assert norms == pytest.approx([1] * 4, rel=0.02)


@pytest.mark.parametrize("network", [Generator(6, 4, 10), Discriminator(4, 10)])
def test_wrong_labels_are_refused(network):
    given = torch.zeros(4, 6) if isinstance(network, Generator) else torch.zeros(4, 1, 28, 28)
    with pytest.raises(ValueError, match=r"built with classes=10: needed labels \(4,\), got none"):
        network(given)
    with pytest.raises(ValueError, match=r"one label for each row, \(4,\), got \(1,\)"):
        network(given, LABELS[:1])
    with pytest.raises(ValueError, match=r"labels from 0 to 9, got 1 to 10"):
        network(given, LABELS + 1)
    with pytest.raises(ValueError, match=r"labels from 0 to 9, got -1 to 8"):
        network(given, LABELS - 1)


@pytest.mark.parametrize(
    ("network", "shape", "needed"),
    [(Generator(6, 4), (4, 5), r"noise \(B, 6\), got \(4, 5\)"),
     (Discriminator(4), (4, 1, 32, 32), r"pictures \(B, 1, 28, 28\), got \(4, 1, 32, 32\)"),
     (Discriminator(4), (4, 784), r"pictures \(B, 1, 28, 28\), got \(4, 784\)")],
)  # fmt: skip
def test_wrong_inputs_are_refused(network, shape, needed):
    with pytest.raises(ValueError, match=needed):
        network(torch.zeros(shape))


@pytest.mark.parametrize("network", [Generator(6, 4), Discriminator(4)])
def test_labels_for_a_network_without_classes_are_refused(network):
    given = torch.zeros(4, 6) if isinstance(network, Generator) else torch.zeros(4, 1, 28, 28)
    with pytest.raises(ValueError, match="got labels, but this network was built without classes"):
        network(given, LABELS)


# The game -----------------------------------------------------------------------------------------------------------
class Game:
    """A generator of one layer against a small discriminator; data: a Gaussian in the plane, standard deviation ½."""

    def __init__(self, seed=0, lr=0.01, mean=(2.0, -1.0)):
        torch.manual_seed(seed)
        self.mean, self.rng, self.drawn = torch.tensor(mean), rng(seed), 0
        self.generator = nn.Linear(2, 2)
        self.discriminator = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
        self.optimizers = [
            torch.optim.Adam(net.parameters(), lr=lr, betas=(0.0, 0.99)) for net in (self.generator, self.discriminator)
        ]

    def draw(self):
        self.drawn += 1
        return (self.mean + 0.5 * torch.randn(128, 2, generator=self.rng),)

    def noise(self, n):
        return torch.randn(n, 2, generator=self.rng)

    def play(self, steps, **options):
        players = self.generator, self.discriminator
        return train_gan(*players, self.draw, self.noise, *self.optimizers, steps=steps, **options)


def weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.parametrize("loss", LOSSES)
def test_the_game_finds_the_mean_of_a_gaussian(loss):
    game = Game()
    history = game.play(300, loss=loss, penalty=lambda real, fake: 0.3 * r1_penalty(game.discriminator, real))
    assert game.generator.bias.tolist() == pytest.approx([2, -1], abs=0.25)
    assert len(history["generator"]) == len(history["discriminator"]) == 300


def test_one_step_by_hand():
    """D(x) = a·x, G(z) = c; real 3, so first a → a + lr·(3 − c), then c → c + lr·a."""
    generator, discriminator = nn.Linear(1, 1), nn.Linear(1, 1, bias=False)
    for weight, start in ((generator.weight, 0.0), (generator.bias, 1.0), (discriminator.weight, 0.5)):
        nn.init.constant_(weight, start)
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.25) for net in (generator, discriminator)]
    players = generator, discriminator, lambda: (torch.full((4, 1), 3.0),), lambda n: torch.ones(n, 1)
    history = train_gan(*players, *optimizers, steps=1, loss="wasserstein")
    assert history == {"discriminator": [0.5 * 1 - 0.5 * 3], "generator": [-1.0 * 1]}
    assert discriminator.weight.item() == 0.5 + 0.25 * 2
    assert discriminator.weight.grad.item() == -2  # the generator's move leaves no slopes behind in D
    assert generator.bias.item() == generator.weight.item() + 1 == 1 + 0.25 * 1.0


@pytest.mark.parametrize("still", [0, 1])
def test_no_player_moves_the_other(still):
    game = Game()
    players = game.generator, game.discriminator
    before = [weights(player) for player in players]
    game.optimizers[still].param_groups[0]["lr"] = 0.0
    game.play(3)
    moved = [not torch.equal(weights(player), old) for player, old in zip(players, before, strict=True)]
    assert moved == [still == 1, still == 0]


def test_the_same_seed_gives_the_same_game():
    one, other = Game(), Game()
    assert one.play(5) == other.play(5)
    assert torch.equal(weights(one.generator), weights(other.generator))
    assert Game(seed=1).play(5) != Game().play(5)


def test_the_discriminator_may_move_more_often():
    game, seen = Game(), []
    history = game.play(3, d_steps=5, after=seen.append)
    assert (game.drawn, seen, len(history["discriminator"])) == (15, [0, 1, 2], 3)


def test_the_penalty_is_part_of_the_loss():
    def penalty(real, fake):
        assert real.shape == fake.shape and not fake.requires_grad
        return 10.0

    plain, more = Game().play(1), Game().play(1, penalty=penalty)
    assert more["discriminator"][0] == pytest.approx(plain["discriminator"][0] + 10, rel=1e-6)


def test_a_conditional_game_on_pictures_moves_every_weight():
    torch.manual_seed(0)
    generator, discriminator = Generator(6, 4, 10), Discriminator(4, 10, spectral=True)
    pictures, labels = torch.rand(10, 1, 28, 28, generator=rng()) * 2 - 1, torch.arange(10)
    before = [weights(generator), weights(discriminator)]
    optimizers = [torch.optim.Adam(net.parameters(), lr=0.01) for net in (generator.eval(), discriminator.eval())]

    def penalty(real, fake, labels):
        return gradient_penalty(discriminator, real, fake, labels, generator=rng())

    noise = rng(1)
    players = generator, discriminator, lambda: (pictures, labels), lambda n: torch.randn(n, 6, generator=noise)
    train_gan(*players, *optimizers, steps=2, loss="hinge", penalty=penalty)
    assert generator.training and discriminator.training
    for network, old in zip((generator, discriminator), before, strict=True):
        assert (weights(network) != old).float().mean() > 0.9


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="loss='wgan': needed one of minimax, non-saturating, hinge, wasserstein"):
        Game().play(1, loss="wgan")


def test_a_loss_that_is_no_number_stops_the_game_before_it_moves_a_weight():
    game, kept = Game(), []

    def spoil(step):
        kept[:] = [weights(game.generator), weights(game.discriminator)]
        if step == 2:
            game.mean = torch.tensor([math.nan, 0.0])

    with pytest.raises(FloatingPointError, match="the discriminator's loss is nan at step 3, counted from 0"):
        game.play(10, after=spoil)
    assert torch.equal(weights(game.generator), kept[0])
    assert torch.equal(weights(game.discriminator), kept[1])
    with pytest.raises(FloatingPointError, match="the discriminator's loss is inf at step 0"):
        Game().play(1, penalty=lambda *_: math.inf)


def test_the_generators_loss_is_watched_too():
    game = Game()
    game.optimizers[1].param_groups[0]["lr"] = math.inf
    before = weights(game.generator)
    with pytest.raises(FloatingPointError, match="the generator's loss is nan at step 0"):
        game.play(1)
    assert torch.equal(weights(game.generator), before)


def test_a_bar_is_drawn_if_asked_for_and_not_for_a_short_run(capsys, monkeypatch):
    monkeypatch.delenv("MINILIB_PROGRESS", raising=False)
    Game().play(2)
    assert capsys.readouterr().err == ""
    Game().play(2, progress=True)
    assert "step" in capsys.readouterr().err


@pytest.mark.parametrize(("variable", "shown"), [("1", True), ("0", False)])
def test_the_bar_of_a_long_run_can_be_switched_off(variable, shown, capsys, monkeypatch):
    monkeypatch.setenv("MINILIB_PROGRESS", variable)
    Game().play(2, after=lambda step: time.sleep(2.2 * (step == 0)))
    assert ("step" in capsys.readouterr().err) == shown
