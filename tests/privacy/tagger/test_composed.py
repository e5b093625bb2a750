"""Decomposed texts are read as composed ones, and places are those of the text as it came."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from governance.privacy.find.finding import Finding
from governance.privacy.tagger.composed import compose
from governance.privacy.tagger.model import shipped_tagger

MARKED = st.text(st.sampled_from("aeuo \u0308\u0301\u0323\u1100\u1161\u11a8한中\ud800\u2126"), max_size=40)


@given(MARKED)
def test_compose_gives_places_of_the_original(text):
    made = compose(text)
    if made.starts is None:
        assert made.text == text
        return
    assert len(made.starts) == len(made.text) + 1
    assert list(made.starts) == sorted(made.starts) and made.starts[-1] == len(text)
    for start, end in zip(made.starts, made.starts[1:], strict=False):
        assert end >= start


@given(st.text(st.sampled_from("Jürgen Müller Zoë é à ñ 한국 "), max_size=30))
def test_compose_joins_what_was_decomposed(text):
    assert compose(unicodedata.normalize("NFD", text)).text == unicodedata.normalize("NFC", text)


def test_compose_maps_findings_back():
    text = unicodedata.normalize("NFD", "für Jürgen Müller.")
    back = compose(text).map_back(Finding("PERSON", 4, 17, 0.8, "pii-tagger"))
    assert unicodedata.normalize("NFC", text[back.start : back.end]) == "Jürgen Müller"


def test_tagger_finds_the_same_in_a_decomposed_text():
    text = "Herr Jürgen Müller wohnt in Düsseldorf."
    decomposed = unicodedata.normalize("NFD", text)
    tagger = shipped_tagger()
    plain = [(item.entity, text[item.start : item.end]) for item in tagger.find([text])[0]]
    found = [
        (item.entity, unicodedata.normalize("NFC", decomposed[item.start : item.end]))
        for item in tagger.find([decomposed])[0]
    ]
    assert plain and plain == found
