"""docs/privacy.md shows the measured figures of names in real text."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ROWS = {"de-news": "German news", "en-posts": "English posts", "zh-news": "Chinese news"}
FALSE = {"de-manual": "German manual", "zh-manual": "Chinese manual", "en-python": "Python's documentation"}
FALSE |= {"en-code": "Python code", "en-logs": "logs of package"}


def test_document_shows_the_measured_figures():
    lines = (ROOT / "docs/privacy.md").read_text().splitlines()
    results = json.loads((ROOT / "benchmarks/results/real_text.json").read_text())
    for name, start in ROWS.items():
        measured = results["names"][name]
        persons = measured["persons"]
        shown = [f"{persons[key]:.2f}" for key in ("precision", "recall", "f2")]
        shown.append(f"{measured['persons and places']['f2']:.2f}")
        shown.append(f"{measured['peer']['persons']['f2']:.2f}" if "peer" in measured else "")
        shown.append(f"{measured['persons from a score of 0.8']['precision']:.2f}")
        [line] = [line for line in lines if line.startswith(f"| {start}")]
        assert [cell.strip() for cell in line.split("|")[2:-1]] == shown
    for name, start in FALSE.items():
        [line] = [line for line in lines if line.startswith(f"| {start}")]
        assert line.split("|")[2].strip() == str(results["false findings in 10 KB"][name]["all"])
