"""Judging candidates: checks and context words, on what the patterns tell of, and nowhere else.

`native/candidate_filter.pyx` does the same in C, if a compiler was available at installation. This file is the
reference: tests compare the results of both.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Sequence

from governance.privacy.find.candidates import BEFORE, BEHIND, BOUNDED, LONG, ONCE, Candidates, Word
from governance.privacy.find.detectors import CONTEXT_WORDS, DETECTORS, DOMAIN
from governance.privacy.find.finding import Row

# What is less sure is left out.
THRESHOLD = 0.4
NUL = b"\0"
# What a number may end with, and is no part of it; a key ends with dashes.
LOOSE, _KEY_END = b" .,;:-", b"-----"
_OPEN, _CLOSE = 40, 41

# Score, entity, reason.
Meaning = tuple[float, str, str]
# What is personal data in some bytes, with places in them.
Rows = Callable[[bytes], list[Row]]

# Of each detector: what a match means without a word beside it, its check, its label, and whether it needs a word.
PLANS = [
    (
        (item.score, item.entity, item.name),
        item.check,
        re.compile(item.label.encode(), re.IGNORECASE) if item.label else None,
        item.needs_context,
    )
    for item in DETECTORS
]
# How sure each detector can be at most; of long ones a hit does not tell where they end.
SUREST = [
    2.0 if number in LONG and number != DOMAIN else max(item.score, item.with_context)
    for number, item in enumerate(DETECTORS)
]


def _meaning_beside(number: int, word: str) -> Meaning:
    detector = DETECTORS[number]
    entity = "DATE_OF_BIRTH" if detector.entity == "DATE_TIME" else detector.entity
    return detector.with_context, entity, f"{detector.name}, beside '{word}'"


# For each word and each detector that it speaks for, what a match means beside it.
BESIDE = [
    {number: _meaning_beside(number, word) for number, item in enumerate(DETECTORS) if word in item.context}
    for word in CONTEXT_WORDS
]


class Judge:
    """Says what of the candidates is something.

    Args:
        using: the compiled patterns.
    """

    def __init__(self, using: Candidates) -> None:
        self._candidates = using

    def __call__(self, data: bytes) -> list[Row]:
        """Return what is something, with places in bytes.

        Of each detector, a place is looked at once: behind what was something, or behind the first byte of what was
        nothing, the next may begin; what needs a word beside it begins behind what was nothing, too.
        """
        hits, words = self._candidates.find(data)
        looked = [0] * len(DETECTORS)
        judged: list[Row] = []
        # What lies within something surer than it can be, would be dropped later.
        cover_first, cover_last, cover_score = 0, 0, 0.0
        for start, number, end in hits:
            place, stop = looked[number], end
            if place >= stop or (end <= cover_last and start >= cover_first and SUREST[number] <= cover_score):
                continue
            place = max(place, start)
            found = BOUNDED[number].match(data, place)
            # Nothing begins within letters and digits.
            while found is not None or (
                place < stop
                and number not in LONG
                and not data[place:stop].isalnum()
                and (found := self._candidates.search(data, number, place, stop)) is not None
            ):
                first, last = found.span()
                row = _judged(data, number, first, last, words) or self._shorter(data, number, first, last, words)
                if row is None:
                    place = last if number in ONCE else first + 1
                else:
                    judged.append(row)
                    if row[1] > cover_last or row[2] >= cover_score:
                        cover_first, cover_last, cover_score = row[:3]
                    place = row[1] if row[1] > first else first + 1
                stop = max(stop, last)
                if number in LONG:
                    break
                found = None
            looked[number] = place if number in LONG else stop
        return judged

    def _shorter(self, data: bytes, number: int, first: int, last: int, words: Sequence[Word]) -> Row | None:
        """Return what is something of a match that is shorter than one that is nothing."""
        if DETECTORS[number].check is not None and not data[first:last].isalnum():
            for end in self._candidates.shorter(data, number, first, last):
                row = _judged(data, number, first, end, words)
                if row is not None:
                    return row
        return None


def _judged(data: bytes, number: int, first: int, last: int, words: Sequence[Word]) -> Row | None:
    """Return a candidate without its label and what is loose at its end, or None if it is none."""
    meaning, check, label, needs_context = PLANS[number]
    score, entity, why = _beside(data, number, first, last, needs_context, words) or meaning
    if score < THRESHOLD:
        return None
    if label is not None and (found := label.match(data, first, last)) is not None:
        first = found.end()
    candidate = data[first:last]
    if not candidate:
        return None
    if check is not None:
        try:
            if not check(candidate.decode("utf-8", "replace")):
                return None
        except (ValueError, IndexError):
            return None
    if candidate.isalnum():
        return first, last, score, entity, why
    if not candidate.endswith(_KEY_END):
        last = first + len(candidate.rstrip(LOOSE))
    if candidate[0] == _OPEN:
        first += _CLOSE not in candidate
    elif data[last - 1] == _CLOSE and _OPEN not in candidate:
        last -= 1
    return first, last, score, entity, why


def _beside(data: bytes, number: int, first: int, last: int, is_needed: bool, words: Sequence[Word]) -> Meaning | None:
    """Return what a match means beside the first word that speaks for it, stands near it, and in its text.

    Where a match is nothing without one, all of it must be within reach of the word, and the reach of another word that
    ends within the match speaks against it: what comes so late is something else.
    """
    lowest, whole, stop = first - BEFORE, first - BEFORE, last + BEHIND
    if is_needed:
        lowest, whole, stop = lowest + 1, last - BEFORE, first + BEHIND + 1
    for index in range(bisect.bisect_left(words, (lowest,)), len(words)):
        place, word = words[index]
        if place >= stop:
            return None
        meaning = BESIDE[word].get(number)
        if meaning is not None and data.find(NUL, min(place, first), max(place, last)) < 0:
            return meaning if place >= whole else None
    return None
