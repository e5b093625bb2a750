"""Each detector and each context word as regular expressions, for Python's `re` and for Hyperscan.

`re` decides: `WITH_EDGES` says exactly where a match is. Hyperscan only says where to look: its expressions may match
too much, never too little. They have no look-around, so they include the bytes around the match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from governance.privacy.find.patterns.detector import Detector
from governance.privacy.find.patterns.detectors import CONTEXT_WORDS, DETECTORS, DOMAIN, EMAIL, EMAIL_SPELT
from governance.privacy.find.patterns.first_bytes import first_bytes

# A bound of a repetition from which on an automaton becomes expensive.
LARGE_BOUND = 32
# Marks that join the parts of a number: "1.2.3.4" is an address, "1.2.3.4.5" is none. Such an edge is forbidden only if
# the number goes on behind it: if a digit follows, or letters with a digit behind them, as in a UUID. In "4111….Please"
# and "…1111-Visa" it does not go on.
JOINING_MARKS = ".,-:/"
# How many letters may be between a joining mark and the digit that makes it one: behind a match, and before it. The
# look-behind of Python has a fixed width, so before a match each number of letters is an expression of its own.
LETTERS_BEHIND, LETTERS_BEFORE = 12, 3
LETTERS_DIGITS = bytes(code for code in range(128) if chr(code).isalnum())
# The host of a mail address, as in the pattern of the detector `email`.
MAIL_HOST = re.compile(rb"[a-zA-Z0-9\x80-\xf4](?:[a-zA-Z0-9\-\x80-\xf4]{0,62}\.){1,6}[a-zA-Z\xc3-\xd3]")

# Short words that are often part of other words ("sin" of "business") count only as whole words. "tel" and "ust" may go
# on: "Telefon", "USt-IdNr".
WHOLE_WORDS = frozenset(word for word in CONTEXT_WORDS if word.isascii() and len(word) <= 3) - {"tel", "ust"}

# A repetition with a bound of two digits or more at the end of a pattern, or of one of its alternatives.
_LONG_TAIL = re.compile(r"\{(\d+),\d{2,}\}(?=\)?$|\|)")
_BOUND = re.compile(r"\{(?:\d+,)?(\d+)\}")
_RANGE = re.compile(r"\{(\d+),(\d+)\}")


def word_expression(word: str, before: str = "(?:^|[^a-zA-Z])", after: str = "[^a-zA-Z]") -> str:
    """Return the expression of a context word: "tel" is found in "telefon" and not in "hotel", "car" not in "card".

    Args:
        word: the word, in lower case; the expression is to be compiled without regard to case.
        before: what must precede a word that begins with an ASCII letter.
        after: what must follow one of `WHOLE_WORDS`.
    """
    # Hyperscan knows no escaped blanks and hash signs.
    literal = re.escape(word).replace(r"\ ", " ").replace("\\#", "#")
    return (
        (before if word[0].isascii() and word[0].isalpha() else "") + literal + (after if word in WHOLE_WORDS else "")
    )


def hyperscan_expression(number: int) -> str:
    """Return a detector's expression for Hyperscan, with one byte before the match and one or two after it.

    Each end of a match is reported, and each report costs a call into Python. So the expression of a long detector ends
    as early as it can, without the byte after, and the tail, which is optional everywhere, is left out.

    Args:
        number: of the detector, in `DETECTORS`.
    """
    item = DETECTORS[number]
    hard, joining = _edges_of(item)
    before, after = f"[^a-zA-Z0-9{hard}]", f"[^a-zA-Z0-9{hard}{joining}{_escaped(item.not_behind)}]"
    if number in LONG_DETECTORS:
        return f"{before}(?:{item.begins or _shortest_match(item.whole)})"
    if joining:
        # The candidate of such a match begins one byte before it, which `re` allows.
        before = f"(?:[^a-zA-Z0-9{hard}{joining}]|[^0-9][{joining}])"
        after += f"|[{joining}][^0-9]"
    return f"{before}(?:{_without_large_bounds(item.labelled)})(?:{after})"


def _shortest_match(pattern: str) -> str:
    """Return an expression that matches wherever a pattern does, and ends as early as it can."""
    return _without_large_bounds(_LONG_TAIL.sub(lambda bound: f"{{{bound[1]}}}" if int(bound[1]) else "?", pattern))


def _without_large_bounds(pattern: str) -> str:
    """Replace large upper bounds by none: an automaton counts at a high price, and takes linear time without bounds."""
    return _RANGE.sub(lambda bound: bound[0] if int(bound[2]) < LARGE_BOUND else f"{{{bound[1]},}}", pattern)


def _with_edges(item: Detector) -> str:
    """Return a pattern with look-around for its edges, for `re`."""
    hard, joining = _edges_of(item)
    before, after = f"(?<![a-zA-Z0-9{hard}])", f"[a-zA-Z0-9{hard}{_escaped(item.not_behind)}]"
    if joining:
        before += f"(?<![0-9][{joining}])"
        after += f"|[{joining}][a-zA-Z]{{0,{LETTERS_BEHIND}}}[0-9]"
    if "-" in joining:
        parts = "".join(f"(?<![0-9][a-zA-Z]{{{count}}}-)" for count in range(1, LETTERS_BEFORE + 1))
        # Nearly always there is no dash, and nothing more to look at.
        before += f"(?:(?<!-)|{parts})"
    return f"{before}(?:{item.whole})(?!{after})"


def _edges_of(item: Detector) -> tuple[str, str]:
    """Return a detector's edges, each escaped for a character class: those always forbidden, and those that join."""
    return (
        _escaped(edge for edge in item.edges if edge not in JOINING_MARKS),
        _escaped(edge for edge in item.edges if edge in JOINING_MARKS),
    )


def _escaped(marks: Iterable[str]) -> str:
    return "".join(rf"\{mark}" for mark in marks)


def _compile(pattern: str, item: Detector) -> re.Pattern[bytes]:
    return re.compile(pattern.encode(), re.IGNORECASE if item.caseless else 0)


# Detectors, by number, grouped by how they are searched for. Mail addresses are searched for from their "@" and domains
# from their first dot: as patterns, both would begin at every word.
NEEDS_CONTEXT = frozenset(number for number, item in enumerate(DETECTORS) if item.needs_context)
NUMBERS = tuple(number for number, item in enumerate(DETECTORS) if item.digits and number not in NEEDS_CONTEXT)
OTHERS = tuple(
    number
    for number, item in enumerate(DETECTORS)
    if not item.digits and number not in NEEDS_CONTEXT and number not in (EMAIL, EMAIL_SPELT, DOMAIN)
)
# Those whose matches may be long. Hyperscan would report each of their many ends, so it reports where they begin only.
LONG_DETECTORS = frozenset(
    number
    for number, item in enumerate(DETECTORS)
    if any(int(bound) >= LARGE_BOUND for bound in _BOUND.findall(item.whole)) or number in (EMAIL, DOMAIN)
)

# Of those that need a context word, the ones that are searched for. A number of 9 to 14 digits without separators is a
# bank account's too, and any place counts for all detectors: searching for it once is enough.
_PLAIN_NUMBER = re.compile(r"(?:(?:\\d|\[[\d\-]+\]|\d)(?:\{\d{1,2}\})?|\|)+")
SEARCHED_NEAR_WORDS = tuple(
    number
    for number in sorted(NEEDS_CONTEXT)
    if not (_PLAIN_NUMBER.fullmatch(DETECTORS[number].whole) and DETECTORS[number].edges == "-.")
)
# By number of a detector: its expression for `re`, with a check of the edges and without one.
WITH_EDGES = [_compile(_with_edges(item), item) for item in DETECTORS]
WITHOUT_EDGES = [_compile(item.whole, item) for item in DETECTORS]
# By number of a detector: the bytes with which a match can begin.
FIRST_BYTES = [first_bytes(pattern) for pattern in WITHOUT_EDGES]
# By number of a detector: the bytes that must not follow a match, unless they are joining marks that join nothing.
FORBIDDEN_AFTER = [frozenset(LETTERS_DIGITS + (item.edges + item.not_behind).encode()) for item in DETECTORS]
# The bytes before a name with which it is a part of a mail address, of a path, or of a URL, and no domain.
NOT_BEFORE_DOMAIN = frozenset(LETTERS_DIGITS + b"@/")
# By number of a context word: the detectors that need a context word, and for which this one counts.
ENABLED_BY = [
    [number for number in sorted(NEEDS_CONTEXT) if word in DETECTORS[number].context] for word in CONTEXT_WORDS
]
