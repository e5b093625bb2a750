"""The table of operators: one row says all that the project knows about an operator.

A profile or setting writes an operator as `NAME` or `NAME:NUMBER`, such as `mask` or `mask:4`. `docs/privacy.md` shows
the table; a test compares both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, Literal

from governance.canonical import canonical_json
from governance.errors import ConfigurationError
from governance.privacy.change import dates, erasing, keyed, numbers, surrogates
from governance.privacy.change.context import Context, keyed_digest

# The entity of a declared field whose setting names none.
FIELD = "FIELD"
# What settings and profiles write in place of an operator: the value is searched as free text.
FREE_TEXT = "text"
DROP, KEEP, MASKED = "drop", "keep", "***"
_OPERATOR = re.compile(r"([a-z0-9-]{1,20})(?::(\d{1,6}(?:\.\d{1,6})?))?")

# Arguments: value, entity, the operator's number (0 if it takes none), context.
ChangeText = Callable[[str, str, float, Context], str]
ChangeNumber = Callable[[float, str, float, Context], float]
ChangeDate = Callable[[date, str, float, Context], date]


@dataclass(frozen=True, slots=True)
class Parameter:
    """The number that may follow an operator's name, as 10 in `bucket:10`.

    Attributes:
        meaning: What the number counts, with its unit.
        default: The number of an operator that is written without one.
        example: A number that a document can show.
        is_fraction: Whether decimals are accepted.
        is_positive: Whether 0 is refused.
    """

    meaning: str
    default: float
    example: int
    is_fraction: bool = False
    is_positive: bool = False

    def verify(self, operator: str, text: str) -> float:
        """Return the number that a text says.

        Raises:
            ConfigurationError: If the number has decimals or is 0, and must not.
        """
        if "." in text and not self.is_fraction:
            raise ConfigurationError(f"the operator '{operator}' takes a whole number, and not {text}")
        if self.is_positive and not float(text):
            raise ConfigurationError(f"the operator '{operator}' takes a number above 0")
        return float(text)


@dataclass(frozen=True, slots=True)
class OperatorDefinition:
    """One row of the table.

    Attributes:
        name: As settings write it.
        keeps: What stays of a value (Markdown).
        hides: What cannot be learnt about the value, and what can (Markdown).
        change_text: Changes a text or a finding in a text.
        change_value: Changes the JSON value of a declared field; None if it is changed as text.
        change_number: Changes a number so that it stays a number; None if there is no such way.
        change_date: Changes a date so that it stays a date; None if there is no such way.
        parameter: The number after the name; None if the operator takes none.
        needs_key: Whether the operator works only with a key.
        uses_subject: Whether the result depends on the context's subject.
        is_reversible: Whether the key turns the result back into the value.
        erases: Whether nothing of the value is left; a number in a tensor becomes 0.
        needs_scalar: Whether the value must be one text or one number. An object, a list, true, false or null then
            becomes `<ENTITY>`.
    """

    name: str
    keeps: str
    hides: str
    change_text: ChangeText
    change_value: Callable[[Any, str, Operator, Context], Any] | None = None
    change_number: ChangeNumber | None = None
    change_date: ChangeDate | None = None
    parameter: Parameter | None = None
    needs_key: bool = False
    uses_subject: bool = False
    is_reversible: bool = False
    erases: bool = False
    needs_scalar: bool = False

    @property
    def applies_to(self) -> frozenset[Literal["text", "number", "date"]]:
        """The types of values that keep their type; a value of another type becomes text."""
        types: dict[Literal["text", "number", "date"], object] = {
            "text": self.change_text,
            "number": self.change_number,
            "date": self.change_date,
        }
        return frozenset(name for name, change in types.items() if change is not None)


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator with its number, as a profile names it: `mask`, `mask:4`, `truncate:3`, `bucket:10`.

    Attributes:
        name: Name of its row in the table.
        number: The number after the colon, or None.
        definition: Its row in the table.
        drops: Whether a field is removed with its name, and a column with its header.
        keeps: Whether values stay as they are.
    """

    name: str
    number: float | None = None
    definition: OperatorDefinition = field(init=False, repr=False, compare=False)
    drops: bool = field(init=False, repr=False, compare=False)
    keeps: bool = field(init=False, repr=False, compare=False)
    _parameter: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look the row up once, since operators run for each finding."""
        definition = OPERATORS[self.name]
        default = definition.parameter.default if definition.parameter is not None else 0.0
        object.__setattr__(self, "definition", definition)
        object.__setattr__(self, "drops", self.name == DROP)
        object.__setattr__(self, "keeps", self.name == KEEP)
        object.__setattr__(self, "_parameter", default if self.number is None else self.number)

    @classmethod
    def parse(cls, text: str) -> Operator:
        """Read the `text` of an operator, `NAME` or `NAME:NUMBER`: `mask:4` becomes `Operator("mask", 4.0)`.

        Raises:
            ConfigurationError: If there is no such operator, or it does not take this number.
        """
        found = _OPERATOR.fullmatch(text)
        definition = OPERATORS.get(found[1]) if found is not None else None
        number = found[2] if found is not None else None
        if definition is None or (number is not None and definition.parameter is None):
            with_number = ", ".join(name for name, row in OPERATORS.items() if row.parameter is not None)
            raise ConfigurationError(
                f"no operator '{text[:40]}'; there are: {', '.join(sorted(OPERATORS))}; with a number: {with_number}"
            )
        if number is None or definition.parameter is None:
            return cls(definition.name)
        return cls(definition.name, definition.parameter.verify(definition.name, number))

    @property
    def needs_key(self) -> bool:
        """Whether the operator works only with a key."""
        return self.definition.needs_key

    def change_text(self, value: str, entity: str, context: Context) -> str:
        """Return the text that replaces a finding: `mask:4` makes `*****1234` of `123451234`.

        Args:
            value: The finding.
            entity: What it is, such as `PERSON`.
            context: Key, scope and subject.

        Raises:
            ConfigurationError: If the operator needs a key or a package, and there is none.
        """
        return self.definition.change_text(value, entity, self._parameter, context)

    def change_value(self, value: Any, entity: str, context: Context) -> Any:
        """Return what replaces the JSON value of a declared field, or `Dropped`.

        Different from `change_text`: `mask` without a number gives `***`, since the length of a declared field says
        something; `hash` gives 64 hex digits of HMAC-SHA256 (RFC 2104) over the value's canonical JSON (RFC 8785);
        `noise` keeps a number a number.

        Args:
            value: The JSON value.
            entity: What it is, such as `PERSON`.
            context: Key, scope and subject.

        Raises:
            ConfigurationError: If the operator needs a key or a package, and there is none.
            ValueError: If the value cannot be written as canonical JSON.
        """
        change = self.definition.change_value or _as_text
        return change(value, entity, self, context)

    def change_number(self, value: float, entity: str, context: Context) -> float:
        """Return the number that replaces a number: `bucket:10` makes 40 of 42, the lower bound of its range.

        Args:
            value: The number.
            entity: What it is, such as `AGE`.
            context: Key, scope and subject.

        Raises:
            ConfigurationError: If the operator cannot keep a number a number, or needs a key and there is none.
        """
        change = self.definition.change_number
        if change is None:
            raise ConfigurationError(f"the operator '{self.name}' is for text, and not for numbers")
        return change(value, entity, self._parameter, context)

    def change_date(self, value: date, entity: str, context: Context) -> date:
        """Return the date that replaces a date.

        Args:
            value: The date.
            entity: What it is, such as `DATE_OF_BIRTH`.
            context: Key, scope and subject.

        Raises:
            ConfigurationError: If the operator cannot keep a date a date, or needs a key and there is none.
            OverflowError: If the result is not a year from 1 to 9999.
        """
        change = self.definition.change_date
        if change is None:
            raise ConfigurationError(f"the operator '{self.name}' is not for dates")
        return change(value, entity, self._parameter, context)


class Dropped:
    """Result of `drop` for a declared field: the value is removed with its name or place."""


def _as_text(value: Any, entity: str, operator: Operator, context: Context) -> str:
    """Change a text as it is, a number as its text, and an object or a list as its canonical JSON or not at all."""
    if not isinstance(value, str):
        if operator.definition.needs_scalar and not _is_number(value):
            return f"<{entity}>"
        value = canonical_json(value).decode()
    return operator.change_text(value, entity, context)


def _drop_value(value: Any, entity: str, operator: Operator, context: Context) -> Any:
    return Dropped


def _keep_value(value: Any, entity: str, operator: Operator, context: Context) -> Any:
    return value


def _mask_value(value: Any, entity: str, operator: Operator, context: Context) -> str:
    return MASKED if operator.number is None else _as_text(value, entity, operator, context)


def _hash_value(value: Any, entity: str, operator: Operator, context: Context) -> str:
    return keyed_digest(context, "hash", entity, canonical_json(value)).hex()


def _noise_value(value: Any, entity: str, operator: Operator, context: Context) -> Any:
    if not _is_number(value):
        return _as_text(value, entity, operator, context)
    changed = operator.change_number(value, entity, context)
    return round(changed) if isinstance(value, int) else changed


def _keep_number(value: float, entity: str, number: float, context: Context) -> float:
    return value


def _keep_date(value: date, entity: str, number: float, context: Context) -> date:
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_ROWS = (
    OperatorDefinition(
        "replace",
        keeps="the kind: `<PERSON>`",
        hides="everything else",
        change_text=erasing.replace,
        erases=True,
    ),
    OperatorDefinition(
        "redact",
        keeps="nothing",
        hides="everything; that a text became shorter can be seen",
        change_text=erasing.redact,
        erases=True,
    ),
    OperatorDefinition(
        "mask",
        keeps="length, separators, and with `mask:4` the last four characters, at most half of them",
        hides="the other letters and digits; a short value can be guessed from its length",
        change_text=erasing.mask,
        change_value=_mask_value,
        parameter=Parameter("last letters and digits that stay", default=0.0, example=4),
        needs_scalar=True,
    ),
    OperatorDefinition(
        "hash",
        keeps="that two values are equal",
        hides="the value: without the key it cannot be found by trying; equal values can be counted",
        change_text=keyed.hash_text,
        change_value=_hash_value,
        needs_key=True,
    ),
    OperatorDefinition(
        "token",
        keeps="that two values are equal; `privacy reveal` turns it back",
        hides="the value, from readers without the key (AES-SIV); equal values can be counted",
        change_text=keyed.tokenize,
        needs_key=True,
        is_reversible=True,
    ),
    OperatorDefinition(
        "ff1",
        keeps="length and form of a number, that two values are equal",
        hides="the number, by format-preserving encryption (NIST SP 800-38G, FF1); a value with letters, or with fewer "
        "than six digits, is replaced",
        change_text=keyed.encrypt_format,
        needs_key=True,
        is_reversible=True,
        needs_scalar=True,
    ),
    OperatorDefinition(
        "surrogate",
        keeps="kind and equality: the name of another person",
        hides="the value; a reader with the key can try values; the result may by chance be an existing person's",
        change_text=surrogates.surrogate,
        needs_key=True,
        needs_scalar=True,
    ),
    OperatorDefinition(
        "shift-date",
        keeps="days between the dates of one subject, and how they are written",
        hides="the date, by up to the given number of days; one known date of a subject shows the shift of all; a date "
        "whose day and month cannot be told apart is replaced",
        change_text=dates.shift,
        change_date=dates.shift_date,
        parameter=Parameter("most days that a date moves", default=365.0, example=30, is_positive=True),
        needs_key=True,
        uses_subject=True,
        needs_scalar=True,
    ),
    OperatorDefinition(
        "bucket",
        keeps="the range: `40-49` for 42 with `bucket:10`",
        hides="the number within its range; rare values stay rare",
        change_text=numbers.bucket,
        change_number=numbers.bucket_number,
        parameter=Parameter("width of a range", default=10.0, example=10, is_fraction=True, is_positive=True),
        needs_scalar=True,
    ),
    OperatorDefinition(
        "noise",
        keeps="a number near it, the same for equal numbers",
        hides="the exact number, by keyed Laplace noise of that scale; not differential privacy: equal values can be "
        "counted",
        change_text=numbers.noise,
        change_value=_noise_value,
        change_number=numbers.noise_number,
        parameter=Parameter(
            "scale of the noise: its mean absolute value", default=1.0, example=5, is_fraction=True, is_positive=True
        ),
        needs_key=True,
        needs_scalar=True,
    ),
    OperatorDefinition(
        "truncate",
        keeps="the first characters: `941` for 94105 with `truncate:3`",
        hides="the rest; the first characters may say enough",
        change_text=erasing.truncate,
        parameter=Parameter("first characters that stay", default=3.0, example=3),
        needs_scalar=True,
    ),
    OperatorDefinition(
        DROP,
        keeps="nothing: a field is removed with its name, a column with its header, a finding with its words",
        hides="everything",
        # Text has no name to remove.
        change_text=erasing.redact,
        change_value=_drop_value,
        erases=True,
    ),
    OperatorDefinition(
        KEEP,
        keeps="everything",
        hides="nothing",
        change_text=erasing.keep,
        change_value=_keep_value,
        change_number=_keep_number,
        change_date=_keep_date,
    ),
)
OPERATORS: Mapping[str, OperatorDefinition] = MappingProxyType({row.name: row for row in _ROWS})
