"""What the gradient tests draw for the operations of networks: (arrays, our function of them, torch's)."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st

from minilib.scratch import functional as F
from minilib.scratch import recurrent
from tests.compare import to_torch
from tests.strategies import arrays, seeds

TF = torch.nn.functional
few = st.integers(1, 3)


# Pictures -----------------------------------------------------------------------------------------------------------
@st.composite
def conv2d(draw):
    kernel = draw(few), draw(few)
    stride, padding = draw(few), draw(st.integers(0, 2))
    sides = [max(1, k - 2 * padding) + draw(st.integers(0, 3)) for k in kernel]
    batch, channels, out = draw(st.integers(0, 2)), draw(few), draw(few)
    inputs = [draw(arrays((batch, channels, *sides))), draw(arrays((out, channels, *kernel))), draw(arrays((out,)))]
    options = {"stride": stride, "padding": padding}
    return (
        inputs[: draw(st.integers(2, 3))],
        lambda *xs: F.conv2d(*xs, **options),
        lambda *ts: TF.conv2d(*ts, **options),
    )


def pooling(ours, theirs):
    @st.composite
    def strategy(draw):
        size, stride = draw(few), draw(st.sampled_from([None, 1, 2, 3]))
        x = draw(arrays((draw(st.integers(0, 2)), draw(few), size + draw(few) - 1, size + draw(few) - 1)))
        return [x], lambda a: ours(a, kernel_size=size, stride=stride), lambda t: theirs(t, size, stride)

    return strategy()


# Text and normalisation ---------------------------------------------------------------------------------------------
@st.composite
def embedding(draw):
    rows, shape = draw(few), tuple(draw(st.lists(st.integers(0, 4), max_size=2)))
    ids = np.random.default_rng(draw(seeds)).integers(0, rows, shape)
    return [draw(arrays((rows, draw(few))))], lambda w: F.embedding(ids, w), lambda w: TF.embedding(to_torch(ids), w)


@st.composite
def normalise(draw):
    """Layer norm over one or two axes, batch norm over pictures, by the one rule of both."""
    if draw(st.booleans()):
        width = tuple(draw(st.lists(st.integers(2, 4), min_size=1, max_size=2)))
        inputs = [draw(arrays((*draw(st.lists(st.integers(0, 3), max_size=2)), *width)))]
        inputs += [draw(arrays(width)), draw(arrays(width))]
        return inputs, lambda x, w, b: F.layer_norm(x, width, w, b), lambda x, w, b: TF.layer_norm(x, width, w, b)
    channels, rest = draw(few), draw(st.sampled_from([(), (2,), (2, 3)]))
    inputs = [
        draw(arrays((draw(st.integers(2, 4)), channels, *rest))),
        draw(arrays((channels,))),
        draw(arrays((channels,))),
    ]
    running = np.zeros(channels), np.ones(channels)
    return (
        inputs,
        lambda x, w, b: F.batch_norm(x, *map(F.Tensor, running), w, b, training=True),
        lambda x, w, b: TF.batch_norm(x, *map(to_torch, running), w, b, training=True),
    )


@st.composite
def rms_norm(draw):
    width = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=2)))
    inputs = [draw(arrays((*draw(st.lists(st.integers(0, 3), max_size=2)), *width), 0.1, 2.0)), draw(arrays(width))]
    return inputs, lambda x, w: F.rms_norm(x, width, w, 1e-5), lambda x, w: TF.rms_norm(x, width, w, 1e-5)


# Attention ----------------------------------------------------------------------------------------------------------
@st.composite
def attention(draw):
    queries, keys, width, values = draw(st.integers(0, 3)), draw(few), draw(few), draw(few)
    batch_q, batch_k = draw(st.sampled_from([((), ()), ((2,), (2,)), ((2, 3), (2, 1)), ((0,), (0,))]))
    shapes = [(*batch_q, queries, width), (*batch_k, keys, width), (*batch_k, keys, values)]
    inputs = [draw(arrays(shape)) for shape in shapes]
    learnt = queries and 0 not in batch_q  # an empty batch leaves torch's mask without a gradient
    kind = draw(st.sampled_from(["none", "causal", "boolean", "numbers" if learnt else "none"]))
    if kind == "numbers":
        inputs.append(draw(arrays(draw(st.sampled_from([(keys,), (queries, keys), (1, 1)])))))
    scale = draw(st.sampled_from([None, 0.3]))
    look = np.random.default_rng(draw(seeds)).random((queries, keys)) < 0.7  # some rows look nowhere
    options = {"causal": {"is_causal": True}, "boolean": {"attn_mask": look}}.get(kind, {})
    theirs = {"causal": {"is_causal": True}, "boolean": {"attn_mask": to_torch(look)}}.get(kind, {})
    return (
        inputs,
        lambda *xs: F.scaled_dot_product_attention(*xs, scale=scale, **options),
        lambda *ts: TF.scaled_dot_product_attention(*_broadcast(*ts), scale=scale, **theirs),
    )


def _broadcast(q, k, v, *mask):
    """torch wants the same batch axes everywhere."""
    batch = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2])
    return *(t.expand(*batch, *t.shape[-2:]) for t in (q, k, v)), *(m.expand(q.shape[-2], -1) for m in mask)


@st.composite
def self_attention(draw):
    packed = draw(arrays((draw(st.integers(0, 2)), draw(few), 3, draw(few), draw(few))))
    mask = draw(st.sampled_from([None, np.where(np.tri(packed.shape[1]) == 1, 0, -np.inf)]))

    def theirs(t):
        q, k, v = t.permute(2, 0, 3, 1, 4)
        added = None if mask is None else to_torch(mask).to(t.dtype)
        return TF.scaled_dot_product_attention(q, k, v, added).transpose(1, 2)

    return [packed], lambda x: F._self_attention(x, mask), theirs


# Sequences ----------------------------------------------------------------------------------------------------------
def recurrence(name, gates, states, cell):
    """One of our rules against a loop of torch's cells."""

    def theirs(x, weight_ih, weight_hh, bias_ih, bias_hh, *start):
        state, seen = start if states > 1 else start[0], []
        for row in x:
            state = cell(row, state, weight_ih, weight_hh, bias_ih, bias_hh)
            seen.append(state[0] if states > 1 else state)
        return torch.stack([*seen, state[1]] if states > 1 else seen)

    @st.composite
    def strategy(draw):
        steps, batch, width, hidden = draw(few), draw(st.integers(0, 3)), draw(few), draw(few)
        rows = gates * hidden
        shapes = [(steps, batch, width), (rows, width), (rows, hidden), (rows,), (rows,), *[(batch, hidden)] * states]
        return [draw(arrays(shape)) for shape in shapes], getattr(recurrent, name), theirs

    return strategy()


CASES = {
    "conv2d": conv2d(),
    "max_pool2d": pooling(F.max_pool2d, TF.max_pool2d),
    "avg_pool2d": pooling(F.avg_pool2d, TF.avg_pool2d),
    "_embedding": embedding(),
    "normalise": normalise(),
    "rms_norm": rms_norm(),
    "attention": attention(),
    "self_attention": self_attention(),
    "_rnn": recurrence("_rnn", 1, 1, torch.rnn_tanh_cell),
    "_gru": recurrence("_gru", 3, 1, torch.gru_cell),
    "_lstm": recurrence("_lstm", 4, 2, torch.lstm_cell),
}
