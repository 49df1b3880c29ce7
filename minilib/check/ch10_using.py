"""Exercises of chapter 10 about a Transformer at work: a cache, sampling, curves, and whether to use one at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minilib.check.spec import Inputs, Problem, close, exercise, once

Array = np.ndarray


def _softmax(z: Array, axis: int = -1) -> Array:
    powers = np.exp(z - z.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


# 10.next -------------------------------------------------------------------------------------------------------------
def _next_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = []
    # small ones first: a mistake shows there in a few lines
    for batch, heads, width, kept in ((1, 1, 4, 2), (2, 1, 3, 1), (1, 2, 3, 1), (1, 1, 2, 0), (2, 3, 4, 5)):
        new = [rng.standard_normal((batch, heads, width)) for _ in range(3)]
        cases.append((*new, *(rng.standard_normal((batch, heads, kept, width)) for _ in range(2))))
    return cases


def _next(
    q: Array, k: Array, v: Array, keys: Array, values: Array, *, itself: bool = True, scale: str = "head",
    first: bool = False, crossed: bool = False, softmax: int | None = -1,
) -> tuple[Array, Array, Array]:  # fmt: skip
    old = keys, values
    new = [np.concatenate([a[:, :, None], b] if first else [b, a[:, :, None]], 2) for a, b in ((k, keys), (v, values))]
    seen_keys, seen_values = (new if itself else old)[:: -1 if crossed else 1]
    (_, heads, width), tokens = q.shape, seen_keys.shape[2]
    size = {"head": width, "none": 1, "tokens": max(1, tokens), "whole": heads * width}[scale]
    scores = np.einsum("bhk,bhtk->bht", q, seen_keys) / math.sqrt(size)
    if tokens == 0:
        return np.zeros_like(q), new[0], new[1]
    shares = scores if softmax is None else _softmax(scores, softmax)
    return np.einsum("bht,bhtk->bhk", shares, seen_values), new[0], new[1]


@exercise("10.next", "One step with a cache", _next_cases)
def _next_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    def near(got: Any, expected: Array) -> bool:
        return close(got, expected, rtol=1e-5, atol=1e-6)  # an answer may be computed in float32

    def fits(i: int, part: int, **how: Any) -> bool:
        return near(outputs[i][part], _next(*inputs[i], **how)[part])

    cases = range(len(inputs))
    wrong: dict[str, dict[str, Any]] = {
        "the new token does not look at itself: append first, then attend": {"itself": False},
        "the scores are not divided by √K": {"scale": "none"},
        "the scores are divided by the root of the number of tokens: it is √K, the width of a head": {
            "scale": "tokens"
        },
        "the scores are divided by √(H · K): it is √K, the width of a head": {"scale": "whole"},
        "the softmax goes over the heads: the shares of the tokens sum to 1 for each head, axis=-1": {"softmax": 1},
        "the softmax goes over the texts: the shares of the tokens sum to 1 for each text, axis=-1": {"softmax": 0},
        "the softmax is missing: scores become shares that sum to 1": {"softmax": None},
        "keys and values are swapped: the query meets the keys, the shares weigh the values": {"crossed": True},
    }
    right = [_next(*case) for case in inputs]
    for i in cases:
        if not isinstance(outputs[i], list | tuple) or len(outputs[i]) != 3:
            yield Problem(i, right[i], "give back what was found, and the longer keys and values: three arrays")
            return
    for hint, how in wrong.items():
        if all(fits(i, 0, **how) for i in cases if inputs[i][3].shape[2]) and not all(fits(i, 0) for i in cases):
            at = next(i for i in cases if not fits(i, 0))
            yield Problem(at, right[at], hint)
    if all(np.ndim(outputs[i][0]) == 4 and near(outputs[i][0], right[i][0][:, :, None]) for i in cases):
        yield Problem(0, right[0], "the shape (B, H, 1, K) has an axis too many: one new token finds (B, H, K)")
    if all(fits(i, 1, first=True) for i in cases) and not all(fits(i, 1) for i in cases):
        yield Problem(
            0, right[0], "the new key stands first: the cache is in the order of the text, append it at the end"
        )
    if all(near(outputs[i][1], inputs[i][3]) for i in cases):
        yield Problem(0, right[0], "the cache has not grown: give back the keys and values with the new ones appended")
    if all(near(outputs[i][1], right[i][2]) and near(outputs[i][2], right[i][1]) for i in cases):
        yield Problem(0, right[0], "the longer keys and values come back in the wrong order: first the keys")
    for i in cases:
        for part, name in ((1, "the keys"), (2, "the values")):
            if not fits(i, part):
                yield Problem(i, right[i], f"{name}: append k and v on the axis of the tokens, the third")
    for i in cases:
        if not fits(i, 0):
            hint = (
                "the cache is right; look at the softmax (axis −1, over the tokens), at √K, and at the shape (B, H, K)"
            )
            yield Problem(i, right[i], hint)


# 10.nucleus ----------------------------------------------------------------------------------------------------------
def _nucleus_cases(rng: np.random.Generator) -> list[Inputs]:
    cases: list[Inputs] = [(np.log([0.5, 0.3, 0.15, 0.05]), 1.0, 0.6), (np.log([0.1, 0.2, 0.3, 0.4]), 1.0, 1.0)]
    cases.append((np.log([0.5, 0.3, 0.15, 0.05]), 2.0, 0.75))  # at 1 two would do, at 2 it takes three
    for temperature, p in ((0.7, 0.9), (1.8, 0.5), (1.0, 0.05)):
        cases.append((2 * rng.standard_normal(9), temperature, p))
    return cases


def _nucleus(
    logits: Array, temperature: float, p: float, *, again: bool = True, crossing: bool = True, late: bool = False,
    sort: bool = False,
) -> Array:  # fmt: skip
    chances = _softmax(logits if late else logits / temperature)
    order = np.argsort(-chances)
    total = np.cumsum(chances[order])
    kept = order[(total - chances[order] < p - 1e-12) if crossing else (total <= p + 1e-12)]
    result = np.zeros_like(chances)
    result[kept] = (_softmax(logits / temperature) if late else chances)[kept]
    if again and result.sum():
        result /= result.sum()
    return result[order] if sort else result


@exercise("10.nucleus", "Keep the nucleus", _nucleus_cases)
def _nucleus_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    wrong: dict[str, dict[str, Any]] = {
        "the chances that are left must sum to 1 again": {"again": False},
        "the character that carries the sum across p belongs to the nucleus: it is the smallest set with p or more": {
            "crossing": False,
        },
        "the temperature comes first: it changes which characters make up p": {"late": True},
        "chance number i belongs to character number i: bring them back from the sorted order": {"sort": True},
    }  # fmt: skip
    for hint, how in wrong.items():
        fits = all(close(got, _nucleus(*case, **how)) for case, got in zip(inputs, outputs, strict=True))
        differs = [i for i, case in enumerate(inputs) if not close(_nucleus(*case, **how), _nucleus(*case))]
        if fits and differs:
            yield Problem(differs[0], _nucleus(*inputs[differs[0]]), hint)
    for i, (case, got) in enumerate(zip(inputs, outputs, strict=True)):
        if not close(got, _nucleus(*case)):
            hint = "softmax(logits / temperature), keep the likeliest until they sum to p, set the others to 0, divide"
            yield Problem(i, _nucleus(*case), hint)


# 10.curves -----------------------------------------------------------------------------------------------------------
CURVES = {
    "A": "frequencies only", "B": "sees the answer", "C": "healthy", "D": "one character back", "E": "exploded",
    "F": "nothing arrives",
}  # fmt: skip
CURVE_HINTS = {
    "A": "3.29 is what the table of frequencies costs: this network does not even use the character before",
    "B": "0.04 nats on text that it has never seen: nobody can foretell English like that, so where is the mask?",
    "C": "below the table of pairs, still falling, and on held-out text: nothing is wrong here",
    "D": "2.50 is what the table of pairs costs, and there it stays: what lies further back does not arrive",
    "E": "the loss rises, and then it is no number any more",
    "F": "4.43 = ln 84, from the first step to the last: not even the frequencies are learnt",
}


@exercise("10.curves", "Read the curve", once, letters="ABCDEF")
def _curves(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    (got,) = outputs
    for name in CURVES:
        if got.get(name) not in set(CURVES.values()):
            yield Problem(
                0, "one of: " + ", ".join(sorted(CURVES.values())), f"run {name} has no diagnosis from the list"
            )
            return
    wrong = ", ".join(name for name, right in CURVES.items() if got[name] != right)
    expected = f"another diagnosis for {wrong}"
    if got["A"] == "healthy":
        yield Problem(0, expected, "a flat curve has not converged to anything good: compare 3.29 with the tables")
    if got["B"] == "healthy":
        yield Problem(0, expected, "a loss that is too good is an alarm: " + CURVE_HINTS["B"])
    for name, right in CURVES.items():
        if got[name] != right:
            yield Problem(0, expected, CURVE_HINTS[name])


# 10.choose -----------------------------------------------------------------------------------------------------------
def _models(rng: np.random.Generator) -> list[dict[str, Any]]:
    def gpt(name: str, layers: int, width: int, context: int, loss: float) -> dict[str, Any]:
        weights = 12 * layers * width**2 + (200 + context) * width
        sizes = {"weights": weights, "layers": layers, "width": width, "context": context}
        return {"name": name, "kind": "gpt", "loss": loss, "recall": 1.0, **sizes}

    def plain(name: str, kind: str, weights: int, width: int, loss: float) -> dict[str, Any]:
        sizes = {"weights": weights, "layers": 1, "width": width, "context": 0}
        return {"name": name, "kind": kind, "loss": loss, "recall": 0.17, **sizes}

    models = [
        plain("ash", "table", 900_000, 0, 1.95), plain("birch", "lstm", 150_000, 128, 1.68),
        gpt("elm", 2, 64, 64, 1.75), gpt("fir", 4, 128, 256, 1.55), gpt("larch", 4, 160, 64, 1.56),
        gpt("oak", 3, 128, 1024, 1.57),
    ]  # fmt: skip
    names = rng.permutation([m["name"] for m in models]).tolist()
    return [{**models[i], "name": name} for i, name in zip(rng.permutation(len(models)), names, strict=True)]


def _choose_cases(rng: np.random.Generator) -> list[Inputs]:
    needs = [
        {"loss": 2.0, "recall": 0.0, "users": 1}, {"loss": 1.7, "recall": 0.0, "users": 50},
        {"loss": 1.8, "recall": 0.9, "users": 1}, {"loss": 1.6, "recall": 0.9, "users": 3},
        {"loss": 1.6, "recall": 0.9, "users": 1}, {"loss": 2.0, "recall": 0.0, "users": 5000},
        {"loss": 1.3, "recall": 0.0, "users": 1}, {"loss": 1.7, "recall": 0.9, "users": 20},
        # these need what a model reaches exactly, and the last tells a forgotten layer from a forgotten value
        {"loss": 1.55, "recall": 0.9, "users": 2}, {"loss": 1.8, "recall": 1.0, "users": 2},
        {"loss": 1.6, "recall": 0.9, "users": 6},
    ]  # fmt: skip
    return [(need, _models(rng)) for need in needs]


def _choose(
    need: dict[str, Any], models: list[dict[str, Any]], *, users: bool = True, state: bool = True, loss: str = "≤",
    recall: str = "≥", best: bool = False, gpt: str = "2 layers context", lstm: int = 2,
) -> str:  # fmt: skip
    def cost(m: dict[str, Any]) -> float:
        kept = {"lstm": lstm * m["layers"] * m["width"], "table": 0, "gpt": m["width"]}[m["kind"]]
        for part in gpt.split() if m["kind"] == "gpt" else ():
            kept *= 2 if part == "2" else m[part]
        return 4 * (m["weights"] + state * kept * (need["users"] if users else 1))

    def enough(m: dict[str, Any]) -> bool:
        more = {"≥": m["recall"] >= need["recall"], ">": m["recall"] > need["recall"]}
        less = {"≤": m["loss"] <= need["loss"], "<": m["loss"] < need["loss"]}
        return bool(less.get(loss, True) and more.get(recall, True))

    fits = [m for m in models if enough(m)]
    return min(fits, key=lambda m: m["loss"] if best else cost(m))["name"] if fits else "none"


@exercise("10.choose", "Which model?", _choose_cases)
def _choose_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    answers, right = [str(got) for got in outputs], [_choose(*case) for case in inputs]
    wrong: dict[str, dict[str, Any]] = {
        "the best loss is not asked for: among those that are good enough, the one with the fewest bytes": {
            "best": True
        },
        "the cache is missing: every user has one": {"state": False},
        "every user has a cache, and all share the weights: multiply the cache, and it alone, by the users": {
            "users": False
        },
        "one of the models cannot look up: mind the recall that is needed": {"recall": "any"},
        "the loss is not looked at: some models are not good enough for the text": {"loss": "any"},
        "“at most” includes equal: a model with just the loss that is needed is good enough": {"loss": "<"},
        "“at least” includes equal: a model with just the recall that is needed is good enough": {"recall": ">"},
        "“at most” and “at least” include equal: what is needed and no more is good enough": {
            "loss": "<", "recall": ">",
        },
        "keys and values are kept, and the LSTM's h and c: two numbers each": {"gpt": "layers context", "lstm": 1},
        "a GPT keeps a key and a value: two numbers where you count one": {"gpt": "layers context"},
        "an LSTM keeps h and c: two numbers where you count one": {"lstm": 1},
        "a GPT keeps its keys and values at each place of the context": {"gpt": "2 layers"},
        "a GPT keeps keys and values in each of its layers": {"gpt": "2 context"},
    }  # fmt: skip
    for hint, how in wrong.items():
        given = [_choose(*case, **how) for case in inputs]
        if answers == given and given != right:
            at = next(i for i, (a, b) in enumerate(zip(given, right, strict=True)) if a != b)
            yield Problem(at, right[at], hint)
    if len(set(answers)) == 1:
        at = next(i for i, name in enumerate(right) if name != answers[0])
        yield Problem(at, right[at], "one model for every product: let the need decide")
    for i, (got, name) in enumerate(zip(answers, right, strict=True)):
        if name == "none" and got != name:
            yield Problem(i, name, 'if no model is good enough, the answer is "none"')
        if got != name:
            yield Problem(i, name, "of those good enough, the fewest bytes: weights + users · numbers kept a user")
