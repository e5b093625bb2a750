"""Personal data: declared fields, free text, images, profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from governance.privacy.change.operators import FIELD, FREE_TEXT, Operator
from governance.privacy.change.scope import PseudonymScope
from governance.privacy.request.paths import parse_path
from governance.settings.section import Name, Section, checked_by

PathText = Annotated[str, checked_by(parse_path)]
OperatorText = Annotated[str, checked_by(Operator.parse)]
ScopeText = Annotated[str, checked_by(PseudonymScope.parse)]


class PrivacyField(Section):
    """One declared field with personal data: where it is, and what happens to it.

    The place is one of `pointer`, `query`, `form` and `tensor`. A body that cannot be searched is refused.
    """

    route: str = Field(
        description="Route whose requests have the field, as its path or template. A route that does not exist stops "
        "the start.",
        examples=["/v2/models/{model}/infer", "/classify"],
    )
    model: Name | None = Field(
        default=None, description="Model whose requests have the field. Default: all models.", examples=["risk"]
    )
    pointer: PathText | None = Field(
        default=None,
        description="Place in the JSON body: a JSON Pointer (RFC 6901) in which `*` matches each element or member, "
        "or a JSONPath (RFC 9535), which begins with `$`.",
        examples=["/parameters/patient_id", "/rows/*/name", "$..email"],
    )
    query: str | None = Field(
        default=None,
        description="Name of a query parameter; `*` means each one that no other field names.",
        examples=["patient"],
    )
    form: str | None = Field(
        default=None,
        description="Name of a form field; `*` means each one that no other field names.",
        examples=["name"],
    )
    tensor: str | None = Field(
        default=None, description="Name of an input tensor of an inference request.", examples=["features"]
    )
    column: int | str | None = Field(
        default=None,
        description="Column in the last axis of `tensor`: its number from 0, or its name in the model's card. Default: "
        "the whole tensor.",
        examples=["age", 0],
    )
    operator: Literal["text"] | OperatorText = Field(
        description="What happens to the value: `drop`, `redact`, `replace`, `mask`, `mask:4`, `hash`, `token`, `ff1`, "
        "`surrogate`, `shift-date:30`, `bucket:10`, `noise:5`, `truncate:3` or `keep`. `text`, for queries and forms "
        "only, searches the value as free text.",
        examples=["hash", "bucket:10"],
    )
    entity: str = Field(
        default=FIELD,
        pattern=r"^[A-Z_]{2,40}$",
        description="What the value is. With `PERSON`, `replace` makes `<PERSON>` of it, and `surrogate` another "
        "person's name.",
        examples=["PERSON"],
    )
    data_class: Name | None = Field(
        default=None,
        description="Data class that policies find in `context.data_classes` when the field occurs. Default: none.",
        examples=["health"],
    )

    @model_validator(mode="after")
    def _one_place(self) -> PrivacyField:
        places = [name for name in ("pointer", "query", "form", "tensor") if getattr(self, name) is not None]
        if len(places) != 1 or (self.column is not None and self.tensor is None):
            raise ValueError("a field is in one place: a pointer, a query, a form, or a tensor with or without column")
        if self.pointer == "":
            raise ValueError("a pointer to the whole document is not a field")
        if self.operator == FREE_TEXT and self.query is None and self.form is None:
            raise ValueError("the operator 'text' is for queries and forms; bodies and tensors have [[privacy.text]]")
        return self


class TextSettings(Section):
    """Free text of one route: personal data in it is found and changed.

    BYTES tensors of an inference request are searched too.
    """

    route: str = Field(
        description="Route whose texts are searched, as its path or template. A route that does not exist stops the "
        "start.",
        examples=["/v2/models/{model}/infer"],
    )
    model: Name | None = Field(
        default=None,
        description="Model whose requests this section is for. Default: all models without a section of their own.",
        examples=["redactor"],
    )
    pointers: tuple[PathText, ...] = Field(
        default=("",),
        description="Places in the JSON body below which all strings are searched (JSON Pointer or JSONPath). The "
        "default, an empty pointer, is the whole body.",
        examples=[["/inputs/*/data", "$..note"]],
    )
    tagger: bool = Field(
        default=False,
        description="Find persons, places, organisations and addresses too, with the tagger. It is slower than the "
        "patterns, and runs in a thread.",
        examples=[True],
    )
    threshold: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Least confidence of a finding, from 0 to 1. A lower value finds more, and more that is not "
        "personal data.",
        examples=[0.7],
    )
    profile: dict[str, OperatorText] = Field(
        default_factory=dict,
        description="Operator for each entity, and as `default` for all others. Without it, each finding is replaced "
        "by its kind: `Ada Lovelace` becomes `<PERSON>`.",
        examples=[{"PERSON": "surrogate", "CREDIT_CARD": "mask:4", "default": "replace"}],
    )
    classes: dict[str, Name] = Field(
        default_factory=dict,
        description="Data class for each entity. Policies find it in `context.data_classes` when the entity is found.",
        examples=[{"MEDICAL_RECORD_NUMBER": "health"}],
    )
    scope: ScopeText | None = Field(
        default=None,
        description="Scope of keyed operators on this route. Default: the one in [privacy].",
        examples=["ward-7/{purpose}/{year}"],
    )
    subject: PathText | None = Field(
        default=None,
        description="Place in the body that says whose data it is; dates of one subject are shifted by the same days. "
        "A body without exactly one such text or number is refused. Default: all bodies are one subject's.",
        examples=["/parameters/patient"],
    )
    replies: bool = Field(
        default=False,
        description="Search answers too: JSON, tensors, text and streams of text. A route whose signature says that "
        "it answers anything else stops the start; an answer whose type only shows when it is made is not sent (502). "
        "Images need `[[privacy.images]]` with `applies_to`.",
        examples=[True],
    )
    reply_pointers: tuple[PathText, ...] = Field(
        default=(),
        description="Places in a JSON answer below which all strings are searched. Default: the whole answer.",
        examples=[["/answer"]],
    )


class ImageSettings(Section):
    """Images (JPEG, PNG, WebP) of one route, uploaded or in answers: metadata is removed, the orientation is kept.

    An image that cannot be read whole is refused. Other image formats are refused.
    """

    route: str = Field(
        description="Route whose images are cleaned, as its path. A route that does not exist stops the start.",
        examples=["/classify"],
    )
    applies_to: Literal["requests", "replies", "both"] = Field(
        default="requests",
        description="Clean images in `requests`, in `replies`, or in `both`. An image in a reply that cannot be "
        "cleaned, or that `faces` refuses, is not sent (502).",
        examples=["replies"],
    )
    form: tuple[str, ...] = Field(
        default=(),
        description="Form fields that must be images. Default: each file that is an image, and a body that is one.",
        examples=[["picture"]],
    )
    faces: Literal["keep", "blur", "refuse"] = Field(
        default="keep",
        description="What happens to faces: `keep` does not look for them, `blur` covers them, `refuse` refuses the "
        "image.",
        examples=["blur"],
    )
    max_pixels: int = Field(
        default=50_000_000,
        ge=1,
        le=89_000_000,
        description="Most pixels of an image (width times height). A larger one answers 413, before it is decoded.",
        examples=[20_000_000],
    )
    data_class: Name | None = Field(
        default=None,
        description="Data class that policies find in `context.data_classes` when an image shows a face.",
        examples=["biometric"],
    )


class PrivacySettings(Section):
    """Personal data: declared fields, free text, images, and profiles that policies ask for."""

    hash_key: str | None = Field(
        default=None,
        description="URI (`file:` or `env:`) of the secret from which the keys of `hash`, `token`, `ff1`, `surrogate`, "
        "`shift-date` and `noise` are derived. Without it, a setting that uses one of these stops the start.",
        examples=["file:state/keys/privacy-hash.key"],
    )
    scope: ScopeText = Field(
        default="",
        description="Equal values get equal results only under one scope. `{purpose}`, `{caller}`, `{year}` and "
        "`{month}` are filled in for each request. Default: one scope for everything.",
        examples=["ward-7/{purpose}/{year}"],
    )
    reveal: bool = Field(
        default=False,
        description="Add the route `POST /governance/reveal`, which turns tokens back into values for callers whose "
        "policies permit the action `reveal`. Needs `hash_key`.",
        examples=[True],
    )
    tagger: Path | None = Field(
        default=None,
        description="Sealed artifact named `pii-tagger`, opened as [artifacts] says. Default: the tagger in this "
        "package.",
        examples=["state/pii-tagger.sealed"],
    )
    fields: tuple[PrivacyField, ...] = Field(
        default=(), description="Declared fields; each is one `[[privacy.fields]]`."
    )
    text: tuple[TextSettings, ...] = Field(
        default=(), description="Free text; one `[[privacy.text]]` for each route, or for each model of it."
    )
    images: tuple[ImageSettings, ...] = Field(
        default=(), description="Uploaded images; one `[[privacy.images]]` for each route."
    )
    profiles: dict[Name, tuple[PrivacyField, ...]] = Field(
        default_factory=dict,
        description='Further declared fields, by the name that a policy gives in `@anonymize("NAME")`; each is one '
        "`[[privacy.profiles.NAME]]`. They are changed before the service's own fields. A policy that names an unknown "
        "profile is refused.",
    )

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
