"""Names that somebody has misspelt: the sentence's end that proposes the right one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_CHARACTERS = 256


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'digits-cnn'?` for the name most like `name`, or an empty text if none is like it.

    Args:
        name: a name that is not in `known`; a longer one than `MAX_CHARACTERS` is like none.
        known: the valid names.
    """
    if len(name) > MAX_CHARACTERS:
        return ""
    by_lower = {one.lower(): one for one in sorted(known, reverse=True)}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f"; did you mean '{by_lower[found[0]]}'?" if found else ""
