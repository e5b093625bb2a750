"""The public labelled set: its labels are right, it can be made again, and nothing of it was trained on."""

import json
import re
from itertools import islice

import pytest

from benchmarks.pii.make import COUNT, ENTITIES, LABELLED, SEED, generate
from benchmarks.pii.templates import TEMPLATES
from benchmarks.privacy import CHECKABLE, RESULTS, _scores
from governance.privacy.find.detect import Detectors

pytest.importorskip("faker")
ITEMS = [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()]


def test_labelled_set_has_disjoint_labels_within_its_texts():
    assert len(ITEMS) == COUNT >= 3000
    for item in ITEMS:
        end = 0
        for span in item["spans"]:
            assert end <= span["start"] < span["end"] <= len(item["text"])
            assert item["text"][span["start"] : span["end"]].strip()
            end = span["end"]


def test_labelled_set_has_every_entity():
    labelled = {span["entity"] for item in ITEMS for span in item["spans"]}
    assert labelled == set(ENTITIES.values()) and labelled > CHECKABLE


def test_labelled_set_is_generated_byte_for_byte():
    for made, item in zip(islice(generate(COUNT, SEED), 60), ITEMS, strict=False):
        assert made == item


def test_labelled_set_shares_no_template_with_the_tagger_s_training():
    all_templates = pytest.importorskip("training.tagger.corpus.templates").all_templates

    def bare(template):
        return re.sub(r"\{+\w+\}+|\W+", " ", template).strip().lower()

    ours = {bare(line) for lines in TEMPLATES.values() for line in lines.strip().splitlines()} - {""}
    theirs = {bare(template) for template in all_templates()}
    assert len(ours) >= 150 and not {text for text in ours & theirs if len(text) > 12}


def test_detectors_without_a_tagger_find_entities_with_a_checksum():
    items = ITEMS[:800]
    scores = _scores(items, Detectors().find_all([item["text"] for item in items]))
    assert scores["checkable"]["f2"] >= 0.98 and scores["all"]["precision"] >= 0.95


def test_docs_privacy_shows_the_results_of_the_benchmark():
    """After `python -m benchmarks privacy`, docs/privacy.md says what was measured."""
    results = json.loads(RESULTS.read_text())
    document = (RESULTS.parents[2] / "docs/privacy.md").read_text()
    patterns, both = results["patterns"], results["patterns and tagger"]
    measured = {
        "**all, whatever it was called**": both["all"],
        "**checkable ones**": both["checkable"],
        "patterns alone, all": patterns["all"],
        **both["entities"],
    }
    rows = dict(
        re.findall(r"^\| ([^|]+) \| (?:[^|]+ )?\| (\d\.\d\d \| \d\.\d\d \| \d\.\d\d) \|$", document, re.MULTILINE)
    )
    assert rows == {
        name: f"{scores['precision']:.2f} | {scores['recall']:.2f} | {scores['f2']:.2f}"
        for name, scores in measured.items()
    }
    plugin = results["plugin"]["seconds"] * 1e6
    for part, figure in (
        (patterns, f"{patterns['bytes_per_second'] / 1e6:.1f} MB/s"),
        (both, f"{both['bytes_per_second'] / 1e6:.2f} MB/s"),
        (results["prose"], f"{results['prose']['bytes_per_second'] / 1e6:.1f} MB/s"),
    ):
        assert f"| {figure} | {part['to_presidio']:.0f} × |" in document
    assert f"| {patterns['clean_bytes_per_second'] / 1e6:.0f} MB/s |" in document
    assert f"| {plugin:.0f} µs, of it" in document


def test_docs_privacy_shows_the_findings_in_ordinary_text():
    """After `python -m benchmarks privacy`, docs/privacy.md says what was found in code, logs, law and manuals."""
    results = json.loads(RESULTS.read_text())
    document = (RESULTS.parents[2] / "docs/privacy.md").read_text()
    assert len(results["ordinary"]) >= 5
    for kind, measured in results["ordinary"].items():
        counts = [f"{sum(measured[name].values()):.1f}" for name in ("patterns", "patterns and tagger")]
        assert f"| {kind} | {measured['bytes'] // 1000} | {counts[0]} | {counts[1]} |" in document
