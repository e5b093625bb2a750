"""Engines: Hyperscan and `re` lead to the same findings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.privacy.find.candidate_filter import CandidateFilter
from governance.privacy.find.candidates import CandidateFinder
from governance.privacy.find.detect import Detectors
from governance.privacy.find.engines import make_hyperscan_engine, make_re_engine

DETECT = Detectors()
SLOW = Detectors(candidate_filter=CandidateFilter(CandidateFinder(make_re_engine())))
PIECES = st.sampled_from(
    [
        "4111 1111 1111 1111",
        "+44 20 7946 0958",
        "a@b.org",
        "call",
        "SSN",
        "536904399",
        "17/05/1984",
        " ",
        ", ",
        "电话",
        "x",
        "192.168.10.1",
        "é",
        "--",
        "00",
        "https://x.org/a",
    ]
)


def entities(text, detect=DETECT):
    return [(finding.entity, text[finding.start : finding.end]) for finding in detect.find(text)]


@given(st.lists(PIECES, max_size=12))
@settings(max_examples=300, deadline=None)
def test_hyperscan_engine_and_re_engine_find_the_same(pieces):
    text = "".join(pieces)
    assert entities(text) == entities(text, SLOW)


def test_make_hyperscan_engine_works_where_hyperscan_is_installed():
    pytest.importorskip("hyperscan")
    assert make_hyperscan_engine()
