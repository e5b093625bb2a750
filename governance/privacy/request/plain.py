"""Plain JSON documents: read and written by msgspec, in a third of the time of the strict reader and writer.

The result is what `parse_json` and `render_json` would give, byte for byte. A document for which that cannot be decided
at once is left to those two, and so is a document that they refuse.
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

# A colon after a space, which JSON allows. Found from the colon, since documents have many more spaces.
_BLANK = re.compile(rb":(?<=[ \t\r\n]:)")
_FAILED = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
# The hook makes the same float of a number as Python's own reader.
_read = msgspec.json.Decoder(float_hook=float).decode
_write = msgspec.json.Encoder().encode


@in_c
def colons_of(data: bytes) -> tuple[int, bool]:
    """Return how many colons follow a quote directly, and whether any colon follows a space.

    `{"a":1, "b" :2}` gives `(1, True)`.
    """
    return data.count(b'":'), _BLANK.search(data) is not None


@dataclass(slots=True)
class Plain:
    """A document and all its strings.

    Attributes:
        holder: A list whose only element is the document.
        leaves: Its strings and their places.
    """

    holder: list[Any]
    leaves: Leaves

    def render(self) -> bytes:
        """Return the document as ASCII bytes, as `render_json` does.

        Raises:
            BadRequestError: If it has a number that is not a finite double, or is nested too deeply.
        """
        # msgspec writes floats and characters outside ASCII differently from `render_json`.
        made = None if self.leaves.floats else _written(self.holder[0])
        if made is None or not made.isascii() or b"\x7f" in made:
            return render_json(self.holder[0])
        return made


def render_json(document: Any, *, non_finite: bool = False) -> bytes:
    """Return a document as ASCII bytes without spaces: `{"a": "é"}` becomes `{"a":"\\u00e9"}`.

    Raises:
        BadRequestError: If it has a number that is not a finite double, unless `non_finite` allows those, or is nested
            too deeply.
    """
    try:
        return json.dumps(document, separators=(",", ":"), allow_nan=non_finite).encode("ascii")
    except (ValueError, RecursionError):
        raise BadRequestError("the document has a number beyond a double, or is nested too deeply") from None


def read_plain(data: bytes) -> Plain | None:
    """Read a document, or return None if it must be read by the strict reader, `parse_json`.

    Args:
        data: Bytes that may be JSON.

    Raises:
        BadRequestError: If it has more than `MAX_LEAVES` strings.
    """
    pairs, is_spaced = colons_of(data)
    if is_spaced or b"\\" in data:
        return None
    try:
        holder = [_read(data)]
    except _FAILED:
        return None
    leaves = leaves_of(holder, (EVERYWHERE,))
    # The strict reader refuses a name that occurs twice in an object; msgspec keeps the last one. Without backslashes
    # each quote begins or ends a string, and without a space before it each colon of a member follows a quote. So the
    # bytes have at least as many such pairs as members; equal numbers prove that no member was overwritten.
    return Plain(holder, leaves) if pairs == leaves.members else None


def _written(document: Any) -> bytes | None:
    try:
        return _write(document)
    except _FAILED:
        return None
