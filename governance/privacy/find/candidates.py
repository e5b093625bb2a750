"""Candidates: one pass over a text with all patterns, before anything is checked.

Hyperscan finds where something may lie, where there is a wheel of it, and Python's `re` elsewhere; what lies there,
`re` says in both cases. Mail addresses are found from their "@", domains from their first dot. All take time in
proportion to the text, and patterns that `re` runs have bounded repetitions alone.
"""

from __future__ import annotations

import bisect
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from governance.privacy.find.detectors import CONTEXT_WORDS, DETECTORS, DOMAIN, EMAIL, Detector

# First byte, detector number, and end (exclusive): a match may begin between them, for long ones at the first byte.
Hit = tuple[int, int, int]
# First byte and number of a context word.
Word = tuple[int, int]

# Context words that are part of others, and then say nothing.
EXACT = frozenset(word for word in CONTEXT_WORDS if word.isascii() and len(word) <= 3) - {"tel", "ust"}
# How far before and behind a candidate a context word may stand, in bytes.
BEFORE, BEHIND = 64, 20
# How many shorter matches `re` is asked for.
SHORTER = 8
LARGE = 32
# No match of a pattern without large bounds is longer, in bytes.
REACH = 256
# Digits with what people write between them; a part of each such group may be a number that is looked for.
# The search is for one byte, and so as fast as memory, in a copy where all digits are "0" and all that stands between
# them is a blank.
_GROUP = re.compile(rb"0[0 ]{3,}")
_SHAPE = bytes(48 if 48 <= code <= 57 else 32 if code in b" .-/()" else 97 for code in range(256))
LEAST_DIGITS = min(item.digits for item in DETECTORS if item.digits)
# What may stand before the first digit of a number, a letter of it among them, and behind its last one: an extension.
_HEAD, _TAIL = 4, 12
_NO_DIGITS = bytes(number for number in range(256) if not 48 <= number <= 57)
_LETTERS_DIGITS = bytes(code for code in range(128) if chr(code).isalnum())
_LOCAL, _LABEL = _LETTERS_DIGITS + b"._%+'-", _LETTERS_DIGITS + b"-"
# Where anything may begin.
_BEGIN = re.compile(rb"(?<![a-zA-Z0-9])[^\x00]")
# A dot within a word, as domains have them.
_DOT = re.compile(rb"\.(?=[a-zA-Z0-9])")
HOST = re.compile(rb"[a-zA-Z0-9](?:[a-zA-Z0-9\-]{0,62}\.){1,6}[a-zA-Z]{2,24}")

# A repetition with a large bound at the end of a pattern, or of one of its alternatives.
_LONG_TAIL = re.compile(r"\{(\d+),\d{2,}\}(?=\)?$|\|)")
_BOUND = re.compile(r"\{(?:\d+,)?(\d+)\}")

# An edge that is part of a sentence and not of a number: a full stop, a comma or a dash at the very end of one.
SENTENCE = ".,-:/"

# From here to there may lie what is something beside a word alone.
Region = tuple[int, int]
Scan = Callable[[bytes], tuple[list[Hit], list[Region], list[Word]]]


class Candidates:
    """Finds all that may be personal data, and the words that speak for it.

    Args:
        scan: the best that this machine has by default.
    """

    def __init__(self, scan: Scan | None = None) -> None:
        self._scan = scan or best_scan()

    def find(self, data: bytes) -> tuple[list[Hit], list[Word]]:
        """Return where something may lie, and the context words, both in their order."""
        hits, regions, words = self._scan(data)
        words.sort()
        hits.extend(_beside(regions, words))
        if b"@" in data:
            hits.extend(_mail_addresses(data))
        if b"." in data:
            hits.extend(_domains(data))
        hits.sort()
        return hits, words

    def search(self, data: bytes, number: int, first: int, last: int) -> re.Match[bytes] | None:
        """Return the first match that begins between these places."""
        pattern = BOUNDED[number]
        for begin in _BEGIN.finditer(data, first, last):
            found = pattern.match(data, begin.start())
            if found is not None:
                return found
        return None

    def shorter(self, data: bytes, number: int, first: int, last: int) -> Iterator[int]:
        """Yield where shorter matches end that begin there, the longest first."""
        edges = EDGES[number]
        for _ in range(SHORTER):
            found = PLAIN[number].match(data, first, last - 1)
            if found is None:
                return
            last = found.end()
            if data[last] not in edges or _ends_sentence(data, last):
                yield last


def _ends_sentence(data: bytes, end: int) -> bool:
    """Return whether what stands behind a match ends a sentence: "…1984." does, and "1.2.3.4.5" goes on."""
    return chr(data[end]) in SENTENCE and (end + 1 >= len(data) or data[end + 1] not in _LETTERS_DIGITS)


def _beside(regions: Iterable[Region], words: Iterable[Word]) -> Iterator[Hit]:
    """Yield, for each region, what the words around it speak for."""
    speaking = [word for word in words if NEEDED_BY[word[1]]]
    places = [place for place, _ in speaking]
    for start, stop in regions:
        index = bisect.bisect_left(places, start - BEFORE)
        numbers: set[int] = set()
        while index < len(places) and places[index] < stop + BEHIND:
            numbers.update(NEEDED_BY[speaking[index][1]])
            index += 1
        for number in numbers:
            yield start, number, stop


def _mail_addresses(data: bytes) -> Iterator[Hit]:
    at = data.find(b"@")
    while at >= 0:
        host = HOST.match(data, at + 1)
        if host is not None:
            begin = max(0, at - 64)
            piece = data[begin:at]
            start = begin + len(piece.rstrip(_LOCAL))
            start += at - start - len(data[start:at].lstrip(b"._%+'-"))
            if start < at:
                yield start, EMAIL, at
        at = data.find(b"@", at + 1)


def _domains(data: bytes) -> Iterator[Hit]:
    """Yield what may be a domain, from the first of its dots."""
    pattern, done = PLAIN[DOMAIN], 0
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
            # A part of a mail address or of a URL is none.
            if not (start and data[start - 1] in EDGES[DOMAIN]) and data[done : done + 1] != b"@":
                yield start, DOMAIN, done


@lru_cache
def best_scan() -> Scan:
    """Return the fastest way that this machine has, made once."""
    try:
        return hyperscan_scan()
    except ImportError:
        return re_scan()


class _Automaton:
    """Patterns in one automaton of Hyperscan; each thread has room of its own to work in, as a scan lets others run."""

    def __init__(self, expressions: list[tuple[int, str, int]]) -> None:
        import hyperscan

        self._database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[pattern.encode() for _, pattern, _ in expressions],
            ids=[number for number, _, _ in expressions],
            elements=len(expressions),
            flags=[flags for _, _, flags in expressions],
        )
        self._new_scratch, self._local = hyperscan.Scratch, threading.local()

    def scan(self, data: bytes, found: Callable[[int, int, int, int, Any], None]) -> None:
        """Tell of all matches: number, first byte, end, flags and nothing."""
        try:
            scratch = self._local.scratch
        except AttributeError:
            scratch = self._local.scratch = self._new_scratch(self._database)
        self._database.scan(data, match_event_handler=found, scratch=scratch)


@dataclass(frozen=True, slots=True)
class Automata:
    """Three automata: marks and words, whose numbers go on behind those of detectors; numbers; what needs a word."""

    marks_and_words: _Automaton
    numbers: _Automaton
    beside: _Automaton


@lru_cache
def automata() -> Automata:
    """Return the automata, compiled once.

    Raises:
        ImportError: if Hyperscan is not installed.
    """
    import hyperscan

    def row(number: int, item: Detector) -> tuple[int, str, int]:
        caseless = hyperscan.HS_FLAG_CASELESS if item.caseless else 0
        return number, _between_edges(number, item), hyperscan.HS_FLAG_SOM_LEFTMOST | caseless

    words = [
        (len(DETECTORS) + place, _word(word), hyperscan.HS_FLAG_CASELESS) for place, word in enumerate(CONTEXT_WORDS)
    ]
    # One pattern for all of them: a number that may be any of eight things is told once.
    either = "|".join(
        f"(?{'i' if item.caseless else ''}:{_between_edges(number, item)})" for number, item in _beside_words()
    )
    return Automata(
        _Automaton([row(*chosen) for chosen in _marks()] + words),
        _Automaton([row(*chosen) for chosen in _numbers()]),
        _Automaton([(0, either, hyperscan.HS_FLAG_SOM_LEFTMOST)]),
    )


def word_lengths() -> list[int]:
    """Return how far before the end of its match, as it is told, each context word begins."""
    return [len(word.encode()) + (word in EXACT) + 1 for word in CONTEXT_WORDS]


def hyperscan_scan() -> Scan:
    """Return a scan with Hyperscan.

    Raises:
        ImportError: if it is not installed.
    """
    made, count, lengths = automata(), len(DETECTORS), word_lengths()

    def scan(data: bytes) -> tuple[list[Hit], list[Region], list[Word]]:
        hits: list[Hit] = []
        regions: list[Region] = []
        found: list[Word] = []
        hit, region, word = hits.append, regions.append, found.append

        # What is told begins before its match, and `data` before its text: the two make up for each other; at the end
        # they add up.
        def number(which: int, start: int, end: int, flags: int, context: Any) -> None:
            hit((start, which, end - 2))

        def mark_or_word(which: int, start: int, end: int, flags: int, context: Any) -> None:
            if which < count:
                hit((start, which, end - 2))
            else:
                which -= count
                word((end - lengths[which], which))

        def any_beside(_: int, start: int, end: int, flags: int, context: Any) -> None:
            region((start, end - 2))

        # Something stands before the first match, and behind the last.
        data = b"\0" + data + b"\0"
        made.marks_and_words.scan(data, mark_or_word)
        made.numbers.scan(data, number)
        if found:
            made.beside.scan(data, any_beside)
        return hits, regions, found

    return scan


def re_scan() -> Scan:
    """Return a scan pattern by pattern."""
    marks = [number for number, _ in _marks()]
    beside = [number for number, _ in _beside_words()]
    every_word = [
        re.compile(_word(word, "(?<![a-zA-Z])", "(?![a-zA-Z])").encode(), re.IGNORECASE) for word in CONTEXT_WORDS
    ]

    def scan(data: bytes) -> tuple[list[Hit], list[Region], list[Word]]:
        words = [(match.start(), word) for word, one in enumerate(every_word) for match in one.finditer(data)]
        hits = [hit for number in marks for hit in _all_of(number, data)]
        hits.extend(_in_groups(data))
        regions = [(start, end) for number in beside for start, _, end in _all_of(number, data)] if words else []
        return hits, regions, words

    return scan


def _all_of(number: int, data: bytes) -> Iterator[Hit]:
    """Yield all matches: the next may begin within one, which may turn out to be nothing."""
    yield from _between(number, data, 0, len(data), len(data))


def _between(number: int, data: bytes, first: int, last: int, stop: int) -> Iterator[Hit]:
    """Yield all matches that begin between the first two places and end before the last."""
    match = BOUNDED[number].search(data, first, stop)
    while match is not None and match.start() < last:
        yield match.start(), number, match.end()
        match = BOUNDED[number].search(data, match.start() + 1, stop)


def _in_groups(data: bytes) -> Iterator[Hit]:
    """Yield numbers of each group of digits, if it has digits and marks enough for them."""
    shape = data.translate(_SHAPE)
    for group in _GROUP.finditer(shape):
        start, end = group.span()
        if shape.count(b"0", start, end) < LEAST_DIGITS:
            continue
        start, last = max(0, start - _HEAD), min(end + _TAIL, len(data))
        for number in _likely_numbers(data[start:last]):
            yield from _between(number, data, start, end, last + _TAIL)


def _likely_numbers(text: bytes) -> Iterable[int]:
    """Return the numbers for which a piece of text has digits enough, and the marks that they need."""
    digits, marks = len(text.translate(None, _NO_DIGITS)), frozenset(text)
    return [number for number, least, needed in _MARKS if digits >= least and (not needed or needed & marks)]


def _marks() -> list[tuple[int, Detector]]:
    return [
        (number, item)
        for number, item in enumerate(DETECTORS)
        if not item.digits and not item.needs_context and number not in (EMAIL, DOMAIN)
    ]


def _numbers() -> list[tuple[int, Detector]]:
    return [(number, item) for number, item in enumerate(DETECTORS) if item.digits and not item.needs_context]


def _beside_words() -> list[tuple[int, Detector]]:
    return [(number, item) for number, item in enumerate(DETECTORS) if item.needs_context]


def _word(word: str, before: str = "(?:^|[^a-zA-Z])", behind: str = "[^a-zA-Z]") -> str:
    """Return the pattern of a context word: "tel" stands in "telefon", but not in "hotel", and "car" not in "card"."""
    literal = re.escape(word).replace(r"\ ", " ").replace("\\#", "#")
    return (before if word[0].isascii() and word[0].isalpha() else "") + literal + (behind if word in EXACT else "")


def _compiled(pattern: str, item: Detector) -> re.Pattern[bytes]:
    return re.compile(pattern.encode(), re.IGNORECASE if item.caseless else 0)


def _with_edges(item: Detector) -> str:
    """Return a pattern that looks at what stands around a match, for `re`."""
    hard = "".join(rf"\{edge}" for edge in item.edges if edge not in SENTENCE)
    soft = "".join(rf"\{edge}" for edge in item.edges if edge in SENTENCE)
    behind = f"(?![a-zA-Z0-9{hard}]|[{soft}][a-zA-Z0-9])" if soft else f"(?![a-zA-Z0-9{hard}])"
    return f"{_before(item)}(?:{item.whole}){behind}"


def _before(item: Detector) -> str:
    """Return what looks back: a dash stands before a number as before a word, unless it goes on with something."""
    edges = "".join(rf"\{edge}" for edge in item.edges if edge != "-")
    if "-" not in item.edges:
        return f"(?<![a-zA-Z0-9{edges}])"
    return f"(?<![a-zA-Z0-9{edges}])(?<![{item.before_dash}]-)"


def _between_edges(number: int, item: Detector) -> str:
    """Return a pattern with what stands around a match, for Hyperscan: it may say too much, and never too little.

    Each end is told, and costs a call: so a long one ends as early as it can, and what may be a tail is left out.
    """
    edges = "".join(rf"\{edge}" for edge in item.edges if edge != "-")
    if number in LONG:
        return f"[^a-zA-Z0-9{edges}](?:{_trigger(item.whole)})"
    soft = "".join(rf"\{edge}" for edge in item.edges if edge in SENTENCE)
    every = "".join(rf"\{edge}" for edge in item.edges)
    behind = f"[^a-zA-Z0-9{every}]" + (f"|[{soft}][^a-zA-Z0-9]" if soft else "")
    return f"[^a-zA-Z0-9{edges}](?:{_without_large_bounds(item.labelled)})(?:{behind})"


def _trigger(pattern: str) -> str:
    """Return what matches wherever a pattern does and ends as early as it can."""
    return _without_large_bounds(_LONG_TAIL.sub(lambda bound: f"{{{bound[1]}}}" if int(bound[1]) else "?", pattern))


def _without_large_bounds(pattern: str) -> str:
    """An automaton needs no bound against blowing up, and counts dearly; `re` needs one."""
    return re.sub(r"\{(\d+),(\d+)\}", lambda bound: bound[0] if int(bound[2]) < LARGE else f"{{{bound[1]},}}", pattern)


# What may not stand right behind a match.
EDGES = [frozenset(_LETTERS_DIGITS + item.edges.encode()) for item in DETECTORS]
# Those that may be long: Hyperscan tells where they begin, and no more.
LONG = frozenset(
    number
    for number, item in enumerate(DETECTORS)
    if any(int(bound) >= LARGE for bound in _BOUND.findall(item.whole)) or number in (EMAIL, DOMAIN)
)
# Those of which none is looked for within one that was nothing.
ONCE = frozenset(number for number, _ in _beside_words())
BOUNDED = [_compiled(_with_edges(item), item) for item in DETECTORS]
PLAIN = [_compiled(item.whole, item) for item in DETECTORS]
# For each word, what is nothing without it or another one.
NEEDED_BY = [[number for number, item in _beside_words() if word in item.context] for word in CONTEXT_WORDS]
_MARKS = tuple((number, item.digits, frozenset(item.marks.encode())) for number, item in _numbers())
