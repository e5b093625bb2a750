"""Privacy: changes declared fields, free text, tensors and images before model, log or metric can hold them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cache, partial
from typing import Any

from governance.access.callers.caller import Caller
from governance.access.policies.verdict import Decision
from governance.contract.exchange import Exchange, Reply, StreamedReply
from governance.contract.models import ModelLoad
from governance.contract.plugin import Plugin, Proceed
from governance.contract.routes import Route
from governance.errors import (
    BadRequestError,
    ConfigurationError,
    ForbiddenError,
    UnsupportedMediaTypeError,
)
from governance.keys import open_secret
from governance.plugins.privacy.reveal import REVEAL, RevealServer
from governance.plugins.privacy.scope import scope_of
from governance.plugins.privacy.tagger import open_tagger
from governance.privacy.change.context import Context
from governance.privacy.change.operators import Operator
from governance.privacy.change.scope import PseudonymScope
from governance.privacy.change.text import AnonymizationProfile, TextAnonymizer
from governance.privacy.find.detect import Detectors
from governance.privacy.pictures.faces import Faces
from governance.privacy.pictures.images import ImageRules
from governance.privacy.redactions import Redactions, ReplyFindings
from governance.privacy.request.card_rules import CardRules
from governance.privacy.request.fields import FieldRule
from governance.privacy.request.forms import FREE_TEXT, NamedRule
from governance.privacy.request.paths import EVERYWHERE, DocumentPath, parse_path
from governance.privacy.request.plan import ChangedBody, FreeText, RequestPlan
from governance.privacy.request.stream import StreamUnits, units_of
from governance.privacy.request.tensors import TensorColumn
from governance.settings import ImageSettings, PrivacyField, Settings, TextSettings

HEAD_LENGTH = b"inference-header-content-length"
JSON_TYPES = frozenset({"", "application/json"})
BINARY_TYPE = "application/octet-stream"
INFER = "/v2/models/{model}/infer"
MAX_PLANS = 4096


class PrivacyPlugin(Plugin):
    """Puts `Redactions` on routes with declared personal data, and `ReplyFindings` where answers are changed.

    On all other routes the body is not read. A body that cannot be searched is refused.
    """

    name = "privacy"
    uses = frozenset({Caller, Decision})
    provides = frozenset({Redactions, ReplyFindings})
    # The section of a model's card, and the obligation of a policy.
    enforces = frozenset({"privacy", "anonymize"})

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        privacy = settings.privacy
        self._settings, self._clock = settings, clock
        self._hash_key = privacy.hash_key
        _verify(settings)
        self._scope = PseudonymScope.parse(privacy.scope)
        self._reveal = RevealServer(self._scope, clock)
        self._contracts: dict[str, CardRules] = {}
        self._plans: dict[tuple[str, str | None, tuple[str, ...]], RequestPlan] = {}

    async def open(self) -> None:
        """Open the key for hashes and tokens, and compile the rules."""
        self._key = open_secret(self._hash_key) if self._hash_key is not None else None
        self._reveal.open(self._key)
        self._plans = {}
        self._tagger = cache(partial(open_tagger, self._settings))
        self._images = {image.route: _image_rules(image) for image in self._settings.privacy.images}
        self._texts = {
            (_without_version(text.route), text.model): self._free_text(text) for text in self._settings.privacy.text
        }

    def routes(self) -> Mapping[Route, Proceed]:
        """Return the route that turns tokens back, if `reveal = true`."""
        return {REVEAL: self._reveal.answer} if self._settings.privacy.reveal else {}

    def model_loaded(self, load: ModelLoad) -> None:
        """Use the rules of the model's signed card for its inputs; refuse to start if the settings contradict them."""
        contract = self._contracts[load.model] = CardRules.from_card(load.card)
        self._plans = {}
        plan = self._plan(INFER, load.model)
        contract.verify(load.model, plan.columns, free_text=plan.text is not None)
        if not any(feature.operator != "keep" for feature in contract.features):
            return
        for route in self._settings.routes:
            if load.model in (route.model, *route.models) and self._plan(route.path, load.model).is_empty:
                raise ConfigurationError(
                    f"the card of '{load.model}' declares personal data, and [privacy] has nothing for {route.path}"
                )

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Change personal data in the request, proceed, and change it in the answer.

        Raises:
            UnsupportedMediaTypeError: if the body cannot be searched.
            ForbiddenError: if the policy demands more anonymization than the settings have rules for.
        """
        plan = self._plan_of(exchange)
        if not plan.is_empty:
            await self._change_request(exchange, plan)
        reply = await proceed(exchange)
        return (
            reply if plan.text is None or not plan.text.reply_paths else await self._change_reply(exchange, reply, plan)
        )

    def _plan_of(self, exchange: Exchange) -> RequestPlan:
        """Return the plan for a request; the policy's obligations come before the service's own fields."""
        template = _without_version(exchange.route.template)
        decision = exchange.get(Decision)
        profiles = decision.verdict.obligations.anonymize if decision is not None else ()
        return self._plan(template, exchange.model, tuple(profiles))

    def _plan(self, template: str, model: str | None, profiles: tuple[str, ...] = ()) -> RequestPlan:
        model = model if model in self._contracts else None
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
        )

    def _columns(self, fields: Sequence[PrivacyField], model: str | None) -> Sequence[TensorColumn]:
        """Return the declared columns, each with the first rule that names it.

        Raises:
            ConfigurationError: if the model's card gives no column such a name.
        """
        contract = self._contracts.get(model or "")
        columns: dict[tuple[str, int | None], TensorColumn] = {}
        for field in fields:
            if field.tensor is None:
                continue
            number = None
            if field.column is not None:
                number = contract.number_of(field.tensor, field.column) if contract is not None else None
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

    def _context(self, exchange: Exchange, plan: RequestPlan) -> Context:
        scope = self._scope if plan.text is None else plan.text.scope
        return Context(self._key, scope_of(exchange, scope, self._clock()) if scope.varies else scope.text)

    async def _change_request(self, exchange: Exchange, plan: RequestPlan) -> None:
        context, done = self._context(exchange, plan), Redactions({})
        # The tagger and images take longer than the event loop may be blocked.
        is_slow = (plan.text is not None and plan.text.is_slow) or plan.images is not None
        call: Callable[..., Any] = asyncio.to_thread if is_slow else _at_once
        if plan.query:
            exchange.query, done = await call(plan.change_query, exchange.query, context)
        if plan.reads_body and exchange.route.content_types:
            body = await exchange.read_body()
            form = None
            if plan.form or plan.images:
                form = await call(plan.change_form, body, exchange.header(b"content-type") or "", context)
            if form is not None:
                exchange.body, also = form
                done += also
            else:
                done += await _change_json(exchange, plan, call, context)
        exchange.put(done)
        _decide_again(exchange, done)

    async def _change_reply(self, exchange: Exchange, reply: Reply, plan: RequestPlan) -> Reply:
        media_type = _media_type(reply.headers)
        if isinstance(reply, StreamedReply):
            return self._change_stream(exchange, reply, plan, media_type)
        body = b"".join(reply.body)
        if media_type not in (*JSON_TYPES, BINARY_TYPE) or not media_type:
            raise RuntimeError("an answer that is to be anonymized is no JSON")
        length = next((value for name, value in reply.headers if name == HEAD_LENGTH), None)
        size = int(length) if length is not None else len(body)
        only_text = (
            RequestPlan(text=replace(plan.text, paths=plan.text.reply_paths, subject=None))
            if plan.text
            else RequestPlan()
        )
        context = self._context(exchange, plan)
        call = asyncio.to_thread if plan.text is not None and plan.text.is_slow else _at_once
        changed: ChangedBody = await call(only_text.change, memoryview(body)[:size], memoryview(body)[size:], context)
        exchange.put(ReplyFindings(changed.redactions.entities))
        headers = tuple((n, str(len(changed.head)).encode() if n == HEAD_LENGTH else v) for n, v in reply.headers)
        return Reply(reply.status, headers, (changed.head, changed.tail) if length is not None else (changed.head,))

    def _change_stream(
        self, exchange: Exchange, reply: StreamedReply, plan: RequestPlan, media_type: str
    ) -> StreamedReply:
        if plan.text is None:
            return reply
        tally = Counter[str]()
        exchange.put(ReplyFindings(tally))
        anonymizer = plan.text.anonymizer.within(self._context(exchange, plan), tally)
        units = units_of(media_type, anonymizer, plan.text.reply_paths)
        if units is None:
            raise RuntimeError("a streamed answer that is to be anonymized is no text, JSON lines or event stream")
        return reply.through(partial(_in_units, units=units, is_slow=plan.text.is_slow))


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


def _image_rules(image: ImageSettings) -> ImageRules:
    finder = None if image.faces == "keep" else Faces()
    return ImageRules(frozenset(image.form), image.faces, image.max_pixels, image.data_class, finder)


async def _change_json(exchange: Exchange, plan: RequestPlan, call: Callable[..., Any], context: Context) -> Redactions:
    if not plan.takes_json:
        raise UnsupportedMediaTypeError("this route has declared personal data, and takes no body of this type")
    head, tail = _split(exchange, await exchange.read_body())
    changed: ChangedBody = await call(plan.change, head, tail, context)
    if changed.redactions.counts or changed.redactions.entities:
        exchange.body = changed.head + changed.tail
        _set_length(exchange, len(changed.head))
    return changed.redactions


async def _in_units(
    pieces: AsyncGenerator[bytes, None], units: StreamUnits, is_slow: bool
) -> AsyncGenerator[bytes, None]:
    """Anonymize a stream; text that is held back is sent at its end, and dropped if the stream ends early."""
    call: Callable[..., Any] = asyncio.to_thread if is_slow else _at_once
    async with aclosing(pieces):
        async for piece in pieces:
            ready = await call(partial(units.feed, last=False), piece)
            if ready:
                yield ready
    ready = await call(partial(units.feed, last=True), b"")
    if ready:
        yield ready


def _reply_paths(text: TextSettings) -> tuple[DocumentPath, ...]:
    """Return where an answer has free text: everywhere, or under `/v2` only in the tensors' data."""
    if text.reply_pointers:
        return tuple(parse_path(pointer) for pointer in text.reply_pointers)
    return (parse_path("/outputs/*/data"),) if text.route.startswith("/v2/") else (EVERYWHERE,)


async def _at_once(call: Callable[..., Any], *arguments: object) -> Any:
    return call(*arguments)


def _fields_of(fields: Sequence[PrivacyField], template: str, model: str | None) -> list[PrivacyField]:
    return [field for field in fields if _without_version(field.route) == template and field.model in (None, model)]


def _decide_again(exchange: Exchange, redactions: Redactions) -> None:
    """Let the policies decide again with the classes of data that were found."""
    decision = exchange.get(Decision)
    if decision is None or not redactions.classes:
        return
    before = decision.verdict.obligations.anonymize
    decision.data_found(redactions.classes)
    if set(decision.verdict.obligations.anonymize) - set(before):
        raise ForbiddenError("the policy asks for more anonymization of such data than was done")


def _without_version(template: str) -> str:
    """Return the template without a version: the rules of a model hold for all its versions."""
    return template.replace("/versions/{version}", "")


def _media_type(headers: Sequence[tuple[bytes, bytes]]) -> str:
    value = next((value for name, value in headers if name == b"content-type"), b"")
    return value.split(b";", 1)[0].strip().lower().decode("latin-1")


def _split(exchange: Exchange, body: bytes) -> tuple[memoryview, memoryview]:
    """Return the JSON part of a body, and the binary values behind it."""
    view = memoryview(body)
    media_type = _media_type(exchange.headers)
    is_oip = exchange.route.server == "oip"
    length = exchange.header(HEAD_LENGTH) if is_oip else None
    if length is not None and (media_type in JSON_TYPES or media_type == BINARY_TYPE):
        if not (length.isascii() and length.isdigit() and len(length) < 12) or int(length) > len(body):
            raise BadRequestError("Inference-Header-Content-Length is not the length of the JSON part")
        return view[: int(length)], view[int(length) :]
    if media_type not in JSON_TYPES and not (is_oip and media_type == BINARY_TYPE):
        raise UnsupportedMediaTypeError("this route has declared personal data, and takes application/json alone")
    return view, view[:0]


def _set_length(exchange: Exchange, length: int) -> None:
    """Set the header field of the JSON part's length to its new length."""
    value = str(length).encode()
    exchange.headers = [(name, value if name == HEAD_LENGTH else old) for name, old in exchange.headers]
