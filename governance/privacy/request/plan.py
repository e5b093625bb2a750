"""Plans: all changes on one route for one model, applied to a query, a form, an image, or a JSON body with tensors."""

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
from governance.privacy.change.text import AnonymizeTexts, TextAnonymizer
from governance.privacy.pictures.images import ImageRules, clean_body, clean_parts
from governance.privacy.redactions import Redactions
from governance.privacy.request.fields import FieldRule, change_fields
from governance.privacy.request.forms import NamedRule, change_multipart, change_pairs, change_parts
from governance.privacy.request.leaves import change_leaves, put_back
from governance.privacy.request.paths import EVERYWHERE, DocumentPath
from governance.privacy.request.plain import read_plain, render_json
from governance.privacy.request.tensors import TensorColumn, change_tensors

_ALL = (EVERYWHERE,)
URLENCODED = b"application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class FreeText:
    """How free text is changed on one route.

    Attributes:
        paths: Where it is in the request's JSON body.
        anonymizer: Finds and changes personal data.
        classes: Data classes by entity, for the policies: `{"MEDICAL_RECORD_NUMBER": "health"}`.
        scope: The scope of keyed operators.
        subject: Where the body says whose data it is; None if it does not.
        is_slow: Whether the tagger is used, so that the event loop must not wait for it.
        reply_paths: Where free text is in the answer's JSON body; none if answers are not changed.
    """

    paths: tuple[DocumentPath, ...]
    anonymizer: TextAnonymizer
    classes: Mapping[str, str]
    scope: PseudonymScope
    subject: DocumentPath | None
    is_slow: bool = False
    reply_paths: tuple[DocumentPath, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """All changes to the requests of one route for one model.

    Declared fields are changed before free text, so that the search does not see their old values.

    Attributes:
        rules: Declared fields of a JSON body.
        columns: Declared columns of tensors.
        text: How free text is changed; None if the route has none.
        query: Declared query parameters.
        form: Declared form fields.
        images: How images in requests are cleaned; None if they are not.
        reply_images: How images in replies are cleaned; None if they are not.
        non_finite: Whether JSON may have the words NaN and Infinity, as in the Open Inference Protocol.
        fields_alone: Whether fields of a JSON body are all that is declared.
    """

    rules: tuple[FieldRule, ...] = ()
    columns: tuple[TensorColumn, ...] = ()
    text: FreeText | None = None
    query: tuple[NamedRule, ...] = ()
    form: tuple[NamedRule, ...] = ()
    images: ImageRules | None = None
    reply_images: ImageRules | None = None
    non_finite: bool = False

    fields_alone: bool = field(init=False)

    def __post_init__(self) -> None:
        others = self.columns or self.text or self.query or self.form or self.images
        object.__setattr__(self, "fields_alone", bool(self.rules) and not others)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is changed."""
        return not (self.query or self.reads_body)

    @property
    def reads_body(self) -> bool:
        """Whether anything in the body is changed, so that the body must be read."""
        return bool(self.rules or self.columns or self.text or self.form or self.images)

    @property
    def changes_replies(self) -> bool:
        """Whether anything in the reply is changed."""
        return self.reply_images is not None or (self.text is not None and bool(self.text.reply_paths))

    @property
    def takes_json(self) -> bool:
        """Whether a JSON body can be searched for all that is declared.

        If only form fields are declared, a JSON body is refused: it could hold their values unchanged.
        """
        declared = any(rule.operator is not None for rule in self.form) and not self.rules
        return bool(self.rules or self.columns or self.text) and self.images is None and not declared

    def change_query(self, query: bytes, context: Context) -> tuple[bytes, Redactions]:
        """Change a query string.

        Args:
            query: The query without `?`.
            context: Key and scope of the operators.

        Returns:
            The changed query, and the counts of what was changed.

        Raises:
            BadRequestError: If it cannot be searched.
        """
        query, redactions = change_pairs(query, self.query, context, self._anonymize(context))
        return query, self._classified(redactions)

    def change_form(self, body: bytes, content_type: str, context: Context) -> tuple[bytes, Redactions] | None:
        """Change a form or an image, or return None if the plan declares nothing in such a body.

        Args:
            body: The body.
            content_type: The Content-Type field.
            context: Key and scope of the operators.

        Returns:
            The changed body, and the counts of what was changed; or None.

        Raises:
            BadRequestError: If it cannot be searched.
            TooLargeError: If an image has too many pixels.
        """
        media_type = media_type_of(content_type)
        changed = None
        if media_type == MULTIPART and (self.form or self.images):
            changed = change_multipart(body, content_type, partial(self._change_parts, context))
        elif media_type == URLENCODED and self.form and not self.images:
            changed = change_pairs(body, self.form, context, self._anonymize(context))
        elif media_type.startswith(b"image/") and self.images and not (self.images.form or self.form):
            changed = clean_body(body, self.images)
        return None if changed is None else (changed[0], self._classified(changed[1]))

    def _change_parts(self, context: Context, parts: list[FormPart]) -> tuple[list[FormPart], Redactions]:
        parts, redactions = change_parts(parts, self.form, context, self._anonymize(context))
        if self.images is None:
            return parts, redactions
        parts, of_images = clean_parts(parts, self.images)
        return parts, redactions + of_images

    def _anonymize(self, context: Context) -> AnonymizeTexts | None:
        return self.text.anonymizer.within(context).anonymize if self.text is not None else None

    def _classified(self, redactions: Redactions) -> Redactions:
        """Return redactions with the data classes of their entities added."""
        return redactions + Redactions({}, self._classes_of(redactions.entities))

    def _classes_of(self, entities: Iterable[str]) -> frozenset[str]:
        known = self.text.classes if self.text is not None else {}
        return frozenset(known[entity] for entity in entities if entity in known)

    def change(self, head: bytes | memoryview, tail: memoryview, context: Context) -> ChangedBody:
        """Change a JSON body and the binary values of tensors after it.

        Args:
            head: The JSON part.
            tail: The binary values after it; empty for plain JSON.
            context: Key and scope of the operators.

        Raises:
            BadRequestError: If it cannot be searched for what the plan declares.
        """
        if self.text is None and not self.columns and not self.may_hold(bytes(head)):
            return ChangedBody(bytes(head), bytes(tail))
        if self._is_text_alone and not len(tail):
            changed = self._change_plain(bytes(head), context)
            if changed is not None:
                return changed
        holder = [parse_json(head, non_finite=self.non_finite)]
        if self.text is not None and self.text.subject is not None:
            context = Context(context.key, context.scope, _subject(holder, self.text.subject))
        if len(tail) and any(_leads_into_inputs(rule.path) for rule in self.rules):
            raise BadRequestError("inputs are declared as personal data: send them as JSON, not as binary tensors")
        by_fields = change_fields(holder, self.rules, context)
        anonymize = None
        entities = Counter[str]()
        if self.text is not None:
            anonymizer = self.text.anonymizer.within(context)
            anonymize = anonymizer.anonymize
            entities.update(change_leaves(holder, self.text.paths, anonymizer.changes))
        operators = Counter(by_fields.counts)
        changed_tail: bytes | memoryview = tail
        if self.columns or (anonymize is not None and len(tail)):
            changed_tail, by_columns, found_in_tail = change_tensors(holder[0], tail, self.columns, context, anonymize)
            operators.update(by_columns)
            entities.update(found_in_tail)
        return self._changed(head, holder, bytes(changed_tail), Redactions(operators, by_fields.classes, entities))

    @property
    def _is_text_alone(self) -> bool:
        """Whether searching all strings is the only thing done to a JSON body."""
        return (
            self.text is not None
            and self.text.paths == _ALL
            and self.text.subject is None
            and not (self.rules or self.columns)
        )

    def _change_plain(self, data: bytes, context: Context) -> ChangedBody | None:
        """Change a body in which all strings are searched; or return None if it must be read by the strict reader."""
        document = read_plain(data)
        if document is None or self.text is None:
            return None
        changed = self.text.anonymizer.within(context).changes(document.leaves.texts)
        if not changed:
            return ChangedBody(data, b"")
        entities = put_back(document.leaves, changed)
        return ChangedBody(document.render(), b"", Redactions({}, self._classes_of(entities), entities))

    def _changed(self, head: bytes | memoryview, holder: list[Any], tail: bytes, found: Redactions) -> ChangedBody:
        classes = frozenset(item.data_class for item in self.columns if item.data_class is not None)
        redactions = self._classified(found + Redactions({}, classes))
        # A body without changes is passed on byte for byte, and not as it would be rendered again.
        untouched = not (redactions.counts or redactions.entities)
        return ChangedBody(
            bytes(head) if untouched else render_json(holder[0], non_finite=self.non_finite), tail, redactions
        )

    def may_hold(self, data: bytes) -> bool:
        """Return False if the JSON part of a body certainly has no declared field.

        Args:
            data: The JSON part.
        """
        return any(rule.path.may_be_in(data) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class ChangedBody:
    """A changed body.

    Attributes:
        head: The JSON part.
        tail: The binary values of tensors after it.
        redactions: Counts of what was changed.
    """

    head: bytes
    tail: bytes
    redactions: Redactions = field(default_factory=lambda: Redactions({}))


def _leads_into_inputs(path: DocumentPath) -> bool:
    segments: Sequence[str] = getattr(path, "segments", ("inputs",))
    return segments[:1] == ("inputs",)


def _subject(holder: list[Any], path: DocumentPath) -> str:
    """Return whose data a document holds: the text or number at the path.

    Raises:
        BadRequestError: If the path does not match exactly one text or number.
    """
    found = [container[key] for container, key in path.places(holder)]
    if len(found) != 1 or not isinstance(found[0], str | int) or isinstance(found[0], bool):
        raise BadRequestError("the document must have one text or number in the place that says whose data it is")
    return str(found[0])
