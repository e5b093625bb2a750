"""Plain JSON documents: all their strings, read and written in a third of the time.

What is read here is what `parse_json` would return, and what is written is what `render_json` would write, byte for
byte. A document for which that cannot be told at once is left to these two, and so is one that they refuse.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from governance.errors import BadRequestError
from governance.privacy.native import in_c
from governance.privacy.request.leaves import Leaves, leaves_of
from governance.privacy.request.paths import EVERYWHERE

# JSON allows blanks before a colon; found from the colon, as blanks are many.
_BLANK = re.compile(rb":(?<=[ \t\r\n]:)")
_FAILED = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
# A number with a point becomes what Python's own reader makes of it.
_read = msgspec.json.Decoder(float_hook=float).decode
_write = msgspec.json.Encoder().encode


@in_c
def colons_of(data: bytes) -> tuple[int, bool]:
    """Return how many colons stand right behind a quote, and whether one stands behind a blank."""
    return data.count(b'":'), _BLANK.search(data) is not None


@dataclass(slots=True)
class Plain:
    """A document in the one element of `holder`, and all its strings."""

    holder: list[Any]
    leaves: Leaves

    def render(self) -> bytes:
        """Return the document's bytes.

        Raises:
            BadRequestError: if it holds what JSON cannot carry.
        """
        # Floats, and what is not ASCII, are written in another way here.
        made = None if self.leaves.floats else _written(self.holder[0])
        if made is None or not made.isascii() or b"\x7f" in made:
            return render_json(self.holder[0])
        return made


def render_json(document: Any) -> bytes:
    """Return a document's bytes.

    Raises:
        BadRequestError: if it holds what JSON cannot carry.
    """
    try:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (ValueError, RecursionError):
        raise BadRequestError("the document holds a number beyond a double, or is nested too deeply") from None


def read_plain(data: bytes) -> Plain | None:
    """Read a document, or return None if it has to be read strictly.

    Raises:
        BadRequestError: if it has too many strings.
    """
    pairs, is_spaced = colons_of(data)
    if is_spaced or b"\\" in data:
        return None
    try:
        holder = [_read(data)]
    except _FAILED:
        return None
    leaves = leaves_of(holder, (EVERYWHERE,))
    # Without a backslash each quote begins or ends a string, and without a blank before it each colon of a member
    # stands right behind one: there are at least as many of these pairs as members were written. If as many are left,
    # no name stands twice.
    return Plain(holder, leaves) if pairs == leaves.members else None


def _written(document: Any) -> bytes | None:
    try:
        return _write(document)
    except _FAILED:
        return None
