"""Docstrings in the style of this project (Google's): a summary, paragraphs, and sections such as `Args:`."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field

SECTIONS = ("Args", "Attributes", "Raises", "Returns", "Yields", "Example", "Examples")
_HEAD = re.compile(rf"({'|'.join(SECTIONS)}):(.*)")
# `name: text`, `name, other: text` or `ConfigurationError: text`.
_ITEM = re.compile(r"(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*): ?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Docstring:
    """One docstring.

    Attributes:
        prose: paragraphs before, between and after the sections.
        sections: the lines of each section, by its name, without their indentation.
    """

    prose: tuple[str, ...] = ()
    sections: dict[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The first paragraph on one line."""
        return " ".join(self.prose[0].split()) if self.prose else ""

    def items(self, section: str) -> list[tuple[str, str]]:
        """Return the names and texts of a section such as `Args`; two names with one text are two items.

        Args:
            section: the name of the section; one that is missing has no items.
        """
        found: list[tuple[str, list[str]]] = []
        for line in self.sections.get(section, "").splitlines():
            item = _ITEM.fullmatch(line)
            if item and not line.startswith(" "):
                found.append((item[1], [item[2]]))
            elif found:
                found[-1][1].append(line.strip())
        return [(name.lstrip("*"), " ".join(text).strip()) for names, text in found for name in names.split(", ")]


def parse(text: str | None) -> Docstring:
    """Split a docstring.

    Args:
        text: the docstring, cleaned of its indentation (`inspect.getdoc`); None has neither prose nor sections.
    """
    prose: list[str] = []
    sections: dict[str, str] = {}
    lines = (text or "").splitlines()
    paragraph: list[str] = []
    while lines:
        line = lines.pop(0)
        head = _HEAD.fullmatch(line)
        if head is None:
            paragraph.append(line)
            continue
        prose += _paragraphs(paragraph)
        paragraph, body = [], [head[2].strip()] if head[2].strip() else []
        while lines and (not lines[0].strip() or lines[0].startswith(" ")):
            body.append(lines.pop(0))
        first = [body.pop(0)] if head[2].strip() else []
        sections[head[1]] = "\n".join([*first, textwrap.dedent("\n".join(body)).strip("\n")]).strip("\n")
    return Docstring((*prose, *_paragraphs(paragraph)), sections)


def _paragraphs(lines: list[str]) -> list[str]:
    return [part.strip("\n") for part in re.split(r"\n\s*\n", "\n".join(lines)) if part.strip()]
