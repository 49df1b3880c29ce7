"""WordPiece cuts words as BERT's tokeniser does."""

from __future__ import annotations

import random
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import BertWordPieceTokenizer, decoders

from minilib import data
from minilib.text import WordPieceTokenizer
from minilib.text.wordpiece import SPECIAL, words_of_bert

OLD = unicodedata.ucd_3_2_0
KNOWN = [
    c
    for c in map(chr, range(sys.maxunicode + 1))
    if OLD.category(c) == unicodedata.category(c) not in ("Cn", "Cs")
]  # fmt: skip
"""Hugging Face's tables of marks and punctuation are those of Unicode 8: what came or changed since is left out."""


def vocabulary():
    """Special tokens, all characters, and the beginnings and ends of some words."""
    text = "".join(data.shakespeare().values())[:200_000] + "".join(data.reviews_zh().x[:300])
    words = sorted(set(words_of_bert(text)))
    tokens = dict.fromkeys((*SPECIAL, "#", "##"))
    for word in words:
        tokens |= dict.fromkeys([*word, *("##" + c for c in word[1:])])
    for word in words[::3]:
        tokens |= dict.fromkeys([word, word[:4], "##" + word[-3:]])
    for odd in ("q", "##q", "##z"):  # so that some words are unknown
        tokens.pop(odd, None)
    return list(tokens)


@pytest.fixture(scope="module")
def pair_of_tokenisers(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert") / "vocab.txt"
    path.write_text("\n".join(vocabulary()) + "\n", "utf8")
    theirs = BertWordPieceTokenizer(str(path), lowercase=True)
    return WordPieceTokenizer.load(path), theirs


texts = st.lists(
    st.one_of(
        st.text(st.sampled_from(KNOWN), max_size=8),
        st.text("aeéÉİſßΣς\u0301ñ#[]_$+-.,!？，。你好龘🙂 \t\n\r\0\x1c\x85\xa0\ufffd\u200b\u200d한글", max_size=12),
        st.lists(st.sampled_from(["Romeo", "unthinkable", "Caesar's", "##s", "[MASK]", "酒店", "queen", "x" * 101]))
        .map(" ".join),
    )
).map("".join)  # fmt: skip


def test_any_text_becomes_the_ids_of_hugging_face(pair_of_tokenisers):
    ours, theirs = pair_of_tokenisers
    theirs._tokenizer.decoder = decoders.WordPiece(cleanup=False)

    @given(texts, st.none() | texts)
    def check(text, pair):
        theirs._tokenizer.encode_special_tokens = False
        ids = ours.encode(text, pair, allow_special=True).tolist()
        assert ids == theirs.encode(text, pair).ids
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False)
        theirs._tokenizer.encode_special_tokens = True
        assert ours.encode(text, pair).tolist() == theirs.encode(text, pair).ids

    check()


def test_random_strings_become_the_ids_of_hugging_face(pair_of_tokenisers):
    ours, theirs = pair_of_tokenisers
    rng = random.Random(0)
    for _ in range(2000):
        pools = rng.choices([KNOWN, "thequickbrown ", "不错的酒店，", " .#[]'é\u0301"], k=3)
        text = "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randrange(30)))
        assert ours.encode(text).tolist() == theirs.encode(text).ids, text


def test_every_character_is_cleaned_as_hugging_face_cleans_it(pair_of_tokenisers):
    normalizer, cut = (getattr(pair_of_tokenisers[1]._tokenizer, part) for part in ("normalizer", "pre_tokenizer"))
    for c in KNOWN:
        text = f"A{c}b"
        assert words_of_bert(text) == [word for word, _ in cut.pre_tokenize_str(normalizer.normalize_str(text))], text


@pytest.mark.parametrize("corpus", ["plays", "reviews"])
def test_real_texts_become_the_ids_of_hugging_face(corpus, pair_of_tokenisers):
    ours, theirs = pair_of_tokenisers
    text = (
        "".join(data.shakespeare().values())[-500_000:] if corpus == "plays" else "".join(data.reviews_zh().x[-5000:])
    )
    assert ours.encode(text).tolist() == theirs.encode(text).ids


def test_a_word_is_cut_by_hand():
    tokenizer = WordPieceTokenizer([*SPECIAL, "un", "unt", "##think", "##able", "the", "##a", "#", "##", "##b"])
    words = {"unthinkable": ["[UNK]"], "unable": ["un", "##able"], "thea": ["the", "##a"], "theb": ["the", "##b"]}
    for word, pieces in words.items():
        assert [tokenizer.tokens[id] for id in tokenizer.encode_word(word)] == pieces
    assert tokenizer.encode_word("thec") == [1]  # neither "#" nor "##" is the beginning of "##c"
    assert tokenizer.decode(tokenizer.encode("Unable", "the the")) == "[CLS] unable [SEP] the the [SEP]"
    assert len(tokenizer) == 14
    assert repr(tokenizer) == "WordPieceTokenizer(14 tokens)"


def test_a_mask_is_one_only_when_it_is_allowed():
    tokenizer = WordPieceTokenizer([*SPECIAL, "paris", "[", "]", "mask"])
    assert tokenizer.encode("[MASK] Paris", allow_special=True).tolist() == [2, 4, 5, 3]
    assert tokenizer.encode("[MASK] Paris").tolist() == [2, 6, 8, 7, 5, 3]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            ["a", "b"],
            r"BERT's vocabulary holds \[PAD\], .*; missing here: \[PAD\], \[UNK\], \[CLS\], \[SEP\], \[MASK\]",
        ),
        ([*SPECIAL, "a", "b", "a"], "token 'a' occurs twice"),
        ([*SPECIAL, "\udcff"], "can't decode byte"),
    ],
)
def test_another_file_is_refused_by_name_and_reason(lines, words, tmp_path):
    (tmp_path / "vocab.txt").write_bytes("\n".join(lines).encode("utf8", "surrogateescape"))
    with pytest.raises(ValueError, match=f"vocab.txt is not a vocabulary of BERT's: .*{words}"):
        WordPieceTokenizer.load(tmp_path / "vocab.txt")


def test_what_is_no_text_and_ids_that_stand_for_nothing_are_refused():
    tokenizer = WordPieceTokenizer([*SPECIAL, "a"])
    with pytest.raises(TypeError, match="needed a str, got list"):
        tokenizer.encode(["a"])
    with pytest.raises(TypeError, match="needed a str, got bytes"):
        tokenizer.encode("a", b"a")
    with pytest.raises(ValueError, match=r"half a character \(U\+D83D, a lone surrogate\) at position 0"):
        tokenizer.encode("\ud83d")
    with pytest.raises(ValueError, match="id 6 at position 1 is out of range: 6 tokens are 0 to 5"):
        tokenizer.decode([5, 6])
