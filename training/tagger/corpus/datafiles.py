"""Reads the text files under `training/tagger/data/`: word lists, templates, sentences.

Format: UTF-8, one entry a line. A line that starts with `#` is a comment, an empty line is skipped, and `== name ==`
starts a section. In an entry, backslash-n means a line break and backslash-t a tab.

Example:
    `== greetings ==`, `Hello`, `Kind regards,\\n{person}` is the section `greetings` with two entries, the second of
    two lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_HEADING = re.compile(r"== (\w+) ==")


def has_file(name: str) -> bool:
    """Return whether there is a data file of this name, such as `grammar/en.txt`."""
    return files("training.tagger").joinpath("data", *name.split("/")).is_file()


def read_text(name: str) -> str:
    """Return a data file as it is.

    Args:
        name: path below `training/tagger/data`, with slashes.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    return files("training.tagger").joinpath("data", *name.split("/")).read_text(encoding="utf-8")


@cache
def read_sections(name: str) -> Mapping[str, tuple[str, ...]]:
    """Return the entries of a data file by section, both in the order of the file.

    Args:
        name: path below `training/tagger/data`, with slashes. Entries before the first heading are the section "".

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a section occurs twice.
    """
    sections: dict[str, list[str]] = {}
    current = ""
    for line in read_text(name).split("\n"):
        if not line or line.startswith("#"):
            continue
        heading = _HEADING.fullmatch(line)
        if heading is None:
            sections.setdefault(current, []).append(line.replace("\\n", "\n").replace("\\t", "\t"))
            continue
        current = heading[1]
        if current in sections:
            raise ValueError(f"{name}: section {current} occurs twice")
        sections[current] = []
    return MappingProxyType({section: tuple(entries) for section, entries in sections.items()})


def read_entries(name: str) -> tuple[str, ...]:
    """Return the entries of a data file without sections; the arguments and errors are those of `read_sections`."""
    return read_sections(name)[""]
