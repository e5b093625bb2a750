"""Candidates: the places of a text where a match may be, and the context words, before anything is checked.

An engine searches for most patterns. Mail addresses are found from their "@" and domains from their first dot, because
as patterns both would begin at every word. All of it takes time in proportion to the text.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator

from governance.privacy.find.engines import Candidate, ContextWord, Engine, Region, best_engine
from governance.privacy.find.patterns.detectors import DOMAIN, EMAIL, EMAIL_SPELT
from governance.privacy.find.patterns.expressions import (
    ENABLED_BY,
    FIRST_BYTES,
    FORBIDDEN_AFTER,
    JOINING_MARKS,
    LETTERS_BEHIND,
    LETTERS_DIGITS,
    MAIL_HOST,
    NOT_BEFORE_DOMAIN,
    WITH_EDGES,
    WITHOUT_EDGES,
)

# How far before and after a match a context word may be, in bytes.
CONTEXT_BEFORE, CONTEXT_AFTER = 64, 20
# How many shorter matches are tried where the longest one is refused.
MAX_SHORTER = 8
# The longest local part of a mail address (RFC 5321, 4.5.3.1.1), and the longest label of a domain (RFC 1035, 2.3.4).
_MAX_LOCAL, _MAX_LABEL = 64, 63
# Letters of other alphabets are two bytes (0xC3 to 0xD3, and one of 0x80 to 0xBF); a local part begins with no second
# byte, which may belong to a Chinese character.
_LOCAL_MARKS = b"._%+'-!#$&*^~" + bytes(range(0x80, 0xC0))
_LOCAL, _LABEL = LETTERS_DIGITS + _LOCAL_MARKS + bytes(range(0xC3, 0xD4)), LETTERS_DIGITS + b"-"
# A place where a match may begin: not within letters and digits, and not at the NUL between two texts.
_BEGIN = re.compile(rb"(?<![a-zA-Z0-9])[^\x00]")
_SPELT_AT = (b"(at)", b"[at]", b"(AT)", b"[AT]")
_JOINING = JOINING_MARKS.encode()
# What is behind a mark that joins two parts of a number.
_GOES_ON = re.compile(rb"[a-zA-Z]{0,%d}[0-9]" % LETTERS_BEHIND)
# A dot within a word, as domains have them.
_DOT = re.compile(rb"\.(?=[a-zA-Z0-9])")


class CandidateFinder:
    """Finds the candidates of a text, and the context words.

    Args:
        engine: searches for the patterns; by default the fastest one of this machine.
    """

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine or best_engine()

    def find(self, data: bytes) -> tuple[list[Candidate], list[ContextWord]]:
        """Return candidates and context words, both sorted.

        Args:
            data: texts in UTF-8, with NUL between them.
        """
        candidates, regions, words = self._engine(data)
        words.sort()
        if regions:
            candidates.extend(_near_words(regions, words))
        if b"@" in data:
            candidates.extend(_mail_addresses(data))
        candidates.extend(spelt_mail_addresses(data))
        if b"." in data:
            candidates.extend(_domains(data))
        candidates.sort()
        return candidates, words

    def first_match(self, data: bytes, number: int, first: int, last: int) -> re.Match[bytes] | None:
        """Return a detector's first match that begins from `first` to before `last`, or None.

        `re.Pattern.search` would do the same, and try to match at each letter of a long word in vain.
        """
        pattern, possible = WITH_EDGES[number], FIRST_BYTES[number]
        for begin in _BEGIN.finditer(data, first, last):
            if data[begin.start()] in possible:
                found = pattern.match(data, begin.start())
                if found is not None:
                    return found
        return None

    def shorter_ends(self, data: bytes, number: int, first: int, last: int) -> Iterator[int]:
        """Yield the ends of shorter matches than from `first` to `last`, the longest first, `MAX_SHORTER` at most."""
        forbidden = FORBIDDEN_AFTER[number]
        for _ in range(MAX_SHORTER):
            found = WITHOUT_EDGES[number].match(data, first, last - 1)
            if found is None:
                return
            last = found.end()
            if data[last] not in forbidden or _joins_nothing(data, last):
                yield last


def _joins_nothing(data: bytes, end: int) -> bool:
    """Return whether the byte after a match is a mark that joins nothing: of "1984.Next", not of "1.2.3.4.5"."""
    return data[end] in _JOINING and _GOES_ON.match(data, end + 1) is None


def _near_words(regions: Iterable[Region], words: Iterable[ContextWord]) -> Iterator[Candidate]:
    """Yield a candidate for each region and each detector that a word near the region enables."""
    enabling = [word for word in words if ENABLED_BY[word[1]]]
    places = [place for place, _ in enabling]
    for start, stop in regions:
        index = bisect.bisect_left(places, start - CONTEXT_BEFORE)
        numbers: set[int] = set()
        while index < len(places) and places[index] < stop + CONTEXT_AFTER:
            numbers.update(ENABLED_BY[enabling[index][1]])
            index += 1
        for number in numbers:
            yield start, number, stop


def _mail_addresses(data: bytes) -> Iterator[Candidate]:
    """Yield, for each "@" with a host after it, the longest local part before it."""
    at = data.find(b"@")
    while at >= 0:
        if MAIL_HOST.match(data, at + 1) is not None:
            start = _begin_before(data, max(0, at - _MAX_LOCAL), at, _LOCAL, _LOCAL_MARKS)
            if start < at:
                yield start, EMAIL, at
        at = data.find(b"@", at + 1)


def spelt_mail_addresses(data: bytes) -> Iterator[Candidate]:
    """Yield, for each "(at)" or "[at]", the longest local part before it and a blank; the compiled twin calls it, too.

    Args:
        data: texts in UTF-8, with NUL between them.
    """
    for spelt in _SPELT_AT:
        at = data.find(spelt)
        while at >= 0:
            end = at - (data[at - 1 : at] == b" ")
            start = _begin_before(data, max(0, end - _MAX_LOCAL), end, _LOCAL, _LOCAL_MARKS)
            if start < end:
                yield start, EMAIL_SPELT, at + len(spelt)
            at = data.find(spelt, at + 1)


def _domains(data: bytes) -> Iterator[Candidate]:
    """Yield what may be a domain, by its first dot; dots within what was found already are skipped."""
    pattern, done = WITHOUT_EDGES[DOMAIN], 0
    for found in _DOT.finditer(data):
        dot = found.start()
        if dot < done:
            continue
        start = _begin_before(data, max(done, dot - _MAX_LABEL), dot, _LABEL, b"-")
        match = pattern.match(data, start) if start < dot else None
        if match is not None:
            done = match.end()
            # A part of a mail address or of a URL is no domain of its own.
            if not (start and data[start - 1] in NOT_BEFORE_DOMAIN) and data[done : done + 1] != b"@":
                yield start, DOMAIN, done


def _begin_before(data: bytes, lowest: int, end: int, allowed: bytes, not_first: bytes) -> int:
    """Return where the run of allowed bytes that ends at `end` begins, without marks that it must not begin with.

    Args:
        data: the text.
        lowest: the first byte that may belong to the run.
        end: the end of the run; it is returned if there is no run.
        allowed: the bytes of which the run may consist.
        not_first: those of them with which it must not begin.
    """
    start = lowest + len(data[lowest:end].rstrip(allowed))
    return end - len(data[start:end].lstrip(not_first))
