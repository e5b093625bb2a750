"""Changing: each column by its rule, each distinct value once; numbers stay numbers and dates dates where they can."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.change.context import Context
from governance.privacy.change.numbers import is_number_text
from governance.privacy.change.operators import Operator
from governance.privacy.change.text import TextAnonymizer
from governance.privacy.datasets.cells import leaves, text_of
from governance.privacy.datasets.findings import Looker, Tally
from governance.privacy.datasets.formats.batch import Absent, Batch
from governance.privacy.datasets.scan import places_of
from governance.privacy.datasets.treatment import Rule, Treatment
from governance.privacy.find.finding import Finding

REMEMBERED = 200_000
_DAY_AND_TIME = re.compile(r"(\d{4}-\d\d-\d\d)([T ].{1,40})", re.DOTALL)


class Changer:
    """Changes batches.

    Args:
        looker: finds what is in free text.
        anonymizer: changes it.
        is_typed: whether columns have a type that a changed value must fit.
        tally: counts what was found.
    """

    def __init__(
        self,
        treatment: Treatment,
        context: Context,
        looker: Looker,
        anonymizer: TextAnonymizer,
        tally: Tally,
        *,
        is_typed: bool,
    ) -> None:
        self._treatment, self._context = treatment.verify(context), context
        self._looker, self._anonymizer, self._tally, self._is_typed = looker, anonymizer, tally, is_typed
        self._memory: dict[Any, Any] = {}
        operators = treatment.entities.operators.values()
        self._text_by_subject = treatment.subject is not None and any(
            item.definition.uses_subject for item in operators
        )
        self.kept: set[str] = set()

    def change(self, batch: Batch, but: Sequence[str] = ()) -> dict[str, list[Any]]:
        """Return the changed columns of a batch; what is dropped or stays is not among them.

        Args:
            but: columns that somebody else changes.

        Raises:
            BadRequestError: if something cannot be changed; it names row and column.
        """
        subjects = self._subjects(batch)
        changed: dict[str, list[Any]] = {}
        for name in batch.names:
            if self._looker.is_personal(name):
                raise BadRequestError(
                    f"a column's name, number {list(batch.names).index(name) + 1}, is personal data itself: "
                    "if the file has no header, say --no-header"
                )
            rule = self._treatment.of(name)
            if name in but or rule.is_drop:
                continue
            if rule.is_keep:
                self.kept.add(name)
                continue
            values = batch.values(name)
            if rule.operator is None:
                changed[name] = self._change_text(batch, name, values, subjects)
            else:
                changed[name] = self._change_values(batch, name, values, subjects, rule, rule.operator)
        self._tally.rows += batch.rows
        return changed

    def _subjects(self, batch: Batch) -> list[str] | None:
        if self._treatment.subject is None:
            return None
        subjects = [text_of(value) for value in batch.values(self._treatment.subject)]
        for row, subject in enumerate(subjects):
            if not subject:
                raise BadRequestError(f"row {batch.first + row} does not say in the subject's column whose it is")
        return [subject or "" for subject in subjects]

    def _change_values(
        self, batch: Batch, name: str, values: list[Any], subjects: list[str] | None, rule: Rule, operator: Operator
    ) -> list[Any]:
        if not operator.definition.uses_subject:
            subjects = None
        if subjects is None and _all_texts(values):
            first = dict(zip(reversed(values), range(len(values) - 1, -1, -1), strict=True))
            made = self._each(batch, name, [(row, value) for value, row in first.items()], subjects, rule, operator)
            table = dict(zip(first, made, strict=True))
            return [table[value] for value in values]
        return self._each(batch, name, list(enumerate(values)), subjects, rule, operator)

    def _each(
        self,
        batch: Batch,
        name: str,
        values: Sequence[tuple[int, Any]],
        subjects: list[str] | None,
        rule: Rule,
        operator: Operator,
    ) -> list[Any]:
        changed: list[Any] = []
        for row, value in values:
            if value is None or value is Absent:
                changed.append(value)
                continue
            context = self._context if subjects is None else replace(self._context, subject=subjects[row])
            try:
                changed.append(self._remembered(name, value, context, operator, rule.entity))
            except (ValueError, OverflowError, TypeError, ConfigurationError):
                raise BadRequestError(
                    f"row {batch.first + row}, column '{name[:80]}': '{operator.name}' cannot change such a value"
                ) from None
        return changed

    def _remembered(self, name: str, value: Any, context: Context, operator: Operator, entity: str) -> Any:
        if isinstance(value, dict | list):
            return change_value(value, entity, operator, context)
        key = name, type(value), value, context.subject
        if key not in self._memory:
            if len(self._memory) > REMEMBERED:
                self._memory.clear()
            self._memory[key] = change_value(value, entity, operator, context)
        return self._memory[key]

    def _change_text(self, batch: Batch, name: str, values: list[Any], subjects: list[str] | None) -> list[Any]:
        """Search a column, and change what is found in it."""

        def named(below: str) -> str:
            if self._looker.is_personal(below):
                raise BadRequestError(
                    f"rows {batch.first} to {batch.first + batch.rows - 1}: a name below '{name[:80]}' is personal "
                    "data itself: give the column an operator, such as drop"
                )
            return below

        found: dict[str, Mapping[str, Sequence[Finding]]] = {}
        for path, places in places_of(name, values, named).items():
            found[path] = self._looker.look(path, places)
            self._tally.add(path, places, found[path])
        made: dict[tuple[str, str, str], str] = {}
        if not (subjects is not None and self._text_by_subject) and _all_texts(values):
            table = {text: self._anonymizer.change(text, some).text for text, some in found[name].items() if some}
            return [table.get(value, value) for value in values]
        changed = list(values)
        for row, value in enumerate(values):
            subject = subjects[row] if subjects is not None and self._text_by_subject else ""
            where = f"row {batch.first + row}, column '{name[:80]}'"

            def new(path: str, leaf: Any, subject: str = subject, where: str = where) -> Any:
                return self._new(leaf, path, found[path], made, subject, where)

            if isinstance(value, dict | list):
                changed[row] = _copied(value, name, new)
            elif value is not None and value is not Absent:
                changed[row] = new(name, value)
        return changed

    def _new(
        self,
        leaf: Any,
        path: str,
        found: Mapping[str, Sequence[Finding]],
        made: dict[tuple[str, str, str], str],
        subject: str,
        where: str,
    ) -> Any:
        text = text_of(leaf)
        if isinstance(leaf, bytes):
            raise BadRequestError(f"{where} holds binary values, which are not searched: give the column keep or drop")
        findings = found.get(text) if text else None
        if not text or not findings:
            return leaf
        if not isinstance(leaf, str):
            return self._new_value(leaf, text, findings, subject, where)
        key = path, text, subject
        if key not in made:
            anonymizer = self._anonymizer
            if subject:
                anonymizer = anonymizer.within(replace(self._context, subject=subject))
            made[key] = anonymizer.change(text, findings).text
        return made[key]

    def _new_value(self, leaf: Any, text: str, findings: Sequence[Finding], subject: str, where: str) -> Any:
        """Change a number or a date in which something was found, if the entity's operator leaves it one."""
        operators = [self._treatment.entities.of(finding.entity) for finding in findings]
        if all(operator.name == "keep" for operator in operators):
            return leaf
        operator, entity = operators[0], findings[0].entity
        context = replace(self._context, subject=subject) if subject else self._context
        if len(findings) == 1 and ("date" if isinstance(leaf, date) else "number") in operator.definition.applies_to:
            return change_value(leaf, entity, operator, context)
        if not self._is_typed and not isinstance(leaf, date):
            return self._anonymizer.change(text, findings).text
        raise BadRequestError(
            f"{where} looks like {entity} and is no text: give the column an operator "
            "(bucket:10 or noise:1 for numbers, shift-date for dates, hash, drop), or keep"
        )


def _all_texts(values: Sequence[Any]) -> bool:
    return all(type(value) is str for value in values)


def _copied(value: Any, name: str, new: Callable[[str, Any], Any]) -> Any:
    holder = [copy.deepcopy(value)]
    for path, container, key in leaves(holder, 0, name, str):
        container[key] = new(path, container[key])
    return holder[0]


def change_value(value: Any, entity: str, operator: Operator, context: Context) -> Any:  # noqa: PLR0911 — by type
    """Return what takes the place of a cell: a number under `bucket` and `noise`, a date under `shift-date`.

    A text that is a number, as all numbers in CSV are, is one here too; `bucket` leaves the lower bound.

    Raises:
        ValueError: if the operator cannot change it.
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
        return _of_text(value)(entity, operator, context)
    return operator.change_value(value, entity, context)


def _change_number(
    value: int | float | Decimal, entity: str, operator: Operator, context: Context
) -> int | float | Decimal:
    number = float(value)
    if not math.isfinite(number):
        return value
    made = operator.change_number(number, entity, context)
    if isinstance(value, Decimal):
        return Decimal(repr(made)).quantize(value)
    return round(made) if isinstance(value, int) else made


def _change_date(value: date, entity: str, operator: Operator, context: Context) -> Any:
    day = value.date() if isinstance(value, datetime) else value
    if operator.definition.change_date is None:
        return operator.change_text(value.isoformat(), entity, context)
    moved = operator.change_date(day, entity, context)
    return value.replace(year=moved.year, month=moved.month, day=moved.day)


def _of_text(value: str) -> Callable[[str, Operator, Context], Any]:
    def change(entity: str, operator: Operator, context: Context) -> Any:
        if operator.name == "bucket" and is_number_text(value):
            return f"{operator.change_number(float(value), entity, context):.15g}"
        if operator.definition.uses_subject and (parts := _DAY_AND_TIME.fullmatch(value)):
            return operator.change_text(parts[1], entity, context) + parts[2]
        return operator.change_value(value, entity, context) if value else value

    return change
