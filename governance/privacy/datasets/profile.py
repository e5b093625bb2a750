"""Profiles of data sets: a rule for each column, and an operator for each entity that is found in free text.

A profile is a TOML file:

    sensitive = ["diagnosis"]
    [columns]
    name = { operator = "surrogate", entity = "PERSON" }
    age = "bucket:10"
    [entities]
    CREDIT_CARD = "mask:4"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from governance.errors import ConfigurationError
from governance.privacy.change.context import Context
from governance.privacy.change.operators import FIELD, FREE_TEXT, KEEP, Operator
from governance.privacy.change.text import AnonymizationProfile

_KNOWN = frozenset({"columns", "others", "entities", "subject", "scope", "quasi", "sensitive"})


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What happens to one column.

    Attributes:
        operator: The operator for its values; None to search them as free text.
        entity: What its values are, such as `PERSON`.
    """

    operator: Operator | None = None
    entity: str = FIELD

    @classmethod
    def parse(cls, value: Any) -> ColumnRule:
        """Read `"text"`, `"bucket:10"` or `{"operator": "surrogate", "entity": "PERSON"}`.

        Args:
            value: A rule, as TOML parses it.

        Raises:
            ConfigurationError: If it is none of them.
        """
        table = {"operator": value} if isinstance(value, str) else value
        if not isinstance(table, dict) or not {"operator"} <= set(table) <= {"operator", "entity"}:
            raise ConfigurationError("a column's rule must be an operator, or a table with operator and entity")
        operator = str(table["operator"])
        return cls(None if operator == FREE_TEXT else Operator.parse(operator), str(table.get("entity", FIELD)))

    @property
    def drops(self) -> bool:
        """Whether the column is removed."""
        return self.operator is not None and self.operator.drops

    @property
    def keeps(self) -> bool:
        """Whether the column stays as it is, unsearched."""
        return self.operator is not None and self.operator.keeps


SEARCH, KEEP_COLUMN = ColumnRule(), ColumnRule(Operator(KEEP))


@dataclass(frozen=True, slots=True)
class DatasetProfile:
    """What happens to a data set. The default searches all columns and replaces each finding by its kind.

    Attributes:
        columns: Rules by column.
        others: The rule of all other columns.
        entities: Operators by entity, for findings in free text.
        subject: The column that says whose row it is; dates of one subject are shifted alike. None if there is none.
        scope: Equal values get equal results only under one scope.
        quasi: The quasi-identifiers, which k-anonymity makes coarser.
        sensitive: The sensitive columns; they are kept unless they have a rule.
    """

    columns: Mapping[str, ColumnRule] = field(default_factory=dict)
    others: ColumnRule = SEARCH
    entities: AnonymizationProfile = field(default_factory=lambda: AnonymizationProfile.parse({}))
    subject: str | None = None
    scope: str = ""
    quasi: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> DatasetProfile:
        """Read a profile.

        Args:
            document: A profile, as TOML parses it.

        Raises:
            ConfigurationError: If it has an unknown name or a wrong value; the message says which.
        """
        if unknown := set(document) - _KNOWN:
            raise ConfigurationError(f"a profile has no '{min(unknown)[:40]}'; it has: {', '.join(sorted(_KNOWN))}")
        columns, entities = _table(document, "columns"), _table(document, "entities")
        subject, scope = document.get("subject"), document.get("scope", "")
        if not isinstance(scope, str) or not isinstance(subject, str | None):
            raise ConfigurationError("'subject' must be the name of a column, and 'scope' a text")
        if not all(isinstance(operator, str) for operator in entities.values()):
            raise ConfigurationError("in [entities], the value of each entity must be an operator")
        return cls(
            MappingProxyType({name: _rule(name, value) for name, value in columns.items()}),
            _rule("others", document.get("others", FREE_TEXT)),
            AnonymizationProfile.parse(entities),
            subject,
            scope,
            _names(document, "quasi"),
            _names(document, "sensitive"),
        )

    def of(self, name: str) -> ColumnRule:
        """Return the rule of a column: its own, else `keep` for a sensitive one, else that of all others.

        Args:
            name: Name of the column.
        """
        return self.columns.get(name) or (KEEP_COLUMN if name in self.sensitive else self.others)

    def named_columns(self) -> tuple[str, ...]:
        """Return all columns that the profile names, which the file must have."""
        subject = () if self.subject is None else (self.subject,)
        return (*self.columns, *self.quasi, *self.sensitive, *subject)

    def verify(self, context: Context) -> DatasetProfile:
        """Return the profile if it has no contradictions, and the context has all that its operators need.

        Args:
            context: Key and scope.

        Raises:
            ConfigurationError: If an operator needs a key and the context has none, or a quasi-identifier is sensitive
                or the subject too.
        """
        other = {*self.sensitive, *({self.subject} if self.subject else ())}
        if both := set(self.quasi) & other:
            raise ConfigurationError(f"'{min(both)[:80]}' cannot be a quasi-identifier and something else too")
        rules = [*self.columns.items(), ("others", self.others)]
        operators = [(name, rule.operator) for name, rule in rules if rule.operator is not None]
        for name, operator in (*operators, *self.entities.operators.items()):
            if operator.needs_key and context.key is None:
                raise ConfigurationError(
                    f"the operator '{operator.name}' of '{name[:80]}' needs a key: --key file:PATH "
                    "(bento-governance key create secret PATH makes one)"
                )
        return self


def _rule(name: str, value: Any) -> ColumnRule:
    try:
        return ColumnRule.parse(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"column '{name[:80]}': {error}") from None


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"[{name}] of a profile must be a table")
    return table


def _names(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    listed: Sequence[Any] = document.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise ConfigurationError(f"'{name}' of a profile must be a list of columns")
    return tuple(listed)
