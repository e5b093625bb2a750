"""Operators on numbers: bucket (the range that a number is in) and noise (a number near it).

Each has one function for texts and one for numbers that must stay numbers, as in tensors and Parquet columns.
"""

from __future__ import annotations

import math
import re
import struct

from governance.privacy.change.context import Context, keyed_digest

_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")
# A number with all that may belong to it: groups of digits, decimals, an exponent.
_ANY_NUMBER = re.compile(r"\d(?:[.,'\u00a0\u202f]?\d|[eE][+\-]?\d| (?=\d{3}\b)\d)*")


def is_number_text(text: str) -> bool:
    """Return whether a text is one decimal number, such as `-3.5`; spaces around it do not count."""
    return _NUMBER.fullmatch(text.strip()) is not None


def bucket_floor(number: float, width: float) -> float:
    """Return the lower bound of the range of this width that a number is in: 42 with the width 10 is 40."""
    return math.floor(number / width) * width


def bucket(value: str, entity: str, number: float, context: Context) -> str:
    """Return the range of the one number in a text: `42 years old` with the width 10 becomes `40-49`.

    A text without a number, with several, or with one that is written in groups, with a comma or an exponent (`12,500`
    is another number in other countries) becomes `<ENTITY>`.
    """
    found = _NUMBER.fullmatch(value.strip())
    if found is None:
        written = _ANY_NUMBER.findall(value)
        found = _NUMBER.fullmatch(written[0]) if len(written) == 1 else None
    if found is None:
        return f"<{entity}>"
    low = bucket_floor(float(found[0]), number)
    return f"{low:g}-{low + number - (1 if number.is_integer() else 0):g}"


def bucket_number(value: float, entity: str, number: float, context: Context) -> float:
    """Return the lower bound of the range that a number is in: 42 with the width 10 becomes 40."""
    return bucket_floor(value, number)


def noise(value: str, entity: str, number: float, context: Context) -> str:
    """Return a text that is a number with Laplace noise of this scale added, and as many decimals as before.

    Equal values get equal noise: fresh noise would average out over many requests. It is not differential privacy. A
    text that is not one number becomes `<ENTITY>`.

    Raises:
        ConfigurationError: If the context has no key.
    """
    found = _NUMBER.fullmatch(value.strip())
    if found is None:
        return f"<{entity}>"
    decimals = len(found[0].partition(".")[2])
    return f"{noise_number(float(found[0]), entity, number, context):.{decimals}f}"


def noise_number(value: float, entity: str, number: float, context: Context) -> float:
    """Return a number with Laplace noise of this scale added, the same for equal numbers.

    Raises:
        ConfigurationError: If the context has no key.
    """
    return value + laplace(value, entity, number, context)


def laplace(value: float, entity: str, scale: float, context: Context) -> float:
    """Return the noise that belongs to a number under a key: Laplace-distributed with mean 0.

    The digest of the number takes the place of a random number (inverse transform sampling).

    Raises:
        ConfigurationError: If the context has no key.
    """
    digest = keyed_digest(context, "noise", entity, struct.pack("<d", value))
    # 53 bits fit a double exactly; the half keeps the share away from 0 and 1, whose logarithm is infinite.
    share = ((int.from_bytes(digest[:8]) >> 11) + 0.5) / 2**53
    return -scale * math.copysign(math.log1p(-2 * abs(share - 0.5)), share - 0.5)
