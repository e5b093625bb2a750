"""From settings and cards to plans: what is changed on which route, for which model, under which profiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

from governance.contract.routes import Route
from governance.errors import ConfigurationError, ForbiddenError
from governance.plugins.privacy.replies import can_change
from governance.plugins.privacy.tagger import open_tagger
from governance.privacy.change.context import Context
from governance.privacy.change.operators import FREE_TEXT, Operator
from governance.privacy.change.scope import PseudonymScope
from governance.privacy.change.text import AnonymizationProfile, TextAnonymizer
from governance.privacy.find.detect import Detectors
from governance.privacy.pictures.faces import Faces
from governance.privacy.pictures.images import ImageRules
from governance.privacy.request.card_rules import CardRules
from governance.privacy.request.fields import FieldRule
from governance.privacy.request.forms import NamedRule
from governance.privacy.request.paths import EVERYWHERE, DocumentPath, parse_path
from governance.privacy.request.plan import FreeText, RequestPlan
from governance.privacy.request.tensors import TensorColumn
from governance.settings import ImageSettings, PrivacyField, Settings, TextSettings

MAX_PLANS = 4096
INFER = "/v2/models/{model}/infer"
# Routes of the Open Inference Protocol.
PROTOCOL = "/v2/"


class Plans:
    """All plans of one service, made at the first request that needs one.

    Args:
        settings: the service's settings.
        scope: the scope of the settings, for texts without one of their own.

    Raises:
        ConfigurationError: if the settings would leave personal data unchanged.
    """

    def __init__(self, settings: Settings, scope: PseudonymScope) -> None:
        _verify(settings)
        self._settings, self._scope = settings, scope
        self._cards: dict[str, CardRules] = {}
        self._plans: dict[tuple[str, str | None, tuple[str, ...]], RequestPlan] = {}

    def open(self, key: bytes | None) -> None:
        """Compile the rules for images and free text.

        Args:
            key: the key for hashes and tokens, if the settings name one.
        """
        self._key, self._plans = key, {}
        self._tagger = cache(partial(open_tagger, self._settings))
        images = self._settings.privacy.images
        self._images = {image.route: _image_rules(image) for image in images if image.applies_to != "replies"}
        self._reply_images = {image.route: _image_rules(image) for image in images if image.applies_to != "requests"}
        self._texts = {
            (_without_version(text.route), text.model): self._free_text(text) for text in self._settings.privacy.text
        }

    def add_model(self, name: str, card: CardRules) -> None:
        """Use the rules of a model's signed card.

        Raises:
            ConfigurationError: if the settings contradict the card, or leave its personal data on a route unchanged.
        """
        self._cards[name], self._plans = card, {}
        plan = self.plan(INFER, name)
        card.verify(name, plan.columns, free_text=plan.text is not None)
        if not any(feature.operator != "keep" for feature in card.features):
            return
        for route in self._settings.routes:
            if name in (route.model, *route.models) and self.plan(route.path, name).is_empty:
                raise ConfigurationError(
                    f"the card of '{name}' declares personal data, and [privacy] has nothing for {route.path}"
                )

    def plan(self, template: str, model: str | None, profiles: tuple[str, ...] = ()) -> RequestPlan:
        """Return the plan of a route for one model.

        Args:
            template: the route's template; its version does not matter.
            model: the requested model.
            profiles: profiles of anonymization that the policy demands; their rules come before the settings' own.

        Raises:
            ForbiddenError: if a profile has no rule for the route.
            ConfigurationError: if the model's card does not have a column that the settings name.
        """
        template = _without_version(template)
        model = model if model in self._cards else None
        key = template, model, profiles
        if key not in self._plans:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[key] = self._made(template, model, profiles)
        return self._plans[key]

    def _made(self, template: str, model: str | None, profiles: tuple[str, ...]) -> RequestPlan:
        privacy = self._settings.privacy
        fields: list[PrivacyField] = []
        for name in profiles:
            asked = _fields_of(privacy.profiles[name], template, model)
            if not asked:
                raise ForbiddenError("the policy asks for a profile of anonymization that has no rule for this route")
            fields += asked
        fields += _fields_of(privacy.fields, template, model)
        return RequestPlan(
            tuple(
                FieldRule.parse(f.pointer, f.operator, f.data_class, f.entity) for f in fields if f.pointer is not None
            ),
            tuple(self._columns(fields, model)),
            self._texts.get((template, model)) or self._texts.get((template, None)),
            tuple(NamedRule.parse(f.query, f.operator, f.data_class, f.entity) for f in fields if f.query is not None),
            tuple(NamedRule.parse(f.form, f.operator, f.data_class, f.entity) for f in fields if f.form is not None),
            self._images.get(template),
            self._reply_images.get(template),
            non_finite=template.startswith(PROTOCOL),
        )

    def verify_reply(self, route: Route) -> None:
        """Refuse a route whose replies cannot be changed as declared, as far as its signature says what they are.

        Raises:
            ConfigurationError: with the route, the type of its replies, and what to do.
        """
        plan = self.plan(route.template, None)
        if route.reply_type is None or not plan.changes_replies or can_change(route.reply_type, plan, route.stream):
            return
        section = "[[privacy.text]] with replies = true" if plan.text is not None else "[[privacy.images]]"
        raise ConfigurationError(
            f"{route.method} {route.template} answers {route.reply_type}, which cannot be searched for personal data "
            f"as {section} asks: {_remedy(route.reply_type)}"
        )

    def _columns(self, fields: Sequence[PrivacyField], model: str | None) -> Sequence[TensorColumn]:
        """Return the declared columns, each with the first rule that names it.

        Raises:
            ConfigurationError: if the model's card gives no column such a name.
        """
        card = self._cards.get(model or "")
        columns: dict[tuple[str, int | None], TensorColumn] = {}
        for field in fields:
            if field.tensor is None:
                continue
            number = None
            if field.column is not None:
                number = card.number_of(field.tensor, field.column) if card is not None else None
                if number is None:
                    raise ConfigurationError(f"no card names a column '{field.column}' of the tensor '{field.tensor}'")
            column = TensorColumn(field.tensor, number, Operator.parse(field.operator), field.data_class, field.entity)
            columns.setdefault((field.tensor, number), column)
        return list(columns.values())

    def _free_text(self, text: TextSettings) -> FreeText:
        tagger = self._tagger() if text.tagger else None
        return FreeText(
            paths=tuple(parse_path(pointer) for pointer in text.pointers),
            anonymizer=TextAnonymizer(
                Detectors(tagger, text.threshold), AnonymizationProfile.parse(text.profile), Context(self._key)
            ),
            classes=text.classes,
            scope=self._scope if text.scope is None else PseudonymScope.parse(text.scope),
            subject=parse_path(text.subject) if text.subject is not None else None,
            is_slow=text.tagger,
            reply_paths=_reply_paths(text) if text.replies else (),
        )


def _verify(settings: Settings) -> None:
    """Refuse settings that would leave personal data unchanged.

    Raises:
        ConfigurationError: with the route, and what it needs.
    """
    privacy = settings.privacy
    texts, images = {text.route for text in privacy.text}, {image.route for image in privacy.images}
    for field in (*privacy.fields, *(field for fields in privacy.profiles.values() for field in fields)):
        if field.operator == FREE_TEXT:
            if field.route not in texts:
                raise ConfigurationError(f"[privacy] the free text of {field.route} needs a [[privacy.text]] of it")
        elif Operator.parse(field.operator).needs_key and privacy.hash_key is None:
            raise ConfigurationError(
                f"[privacy] a field of {field.route} has a keyed operator, and there is no hash_key"
            )
    for route in settings.routes:
        if route.path in images and route.fetch_hosts:
            raise ConfigurationError(
                f"[[privacy.images]] of {route.path}: what is fetched from a URL is not looked into"
            )


def _remedy(reply_type: str) -> str:
    """Return what makes a route's replies searchable."""
    if reply_type.startswith("image/"):
        return 'add [[privacy.images]] of this route with applies_to = "replies", or remove the section\'s replies'
    return (
        "return JSON or text (a file of text is Annotated[Path, ContentType('text/csv')]), or let the section not "
        "apply to replies"
    )


def _image_rules(image: ImageSettings) -> ImageRules:
    finder = None if image.faces == "keep" else Faces()
    return ImageRules(frozenset(image.form), image.faces, image.max_pixels, image.data_class, finder)


def _reply_paths(text: TextSettings) -> tuple[DocumentPath, ...]:
    """Return where an answer has free text: everywhere, or under `/v2` only in the tensors' data."""
    if text.reply_pointers:
        return tuple(parse_path(pointer) for pointer in text.reply_pointers)
    return (parse_path("/outputs/*/data"),) if text.route.startswith(PROTOCOL) else (EVERYWHERE,)


def _fields_of(fields: Sequence[PrivacyField], template: str, model: str | None) -> list[PrivacyField]:
    return [field for field in fields if _without_version(field.route) == template and field.model in (None, model)]


def _without_version(template: str) -> str:
    """Return the template without a version: the rules of a model hold for all its versions."""
    return template.replace("/versions/{version}", "")
