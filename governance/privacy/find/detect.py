"""Detection: a text goes in, findings come out.

All patterns in one pass, checks and context words on candidates alone, and then, of findings that lie over each other,
the surest and the longest. Offsets are code points of the text as it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib import import_module

from governance.privacy.find.batches import Batch, batches
from governance.privacy.find.candidate_filter import THRESHOLD, Judge, Rows
from governance.privacy.find.candidates import Candidates
from governance.privacy.find.detectors import CONTEXT_WORDS
from governance.privacy.find.finding import Finding, Row
from governance.privacy.find.overlaps import hand_out, in_code_points, resolved

# Words that stand beside numbers and look like organisations.
_ABBREVIATIONS = frozenset(word.upper() for word in CONTEXT_WORDS if word.isascii()) | {
    "IBAN",
    "IP",
    "URL",
    "ID",
    "API",
}
_CAPITAL = re.compile("[A-ZÀ-ÖØ-Þ]")


@lru_cache
def best_judge() -> Rows:
    """Return the fastest way that this machine has, made once."""
    try:
        made: Rows = import_module("governance.privacy.native.candidate_filter").Judge()
    except ImportError:
        return Judge(Candidates())
    return made


# Takes texts, and returns the findings of each.
Tagger = Callable[[Sequence[str]], Sequence[Iterable[Finding]]]


class Detectors:
    """Finds personal data in texts.

    Args:
        tagger: finds persons, places, organisations and addresses too; None for patterns alone.
        threshold: what is less sure is left out.
        judge: says what is personal data by its pattern; the fastest that this machine has by default.
    """

    def __init__(self, tagger: Tagger | None = None, threshold: float = THRESHOLD, judge: Rows | None = None) -> None:
        self._tagger, self._threshold, self._judge = tagger, threshold, judge or best_judge()

    def find(self, text: str) -> list[Finding]:
        """Return the findings of `text`, in order and without overlaps."""
        return self.find_all([text])[0]

    def find_all(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the findings of each of `texts`; many at once are faster than one by one."""
        found = self.find_in(texts)
        return [found.get(number, []) for number in range(len(texts))]

    def find_in(self, texts: Sequence[str]) -> dict[int, list[Finding]]:
        """Return the findings of those of `texts` that have some, by the index of the text."""
        read = list(batches(texts))
        rows = [in_code_points(batch.data, self._judge(batch.data)) for batch in read]
        if self._tagger is not None:
            self._tag(self._tagger, len(texts), read, rows)
        found: dict[int, list[Finding]] = {}
        for batch, some in zip(read, rows, strict=True):
            if some:
                hand_out(batch, resolved([row for row in some if row[2] >= self._threshold]), found)
        return found

    def _tag(self, tagger: Tagger, count: int, read: Sequence[Batch], rows: Sequence[list[Row]]) -> None:
        """Add what the tagger finds to the rows of each batch."""
        plain = [""] * count
        for batch in read:
            for number, text in zip(batch.numbers, batch.texts(), strict=True):
                plain[number] = text
        tagged = tagger(plain)
        for batch, some in zip(read, rows, strict=True):
            for number, begin in zip(batch.numbers, batch.begins, strict=True):
                some.extend(
                    (begin + one.start, begin + one.end, one.score, one.entity, one.why)
                    for one in tagged[number]
                    if _may_be_name(plain[number], one)
                )


def _may_be_name(text: str, finding: Finding) -> bool:
    """Return whether what the tagger found can be a name or an address.

    Names have two characters at least, and a capital in a script that has capitals, unless the writer uses none; an
    abbreviation that says what a number is (IBAN, SSN) is no name.
    """
    piece = text[finding.start : finding.end]
    if len(piece) < 2 or piece in _ABBREVIATIONS or not any(map(str.isalpha, piece)):
        return False
    if piece.islower() and not any(map(str.isdigit, piece)):
        return not _CAPITAL.search(text)
    return True
