"""Quality and speed of the detection of personal data, compared with Presidio in the same run if it is installed.

`python -m benchmarks.pii.make` makes the labelled set (`benchmarks/pii/labelled.jsonl`) from templates that the
training of the tagger does not use. Speeds are bytes per second of CPU time of one thread, the best of several
rounds that alternate, because other programs use the machine too.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.pii.ordinary import findings_per_10_kilobytes, ordinary_texts
from governance.contract.exchange import Exchange, Reply
from governance.contract.routes import Route
from governance.plugins.privacy.plugin import PrivacyPlugin
from governance.privacy.find.detect import Detectors
from governance.privacy.tagger.model import shipped_tagger
from governance.settings import Settings
from governance.testing import make_exchange
from training.tagger.corpus.texts import held_out_texts

ROOT = Path(__file__).resolve().parent
LABELLED, RESULTS = ROOT / "pii/labelled.jsonl", ROOT / "results/privacy.json"
# Entities with several names: name in the labelled set -> names that count as correct.
SAME = {
    "DATE_TIME": {"DATE_TIME", "DATE_OF_BIRTH"},
    "PASSPORT": {"US_PASSPORT", "PASSPORT"},
    "ADDRESS": {"ADDRESS", "POSTAL_CODE", "LOCATION"},
    "LOCATION": {"LOCATION", "ADDRESS"},
}
# Entities that a checksum or a structure can verify.
CHECKABLE = frozenset({
    "EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "MAC_ADDRESS", "URL", "DOMAIN_NAME", "PHONE_NUMBER",
    "US_SSN", "US_ITIN", "US_BANK_ROUTING", "SWIFT_CODE", "UK_NHS", "UK_NINO", "VAT_NUMBER", "CN_RESIDENT_ID", "ES_NIF",
    "IT_FISCAL_CODE", "FR_NIR", "DE_TAX_ID", "NL_BSN", "PL_PESEL", "SE_PERSONNUMMER", "FI_HETU", "IN_AADHAAR", "IN_PAN",
    "BR_CPF", "AU_TFN", "CA_SIN", "SG_NRIC", "CRYPTO", "JWT", "PRIVATE_KEY", "API_KEY", "CLOUD_CREDENTIAL", "DATE_TIME",
})  # fmt: skip
ROUNDS = 5
ASK = Route("POST", "/ask", "infer", "bentoml", content_types=frozenset({"application/json"}), max_body_bytes=10**6)


def main() -> None:
    """Measure, print tables, and write the figures to results/privacy.json."""
    items = [json.loads(line) for line in LABELLED.read_text().splitlines()]
    texts = [item["text"] for item in items]
    size = sum(len(text.encode()) for text in texts)
    patterns, both = Detectors(), Detectors(shipped_tagger().find)
    clean, together = [_clean()], [" ".join(texts[n : n + 40]) for n in range(0, len(texts), 40)]
    prose = [item.text for item in held_out_texts(1, 1500)]
    seconds = _best(
        {
            "patterns": lambda: patterns.find_all(texts),
            "clean": lambda: patterns.find_all(clean),
            "prose": lambda: patterns.find_all(prose),
            "together": lambda: patterns.find_all(together),
            "patterns and tagger": lambda: both.find_all(texts),
        }
    )
    prose_size = sum(len(text.encode()) for text in prose)
    results: dict[str, Any] = {"texts": len(texts), "bytes": size}
    for name, detectors in (("patterns", patterns), ("patterns and tagger", both)):
        found = detectors.find_all(texts)
        results[name] = {"bytes_per_second": size / seconds[name], **_scores(items, found)}
    results["patterns"]["findings_per_kilobyte"] = sum(map(len, patterns.find_all(texts))) / size * 1000
    results["patterns"]["clean_bytes_per_second"] = len(clean[0].encode()) / seconds["clean"]
    results["patterns"]["long_bytes_per_second"] = sum(len(t.encode()) for t in together) / seconds["together"]
    results["prose"] = {"bytes_per_second": prose_size / seconds["prose"]}
    results["prose"]["findings_per_kilobyte"] = sum(map(len, patterns.find_all(prose))) / prose_size * 1000
    results["patterns"]["in_python_bytes_per_second"] = _peer(sys.executable, "in_python", texts)
    results["ordinary"] = {
        kind: {
            "bytes": sum(len(text.encode()) for text in some),
            "patterns": findings_per_10_kilobytes(patterns, some),
            "patterns and tagger": findings_per_10_kilobytes(both, some),
        }
        for kind, some in ordinary_texts().items()
    }
    results["plugin"] = asyncio.run(_plugin())
    _compare_with_presidio(results, texts, ("patterns", "patterns and tagger"))
    _compare_with_presidio(results, prose, ("prose",))
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    _print(results)


def _best(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the lowest CPU seconds of each call; they alternate, so that other load affects all equally."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            started = time.process_time()
            call()
            best[name] = min(best[name], time.process_time() - started)
    return best


async def _plugin() -> dict[str, float]:
    """Return the seconds that the plugin adds to a request: JSON body of 2 KB, four findings, no tagger."""
    settings = {"service": {"name": "s"}, "privacy": {"text": [{"route": "/ask"}]}}
    plugin = PrivacyPlugin(Settings.model_validate(settings))
    await plugin.open()
    lines = [line for line in _clean()[:40_000].split(". ") if 40 < len(line) < 90][:16]
    notes = [{"id": f"n{number}", "kind": "note", "text": line} for number, line in enumerate(lines)]
    notes += [{"id": "x", "text": "reach me at ada@example.org or +44 20 7946 0958", "card": "4111 1111 1111 1111"}]
    notes += [{"id": "y", "text": "born on 17 May 1984, account closed", "ok": True}]
    body = json.dumps({"visit": "routine", "notes": notes}).encode()
    while len(body) > 2048:
        del notes[0]
        body = json.dumps({"visit": "routine", "notes": notes}).encode()

    async def read() -> bytes:
        return body

    async def proceed(exchange: Exchange) -> Reply:
        return Reply(200, (), ())

    def exchange() -> Exchange:
        headers = [(b"content-type", b"application/json")]
        return make_exchange("POST", ASK.template, route=ASK, body=body, headers=headers)

    best = float("inf")
    for _ in range(ROUNDS * 4):
        made = [exchange() for _ in range(50)]
        started = time.process_time()
        for one in made:
            await plugin.handle(one, proceed)
        best = min(best, (time.process_time() - started) / len(made))
    texts = [value for note in notes for value in note.values() if isinstance(value, str)]
    detectors = Detectors()
    alone = _best({"find": lambda: [detectors.find_all(texts) for _ in range(50)]})["find"] / 50
    return {"body_bytes": len(body), "texts": len(texts) + 1, "seconds": best, "of_it_detection": alone}


def _scores(items: Sequence[dict[str, Any]], found: Sequence[Any]) -> dict[str, Any]:
    """Return precision, recall and F2 by characters: `all` ignores the entity, `entities` requires the right one."""
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
    """Return 3.7 MB of English without personal data."""
    from training.tagger.corpus.vocabulary import technical_sentences

    return " ".join(technical_sentences() * 180)


def _compare_with_presidio(results: dict[str, Any], texts: Sequence[str], names: Sequence[str]) -> None:
    """Measure the pattern recognizers of Presidio on the same texts, and add its speed to `results`."""
    speed = _peer(os.environ.get("PRESIDIO_PYTHON", sys.executable), "presidio", texts[:400])
    if speed is None:
        print("Presidio is not installed and is skipped; set PRESIDIO_PYTHON to a Python that has it")
        return
    for name in names:
        results[name]["presidio_bytes_per_second"] = speed
        results[name]["to_presidio"] = results[name]["bytes_per_second"] / speed


def _peer(python: str, name: str, texts: Sequence[str]) -> float | None:
    """Return the bytes per second of a program in `peers/` on these texts, or None if it fails."""
    command = [python, str(ROOT / f"peers/{name}.py")]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=False)
    return None if done.returncode else float(done.stdout)


def _print(results: dict[str, Any]) -> None:
    for name in ("patterns", "patterns and tagger"):
        part = results[name]
        print(
            f"{name}: {part['bytes_per_second'] / 1e6:.2f} MB/s"
            + (f", {part['to_presidio']:.0f} x Presidio" if "to_presidio" in part else "")
        )
        for group in ("all", "checkable"):
            print(f"  {group:<24} " + "  ".join(f"{key} {value:.3f}" for key, value in part[group].items()))
    plugin = results["plugin"]
    whole, part = plugin["seconds"] * 1e6, plugin["of_it_detection"] * 1e6
    print(f"plugin, {plugin['body_bytes']} bytes: {whole:.0f} µs, of which detection {part:.0f}")
    prose = results["prose"]
    print(f"prose: {prose['bytes_per_second'] / 1e6:.1f} MB/s, {prose.get('to_presidio', 0):.0f} x Presidio")
    print(f"without compiled loops: {results['patterns']['in_python_bytes_per_second'] / 1e6:.2f} MB/s")
    print(f"texts of 5 KB: {results['patterns']['long_bytes_per_second'] / 1e6:.1f} MB/s")
    print(f"clean text: {results['patterns']['clean_bytes_per_second'] / 1e6:.1f} MB/s")
    for kind, measured in results["ordinary"].items():
        counts = [sum(measured[name].values()) for name in ("patterns", "patterns and tagger")]
        print(f"findings in 10 KB of {kind}: {counts[0]:.2f}, with the tagger {counts[1]:.2f}")
    for entity, scores in results["patterns and tagger"]["entities"].items():
        print(f"  {entity:<24} " + "  ".join(f"{key} {value:.3f}" for key, value in scores.items()))


if __name__ == "__main__":
    main()
