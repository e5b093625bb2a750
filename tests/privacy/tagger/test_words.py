"""Words of a text: split as a regular expression does; equal words are recognized."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import ConfigurationError
from governance.privacy.native import TWINS
from governance.privacy.tagger.model import FOLDER
from governance.privacy.tagger.words import WordSplitter, distinct_words
from training.tagger.model import CHARACTERS, PAIR_PATTERN, WORD_PATTERN, split_words

ODD = st.text(st.sampled_from("aB9 \n_.,'-Ωé中国さ한\u200b\u200f\ud800\udfff²①\u0301😀\x00"), max_size=60)


@given(ODD)
def test_word_splitter_splits_as_the_pattern_of_the_card(text):
    card = json.loads((FOLDER / "card.json").read_text())
    words = WordSplitter(card["words"]).split(text)
    expected = [match.span() for match in re.finditer(card["words"], text)]
    assert list(zip(words.starts.tolist(), words.ends.tolist(), strict=True)) == expected
    table, places = words.distinct(16)
    seen = ["".join(map(chr, row[row > 0])) for row in table[places]]
    assert seen == [text[start:end][:16].split("\x00")[0] for start, end in expected]


def test_word_splitter_reads_chinese_characters_with_the_next_one():
    words = WordSplitter(WORD_PATTERN, PAIR_PATTERN).split("在北京, a 中 国")
    assert [words.codes[start] for start in words.starts.tolist()] == [ord(c) for c in "在北京,a中国"]
    table, places = words.distinct(16)
    read = ["".join(map(chr, row[row > 0])) for row in table[places]]
    assert read == ["在北", "北京", "京", ",", "a", "中", "国"]


@given(ODD)
def test_word_splitter_reads_pairs_as_training_does(text):
    words = WordSplitter(WORD_PATTERN, PAIR_PATTERN).split(text)
    table, places = words.distinct(CHARACTERS)
    read = ["".join(map(chr, row[row > 0])) for row in table[places]]
    assert read == [word[:CHARACTERS].split("\x00")[0] for word in split_words(text).words]


def test_distinct_words_separates_words_with_one_hash(monkeypatch):
    monkeypatch.setattr("governance.privacy.tagger.words._multipliers", lambda count: np.zeros(count, np.int64))
    words = WordSplitter(json.loads((FOLDER / "card.json").read_text())["words"]).split("Ada met Bob, Ada")
    in_python = TWINS.get(distinct_words, distinct_words)
    table, places = in_python(words.codes, words.starts, words.ends, 16)
    assert len(table) == 4 and places[0] == places[4]


def test_word_splitter_refuses_another_kind_of_pattern():
    for pattern in ("(", r"\\w+"):
        with pytest.raises(ConfigurationError, match="card"):
            WordSplitter(pattern)
