"""Pieces of Markdown that several pages use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTICE = "<!-- Generated from {source}; do not edit. Run `make generate` after a change there. -->"


def page(title: str, source: str, *parts: str) -> str:
    """Return a whole page: a notice where its text comes from, the title, and its parts."""
    return "\n\n".join((NOTICE.format(source=source), f"# {title}", *(part.strip("\n") for part in parts))) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a vertical bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def codes(words: Iterable[str], between: str = " ") -> str:
    """Return words as code, for example `a` `b`."""
    return between.join(f"`{word}`" for word in words)


def choices(words: Sequence[str]) -> str:
    """Return the words as alternatives: `a`, `b` or `c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
