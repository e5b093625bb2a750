"""Plans: all that is done on one route for one model, and how it is done to a query, a form, an image, or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from governance.canonical import parse_json
from governance.errors import BadRequestError
from governance.multipart import MULTIPART, FormPart, media_type_of
from governance.privacy.change.context import Context
from governance.privacy.change.scope import PseudonymScope
from governance.privacy.change.text import TextAnonymizer
from governance.privacy.pictures.images import ImageRules, clean_body, clean_parts
from governance.privacy.redactions import Redactions
from governance.privacy.request.fields import FieldRule, change_fields
from governance.privacy.request.forms import Anonymize, NamedRule, change_multipart, change_pairs, change_parts
from governance.privacy.request.leaves import change_leaves, put_back
from governance.privacy.request.paths import EVERYWHERE, DocumentPath
from governance.privacy.request.plain import read_plain, render_json
from governance.privacy.request.tensors import TensorColumn, change_tensors

_ALL = (EVERYWHERE,)
URLENCODED = b"application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class FreeText:
    """Where free text is, what changes it, what policies know an entity as, and whose data it is."""

    paths: tuple[DocumentPath, ...]
    anonymizer: TextAnonymizer
    classes: Mapping[str, str]
    scope: PseudonymScope
    subject: DocumentPath | None
    is_slow: bool = False
    reply_paths: tuple[DocumentPath, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """What is done on one route for one model; declared fields come before free text."""

    rules: tuple[FieldRule, ...] = ()
    columns: tuple[TensorColumn, ...] = ()
    text: FreeText | None = None
    query: tuple[NamedRule, ...] = ()
    form: tuple[NamedRule, ...] = ()
    images: ImageRules | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is done at all."""
        return not (self.query or self.reads_body)

    @property
    def reads_body(self) -> bool:
        """Whether anything is done to the body, so that it has to be read."""
        return bool(self.rules or self.columns or self.text or self.form or self.images)

    @property
    def takes_json(self) -> bool:
        """Whether a JSON body can be searched for all that is declared; a form's field might stand in it otherwise."""
        declared = any(rule.operator is not None for rule in self.form) and not self.rules
        return bool(self.rules or self.columns or self.text) and self.images is None and not declared

    def change_query(self, query: bytes, context: Context) -> tuple[bytes, Redactions]:
        """Change a query string.

        Raises:
            BadRequestError: if it cannot be searched.
        """
        query, done = change_pairs(query, self.query, context, self._anonymize(context))
        return query, self._classified(done)

    def change_form(self, body: bytes, content_type: str, context: Context) -> tuple[bytes, Redactions] | None:
        """Change a form or an image, or return None if the plan takes no such body.

        Raises:
            BadRequestError: if it cannot be searched.
            TooLargeError: if an image has too many pixels.
        """
        media_type = media_type_of(content_type)
        done = None
        if media_type == MULTIPART and (self.form or self.images):
            done = change_multipart(body, content_type, partial(self._change_parts, context))
        elif media_type == URLENCODED and self.form and not self.images:
            done = change_pairs(body, self.form, context, self._anonymize(context))
        elif media_type.startswith(b"image/") and self.images and not (self.images.form or self.form):
            done = clean_body(body, self.images)
        return None if done is None else (done[0], self._classified(done[1]))

    def _change_parts(self, context: Context, parts: list[FormPart]) -> tuple[list[FormPart], Redactions]:
        parts, done = change_parts(parts, self.form, context, self._anonymize(context))
        if self.images is None:
            return parts, done
        parts, also = clean_parts(parts, self.images)
        return parts, done + also

    def _anonymize(self, context: Context) -> Anonymize | None:
        return self.text.anonymizer.within(context).anonymize if self.text is not None else None

    def _classified(self, done: Redactions) -> Redactions:
        """Return the same with the data classes of what was found in free text."""
        return done + Redactions({}, self._classes_of(done.entities))

    def _classes_of(self, entities: Iterable[str]) -> frozenset[str]:
        known = self.text.classes if self.text is not None else {}
        return frozenset(known[entity] for entity in entities if entity in known)

    def change(self, head: bytes | memoryview, tail: memoryview, context: Context) -> ChangedBody:
        """Change a JSON body and the binary values behind it.

        Raises:
            BadRequestError: if it cannot be searched for what the plan declares.
        """
        if self.text is None and not self.columns and not self._may_hold(bytes(head)):
            return ChangedBody(bytes(head), bytes(tail))
        if self._is_text_alone and not len(tail):
            changed = self._change_plain(bytes(head), context)
            if changed is not None:
                return changed
        holder = [parse_json(head)]
        if self.text is not None and self.text.subject is not None:
            context = Context(context.key, context.scope, _subject(holder, self.text.subject))
        if len(tail) and any(_leads_into_inputs(rule.path) for rule in self.rules):
            raise BadRequestError("inputs are declared as personal data here: send them as JSON, not as binary tensors")
        done = change_fields(holder, self.rules, context)
        anonymize = None
        entities = Counter[str]()
        if self.text is not None:
            anonymizer = self.text.anonymizer.within(context)
            anonymize = anonymizer.anonymize
            entities.update(change_leaves(holder, self.text.paths, anonymizer.changes))
        operators = Counter(done.counts)
        changed_tail: bytes | memoryview = tail
        if self.columns or (anonymize is not None and len(tail)):
            changed_tail, by_columns, found_in_tail = change_tensors(holder[0], tail, self.columns, context, anonymize)
            operators.update(by_columns)
            entities.update(found_in_tail)
        return self._changed(head, holder, bytes(changed_tail), Redactions(operators, done.classes, entities))

    @property
    def _is_text_alone(self) -> bool:
        """Whether nothing is done to a JSON body but that all its strings are searched."""
        return (
            self.text is not None
            and self.text.paths == _ALL
            and self.text.subject is None
            and not (self.rules or self.columns)
        )

    def _change_plain(self, data: bytes, context: Context) -> ChangedBody | None:
        """Do the same at less cost, or return None if the document has to be read strictly."""
        document = read_plain(data)
        if document is None or self.text is None:
            return None
        changed = self.text.anonymizer.within(context).changes(document.leaves.texts)
        if not changed:
            return ChangedBody(data, b"")
        entities = put_back(document.leaves, changed)
        return ChangedBody(document.render(), b"", Redactions({}, self._classes_of(entities), entities))

    def _changed(self, head: bytes | memoryview, holder: list[Any], tail: bytes, done: Redactions) -> ChangedBody:
        classes = frozenset(item.data_class for item in self.columns if item.data_class is not None)
        redactions = self._classified(done + Redactions({}, classes))
        # What is as it was stays so byte for byte.
        untouched = not (redactions.counts or redactions.entities)
        return ChangedBody(bytes(head) if untouched else render_json(holder[0]), tail, redactions)

    def _may_hold(self, data: bytes) -> bool:
        return any(rule.path.may_be_in(data) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class ChangedBody:
    """A body's JSON part and what lies behind it, and what was done."""

    head: bytes
    tail: bytes
    redactions: Redactions = field(default_factory=lambda: Redactions({}))


def _leads_into_inputs(path: DocumentPath) -> bool:
    segments: Sequence[str] = getattr(path, "segments", ("inputs",))
    return segments[:1] == ("inputs",)


def _subject(holder: list[Any], path: DocumentPath) -> str:
    """Return whose data it is: one text or number.

    Raises:
        BadRequestError: if the document does not say, or says it more than once.
    """
    found = [container[key] for container, key in path.places(holder)]
    if len(found) != 1 or not isinstance(found[0], str | int) or isinstance(found[0], bool):
        raise BadRequestError("the document does not say in the one declared place whose data it is")
    return str(found[0])
