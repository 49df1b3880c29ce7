"""Byte-pair encoding learns by counting, gives every byte back, and reads merges as others do."""

from __future__ import annotations

import json
import random
import re
import sys
import time
import unicodedata
from collections import Counter
from itertools import pairwise

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from minilib import data
from minilib.text import BPETokenizer
from minilib.text.bpe import visible
from minilib.text.words import PATTERN, words

SPECIAL = ("<|end|>", "<|end|>!", "|>")
ASSIGNED = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Cs")]
"""What a Unicode younger than Python's might call a letter is left out."""

handy = "aeé\u0301ß½Ⅷ²٣_'stldmre.,!()  \t\n\r\x0b\x1c\x1f\x85\xa0\u2028\u3000\0\x7f你好，。🙂👩‍🚀🏽\u200d\ufe0f\ufeff"
texts = st.lists(
    st.one_of(
        st.text(st.sampled_from(ASSIGNED), max_size=8), st.text(st.sampled_from(handy), max_size=12),
        st.builds("".join, st.lists(st.sampled_from(["Romeo", " the", "I'll", "不错", "酒店", " ", "  ", "\n", "aa"]))),
        st.builds(lambda c, n: c * n, st.sampled_from(" \n\taé你🙂-"), st.integers(0, 70)),
    )
).map("".join)  # fmt: skip


def plays():
    return list(data.shakespeare().values())


def reviews():
    return list(dict.fromkeys(data.reviews_zh().x))


def trained(texts, special_tokens=()):
    started = time.process_time()
    return BPETokenizer.train("\n".join(texts), 4096, special_tokens), time.process_time() - started


@pytest.fixture(scope="module")
def english_timed():
    return trained(plays(), ["<|end|>"])


@pytest.fixture(scope="module")
def english(english_timed):
    return english_timed[0]


@pytest.fixture(scope="module")
def chinese_timed():
    return trained(reviews())


@pytest.fixture(scope="module")
def chinese(chinese_timed):
    return chinese_timed[0]


@pytest.fixture(scope="module")
def mixed():
    return BPETokenizer.train(plays()[-1] + "".join(reviews()[-3000:]), 2000, SPECIAL)


def naive_merges(text, count):
    """The definition itself: count all pairs, merge the most frequent (of equals the smallest), count again."""
    counted = Counter(words(text))
    spelled, merges = {word: list(word.encode()) for word in counted}, []
    while len(merges) < count:
        pairs = Counter()
        for word, times in counted.items():
            for pair in pairwise(spelled[word]):
                pairs[pair] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if best is None or pairs[best] < 2:
            break
        spelled = {word: merged(ids, best, 256 + len(merges)) for word, ids in spelled.items()}
        merges.append(best)
    return merges


def merged(ids, pair, new):
    """The pair written as one, from left to right."""
    out = []
    for id in ids:
        if out and (out[-1], id) == pair:
            out[-1] = new
        else:
            out.append(id)
    return out


def in_hugging_face(tokenizer):
    """Bytes as visible characters, as in the files of GPT-2; whether we name them alike is seen by the ids."""
    vocabulary = {visible(token): id for token, id in tokenizer.ranks.items()}
    merges = [tuple(visible(tokenizer.tokens[id]) for id in pair) for pair in tokenizer.merges]
    made = Tokenizer(models.BPE(vocabulary, merges))
    cut = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    spelled = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([cut, spelled])
    return made


def in_tiktoken(tokenizer):
    return tiktoken.Encoding(
        "ours", pat_str=PATTERN, mergeable_ranks=tokenizer.ranks, special_tokens=tokenizer.special_tokens
    )


# Others, given our merges ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("language", "corpus"),
    [
        ("english", plays), ("chinese", reviews),
        ("english", lambda: reviews()[:2000]), ("chinese", lambda: plays()[:2]),
    ],
    ids=["plays", "reviews", "reviews by plays", "plays by reviews"],
)  # fmt: skip
def test_whole_corpora_become_the_same_ids_as_elsewhere(language, corpus, request):
    tokenizer, corpus = request.getfixturevalue(language), corpus()
    ids = [tokenizer.encode(text).tolist() for text in corpus]
    assert [tokenizer.decode(row) for row in ids] == corpus
    assert ids == in_tiktoken(tokenizer).encode_ordinary_batch(corpus, num_threads=1)
    assert ids == [found.ids for found in in_hugging_face(tokenizer).encode_batch_fast(corpus)]


def test_any_text_becomes_the_same_ids_as_elsewhere(mixed):
    hugging_face, tik = in_hugging_face(mixed), in_tiktoken(mixed)

    @given(texts)
    def check(text):
        ids = mixed.encode(text)
        assert "".join(words(text)) == text == mixed.decode(ids, errors="strict")
        assert ids.tolist() == hugging_face.encode(text).ids == tik.encode_ordinary(text)
        assert ids.tolist() == mixed.encode_bytes(text.encode()).tolist()

    check()


def test_random_strings_become_the_same_ids_as_elsewhere(mixed):
    hugging_face, tik, rng = in_hugging_face(mixed), in_tiktoken(mixed), random.Random(0)
    for _ in range(3000):
        pools = rng.choices([handy, ASSIGNED, "the Romeo", "不错的酒店，", "  \n"], k=4)
        text = "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randrange(40)))
        ids = mixed.encode(text).tolist()
        assert ids == hugging_face.encode(text).ids, text
        assert ids == tik.encode_ordinary(text), text


def test_every_character_is_a_letter_a_number_a_blank_or_another_as_elsewhere():
    everything = [c for c in ASSIGNED if c != "'" and unicodedata.category(c) != "Co"]
    cut = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    for before in ("a", "1", "\n "):
        text = "".join(before + c for c in everything)
        assert words(text) == [word for word, _ in cut.pre_tokenize_str(text)]


def test_special_tokens_are_found_as_tiktoken_finds_them(english):
    text = "Enter Ghost.<|end|>Exit.\n <|end|><|end|> <|end|"
    tik = in_tiktoken(english)
    assert english.encode(text, allow_special=True).tolist() == tik.encode(text, allowed_special="all")
    assert english.encode(text).tolist() == tik.encode_ordinary(text)
    assert max(english.encode(text)) < 4095 == english.special_tokens["<|end|>"] == len(english) - 1
    assert english.decode(english.encode(text, allow_special=True)) == text


def test_of_two_special_tokens_that_fit_the_longer_one_is_taken(mixed):
    ids = mixed.encode("<|end|>! <|end|>|>", allow_special=True)
    assert [mixed.tokens[id] for id in ids] == [b"<|end|>!", b" ", b"<|end|>", b"|>"]
    assert list(mixed.special_tokens.items()) == [("<|end|>", 1997), ("<|end|>!", 1998), ("|>", 1999)]


# Learning -------------------------------------------------------------------------------------------------------------
def test_merges_by_hand():
    tokenizer = BPETokenizer.train("low low lower lowest", 259)
    assert [tokenizer.tokens[id] for id in range(256, 259)] == [b"lo", b"low", b" low"]
    assert tokenizer.merges == [(ord("l"), ord("o")), (256, ord("w")), (ord(" "), 257)]
    assert [tokenizer.tokens[id] for id in tokenizer.encode("lower slow")] == [b"low", b"e", b"r", b" ", b"s", b"low"]
    assert repr(tokenizer) == "BPETokenizer(3 merges, special_tokens=[])"


@given(st.text("ab c\n", max_size=60), st.integers(0, 30))
def test_counts_kept_up_to_date_give_the_merges_of_counting_again(text, count):
    text += "a"
    assert BPETokenizer.train(text, 256 + count).merges == naive_merges(text, count)


def test_in_two_languages_too_the_merges_are_those_of_counting_again():
    text = plays()[0][:10_000] + "".join(reviews()[:100]) + "aaaaaaa aaa bbbbbb abababab aaaabbbb " * 50
    assert BPETokenizer.train(text, 376).merges == naive_merges(text, 120)


def test_of_equally_frequent_pairs_the_smallest_is_merged_and_a_pair_seen_once_is_none():
    tokenizer = BPETokenizer.train("cd\nab\ncd\nab\nxy", 400)
    assert tokenizer.tokens[256:] == [b"ab", b"cd"]


def test_no_merge_reaches_over_a_special_token_and_none_is_learnt_from_it():
    tokenizer = BPETokenizer.train("a<|end|>b" * 50 + "<|end|>ab" * 3, 300, ["<|end|>"])
    assert tokenizer.merges == [(ord("b"), ord("a")), (ord("a"), ord("b"))]
    assert tokenizer.special_tokens == {"<|end|>": 258}


def test_learning_is_fast_in_chinese_too(english_timed, chinese_timed):
    """What the course promises, twice over for a busy machine; benchmarks/tokenisers.py measures."""
    for (tokenizer, seconds), promised in ((english_timed, 3), (chinese_timed, 15)):
        assert len(tokenizer) == 4096
        assert seconds < 2 * promised


def test_one_word_of_thirty_thousand_letters_is_no_trap(chinese):
    word = "".join(re.findall(r"[^\W\d_]", "".join(reviews())))[:30_000]
    assert words(word) == [word]
    started = time.process_time()
    ids = chinese.encode(word)
    assert time.process_time() - started < 2
    assert chinese.decode(ids) == word


# Bytes and files ------------------------------------------------------------------------------------------------------
@given(st.binary(max_size=40))
def test_any_bytes_come_back(raw):
    tokenizer = BPETokenizer.train("the the the 好好好 \xff\xff\xff", 270)
    ids = tokenizer.encode_bytes(raw)
    assert tokenizer.decode_bytes(ids) == tokenizer.decode_bytes(ids.tolist()) == raw
    assert tokenizer.decode(ids) == raw.decode("utf8", "replace")


def test_half_a_hanzi_is_shown_as_such(mixed):
    ids = mixed.encode_bytes("好".encode()[:2])
    assert mixed.decode(ids) == "�"
    with pytest.raises(UnicodeDecodeError):
        mixed.decode(ids, errors="strict")


def test_the_cache_may_overflow(mixed, monkeypatch):
    monkeypatch.setattr("minilib.text.bpe.CACHED", 3)
    text = "one two three four five one six seven"
    assert BPETokenizer(mixed.merges).encode(text).tolist() == mixed.encode(text).tolist()


@pytest.mark.parametrize("special", [(), SPECIAL])
def test_what_is_saved_is_loaded(special, tmp_path):
    tokenizer = BPETokenizer.train("low low lower 好好 \n\n\n", 270, special)
    tokenizer.save(tmp_path / "bpe.json")
    loaded = BPETokenizer.load(tmp_path / "bpe.json")
    assert (loaded.merges, loaded.tokens, loaded.special_tokens) == (
        tokenizer.merges, tokenizer.tokens, tokenizer.special_tokens,
    )  # fmt: skip
    assert '\n  "Ġ low",\n' in (tmp_path / "bpe.json").read_text("utf8")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "Expecting value"),
        ("[]", "list indices"),
        ("{}", "'pattern'"),
        ("\udcff", "can't decode byte"),
        ({"pattern": r"\w+"}, "it cuts words by another pattern"),
        ({"merges": ["t h", "Ġ the"]}, "merge 1 joins 32 and -1, but before it there are only ids 0 to 256"),
        ({"merges": ["th"]}, "merge 0 joins -1 and -1, but before it there are only ids 0 to 255"),
        ({"merges": ["t h", "t h"]}, "two merges give the same token, b'th'"),
        ({"merges": 3}, "not iterable"),
        ({"merges": [3]}, "no attribute 'partition'"),
        ({"special_tokens": ["<s>", "<s>"]}, "special token '<s>' occurs twice"),
        ({"special_tokens": [3]}, "no attribute 'encode'"),
    ],
)
def test_another_file_is_refused_by_name_and_reason(content, words, tmp_path):
    path = tmp_path / "other.json"
    if isinstance(content, dict):
        content = json.dumps({"pattern": PATTERN, "special_tokens": [], "merges": [], **content})
    path.write_bytes(content.encode("utf8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"other.json is not a saved BPETokenizer \(") as error:
        BPETokenizer.load(path)
    assert words in str(error.value)


# What cannot be -------------------------------------------------------------------------------------------------------
def test_what_cannot_be_learnt_is_said():
    with pytest.raises(ValueError, match="vocab_size=257 is too small: 256 bytes and 2 special tokens are 258"):
        BPETokenizer.train("abc", 257, ["<a>", "<b>"])
    for text in ("", "<a><a>"):
        with pytest.raises(ValueError, match="needed text to learn from, got none"):
            BPETokenizer.train(text, 300, ["<a>"])
    with pytest.raises(ValueError, match="special token '<a>' occurs twice"):
        BPETokenizer.train("abc", 300, ["<a>", "<a>"])
    with pytest.raises(ValueError, match="special token '' is empty"):
        BPETokenizer([], [""])
    with pytest.raises(ValueError, match="merge 0 joins 97 and 256, but before it there are only ids 0 to 255"):
        BPETokenizer([(97, 256)])


@pytest.mark.parametrize("wrong", [None, 3, b"abc", ["abc"]])
def test_what_is_no_text_is_refused(wrong, mixed):
    for method in (mixed.encode, lambda text: BPETokenizer.train(text, 300)):
        with pytest.raises(TypeError, match=f"needed a str, got {type(wrong).__name__}"):
            method(wrong)


def test_half_a_character_is_named_with_its_position(mixed):
    with pytest.raises(ValueError, match=r"half a character \(U\+D83D, a lone surrogate\) at position 2"):
        mixed.encode("ab\ud83d")


def test_ids_that_stand_for_nothing_are_named(mixed):
    for wrong in (-1, 2000):
        with pytest.raises(ValueError, match=f"id {wrong} at position 1 is out of range: 2000 tokens are 0 to 1999"):
            mixed.decode([5, wrong])
    with pytest.raises(ValueError, match=r"needed ids of one text, \(T,\), got \(1, 2\): decode one row at a time"):
        mixed.decode([[5, 6]])
    with pytest.raises(TypeError, match="ids must be integers, got float64"):
        mixed.decode([0.5])
    assert mixed.decode([]) == ""
