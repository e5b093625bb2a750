"""Windows and pieces: every word is decided on once, and no entity is cut."""

import pytest

from governance.privacy.find.detect import Detectors
from governance.privacy.tagger.model import shipped_tagger
from governance.privacy.tagger.windows import OVERLAP, WINDOW, windows

DETECT = Detectors(shipped_tagger().find)


@pytest.mark.parametrize("count", [0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW - OVERLAP, 1000])
def test_windows_decide_on_every_word_once(count):
    decided = [
        number for first, last, keep, stop in windows(count) for number in range(keep, stop) if first <= number < last
    ]
    assert decided == list(range(count))


def test_windows_do_not_cut_a_name():
    filler = "The machine was restarted again and the report was late. "
    for words in range(WINDOW - 14, WINDOW + 10):
        before = " ".join((filler * 20).split()[:words])
        text = f"{before}. Yesterday we spoke to Maria Gonzalez in London. {filler * 10}"
        assert ("PERSON", "Maria Gonzalez") in [(f.entity, text[f.start : f.end]) for f in DETECT.find(text)], words


def test_pieces_of_a_long_text_have_the_findings_of_the_whole(monkeypatch):
    text = "Yesterday we spoke to Maria Gonzalez in London about the late report. " * 60
    [whole] = shipped_tagger().find([text])
    monkeypatch.setattr("governance.privacy.tagger.windows.PIECE", 1000)
    [pieces] = shipped_tagger().find([text])
    spoken = [(f.start, f.end) for f in whole if f.entity == "PERSON"]
    assert len(spoken) == 60 and [(f.start, f.end) for f in pieces if f.entity == "PERSON"] == spoken
