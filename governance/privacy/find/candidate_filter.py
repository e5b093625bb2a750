"""The candidate filter: it decides which candidate matches are personal data, by their checks and context words.

`native/candidate_filter.pyx` does the same in C where a compiler was available at installation. This file is the
reference: tests compare the results of both. Order of reading: `CandidateFilter.__call__` (which candidates are looked
at), `_decide_from` (which matches a candidate holds), `_accept` (one match), `_meaning` (its context words).
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from governance.privacy.find.candidates import CONTEXT_AFTER, CONTEXT_BEFORE, CandidateFinder
from governance.privacy.find.engines import ContextWord
from governance.privacy.find.finding import ScoredSpan
from governance.privacy.find.patterns.checks import Check
from governance.privacy.find.patterns.detectors import CONTEXT_WORDS, DETECTORS, DOMAIN
from governance.privacy.find.patterns.expressions import LONG_DETECTORS, NEEDS_CONTEXT, WITH_EDGES

# Matches with a lower score are dropped.
THRESHOLD = 0.4
# Between two texts; no match and no context goes across.
NUL = b"\0"
# Bytes that a match may end with and that are no part of a number. A private key does end with dashes.
TRAILING, _KEY_END = b" .,;:-", b"-----"
_OPEN, _CLOSE = ord("("), ord(")")

# What a match means: score, entity, reason.
Meaning = tuple[float, str, str]
# Takes joined texts in UTF-8; returns the accepted spans in bytes.
CandidateFilterCall = Callable[[bytes], list[ScoredSpan]]

# By number of a detector: what a match means without a context word, its check, and its label.
MEANINGS: list[Meaning] = [(item.score, item.entity, item.name) for item in DETECTORS]
CHECKS = [item.check for item in DETECTORS]
# The checks of matches without a context word near them.
CHECKS_ALONE = [item.alone or item.check for item in DETECTORS]
LABELS = [re.compile(item.label.encode(), re.IGNORECASE) if item.label else None for item in DETECTORS]
# By number of a detector: the highest score it can give. 2 is above all scores, for long detectors: their candidates
# have no true end, so a surer span never counts as hiding them. Domains are long, and their candidates do have one.
HIGHEST_SCORES = [
    2.0 if number in LONG_DETECTORS and number != DOMAIN else max(item.score, item.with_context)
    for number, item in enumerate(DETECTORS)
]


def _meaning_near(number: int, word: str) -> Meaning:
    detector = DETECTORS[number]
    entity = "DATE_OF_BIRTH" if detector.entity == "DATE_TIME" else detector.entity
    return detector.with_context, entity, f"{detector.name}, beside '{word}'"


# By number of a context word, and number of a detector for which it counts: what a match means near it.
MEANINGS_NEAR = [
    {number: _meaning_near(number, word) for number, item in enumerate(DETECTORS) if word in item.context}
    for word in CONTEXT_WORDS
]


@dataclass(slots=True)
class _Searched:
    """Joined texts and the context words that were found in them."""

    data: bytes
    words: Sequence[ContextWord]


class CandidateFilter:
    """Decides which candidate matches are personal data.

    Args:
        finder: finds candidates and context words.
    """

    def __init__(self, finder: CandidateFinder) -> None:
        self._finder = finder

    def __call__(self, data: bytes) -> list[ScoredSpan]:
        """Return the accepted spans; spans of different detectors may overlap.

        Args:
            data: texts in UTF-8, with NUL between them.

        Returns:
            Spans in bytes, in about the order of their places.

        Example:
            >>> CandidateFilter(CandidateFinder())(b"card 4111 1111 1111 1111.")
            [(5, 24, 1.0, 'CREDIT_CARD', "card, beside 'card'")]
        """
        candidates, words = self._finder.find(data)
        searched = _Searched(data, words)
        # By number of a detector: the place before which its matches are decided. Candidates of one detector overlap;
        # if each were searched from its begin, a hostile text would take quadratic time.
        decided = [0] * len(DETECTORS)
        accepted: list[ScoredSpan] = []
        # An accepted span that hides less sure candidates within it. One is enough: they come in order of their begin.
        cover_start, cover_end, cover_score = 0, 0, 0.0
        for start, number, end in candidates:
            place = decided[number]
            if place >= end:
                continue
            # What is less sure than a span around it would be dropped with the overlaps: it needs no check.
            if end <= cover_end and start >= cover_start and HIGHEST_SCORES[number] <= cover_score:
                continue
            known = len(accepted)
            decided[number] = self._decide_from(searched, number, max(place, start), end, accepted)
            for span in accepted[known:]:
                if span[1] > cover_end or span[2] >= cover_score:
                    cover_start, cover_end, cover_score = span[:3]
        return accepted

    def _decide_from(self, searched: _Searched, number: int, place: int, stop: int, accepted: list[ScoredSpan]) -> int:
        """Decide on the matches of a detector that begin from `place` to before `stop`, and append accepted spans.

        Returns:
            The place before which all matches of this detector are decided now.
        """
        found = WITH_EDGES[number].match(searched.data, place)
        if number in LONG_DETECTORS:
            # The candidate of a long detector says where a match begins, so there is no other place to look at.
            return place if found is None else self._decide(searched, number, found, accepted)
        if found is None:
            found = self._next_match(searched.data, number, place, stop)
        while found is not None:
            place = self._decide(searched, number, found, accepted)
            # A match may end behind its candidate, whose end is that of the shortest match.
            stop = max(stop, found.end())
            found = self._next_match(searched.data, number, place, stop) if place < stop else None
        return stop

    def _next_match(self, data: bytes, number: int, first: int, last: int) -> re.Match[bytes] | None:
        """Return the next match that begins between two places; none begins within letters and digits."""
        if data[first:last].isalnum():
            return None
        return self._finder.first_match(data, number, first, last)

    def _decide(self, searched: _Searched, number: int, found: re.Match[bytes], accepted: list[ScoredSpan]) -> int:
        """Decide on one match, append its span if it is accepted, and return where the next match may begin."""
        first, last = found.span()
        span = _accept(searched, number, first, last) or self._accept_shorter(searched, number, first, last)
        if span is not None:
            accepted.append(span)
            # At least one byte on, even if nothing is left of the span: else the search would never end.
            return span[1] if span[1] > first else first + 1
        # A number may begin within one that is none: of "1234 4111 1111 1111 1111" the second one is a card. Detectors
        # that need a context word match so many numbers that only one in each place is tried.
        return last if number in NEEDS_CONTEXT else first + 1

    def _accept_shorter(self, searched: _Searched, number: int, first: int, last: int) -> ScoredSpan | None:
        """Return the longest accepted span of a match that begins at `first` and ends before `last`, or None.

        Patterns are greedy: of "4111 1111 1111 1111 12" the card is a shorter match. Only detectors with a check can
        refuse a long match and accept a shorter one; in letters and digits without separators there is no shorter one.
        """
        if CHECKS[number] is None or searched.data[first:last].isalnum():
            return None
        for end in self._finder.shorter_ends(searched.data, number, first, last):
            span = _accept(searched, number, first, end)
            if span is not None:
                return span
        return None


def _accept(searched: _Searched, number: int, first: int, last: int) -> ScoredSpan | None:
    """Return the span of a match without its label and trailing marks, or None if it is no personal data."""
    meaning = _meaning(searched, number, first, last)
    score, entity, why = meaning
    if score < THRESHOLD:
        return None
    label = LABELS[number]
    if label is not None and (found := label.match(searched.data, first, last)) is not None:
        first = found.end()
    value = searched.data[first:last]
    check = CHECKS_ALONE[number] if meaning is MEANINGS[number] else CHECKS[number]
    if not value or (check is not None and not _passes(check, value)):
        return None
    if not value.isalnum():
        first, last = _trim(value, first)
    return first, last, score, entity, why


def _passes(check: Check, value: bytes) -> bool:
    """Return whether a value passes its detector's check; a check may raise for a value of another shape."""
    try:
        return check(value.decode("utf-8", "replace"))
    except (ValueError, IndexError):
        return False


def _trim(value: bytes, first: int) -> tuple[int, int]:
    """Return where a value begins and ends without trailing marks, and without a parenthesis that has no other.

    Args:
        value: the matched bytes.
        first: where they begin in the text.
    """
    whole = value if value[-1] not in TRAILING or value.endswith(_KEY_END) else value.rstrip(TRAILING)
    last = first + len(whole)
    if value[0] == _OPEN:
        # "(555) 0199" keeps it; "(5550199" does not.
        first += _CLOSE not in value
    elif whole and whole[-1] == _CLOSE and _OPEN not in value:
        last -= 1
    return first, last


def _meaning(searched: _Searched, number: int, first: int, last: int) -> Meaning:
    """Return what a match means: by the first context word near it that counts for its detector, or without one.

    A word is near if it begins at most `CONTEXT_BEFORE` bytes before the match or `CONTEXT_AFTER` behind its end, in
    the same text. A match that needs a word must be near it with its whole length: a number that begins close to
    "passport" and goes on for long is another number. If it is not, no later word is tried.
    """
    words = searched.words
    if not words:
        return MEANINGS[number]
    if number in NEEDS_CONTEXT:
        lowest, highest, least = first - CONTEXT_BEFORE + 1, first + CONTEXT_AFTER + 1, last - CONTEXT_BEFORE
    else:
        lowest, highest, least = first - CONTEXT_BEFORE, last + CONTEXT_AFTER, first - CONTEXT_BEFORE
    for index in range(bisect.bisect_left(words, (lowest,)), len(words)):
        place, word = words[index]
        if place >= highest:
            break
        # A NUL between word and match: the word is in another text.
        if number in MEANINGS_NEAR[word] and searched.data.find(NUL, min(place, first), max(place, last)) < 0:
            return MEANINGS_NEAR[word][number] if place >= least else MEANINGS[number]
    return MEANINGS[number]
