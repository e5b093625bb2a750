"""The public API as mypy sees it: what users write is accepted with the right types, and mistakes are refused.

Each file in `cases/` is checked with the settings of this project. A comment at the end of a line is what mypy must say
there: `# E: ERROR` for an error, `# N: NOTE` for the type that `reveal_type` shows. On all other lines it says nothing.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "tests/typing/cases").glob("*.py"))
SAID = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+): (?P<kind>error|note): (?P<text>.*?)(?:  \[[a-z-]+\])?$")
EXPECTED = re.compile(r"# ([EN]): (.*)$")


def expected(case: Path) -> list[tuple[int, str, str]]:
    """The line number, `E` or `N`, and the text of each comment."""
    lines = enumerate(case.read_text().splitlines(), 1)
    return [(number, *found.groups()) for number, line in lines if (found := EXPECTED.search(line))]


def said(output: str) -> list[tuple[int, str, str]]:
    """The same of each line that mypy printed, without the notes that explain an error."""
    found = [SAID.match(line) for line in output.splitlines() if not line.startswith(("Found ", "Success"))]
    assert all(found), output
    rows = [(int(one["line"]), one["kind"][0].upper(), one["text"]) for one in found]
    return [row for row in rows if row[1] == "E" or row[2].startswith("Revealed type is ")]


@pytest.mark.needs("mypy")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_mypy_accepts_and_refuses_what_the_case_says(case, monkeypatch):
    from mypy import api

    monkeypatch.chdir(ROOT)
    output, failure, _ = api.run([str(case), "--config-file", "pyproject.toml", "--no-error-summary"])
    assert failure == ""
    assert said(output) == expected(case)


def test_public_types_have_cases_of_both_kinds():
    kinds = [kind for case in CASES for _, kind, _ in expected(case)]
    assert kinds.count("E") >= 10
    assert kinds.count("N") >= 10
