"""The table of detectors: every example and counter-example, by both engines."""

import pytest

from governance.privacy.find.candidate_filter import CandidateFilter
from governance.privacy.find.candidates import CandidateFinder
from governance.privacy.find.detect import Detectors
from governance.privacy.find.engines import make_re_engine
from governance.privacy.find.patterns.detectors import DETECTORS

DETECT = Detectors()
SLOW = Detectors(candidate_filter=CandidateFilter(CandidateFinder(make_re_engine())))
EXAMPLES = [(item, example) for item in DETECTORS for example in item.examples]
COUNTERS = [(item, example) for item in DETECTORS for example in item.counter_examples]


@pytest.mark.parametrize("detect", [DETECT, SLOW], ids=["hyperscan", "re"])
@pytest.mark.parametrize(("detector", "example"), EXAMPLES, ids=lambda item: getattr(item, "name", None))
def test_detectors_find_their_examples(detector, example, detect):
    found = {finding.entity for finding in detect.find(f"see {example} now")}
    if not detector.entity:
        assert not found
        return
    wanted = {"DATE_TIME", "DATE_OF_BIRTH"} if detector.entity == "DATE_TIME" else {detector.entity}
    assert found & wanted, found


@pytest.mark.parametrize("detect", [DETECT, SLOW], ids=["hyperscan", "re"])
@pytest.mark.parametrize(("detector", "example"), COUNTERS, ids=lambda item: getattr(item, "name", None))
def test_detectors_do_not_find_their_counter_examples(detector, example, detect):
    assert detector.name not in {finding.why.split(",")[0] for finding in detect.find(f"see {example} now")}


def test_every_detector_has_an_example_and_a_counter_example():
    assert all(item.examples and item.counter_examples for item in DETECTORS)
    assert len({item.name for item in DETECTORS}) == len(DETECTORS) > 50


def test_detectors_never_match_across_two_texts():
    for item, text in EXAMPLES:
        for place in range(1, len(text)):
            torn = [f"see {text[:place]}", f"{text[place:]} now"]
            assert DETECT.find_all(torn) == [DETECT.find(part) for part in torn], (item.name, torn)
