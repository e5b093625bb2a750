"""How much personal data is found, and how fast, beside Presidio in the same run where it is installed.

The labelled set (`benchmarks/pii/labelled.jsonl`) is made of templates and locales that the tagger's training never
saw; `python -m benchmarks.privacy make` makes it again.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from governance.privacy.detect import Detectors
from governance.privacy.tagger import shipped_tagger

ROOT = Path(__file__).resolve().parent
LABELLED, RESULTS = ROOT / "pii/labelled.jsonl", ROOT / "results/privacy.json"
COUNT, SEED = 3_000, 20261124
# One thing under two names: what the set calls it, and what may be found.
SAME = {
    "DATE_TIME": {"DATE_TIME", "DATE_OF_BIRTH"},
    "PASSPORT": {"US_PASSPORT", "PASSPORT"},
    "ADDRESS": {"ADDRESS", "POSTAL_CODE", "LOCATION"},
    "LOCATION": {"LOCATION", "ADDRESS"},
}
# Those of which a checksum or a structure tells whether they are one.
CHECKABLE = frozenset({"EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS"})


def main() -> None:
    """Measure, print tables, and write the figures to results/privacy.json."""
    items = [json.loads(line) for line in LABELLED.read_text().splitlines()]
    texts = [item["text"] for item in items]
    size = sum(len(text.encode()) for text in texts)
    patterns, both = Detectors(), Detectors(shipped_tagger().find)
    results: dict[str, Any] = {"texts": len(texts), "bytes": size}
    for name, detectors in (("patterns", patterns), ("patterns and tagger", both)):
        seconds, found = _timed(detectors.find_all, texts)
        results[name] = {"bytes_per_second": size / seconds, **_scores(items, found)}
    clean = _clean()
    seconds, _ = _timed(patterns.find_all, [clean])
    results["patterns"]["clean_bytes_per_second"] = len(clean.encode()) / seconds
    _beside_presidio(results, texts, size)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    _print(results)


def _timed(call: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> tuple[float, Any]:
    call(texts[:50])
    times = []
    for _ in range(3):
        started = time.perf_counter()
        found = call(texts)
        times.append(time.perf_counter() - started)
    return min(times), found


def _scores(items: Sequence[dict[str, Any]], found: Sequence[Any]) -> dict[str, Any]:
    """Score characters: what was labelled and found is right, whatever it was called, and by entity as it is called."""
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    for item, findings in zip(items, found, strict=True):
        text = item["text"]
        called: dict[int, str] = {
            place: finding.entity
            for finding in findings
            for place in range(finding.start, finding.end)
            if text[place].strip()
        }
        labelled: set[int] = set()
        for span in item["spans"]:
            entity = span["entity"]
            for place in range(span["start"], span["end"]):
                if not text[place].strip():
                    continue
                labelled.add(place)
                is_right = called.get(place) in SAME.get(entity, {entity})
                (right if is_right else missed)[entity] += 1
                if place in called:
                    right["any"] += 1
                else:
                    missed["any"] += 1
        for place, entity in called.items():
            if place not in labelled:
                wrong["any"] += 1
                wrong[entity] += 1
    checkable = {
        part: sum(counts[entity] for entity in CHECKABLE)
        for part, counts in (("right", right), ("missed", missed), ("wrong", wrong))
    }
    return {
        "all": _f2(right["any"], wrong["any"], missed["any"]),
        "checkable": _f2(checkable["right"], checkable["wrong"], checkable["missed"]),
        "entities": {
            entity: _f2(right[entity], wrong[entity], missed[entity]) for entity in sorted({*right, *missed} - {"any"})
        },
    }


def _f2(right: int, wrong: int, missed: int) -> dict[str, float]:
    precision, recall = right / max(right + wrong, 1), right / max(right + missed, 1)
    return {"precision": precision, "recall": recall, "f2": 5 * precision * recall / max(4 * precision + recall, 1e-9)}


def _clean() -> str:
    from training.tagger.grammar import lines

    return " ".join(line for line in lines() * 20 if line.isascii())


def _beside_presidio(results: dict[str, Any], texts: Sequence[str], size: int) -> None:
    """Presidio with its pattern recognizers on a blank spaCy pipeline, as no NER model can be had here."""
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
    except ImportError:
        print("Presidio is not installed here (pip install presidio-analyzer): it is left out")
        return

    class Blank(SpacyNlpEngine):
        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": spacy.blank("en")}

        def load(self) -> None:
            """Nothing to load."""

    # It tries to fetch a list of domain suffixes, and says at length that it cannot.
    logging.disable(logging.ERROR)
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    registry.recognizers = [item for item in registry.recognizers if type(item).__name__ != "SpacyRecognizer"]
    engine = AnalyzerEngine(nlp_engine=Blank(), registry=registry, supported_languages=["en"])
    few = texts[:300]
    started = time.perf_counter()
    for text in few:
        engine.analyze(text, language="en")
    speed = sum(len(text.encode()) for text in few) / (time.perf_counter() - started)
    results["presidio"] = {"bytes_per_second": speed}
    for name in ("patterns", "patterns and tagger"):
        results[name]["to_presidio"] = results[name]["bytes_per_second"] / speed


def _print(results: dict[str, Any]) -> None:
    for name in ("patterns", "patterns and tagger"):
        part = results[name]
        print(
            f"{name}: {part['bytes_per_second'] / 1e6:.2f} MB/s"
            + (f", {part['to_presidio']:.0f} x Presidio" if "to_presidio" in part else "")
        )
        for group in ("all", "checkable"):
            print(f"  {group:<24} " + "  ".join(f"{key} {value:.3f}" for key, value in part[group].items()))
    print(f"clean text: {results['patterns']['clean_bytes_per_second'] / 1e6:.1f} MB/s")
    for entity, scores in results["patterns and tagger"]["entities"].items():
        print(f"  {entity:<24} " + "  ".join(f"{key} {value:.3f}" for key, value in scores.items()))


def make() -> None:
    """Write the labelled set."""
    from training.tagger.generate import generate

    lines = []
    for number, item in enumerate(generate("test", COUNT, SEED)):
        spans = [{"entity": entity, "start": start, "end": end} for entity, start, end in item.spans]
        lines.append(json.dumps({"id": number, "text": item.text, "spans": spans}, ensure_ascii=False))
    LABELLED.parent.mkdir(exist_ok=True)
    LABELLED.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    make() if sys.argv[1:] == ["make"] else main()
