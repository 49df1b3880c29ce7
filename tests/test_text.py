"""The tokeniser gives every text back, and names what it does not know."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilib import data
from minilib.text import CharTokenizer

texts = st.text(st.characters(exclude_categories=()), max_size=30)  # half characters included


@given(texts.filter(len), st.data())
def test_a_text_of_known_characters_comes_back(text, drawn):
    tokenizer = CharTokenizer(text)
    other = "".join(drawn.draw(st.lists(st.sampled_from(text), max_size=20)))
    ids = tokenizer.encode(other)
    assert ids.tolist() == [sorted(set(text)).index(character) for character in other]
    assert tokenizer.decode(ids) == tokenizer.decode(ids.tolist()) == other


@given(texts.filter(len), texts)
def test_the_first_unknown_character_is_named_with_its_position(text, other):
    tokenizer = CharTokenizer(text)
    unknown = [i for i, character in enumerate(other) if character not in text]
    if not unknown:
        assert tokenizer.decode(tokenizer.encode(other)) == other
        return
    with pytest.raises(ValueError) as error:
        tokenizer.encode(other)
    at = unknown[0]
    assert str(error.value) == (
        f"unknown character {other[at]!r} (U+{ord(other[at]):04X}) at position {at}: it is not among the "
        f"{len(set(text))} that this tokeniser was made from; replace it, or make one from text that holds it"
    )


def test_ids_follow_the_code_points_whatever_the_order_of_the_text():
    one, two = CharTokenizer("hello 你好"), CharTokenizer("好你 olleh")
    assert one.vocabulary == two.vocabulary == " ehlo你好"
    assert len(one) == 7
    assert repr(one) == "CharTokenizer(' ehlo你好')"
    assert one.encode("hole").tolist() == [2, 4, 3, 1]


@pytest.mark.parametrize("text", ["abc", "\n\r\t\0", "é\u0301你🙂", "\ud83d"])
def test_what_is_saved_is_loaded(text, tmp_path):
    CharTokenizer(text).save(tmp_path / "characters.json")
    loaded = CharTokenizer.load(tmp_path / "characters.json")
    assert loaded.vocabulary == "".join(sorted(text))
    assert loaded.decode(loaded.encode(text)) == text


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"characters": ""}', '{"characters": 3}', "\udcff"])
def test_another_file_is_refused_by_name(content, tmp_path):
    path = tmp_path / "other.json"
    path.write_bytes(content.encode("utf8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"other.json is not a saved CharTokenizer \("):
        CharTokenizer.load(path)


def test_an_empty_text_makes_no_tokeniser_and_an_empty_list_decodes_to_nothing():
    with pytest.raises(ValueError, match="needed one character at least, got an empty text"):
        CharTokenizer("")
    tokenizer = CharTokenizer("ab")
    assert tokenizer.encode("").shape == (0,)
    assert tokenizer.decode([]) == ""


@pytest.mark.parametrize("wrong", [-1, 3, 99])
def test_an_id_out_of_range_is_named_with_its_position(wrong):
    with pytest.raises(ValueError, match=f"id {wrong} at position 2 is out of range: 3 characters are 0 to 2"):
        CharTokenizer("abc").decode([0, 1, wrong, 1])


def test_ids_of_a_batch_or_fractions_are_refused():
    with pytest.raises(ValueError, match=r"needed ids of one text, \(T,\), got \(1, 2\): decode one row at a time"):
        CharTokenizer("abc").decode([[0, 1]])
    with pytest.raises(TypeError, match="ids must be integers, got float64"):
        CharTokenizer("abc").decode([0.5])


def test_shakespeare_is_eighty_four_characters():
    text = "".join(data.shakespeare().values())
    tokenizer = CharTokenizer(text)
    ids = tokenizer.encode(text)
    assert len(tokenizer) == 84
    assert ids.dtype == np.int64
    assert np.bincount(ids, minlength=84).min() > 0
    assert tokenizer.decode(ids) == text
