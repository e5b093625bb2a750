"""Detection: a text goes in, findings come out.

All patterns in one pass, checks and context words on candidates alone, and then, of findings that lie over each other,
the surest and the longest. Offsets are code points of the text as it came.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate
from operator import itemgetter

import numpy as np

from governance.privacy.characters import holds_controls, readable, without_controls
from governance.privacy.detectors import CONTEXT_WORDS, DETECTORS, DOMAIN
from governance.privacy.finding import Finding
from governance.privacy.patterns import BEFORE, BEHIND, BOUNDED, LONG, ONCE, Candidates, Word

THRESHOLD = 0.4
# So many characters are read together, with this between texts.
BATCH, BARRIER, NUL = 32_768, "\0", b"\0"
# For each word, the detectors that it speaks for.
_SPEAKS_FOR = [[number for number, item in enumerate(DETECTORS) if word in item.context] for word in CONTEXT_WORDS]
_LOOSE = " \t\r\n,;:，；：、。"
# What a number may end with, and is no part of it; a key ends with dashes.
_LOOSE_BYTES, _KEY_END = b" .,;:-", b"-----"
_OPEN, _CLOSE = 40, 41

# Words that stand beside numbers and look like organisations.
_ABBREVIATIONS = frozenset(word.upper() for word in CONTEXT_WORDS if word.isascii()) | {
    "IBAN",
    "IP",
    "URL",
    "ID",
    "API",
}
_CAPITAL = re.compile("[A-ZÀ-ÖØ-Þ]")
# Start, end, score, entity, reason: a finding before it is one. Tuples are made faster.
Row = tuple[int, int, float, str, str]
# The last three of them.
_Meaning = tuple[float, str, str]
# Places of words in their order, and which words they are.
_Beside = tuple[list[int], list[int]]

# Of each detector: what a match means without a word beside it, its check, its label, and whether it needs a word.
_PLANS = [
    (
        (item.score, item.entity, item.name),
        item.check,
        re.compile(item.label.encode(), re.IGNORECASE) if item.label else None,
        item.needs_context,
    )
    for item in DETECTORS
]
# How sure each detector can be at most; of long ones a hit does not tell where they end.
_SUREST = [
    2.0 if number in LONG and number != DOMAIN else max(item.score, item.with_context)
    for number, item in enumerate(DETECTORS)
]
_START, _END = itemgetter(0), itemgetter(1)


def _surest(row: Row) -> tuple[float, int, int]:
    return -row[2], row[0] - row[1], row[0]


# Takes texts, and returns the findings of each.
Tagger = Callable[[Sequence[str]], Sequence[Iterable[Finding]]]


@lru_cache
def candidates() -> Candidates:
    """Return the patterns, compiled once."""
    return Candidates()


class Detectors:
    """Finds personal data in texts.

    Args:
        tagger: finds persons, places, organisations and addresses too; None for patterns alone.
        threshold: what is less sure is left out.
        using: the compiled patterns.
    """

    def __init__(
        self, tagger: Tagger | None = None, threshold: float = THRESHOLD, using: Candidates | None = None
    ) -> None:
        self._tagger, self._threshold, self._candidates = tagger, threshold, using or candidates()

    def find(self, text: str) -> list[Finding]:
        """Return the findings of a text, in their order; none lies over another."""
        return self.find_all([text])[0]

    def find_all(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Return the findings of each text; many at once are faster than one by one."""
        batches = [_Batch.of(texts, numbers) for numbers in _batches(texts)]
        rows = [_in_code_points(batch.data, self._judged(batch.data)) for batch in batches]
        if self._tagger is not None:
            self._tag(self._tagger, len(texts), batches, rows)
        found: list[list[Finding]] = [[] for _ in texts]
        for batch, some in zip(batches, rows, strict=True):
            if some:
                batch.hand_out(_resolved([row for row in some if row[2] >= self._threshold]), found)
        return found

    def _tag(self, tagger: Tagger, count: int, batches: Sequence[_Batch], rows: Sequence[list[Row]]) -> None:
        """Add what the tagger finds to the rows of each batch."""
        plain = [""] * count
        for batch in batches:
            for number, text in zip(batch.numbers, batch.texts(), strict=True):
                plain[number] = text
        tagged = tagger(plain)
        for batch, some in zip(batches, rows, strict=True):
            for number, begin in zip(batch.numbers, batch.begins, strict=True):
                some.extend(
                    (begin + one.start, begin + one.end, one.score, one.entity, one.why)
                    for one in tagged[number]
                    if _may_be_name(plain[number], one)
                )

    def _judged(self, data: bytes) -> list[Row]:
        """Return what of the candidates is something, with places in bytes.

        Of each detector, a place is looked at once: behind what was something, or behind the first byte of what was
        nothing, the next may begin; what needs a word beside it begins behind what was nothing, too.
        """
        hits, words = self._candidates.find(data)
        beside = _by_detector(words, {number for _, number, _ in hits})
        looked = [0] * len(DETECTORS)
        judged: list[Row] = []
        # What lies within something surer than it can be, would be dropped later.
        cover_first, cover_last, cover_score = 0, 0, 0.0
        for start, number, end in hits:
            place, stop = looked[number], end
            if place >= stop or (end <= cover_last and start >= cover_first and _SUREST[number] <= cover_score):
                continue
            place = max(place, start)
            near = beside.get(number)
            found = BOUNDED[number].match(data, place)
            # Nothing begins within letters and digits.
            while found is not None or (
                place < stop
                and number not in LONG
                and not data[place:stop].isalnum()
                and (found := self._candidates.search(data, number, place, stop)) is not None
            ):
                first, last = found.span()
                row = _judge(data, number, first, last, near) or self._shorter(data, number, first, last, near)
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

    def _shorter(self, data: bytes, number: int, first: int, last: int, near: _Beside | None) -> Row | None:
        """Return what is something of a match that is shorter than one that is nothing."""
        if DETECTORS[number].check is not None and not data[first:last].isalnum():
            for end in self._candidates.shorter(data, number, first, last):
                row = _judge(data, number, first, end, near)
                if row is not None:
                    return row
        return None


@dataclass(frozen=True, slots=True)
class _Batch:
    """Texts that are read together: NUL stands between them, and neither match nor context crosses one.

    Attributes:
        numbers: of the texts.
        text: all of them, as people see them.
        data: the same in UTF-8.
        begins: where each begins in `text`.
        origins: where each began before what is invisible was taken out.
        places: for each code point of `text`, where it was then; None if nothing was taken out.
    """

    numbers: Sequence[int]
    text: str
    data: bytes
    begins: Sequence[int]
    origins: Sequence[int]
    places: Sequence[int] | None

    @classmethod
    def of(cls, texts: Sequence[str], numbers: Sequence[int]) -> _Batch:
        """Put texts together."""
        chosen = [texts[number] for number in numbers]
        joined = BARRIER.join(chosen)
        if holds_controls(joined, len(chosen) - 1):
            joined = BARRIER.join(map(without_controls, chosen))
        text, places = readable(joined)
        origins = [0, *accumulate(len(one) + 1 for one in chosen[:-1])]
        begins = origins if places is None else [bisect.bisect_left(places, origin) for origin in origins]
        return cls(numbers, text, text.encode("utf-8", "replace"), begins, origins, places)

    def texts(self) -> list[str]:
        """Return each text as people see it."""
        ends = [begin - 1 for begin in self.begins[1:]]
        return [self.text[begin:end] for begin, end in zip(self.begins, [*ends, len(self.text)], strict=True)]

    def hand_out(self, rows: Iterable[Row], found: Sequence[list[Finding]]) -> None:
        """Make findings of rows, which are in order, where they are in the texts as they came."""
        text, places, origins = self.text, self.places, self.origins
        last, index = len(origins) - 1, 0
        for first, stop, score, entity, why in rows:
            start, end = first, stop
            if not (text[start].isalnum() and text[end - 1].isalnum()):
                start, end = _trimmed(text, start, end)
                if start >= end:
                    continue
            if places is not None:
                start, end = places[start], places[end - 1] + 1
            while index < last and origins[index + 1] <= start:
                index += 1
            origin = origins[index]
            found[self.numbers[index]].append(Finding(entity, start - origin, end - origin, score, why))


def _batches(texts: Sequence[str]) -> Iterator[list[int]]:
    """Yield the numbers of texts that are read together, those of ASCII alone and the others: of them places differ."""
    pending: dict[bool, list[int]] = {True: [], False: []}
    sizes = {True: 0, False: 0}
    for number, text in enumerate(texts):
        kind = text.isascii()
        pending[kind].append(number)
        sizes[kind] += len(text)
        if sizes[kind] >= BATCH:
            yield pending[kind]
            pending[kind], sizes[kind] = [], 0
    yield from (batch for batch in pending.values() if batch)


def _in_code_points(data: bytes, rows: list[Row]) -> list[Row]:
    """Return rows with places in code points."""
    if not rows or data.isascii():
        return rows
    inner = np.flatnonzero((np.frombuffer(data, np.uint8) & 0xC0) == 0x80)
    starts, ends = (np.array([row[column] for row in rows]) for column in (0, 1))
    starts, ends = (edges - inner.searchsorted(edges) for edges in (starts, ends))
    return [(start, end, *row[2:]) for start, end, row in zip(starts.tolist(), ends.tolist(), rows, strict=True)]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without blanks and commas at its edges; an empty one if nothing is left of it."""
    piece = text[start:end]
    if not any(map(str.isalnum, piece)):
        return start, start
    return start + len(piece) - len(piece.lstrip(_LOOSE)), end - (len(piece) - len(piece.rstrip(_LOOSE)))


def resolve(findings: Sequence[Finding]) -> list[Finding]:
    """Make of findings that lie over each other such that do not, and cover the same characters.

    The surest goes first. One of the same entity is joined to it; of one of another entity what sticks out stays.
    """
    rows = [(one.start, one.end, one.score, one.entity, one.why) for one in findings]
    return [Finding(entity, start, end, score, why) for start, end, score, entity, why in _resolved(rows)]


def _resolved(rows: list[Row]) -> Iterator[Row]:
    """Yield rows in order, and of those that lie over each other what `resolve` makes of them."""
    rows.sort(key=_START)
    group: list[Row] = []
    reach = 0
    for row in rows:
        if row[0] >= reach:
            yield from group if len(group) < 2 else _of_group(group)
            group = []
        group.append(row)
        reach = max(reach, row[1])
    yield from group if len(group) < 2 else _of_group(group)


def _of_group(group: list[Row]) -> list[Row]:
    group.sort(key=_surest)
    surest = group[0]
    if all(surest[0] <= row[0] and row[1] <= surest[1] for row in group):
        return [surest]
    kept: list[Row] = []
    for row in group:
        first = bisect.bisect_right(kept, row[0], key=_END)
        last = bisect.bisect_left(kept, row[1], lo=first, key=_START)
        over = kept[first:last]
        if not over:
            kept.insert(first, row)
        elif all(other[3] == row[3] for other in over):
            kept[first:last] = [(min(row[0], over[0][0]), max(row[1], over[-1][1]), *over[0][2:])]
        else:
            kept[first:last] = _beside_each_other(row, over)
    return kept


def _beside_each_other(row: Row, over: Sequence[Row]) -> list[Row]:
    pieces, start = [], row[0]
    for other in over:
        pieces += [(start, other[0], *row[2:]), other]
        start = other[1]
    pieces.append((start, row[1], *row[2:]))
    return [piece for piece in pieces if piece[0] < piece[1]]


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


def _judge(data: bytes, number: int, first: int, last: int, beside: _Beside | None) -> Row | None:
    """Return a candidate without its label and what is loose at its end, or None if it is none."""
    meaning, check, label, needs_context = _PLANS[number]
    if beside is not None:
        word = _word_beside(data, beside, first, last, needs_context)
        if word is not None:
            meaning = _beside_word(number, word)
    score, entity, why = meaning
    if score < THRESHOLD:
        return None
    if label is not None and (found := label.match(data, first, last)) is not None:
        first = found.end()
    candidate = data[first:last]
    if check is not None:
        try:
            if not check(candidate.decode("utf-8", "replace")):
                return None
        except (ValueError, IndexError):
            return None
    if candidate.isalnum():
        return first, last, score, entity, why
    if not candidate.endswith(_KEY_END):
        last = first + len(candidate.rstrip(_LOOSE_BYTES))
    if candidate[0] == _OPEN:
        first += _CLOSE not in candidate
    elif data[last - 1] == _CLOSE and _OPEN not in candidate:
        last -= 1
    return first, last, score, entity, why


@cache
def _beside_word(number: int, word: int) -> _Meaning:
    """Return score, entity and reason of a detector's findings with this word beside them."""
    detector = DETECTORS[number]
    entity = "DATE_OF_BIRTH" if detector.entity == "DATE_TIME" else detector.entity
    return detector.with_context, entity, f"{detector.name}, beside '{CONTEXT_WORDS[word]}'"


def _by_detector(words: Sequence[Word], wanted: Set[int]) -> dict[int, _Beside]:
    """Return, for each of the detectors that are wanted, the places of the words that speak for it, and the words."""
    found: dict[int, _Beside] = {number: ([], []) for number in wanted}
    speaks_for: dict[int, list[_Beside]] = {}
    for place, word in words:
        if word not in speaks_for:
            speaks_for[word] = [found[number] for number in _SPEAKS_FOR[word] if number in wanted]
        for places, which in speaks_for[word]:
            places.append(place)
            which.append(word)
    return {number: beside for number, beside in found.items() if beside[0]}


def _word_beside(data: bytes, beside: _Beside, first: int, last: int, is_needed: bool) -> int | None:
    """Return the first word that stands near a match, and in its text.

    Where a match is nothing without one, all of it must be within reach of the word, and the reach of another word that
    ends within the match speaks against it: what comes so late is something else.
    """
    places = beside[0]
    lowest, whole, stop = first - BEFORE, first - BEFORE, last + BEHIND
    if is_needed:
        lowest, whole, stop = lowest + 1, last - BEFORE, first + BEHIND + 1
    index = bisect.bisect_left(places, lowest)
    while index < len(places) and (place := places[index]) < stop:
        if data.find(NUL, min(place, first), max(place, last)) < 0:
            return beside[1][index] if place >= whole else None
        index += 1
    return None
