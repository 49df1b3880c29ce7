"""Variants of the exercises whose answer names lettered logs: the same logs, their letters dealt anew by a seed.

The specification knows the letters of the book alone. An answer to a variant is turned back before it is judged, and
what the judge says of a letter is turned into the letter that the variant gave to the same log.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

Dealt = dict[str, str]


def deal(id: str, letters: str, seed: int) -> Dealt:
    """Letter in the book → letter in the variant. Seed 0 leaves them as they are; no other seed does."""
    if not seed or len(letters) < 2:
        return {letter: letter for letter in letters}
    rng = np.random.default_rng([seed, *id.encode()])
    order = list(letters)
    while order == list(letters):
        order = [letters[k] for k in rng.permutation(len(letters))]
    return dict(zip(letters, order, strict=True))


def back(answer: Any, dealt: Dealt) -> Any:
    """An answer to a variant with the book's letters in its keys."""
    if not isinstance(answer, dict):
        return answer
    old = {new: letter for letter, new in dealt.items()}
    return {_key(key, old): value for key, value in answer.items()}


def _key(key: Any, old: Dealt) -> Any:
    """A key such as "B", "b" or "log B" with its letter exchanged; anything else as it is."""
    if not isinstance(key, str):
        return key
    found = re.fullmatch(r"(\W*(?:\w\w+\s+)?)(\w)(\W*)", key)
    if not found or found[2].upper() not in old:
        return key
    letter = old[found[2].upper()]
    return found[1] + (letter if found[2].isupper() else letter.lower()) + found[3]


def forth(text: str, dealt: Dealt) -> str:
    """What a judge says, with the variant's letters. "A to F" means all of them, and stays; so does what is quoted."""
    one = f"(?<!['‘\\w])[{''.join(dealt)}](?![’\\w])"
    runs = re.compile(f"{one} to {one}|{one}(?:(?:, | and |, and ){one})*")

    def exchanged(run: re.Match[str]) -> str:
        if " to " in run[0]:
            return run[0]
        new = iter(sorted(dealt[letter] for letter in re.findall(one, run[0])))
        return re.sub(one, lambda _: next(new), run[0])

    return runs.sub(exchanged, text)
