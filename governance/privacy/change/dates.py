"""The operator shift-date: all dates of one subject move by the same number of days, so that intervals stay."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta

from governance.privacy.change.context import Context, keyed_digest

# Year first; two numbers and a year; either may be followed by a time of day, which stays.
_YEAR_FIRST = re.compile(r"(\d{4})([\-/.])(\d{1,2})\2(\d{1,2})((?:[T ].{1,40})?)", re.DOTALL)
_YEAR_LAST = re.compile(r"(\d{1,2})([\-/.])(\d{1,2})\2(\d{4})((?:[T ,].{1,40})?)", re.DOTALL)
_CHINESE = re.compile(r"(\d{4})( ?年 ?)(\d{1,2})( ?月 ?)(\d{1,2})( ?[日号])")
# "17 May 1984", "3. März 2020", "5 de mayo de 2001"; "May 17, 1984". A suffix such as "th" is left out.
_DAY_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th|er)?(\.? (?:de |of )?)([^\W\d_]{3,12})(\.?,?(?: del?| of)? )(\d{4})")
_MONTH_DAY = re.compile(r"([^\W\d_]{3,12})(\.? )(\d{1,2})(?:st|nd|rd|th)?(,? )(\d{4})")
_MONTHS = (
    "january february march april may june july august september october november december",
    "jan feb mar apr may jun jul aug sep oct nov dec",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
)
_CALENDARS = tuple(tuple(months.split()) for months in _MONTHS)

# A date that was read, and how another one is written in the same way.
ReadDate = tuple[date, Callable[[date], str]]


def shift(value: str, entity: str, number: float, context: Context) -> str:
    """Return a date moved by up to `number` days: `2024-02-27` becomes `2024-03-05` for one subject and key.

    It is written as it was: in numbers, with the name of its month, with its time of day. Any other text, a date that
    does not exist, and one whose day and month cannot be told apart becomes `<ENTITY>`: `03/04/2024` is read only where
    the context says which number is the day.

    Raises:
        ConfigurationError: If the context has no key.
    """
    days = _days(number, context)
    try:
        read = read_date(value.strip(), context.day_first)
        return f"<{entity}>" if read is None else read[1](read[0] + days)
    except (ValueError, OverflowError):
        return f"<{entity}>"


def shift_date(value: date, entity: str, number: float, context: Context) -> date:
    """Return a date moved by up to `number` days, the same number for all dates of the context's subject.

    Raises:
        ConfigurationError: If the context has no key.
        OverflowError: If the moved date is before the year 1 or after the year 9999.
    """
    return value + _days(number, context)


def read_date(text: str, day_first: bool | None) -> ReadDate | None:
    """Return a date and a function that writes another date in the same way, or None if it is none that is known.

    Args:
        text: A date, without blanks around it.
        day_first: Whether the day is the first number where the year is the last one; None if that is not known.

    Raises:
        ValueError: If the date does not exist.
    """
    if found := _YEAR_FIRST.fullmatch(text):
        year, mark, month, day, rest = found.groups()
        return date(int(year), int(month), int(day)), lambda moved: f"{moved:%Y{mark}%m{mark}%d}{rest}"
    if found := _CHINESE.fullmatch(text):
        year, first, month, second, day, third = found.groups()
        written = date(int(year), int(month), int(day))
        return written, lambda moved: f"{moved.year}{first}{moved.month}{second}{moved.day}{third}"
    if found := _YEAR_LAST.fullmatch(text):
        return _read_year_last(found, day_first)
    return _read_written(text)


def day_is_first(texts: Iterable[str]) -> bool | None:
    """Return whether the day is the first number in dates of one column, or None if none of them tells.

    `27/02/2024` and `27.02.2024` say that it is, `02/27/2024` that it is not.

    Raises:
        ValueError: If some of them say that it is and others that it is not.
    """
    said = set()
    for text in texts:
        found = _YEAR_LAST.fullmatch(text.strip())
        if found is not None and (order := _order(found)) is not None:
            said.add(order)
    if len(said) > 1:
        raise ValueError("some dates have the day first, and others the month")
    return said.pop() if said else None


def _order(found: re.Match[str]) -> bool | None:
    """Return whether the day is first in a date whose year is last, if it tells: dots are written with the day first.

    Equal numbers are the same date in both orders, and say nothing on others.
    """
    first, second = int(found[1]), int(found[3])
    if first > 12 or second > 12:
        return first > 12
    return True if found[2] == "." else None


def _read_year_last(found: re.Match[str], day_first: bool | None) -> ReadDate | None:
    first, mark, second, year, rest = found.groups()
    order = _order(found)
    if order is None:
        order = first == second if day_first is None else day_first
        if day_first is None and int(first) != int(second):
            return None
    day, month = (first, second) if order else (second, first)
    # Both numbers get two digits unless one was written with one digit.
    padded = len(first) == len(second) == 2 or not ({len(first), len(second)} & {1})

    def write(moved: date) -> str:
        parts = (moved.day, moved.month) if order else (moved.month, moved.day)
        shown = mark.join(f"{part:02}" if padded else str(part) for part in parts)
        return f"{shown}{mark}{moved.year:04}{rest}"

    return date(int(year), int(month), int(day)), write


def _read_written(text: str) -> ReadDate | None:
    """Read a date with the name of its month, in English, German, French or Spanish."""
    found = _DAY_MONTH.fullmatch(text)
    day, name, year = (found[1], found[3], found[5]) if found else ("", "", "")
    if found is None:
        if (found := _MONTH_DAY.fullmatch(text)) is None:
            return None
        day, name, year = found[3], found[1], found[5]
    calendar = next((months for months in _CALENDARS if name.lower() in months), None)
    if calendar is None:
        return None
    parts, month_first = found.groups(), found.re is _MONTH_DAY

    def write(moved: date) -> str:
        month = calendar[moved.month - 1]
        month = month.upper() if name.isupper() else month.capitalize() if name[0].isupper() else month
        first, second = (month, str(moved.day)) if month_first else (str(moved.day), month)
        return f"{first}{parts[1]}{second}{parts[3]}{moved.year}"

    return date(int(year), calendar.index(name.lower()) + 1, int(day)), write


def _days(most: float, context: Context) -> timedelta:
    """Return -most to most days, each as likely as any other, but never 0, which would leave the dates as they are."""
    digest = keyed_digest(context, "date", "DATE_TIME", context.subject.encode())
    days = int.from_bytes(digest[:8]) % (2 * int(most)) - int(most)
    return timedelta(days=days + (days >= 0))
