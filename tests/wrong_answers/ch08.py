"""Typical wrong answers to the exercises of chapter 08, and what each must be told."""

from __future__ import annotations

import numpy as np

from minilib.check.ch08_counting import _kn, _pick
from minilib.check.ch08_memory import DISEASES, _sorted, _stream


def _parts(log_p, targets, lengths):
    bits = -np.take_along_axis(log_p, targets[..., None], 2)[..., 0] / np.log(2)
    return bits, np.arange(bits.shape[1]) <= lengths[:, None]


def in_nats(*batch):
    bits, real = _parts(*batch)
    return bits[real].mean() * np.log(2)


def with_padding(*batch):
    return _parts(*batch)[0].mean()


def over_all_places(*batch):
    bits, real = _parts(*batch)
    return (bits * real).mean()


def without_ends(log_p, targets, lengths):
    bits, _ = _parts(log_p, targets, lengths)
    return bits[np.arange(bits.shape[1]) < lengths[:, None]].mean()


def over_letters(log_p, targets, lengths):
    bits, real = _parts(log_p, targets, lengths)
    return bits[real].sum() / lengths.sum()


def mean_of_means(*batch):
    bits, real = _parts(*batch)
    return np.mean([row[mask].mean() for row, mask in zip(bits, real, strict=True)])


def negative_bits(*batch):
    bits, real = _parts(*batch)
    return -bits[real].mean()


def bits_of_a_name(*batch):
    bits, real = _parts(*batch)
    return bits[real].sum() / len(bits)


def table(fault):
    def wrong(pairs, V, d):
        return _kn(pairs, V, d, fault)

    return wrong


def across(pairs, V, d):
    return _kn(pairs, V, d).T


def divides_by_zero(pairs, V, d):
    found = _kn(pairs, V, d)
    found[~np.isin(np.arange(V), pairs[:, 0])] = np.nan
    return found


def _step(h, a, b, slope):
    z, n = 0.5 + 0.5 * np.tanh(a / 2), np.tanh(b)
    return z, n, [slope * z, slope * (h - n) * z * (1 - z), slope * (1 - z) * (1 - n**2)]


def other_order_of_slopes(*case):
    h, a, b = _step(*case)[2]
    return [a, b, h]


def forgets_the_gate(h, a, b, slope):
    z, _, found = _step(h, a, b, slope)
    return [slope * (1 - z), *found[1:]]


def no_sigmoid_slope(h, a, b, slope):
    _, n, found = _step(h, a, b, slope)
    return [found[0], slope * (h - n), found[2]]


def one_way_only(h, a, b, slope):
    z, _, found = _step(h, a, b, slope)
    return [found[0], slope * h * z * (1 - z), found[2]]


def slope_of_the_score(h, a, b, slope):
    z, _, found = _step(h, a, b, slope)
    return [*found[:2], slope * (1 - z) * (1 - b**2)]


def no_tanh_slope(h, a, b, slope):
    z, _, found = _step(h, a, b, slope)
    return [*found[:2], slope * (1 - z)]


def sign_of_the_gate(h, a, b, slope):
    found = _step(h, a, b, slope)[2]
    return [found[0], -found[1], found[2]]


def summed_over_batch(*case):
    return [x.sum(0) for x in _step(*case)[2]]


def _bias(log_f):
    return log_f - np.log(-np.expm1(log_f))


def gate_itself(steps, share):
    return share ** (1 / steps)


def one_step_only(steps, share):
    return np.log(share / (1 - share))


def share_divided(steps, share):
    return np.log(share / steps) - np.log1p(-share / steps)


def rule_of_thumb(steps, share):
    return np.log(steps)


def closed(steps, share):
    return -_bias(np.log(share) / steps)


def loses_digits(steps, share):
    f = (share ** (1 / steps)).astype(np.float32)
    with np.errstate(divide="ignore"):
        return np.log(f / (1 - f))


def stream(faults):
    def wrong(*case):
        return _stream(*case, faults=faults)

    return wrong


def broken_stream(x, W_x, W_h, b, size):
    return _stream(x, W_x, W_h, b, size, faults="tail forgets turned")


def last_state(*case):
    return _stream(*case)[-1]


def broken_order(W_x, W_h, b):
    return [_sorted(W_x, (0, 2, 1, 3)), W_h, b]


def biases_left(W_x, W_h, b):
    return [_sorted(W_x), _sorted(W_h), b]


def only_one_matrix(W_x, W_h, b):
    return [_sorted(W_x), W_h, b]


def other_way(*saved):
    return [_sorted(array, (0, 3, 1, 2)) for array in saved]


def row_by_row(*saved):
    return [array.reshape(-1, 4, *array.shape[1:])[:, [0, 2, 3, 1]].reshape(array.shape) for array in saved]


def as_saved(*saved):
    return list(saved)


def last_two(*saved):
    return [_sorted(array, (0, 2, 1, 3)) for array in saved]


def reading(**changed):
    def wrong():
        return DISEASES | changed

    return wrong


def lowest_loss(products):
    return _pick(products, False, False, False)


def never_mind_memory(products):
    return _pick(products, memory=False)


def never_mind_reach(products):
    return _pick(products, reach=False)


def never_mind_people(products):
    return _pick(products, demand=False)


def lstm_everywhere(products):
    return ["lstm"] * len(products)


def a_large_model(products):
    return ["gpt"] * len(products)


WRONG = {
    "08.bits_of_batch": [
        (in_nats, "divide by ln 2"),
        (with_padding, "padding was counted too"),
        (over_all_places, "divided by all B"),
        (without_ends, "the end of each name"),
        (over_letters, "added up but not counted"),
        (mean_of_means, "names' means"),
        (negative_bits, "sign is turned"),
        (bits_of_a_name, "bits for each name"),
    ],
    "08.kneser_ney": [
        (table("raw"), "how often a symbol came"),
        (table("lost"), "given to nobody"),
        (table("kept"), "must first be taken"),
        (table("uniform"), "same for all symbols"),
        (table("behind"), "what follows each symbol"),
        (table("one d"), "d times their number"),
        (table("below zero"), "fall"),
        (table("turned"), "wrong way round"),
        (across, "rows and columns"),
        (divides_by_zero, "no counts to divide by"),
    ],
    "08.one_step_back": [
        (other_order_of_slopes, "the order is h, a, b"),
        (forgets_the_gate, "factor is z, not 1 − z"),
        (no_sigmoid_slope, "the sigmoid's z (1 − z) as well"),
        (one_way_only, "z stands in h' twice"),
        (slope_of_the_score, "after the tanh, not before"),
        (no_tanh_slope, "the tanh's 1 − n² as well"),
        (sign_of_the_gate, "the sign is turned"),
        (summed_over_batch, "nothing is added up"),
    ],
    "08.opening": [
        (gate_itself, "that is the gate itself"),
        (one_step_only, "after one step"),
        (share_divided, "divided by the steps"),
        (rule_of_thumb, "rule of thumb"),
        (closed, "the sign is turned"),
        (loses_digits, "lost its digits"),
    ],
    "08.mend_stream": [
        (broken_stream, "all three faults"),
        (stream("forgets"), "starts from zero"),
        (stream("tail"), "fewer states came out"),
        (stream("turned"), "transposed"),
        (stream("forgets turned"), "two faults"),
        (last_state, "fewer states came out"),
    ],
    "08.other_order": [
        (broken_order, "the other two are as saved"),
        (biases_left, "the biases belong"),
        (only_one_matrix, "W_h has the same rows"),
        (other_way, "the other way"),
        (row_by_row, "a block of H rows"),
        (as_saved, "nothing has moved"),
        (last_two, "last two blocks"),
    ],
    "08.read_memories": [
        (reading(E="vanishes"), "length to which its gradients are cut"),
        (reading(D="vanishes"), "the memory works"),
        (reading(D="healthy"), "on new sequences it guesses"),
        (reading(A="clipped to a standstill"), "20-fold"),
        (reading(C="vanishes"), "no number"),
    ],
    "08.pick_memory": [
        (lowest_loss, "three conditions come first"),
        (never_mind_memory, "does not fit"),
        (never_mind_reach, "look back far enough"),
        (never_mind_people, "to be forgotten the same day"),
        (lstm_everywhere, "one model for all"),
        (a_large_model, "is no candidate"),
    ],
}
