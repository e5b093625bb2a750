"""Random draws that several modules of this package use."""

from __future__ import annotations

import random
from collections.abc import Callable


def choose_below(number: float, *cases: tuple[float, Callable[[], str]]) -> str:
    """Call the first case whose limit is above `number`, and return what it returns.

    Limits are cumulative shares, so with a uniform `number` each case has the share by which its limit exceeds the one
    before.

    Args:
        number: at least 0 and below 1.
        cases: pairs of a limit and a function; limits ascend, the last one is 1.

    Raises:
        ValueError: if no limit is above `number`.

    Example:
        `choose_below(0.4, (0.3, lambda: "a"), (1, lambda: "b"))` returns "b".
    """
    for limit, make in cases:
        if number < limit:
            return make()
    raise ValueError(f"no case covers {number}")


def draw_characters(chance: random.Random, alphabet: str, count: int) -> str:
    """Return `count` characters of an alphabet; one may occur several times."""
    return "".join(chance.choices(alphabet, k=count))
