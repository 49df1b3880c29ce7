"""Exercises of chapter 13 on prices: bits from batches, the cheaper offer, a vocabulary read, a fair race."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from minilib.check.ch02_gradient_descent import first_hint
from minilib.check.spec import Inputs, Problem, close, exercise, once


# 4. Bits, from batches -----------------------------------------------------------------------------------------------
def _bits_cases(rng: np.random.Generator) -> list[Inputs]:
    drawn = [(float(loss), int(n)) for loss, n in zip(rng.uniform(2, 5, 4), rng.integers(20, 400, 4), strict=True)]
    return [
        ([(2.0, 100), (4.0, 20)], "房间很大，床也不错。" * 6),
        ([(3.0, 64), (3.5, 64), (5.0, 8)], "Was für ein schönes Café! " * 9),
        (drawn, "价格便宜 good value " * 40),
    ]


def _bits(batches: list[tuple[float, int]], text: str, mean: bool, base: str, characters: bool) -> float:
    losses, sizes = np.array([loss for loss, _ in batches]), np.array([n for _, n in batches])
    total = losses.mean() * sizes.sum() if mean else (losses * sizes).sum()
    unit = {"bits": np.log(2), "nats": 1.0, "digits": np.log(10)}[base]
    return float(total / unit / (len(text) if characters else len(text.encode())))


@exercise("13.bits", "Bits, from batches", _bits_cases)
def _bits_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "mean": "a batch of few tokens must not count as much as one of many: loss times tokens, summed",
        "nats": "that is in nats: divide by ln 2",
        "digits": "divide by ln 2, not by ln 10",
        "characters": "divide by the bytes of the text, not by its characters",
    }
    for i, ((batches, text), got) in enumerate(zip(inputs, outputs, strict=True)):
        right = _bits(batches, text, False, "bits", False)
        if close(got, right):
            continue
        hint = "add up the surprise of all tokens in nats, divide by ln 2 and by the number of bytes in UTF-8"
        for mean, base, characters in product((False, True), ("bits", "nats", "digits"), (False, True)):
            if close(got, _bits(batches, text, mean, base, characters)):
                faults = ["mean"] * mean + [base] * (base != "bits") + ["characters"] * characters
                hint = "; ".join(told[fault] for fault in faults)
                break
        sizes = [n for _, n in batches]
        if close(got, right * len(text.encode()) / sum(sizes)):
            hint = "that is bits per token; two tokenisers cut into different numbers of tokens, so divide by bytes"
        yield Problem(i, right, hint)


# 6. The bill for two markets -----------------------------------------------------------------------------------------
def _bill_cases(rng: np.random.Generator) -> list[Inputs]:
    markets = [("English", 2000, 300, 600), ("Chinese", 5000, 80, 200)]
    plain, mixed = {"English": 0.25, "Chinese": 1.4}, {"English": 0.28, "Chinese": 0.7}
    small = {"plain": (plain, 1.0, 4.0), "mixed": (mixed, 1.5, 5.0)}
    drawn = [("English", int(rng.integers(100, 900)), 400, 100), ("Chinese", int(rng.integers(100, 900)), 90, 1000)]
    return [
        (markets, small),
        (markets[:1], small),
        ([("Chinese", 900, 2000, 20)], {"a": ({"Chinese": 1.0}, 1.0, 9.0), "b": ({"Chinese": 0.9}, 2.0, 2.0)}),
        (drawn, {"x": (mixed, 2.0, 6.0), "y": (plain, 1.0, 6.0)}),
    ]


def _bill(markets: list[Any], offers: dict[str, Any], fault: str = "") -> tuple[str, float]:
    bills = {}
    for name, (rates, price_in, price_out) in offers.items():
        total = 0.0
        for language, questions, asked, answered in markets:
            rate = 1.0 if fault == "characters" else rates[language]
            if fault == "one rate":
                rate = float(np.mean(list(rates.values())))
            if fault == "turned":
                rate = 1 / rate
            paid = asked * price_in + (0 if fault == "answers" else answered * price_out)
            if fault == "one price":
                paid = (asked + answered) * price_in
            total += questions * rate * paid
        days = 1 if fault == "day" else 30
        bills[name] = days * total / (1e3 if fault == "thousand" else 1e6)
    pick = max if fault == "dearer" else min
    best = pick(bills, key=bills.__getitem__)
    return best, bills[best]


@exercise("13.bill", "The bill for two markets", _bill_cases)
def _bill_judge(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    told = {
        "characters": "characters were paid for, not tokens: multiply by the tokens per character of the language",
        "answers": "the answers were forgotten: what the model writes is paid for too, and at the higher price",
        "one price": "the answer has a price of its own",
        "one rate": "each language has its own tokens per character",
        "turned": "tokens per character: multiply the characters by it",
        "day": "that is the bill of a day; a month has 30",
        "thousand": "the prices are for a million tokens",
        "dearer": "that is the dearer offer",
    }
    for i, ((markets, offers), got) in enumerate(zip(inputs, outputs, strict=True)):
        name, cost = _bill(markets, offers)
        if not isinstance(got, list | tuple) or len(got) != 2:
            yield Problem(i, (name, cost), "give back two things: the name of the offer and its bill")
            continue
        if str(got[0]) == name and close(got[1], cost):
            continue

        def like(fault: str, got: Any = got, markets: Any = markets, offers: Any = offers) -> bool:
            other, wrong = _bill(markets, offers, fault)
            return str(got[0]) == other and close(got[1], wrong)

        hints = [(like(fault), hint) for fault, hint in told.items()]
        hints.append((close(got[1], cost), "the bill is right, its name is not"))
        general = "for each market: questions · rate · (asked · price in + answered · price out) · 30 days / 1,000,000"
        yield Problem(i, (name, cost), first_hint(hints, general))


# 7. Read a vocabulary ------------------------------------------------------------------------------------------------
ORIGINS = {"A": "news", "B": "surnames", "C": "tweets", "D": "plays", "E": "films"}


@exercise("13.origins", "Read a vocabulary", once, letters="ABCDE")
def _origins(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    got = outputs[0]
    if not isinstance(got, dict) or set(map(str, got)) != set(ORIGINS):
        yield Problem(0, "a dictionary with A to E", f"give a source for each of {', '.join(ORIGINS)}")
        return
    strange = [str(x) for x in got.values() if x not in ORIGINS.values()]
    wrong = [name for name in ORIGINS if got[name] != ORIGINS[name]]
    clues = {
        "A": "A: who writes about millions and a president?",
        "B": "B: does any of its tokens begin with a blank? What kind of text has a single word a line?",
        "C": "C: which text puts four dots in a row, and writes RE, pt and a 4?",
        "D": "D: capitals spell names of persons. Where does a name stand in capitals before what is said?",
        "E": "E: which text writes every, enough, feel, and two single quotes for one double?",
    }
    if strange:
        yield Problem(0, "the five names", f"{strange[0]!r} is not among {', '.join(sorted(ORIGINS.values()))}")
    elif wrong:
        yield Problem(0, "another source", clues[wrong[0]])


# 8. A fair race ------------------------------------------------------------------------------------------------------
FAULTS = {"A": "measure", "B": "leak", "C": "compute", "D": "fair", "E": "tuning", "F": "luck"}


@exercise("13.fair", "A fair race", once, letters="ABCDEF")
def _fair(inputs: list[Inputs], outputs: list[Any]) -> Iterator[Problem]:
    got = outputs[0]
    if not isinstance(got, dict) or set(map(str, got)) != set(FAULTS):
        yield Problem(0, "a dictionary with A to F", f"give a verdict on each of {', '.join(FAULTS)}")
        return
    strange = [str(x) for x in got.values() if x not in FAULTS.values()]
    wrong = [name for name in FAULTS if got[name] != FAULTS[name]]
    clues = {
        "A": "A: what is divided by what? A token of the one model is not a token of the other",
        "B": "B: from which text were the merges counted, and on which is the model judged?",
        "C": "C: is a step of the one as dear as a step of the other?",
        "D": "D: go through all five again. Is there anything to object to?",
        "E": "E: who chose the learning rate, and for whom?",
        "F": "F: how large is the difference, and how far apart are two runs of one model?",
    }
    if strange:
        yield Problem(0, "the six verdicts", f"{strange[0]!r} is not among {', '.join(sorted(FAULTS.values()))}")
    elif wrong:
        yield Problem(0, "another verdict", clues[wrong[0]])
