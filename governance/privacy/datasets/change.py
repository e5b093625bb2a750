"""Changing batches: each column by its rule, and each distinct value once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.change.context import Context
from governance.privacy.change.dates import day_is_first
from governance.privacy.change.operators import Operator
from governance.privacy.change.text import TextAnonymizer
from governance.privacy.datasets.findings import ColumnDetector, FindingCounts, Found
from governance.privacy.datasets.formats.batch import Absent, RowBatch
from governance.privacy.datasets.formats.cells import places_of, text_of, with_changed_leaves
from governance.privacy.datasets.profile import ColumnRule, DatasetProfile
from governance.privacy.datasets.values import change_cell
from governance.privacy.find.finding import Finding

# Changed values that are kept for the next batch.
REMEMBERED = 200_000


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of one batch.

    Attributes:
        name: Its name.
        values: Its values.
        first: Number of its first row.
        subjects: Whose row each is; None if that does not matter.
    """

    name: str
    values: list[Any]
    first: int
    subjects: list[str] | None

    def where(self, row: int) -> str:
        """Return where a value is, for messages: `row 7, column 'note'`."""
        return f"row {self.first + row}, column '{self.name[:80]}'"


@dataclass(frozen=True, slots=True)
class _Texts:
    """The findings of each path in a column, and the texts of it that were changed already."""

    found: Mapping[str, Found]
    changed: dict[tuple[str, str, str], str]


class BatchChanger:
    """Changes batches as a profile says.

    Args:
        profile: Rules by column.
        context: Key and scope.
        detector: Finds personal data in free text.
        anonymizer: Changes it.
        counts: Receives the number of findings and of rows.
        is_typed: Whether columns have types that a changed value must fit.

    Attributes:
        kept: Columns that were kept as they are, unsearched.

    Raises:
        ConfigurationError: If the profile contradicts itself, or needs a key and the context has none.
    """

    def __init__(
        self,
        profile: DatasetProfile,
        context: Context,
        detector: ColumnDetector,
        anonymizer: TextAnonymizer,
        counts: FindingCounts,
        *,
        is_typed: bool,
    ) -> None:
        self._profile, self._context = profile.verify(context), context
        self._detector, self._anonymizer, self._counts, self._is_typed = detector, anonymizer, counts, is_typed
        self._memory: dict[Any, Any] = {}
        operators = profile.entities.operators.values()
        self._texts_by_subject = profile.subject is not None and any(
            operator.definition.uses_subject for operator in operators
        )
        self.kept: set[str] = set()
        # By column: whether the day is the first number of its dates, as the first batch that tells it says.
        self._day_first: dict[str, bool] = {}

    def change(self, batch: RowBatch, but: Sequence[str] = ()) -> dict[str, list[Any]]:
        """Return the new values of a batch's columns, without columns that are dropped or kept.

        Args:
            batch: The batch; it is not changed.
            but: Columns that are changed elsewhere.

        Raises:
            BadRequestError: If a value cannot be changed; the message has its row and column.
        """
        subjects = self._subjects(batch)
        changed: dict[str, list[Any]] = {}
        for number, name in enumerate(batch.names, 1):
            if self._detector.is_personal(name):
                raise BadRequestError(
                    f"the name of column {number} is personal data itself: use --no-header if the file has no header"
                )
            rule = self._profile.of(name)
            if name in but or rule.drops:
                continue
            if rule.keeps:
                self.kept.add(name)
                continue
            column = _Column(name, batch.values(name), batch.first, subjects)
            if rule.operator is None:
                changed[name] = self._change_texts(column)
            else:
                changed[name] = self._change_values(column, rule, rule.operator)
        self._counts.rows += batch.rows
        return changed

    def _subjects(self, batch: RowBatch) -> list[str] | None:
        if self._profile.subject is None:
            return None
        subjects: list[str | None] = []
        for row, value in enumerate(batch.values(self._profile.subject)):
            subjects.append(_subject_of(value))
            if not subjects[-1]:
                raise BadRequestError(f"row {batch.first + row} has nothing, or no text, in the subject's column")
        return [subject or "" for subject in subjects]

    # Columns with an operator

    def _change_values(self, column: _Column, rule: ColumnRule, operator: Operator) -> list[Any]:
        if not operator.definition.uses_subject:
            column = replace(column, subjects=None)
        values = column.values
        if operator.name == "shift-date":
            self._decide_order(column)
        if column.subjects is not None or not _all_texts(values):
            return self._change_each(column, enumerate(values), rule, operator)
        # Each distinct text once, with the number of its first row for the message.
        first = dict(zip(reversed(values), range(len(values) - 1, -1, -1), strict=True))
        new = self._change_each(column, ((row, value) for value, row in first.items()), rule, operator)
        table = dict(zip(first, new, strict=True))
        return [table[value] for value in values]

    def _decide_order(self, column: _Column) -> None:
        """Decide once for a column whether its dates have the day or the month first; another order is refused."""
        try:
            said = day_is_first(value for value in column.values if isinstance(value, str))
        except ValueError:
            said = None
            mixed = True
        else:
            mixed = said is not None and said != self._day_first.setdefault(column.name, said)
        if mixed:
            raise BadRequestError(
                f"column '{column.name[:80]}', rows {column.first} to {column.first + len(column.values) - 1}: some "
                "dates have the day first and others the month: write them in one way, or use another operator"
            )

    def _change_each(
        self, column: _Column, values: Iterable[tuple[int, Any]], rule: ColumnRule, operator: Operator
    ) -> list[Any]:
        changed: list[Any] = []
        context = replace(self._context, day_first=self._day_first.get(column.name))
        for row, value in values:
            if value is None or value is Absent:
                changed.append(value)
                continue
            if column.subjects is not None:
                context = replace(context, subject=column.subjects[row])
            try:
                changed.append(self._remembered(column.name, value, rule.entity, operator, context))
            except (ValueError, OverflowError, TypeError, ConfigurationError):
                raise BadRequestError(f"{column.where(row)}: '{operator.name}' cannot change such a value") from None
        return changed

    def _remembered(self, name: str, value: Any, entity: str, operator: Operator, context: Context) -> Any:
        if isinstance(value, dict | list | tuple):
            return change_cell(value, entity, operator, context)
        key = name, type(value), value, context.subject, context.day_first
        if key not in self._memory:
            if len(self._memory) > REMEMBERED:
                self._memory.clear()
            self._memory[key] = change_cell(value, entity, operator, context)
        return self._memory[key]

    # Columns of free text

    def _change_texts(self, column: _Column) -> list[Any]:
        texts = _Texts(self._find(column), {})
        by_subject = column.subjects is not None and self._texts_by_subject
        if not by_subject and _all_texts(column.values):
            found = texts.found[column.name]
            table = {text: self._anonymizer.change(text, some).text for text, some in found.items() if some}
            return [table.get(value, value) for value in column.values]
        changed = list(column.values)
        for row, value in enumerate(column.values):
            subject = column.subjects[row] if by_subject and column.subjects is not None else ""

            def change(path: str, leaf: Any, row: int = row, subject: str = subject) -> Any:
                return self._change_leaf(column, row, path, leaf, subject, texts)

            if isinstance(value, dict | list | tuple):
                changed[row] = with_changed_leaves(value, column.name, change)
            elif value is not None and value is not Absent:
                changed[row] = change(column.name, value)
        return changed

    def _find(self, column: _Column) -> dict[str, Found]:
        def show(name: str) -> str:
            if self._detector.is_personal(name):
                raise BadRequestError(
                    f"rows {column.first} to {column.first + len(column.values) - 1}: a name below "
                    f"'{column.name[:80]}' is personal data itself: give the column an operator, such as drop"
                )
            return name

        found: dict[str, Found] = {}
        numbers = range(column.first, column.first + len(column.values))
        for path, places in places_of(column.name, column.values, numbers, show).items():
            found[path] = self._detector.find(path, places)
            self._counts.add(path, places, found[path])
        return found

    def _change_leaf(self, column: _Column, row: int, path: str, leaf: Any, subject: str, texts: _Texts) -> Any:
        """Return what replaces one value in or below a cell."""
        if isinstance(leaf, bytes):
            raise BadRequestError(
                f"{column.where(row)} has binary values, which are not searched: give the column keep or drop"
            )
        text = text_of(leaf)
        findings = texts.found[path].get(text) if text else None
        if not text or not findings:
            return leaf
        context = replace(self._context, subject=subject) if subject else self._context
        if not isinstance(leaf, str):
            return self._change_typed(leaf, text, findings, context, column.where(row))
        key = path, text, subject
        if key not in texts.changed:
            anonymizer = self._anonymizer.within(context) if subject else self._anonymizer
            texts.changed[key] = anonymizer.change(text, findings).text
        return texts.changed[key]

    def _change_typed(self, leaf: Any, text: str, findings: Sequence[Finding], context: Context, where: str) -> Any:
        """Change a number or a date with findings, if the operator of the entity keeps its type."""
        operators = [self._profile.entities.of(finding.entity) for finding in findings]
        if all(operator.keeps for operator in operators):
            return leaf
        operator, entity = operators[0], findings[0].entity
        if len(findings) == 1 and ("date" if isinstance(leaf, date) else "number") in operator.definition.applies_to:
            return change_cell(leaf, entity, operator, context)
        if not self._is_typed and not isinstance(leaf, date):
            return self._anonymizer.change(text, findings).text
        raise BadRequestError(
            f"{where} looks like {entity} and is not text: give the column an operator "
            "(bucket:10 or noise:1 for numbers, shift-date for dates, hash, drop), or keep"
        )


def _all_texts(values: Sequence[Any]) -> bool:
    return all(type(value) is str for value in values)


def _subject_of(value: Any) -> str | None:
    try:
        return text_of(value)
    except ValueError:
        return None
