"""WordPiece as BERT reads it: a fixed list of whole words and of pieces that continue one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minilib.text.characters import checked_ids, checked_text

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LONGEST = 100  # characters; a longer word is unknown
HANZI = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f]"
)


class WordPieceTokenizer:
    """Text → ids with BERT's vocabulary, upper and lower case alike (Devlin et al. 2019; Wu et al. 2016, §4.1).

    tokens: the vocabulary in the order of its ids; "##" begins a piece that continues a word. A word is cut from the
    left, each time after the longest piece that is known; if that fails, the word is [UNK] as a whole.

    Plain text never becomes a special token such as [MASK] unless allow_special=True.
    Derived in: notebooks/13_tokenisation.ipynb
    """

    def __init__(self, tokens: list[str]):
        self.tokens = list(tokens)
        self.ids = {token: id for id, token in enumerate(self.tokens)}
        missing = [token for token in SPECIAL if token not in self.ids]
        if missing:
            raise ValueError(f"BERT's vocabulary holds {', '.join(SPECIAL)}; missing here: {', '.join(missing)}")
        if len(self.ids) < len(self.tokens):
            twice = next(token for id, token in enumerate(self.tokens) if self.ids[token] != id)
            raise ValueError(f"token {twice!r} occurs twice")

    @classmethod
    def load(cls, path: str | Path) -> WordPieceTokenizer:
        """From a vocab.txt: a token a line. Raises ValueError if the file is none."""
        try:
            return cls(Path(path).read_text("utf8").removesuffix("\n").split("\n"))
        except ValueError as error:
            raise ValueError(f"{path} is not a vocabulary of BERT's: {error}") from None

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        return f"WordPieceTokenizer({len(self)} tokens)"

    def encode(self, text: str, pair: str | None = None, allow_special: bool = False) -> np.ndarray:
        """The ids (T,) of [CLS] text [SEP], or of [CLS] text [SEP] pair [SEP]."""
        ids = [self.ids["[CLS]"]]
        for part in (text,) if pair is None else (text, pair):
            ids += [*self._encode(checked_text(part), allow_special), self.ids["[SEP]"]]
        return np.array(ids, np.int64)

    def decode(self, ids: Any) -> str:
        """The tokens of ids (T,) joined to words. Capitals, accents and blanks are not what they were."""
        return " ".join([self.tokens[id] for id in checked_ids(ids, len(self), "tokens").tolist()]).replace(" ##", "")

    def _encode(self, text: str, allow_special: bool) -> list[int]:
        parts = _SPECIAL.split(text) if allow_special else [text]
        pieces = [words_of_bert(part) if i % 2 == 0 else [part] for i, part in enumerate(parts)]
        return [id for words in pieces for word in words for id in self.encode_word(word)]

    def encode_word(self, word: str) -> list[int]:
        """Greedy: from the left, always the longest piece that is known."""
        mark, rest, ids = "", word, []
        while rest:
            end = len(rest) if len(word) <= LONGEST else 0
            while end and mark + rest[:end] not in self.ids:
                end -= 1
            if not end:
                return [self.ids["[UNK]"]]
            ids.append(self.ids[mark + rest[:end]])
            mark, rest = "##", rest[end:]
        return ids


_SPECIAL = re.compile(f"({'|'.join(map(re.escape, SPECIAL))})")


class _Table(dict[int, str]):
    """For str.translate: what becomes of a character, worked out when it first comes."""

    def __init__(self, rule: Callable[[str], str]):
        self.rule = rule

    def __missing__(self, code: int) -> str:
        self[code] = self.rule(chr(code))
        return self[code]


def _clean(c: str) -> str:
    """No controls, each blank a space, hanzi between spaces."""
    category = unicodedata.category(c)
    if c in "\t\n\r" or category[0] == "Z":
        return " "
    if category in ("Cc", "Cf", "Co") or c == "\ufffd":
        return ""
    return f" {c} " if HANZI.match(c) else c


def _plain(c: str) -> str:
    """No accents, lower case, punctuation between spaces: of ASCII every sign is punctuation, $ and + included."""
    category = unicodedata.category(c)
    if category[0] == "P" or ("!" <= c <= "~" and not c.isalnum()):
        return f" {c} "
    return "" if category == "Mn" else c.lower()


_cleaned, _plainly = _Table(_clean), _Table(_plain)


def words_of_bert(text: str) -> list[str]:
    """Lower-case words without accents; punctuation and hanzi stand alone."""
    return unicodedata.normalize("NFD", text.translate(_cleaned)).translate(_plainly).split()
