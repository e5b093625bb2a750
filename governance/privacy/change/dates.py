"""The operator shift-date: all dates of one subject move by the same number of days, so that intervals stay."""

from __future__ import annotations

import re
from datetime import date, timedelta

from governance.privacy.change.context import Context, keyed_digest

_DATE = re.compile(r"(\d{4})([\-/.])(\d{1,2})\2(\d{1,2})|(\d{1,2})([\-/.])(\d{1,2})\6(\d{4})")


def shift(value: str, entity: str, number: float, context: Context) -> str:
    """Return a date moved by up to `number` days: `2024-02-27` becomes `2024-03-05` for one subject and key.

    Year first, day first, and month first (where the second number is above 12) are read, and written in the same
    order. Any other text, and a date that does not exist, becomes `<ENTITY>`.

    Raises:
        ConfigurationError: If the context has no key.
    """
    days = _days(number, context)
    match = _DATE.fullmatch(value.strip())
    if match is None:
        return f"<{entity}>"
    try:
        if match[1]:
            moved = date(int(match[1]), int(match[3]), int(match[4])) + days
            return f"{moved.year:04}{match[2]}{moved.month:02}{match[2]}{moved.day:02}"
        day_first = int(match[7]) <= 12
        day, month = (int(match[5]), int(match[7])) if day_first else (int(match[7]), int(match[5]))
        moved = date(int(match[8]), month, day) + days
    except (ValueError, OverflowError):
        return f"<{entity}>"
    first, second = (moved.day, moved.month) if day_first else (moved.month, moved.day)
    return f"{first:02}{match[6]}{second:02}{match[6]}{moved.year:04}"


def shift_date(value: date, entity: str, number: float, context: Context) -> date:
    """Return a date moved by up to `number` days, the same number for all dates of the context's subject.

    Raises:
        ConfigurationError: If the context has no key.
        OverflowError: If the moved date is before the year 1 or after the year 9999.
    """
    return value + _days(number, context)


def _days(most: float, context: Context) -> timedelta:
    """Return from -most to most - 1 days, never 0: 0 would leave the dates of that subject as they are."""
    digest = keyed_digest(context, "date", "DATE_TIME", context.subject.encode())
    days, most = int.from_bytes(digest[:8]), int(most)
    return timedelta(days=days % (2 * most) - most or 1)
