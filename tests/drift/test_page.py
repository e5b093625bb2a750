"""The HTML report: names are escaped, pictures have labels, and nothing is loaded from another host."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from governance.drift.comparison import DriftTest
from governance.drift.learning import learn
from governance.drift.page import ReportSection, render
from governance.drift.profile import SignedProfile
from governance.drift.window import WindowCounts

HOSTILE = '<script>alert(1)</script>"'
CARD = {
    "inputs": [{"name": "x", "datatype": "FP64", "shape": [-1, 1], "columns": ["a<b>&"]}],
    "outputs": [{"name": "p", "datatype": "FP64", "shape": [-1, 2]}],
    "classes": [HOSTILE, "well"],
}


class Reader(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "rect", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page(items=300, shift=0.0):
    generator = np.random.default_rng(3)

    def batch(n, by):
        p = generator.random(n)
        return {"x": generator.normal(by, size=(n, 1))}, {"p": np.stack([p, 1 - p], 1)}

    reference = SignedProfile.parse(learn(CARD, *batch(300, 0.0)).encode())
    counted = WindowCounts(items, reference.profile.count(*batch(items, shift)))
    drift = DriftTest(reference, 200, 0.001).compare(counted)
    return render([ReportSection("m", reference.profile, counted, drift, 2)], 1_700_000_000.0)


@pytest.mark.parametrize(
    ("items", "shift", "word"), [(300, 0.0, "steady"), (300, 2.0, "drifted"), (10, 2.0, "too few items")]
)
def test_drift_page_shows_the_state_in_words(items, shift, word):
    assert f"{word}</span></h2>" in page(items, shift)


def test_drift_page_escapes_names_of_the_profile():
    text = page()
    assert "<script" not in text and "&lt;script&gt;" in text
    assert not [tag for tag, _ in Reader(text).tags if tag in ("script", "img", "link", "iframe", "b")]


def test_drift_page_closes_every_tag_and_labels_every_picture():
    reader = Reader(page(shift=2.0))
    assert reader.open == []
    pictures = [attributes for tag, attributes in reader.tags if tag == "svg"]
    assert len(pictures) == 4
    for attributes in pictures:
        assert attributes["role"] == "img"
        assert "in the validation data" in attributes["aria-label"] and "now" in attributes["aria-label"]


def test_drift_page_loads_nothing_and_forbids_scripts():
    text = page()
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|url\(|@import| on[a-z]+=| style=", text)
