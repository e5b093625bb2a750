"""Prepares the documents for the generator of the site: `python -m tools.site` writes them all into `build/docs`.

Links in the documents are paths in the repository, so that they work there. In `build/docs`, documents from outside
`docs/` become pages, a link to a page becomes a link to that page, a link to any other file becomes a link to a copy of
the file, and a link to a folder becomes text:

    [the runbook](../deploy/RUNBOOK.md#x)  ->  [the runbook](runbook.md#x)
    [rules](../helm/bento-governance/files/rules)  ->  rules

So any generator of sites can build the folder; `mkdocs.yml` says what they need.
"""

from __future__ import annotations

import argparse
import posixpath
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "build/docs"
# Documents outside docs/, and their pages on the site.
PAGES = {
    "README.md": "index.md",
    "THREATS.md": "threats.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "deploy/README.md": "deploy.md",
    "deploy/RUNBOOK.md": "runbook.md",
    "deploy/image/README.md": "image.md",
    "examples/plugin/README.md": "plugin-example.md",
    "helm/bento-governance/README.md": "chart.md",
    "governance/artifacts/FORMAT.md": "formats/sealed-file.md",
    "governance/audit/FORMAT.md": "formats/audit-log.md",
}
SOURCES = {page: source for source, page in PAGES.items()}
# Where copies of linked files go that are not pages.
COPIES = "files/"

_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
_LINK = re.compile(r"(?P<before>!?\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\])\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"(`+).+?\1", re.DOTALL)


def prepare(folder: Path) -> list[str]:
    """Write all pages and the files that they link to; return their paths on the site.

    Args:
        folder: where they go; what is there already is removed.

    Raises:
        ValueError: a document links to another one that is not a page.
    """
    shutil.rmtree(folder, ignore_errors=True)
    pages = {source: page_of(source) for source in sources()}
    copies = set()
    for source, page in pages.items():
        file = folder / page
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix != ".md":
            shutil.copyfile(ROOT / source, file)
            continue
        text = (ROOT / source).read_text(encoding="utf-8")
        file.write_text(site_links(text, page), encoding="utf-8")
        copies |= {path for path in linked_paths(text, source) if path not in pages and (ROOT / path).is_file()}
    for path in sorted(copies):
        if path.endswith(".md"):
            raise ValueError(f"{path} is linked and is not a page: add it to PAGES in tools/site.py, and to mkdocs.yml")
        file = folder / COPIES / path
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, file)
    return sorted([*pages.values(), *(COPIES + path for path in copies)])


def sources() -> list[str]:
    """Return the paths in the repository of all pages, and of the pictures and style sheets in `docs/`."""
    own = (path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*")) if path.is_file())
    return [*PAGES, *own]


def source_of(page: str) -> str:
    """Return the path in the repository of a page's source: `runbook.md` -> `deploy/RUNBOOK.md`."""
    return SOURCES.get(page, f"docs/{page}")


def page_of(source: str) -> str:
    """Return the path on the site of a file: `docs/privacy.md` -> `privacy.md`, `Makefile` -> `files/Makefile`."""
    if source in PAGES:
        return PAGES[source]
    return source.removeprefix("docs/") if source.startswith("docs/") else COPIES + source


def linked_paths(text: str, source: str) -> set[str]:
    """Return the paths in the repository that a document links to.

    Args:
        text: the document's Markdown.
        source: its path in the repository, to which its links are relative.
    """
    found: set[str] = set()

    def note(match: re.Match[str]) -> str:
        path = _resolved(match["target"], source)
        if path is not None:
            found.add(path)
        return match[0]

    _replace_links(text, note)
    return found


def site_links(text: str, page: str) -> str:
    """Return a document with its links as they are on the site.

    Args:
        text: the document's Markdown, with links relative to its place in the repository.
        page: its path on the site.
    """
    source = source_of(page)

    def rewrite(match: re.Match[str]) -> str:
        path, anchor = _resolved(match["target"], source), match["target"].partition("#")[2]
        if path is None:
            return match[0]
        if (ROOT / path).is_dir():
            return match["text"]
        relative = posixpath.relpath(page_of(path), posixpath.dirname(page) or ".")
        return f"{match['before']}({relative}{'#' * bool(anchor)}{anchor})"

    return _replace_links(text, rewrite)


def _resolved(target: str, source: str) -> str | None:
    """Return the path in the repository that a link leads to; None for another host, and within the page itself."""
    path = target.partition("#")[0]
    if not path or re.match(r"[a-z][a-z0-9+.-]*:", target):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), path))


def _replace_links(text: str, change: Callable[[re.Match[str]], str]) -> str:
    """Apply `change` to each link that is outside code."""
    return "".join(_replace_in_paragraph(block, change) if prose else block for block, prose in _blocks(text))


def _blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the text in pieces: a paragraph, or lines of a block of code; and whether the piece is prose."""
    fence, paragraph = "", ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line)
        if fence or found:
            yield paragraph, True
            paragraph = ""
            yield line, False
            if found and not fence:
                fence = found[1]
            elif found and found[1].startswith(fence):
                fence = ""
        elif line.strip():
            paragraph += line
        else:
            yield paragraph + line, True
            paragraph = ""
    yield paragraph, True


def _replace_in_paragraph(text: str, change: Callable[[re.Match[str]], str]) -> str:
    code = [match.span() for match in _CODE.finditer(text)]

    def outside(match: re.Match[str]) -> str:
        return match[0] if any(start <= match.start() < end for start, end in code) else change(match)

    return _LINK.sub(outside, text)


def main() -> None:
    """Prepare the folder that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description="Prepare the documents for the site.")
    parser.add_argument("folder", nargs="?", default=FOLDER, help=f"where they go; default {FOLDER}")
    folder = parser.parse_args().folder
    print(f"{len(prepare(ROOT / folder))} files in {folder}")


if __name__ == "__main__":
    main()
