"""docs/decisions: every file has the same form, and the index lists each of them with its status."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs/decisions"
FILES = sorted(FOLDER.glob("[0-9]*.md"))
SECTIONS = ["Context", "Options", "Decision", "Cost"]
ROW = re.compile(r"^\| (\d{4}) \| \[(.+)\]\((\S+)\) \| (\S+) \| (\w+) \|$", re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_decision_has_number_status_date_options_and_cost(file):
    text = file.read_text()
    assert re.match(rf"# {file.name[:4]}\. \S", text)
    assert re.search(r"^- Status: (accepted|amended by \[|superseded by \[)", text, re.MULTILINE)
    assert re.search(r"^- Date: \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    options = text.partition("## Options")[2].partition("## Decision")[0]
    assert len(re.findall(r"^\d\. \S", options, re.MULTILINE)) > 1


def test_decision_numbers_are_consecutive_and_unique():
    assert [int(file.name[:4]) for file in FILES] == list(range(1, len(FILES) + 1))


def test_decision_index_lists_each_decision_with_title_date_and_status():
    rows = ROW.findall((FOLDER / "README.md").read_text())
    expected = []
    for file in FILES:
        text = file.read_text()
        title = text.partition("\n")[0].removeprefix(f"# {file.name[:4]}. ")
        status = re.search(r"^- Status: (\w+)", text, re.MULTILINE)[1]
        date = re.search(r"^- Date: (\S+)$", text, re.MULTILINE)[1]
        expected.append((file.name[:4], title, file.name, date, status))
    assert rows == expected
