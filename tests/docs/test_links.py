"""Every link in a document leads to a file and a heading, in the repository and on the site."""

import re
from pathlib import Path

import pytest

from tools.site import PAGES, ROOT, linked_paths, page_of, prepare, site_links, sources

DOCUMENTS = [source for source in sources() if source.endswith(".md")]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(text):
    return re.sub(r"(`+).+?\1", "", re.sub(r"^( *)(```+|~~~+).*?^\1\2", "", text, flags=re.DOTALL | re.MULTILINE))


def anchors(file):
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", file.read_text(), flags=re.DOTALL), re.MULTILINE)
    shown = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in shown}


def test_documents_are_pages_of_the_site_and_outside_of_docs_too():
    assert set(PAGES) <= set(DOCUMENTS) and len(DOCUMENTS) > 100


@pytest.mark.parametrize("source", DOCUMENTS)
def test_links_of_a_document_lead_to_files_and_headings(source):
    for target in LINK.findall(prose((ROOT / source).read_text())):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (ROOT / source).parent / path if path else ROOT / source
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize(
    ("link", "page", "expected"),
    [
        ("[a](../deploy/RUNBOOK.md#x)", "operate.md", "[a](runbook.md#x)"),
        ("[a](../../THREATS.md)", "howto/operator.md", "[a](../threats.md)"),
        ("[a](docs/privacy.md#operators)", "index.md", "[a](privacy.md#operators)"),
        ("![a](docs/architecture.svg)", "index.md", "![a](architecture.svg)"),
        ("[a](../../docs/plugins.md)", "plugin-example.md", "[a](plugins.md)"),
        ("[a](../Makefile)", "operate.md", "[a](files/Makefile)"),
        ("[`rules/`](../deploy/prometheus)", "operate.md", "`rules/`"),
        ("[a](https://example.org/x) [b](#here)", "operate.md", "[a](https://example.org/x) [b](#here)"),
        ("[two\nlines](../THREATS.md)", "operate.md", "[two\nlines](threats.md)"),
        ("`[a](../Makefile)`", "operate.md", "`[a](../Makefile)`"),
        ("```\n[a](../Makefile)\n```\n", "operate.md", "```\n[a](../Makefile)\n```\n"),
    ],
)
def test_site_links_lead_to_pages_copies_and_nowhere_else(link, page, expected):
    assert site_links(link, page) == expected


def test_linked_paths_are_relative_to_the_repository():
    text = "[a](../Makefile) [b](privacy.md#x) [c](https://example.org) [d](#e) `[f](g.md)`"
    assert linked_paths(text, "docs/operate.md") == {"Makefile", "docs/privacy.md"}


def test_prepare_writes_every_page_and_a_copy_of_each_linked_file(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/old.md").write_text("from an earlier run")
    made = prepare(tmp_path / "site")
    assert sorted(file.relative_to(tmp_path / "site").as_posix() for file in _files(tmp_path / "site")) == made
    assert {page_of(source) for source in DOCUMENTS} <= set(made) and "old.md" not in made
    for page in made:
        if page.endswith(".md") and not page.startswith("files/"):
            for target in LINK.findall(prose((tmp_path / "site" / page).read_text())):
                path = target.partition("#")[0]
                assert (
                    re.match(r"[a-z]+:", target)
                    or not path
                    or (tmp_path / "site" / page).parent.joinpath(path).is_file()
                )


def _files(folder: Path):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_prepare_refuses_a_link_to_a_document_that_is_no_page(tmp_path, monkeypatch):
    monkeypatch.delitem(PAGES, "THREATS.md")
    with pytest.raises(ValueError, match=r"THREATS\.md is linked and is not a page"):
        prepare(tmp_path / "site")
