"""Generator of `docs/performance.md`: the figures of `benchmarks/results/` as tables and a picture, and what they mean.

`serving.py` writes the section about serving, `bars.py` draws.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tools.performance.serving import PICTURE, serving_picture, serving_section

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks/results"
PAGE = Path("docs/performance.md")
MICROSECONDS, GIB = 1e6, 2**30

TEXT = """\
<!-- Generated from benchmarks/results; do not edit. Run `make generate` after a benchmark. -->

# Performance

`make bench` measures everything on this page and writes `benchmarks/results/`; `python -m benchmarks NAME` runs one
of `serving`, `artifacts`, `access`, `privacy` and `metrics`. Each compares with other software in the same run,
because figures of two machines, or of two days, cannot be compared.

{serving}

## Opening a sealed model

`python -m benchmarks artifacts`: a sealed model compared with ONNX Runtime that opens the same model in plaintext,
each in a fresh process; {cores} cores. The time runs from the first byte read to a session that answers. A sealed
model is verified, decrypted, hashed and scanned in this time.

| model | plain file | plain bytes | sealed | sealed / plain file | peak memory / size, sealed | the same, plain file |
|---|---|---|---|---|---|---|
{artifacts}

The budgets are 0.6 of the time of a plain file, and a peak of 1.1 times the size for 1 GiB and of 5 GiB for 4 GiB.

Four workers of one service share one plaintext: {workers} of the size of the 1 GiB model for all of them together
(budget 1.3). `artifact rewrap` of 4 GiB takes {rewrap} (budget 1 s).

## Identity, policy and limits

`python -m benchmarks access`: the three plugins together, for one request. "First" means that nothing about this
caller and request is cached; "known" means that the same was asked before.

| request | 10 keys, 10 policies | 10,000 keys, 1,000 policies | budget |
|---|---|---|---|
{access}

## Privacy

`python -m benchmarks privacy`: bytes of text for each second of CPU of one thread, and the same texts by Presidio
(pattern recognizers) in the same run. [Privacy](privacy.md#how-well-it-finds) has the accuracy of each detector.

| what | speed | compared with Presidio | budget |
|---|---|---|---|
{privacy}

One JSON body of {body} bytes with {strings} strings costs the plugin {plugin}, of which {detection} are detection
(budget 100 µs).

## Metrics

`python -m benchmarks metrics`: the metrics plugin costs {metrics} a request, with the merging of all counters
included. prometheus_client called directly, in the same run: {naive}.
"""


def performance_files() -> dict[Path, str]:
    """Return the page and its picture, each by its path relative to the repository."""
    serving, artifacts, access, privacy, metrics = (
        json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("serving", "artifacts", "access", "privacy", "metrics")
    )
    plugin = privacy["plugin"]
    text = TEXT.format(
        serving=serving_section(serving),
        cores=artifacts["cores"],
        artifacts="\n".join(_artifacts(artifacts)),
        workers=f"{artifacts['workers']['pss_to_size']:.2f}",
        rewrap=f"{artifacts['rewrap']['4 GiB']['seconds'] * 1000:.0f} ms",
        access="\n".join(_access(access)),
        privacy="\n".join(_privacy(privacy)),
        body=f"{plugin['body_bytes']:,}",
        strings=plugin["texts"],
        plugin=f"{plugin['seconds'] * MICROSECONDS:.0f} µs",
        detection=f"{plugin['of_it_detection'] * MICROSECONDS:.0f} µs",
        metrics=f"{metrics['metrics plugin, flushes included, µs a call']:.1f} µs",
        naive=f"{metrics['prometheus_client naively, µs a call']:.1f} µs",
    )
    return {PAGE: text, PAGE.with_name(PICTURE): serving_picture(serving)}


def _artifacts(results: dict[str, Any]) -> list[str]:
    rows = []
    for label, name in (("1 GiB", "1 GiB, fp32"), ("4 GiB", "4 GiB, external weights")):
        row = results[label]
        plain_bytes = f"{row['plain bytes']['seconds']:.1f} s" if "plain bytes" in row else "not measured"
        sealed, plain = row["sealed"], row["plain path"]
        rows.append(
            f"| {name} | {plain['seconds']:.1f} s | {plain_bytes} | {sealed['seconds']:.1f} s | "
            f"{row['sealed_to_plain_path']:.2f} | {sealed['peak_to_size']:.2f} "
            f"({sealed['peak_bytes'] / GIB:.1f} GiB) | {plain['peak_to_size']:.2f} |"
        )
    return rows


def _access(results: dict[str, Any]) -> list[str]:
    rows = [
        ("known, API key", "known, API key", "30 µs"),
        ("known, token", "known, token", "30 µs"),
        ("first, API key", "first, API key", "400 µs"),
        ("first, token", "first, token", "400 µs"),
        ("Cedar over the whole set", "Cedar alone, over all policies", ""),
    ]
    small, large = results["small"], results["large"]
    return [f"| {name} | {small[key]:.0f} µs | {large[key]:.0f} µs | {budget} |" for key, name, budget in rows]


def _privacy(results: dict[str, Any]) -> list[str]:
    patterns, both, prose = results["patterns"], results["patterns and tagger"], results["prose"]

    def row(name: str, part: dict[str, Any], budget: str, digits: int = 1) -> str:
        speed = f"{part['bytes_per_second'] / 1e6:.{digits}f} MB/s"
        return f"| {name} | {speed} | {part['to_presidio']:.0f} × | {budget} |"

    def found(part: dict[str, Any]) -> str:
        return f"{part['findings_per_kilobyte']:.0f} findings in 1,000 bytes"

    clean = f"{patterns['clean_bytes_per_second'] / 1e6:.0f} MB/s"
    return [
        row(f"patterns, prose: {found(prose)}", prose, "5 MB/s, 100 ×"),
        row(f"patterns, the labelled set: {found(patterns)}", patterns, "5 MB/s, 100 ×"),
        f"| patterns, text without findings | {clean} | | 50 MB/s |",
        row("patterns and tagger, the labelled set", both, "20 ×", digits=2),
    ]
