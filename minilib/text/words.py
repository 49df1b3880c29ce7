"""Text cut into words before its letters are counted: no token reaches from one word into the next."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from functools import cache
from itertools import groupby

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""GPT-2's (Radford et al. 2019), for engines that know \\p: contractions, letters, numbers and other signs, each with a
blank before it; of several blanks the last goes to the word behind. Nothing of a text is left out."""


def _ranges(codes: Iterable[int]) -> str:
    """Ascending code points as they are written in a class of characters: a-dx-z."""
    runs = [[code for _, code in run] for _, run in groupby(enumerate(codes), lambda pair: pair[1] - pair[0])]
    return "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in runs)


@cache
def _for_re() -> re.Pattern[str]:
    """PATTERN in the words of Python's re, which has no \\p{L}, and for which \\w holds ½ and \\s holds U+001C."""
    numeric = (c for c in map(chr, range(sys.maxunicode + 1)) if c.isnumeric())
    numerals = _ranges(ord(c) for c in numeric if not c.isalpha() and not c.isdecimal())
    letter, number, mark = rf"[^\W\d_{numerals}]", rf"[\d{numerals}]", r"(?:[^\w\s]|[_\x1c-\x1f])"
    blank, no_blank = r"[^\S\x1c-\x1f]", r"[\S\x1c-\x1f]"
    return re.compile(rf"'(?:[sdmt]|ll|ve|re)| ?{letter}+| ?{number}+| ?{mark}+|{blank}+(?!{no_blank})|{blank}+")


def words(text: str) -> list[str]:
    """The words of a text, which joined are the text. A letter is what this Python's Unicode calls one."""
    return _for_re().findall(text)
