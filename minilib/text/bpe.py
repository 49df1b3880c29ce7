"""Byte-pair encoding on bytes: any text in any script, and any file, as ids that give it back exactly."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from minilib.text.characters import checked_ids, checked_text
from minilib.text.words import PATTERN, words

END = -1  # no id: stands before and behind every word, and where an id was merged away
CACHED = 2**17  # words


class BPETokenizer:
    """Text ↔ ids by byte-pair encoding (Sennrich et al. 2016, algorithm 1; on bytes: Radford et al. 2019, §2.2).

    merges: pairs of ids in the order in which they were learnt; the pair at place i becomes id 256 + i.
    tokens: the bytes of each id: first the 256 single bytes, then the merges, then the special tokens.
    ranks: bytes → id without the special tokens, as tiktoken takes them.   special_tokens: text → id.

    Plain text never becomes a special token: encode reads "<|end|>" letter by letter unless allow_special=True.
    Derived in: notebooks/13_tokenisation.ipynb
    """

    def __init__(
        self, merges: Iterable[tuple[int, int]],
        special_tokens: Iterable[str] = (),
    ):  # fmt: skip
        self.merges = list(merges)
        self.tokens = [bytes([byte]) for byte in range(256)]
        for i, (left, right) in enumerate(self.merges):
            if not (0 <= left < 256 + i and 0 <= right < 256 + i):
                raise ValueError(f"merge {i} joins {left} and {right}, but before it there are only ids 0 to {255 + i}")
            self.tokens.append(self.tokens[left] + self.tokens[right])
        self.ranks = {token: id for id, token in enumerate(self.tokens)}
        if len(self.ranks) < len(self.tokens):
            twice = Counter(self.tokens).most_common(1)[0][0]
            raise ValueError(f"two merges give the same token, {twice!r}")
        names = list(special_tokens)
        self.special_tokens = {name: len(self.ranks) + i for i, name in enumerate(names)}
        self.tokens += [name.encode("utf8") for name in names]
        self._special = _any_of(names)
        self._merged = {pair: 256 + i for i, pair in enumerate(self.merges)}
        self._cache: dict[str, list[int]] = {}

    @classmethod
    def train(
        cls, text: str, vocab_size: int,
        special_tokens: Iterable[str] = (),
    ) -> BPETokenizer:  # fmt: skip
        """Learn by counting: merge the most frequent pair, again and again.

        Of equally frequent pairs the one with the smallest ids is taken.
        Fewer than vocab_size tokens come out if no pair is left that
        occurs twice. Special tokens in the text are left out.
        """
        names = list(special_tokens)
        wanted = vocab_size - 256 - len(names)
        if wanted < 0:
            raise ValueError(
                f"vocab_size={vocab_size} is too small: 256 bytes and "
                f"{len(names)} special tokens are {256 + len(names)}"
            )
        parts = _any_of(names).split(checked_text(text))[::2]
        counted = Counter(word for part in parts for word in words(part))
        if not counted:
            raise ValueError("needed text to learn from, got none")
        pairs = Pairs(counted)
        merges: list[tuple[int, int]] = []
        while len(merges) < wanted and (pair := pairs.most_frequent()):
            pairs.merge(pair, 256 + len(merges))
            merges.append(pair)
        return cls(merges, names)

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        return f"BPETokenizer({len(self.merges)} merges, special_tokens={list(self.special_tokens)})"

    def encode(self, text: str, allow_special: bool = False) -> np.ndarray:
        """The ids (T,) of a text; with allow_special its special tokens are one id each.

        Raises TypeError for what is no str, ValueError for half a character (a lone surrogate).
        """
        parts = self._special.split(checked_text(text)) if allow_special else [checked_text(text)]
        ids = self._encode(parts[0])
        for name, part in zip(parts[1::2], parts[2::2], strict=True):
            ids += [self.special_tokens[name], *self._encode(part)]
        return np.array(ids, np.int64)

    def encode_bytes(self, raw: bytes) -> np.ndarray:
        """The ids (T,) of any bytes; the same as of a text, if they are one in UTF-8."""
        return np.array(self._encode(raw.decode("utf8", "surrogateescape")), np.int64)

    def decode(self, ids: Any, errors: str = "replace") -> str:
        """The text that the ids (T,) stand for. What is no UTF-8, such as half a hanzi, becomes �.

        errors: as in bytes.decode, e.g. "strict".
        """
        return self.decode_bytes(ids).decode("utf8", errors)

    def decode_bytes(self, ids: Any) -> bytes:
        """The bytes that the ids (T,) stand for."""
        return b"".join([self.tokens[id] for id in checked_ids(ids, len(self), "tokens").tolist()])

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for word in words(text):
            found = self._cache.get(word)
            if found is None:
                if len(self._cache) == CACHED:
                    self._cache.clear()
                found = self.encode_word(word.encode("utf8", "surrogateescape"))
                self._cache[word] = found
            ids += found
        return ids

    def encode_word(self, word: bytes) -> list[int]:
        """Merge the pair that was learnt first until none is known.

        A heap holds the known pairs, so n bytes cost n · log n.
        """
        merged, ids = self._merged, [*word, END]  # ids[-1] is END, too
        after = [*range(1, len(ids)), 0]
        before = [*range(-1, len(word))]
        known = enumerate(map(merged.get, pairwise(ids)))
        heap = [(new, i) for i, new in known if new]
        heapify(heap)
        while heap:
            new, i = heappop(heap)
            j = after[i]
            if merged.get((ids[i], ids[j])) != new:
                continue  # i or j has been merged with its other neighbour
            ids[i], ids[j] = new, END
            after[i] = k = after[j]
            before[k] = i
            for left, right in ((before[i], i), (i, k)):
                if newer := merged.get((ids[left], ids[right])):
                    heappush(heap, (newer, left))
        return [id for id in ids if id != END]

    # A file, in which every byte is a visible character ----------------------------------------------------------
    def save(self, path: str | Path) -> None:
        """One file of JSON, a merge a line, with the characters for bytes that GPT-2's files use (Ġ is a blank)."""
        lines = [f"{visible(self.tokens[left])} {visible(self.tokens[right])}" for left, right in self.merges]
        content = {"pattern": PATTERN, "special_tokens": list(self.special_tokens), "merges": lines}
        Path(path).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf8")

    @classmethod
    def load(cls, path: str | Path) -> BPETokenizer:
        """A tokeniser as it was saved; raises ValueError if the file is not one."""
        try:
            content = json.loads(Path(path).read_text("utf8"))
            if content["pattern"] != PATTERN:
                raise ValueError("it cuts words by another pattern")
            ids = {visible(bytes([byte])): byte for byte in range(256)}
            merges = []
            for line in content["merges"]:
                left, _, right = line.partition(" ")
                merges.append((ids.get(left, END), ids.get(right, END)))
                ids[left + right] = 255 + len(merges)
            return cls(merges, content["special_tokens"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not a saved BPETokenizer ({error})") from None


class Pairs:
    """A corpus of counted words, and how often each pair of neighbours occurs.

    The words lie one behind the other in one array, each ended by END;
    `after` and `before` lead from an id to its neighbours. A merge changes
    only what it touches, whatever the length of a word.
    """

    def __init__(self, counted: Counter[str]):
        encoded = [word.encode("utf8") for word in counted]
        raw = b"\xff".join([*encoded, b""])  # no UTF-8 holds this byte
        flat = np.frombuffer(raw, np.uint8)
        self.ids = np.where(flat == 0xFF, END, flat.astype(np.int64))
        places = np.arange(len(flat))
        self.after, self.before = np.roll(places, -1), np.roll(places, 1)
        lengths = [len(word) + 1 for word in encoded]
        self.times = np.repeat(list(counted.values()), lengths)
        self.where = [np.flatnonzero(flat == byte) for byte in range(256)]
        self.counts: Counter[int] = Counter()
        self.heap: list[tuple[int, int]] = []
        self._count(places, +1)

    def _count(self, at: np.ndarray, sign: int) -> None:
        """Add, or take away, the pairs that begin at these places."""
        left, right = self.ids[at], self.ids[self.after[at]]
        real = (left != END) & (right != END)
        keys = left[real] << 32 | right[real]
        pairs, which = np.unique(keys, return_inverse=True)
        times = np.zeros(len(pairs), np.int64)
        np.add.at(times, which, sign * self.times[at[real]])
        for pair, change in zip(pairs.tolist(), times.tolist(), strict=True):
            self.counts[pair] += change
            heappush(self.heap, (-self.counts[pair], pair))

    def most_frequent(self) -> tuple[int, int] | None:
        """The pair to merge next, or None if none occurs twice."""
        while self.heap:
            count, pair = self.heap[0]
            if -count == self.counts[pair]:
                return divmod(pair, 2**32) if count < -1 else None
            heappop(self.heap)  # counted anew since
        return None

    def merge(self, pair: tuple[int, int], new: int) -> None:
        """Write `new` wherever the pair stands, from left to right."""
        left, right = pair
        at = self.where[left]
        at = self.where[left] = at[self.ids[at] == left]
        at = at[self.ids[self.after[at]] == right]
        if left == right:
            at = _every_second(at, self.after[at])
        gone = self.after[at]
        touched = np.unique(np.concatenate([self.before[at], at, gone]))
        self._count(touched, -1)
        self.ids[at], self.ids[gone] = new, END
        self.after[at] = self.after[gone]
        self.before[self.after[at]] = at
        self._count(touched, +1)
        self.where.append(at)


def _every_second(at: np.ndarray, after: np.ndarray) -> np.ndarray:
    """In runs such as aaaaa only the pairs that do not overlap."""
    number = np.arange(len(at))
    starts = np.append(True, after[:-1] != at[1:])
    start = np.maximum.accumulate(np.where(starts, number, 0))
    return at[(number - start) % 2 == 0]


def _any_of(names: list[str]) -> re.Pattern[str]:
    """A pattern whose split gives plain text and special tokens in turn; of two that fit it takes the longer."""
    for name in names:
        if not name or names.count(name) > 1:
            raise ValueError(f"special token {name!r} {'occurs twice' if name else 'is empty'}")
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first)) or '(?!)'})")


def visible(token: bytes) -> str:
    """Each byte as a character that can be seen, as in GPT-2's files: a blank is Ġ, a line feed Ċ."""
    return "".join([_NAMES[byte] for byte in token])


_SEEN = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_NAMES = {byte: chr(byte) for byte in _SEEN}
_NAMES |= {byte: chr(0x100 + i) for i, byte in enumerate(sorted({*range(256)} - {*_SEEN}))}
