"""The generated reference is what the generators make, and a stale page is noticed."""

from pathlib import Path

import pytest

from tools.reference import reference_files

ROOT = Path(__file__).parents[2]


def stale(root: Path) -> list[str]:
    return [
        str(path)
        for path, text in reference_files().items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]


def test_the_generated_reference_is_up_to_date():
    assert stale(ROOT) == [], "run `make generate`"


@pytest.mark.parametrize("path", [str(path) for path in reference_files()])
def test_a_changed_page_is_stale(tmp_path, path):
    for name, text in reference_files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert stale(tmp_path) == []
    (tmp_path / path).write_text((tmp_path / path).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert stale(tmp_path) == [path]


def test_no_page_is_in_the_folder_that_no_generator_makes():
    there = {path.relative_to(ROOT) for path in (ROOT / "docs/reference").glob("*.md")}
    assert there <= set(reference_files())
