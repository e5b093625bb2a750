"""`TaggerModel`: scores of the shipped model on texts that it has never seen, its digest, and bounded memory."""

import json
import shutil
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.errors import ConfigurationError, ManifestMismatchError
from governance.privacy.find.detect import Detectors
from governance.privacy.tagger.model import FOLDER, SHA256, TaggerModel, shipped_tagger
from tests.privacy.tagger.test_words import ODD

LABELLED = Path(__file__).parents[3] / "benchmarks/pii/labelled.jsonl"
FLOOR_PRECISION, FLOOR_F2 = 0.89, 0.92
DETECT = Detectors(shipped_tagger().find)


def entities(text):
    return [(finding.entity, text[finding.start : finding.end]) for finding in DETECT.find(text)]


def test_tagger_model_finds_names_places_and_organisations():
    found = entities("Dr. Maria Gonzalez of Mercy Hospital flew from Lisbon to see John O'Neil.")
    assert found == [
        ("PERSON", "Maria Gonzalez"),
        ("ORGANIZATION", "Mercy Hospital"),
        ("LOCATION", "Lisbon"),
        ("PERSON", "John O'Neil"),
    ]
    assert ("PERSON", "张伟") in entities("我叫张伟，在上海工作，电话13812345678。")
    assert entities("Please restart the server before you try again.") == []


def test_tagger_model_scores_above_the_floor_on_the_labelled_set():
    """The floors are somewhat below the measured scores: a worse model fails, small differences of rounding do not."""
    items = [json.loads(line) for line in LABELLED.read_text().splitlines()[:600]]
    found = DETECT.find_all([item["text"] for item in items])
    right = wrong = missed = 0
    for item, findings in zip(items, found, strict=True):
        text = item["text"]
        wanted = {p for span in item["spans"] for p in range(span["start"], span["end"]) if text[p].strip()}
        got = {p for finding in findings for p in range(finding.start, finding.end) if text[p].strip()}
        right, wrong, missed = right + len(wanted & got), wrong + len(got - wanted), missed + len(wanted - got)
    precision, recall = right / (right + wrong), right / (right + missed)
    assert precision >= 0.90 and 5 * precision * recall / (4 * precision + recall) >= 0.93


def test_tagger_model_finds_the_same_in_many_texts_at_once():
    texts = ["", "Ada", "Call Ada Lovelace in London.", "x " * 300 + "Ada Lovelace lives in London.", "。", "我叫张伟"]
    together = shipped_tagger().find(texts)
    for text, found in zip(texts, together, strict=True):
        [alone] = shipped_tagger().find([text])
        assert [(f.entity, f.start, f.end) for f in found] == [(f.entity, f.start, f.end) for f in alone]


def test_tagger_model_refuses_a_changed_model(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "m")
    content = bytearray((tmp_path / "m/model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "m/model.onnx").write_bytes(content)
    with pytest.raises(ManifestMismatchError, match="ships"):
        TaggerModel.from_folder(tmp_path / "m", SHA256)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        TaggerModel.from_folder(tmp_path / "absent", SHA256)


def test_tagger_model_is_smaller_than_8_megabytes():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 8 * 10**6
    card = json.loads((FOLDER / "card.json").read_text())
    assert card["scores"]["held_out"]["f2"] > 0.85 and card["intended_purposes"] == ["anonymization"]


CHALLENGE = Path(__file__).parents[3] / "training/tagger/data/challenge.jsonl"


def test_tagger_model_scores_above_the_floor_on_texts_written_by_hand():
    """Notes, chats, letters, logs and records that share no template with the training data."""
    items = [json.loads(line) for line in CHALLENGE.read_text(encoding="utf-8").splitlines()]
    found = shipped_tagger().find([item["text"] for item in items])
    right = wrong = missed = 0
    for item, findings in zip(items, found, strict=True):
        text = item["text"]
        wanted = {p for span in item["spans"] for p in range(span["start"], span["end"]) if text[p].strip()}
        got = {p for finding in findings for p in range(finding.start, finding.end) if text[p].strip()}
        right, wrong, missed = right + len(wanted & got), wrong + len(got - wanted), missed + len(wanted - got)
    precision, recall = right / (right + wrong), right / (right + missed)
    assert len(items) >= 150
    assert precision >= FLOOR_PRECISION and 5 * precision * recall / (4 * precision + recall) >= FLOOR_F2


@pytest.mark.parametrize(
    "text",
    [
        "nothing here",
        "Please restart the server before you try again.",
        "2026-03-02T08:11:45Z INFO scheduler Job cleanup finished in 312 ms",
        "Take one tablet twice daily after meals.",
        "系统升级完成，请重新登录后再试。",
        "Die Heizung in der Praxis ist seit Montag kaputt.",
    ],
)
def test_tagger_model_finds_nothing_in_plain_text(text):
    assert shipped_tagger().find([text]) == [[]]


@given(st.lists(ODD, max_size=4))
@settings(deadline=None, max_examples=60)
def test_tagger_model_accepts_any_text(texts):
    for text, findings in zip(texts, shipped_tagger().find(texts), strict=True):
        places = [(finding.start, finding.end) for finding in findings]
        assert places == sorted(places)
        assert all(0 <= start < end <= len(text) and text[start:end].strip() for start, end in places)


def test_tagger_model_needs_a_bounded_amount_of_memory():
    text = "Maria Gonzalez lives in London, says the report. " * 20_000
    shipped_tagger().find([text[:300_000]])
    tracemalloc.start()
    [found] = shipped_tagger().find([text])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) >= 40_000 and peak < 120 * 10**6
