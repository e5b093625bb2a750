"""Operators that need no key and work on characters: redact, replace, mask, truncate, keep."""

from __future__ import annotations

from governance.privacy.change.context import Context


def redact(value: str, entity: str, number: float, context: Context) -> str:
    """Return an empty text."""
    return ""


def replace(value: str, entity: str, number: float, context: Context) -> str:
    """Return the entity in angle brackets: `Ada Lovelace`, a PERSON, becomes `<PERSON>`."""
    return f"<{entity}>"


def mask(value: str, entity: str, number: float, context: Context) -> str:
    """Return the value with stars for all letters and digits but the last `number` ones, and at least half of them.

    `4111 1111 1111 1234` with the number 4 becomes `**** **** **** 1234`, and `4711` becomes `**11`.
    """
    keep, masked = min(int(number), sum(map(str.isalnum, value)) // 2), []
    for character in reversed(value):
        if character.isalnum() and keep:
            keep -= 1
            masked.append(character)
        else:
            masked.append("*" if character.isalnum() else character)
    return "".join(reversed(masked))


def truncate(value: str, entity: str, number: float, context: Context) -> str:
    """Return the first `number` characters: `94105` with the number 3 becomes `941`."""
    return value[: int(number)]


def keep(value: str, entity: str, number: float, context: Context) -> str:
    """Return the value itself."""
    return value
