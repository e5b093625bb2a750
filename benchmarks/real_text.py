"""Names in real text, which training never saw: how many are found, and how many findings are false.

`REAL_TEXT=FOLDER python -m benchmarks real_text` reads `LANGUAGE-NAME.jsonl` (text with names marked, as
`training/tagger/corpus/marked.py` describes it) and `LANGUAGE-NAME.txt` (text that names almost nobody, one paragraph a
line) from the folder. Neither is part of this project. A peer of each language reads the same texts if `SPACY_PYTHON`
names a Python with spaCy and its small models (`en_core_web_sm`, `fr_core_news_sm`, `es_core_news_sm`).

Scores count characters. F2 weighs recall higher than precision.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from governance.privacy.tagger.model import shipped_tagger
from training.tagger.corpus.labelled import LabelledText, Span
from training.tagger.corpus.marked import MarkedCorpus, read_corpora
from training.tagger.scores import CharacterCounts

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results/real_text.json"
KINDS = {"persons": ("PERSON",), "persons and places": ("PERSON", "LOCATION")}
# From this score on, a finding promises a precision of 0.8.
SURE = 0.8


def main() -> None:
    """Measure, print a line for each file, and write the figures to results/real_text.json."""
    folder = os.environ.get("REAL_TEXT")
    if not folder:
        sys.exit("set REAL_TEXT to a folder with LANGUAGE-NAME.jsonl and LANGUAGE-NAME.txt (see this module)")
    results: dict[str, Any] = {"names": {}, "false findings in 10 KB": {}}
    for corpus in read_corpora(Path(folder)):
        results["names"][corpus.name] = _measure(corpus)
        print(corpus.name, json.dumps(results["names"][corpus.name]))
    for file in sorted(Path(folder).glob("*.txt")):
        lines = file.read_text(encoding="utf-8").splitlines()
        results["false findings in 10 KB"][file.stem] = _false_findings(lines)
        print(file.stem, json.dumps(results["false findings in 10 KB"][file.stem]))
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


def _measure(corpus: MarkedCorpus) -> dict[str, Any]:
    """Return the scores of the shipped tagger and of the peer on one corpus."""
    items = [*corpus.training, *corpus.validation]
    texts = [item.text for item in items]
    found = shipped_tagger().find(texts)
    spans = [[(finding.entity, finding.start, finding.end) for finding in some] for some in found]
    sure = [[(f.entity, f.start, f.end) for f in some if f.score >= SURE] for some in found]
    measured: dict[str, Any] = {"texts": len(items), "spans": sum(len(item.spans) for item in items)}
    for name, kinds in KINDS.items():
        measured[name] = _scores(items, spans, kinds)
    measured["persons from a score of 0.8"] = _scores(items, sure, KINDS["persons"])
    peer = _peer(corpus.language, texts)
    if peer is not None:
        measured["peer"] = {name: _scores(items, peer, kinds) for name, kinds in KINDS.items()}
    return measured


def _scores(items: Sequence[LabelledText], found: Sequence[Iterable[Span]], kinds: tuple[str, ...]) -> dict[str, float]:
    """Return precision, recall and F2 of some kinds; which of them a name was called does not count."""
    counts = CharacterCounts()
    for item, spans in zip(items, found, strict=True):
        kept = tuple(("PERSON", start, end) for entity, start, end in item.spans if entity in kinds)
        counts.add(LabelledText(item.text, kept), [("PERSON", s, e) for entity, s, e in spans if entity in kinds])
    return {name: round(score, 3) for name, score in counts.scores().items()}


def _false_findings(lines: Sequence[str]) -> dict[str, float]:
    """Return findings in 10 KB, by entity."""
    kilobytes = sum(len(line.encode()) for line in lines) / 10_000
    counts: dict[str, int] = {}
    for findings in shipped_tagger().find(list(lines)):
        for finding in findings:
            counts[finding.entity] = counts.get(finding.entity, 0) + 1
    return {"all": round(sum(counts.values()) / kilobytes, 1)} | {
        entity: round(count / kilobytes, 1) for entity, count in sorted(counts.items())
    }


def _peer(language: str, texts: Sequence[str]) -> list[list[Span]] | None:
    """Return what spaCy's small model of a language finds, or None if there is none."""
    python = os.environ.get("SPACY_PYTHON")
    if not python:
        return None
    done = subprocess.run(
        [python, str(ROOT / "peers/spacy_names.py"), language],
        input=json.dumps(list(texts)),
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        return None
    return [[(entity, start, end) for entity, start, end in spans] for spans in json.loads(done.stdout)]


if __name__ == "__main__":
    main()
