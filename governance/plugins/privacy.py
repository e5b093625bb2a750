"""Privacy: changes declared fields before model, log or metric can hold them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from governance.access.verdict import Decision
from governance.canonical import parse_json, pointer_segments
from governance.errors import BadRequestError, ConfigurationError, ForbiddenError, UnsupportedMediaTypeError
from governance.exchange import Exchange, Proceed, Reply
from governance.keys import open_secret
from governance.privacy.detect import Detectors
from governance.privacy.leaves import change_text
from governance.privacy.operators import operators
from governance.privacy.records import Redactions, Rule, redact_json, render_json
from governance.privacy.text import Profile, TextAnonymizer
from governance.privacy.transform import Context
from governance.settings import PrivacyField, Settings, TextSettings

HEAD_LENGTH = b"inference-header-content-length"
JSON_TYPES = frozenset({"", "application/json"})
BINARY_TYPE = "application/octet-stream"


class PrivacyPlugin:
    """Gives Redactions on routes with declared fields; on all others the body is not even read.

    A body that cannot be searched for its declared fields is refused.
    """

    name = "privacy"
    needs: frozenset[type] = frozenset()
    gives: frozenset[type] = frozenset({Redactions})

    def __init__(self, settings: Settings) -> None:
        privacy = settings.privacy
        self._hash_key = privacy.hash_key
        self._rules = _rules(privacy.fields, privacy.hash_key)
        self._text = {_without_version(text.route): text for text in privacy.text}
        self._pointers = {route: [pointer_segments(p) for p in text.pointers] for route, text in self._text.items()}
        self._anonymizers: dict[str, TextAnonymizer] = {}
        self._profiles = {name: _rules(fields, privacy.hash_key) for name, fields in privacy.profiles.items()}

    async def open(self) -> None:
        key = open_secret(self._hash_key) if self._hash_key is not None else None
        self._operators = operators(key)
        self._anonymizers = {route: _anonymizer(text, key) for route, text in self._text.items()}

    async def close(self) -> None:
        """Nothing is held open."""

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        if exchange.route.content_types:
            template = _without_version(exchange.route.template)
            rules = [*self._obliged(exchange, template), *self._rules.get(template, ())]
            if rules or template in self._anonymizers:
                await self._redact(exchange, rules, template)
        reply = await proceed(exchange)
        text = self._text.get(_without_version(exchange.route.template))
        return reply if text is None or not text.replies else await self._redact_reply(reply, text)

    async def _change_text(self, body: bytes | memoryview, text: TextSettings) -> tuple[bytes, dict[str, int]]:
        """Return a JSON document with its texts changed, and how many findings of each entity there were."""
        document = parse_json(body)
        template = _without_version(text.route)
        pointers, anonymize = self._pointers[template], self._anonymizers[template].anonymize
        # The tagger takes longer than the event loop may wait.
        if text.tagger:
            document, found = await asyncio.to_thread(change_text, document, pointers, anonymize)
        else:
            document, found = change_text(document, pointers, anonymize)
        return (render_json(document) if found else bytes(body)), found

    async def _redact_reply(self, reply: Reply, text: TextSettings) -> Reply:
        media_type = next((value for name, value in reply.headers if name == b"content-type"), b"")
        if media_type.split(b";", 1)[0].strip().lower() != b"application/json":
            raise RuntimeError("an answer that is to be anonymized is no JSON")
        body, _ = await self._change_text(b"".join(reply.body), text)
        return Reply(reply.status, reply.headers, (body,))

    def _obliged(self, exchange: Exchange, template: str) -> list[Rule]:
        """Return the rules of the profiles that the policy's permit asks for; they come before the service's own."""
        decision = exchange.find(Decision)
        profiles = decision.verdict.obligations.anonymize if decision is not None else ()
        if not all(template in self._profiles[profile] for profile in profiles):
            raise ForbiddenError("the policy asks for a profile of anonymization that has no rule for this route")
        return [rule for profile in profiles for rule in self._profiles[profile][template]]

    async def _redact(self, exchange: Exchange, rules: Sequence[Rule], template: str) -> None:
        body = await exchange.read_body()
        head, tail = _split(exchange, body)
        if tail and any(rule.segments[0] == "inputs" for rule in rules):
            raise BadRequestError("inputs are declared as personal data here: send them as JSON, not as binary tensors")
        redacted, redactions = redact_json(head, rules, self._operators)
        text = self._text.get(template)
        if text is not None:
            redacted, found = await self._change_text(redacted, text)
            if tail and b'"BYTES"' in redacted:
                raise BadRequestError("texts are anonymized here: send them as JSON, not as binary tensors")
            classes = {text.classes[entity] for entity in found if entity in text.classes}
            redactions = Redactions(redactions.counts, redactions.classes | classes, found)
        exchange.give(redactions)
        if redactions.counts or redactions.entities:
            exchange.body = b"".join((redacted, tail))
            _tell_length(exchange, len(redacted))
        decision = exchange.find(Decision)
        if decision is not None and redactions.classes:
            before = decision.verdict.obligations.anonymize
            decision.data_found(redactions.classes)
            if set(decision.verdict.obligations.anonymize) - set(before):
                raise ForbiddenError("the policy asks for more anonymization of such data than was done")


def _anonymizer(text: TextSettings, key: bytes | None) -> TextAnonymizer:
    tagger = None
    if text.tagger:
        from governance.privacy.tagger import shipped_tagger

        tagger = shipped_tagger().find
    detectors = Detectors(tagger, text.threshold)
    return TextAnonymizer(detectors, Profile.parse(text.profile), Context(key, text.scope))


def _rules(fields: Sequence[PrivacyField], hash_key: str | None) -> dict[str, list[Rule]]:
    """Return the rules by route."""
    rules: dict[str, list[Rule]] = {}
    for field in fields:
        if field.operator == "hash" and hash_key is None:
            raise ConfigurationError(f"[privacy] the field {field.pointer} is hashed, and there is no hash_key")
        rule = Rule.parse(field.pointer, field.operator, field.data_class)
        rules.setdefault(_without_version(field.route), []).append(rule)
    return rules


def _without_version(template: str) -> str:
    """A model is the same one with and without its version in the path, so its fields are too."""
    return template.replace("/versions/{version}", "")


def _split(exchange: Exchange, body: bytes) -> tuple[memoryview, memoryview]:
    view = memoryview(body)
    media_type = (exchange.header(b"content-type") or "").split(";", 1)[0].strip().lower()
    length = exchange.header(HEAD_LENGTH) if exchange.route.server == "oip" else None
    if length is not None and (media_type in JSON_TYPES or media_type == BINARY_TYPE):
        if not (length.isascii() and length.isdigit() and len(length) < 12) or int(length) > len(body):
            raise BadRequestError("Inference-Header-Content-Length is not the length of the JSON part")
        return view[: int(length)], view[int(length) :]
    if media_type not in JSON_TYPES and not (exchange.route.server == "oip" and media_type == BINARY_TYPE):
        raise UnsupportedMediaTypeError("this route has declared personal data, and takes application/json alone")
    return view, view[:0]


def _tell_length(exchange: Exchange, length: int) -> None:
    """The JSON part has another length now."""
    value = str(length).encode()
    exchange.headers = [(name, value if name == HEAD_LENGTH else old) for name, old in exchange.headers]
