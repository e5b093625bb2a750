"""Findings in columns: each distinct text is looked at once, with the column's name beside it, and counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from governance.errors import BadRequestError
from governance.privacy.find.detect import Detectors
from governance.privacy.find.finding import Finding
from governance.privacy.find.overlaps import resolve

SAMPLES = 3
# So many texts are remembered from batch to batch, and none longer than this.
REMEMBERED, SHORT = 50_000, 64
MAX_COLUMNS = 10_000
# Of a name that is personal data itself, such as a member of a JSON object that is called by a mail address.
HIDDEN = "(a name that is personal data)"

Found = Mapping[str, Sequence[Finding]]


class Looker:
    """Looks for personal data in texts.

    Args:
        tagged: patterns and the tagger, for what has letters in it; None to do without.
        patterns: those alone.
    """

    def __init__(self, tagged: Detectors | None, patterns: Detectors) -> None:
        self._tagged, self._patterns = tagged, patterns
        self._memory: dict[tuple[str, str], Sequence[Finding]] = {}
        self._names: dict[str, bool] = {}

    def look(self, column: str, texts: Iterable[str]) -> Found:
        """Return the findings of each text of a column.

        The column's name is put before the text, so that it counts as a word beside it: `passport: X1234567`.
        """
        before = _words_of(column)
        found: dict[str, Sequence[Finding]] = {}
        new: list[str] = []
        for text in texts:
            known = self._memory.get((column, text)) if len(text) <= SHORT else None
            if known is None:
                new.append(text)
            else:
                found[text] = known
        found.update(self._look(before, new))
        if len(self._memory) > REMEMBERED:
            self._memory.clear()
        self._memory.update(((column, text), found[text]) for text in new if len(text) <= SHORT)
        return found

    def _look(self, before: str, texts: Sequence[str]) -> Found:
        """Look for patterns beside the column's name, and for names without it: to the tagger it would be one."""
        # One letter is a category, and no name.
        lettered = [text for text in texts if _has_letters(text) and not (len(text) == 1 and text.isascii())]
        alone = dict(zip(lettered, self._tagged.find_all(lettered), strict=True)) if self._tagged is not None else {}
        # Without a name beside it the tagger's detectors have seen the patterns, too.
        rest = [text for text in texts if before or text not in alone]
        beside = dict(zip(rest, self._patterns.find_all([before + text for text in rest]), strict=True))
        found: dict[str, Sequence[Finding]] = {}
        for text in texts:
            behind = [_behind(finding, len(before)) for finding in beside.get(text, ()) if finding.end > len(before)]
            also = alone.get(text, [])
            found[text] = resolve([*behind, *also]) if behind and also else behind or also
        return found

    def is_personal(self, name: str) -> bool:
        """Return whether a column's name is personal data, as the first line of a file without a header is."""
        known = self._names.get(name)
        if known is None:
            text = _spaced(name)
            known = any(
                finding.score >= 0.5 and 2 * (finding.end - finding.start) > len(text)
                for finding in self._patterns.find(text)
            )
            if len(self._names) < MAX_COLUMNS:
                self._names[name] = known
        return known


def _has_letters(text: str) -> bool:
    return not text.isascii() or any(map(str.isalpha, text))


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\[\]]+", " ", name).strip()


def _words_of(column: str) -> str:
    """Return what stands before a text: the last part of the column's name, if it is made of words."""
    words = _spaced(column.rpartition(".")[2])[:60]
    return f"{words}: " if words and words != "text" and re.search(r"[^\W\d]", words) and "(" not in words else ""


def _behind(finding: Finding, size: int) -> Finding:
    return finding._replace(start=max(finding.start - size, 0), end=finding.end - size) if size else finding


@dataclass(slots=True)
class EntityTally:
    """How often one entity was found in one column, in how many rows, how sure, and what it looks like."""

    count: int = 0
    rows: int = 0
    score_sum: float = 0.0
    lowest: float = 1.0
    samples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ColumnTally:
    """What was found in one column; `values` counts what was looked at."""

    values: int = 0
    rows_with: int = 0
    entities: dict[str, EntityTally] = field(default_factory=dict)


class Tally:
    """Counts findings by column and entity; no value is kept, but masked samples."""

    def __init__(self) -> None:
        self.columns: dict[str, ColumnTally] = {}
        self.rows = 0

    def add(self, column: str, places: Mapping[str, Sequence[int]], found: Found) -> None:
        """Count the findings of one batch of a column.

        Args:
            places: for each text the rows in which it stands.

        Raises:
            BadRequestError: if there are too many columns.
        """
        if column not in self.columns and len(self.columns) >= MAX_COLUMNS:
            raise BadRequestError(f"there are more than {MAX_COLUMNS} columns")
        tally = self.columns.setdefault(column, ColumnTally())
        rows_with: set[int] = set()
        rows_of: dict[str, set[int]] = {}
        for text, rows in places.items():
            tally.values += len(rows)
            for finding in found[text]:
                entity = tally.entities.setdefault(finding.entity, EntityTally())
                entity.count += len(rows)
                entity.score_sum += finding.score * len(rows)
                entity.lowest = min(entity.lowest, finding.score)
                rows_of.setdefault(finding.entity, set()).update(rows)
                if len(entity.samples) < SAMPLES:
                    sample = masked(text[finding.start : finding.end])
                    if sample not in entity.samples:
                        entity.samples.append(sample)
            if found[text]:
                rows_with.update(rows)
        tally.rows_with += len(rows_with)
        for name, several in rows_of.items():
            tally.entities[name].rows += len(several)


_LENGTHS = ((4, "up to 4"), (8, "5 to 8"), (16, "9 to 16"), (32, "17 to 32"))


def masked(text: str) -> str:
    """Return what a value looks like, and not what it is: its first letter, if it is long enough, and its length."""
    length = next((words for most, words in _LENGTHS if len(text) <= most), "over 32")
    first = text[0] if len(text) > 4 and text[0].isalpha() else "•"
    return f"{first}… ({length} characters)"
