"""What is done to a data set: a rule for each column, an operator for each entity in free text, as a profile says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from governance.errors import ConfigurationError
from governance.privacy.change.context import Context
from governance.privacy.change.operators import DROP, FIELD, Operator
from governance.privacy.change.text import AnonymizationProfile

FREE_TEXT, KEEP = "text", "keep"
_KNOWN = frozenset({"columns", "others", "entities", "subject", "scope", "quasi", "sensitive"})


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done to one column: an operator, or None for a search of its texts; and what its values are."""

    operator: Operator | None = None
    entity: str = FIELD

    @classmethod
    def parse(cls, value: Any) -> Rule:
        """Read `"text"`, `"bucket:10"` or `{"operator": "surrogate", "entity": "PERSON"}`.

        Raises:
            ConfigurationError: if it is none of them.
        """
        table = {"operator": value} if isinstance(value, str) else value
        if not isinstance(table, dict) or not {"operator"} <= set(table) <= {"operator", "entity"}:
            raise ConfigurationError("a column's rule is an operator, or a table of operator and entity")
        operator = str(table["operator"])
        return cls(None if operator == FREE_TEXT else Operator.parse(operator), str(table.get("entity", FIELD)))

    @property
    def is_drop(self) -> bool:
        """Whether the column goes."""
        return self.operator is not None and self.operator.name == DROP

    @property
    def is_keep(self) -> bool:
        """Whether it stays as it is."""
        return self.operator is not None and self.operator.name == KEEP


TEXT_RULE, KEEP_RULE = Rule(), Rule(Operator(KEEP))


@dataclass(frozen=True, slots=True)
class Treatment:
    """A whole profile.

    Attributes:
        columns: rules by column.
        others: of all other columns; they are searched, unless it says otherwise.
        entities: operators by entity, for what is found.
        subject: the column that says whose row it is: dates of one subject are shifted alike.
        scope: under which equal values stay equal.
        quasi, sensitive: the columns of the risk measures.
    """

    columns: Mapping[str, Rule] = field(default_factory=dict)
    others: Rule = TEXT_RULE
    entities: AnonymizationProfile = field(default_factory=lambda: AnonymizationProfile.parse({}))
    subject: str | None = None
    scope: str = ""
    quasi: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Treatment:
        """Read a parsed profile.

        Raises:
            ConfigurationError: if it holds what it should not; it says what.
        """
        if unknown := set(document) - _KNOWN:
            raise ConfigurationError(f"a profile has no '{min(unknown)[:40]}'; it has: {', '.join(sorted(_KNOWN))}")
        columns, entities = _table(document, "columns"), _table(document, "entities")
        subject, scope = document.get("subject"), document.get("scope", "")
        if not isinstance(scope, str) or not isinstance(subject, str | None):
            raise ConfigurationError("'subject' is the name of a column, and 'scope' is a text")
        if not all(isinstance(operator, str) for operator in entities.values()):
            raise ConfigurationError("in [entities] each entity has the name of an operator")
        return cls(
            MappingProxyType({name: _rule(name, value) for name, value in columns.items()}),
            _rule("others", document.get("others", FREE_TEXT)),
            AnonymizationProfile.parse(entities),
            subject,
            scope,
            _names(document, "quasi"),
            _names(document, "sensitive"),
        )

    def of(self, name: str) -> Rule:
        """Return the rule of a column; what is sensitive is what the data are for, and stays unless a rule says so."""
        return self.columns.get(name) or (KEEP_RULE if name in self.sensitive else self.others)

    def verify(self, context: Context) -> Treatment:
        """Return the treatment if it can work in this context.

        Raises:
            ConfigurationError: if it needs a key and there is none, or a column has two rules.
        """
        rules = [*self.columns.items(), ("others", self.others)]
        operators = [(name, rule.operator) for name, rule in rules if rule.operator is not None]
        for name, operator in (*operators, *self.entities.operators.items()):
            if operator.needs_key and context.key is None:
                raise ConfigurationError(
                    f"the operator '{operator.name}' of '{name[:80]}' needs a key: --key file:PATH "
                    "(bento-governance key create secret PATH makes one)"
                )
        return self


def _rule(name: str, value: Any) -> Rule:
    try:
        return Rule.parse(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"column '{name[:80]}': {error}") from None


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"[{name}] of a profile is a table")
    return table


def _names(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    listed: Sequence[Any] = document.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise ConfigurationError(f"'{name}' of a profile is a list of columns")
    return tuple(listed)
