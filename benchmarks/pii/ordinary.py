"""Ordinary text of this machine that is about no person: code, logs, configuration, licences and manuals.

What is found in it is nearly always wrong, so findings for each 10 KB measure how often detection is mistaken. Nothing
is stored or downloaded: the files are those of Python, of the installed packages and of Debian's packages, so figures
differ between machines. Authors' names and addresses in licences and packages are removed by leaving out lines with
an "@" or a copyright mark.
"""

from __future__ import annotations

import gettext
import gzip
import pydoc_data.topics
import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from governance.privacy.find.detect import Detectors

# Of each file at most this many characters are read, and of each kind at most this many files.
MOST_CHARACTERS, MOST_FILES = 12_000, 40
_SITE, _STANDARD = Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("stdlib"))
_PERSONAL = re.compile(r"@|copyright|\(c\)|©|author|maintainer|written by|contributed by", re.IGNORECASE)
# By kind: folders and what to take there.
_FILES = {
    "code": [(_STANDARD, "*.py"), (_SITE, "*/*.py"), (_SITE, "**/*.js"), (_SITE, "**/*.pyx"), (_SITE, "**/*.h")],
    "logs": [(Path("/var/log"), "*.log"), (Path("/var/log/apt"), "*.log")],
    "configuration": [(Path("/etc"), "*.conf"), (Path("/etc"), "*/*.conf"), (_SITE, "**/*.toml"), (_SITE, "**/*.json")],
    "law": [(Path("/usr/share/common-licenses"), "*"), (_SITE, "*.dist-info/**/LICENSE*")],
    "documentation": [(Path("/usr/share/doc"), "*/README*"), (Path("/usr/share/doc"), "*/NEWS.gz")],
}
# Messages of programs in other languages, from their catalogues.
_CATALOGUES = (Path("/usr/share/vim"), Path("/usr/share/locale"), _SITE)
_LANGUAGES = {"German": "de", "French": "fr", "Spanish": "es", "Chinese": "zh_CN"}


def ordinary_texts() -> dict[str, list[str]]:
    """Return the texts of each kind; a kind of which this machine has nothing is left out."""
    texts = {kind: list(_texts(_spread(_paths(places)))) for kind, places in _FILES.items()}
    texts["Python's manual"] = [text for _, text in sorted(pydoc_data.topics.topics.items())][:MOST_FILES]
    for language, code in _LANGUAGES.items():
        texts[f"messages in {language}"] = list(_messages(code))
    return {kind: some for kind, some in texts.items() if some}


def findings_per_10_kilobytes(detectors: Detectors, texts: list[str]) -> dict[str, float]:
    """Return how many findings of each entity there are in 10 KB of texts, the most frequent first."""
    size = sum(len(text.encode()) for text in texts)
    found = Counter(finding.entity for findings in detectors.find_all(texts) for finding in findings)
    return {entity: count / size * 10_000 for entity, count in found.most_common()}


def _paths(places: Iterable[tuple[Path, str]]) -> list[list[Path]]:
    """Return the files of each place, in order of their names."""
    return [sorted(path for path in folder.glob(pattern) if path.is_file()) for folder, pattern in places]


def _spread(groups: list[list[Path]]) -> Iterator[Path]:
    """Yield files of each group that are as far from each other in the list as possible, so that packages vary."""
    share = MOST_FILES // max(len([group for group in groups if group]), 1)
    for group in groups:
        yield from group[:: max(len(group) // share, 1)][:share]


def _texts(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        try:
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            lines = raw.decode()[: 2 * MOST_CHARACTERS].splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        text = "\n".join(line for line in lines if not _PERSONAL.search(line))[:MOST_CHARACTERS]
        if text.strip():
            yield text


def _messages(code: str) -> Iterator[str]:
    """Yield the translations of each catalogue of a language, as one text for each catalogue."""
    catalogues = [sorted(folder.glob(f"**/{code}*/LC_MESSAGES/*.mo")) for folder in _CATALOGUES]
    for path in [path for group in catalogues for path in group][:MOST_FILES]:
        try:
            with path.open("rb") as stream:
                translated = gettext.GNUTranslations(stream)._catalog  # type: ignore[attr-defined]
        except (OSError, UnicodeDecodeError):
            continue
        lines = [line for key, line in sorted(translated.items(), key=str) if key and not _PERSONAL.search(line)]
        yield "\n".join(lines)[:MOST_CHARACTERS]
