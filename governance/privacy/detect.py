"""Detection: a text goes in, findings come out.

All patterns in one pass, checks and context words on candidates alone, and then, of findings that lie over each other,
the surest and the longest. Offsets are code points of the text as it came.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate, pairwise
from operator import attrgetter

import numpy as np

from governance.privacy.characters import readable
from governance.privacy.detectors import CONTEXT_WORDS, DETECTORS
from governance.privacy.finding import Finding
from governance.privacy.patterns import EDGES, Candidates, Match, Word

THRESHOLD = 0.4
# So many characters are read together, with this between texts.
BATCH, BARRIER, NUL = 16_384, "\0", b"\0"
# How far before and behind a candidate a context word may stand, in bytes.
BEFORE, BEHIND = 64, 20

_ALNUM = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_LABELS = [re.compile(item.label.encode(), re.IGNORECASE) if item.label else None for item in DETECTORS]
_WORDS = {word: number for number, word in enumerate(CONTEXT_WORDS)}
_CONTEXT = [frozenset(_WORDS[word] for word in item.context) for item in DETECTORS]
_DETECTORS_OF = [
    [number for number, item in enumerate(DETECTORS) if item.needs_context and word in item.context]
    for word in CONTEXT_WORDS
]
# An edge that is part of a sentence and not of a number: a full stop, a comma or a dash at the very end of one.
_SENTENCE = frozenset(b".,-:/")
_START = attrgetter("start")
_LOOSE = " \t\r\n,;:，；：、。"

# Words that stand beside numbers and look like organisations.
_ABBREVIATIONS = frozenset(word.upper() for word in CONTEXT_WORDS if word.isascii()) | {
    "IBAN",
    "IP",
    "URL",
    "ID",
    "API",
}
_CAPITAL = re.compile("[A-ZÀ-ÖØ-Þ]")
# Entity, first byte, end, score, reason.
Judged = tuple[str, int, int, float, str]

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
        seen = [readable(text) for text in texts]
        plain = [text for text, _ in seen]
        found: list[list[Finding]] = [[] for _ in texts]
        for batch in _batches(plain):
            self._read_together(plain, batch, found)
        if self._tagger is not None:
            for text, findings, also in zip(plain, found, self._tagger(plain), strict=True):
                findings.extend(finding for finding in also if _may_be_name(text, finding))
        return [
            _in_place(self._chosen(text, findings), places) if findings else findings
            for (text, places), findings in zip(seen, found, strict=True)
        ]

    def _chosen(self, text: str, found: Sequence[Finding]) -> list[Finding]:
        resolved = resolve([finding for finding in found if finding.score >= self._threshold])
        trimmed = (_trimmed(text, finding) for finding in resolved)
        return [finding for finding in trimmed if finding is not None]

    def _read_together(self, texts: Sequence[str], batch: Sequence[int], found: Sequence[list[Finding]]) -> None:
        """Read the texts of a batch in one pass: NUL stands between them, and neither match nor context crosses one."""
        joined = BARRIER.join([texts[number] for number in batch]) if len(batch) > 1 else texts[batch[0]]
        data = joined.encode("utf-8", "replace")
        judged = self._judged(data)
        if not judged:
            return
        if len(data) != len(joined):
            inner = _inner_bytes(data)
            starts, ends = (
                (edge - inner.searchsorted(edge)).tolist()
                for edge in (np.array([row[1] for row in judged]), np.array([row[2] for row in judged]))
            )
        else:
            starts, ends = [row[1] for row in judged], [row[2] for row in judged]
        if len(batch) == 1:
            found[batch[0]].extend(
                Finding(entity, start, end, score, why)
                for (entity, _, _, score, why), start, end in zip(judged, starts, ends, strict=True)
            )
            return
        begins = [0, *accumulate(len(texts[number]) + 1 for number in batch[:-1])]
        for (entity, _, _, score, why), start, end in zip(judged, starts, ends, strict=True):
            place = bisect.bisect_right(begins, start) - 1
            begin = begins[place]
            found[batch[place]].append(Finding(entity, start - begin, end - begin, score, why))

    def _judged(self, data: bytes) -> list[Judged]:
        """Return what of the candidates is something: its entity, first byte, end, score and reason."""
        matches, words = self._candidates.find(data)
        if words:
            matches.extend(self._beside(data, words))
        judged = []
        for number, first, ends in matches:
            edges = EDGES[number]
            if first and data[first - 1] in edges:
                continue
            for last in ends:
                if last < len(data) and data[last] in edges and not _ends_sentence(data, last):
                    continue
                row = _judge(data, number, first, last, words)
                if row is not None:
                    judged.append(row)
                    break
        return judged

    def _beside(self, data: bytes, words: Sequence[Word]) -> Iterator[Match]:
        """Look beside each context word for what is nothing without one."""
        seen: dict[int, int] = {}
        for start, word in words:
            if not _DETECTORS_OF[word]:
                continue
            before, behind = _within_text(data, start, start, BEHIND, BEFORE)
            for number in _DETECTORS_OF[word]:
                first, last = max(before, seen.get(number, 0)), behind
                if first < last:
                    seen[number] = last
                    yield from self._candidates.near(data, number, first, last)


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


def _within_text(data: bytes, first: int, last: int, before: int, behind: int) -> tuple[int, int]:
    """Return so many bytes before and behind a place, as far as its text goes."""
    begin = max(0, first - before)
    begin = max(begin, data.rfind(NUL, begin, first) + 1)
    end = data.find(NUL, last, last + behind)
    return begin, end if end >= 0 else min(len(data), last + behind)


def _trimmed(text: str, finding: Finding) -> Finding | None:
    """Return a finding without blanks and commas at its edges, or None if nothing is left of it."""
    piece = text[finding.start : finding.end]
    if piece[:1].isalnum() and piece[-1:].isalnum():
        return finding
    if not any(character.isalnum() for character in piece):
        return None
    start = finding.start + len(piece) - len(piece.lstrip(_LOOSE))
    return replace(finding, start=start, end=finding.end - (len(piece) - len(piece.rstrip(_LOOSE))))


def _in_place(findings: list[Finding], places: Sequence[int] | None) -> list[Finding]:
    """Put findings where they are in the text as it came."""
    if places is None:
        return findings
    return [Finding(f.entity, places[f.start], places[f.end - 1] + 1, f.score, f.why) for f in findings]


def resolve(findings: Sequence[Finding]) -> list[Finding]:
    """Make of findings that lie over each other such that do not, and cover the same characters.

    The surest goes first. One of the same entity is joined to it; of one of another entity what sticks out stays.
    """
    in_order = sorted(findings, key=_START)
    if all(one.end <= other.start for one, other in pairwise(in_order)):
        return in_order
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda item: (-item.score, item.start - item.end, item.start)):
        first, last = _overlapped(kept, finding)
        over = kept[first:last]
        if not over:
            kept.insert(first, finding)
        elif all(other.entity == finding.entity for other in over):
            start = min([finding.start, *(other.start for other in over)])
            end = max([finding.end, *(other.end for other in over)])
            surest = over[0]
            kept[first:last] = [Finding(finding.entity, start, end, surest.score, surest.why)]
        else:
            kept[first:last] = _beside_each_other(finding, over)
    return kept


def _overlapped(kept: Sequence[Finding], finding: Finding) -> tuple[int, int]:
    """Return which of the kept ones, that are in order, lie over a finding."""
    first = bisect.bisect_right(kept, finding.start, key=lambda item: item.end)
    return first, bisect.bisect_left(kept, finding.end, lo=first, key=lambda item: item.start)


def _beside_each_other(finding: Finding, over: Sequence[Finding]) -> list[Finding]:
    pieces, start = [], finding.start
    for other in over:
        pieces += [replace(finding, start=start, end=other.start), other]
        start = other.end
    pieces.append(replace(finding, start=start))
    return [piece for piece in pieces if piece.start < piece.end]


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


def _ends_sentence(data: bytes, end: int) -> bool:
    """Return whether what stands behind a match ends a sentence: "…1984." does, and "1.2.3.4.5" goes on."""
    return data[end] in _SENTENCE and (end + 1 >= len(data) or data[end + 1] not in _ALNUM)


def _judge(data: bytes, number: int, first: int, last: int, words: Sequence[Word]) -> Judged | None:
    """Return entity, start, end, score and reason of a candidate, or None if it is none."""
    detector = DETECTORS[number]
    score, why, entity = detector.score, detector.name, detector.entity
    if detector.context and words:
        word = _word_beside(data, words, _CONTEXT[number], first, last)
        if word is not None:
            score, why = detector.with_context, f"{detector.name}, beside '{CONTEXT_WORDS[word]}'"
            entity = "DATE_OF_BIRTH" if entity == "DATE_TIME" else entity
    if score < THRESHOLD:
        return None
    label = _LABELS[number]
    if label is not None and (found := label.match(data, first, last)) is not None:
        first = found.end()
    candidate = data[first:last].decode("utf-8", "replace")
    if detector.check is not None:
        try:
            if not detector.check(candidate):
                return None
        except (ValueError, IndexError):
            return None
    end = last if candidate.endswith("-----") else last - (len(candidate) - len(candidate.rstrip(" .,;:-")))
    if candidate[0] == "(" and ")" not in candidate:
        first += 1
    elif data[end - 1] == 41 and "(" not in candidate:
        end -= 1
    return entity, first, end, score, why


def _word_beside(data: bytes, words: Sequence[Word], wanted: frozenset[int], first: int, last: int) -> int | None:
    place = bisect.bisect_left(words, (first - BEFORE, 0))
    stop = last + BEHIND
    while place < len(words) and words[place][0] < stop:
        start, word = words[place]
        if word in wanted and data.find(NUL, min(start, first), max(start, last)) < 0:
            return word
        place += 1
    return None


def _inner_bytes(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return where the bytes are that begin no code point: so many less is a place in code points than in bytes."""
    found: np.ndarray[tuple[int], np.dtype[np.int64]] = np.flatnonzero((np.frombuffer(data, np.uint8) & 0xC0) == 0x80)
    return found
