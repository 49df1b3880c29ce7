"""Our tokeniser against Hugging Face's and tiktoken, in Rust: `python -m benchmarks.tokenisers`.

4,096 tokens learnt from the plays and from the reviews in Chinese (each distinct line once), and the corpus encoded,
text by text, with our merges by all three: the ids must be equal. One thread, in turn, CPU time, medians. tiktoken
learns nothing. Writes benchmarks/results/tokenisers.json.
"""

from __future__ import annotations

import os

os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}  # read when tokenizers is first used

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiktoken
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from benchmarks.machine import describe
from minilib import data
from minilib.text import BPETokenizer
from minilib.text.bpe import visible
from minilib.text.words import PATTERN

RESULTS = Path(__file__).parent / "results" / "tokenisers.json"
COMMAND = "python -m benchmarks.tokenisers"
VOCABULARY, ROUNDS = 4096, 3


def hugging_face(model: models.BPE) -> Tokenizer:
    made = Tokenizer(model)
    cut = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return made


def trained_by_hugging_face(texts: list[str]) -> Tokenizer:
    made = hugging_face(models.BPE())
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(texts, trainer)
    return made


def encoded_by_us(fresh: BPETokenizer, texts: list[str]) -> list[list[int]]:
    """From an empty cache."""
    return [fresh.encode(text).tolist() for text in texts]


def in_turn(tasks: dict[str, Callable[[], Any]]) -> tuple[dict[str, float], list[Any]]:
    """Median seconds of CPU time of each task, A B C A B C …, and what they gave."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(ROUNDS):
        found = []
        for name, task in tasks.items():
            started = time.process_time()
            found.append(task())
            times[name].append(time.process_time() - started)
    return {name: round(statistics.median(spent), 2) for name, spent in times.items()}, found


def race(texts: list[str]) -> dict[str, Any]:
    joined = "\n".join(texts)
    learning, (ours, theirs) = in_turn(
        {
            "minilib": lambda: BPETokenizer.train(joined, VOCABULARY),
            "tokenizers": lambda: trained_by_hugging_face(texts),
        }
    )
    merges = [(visible(ours.tokens[left]), visible(ours.tokens[right])) for left, right in ours.merges]
    rust = hugging_face(models.BPE({visible(token): id for token, id in ours.ranks.items()}, merges))
    tik = tiktoken.Encoding("ours", pat_str=PATTERN, mergeable_ranks=ours.ranks, special_tokens={})
    encoding, (ids, *others) = in_turn(
        {
            "minilib": lambda: encoded_by_us(BPETokenizer(ours.merges), texts),
            "tokenizers": lambda: [found.ids for found in rust.encode_batch_fast(texts)],
            "tiktoken": lambda: [tik.encode_ordinary(text) for text in texts],
        }
    )
    assert all(other == ids for other in others)
    size, tokens = sum(len(text.encode()) for text in texts), sum(map(len, ids))
    shared = len(theirs.get_vocab().keys() & {visible(token) for token in ours.tokens}) - 256
    return {
        "megabytes": round(size / 1e6, 3), "tokens": tokens, "bytes_per_token": round(size / tokens, 3),
        "learning_seconds": learning, "encoding_seconds": encoding,
        "merged_tokens_shared_with_tokenizers": f"{shared} of {len(ours.merges)}",
    }  # fmt: skip


def main() -> None:
    corpora = {"plays": list(data.shakespeare().values()), "reviews_zh": list(dict.fromkeys(data.reviews_zh().x))}
    result = {
        **describe(COMMAND, ("numpy", "tokenizers", "tiktoken")),
        "threads": 1, "rounds": ROUNDS, "vocabulary": VOCABULARY,
        "corpora": {name: race(texts) for name, texts in corpora.items()},
    }  # fmt: skip
    RESULTS.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf8")
    print(RESULTS.read_text("utf8"))


if __name__ == "__main__":
    main()
