"""Findings in columns: each distinct text is searched once, with the column's name before it, and counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from governance.errors import BadRequestError
from governance.privacy.find.detect import Detectors
from governance.privacy.find.finding import Finding
from governance.privacy.find.overlaps import resolve

SAMPLES = 3
DEFAULT_THRESHOLD = 0.4
# The number of texts whose findings are kept for the next batch, and the length of the longest one.
REMEMBERED, SHORT = 50_000, 64
MAX_COLUMNS = 10_000
# Shown for a name that is personal data itself, such as a member of a JSON object that is named by a mail address.
HIDDEN = "(a name that is personal data)"

# The findings of each text.
Found = Mapping[str, Sequence[Finding]]


@dataclass(frozen=True, slots=True)
class FindOptions:
    """How personal data is found.

    Attributes:
        tagger: Whether to use the tagger too, which finds persons, places, organisations and addresses. It is many
            times slower than the patterns.
        threshold: Least confidence of a finding, 0 to 1.
    """

    tagger: bool = True
    threshold: float = DEFAULT_THRESHOLD

    def detectors(self) -> Detectors:
        """Return the detectors: patterns, and the tagger of this package if it is used."""
        if not self.tagger:
            return Detectors(threshold=self.threshold)
        from governance.privacy.tagger.model import shipped_tagger

        return Detectors(shipped_tagger().find, self.threshold)

    def column_detector(self) -> ColumnDetector:
        """Return a detector for columns."""
        return ColumnDetector(self.detectors() if self.tagger else None, Detectors(threshold=self.threshold))


class ColumnDetector:
    """Finds personal data in the texts of columns.

    Args:
        tagged: Detectors with the tagger, for texts with letters; None to do without.
        patterns: Detectors without it.
    """

    def __init__(self, tagged: Detectors | None, patterns: Detectors) -> None:
        self._tagged, self._patterns = tagged, patterns
        self._memory: dict[tuple[str, str], Sequence[Finding]] = {}
        self._names: dict[str, bool] = {}

    def find(self, column: str, texts: Iterable[str]) -> Found:
        """Return the findings of each text of a column.

        The column's name is put before each text, since detectors use nearby words: in the column `passport`, the text
        `X1234567` is searched as `passport: X1234567`.

        Args:
            column: Name of the column, or path of a value in it.
            texts: Distinct texts.
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
        found.update(self._find(before, new))
        if len(self._memory) > REMEMBERED:
            self._memory.clear()
        self._memory.update(((column, text), found[text]) for text in new if len(text) <= SHORT)
        return found

    def _find(self, before: str, texts: Sequence[str]) -> Found:
        """Search by patterns after the column's name, and by the tagger without it: it would take the name for one."""
        # A single letter is a category, and not a person's name.
        lettered = [text for text in texts if _has_letters(text) and not (len(text) == 1 and text.isascii())]
        alone = dict(zip(lettered, self._tagged.find_all(lettered), strict=True)) if self._tagged is not None else {}
        # Detectors with the tagger have searched by patterns too, which is enough if there is no name before the text.
        rest = [text for text in texts if before or text not in alone]
        named = dict(zip(rest, self._patterns.find_all([before + text for text in rest]), strict=True))
        found: dict[str, Sequence[Finding]] = {}
        for text in texts:
            shifted = [_shifted(finding, len(before)) for finding in named.get(text, ()) if finding.end > len(before)]
            also = alone.get(text, [])
            found[text] = resolve([*shifted, *also]) if shifted and also else shifted or also
        return found

    def is_personal(self, name: str) -> bool:
        """Return whether a column's name is personal data itself, as cells are in a file without a header."""
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
    """Return a name as words: `phoneNumber` and `phone_number` become `phone Number` and `phone number`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|[_\[\]]+", " ", name).strip()


def _words_of(column: str) -> str:
    """Return what is put before a text: the last part of the column's name, if it has letters."""
    words = _spaced(column.rpartition(".")[2])[:60]
    return f"{words}: " if words and words != "text" and re.search(r"[^\W\d]", words) and "(" not in words else ""


def _shifted(finding: Finding, size: int) -> Finding:
    return finding._replace(start=max(finding.start - size, 0), end=finding.end - size) if size else finding


@dataclass(slots=True)
class EntityCounts:
    """Findings of one entity in one column.

    Attributes:
        count: Number of findings.
        rows: Number of rows with at least one.
        score_sum: Sum of their confidences.
        lowest: Lowest confidence.
        samples: Masked findings.
    """

    count: int = 0
    rows: int = 0
    score_sum: float = 0.0
    lowest: float = 1.0
    samples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ColumnCounts:
    """Findings in one column.

    Attributes:
        values: Number of values that were searched.
        rows_with: Number of rows with at least one finding.
        entities: Findings by entity.
    """

    values: int = 0
    rows_with: int = 0
    entities: dict[str, EntityCounts] = field(default_factory=dict)


class FindingCounts:
    """Counts findings by column and entity; it keeps no values, only masked samples.

    Attributes:
        columns: Findings by column.
        rows: Number of rows that were searched.
    """

    def __init__(self) -> None:
        self.columns: dict[str, ColumnCounts] = {}
        self.rows = 0

    def add(self, column: str, places: Mapping[str, Sequence[int]], found: Found) -> None:
        """Count the findings of one batch of a column.

        Args:
            column: Name of the column, or path of a value in it.
            places: For each text the rows that have it.
            found: The findings of each text.

        Raises:
            BadRequestError: If there are more than `MAX_COLUMNS` columns.
        """
        if column not in self.columns and len(self.columns) >= MAX_COLUMNS:
            raise BadRequestError(f"there are more than {MAX_COLUMNS} columns")
        counts = self.columns.setdefault(column, ColumnCounts())
        rows_with: set[int] = set()
        rows_of: dict[str, set[int]] = {}
        for text, rows in places.items():
            counts.values += len(rows)
            for finding in found[text]:
                entity = counts.entities.setdefault(finding.entity, EntityCounts())
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
        counts.rows_with += len(rows_with)
        for name, several in rows_of.items():
            counts.entities[name].rows += len(several)

    def totals(self) -> dict[str, int]:
        """Return the number of findings by entity, the most frequent first."""
        totals: dict[str, int] = {}
        for column in self.columns.values():
            for entity, counts in column.entities.items():
                totals[entity] = totals.get(entity, 0) + counts.count
        return dict(sorted(totals.items(), key=lambda item: -item[1]))


_LENGTHS = ((4, "up to 4"), (8, "5 to 8"), (16, "9 to 16"), (32, "17 to 32"))


def masked(text: str) -> str:
    """Return what a value looks like, without the value: `Ada Lovelace` becomes `A… (9 to 16 characters)`."""
    length = next((words for most, words in _LENGTHS if len(text) <= most), "over 32")
    first = text[0] if len(text) > 4 and text[0].isalpha() else "•"
    return f"{first}… ({length} characters)"
