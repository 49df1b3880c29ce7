"""Exercises of chapter 12 on plans: ragged parts, the largest batch that fits, four profiles, three offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.ch12_speed import explained
from minilib.check.spec import Inputs, Problem, close, exercise, once


# 3. Ragged parts -----------------------------------------------------------------------------------------------------
def _parts_cases(rng: np.random.Generator) -> list[Inputs]:
    def parts(*sizes: int) -> tuple[list[Any], Any]:
        return [(rng.standard_normal((n, 3)), rng.standard_normal(n)) for n in sizes], rng.standard_normal(3)

    return [parts(4, 4, 4), parts(8, 8, 2), parts(5), parts(1, 7, 3, 2)]


def _parts(parts: list[Any], w: Any, fault: str = "") -> Any:
    slopes = [2 * x.T @ (x @ w - y) for x, y in parts]  # of the sum over rows
    rows = [len(y) for _, y in parts]
    if fault == "mean of means":
        return np.mean([slope / n for slope, n in zip(slopes, rows, strict=True)], axis=0)
    if fault == "sum of means":
        return np.sum([slope / n for slope, n in zip(slopes, rows, strict=True)], axis=0)
    if fault == "last":
        return slopes[-1] / rows[-1]
    if fault == "twice":
        return np.sum([slope / n for slope, n in zip(slopes, rows, strict=True)], axis=0) / sum(rows)
    share = {"rows of the last": rows[-1], "rows of the first": rows[0], "sum": 1}.get(fault, sum(rows))
    return np.sum(slopes, axis=0) / share


@exercise("12.parts", "Ragged parts", _parts_cases)
def _parts_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "mean of means": "every part has the same say, also a short one: weigh each by its share of all rows",
        "sum of means": "the parts' means are added up: weigh each by its share of all rows",
        "last": "only the last part is left: add the parts up",
        "twice": "divided twice: by the rows of the part, and again by all rows",
        "rows of the last": "divided by the rows of the last part, not by all rows",
        "rows of the first": "divided by the rows of the first part, not by all rows",
        "sum": "that is the slope of the sum over rows; the mean is asked for",
    }
    yield from explained(_parts, inputs, outputs, told, "the same gradient as that of all rows in one batch")


# 5. The largest batch that fits --------------------------------------------------------------------------------------
def _fits_cases(rng: np.random.Generator) -> list[Inputs]:
    return [
        (10e9, 350e6, "adam", False, 300e6),
        (10e9, 350e6, "adam", True, 170e6),
        (10e9, 350e6, "momentum", False, 300e6),
        (10e9, 350e6, "sgd", False, 300e6),
        (5e9, 350e6, "adam", False, 300e6),
        (float(rng.uniform(60e9, 90e9)), 1.3e9, "adam", True, 1.1e9),
        (float(rng.uniform(60e9, 90e9)), 1.3e9, "sgd", True, 1.1e9),
    ]


def _fits(memory: float, weights: float, optimizer: str, mixed: bool, window: float, fault: str = "") -> int:
    running = {"adam": 2, "momentum": 1, "sgd": 0}[optimizer]
    if fault == "one mean":
        running = min(running, 1)
    if fault == "always Adam":
        running = 2
    own = 8  # weights and gradients: 4 + 4, or in mixed precision 2 + 2, and 4 for the weights of the optimiser
    if fault == "no master" and mixed:
        own = 4
    if fault == "no gradients":
        own -= 2 if mixed else 4
    state = 2 * running if fault == "half states" and mixed else 4 * running
    left = memory - weights * (own + state)
    if fault == "only activations":
        left = memory
    if fault == "negative":
        return int(np.floor(left / window))
    count = np.ceil if fault == "up" else np.floor
    return int(max(0, count(left / window)))


@exercise("12.fits", "The largest batch that fits", _fits_cases)
def _fits_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "one mean": "Adam keeps two running means of each weight, not one",
        "always Adam": "momentum keeps one running mean of each weight, plain descent none",
        "no master": "in mixed precision the weights exist twice: in 16 bits, and in 32 for the optimiser",
        "no gradients": "the gradients were forgotten: one for each weight, in the precision of the products",
        "half states": "the optimiser's running means stay in 32 bits",
        "only activations": "weights, gradients and the optimiser's means take their part before the first window",
        "negative": "if not even the weights fit, the answer is 0",
        "up": "round down: the last window does not fit as a whole",
    }
    yield from explained(_fits, inputs, outputs, told, "what is left of the memory, divided by the bytes of a window")


# 6. Four profiles ----------------------------------------------------------------------------------------------------
PATIENTS = {"A": "crumbs", "B": "copies", "C": "healthy", "D": "starved"}


@exercise("12.profiles", "Four profiles", once, letters="ABCD")
def _profiles_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    got = outputs[0]
    if not isinstance(got, dict) or set(map(str, got)) != set(PATIENTS):
        yield Problem(0, "a dictionary with A to D", f"give a finding for each of {', '.join(PATIENTS)}")
        return
    strange = [str(x) for x in got.values() if x not in PATIENTS.values()]
    wrong = [name for name in PATIENTS if got[name] != PATIENTS[name]]
    clues = {
        "A": "A: products have the largest share, as they should; but how often is each called in 10 steps?",
        "B": "B: do not look at total, where 'forward' is charged for all that it calls. Whose own time is it?",
        "C": "C: which operations have most of their own time, and how many calls are that a step?",
        "D": "D: two thirds of the total go into a part before the network. Which, and with how many small calls?",
    }
    if strange:
        yield Problem(0, "the four findings", f"{strange[0]!r} is not among {', '.join(sorted(PATIENTS.values()))}")
    elif wrong:
        yield Problem(0, "another finding", clues[wrong[0]])


# 8. Three offers -----------------------------------------------------------------------------------------------------
def _offer_cases(rng: np.random.Generator) -> list[Inputs]:
    small = {"one": (1, 300.0, 0.35, 2.0), "eight": (8, 300.0, 0.25, 2.0), "old": (16, 60.0, 0.45, 0.3)}
    price = float(rng.uniform(1, 2))
    return [
        (1e9, 2e10, small, 400.0),
        (1e9, 2e10, small, 100.0),
        (1e9, 2e10, small, 60.0),
        (1e9, 2e10, small, 10.0),
        (3e8, 6e9, {"a": (1, 900.0, 0.2, 4.0), "b": (2, 150.0, 0.5, price), "c": (4, 300.0, 0.1, 1.0)}, 200.0),
    ]


def _offer(weights: float, tokens: float, offers: dict[str, Any], within: float, fault: str = "") -> tuple[str, float]:
    bills, took = {}, {}
    for name, (devices, peak, share, price) in offers.items():
        speed = devices * peak * 1e12 * (1 if fault == "peak" else share)
        if fault == "one device":
            speed /= devices
        hours = (2 if fault == "forward" else 6) * weights * tokens / speed / 3600
        if hours <= within or fault == "late":
            took[name] = hours
            bills[name] = hours * price * (1 if fault in ("one price", "one device") else devices)
            if fault == "by the hour":
                bills[name] = hours * price * devices + 1e9 * price * devices
    if not bills:
        return "none", 0.0
    ranked = took if fault == "fastest" else bills
    best = min(ranked, key=ranked.__getitem__)
    if fault == "by the hour":
        return best, _cost(weights, tokens, offers[best])
    return best, bills[best]


def _cost(weights: float, tokens: float, offer: Any) -> float:
    devices, peak, share, price = offer
    return 6 * weights * tokens / (devices * peak * 1e12 * share) / 3600 * devices * price


@exercise("12.offer", "Three offers", _offer_cases)
def _offer_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "peak": "that takes the peak for the speed: multiply by the utilisation",
        "forward": "that is the way forward alone: 6 operations a weight and token, not 2",
        "one price": "the price is that of one device an hour: an offer of eight costs eight times as much",
        "one device": "the devices of an offer work at the same time: they are faster together, and all are paid",
        "late": "that offer is not done in time",
        "fastest": "the fastest is not the cheapest: compare what each run costs",
        "by the hour": "the lowest price an hour is not the lowest bill: a slow machine is paid for longer",
    }
    cases = list(zip(inputs, outputs, strict=True))
    compute: Callable[..., tuple[str, float]] = _offer

    def like(fault: str, case: Inputs, got: Any) -> bool:
        name, cost = compute(*case, fault)
        return str(got[0]) == name and close(got[1], cost)

    for i, (case, got) in enumerate(cases):
        name, cost = compute(*case)
        if not isinstance(got, list | tuple) or len(got) != 2:
            yield Problem(i, (name, cost), "give back two things: the name of the offer and what the run costs")
            continue
        if str(got[0]) == name and close(got[1], cost):
            continue
        hints = [(all(like(fault, *pair) for pair in cases), hint) for fault, hint in told.items()]
        hints.append((name == "none", "no offer is done in time: give back ('none', 0.0)"))
        hints.append((close(got[1], cost), "the cost is right, the name is not"))
        general = "hours = 6 · N · T / (devices · peak · utilisation · 3600); cost = hours · devices · price"
        yield Problem(i, (name, cost), first_hint(hints, general))
