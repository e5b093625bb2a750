"""Detection: texts in, findings out.

All patterns are searched for at once; checks and context words are applied to the matches only; of overlapping findings
the surest and the longest is kept.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib import import_module

from governance.privacy.find.candidate_filter import THRESHOLD, CandidateFilter, CandidateFilterCall
from governance.privacy.find.candidates import CandidateFinder
from governance.privacy.find.finding import Finding, ScoredSpan
from governance.privacy.find.joined_texts import JoinedTexts, join_texts
from governance.privacy.find.overlaps import assign_to_texts, disjoint, to_code_points
from governance.privacy.find.patterns.detectors import CONTEXT_WORDS

# Words that say what a number is; a tagger takes them for organisations.
_ABBREVIATIONS = frozenset(word.upper() for word in CONTEXT_WORDS if word.isascii()) | {
    "IBAN",
    "IP",
    "URL",
    "ID",
    "API",
}
_CAPITAL = re.compile("[A-ZÀ-ÖØ-Þ]")
# Days and months as logs write them: a finding of the tagger of nothing else is no name.
_CALENDAR = frozenset(
    word[:length]
    for day in (*calendar.day_name, *calendar.month_name)
    for word in [day.lower()]
    for length in (3, len(word))
    if word
)
_WORD = re.compile(r"[^\W\d_]+")

# Takes texts; returns the findings of each.
TaggerCall = Callable[[Sequence[str]], Sequence[Iterable[Finding]]]


@lru_cache
def best_candidate_filter() -> CandidateFilterCall:
    """Return the compiled candidate filter, or the one in Python where it was not compiled; it is made once."""
    try:
        made: CandidateFilterCall = import_module("governance.privacy.native.candidate_filter").CandidateFilter()
    except ImportError:
        return CandidateFilter(CandidateFinder())
    return made


class Detectors:
    """Finds personal data in texts.

    It may be used by several threads at once.

    Example:
        >>> Detectors().find("Call +1 415 555 2671")
        [Finding(entity='PHONE_NUMBER', start=5, end=20, score=1.0, why="phone-international, beside 'call'")]

    Args:
        tagger: finds persons, places, organisations and addresses too, as `TaggerModel.find` does; None for patterns
            alone.
        threshold: findings with a lower score are dropped, 0 to 1.
        candidate_filter: finds what the patterns find; by default the fastest one of this machine.

    Raises:
        ConfigurationError: by `find`, if a check needs a package that is not installed.
    """

    def __init__(
        self,
        tagger: TaggerCall | None = None,
        threshold: float = THRESHOLD,
        candidate_filter: CandidateFilterCall | None = None,
    ) -> None:
        self._tagger, self._threshold = tagger, threshold
        self._candidate_filter = candidate_filter or best_candidate_filter()

    def find(self, text: str) -> list[Finding]:
        """Return the findings of a text, in order and without overlaps.

        Args:
            text: any text. Places in findings are its code points, invisible characters included.
        """
        return self.find_all([text])[0]

    def find_all(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the findings of each text: what `find` returns, several times as fast for many short texts.

        Args:
            texts: any number of texts.
        """
        found = self.find_in(texts)
        return [found.get(number, []) for number in range(len(texts))]

    def find_in(self, texts: Sequence[str]) -> dict[int, list[Finding]]:
        """Return the findings of those texts that have any, by the number of the text.

        Example:
            >>> Detectors().find_in(["nothing", "a@example.org"])
            {1: [Finding(entity='EMAIL_ADDRESS', start=0, end=13, score=0.98, why='email')]}

        Args:
            texts: any number of texts.
        """
        read = list(join_texts(texts))
        spans = [to_code_points(joined.data, self._candidate_filter(joined.data)) for joined in read]
        if self._tagger is not None:
            self._tag(self._tagger, len(texts), read, spans)
        found: dict[int, list[Finding]] = {}
        for joined, some in zip(read, spans, strict=True):
            if some:
                apart = disjoint([span for span in some if span[2] >= self._threshold])
                # Without entity: what only looks like personal data, and hid what was found within it.
                assign_to_texts(joined, [span for span in apart if span[3]], found)
        return found

    def _tag(
        self, tagger: TaggerCall, count: int, read: Sequence[JoinedTexts], spans: Sequence[list[ScoredSpan]]
    ) -> None:
        """Append the tagger's findings to the spans of each group of joined texts."""
        plain = [""] * count
        for joined in read:
            for number, text in zip(joined.numbers, joined.texts(), strict=True):
                plain[number] = text
        tagged = tagger(plain)
        for joined, some in zip(read, spans, strict=True):
            for number, begin in zip(joined.numbers, joined.begins, strict=True):
                some.extend(
                    (begin + one.start, begin + one.end, one.score, one.entity, one.why)
                    for one in tagged[number]
                    if _may_be_name(plain[number], one)
                )


def _may_be_name(text: str, finding: Finding) -> bool:
    """Return whether a tagger's finding can be a name or an address.

    A name has at least two characters, and is more than a day and a month. In a script with capitals it has one,
    unless the whole text has none. An abbreviation that says what a number is (IBAN, SSN) is no name.
    """
    piece = text[finding.start : finding.end]
    if len(piece) < 2 or piece in _ABBREVIATIONS or not any(map(str.isalpha, piece)):
        return False
    if _CALENDAR.issuperset(word.lower() for word in _WORD.findall(piece)):
        return False
    if piece.islower() and not any(map(str.isdigit, piece)):
        return not _CAPITAL.search(text)
    return True
