"""Personal data: declared fields, free text, images, profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from governance.privacy.change.operators import FIELD, Operator
from governance.privacy.change.scope import Scope
from governance.privacy.request.paths import parse_path
from governance.settings.section import Name, Section, checked_by

FREE_TEXT = "text"

PathText = Annotated[str, checked_by(parse_path)]
OperatorText = Annotated[str, checked_by(Operator.parse)]
ScopeText = Annotated[str, checked_by(Scope.parse)]


class PrivacyField(Section):
    """One declared field: where it is, and what happens to it.

    `route` is a route's template, and `model` one of its models. The field is a `pointer` into the JSON body (RFC 6901,
    in which the segment `*` stands for every element of an array or every member of an object; or a JSONPath, RFC 9535,
    which begins with `$`), a parameter of the `query`, a field of a `form`, or a `tensor` of the Open Inference
    Protocol, or a `column` of its last axis (a number, or a name that the model's card gives it).

    A `query` or a `form` that is `*` is each one that no other field names.

    `operator` is one of docs/privacy.md; `text` looks for personal data in a query's or a form's free text, and changes
    it as the route's [[privacy.text]] says. `entity` is what the value is (`PERSON` becomes `<PERSON>`, and a
    surrogate a name), `data_class` what policies know such data as.
    """

    route: str
    model: Name | None = None
    pointer: PathText | None = None
    query: str | None = None
    form: str | None = None
    tensor: str | None = None
    column: int | str | None = None
    operator: Literal["text"] | OperatorText
    entity: str = Field(default=FIELD, pattern=r"^[A-Z_]{2,40}$")
    data_class: Name | None = None

    @model_validator(mode="after")
    def _one_place(self) -> PrivacyField:
        places = [name for name in ("pointer", "query", "form", "tensor") if getattr(self, name) is not None]
        if len(places) != 1 or (self.column is not None and self.tensor is None):
            raise ValueError("a field is in one place: a pointer, a query, a form, or a tensor with or without column")
        if self.pointer == "":
            raise ValueError("a pointer to the whole document is no field")
        if self.operator == FREE_TEXT and self.query is None and self.form is None:
            raise ValueError("the operator 'text' is for queries and forms; bodies and tensors have [[privacy.text]]")
        return self


class TextSettings(Section):
    """Free text of one route (and one of its models, if `model` names it): personal data in it is found and changed.

    It is looked for in the strings below `pointers` (all of them by default; JSONPath too), in all BYTES tensors, and
    with `replies` in answers too: below `reply_pointers`, or in all of a JSON answer's strings. `profile` names an
    operator for each entity, and for all others as `default` (see docs/privacy.md); `classes` what policies know an
    entity as; `tagger` finds persons, places, organisations and addresses too. `subject` points to whose data the body
    is, so that dates of one subject are shifted alike.
    """

    route: str
    model: Name | None = None
    pointers: tuple[PathText, ...] = ("",)
    tagger: bool = False
    threshold: float = Field(default=0.4, ge=0, le=1)
    profile: dict[str, OperatorText] = Field(default_factory=dict)
    classes: dict[str, Name] = Field(default_factory=dict)
    scope: ScopeText | None = None
    subject: PathText | None = None
    replies: bool = False
    reply_pointers: tuple[PathText, ...] = ()


class ImageSettings(Section):
    """Images of one route: metadata goes, orientation stays; faces are kept, blurred, or a reason to refuse.

    `form` names the form's fields that hold images; without it, each of the form's files that is one, and a body that
    is one. A picture of more than `max_pixels` is refused before it is decoded. `data_class` is what policies know a
    picture with a face as.
    """

    route: str
    form: tuple[str, ...] = ()
    faces: Literal["keep", "blur", "refuse"] = "keep"
    max_pixels: int = Field(default=50_000_000, ge=1, le=89_000_000)
    data_class: Name | None = None


class PrivacySettings(Section):
    """Declared fields, free text, images, and profiles: more fields, where a policy's `@anonymize` asks.

    `hash_key` is the secret of all operators that have a key. Values are equal under one `scope` alone; in it stand
    `{purpose}` for the request's purpose, `{caller}` for who asks, `{year}` and `{month}` for when. With `reveal`,
    `POST /governance/reveal` turns tokens back for those whom the policy permits the action `reveal`. `tagger` is a
    sealed artifact called `pii-tagger`, opened with the keys of [artifacts]; without it, the tagger that this package
    ships is used.
    """

    hash_key: str | None = None
    scope: ScopeText = ""
    reveal: bool = False
    tagger: Path | None = None
    fields: tuple[PrivacyField, ...] = ()
    text: tuple[TextSettings, ...] = ()
    images: tuple[ImageSettings, ...] = ()
    profiles: dict[Name, tuple[PrivacyField, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_text_section(self) -> PrivacySettings:
        seen = [(text.route, text.model) for text in self.text]
        if len(set(seen)) != len(seen):
            raise ValueError("a route's free text is described once, or once for each model")
        if len({image.route for image in self.images}) != len(self.images):
            raise ValueError("a route's images are described once")
        if self.reveal and self.hash_key is None:
            raise ValueError("reveal needs the hash_key that the tokens were made with")
        return self
