"""Candidates: one pass over a text with all patterns, before anything is checked.

Words and marks are found by Hyperscan, where there is a wheel of it, and by Python's `re` elsewhere; numbers by `re`
within groups of digits; mail addresses from their "@". None looks back or ahead, all take time in proportion to the
text, and patterns that `re` runs have bounded repetitions alone.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from governance.privacy.detectors import CONTEXT_WORDS, DETECTORS, DOMAIN, EMAIL, Detector

# Detector number, first byte, and the bytes at which a match that begins there may end (exclusive), longest first.
Match = tuple[int, int, Iterable[int]]
# First byte and number of a context word.
Word = tuple[int, int]

# Context words that are part of others, and then say nothing.
EXACT = frozenset(word for word in CONTEXT_WORDS if word.isascii() and len(word) <= 3) - {"tel", "ust"}
# How many shorter matches `re` is asked for.
SHORTER = 8
LARGE = 32
# Digits with what people write between them; a part of each such group may be a number that is looked for.
# The search is for one byte, and so as fast as memory, in a copy where all digits are "0" and all that stands between
# them is a blank.
_GROUP = re.compile(rb"0[0 ]{3,}")
_SHAPE = bytes(48 if 48 <= code <= 57 else 32 if code in b" .-/()" else 97 for code in range(256))
LEAST_DIGITS = min(item.digits for item in DETECTORS if item.digits)
# What may stand before the first digit of a number.
_SIGNS = frozenset(b"+( ")
# What may belong to a number behind its last digit: an extension, a check letter.
_TAIL = 12
# So many digits on end are no number that is looked for.
RUN = 25
_RUN = re.compile(rb"0{%d,}" % RUN)
_NO_DIGITS = bytes(number for number in range(256) if not 48 <= number <= 57)
_LETTERS_DIGITS = bytes(code for code in range(128) if chr(code).isalnum())
_LOCAL, _LABEL = _LETTERS_DIGITS + b"._%+'-", _LETTERS_DIGITS + b"-"
# A dot within a word, as domains have them.
_DOT = re.compile(rb"\.(?=[a-zA-Z0-9])")
_HOST = re.compile(rb"[a-zA-Z0-9](?:[a-zA-Z0-9\-]{0,62}\.){1,6}[a-zA-Z]{2,24}")

# A repetition with a large bound at the end of a pattern, or of one of its alternatives.
_LONG_TAIL = re.compile(r"\{(\d+),\d{2,}\}(?=$|\|)")

# What may not stand right before or after a match.
EDGES = [frozenset(_LETTERS_DIGITS + item.edges.encode()) for item in DETECTORS]

Scan = Callable[[bytes, list[Match], list[Word]], None]
# Tells which of the numbers' detectors match somewhere in a piece of text; all of them is an answer, too.
Which = Callable[[bytes], Iterable[int]]


class Candidates:
    """Finds all that may be personal data, and the words that speak for it.

    Args:
        scan: finds words and marks; the best that this machine has by default.
        which: tells which numbers to look for in a group of digits.
    """

    def __init__(self, scan: Scan | None = None, which: Which | None = None) -> None:
        self._scan, self._which = (scan, which or likely_numbers) if scan is not None else best_scan()
        self._numbers = {number: _compiled(item) for number, item in _numbers()}
        self._with_context = {number: _compiled(item) for number, item in enumerate(DETECTORS) if item.needs_context}

    def find(self, data: bytes) -> tuple[list[Match], list[Word]]:
        """Return the matches, and the context words in their order."""
        matches: list[Match] = []
        words: list[Word] = []
        self._scan(data, matches, words)
        words.sort()
        if b"@" in data:
            matches.extend(_mail_addresses(data))
        if b"." in data:
            matches.extend(_domains(data))
        shape = data.translate(_SHAPE)
        for group in _GROUP.finditer(shape):
            for start, end in _without_runs(shape, *group.span()):
                if shape.count(b"0", start, end) >= LEAST_DIGITS:
                    self._look_into(data, start, end, matches)
        return matches, words

    def _look_into(self, data: bytes, start: int, end: int, matches: list[Match]) -> None:
        """Look for numbers in one group of digits."""
        while start and data[start - 1] in _SIGNS and data[start - 1 : start + 1] != b" 0":
            start -= 1
        last = min(end + _TAIL, len(data))
        for number in self._which(data[start:last]):
            pattern = self._numbers[number]
            edges = EDGES[number]
            for match in pattern.finditer(data, start, last):
                first = match.start()
                if first >= end:
                    break
                if first and data[first - 1] in edges:
                    continue
                matches.append((number, first, _ends(pattern, data, match)))

    def near(self, data: bytes, number: int, first: int, last: int) -> Iterator[Match]:
        """Yield the matches of a detector that needs a context word, within a window."""
        pattern = self._with_context[number]
        for match in pattern.finditer(data, first, last):
            yield number, match.start(), _ends(pattern, data, match)


def _without_runs(shape: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield a group without runs of digits that are longer than any number: a part of one is none."""
    if end - start >= RUN:
        for run in _RUN.finditer(shape, start, end):
            yield start, run.start()
            start = run.end()
    yield start, end


def _ends(pattern: re.Pattern[bytes], data: bytes, match: re.Match[bytes] | None) -> Iterator[int]:
    """Yield where the match ends, and then where shorter ones do, as long as somebody asks."""
    for _ in range(SHORTER):
        if match is None:
            return
        yield match.end()
        match = pattern.match(data, match.start(), match.end() - 1)


def _mail_addresses(data: bytes) -> Iterator[Match]:
    at = data.find(b"@")
    while at >= 0:
        host = _HOST.match(data, at + 1)
        if host is not None:
            begin = max(0, at - 64)
            piece = data[begin:at]
            start = begin + len(piece.rstrip(_LOCAL))
            start += at - start - len(data[start:at].lstrip(b"._%+'-"))
            if start < at:
                yield EMAIL, start, [host.end()]
        at = data.find(b"@", at + 1)


def _domains(data: bytes) -> Iterator[Match]:
    """Yield what may be a domain, from the first of its dots."""
    pattern, done = _compiled(DETECTORS[DOMAIN]), 0
    for found in _DOT.finditer(data):
        dot = found.start()
        if dot < done:
            continue
        begin = max(done, dot - 63)
        piece = data[begin:dot]
        start = begin + len(piece.rstrip(_LABEL))
        start += dot - start - len(data[start:dot].lstrip(b"-"))
        match = pattern.match(data, start) if start < dot else None
        if match is not None:
            done = match.end()
            yield DOMAIN, start, _ends(pattern, data, match)


@lru_cache
def best_scan() -> tuple[Scan, Which]:
    """Return the fastest way that this machine has, made once."""
    try:
        return hyperscan_scan(), hyperscan_which()
    except ImportError:
        return re_scan(), likely_numbers


class _Scratches(threading.local):
    """Hyperscan's room to work in: each thread has one of its own, as a scan lets other threads run."""

    def __init__(self, database: Any) -> None:
        import hyperscan

        self.own = hyperscan.Scratch(database)


def hyperscan_which() -> Which:
    """Return what asks all numbers' patterns at once.

    Raises:
        ImportError: if Hyperscan is not installed.
    """
    import hyperscan

    chosen = _numbers()
    once = hyperscan.HS_FLAG_SINGLEMATCH
    database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[_without_large_bounds(item.whole).encode() for _, item in chosen],
        ids=[number for number, _ in chosen],
        elements=len(chosen),
        flags=[once | (hyperscan.HS_FLAG_CASELESS if item.caseless else 0) for _, item in chosen],
    )

    scratches = _Scratches(database)

    def which(text: bytes) -> list[int]:
        found: list[int] = []
        database.scan(text, match_event_handler=lambda number, *_: found.append(number), scratch=scratches.own)
        return found

    return which


def likely_numbers(text: bytes) -> Iterable[int]:
    """Return the numbers for which a piece of text has digits enough, and the marks that they need."""
    digits, marks = len(text.translate(None, _NO_DIGITS)), frozenset(text)
    return [number for number, least, needed in _MARKS if digits >= least and (not needed or needed & marks)]


def hyperscan_scan() -> Scan:
    """Return a scan with all patterns and words in one automaton.

    Raises:
        ImportError: if Hyperscan is not installed.
    """
    import hyperscan

    chosen = _words_and_marks()
    count = len(DETECTORS)
    expressions = [_trigger(item.whole).encode() for _, item in chosen]
    expressions += [_word(word).encode() for word in CONTEXT_WORDS]
    marks = hyperscan.HS_FLAG_SOM_LEFTMOST
    flags = [marks | (hyperscan.HS_FLAG_CASELESS if item.caseless else 0) for _, item in chosen]
    flags += [hyperscan.HS_FLAG_CASELESS] * len(CONTEXT_WORDS)
    ids = [number for number, _ in chosen] + [count + word for word in range(len(CONTEXT_WORDS))]
    database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=expressions, ids=ids, elements=len(ids), flags=flags)
    scratches = _Scratches(database)
    lengths = [len(word.encode()) + (word in EXACT) for word in CONTEXT_WORDS]
    patterns = {number: _compiled(item) for number, item in chosen}

    def scan(data: bytes, matches: list[Match], words: list[Word]) -> None:
        starts: set[tuple[int, int]] = set()

        def found(number: int, start: int, end: int, flags: int, context: Any) -> None:
            if number >= count:
                words.append((end - lengths[number - count], number - count))
            else:
                starts.add((number, start))

        # The last word has something behind it, too.
        database.scan(data + b"\0", match_event_handler=found, scratch=scratches.own)
        for number, start in sorted(starts):
            if start and data[start - 1] in EDGES[number]:
                continue
            pattern = patterns[number]
            matches.append((number, start, _ends(pattern, data, pattern.match(data, start))))

    return scan


def re_scan() -> Scan:
    """Return a scan pattern by pattern."""
    patterns = [(number, _compiled(item)) for number, item in _words_and_marks()]
    every_word = [
        re.compile(_word(word, "(?<![a-zA-Z])", "(?![a-zA-Z])").encode(), re.IGNORECASE) for word in CONTEXT_WORDS
    ]

    def scan(data: bytes, matches: list[Match], words: list[Word]) -> None:
        for number, pattern in patterns:
            match = pattern.search(data)
            while match is not None:
                # The next may begin within this one, which may turn out to be nothing.
                matches.append((number, match.start(), _ends(pattern, data, match)))
                match = pattern.search(data, match.start() + 1)
        for word, pattern in enumerate(every_word):
            words.extend((match.start(), word) for match in pattern.finditer(data))

    return scan


def _words_and_marks() -> list[tuple[int, Detector]]:
    return [
        (number, item)
        for number, item in enumerate(DETECTORS)
        if not item.digits and not item.needs_context and number not in (EMAIL, DOMAIN)
    ]


def _numbers() -> list[tuple[int, Detector]]:
    return [(number, item) for number, item in enumerate(DETECTORS) if item.digits and not item.needs_context]


_MARKS = tuple((number, item.digits, frozenset(item.marks.encode())) for number, item in _numbers())


def _word(word: str, before: str = "(?:^|[^a-zA-Z])", behind: str = "[^a-zA-Z]") -> str:
    """Return the pattern of a context word: "tel" stands in "telefon", but not in "hotel", and "car" not in "card"."""
    literal = re.escape(word).replace(r"\ ", " ").replace("\\#", "#")
    return (before if word[0].isascii() and word[0].isalpha() else "") + literal + (behind if word in EXACT else "")


def _compiled(item: Detector) -> re.Pattern[bytes]:
    return re.compile(item.whole.encode(), re.IGNORECASE if item.caseless else 0)


def _trigger(pattern: str) -> str:
    """Return what matches wherever a pattern does and ends as early as it can: each end is told, and costs a call."""
    return _without_large_bounds(_LONG_TAIL.sub(lambda bound: f"{{{bound[1]}}}", pattern))


def _without_large_bounds(pattern: str) -> str:
    """An automaton needs no bound against blowing up, and counts dearly; `re` needs one."""
    return re.sub(r"\{(\d+),(\d+)\}", lambda bound: bound[0] if int(bound[2]) < LARGE else f"{{{bound[1]},}}", pattern)
