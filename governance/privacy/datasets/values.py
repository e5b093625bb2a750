"""Cells changed by an operator: numbers stay numbers and dates stay dates where the operator can keep their type."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from governance.privacy.change.context import Context
from governance.privacy.change.numbers import is_number_text
from governance.privacy.change.operators import Operator


def change_cell(value: Any, entity: str, operator: Operator, context: Context) -> Any:  # noqa: PLR0911 — by type
    """Return what replaces a cell.

    A number stays one under `bucket` (the lower bound of its range) and `noise`, a date under `shift-date`. A text that
    is a number is treated as one by `bucket`, since all cells of CSV are texts: `42` with `bucket:10` becomes `40`.

    Args:
        value: A cell, not None.
        entity: What it is, such as `PERSON`.
        operator: The operator.
        context: Key, scope and subject.

    Raises:
        ValueError: If the operator cannot change such a value.
        OverflowError: If the result is out of the range of its type.
        ConfigurationError: If the operator needs a key or a package, and there is none.
    """
    if isinstance(value, bytes):
        if not operator.definition.erases:
            raise ValueError
        return operator.change_text("", entity, context)
    if isinstance(value, bool):
        return operator.change_value(str(value).lower(), entity, context)
    if isinstance(value, int | float | Decimal):
        if operator.definition.change_number is not None:
            return _change_number(value, entity, operator, context)
        return operator.change_value(float(value) if isinstance(value, Decimal) else value, entity, context)
    if isinstance(value, date):
        return _change_date(value, entity, operator, context)
    if isinstance(value, str):
        return _change_text(value, entity, operator, context)
    return operator.change_value(value, entity, context)


def _change_number(
    value: int | float | Decimal, entity: str, operator: Operator, context: Context
) -> int | float | Decimal:
    number = float(value)
    if not math.isfinite(number):
        return value
    changed = operator.change_number(number, entity, context)
    if isinstance(value, Decimal):
        return Decimal(repr(changed)).quantize(value)
    return round(changed) if isinstance(value, int) else changed


def _change_date(value: date, entity: str, operator: Operator, context: Context) -> Any:
    if operator.definition.change_date is None:
        return operator.change_text(value.isoformat(), entity, context)
    moved = operator.change_date(value.date() if isinstance(value, datetime) else value, entity, context)
    return value.replace(year=moved.year, month=moved.month, day=moved.day)


def _change_text(value: str, entity: str, operator: Operator, context: Context) -> Any:
    if operator.name == "bucket" and is_number_text(value):
        return f"{operator.change_number(float(value), entity, context):.15g}"
    return operator.change_value(value, entity, context) if value else value
