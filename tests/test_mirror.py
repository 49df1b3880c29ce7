"""The mirror contract: what has torch's name computes torch's numbers, in float64 to 1e-9, with the same weights."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn as tnn

from minilib.config import GPTConfig
from minilib.scratch import Tensor, attention, concatenate, init, nn, optim
from minilib.scratch import functional as F
from tests.compare import equals_torch, to_torch, weights_for

TF = tnn.functional
rng = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 2, 2])
BITS = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])


def mlp(kit, **options):
    return kit.Sequential(kit.Linear(6, 5, **options), kit.ReLU(), kit.Sequential(kit.GELU(), kit.Linear(5, 3)))


def regularised(kit):
    return kit.Sequential(kit.Flatten(), kit.Linear(8, 4, bias=False), kit.Dropout(0.5), kit.Tanh(), kit.Linear(4, 2))


def cnn(kit):
    return kit.Sequential(
        kit.Conv2d(1, 3, 3, padding=1), kit.BatchNorm2d(3), kit.MaxPool2d(2), kit.ReLU(), kit.Conv2d(3, 4, 2, stride=2),
        kit.AvgPool2d(2), kit.Flatten(), kit.Linear(4, 2),
    )  # fmt: skip


class TorchAttention(tnn.MultiheadAttention):
    """torch's, asked as ours is; there True in a mask means that a query may *not* look."""

    def forward(self, x, look=None):
        hidden = None if look is None else to_torch(~look)
        return super().forward(x, x, x, attn_mask=hidden, need_weights=False)[0]


class TorchBlock(tnn.TransformerEncoderLayer):
    def __init__(self, d_model, nhead, wide, norm_first, activation="relu", causal=False):
        super().__init__(d_model, nhead, wide, 0.0, activation, batch_first=True, norm_first=norm_first)
        self.causal = causal

    def forward(self, x):
        hidden = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1) if self.causal else None
        return super().forward(x, hidden)


class TorchPositions(tnn.Module):
    def __init__(self, context, d_model):
        super().__init__()
        self.weight = tnn.Parameter(torch.zeros(context, d_model))

    def forward(self, x):
        return x + self.weight[: x.shape[-2]]


class TorchGPT(tnn.Module):
    def __init__(self, config):
        super().__init__()
        vocabulary, width = config.vocab_size, config.d_model
        self.token_embedding = tnn.Embedding(vocabulary, width)
        self.position_embedding = TorchPositions(config.context, width)

        def block():
            return TorchBlock(width, config.nhead, 4 * width, config.norm_first, gelu_tanh, causal=True)

        self.blocks = tnn.Sequential(*(block() for _ in range(config.num_layers)))
        self.norm = tnn.LayerNorm(width)
        self.head = tnn.Linear(width, vocabulary)
        if config.tied:
            self.head.weight = self.token_embedding.weight

    def forward(self, ids):
        return self.head(self.norm(self.blocks(self.position_embedding(self.token_embedding(ids)))))


def gelu_tanh(x):
    return TF.gelu(x, approximate="tanh")


IDS = np.random.default_rng(1).integers(0, 7, (2, 5))
SMALL = GPTConfig(vocab_size=7, context=6, d_model=4, nhead=2, num_layers=2)
TIED = GPTConfig(vocab_size=7, context=5, d_model=6, nhead=3, num_layers=1, tied=True, norm_first=False)

# (ours, torch's, shape of the input, or ids)
MODULES = {
    "Linear": (nn.Linear(4, 3), tnn.Linear(4, 3), (5, 4)),
    "Linear on one vector": (nn.Linear(4, 3), tnn.Linear(4, 3), (4,)),
    "Linear on a sequence": (nn.Linear(4, 3), tnn.Linear(4, 3), (2, 5, 4)),
    "Linear on an empty batch": (nn.Linear(4, 3), tnn.Linear(4, 3), (0, 4)),
    "Linear without bias": (nn.Linear(4, 3, bias=False), tnn.Linear(4, 3, bias=False), (5, 4)),
    "ReLU": (nn.ReLU(), tnn.ReLU(), (3, 4)),
    "LeakyReLU": (nn.LeakyReLU(), tnn.LeakyReLU(), (3, 4)),
    "LeakyReLU 0.2": (nn.LeakyReLU(0.2), tnn.LeakyReLU(0.2), (3, 4)),
    "GELU": (nn.GELU(), tnn.GELU(), (3, 4)),
    "GELU tanh": (nn.GELU("tanh"), tnn.GELU("tanh"), (3, 4)),
    "Sigmoid": (nn.Sigmoid(), tnn.Sigmoid(), (3, 4)),
    "Tanh": (nn.Tanh(), tnn.Tanh(), (3, 4)),
    "Flatten": (nn.Flatten(), tnn.Flatten(), (2, 3, 4)),
    "Flatten an empty batch": (nn.Flatten(), tnn.Flatten(), (0, 3, 4)),
    "Dropout(0)": (nn.Dropout(0), tnn.Dropout(0), (3, 4)),
    "an MLP": (mlp(nn), mlp(tnn), (7, 6)),
    "Dropout in eval mode": (regularised(nn).eval(), regularised(tnn).eval(), (3, 2, 2, 2)),
    "Conv2d": (nn.Conv2d(3, 4, 3), tnn.Conv2d(3, 4, 3), (2, 3, 6, 5)),
    "Conv2d stride padding": (nn.Conv2d(2, 3, 4, 3, 2), tnn.Conv2d(2, 3, 4, 3, 2), (2, 2, 7, 6)),
    "MaxPool2d": (nn.MaxPool2d(2), tnn.MaxPool2d(2), (2, 3, 5, 6)),
    "MaxPool2d overlapping": (nn.MaxPool2d(3, 2), tnn.MaxPool2d(3, 2), (2, 3, 7, 8)),
    "AvgPool2d": (nn.AvgPool2d(2), tnn.AvgPool2d(2), (2, 3, 5, 6)),
    "AvgPool2d overlapping": (nn.AvgPool2d(3, 1), tnn.AvgPool2d(3, 1), (2, 3, 5, 4)),
    "a CNN": (cnn(nn), cnn(tnn), (3, 1, 9, 10)),
    "Embedding": (nn.Embedding(7, 3), tnn.Embedding(7, 3), IDS),
    "LayerNorm": (nn.LayerNorm(4), tnn.LayerNorm(4), (2, 3, 4)),
    "LayerNorm over two axes": (nn.LayerNorm((3, 4), 1e-3), tnn.LayerNorm((3, 4), 1e-3), (2, 3, 4)),
    "RMSNorm": (nn.RMSNorm(4), tnn.RMSNorm(4), (2, 3, 4)),
    "RMSNorm eps": (nn.RMSNorm(4, 1e-3), tnn.RMSNorm(4, 1e-3), (2, 3, 4)),
    "BatchNorm1d": (nn.BatchNorm1d(3), tnn.BatchNorm1d(3), (5, 3)),
    "BatchNorm1d on sequences": (nn.BatchNorm1d(3, 1e-3, 0.3), tnn.BatchNorm1d(3, 1e-3, 0.3), (2, 3, 4)),
    "BatchNorm1d in eval mode": (nn.BatchNorm1d(3).eval(), tnn.BatchNorm1d(3).eval(), (1, 3)),
    "BatchNorm2d": (nn.BatchNorm2d(3), tnn.BatchNorm2d(3), (2, 3, 4, 2)),
    "BatchNorm2d in eval mode": (nn.BatchNorm2d(3).eval(), tnn.BatchNorm2d(3).eval(), (2, 3, 4, 2)),
    "RNN": (nn.RNN(3, 4), tnn.RNN(3, 4), (5, 2, 3)),
    "RNN batch first": (nn.RNN(3, 4, batch_first=True), tnn.RNN(3, 4, batch_first=True), (2, 5, 3)),
    "LSTM": (nn.LSTM(3, 4), tnn.LSTM(3, 4), (5, 2, 3)),
    "LSTM batch first": (nn.LSTM(3, 4, batch_first=True), tnn.LSTM(3, 4, batch_first=True), (2, 5, 3)),
    "GRU": (nn.GRU(3, 4), tnn.GRU(3, 4), (5, 2, 3)),
    "GRU batch first": (nn.GRU(3, 4, batch_first=True), tnn.GRU(3, 4, batch_first=True), (2, 5, 3)),
    "MultiHeadAttention": (attention.MultiHeadAttention(6, 3), TorchAttention(6, 3, batch_first=True), (2, 4, 6)),
    "TransformerBlock": (
        attention.TransformerBlock(6, 2, 5, activation=F.relu), TorchBlock(6, 2, 5, True), (2, 4, 6),
    ),
    "TransformerBlock post-norm": (
        attention.TransformerBlock(6, 2, norm_first=False), TorchBlock(6, 2, 24, False, gelu_tanh), (2, 4, 6),
    ),
    "LearnedPositions": (attention.LearnedPositions(5, 4), TorchPositions(5, 4), (2, 3, 4)),
    "GPT": (attention.GPT(SMALL), TorchGPT(SMALL), IDS),
    "GPT tied post-norm": (attention.GPT(TIED), TorchGPT(TIED), IDS),
}  # fmt: skip

FUNCTIONS = {
    "relu": (F.relu, TF.relu, (3, 4)),
    "leaky_relu": (F.leaky_relu, TF.leaky_relu, (3, 4)),
    "gelu": (F.gelu, TF.gelu, (3, 4)),
    "sigmoid": (F.sigmoid, TF.sigmoid, (3, 4)),
    "tanh": (F.tanh, TF.tanh, (3, 4)),
    "softplus": (F.softplus, TF.softplus, (3, 4)),
    "softmax": (F.softmax, lambda t: TF.softmax(t, -1), (3, 4)),
    "softmax over the first axis": (lambda x: F.softmax(x, dim=0), lambda t: TF.softmax(t, 0), (3, 4)),
    "log_softmax": (F.log_softmax, lambda t: TF.log_softmax(t, -1), (2, 3, 4)),
    "logsumexp": (F.logsumexp, lambda t: t.logsumexp(-1), (3, 4)),
    "linear": (F.linear, TF.linear, (5, 4), (3, 4), (3,)),
    "cross_entropy": (
        lambda x: F.cross_entropy(x, LABELS), lambda t: TF.cross_entropy(t, to_torch(LABELS)), (5, 3),
    ),
    "conv2d": (F.conv2d, TF.conv2d, (2, 3, 5, 4), (4, 3, 3, 2), (4,)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), lambda t: TF.max_pool2d(t, 2), (2, 3, 5, 4)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), lambda t: TF.avg_pool2d(t, 2), (2, 3, 5, 4)),
    "embedding": (lambda w: F.embedding(IDS, w), lambda w: TF.embedding(to_torch(IDS), w), (7, 3)),
    "layer_norm": (lambda x: F.layer_norm(x, (4,)), lambda t: TF.layer_norm(t, (4,)), (3, 4)),
    "rms_norm": (lambda x: F.rms_norm(x, (4,)), lambda t: TF.rms_norm(t, (4,)), (3, 4)),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, Tensor(np.ones(3)), Tensor(np.full(3, 2.0)), w, b),
        lambda x, w, b: TF.batch_norm(x, torch.ones(3).double(), torch.full((3,), 2.0).double(), w, b),
        (2, 3, 4), (3,), (3,),
    ),
    "scaled_dot_product_attention": (
        F.scaled_dot_product_attention, TF.scaled_dot_product_attention,
        (2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 2), (4, 6),
    ),
    "scaled_dot_product_attention causal": (
        lambda *xs: F.scaled_dot_product_attention(*xs, is_causal=True),
        lambda *ts: TF.scaled_dot_product_attention(*ts, is_causal=True), (2, 4, 5), (2, 6, 5), (2, 6, 5),
    ),
    "mse_loss": (F.mse_loss, TF.mse_loss, (3, 4), (3, 4)),
    "binary_cross_entropy_with_logits": (
        lambda x: F.binary_cross_entropy_with_logits(x, BITS),
        lambda t: TF.binary_cross_entropy_with_logits(t, to_torch(BITS)), (2, 3),
    ),
}  # fmt: skip


def in_float64(model):
    for x in (*model.parameters(), *model.buffers()):
        if x.dtype == np.float32:
            x.data = x.data.astype(np.float64)
    return model


def flat(model, join, *inputs):
    """All that a module gives, a recurrent one's states included, in one row."""

    def leaves_of(output):
        return [x for part in output for x in leaves_of(part)] if isinstance(output, tuple) else [output.reshape(-1)]

    return lambda *xs: join(leaves_of(model(*inputs, *xs)))


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("towards", ["torch", "us"])
def test_a_module_with_torchs_weights_has_torchs_outputs_and_gradients(name, towards):
    ours, theirs, data = MODULES[name]
    ours, theirs = in_float64(copy.deepcopy(ours)), copy.deepcopy(theirs).double()
    ids = [data] if isinstance(data, np.ndarray) else []
    if towards == "torch":
        theirs.load_state_dict({key: to_torch(a) for key, a in ours.state_dict().items()})
    else:
        ours.load_state_dict(theirs.state_dict())
    equals_torch(
        flat(ours, concatenate, *ids), flat(theirs, torch.cat, *map(to_torch, ids)),
        [] if ids else [rng.standard_normal(data)],
    )  # fmt: skip
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for key, expected in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key], expected.numpy(), 1e-9, 1e-9)
    for (our_name, p), (their_name, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert our_name == their_name
        np.testing.assert_allclose(p.grad, q.grad.numpy(), 1e-9, 1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_torchs_outputs_and_gradients(name):
    ours, theirs, *shapes = FUNCTIONS[name]
    equals_torch(ours, theirs, [rng.standard_normal(shape) for shape in shapes])


def test_every_layer_and_every_function_of_torchs_name_is_in_the_tables():
    tested = {type(module).__name__ for row in MODULES.values() for module in row[0].modules()}
    everything = {**vars(nn), **vars(attention)}.items()
    public = {n for n, x in everything if isinstance(x, type) and issubclass(x, nn.Module) and x is not nn.Module}
    assert tested == public - {"SinusoidalPositions"}
    functions = {n for n in vars(F) if n[0] != "_" and callable(getattr(TF, n, None))}
    assert functions - {"Tensor", "dropout", "one_hot"} <= FUNCTIONS.keys()


def test_one_hot_is_torchs():
    np.testing.assert_array_equal(F.one_hot(LABELS, 4), TF.one_hot(to_torch(LABELS), 4).numpy())


def test_modules_print_as_torchs_do():
    for name in ("an MLP", "Linear without bias"):
        ours, theirs, _ = MODULES[name]
        without_options = repr(theirs).replace("approximate='none'", "")
        assert repr(ours) == without_options


def test_a_shared_layer_is_counted_once_but_stored_under_both_names():
    def tied(kit):
        layer = kit.Linear(3, 3)
        return kit.Sequential(layer, kit.Tanh(), layer)

    ours, theirs = in_float64(tied(nn)), tied(tnn).double()
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    everything = [n for n, _ in theirs.named_parameters(remove_duplicate=False)]
    assert [n for n, _ in ours.named_parameters(remove_duplicate=False)] == everything
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    equals_torch(ours, theirs, [rng.standard_normal((2, 3))])


# Optimisers ---------------------------------------------------------------------------------------------------------
OPTIMISERS = {
    "SGD": (optim.SGD, torch.optim.SGD, {}),
    "SGD momentum": (optim.SGD, torch.optim.SGD, {"momentum": 0.9}),
    "SGD nesterov": (optim.SGD, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "SGD decay": (optim.SGD, torch.optim.SGD, {"weight_decay": 0.1}),
    "SGD all": (optim.SGD, torch.optim.SGD, {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    "Adam": (optim.Adam, torch.optim.Adam, {}),
    "Adam betas": (optim.Adam, torch.optim.Adam, {"betas": (0.5, 0.9), "eps": 1e-3}),
    "Adam decay": (optim.Adam, torch.optim.Adam, {"weight_decay": 0.1}),
    "AdamW": (optim.AdamW, torch.optim.AdamW, {}),
    "AdamW decay": (optim.AdamW, torch.optim.AdamW, {"weight_decay": 0.2, "betas": (0.8, 0.99)}),
}


def starting_points():
    values = [np.random.default_rng(1).standard_normal(shape) for shape in [(3, 2), (4,), ()]]
    return [nn.Parameter(a.copy()) for a in values], [tnn.Parameter(to_torch(a)) for a in values]


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("lr", [0.1, None], ids=["lr=0.1", "lr by default"])
def test_an_optimiser_takes_torchs_twenty_steps(name, lr):
    ours, theirs, settings = OPTIMISERS[name]
    settings = settings if lr is None else {**settings, "lr": lr}
    mine, other = starting_points()
    a, b = ours(mine, **settings), theirs(other, **settings)
    for step in range(20):
        for i, (p, q) in enumerate(zip(mine, other, strict=True)):
            p.grad = np.random.default_rng([step, i]).standard_normal(p.shape)
            q.grad = to_torch(p.grad)
        if step == 10:  # schedules change the rate from outside
            a.lr /= 2
            b.param_groups[0]["lr"] /= 2
        a.step()
        b.step()
        for p, q in zip(mine, other, strict=True):
            np.testing.assert_allclose(p.data, q.detach().numpy(), 1e-12, 1e-12)


def test_every_optimiser_is_in_the_table():
    public = {x for x in vars(optim).values() if isinstance(x, type) and issubclass(x, optim.Optimizer)}
    assert {row[0] for row in OPTIMISERS.values()} == public - {optim.Optimizer}


@pytest.mark.parametrize("max_norm", [0.1, 1.0, 1e3])
def test_clipping_is_torchs(max_norm):
    mine, other = starting_points()
    for p, q in zip(mine[:2], other[:2], strict=True):  # the third has no gradient
        p.grad = weights_for(p.shape)
        q.grad = to_torch(p.grad)
    length = optim.clip_grad_norm_(mine, max_norm)
    assert np.isclose(length, tnn.utils.clip_grad_norm_(other, max_norm).item(), 1e-12)
    for p, q in zip(mine[:2], other[:2], strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), 1e-12)
    assert mine[2].grad is None


# Initialisation: other random numbers, the same distribution ---------------------------------------------------------
SCHEMES = {
    "normal_": {"mean": 0.5, "std": 0.2},
    "normal_ by default": {},
    "uniform_": {"a": -0.5, "b": 2.0},
    "uniform_ by default": {},
    "kaiming_normal_": {"nonlinearity": "relu"},
    "kaiming_uniform_": {"a": 5**0.5},
    "xavier_normal_": {"gain": 2.0},
    "xavier_uniform_": {},
}


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("shape", [(150, 600), (40, 50, 5, 5)], ids=["matrix", "kernels"])
def test_a_scheme_draws_from_torchs_distribution(name, shape):
    ours, theirs = Tensor(np.empty(shape)), torch.empty(shape)
    function = name.split()[0]
    assert getattr(init, function)(ours, **SCHEMES[name], rng=np.random.default_rng(0)) is ours
    getattr(tnn.init, function)(theirs, **SCHEMES[name], generator=torch.Generator().manual_seed(0))
    spread = ours.data.std()
    quantiles = np.linspace(0, 1, 21)[1:-1]
    difference = np.quantile(ours.data, quantiles) - np.quantile(theirs.numpy(), quantiles)
    assert np.abs(difference).max() < 0.03 * spread
    assert abs(spread / theirs.std().item() - 1) < 0.02
    assert abs(np.corrcoef(ours.data.ravel()[:-1], ours.data.ravel()[1:])[0, 1]) < 0.02


def test_a_linear_layer_starts_as_torchs_does():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ours, theirs = nn.Linear(400, 300, rng=np.random.default_rng(0)), tnn.Linear(400, 300)
    for p, q, tolerance in ((ours.weight, theirs.weight, 0.01), (ours.bias, theirs.bias, 0.1)):
        assert p.dtype == np.float32
        assert np.abs(p.data).max() <= 0.05
        assert abs(p.data.std() / q.std().item() - 1) < tolerance


@pytest.mark.parametrize("name, param", [("linear", 0), ("relu", 0), ("tanh", 0), ("sigmoid", 0), ("leaky_relu", 0.3)])
def test_gains_are_torchs(name, param):
    assert np.isclose(init.calculate_gain(name, param), tnn.init.calculate_gain(name, param))


def test_zeros_are_zeros():
    assert not init.zeros_(Tensor(np.ones(3))).data.any()
