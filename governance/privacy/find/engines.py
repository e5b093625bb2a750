"""Engines that search a text for all patterns and context words: Hyperscan where it is installed, `re` elsewhere.

Both report at least everything that `patterns.expressions.WITH_EDGES` matches; the candidate filter drops what is too
much. Hyperscan reads a text three times, whatever the number of patterns; `re` reads it once for each pattern, and
looks for numbers only in groups of digits. Both take time in proportion to the text.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from governance.privacy.find.patterns.detectors import CONTEXT_WORDS, DETECTORS
from governance.privacy.find.patterns.expressions import (
    NEEDS_CONTEXT,
    NUMBERS,
    OTHERS,
    SEARCHED_NEAR_WORDS,
    WHOLE_WORDS,
    WITH_EDGES,
    hyperscan_expression,
    word_expression,
)

# Where a match may be: first byte, number of the detector, end (exclusive). The match may begin at any byte between
# them; that of a long detector begins at the first byte, and goes on as far as it likes.
Candidate = tuple[int, int, int]
# First byte and number of a context word.
ContextWord = tuple[int, int]
# First byte and end of a place where something may be that counts near a context word only.
Region = tuple[int, int]
# Takes joined texts in UTF-8; returns, in any order, candidates, regions and context words.
Engine = Callable[[bytes], tuple[list[Candidate], list[Region], list[ContextWord]]]

# For `re`, numbers are searched for in groups of digits with what people write between them. A group is found in a copy
# of the text in which every digit is "0", every separator a blank, and everything else "a": looking for one fixed byte
# runs at the speed of memory.
_SHAPE = bytes(48 if 48 <= code <= 57 else 32 if code in b" .-/()" else 97 for code in range(256))
_GROUP = re.compile(rb"0[0 ]{3,}")
_LEAST_DIGITS = min(DETECTORS[number].digits for number in NUMBERS)
# How many bytes of a number may be before the first digit of its group (a letter, "+(") and after the last (" ext.
# 12").
_HEAD, _TAIL = 4, 12
_NOT_DIGITS = bytes(number for number in range(256) if not 48 <= number <= 57)
# For each number: the detector, the digits it needs, and the marks of which it needs one.
_REQUIREMENTS = tuple(
    (number, DETECTORS[number].digits, frozenset(DETECTORS[number].marks.encode())) for number in NUMBERS
)


@lru_cache
def best_engine() -> Engine:
    """Return the fastest engine of this machine; it is made once."""
    try:
        return make_hyperscan_engine()
    except ImportError:
        return make_re_engine()


class Automaton:
    """Expressions compiled into one automaton of Hyperscan.

    Args:
        expressions: of each its number, its text, and Hyperscan's flags.

    Raises:
        ImportError: if Hyperscan is not installed.
    """

    def __init__(self, expressions: list[tuple[int, str, int]]) -> None:
        import hyperscan

        self._database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[text.encode() for _, text, _ in expressions],
            ids=[number for number, _, _ in expressions],
            elements=len(expressions),
            flags=[flags for _, _, flags in expressions],
        )
        # A scan releases the interpreter's lock, so each thread needs working memory of its own.
        self._new_scratch, self._local = hyperscan.Scratch, threading.local()

    def scan(self, data: bytes, report: Callable[[int, int, int, int, Any], None]) -> None:
        """Search a text.

        Args:
            data: the text.
            report: called for each match with the expression's number, first byte, end, flags, and None.
        """
        try:
            scratch = self._local.scratch
        except AttributeError:
            scratch = self._local.scratch = self._new_scratch(self._database)
        self._database.scan(data, match_event_handler=report, scratch=scratch)


@dataclass(frozen=True, slots=True)
class Automata:
    """All expressions in three automata: smaller ones are faster, and the third is needed only if a word was found.

    Attributes:
        others_and_words: detectors that are no numbers, and context words; the numbers of words follow those of
            detectors.
        numbers: detectors that are numbers.
        near_words: detectors that need a context word, as one expression: each place is reported once, even where it
            may be any of eight things.
    """

    others_and_words: Automaton
    numbers: Automaton
    near_words: Automaton


@lru_cache
def automata() -> Automata:
    """Return the automata; they are compiled once.

    Raises:
        ImportError: if Hyperscan is not installed.
    """
    import hyperscan

    def row(number: int) -> tuple[int, str, int]:
        caseless = hyperscan.HS_FLAG_CASELESS if DETECTORS[number].caseless else 0
        # "Start of match": without this flag only ends are reported.
        return number, hyperscan_expression(number), hyperscan.HS_FLAG_SOM_LEFTMOST | caseless

    words = [
        (len(DETECTORS) + place, word_expression(word), hyperscan.HS_FLAG_CASELESS)
        for place, word in enumerate(CONTEXT_WORDS)
    ]
    any_near_word = "|".join(
        f"(?{'i' if DETECTORS[number].caseless else ''}:{hyperscan_expression(number)})"
        for number in SEARCHED_NEAR_WORDS
    )
    return Automata(
        Automaton([row(number) for number in OTHERS] + words),
        Automaton([row(number) for number in NUMBERS]),
        Automaton([(0, any_near_word, hyperscan.HS_FLAG_SOM_LEFTMOST)]),
    )


def word_lengths() -> list[int]:
    """Return, for each context word, how many bytes before the reported end it begins in the text.

    Words are compiled without "start of match", which costs memory and time: only their ends are reported.
    """
    # One more for the byte after a whole word, and one for the byte that is put before the text.
    return [len(word.encode()) + (word in WHOLE_WORDS) + 1 for word in CONTEXT_WORDS]


def make_hyperscan_engine() -> Engine:
    """Return an engine that uses Hyperscan.

    Raises:
        ImportError: if Hyperscan is not installed.
    """
    made, count, lengths = automata(), len(DETECTORS), word_lengths()

    def search(data: bytes) -> tuple[list[Candidate], list[Region], list[ContextWord]]:
        candidates: list[Candidate] = []
        regions: list[Region] = []
        words: list[ContextWord] = []
        add_candidate, add_region, add_word = candidates.append, regions.append, words.append

        # An expression includes the byte before its match and the one after it, and the text that is scanned has one
        # byte more at its begin. So a reported start is the first byte of the match in `data` as it is, and a reported
        # end is two bytes behind the match's.
        def add_number(which: int, start: int, end: int, flags: int, context: Any) -> None:
            add_candidate((start, which, end - 2))

        def add_other_or_word(which: int, start: int, end: int, flags: int, context: Any) -> None:
            if which < count:
                add_candidate((start, which, end - 2))
            else:
                which -= count
                add_word((end - lengths[which], which))

        def add_near_word(_: int, start: int, end: int, flags: int, context: Any) -> None:
            add_region((start, end - 2))

        # The expressions need a byte before the first match, and one after the last.
        data = b"\0" + data + b"\0"
        made.others_and_words.scan(data, add_other_or_word)
        made.numbers.scan(data, add_number)
        if words:
            made.near_words.scan(data, add_near_word)
        return candidates, regions, words

    return search


def make_re_engine() -> Engine:
    """Return an engine that uses Python's `re`, pattern by pattern."""
    near_words = sorted(NEEDS_CONTEXT)
    every_word = [
        re.compile(word_expression(word, "(?<![a-zA-Z])", "(?![a-zA-Z])").encode(), re.IGNORECASE)
        for word in CONTEXT_WORDS
    ]

    def search(data: bytes) -> tuple[list[Candidate], list[Region], list[ContextWord]]:
        words = [(match.start(), word) for word, one in enumerate(every_word) for match in one.finditer(data)]
        candidates = [candidate for number in OTHERS for candidate in _all_matches(number, data)]
        candidates.extend(_in_groups_of_digits(data))
        regions = (
            [(start, end) for number in near_words for start, _, end in _all_matches(number, data)] if words else []
        )
        return candidates, regions, words

    return search


def _all_matches(number: int, data: bytes) -> Iterator[Candidate]:
    """Yield all matches of a detector, also those that begin within another one: that one may be dropped later."""
    yield from _matches_between(number, data, 0, len(data), len(data))


def _matches_between(number: int, data: bytes, first: int, last: int, stop: int) -> Iterator[Candidate]:
    """Yield all matches that begin from `first` to before `last`, and end at `stop` or before."""
    match = WITH_EDGES[number].search(data, first, stop)
    while match is not None and match.start() < last:
        yield match.start(), number, match.end()
        match = WITH_EDGES[number].search(data, match.start() + 1, stop)


def _in_groups_of_digits(data: bytes) -> Iterator[Candidate]:
    """Yield the matches of numbers in groups that have enough digits for the shortest of them."""
    shape = data.translate(_SHAPE)
    for group in _GROUP.finditer(shape):
        start, end = group.span()
        if shape.count(b"0", start, end) < _LEAST_DIGITS:
            continue
        start, last = max(0, start - _HEAD), min(end + _TAIL, len(data))
        for number in _possible_numbers(data[start:last]):
            yield from _matches_between(number, data, start, end, last + _TAIL)


def _possible_numbers(text: bytes) -> Iterable[int]:
    """Return the numbers for which a piece of text has enough digits and the marks that they need."""
    digits, marks = len(text.translate(None, _NOT_DIGITS)), frozenset(text)
    return [number for number, least, needed in _REQUIREMENTS if digits >= least and (not needed or needed & marks)]
