"""Running text of the documentation packages of Debian: manual pages, handbooks and help, in five languages.

Packages are unpacked into a folder (`apt-get download NAME`, `dpkg -x NAME.deb FOLDER`), or the root of a machine that
has them is read. Names of packages that help: debian-handbook, debian-reference-*, manpages-*, gimp-help-*,
libreoffice-help-*, gnome-user-docs, installation-guide-amd64.
"""

from __future__ import annotations

import gzip
import html
import random
import re
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from training.config import TrainingError
from training.tagger.corpus.templates import LANGUAGES

# The language of a file by its path: a package's name, a folder, or the end of its name.
_BY_PATH = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:reference|faq|guide|help|manpages|doc)-(de|fr|es|zh|en)\b",
        r"/(?:man|help|handbook|html)/(de|fr|es|zh|en|C)\b",
        r"/(de|fr|es|zh|en|C)(?:[-_][A-Z]{2})?/",
        r"\.(de|fr|es|zh|en)(?:-[a-z]{2})?\.html$",
    )
)
_LEFT_OUT = re.compile(r"<(script|style|pre|code|head|nav)\b.*?</\1>", re.DOTALL | re.IGNORECASE)
_BLOCK = re.compile(
    r"</?(?:p|div|li|h\d|td|tr|dd|dt|br|title|desc|item|section|page|note|steps)\b[^>]*>", re.IGNORECASE
)
_MAN_BREAK = re.compile(r"\n\.(?:SH|PP|P|TP|IP|LP|SS|br|sp|RE|RS|fi|nf)\b[^\n]*\n|\n\s*\n")
_MAN_MARKUP = re.compile(r"\\f[A-Z]|\\f\(..|\\\(..|\\[&/,|^ ]")
_CHINESE = re.compile("[\u4e00-\u9fff]")
_MIN_CHARACTERS, _MIN_CHINESE, _MAX_CHARACTERS = 40, 12, 1500


def write_running_text(root: Path, to: Path, per_language: int, seed: int) -> dict[str, int]:
    """Write one file of paragraphs for each language, and return their numbers.

    Args:
        root: a folder with unpacked packages, or `/`.
        to: where to write `LANGUAGE-documentation.txt`; it is created.
        per_language: greatest number of paragraphs, drawn at random.
        seed: of the draw.

    Raises:
        TrainingError: if no documentation was found.
    """
    found: dict[str, set[str]] = {}
    for path in tqdm(sorted(_documents(root)), desc="reading documentation", leave=False):
        language = _language_of(path.relative_to(root))
        if language is not None:
            found.setdefault(language, set()).update(_paragraphs(path))
    if not found:
        raise TrainingError(f"there is no documentation below {root}: unpack packages such as manpages-de there")
    to.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    for language, paragraphs in found.items():
        chosen = chance.sample(sorted(paragraphs), min(per_language, len(paragraphs)))
        (to / f"{language}-documentation.txt").write_text("\n".join(chosen) + "\n", encoding="utf-8")
    return {language: min(per_language, len(paragraphs)) for language, paragraphs in found.items()}


def html_paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a page in HTML or Mallard, without code."""
    for block in re.split(r"\n\s*\n", _BLOCK.sub("\n\n", _LEFT_OUT.sub(" ", text))):
        yield from _kept(html.unescape(re.sub(r"<[^>]+>", "", block)))


def manual_paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a manual page, without the markup of roff."""
    for block in _MAN_BREAK.split(text):
        lines = (line for line in block.split("\n") if not line.startswith(("'", '.\\"', ".TH", ".de", ".ds")))
        plain = re.sub(r"(?m)^\.\w+\s*", "", "\n".join(lines))
        yield from _kept(_MAN_MARKUP.sub("", plain.replace("\\-", "-")))


def _documents(root: Path) -> Iterator[Path]:
    folders = [folder for folder in root.rglob("usr/share") if folder.is_dir()]
    for folder in folders:
        for pattern in ("doc/**/*.html", "help/**/*.page", "gimp/**/*.html", "man/*/man*/*.gz"):
            yield from (path for path in folder.glob(pattern) if path.is_file())


def _language_of(path: Path) -> str | None:
    for pattern in _BY_PATH:
        match = pattern.search(f"/{path}")
        if match:
            language = "en" if match[1] == "C" else match[1]
            return language if language in LANGUAGES else None
    return None


def _paragraphs(path: Path) -> Iterator[str]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8", errors="ignore") as file:
                yield from manual_paragraphs(file.read())
        else:
            yield from html_paragraphs(path.read_text(encoding="utf-8", errors="ignore"))
    except (OSError, EOFError):
        # A broken file teaches nothing.
        return


def _kept(block: str) -> Iterator[str]:
    paragraph = " ".join(block.split())
    least = _MIN_CHINESE if _CHINESE.search(paragraph) else _MIN_CHARACTERS
    if least < len(paragraph) < _MAX_CHARACTERS:
        yield paragraph
