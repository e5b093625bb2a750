"""Query parameters and form fields: declared ones are changed by name, free text in them as in any other text.

What was read is written again in one way, so that whoever reads it after us cannot read anything else out of it.
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
from governance.privacy.change.operators import FIELD, Dropped, Operator
from governance.privacy.change.text import Anonymized
from governance.privacy.redactions import Redactions
from governance.privacy.request.leaves import change_text
from governance.privacy.request.paths import EVERYWHERE, DocumentPath
from governance.privacy.request.plain import render_json

MAX_FIELDS = 1024
ANY = "*"
FREE_TEXT = "text"

Anonymize = Callable[[Sequence[str]], Sequence[Anonymized]]


@dataclass(frozen=True, slots=True)
class NamedRule:
    """One declared parameter or form field; `*` is each one that no other rule names. No operator means free text."""

    name: str
    operator: Operator | None
    data_class: str | None = None
    entity: str = FIELD

    @classmethod
    def parse(cls, name: str, operator: str, data_class: str | None = None, entity: str = FIELD) -> NamedRule:
        """Read a rule; the operator `text` means free text.

        Raises:
            ConfigurationError: if there is no such operator.
        """
        return cls(name, None if operator == FREE_TEXT else Operator.parse(operator), data_class, entity)


class _Changes:
    """Changes values by their names, and counts what was done."""

    def __init__(self, rules: Sequence[NamedRule], context: Context, anonymize: Anonymize | None) -> None:
        self._context, self._anonymize = context, anonymize
        self._rules: dict[str, NamedRule] = {}
        for rule in rules:
            first = self._rules.setdefault(rule.name, rule)
            if rule.operator is not None and rule.operator.drops and first.operator != rule.operator:
                self._rules[rule.name] = rule
        self._operators, self._entities, self._classes = Counter[str](), Counter[str](), set[str]()

    def rule_of(self, name: str) -> NamedRule | None:
        return self._rules.get(name) or self._rules.get(ANY)

    def value(self, rule: NamedRule, value: str) -> str | None:
        """Return what takes the place of a value, or None if its field goes.

        Raises:
            BadRequestError: if it cannot be searched or changed.
        """
        if rule.data_class is not None:
            self._classes.add(rule.data_class)
        if rule.operator is None:
            if self._anonymize is None:
                raise BadRequestError("a free text cannot be searched here")
            changed = change_words(value, self._anonymize)
            self._entities.update(changed.counts)
            return changed.text
        self._operators[rule.operator.name] += 1
        try:
            made = rule.operator.change_value(value, rule.entity, self._context)
        except (ValueError, OverflowError):
            raise BadRequestError("a declared field holds a value that cannot be changed") from None
        return None if made is Dropped else str(made)

    def done(self) -> Redactions:
        return Redactions(dict(self._operators), frozenset(self._classes), dict(self._entities))


def change_pairs(
    raw: bytes, rules: Sequence[NamedRule], context: Context, anonymize: Anonymize | None
) -> tuple[bytes, Redactions]:
    """Change a query string, or a form in application/x-www-form-urlencoded (WHATWG URL, section 5).

    Raises:
        BadRequestError: if it is no UTF-8, has too many fields, or a value cannot be changed.
    """
    changes, kept = _Changes(rules, context, anonymize), list[tuple[str, str]]()
    for name, value in _pairs(raw):
        rule = changes.rule_of(name)
        made = value if rule is None else changes.value(rule, value)
        if made is not None:
            kept.append((name, made))
    return urlencode(kept, errors="replace").encode("ascii"), changes.done()


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    pieces = [piece for piece in raw.split(b"&") if piece]
    if len(pieces) > MAX_FIELDS:
        raise BadRequestError(f"more than {MAX_FIELDS} fields")
    try:
        # Bytes that are no ASCII stand for themselves, as the application behind the gate reads them or not at all.
        named = [piece.decode("ascii").partition("=") for piece in pieces]
        return [(unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")) for name, _, value in named]
    except UnicodeDecodeError:
        raise BadRequestError("the query or form is not UTF-8 in percent-encoding") from None


def change_parts(
    parts: Sequence[FormPart], rules: Sequence[NamedRule], context: Context, anonymize: Anonymize | None
) -> tuple[list[FormPart], Redactions]:
    """Change the text parts of a multipart form, and files of text where each field is declared; other files stay.

    Raises:
        BadRequestError: if a declared field is a file or no UTF-8, or a value cannot be changed.
    """
    changes, kept = _Changes(rules, context, anonymize), list[FormPart]()
    for part in parts:
        rule = changes.rule_of(part.name)
        text = None if rule is None else _text_of(part, rule)
        if rule is None or text is None:
            kept.append(part)
            continue
        made = changes.value(rule, text)
        if made is not None:
            kept.append(part if made == text else replace(part, body=made.encode("utf-8", "replace")))
    return kept, changes.done()


def _text_of(part: FormPart, rule: NamedRule) -> str | None:
    """Return what the application reads as this field's text, or None for a file that it cannot read as one.

    Raises:
        BadRequestError: if a field that is declared by its name is a file, or a text is no UTF-8.
    """
    if part.is_file:
        if rule.name != ANY:
            raise BadRequestError("a declared field of the form has to be a text, and no file")
        return _text_of_file(part.body)
    try:
        return part.body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequestError("a declared field of the form is not UTF-8") from None


def _text_of_file(body: bytes) -> str | None:
    """BentoML takes a file's bytes for the text of a field that is none: as JSON in any UTF, and else as UTF-8."""
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
    """Change a multipart body's parts, and write it again under its own boundary.

    Raises:
        BadRequestError: if it is no such form.
    """
    parts, done = change(parse_multipart(body, content_type))
    return render_multipart(parts, content_type), done


def change_words(text: str, anonymize: Anonymize, paths: Sequence[DocumentPath] = (EVERYWHERE,)) -> Anonymized:
    r"""Return a text changed; one that is a JSON document (as BentoML reads a form's fields) is searched as such.

    `"\u0034716…"` is a card number to whoever reads JSON, and none to whoever reads characters.

    Raises:
        BadRequestError: if it is a document with a name twice, or too deeply nested.
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
