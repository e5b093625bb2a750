"""Query parameters and form fields: declared ones are changed by their names, and free text in them is searched.

A query or form that was searched is written again in one canonical way, so that the application behind the gate cannot
read anything else than what was searched.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import unquote_plus, urlencode

from governance.canonical import parse_json
from governance.errors import BadRequestError
from governance.multipart import FormPart, parse_multipart, render_multipart
from governance.privacy.change.context import Context
from governance.privacy.change.operators import FIELD, FREE_TEXT, Dropped, Operator
from governance.privacy.change.text import Anonymized, AnonymizeTexts
from governance.privacy.redactions import Redactions
from governance.privacy.request.leaves import change_text
from governance.privacy.request.paths import EVERYWHERE, DocumentPath
from governance.privacy.request.plain import render_json

MAX_FIELDS = 1024
# In a rule, the name of all parameters or fields that no other rule names.
ANY = "*"


@dataclass(frozen=True, slots=True)
class NamedRule:
    """One declared query parameter or form field.

    Attributes:
        name: Its name; `*` means each one that no other rule names.
        operator: What happens to its value; None if the value is searched as free text.
        data_class: What policies know it as, such as `health`; None for none.
        entity: What its value is, such as `PERSON`.
    """

    name: str
    operator: Operator | None
    data_class: str | None = None
    entity: str = FIELD

    @classmethod
    def parse(cls, name: str, operator: str, data_class: str | None = None, entity: str = FIELD) -> NamedRule:
        """Read a rule as settings write it, for example `NamedRule.parse("patient", "hash")`.

        Args:
            name: Name of the parameter or field, or `*`.
            operator: Operator, such as `mask:4`; or `text` to search the value as free text.
            data_class: What policies know it as.
            entity: What its value is.

        Raises:
            ConfigurationError: If there is no such operator.
        """
        return cls(name, None if operator == FREE_TEXT else Operator.parse(operator), data_class, entity)


class _ValueChanger:
    """Changes values by their names, and counts what was changed."""

    def __init__(self, rules: Sequence[NamedRule], context: Context, anonymize: AnonymizeTexts | None) -> None:
        self._context, self._anonymize = context, anonymize
        self._rules: dict[str, NamedRule] = {}
        # Of several rules for one name the first is used, but a rule that drops the value overrides it.
        for rule in rules:
            first = self._rules.setdefault(rule.name, rule)
            if rule.operator is not None and rule.operator.drops and first.operator != rule.operator:
                self._rules[rule.name] = rule
        self._operators, self._entities, self._classes = Counter[str](), Counter[str](), set[str]()

    def rule_of(self, name: str) -> NamedRule | None:
        return self._rules.get(name) or self._rules.get(ANY)

    def value(self, rule: NamedRule, value: str) -> str | None:
        """Return what replaces a value, or None if its field is dropped.

        Raises:
            BadRequestError: If the value cannot be searched or changed.
        """
        if rule.data_class is not None:
            self._classes.add(rule.data_class)
        if rule.operator is None:
            if self._anonymize is None:
                raise BadRequestError("free text cannot be searched on this route")
            changed = change_words(value, self._anonymize)
            self._entities.update(changed.counts)
            return changed.text
        self._operators[rule.operator.name] += 1
        try:
            changed_value = rule.operator.change_value(value, rule.entity, self._context)
        except (ValueError, OverflowError):
            raise BadRequestError("a declared field has a value that its operator cannot change") from None
        return None if changed_value is Dropped else str(changed_value)

    def redactions(self) -> Redactions:
        return Redactions(dict(self._operators), frozenset(self._classes), dict(self._entities))


def change_pairs(
    raw: bytes, rules: Sequence[NamedRule], context: Context, anonymize: AnonymizeTexts | None
) -> tuple[bytes, Redactions]:
    """Change a query string, or a form in application/x-www-form-urlencoded (WHATWG URL, section 5).

    `name=Ada&ward=7` with a rule `name`, `replace`, `PERSON` becomes `name=%3CPERSON%3E&ward=7`.

    Args:
        raw: The query without `?`, or the body.
        rules: The declared names.
        context: Key and scope of the operators.
        anonymize: Changes free text; None if the route has none.

    Returns:
        The query or body written again, and the counts of what was changed.

    Raises:
        BadRequestError: If it is not UTF-8, has more than `MAX_FIELDS` fields, or a value cannot be changed.
    """
    changer, kept = _ValueChanger(rules, context, anonymize), list[tuple[str, str]]()
    for name, value in _pairs(raw):
        rule = changer.rule_of(name)
        changed = value if rule is None else changer.value(rule, value)
        if changed is not None:
            kept.append((name, changed))
    return urlencode(kept, errors="replace").encode("ascii"), changer.redactions()


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    pieces = [piece for piece in raw.split(b"&") if piece]
    if len(pieces) > MAX_FIELDS:
        raise BadRequestError(f"the query or form has more than {MAX_FIELDS} fields")
    try:
        # Bytes outside ASCII are refused: applications differ in how they read them.
        named = [piece.decode("ascii").partition("=") for piece in pieces]
        return [(unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")) for name, _, value in named]
    except UnicodeDecodeError:
        raise BadRequestError("the query or form is not UTF-8 in percent-encoding") from None


def change_parts(
    parts: Sequence[FormPart], rules: Sequence[NamedRule], context: Context, anonymize: AnonymizeTexts | None
) -> tuple[list[FormPart], Redactions]:
    """Change the fields of a multipart form; with a rule for `*`, files of text too. Other files stay as they are.

    Args:
        parts: The parts of the form.
        rules: The declared names.
        context: Key and scope of the operators.
        anonymize: Changes free text; None if the route has none.

    Returns:
        The parts that are left, and the counts of what was changed.

    Raises:
        BadRequestError: If a declared field is a file or not UTF-8, or a value cannot be changed.
    """
    changer, kept = _ValueChanger(rules, context, anonymize), list[FormPart]()
    for part in parts:
        rule = changer.rule_of(part.name)
        text = None if rule is None else _text_of(part, rule)
        if rule is None or text is None:
            kept.append(part)
            continue
        changed = changer.value(rule, text)
        if changed is not None:
            kept.append(part if changed == text else replace(part, body=changed.encode("utf-8", "replace")))
    return kept, changer.redactions()


def _text_of(part: FormPart, rule: NamedRule) -> str | None:
    """Return what the application reads as this field's text, or None for a file that it cannot read as one.

    Raises:
        BadRequestError: If a field that is declared by its name is a file, or a text is not UTF-8.
    """
    if part.is_file:
        if rule.name != ANY:
            raise BadRequestError("a declared field of the form must be a text, not a file")
        return _text_of_file(part.body)
    try:
        return part.body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequestError("a declared field of the form is not UTF-8") from None


def _text_of_file(body: bytes) -> str | None:
    """Return a file's text as BentoML reads it where the API has a text field: JSON in any UTF, else UTF-8."""
    with suppress(UnicodeDecodeError):
        text = body.decode(json.detect_encoding(body), "surrogatepass")
        if _is_json(text):
            return text
    with suppress(UnicodeDecodeError):
        return body.decode("utf-8")
    return None


def change_multipart(
    body: bytes, content_type: str, change: Callable[[list[FormPart]], tuple[list[FormPart], Redactions]]
) -> tuple[bytes, Redactions]:
    """Change the parts of a multipart body, and write it again with its own boundary.

    Args:
        body: The body.
        content_type: The Content-Type field, with the boundary.
        change: Returns the parts that are left, and the counts of what was changed.

    Raises:
        BadRequestError: If the body is not such a form.
    """
    parts, redactions = change(parse_multipart(body, content_type))
    return render_multipart(parts, content_type), redactions


def change_words(text: str, anonymize: AnonymizeTexts, paths: Sequence[DocumentPath] = (EVERYWHERE,)) -> Anonymized:
    r"""Return a text with its findings changed; a text that is a JSON document is searched as JSON.

    BentoML reads a form's fields as JSON where it can, and `"\u0034716…"` is a card number only to a reader of JSON.

    Args:
        text: The text or document.
        anonymize: Changes texts.
        paths: Where free text is in a document; everywhere by default.

    Raises:
        BadRequestError: If it is a document with a duplicate name, or nested too deeply.
    """
    if not _is_document(text):
        return anonymize([text])[0]
    document, counts = change_text(parse_json(text.encode("utf-8", "surrogatepass")), paths, anonymize)
    return Anonymized(render_json(document).decode("ascii"), counts) if counts else Anonymized(text, {})


def _is_document(text: str) -> bool:
    return text.lstrip(" \t\r\n")[:1] in ('"', "[", "{") and _is_json(text)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True
