"""Changing a request: its query, form, images and JSON, before the rest of the chain sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

from governance.access.policies.verdict import Decision
from governance.contract.exchange import Exchange
from governance.errors import BadRequestError, ForbiddenError, UnsupportedMediaTypeError
from governance.privacy.change.context import Context
from governance.privacy.redactions import Redactions
from governance.privacy.request.plan import ChangedBody, RequestPlan

HEAD_LENGTH = b"inference-header-content-length"
JSON_TYPES = frozenset({"", "application/json"})
BINARY_TYPE = "application/octet-stream"
Call = Callable[..., Any]
NOTHING = Redactions(MappingProxyType({}), frozenset(), MappingProxyType({}))


async def pass_unchanged(exchange: Exchange, plan: RequestPlan) -> bool:
    """Return whether a request stays as it is, and put `Redactions` then; a search in its bytes, without parsing.

    Args:
        exchange: the request.
        plan: what is changed, and how.

    Raises:
        UnsupportedMediaTypeError: if the body cannot be searched.
    """
    if not plan.fields_alone or not exchange.route.content_types:
        return False
    head, _ = _split(exchange, await exchange.read_body())
    if plan.may_hold(bytes(head)):
        return False
    exchange.put(NOTHING)
    return True


async def change_request(exchange: Exchange, plan: RequestPlan, context: Context) -> None:
    """Change personal data in a request, and put `Redactions`.

    Args:
        exchange: the request; its query and body are replaced.
        plan: what is changed, and how.
        context: key and scope of hashes and tokens.

    Raises:
        UnsupportedMediaTypeError: if the body cannot be searched.
        ForbiddenError: if the policy demands more anonymization for the classes of data that were found.
    """
    done = Redactions({})
    # The tagger and images take longer than the event loop may be blocked.
    call = caller_of((plan.text is not None and plan.text.is_slow) or plan.images is not None)
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


async def _change_json(exchange: Exchange, plan: RequestPlan, call: Call, context: Context) -> Redactions:
    if not plan.takes_json:
        raise UnsupportedMediaTypeError("this route has declared personal data, and takes no body of this type")
    head, tail = _split(exchange, await exchange.read_body())
    changed: ChangedBody = await call(plan.change, head, tail, context)
    if changed.redactions.counts or changed.redactions.entities:
        exchange.body = changed.head + changed.tail
        _set_length(exchange, len(changed.head))
    return changed.redactions


def caller_of(is_slow: bool) -> Call:
    """Return an async function that calls another one: in a thread if it is slow, else directly."""
    return asyncio.to_thread if is_slow else _directly


async def _directly(call: Callable[..., Any], *arguments: object) -> Any:
    return call(*arguments)


def _decide_again(exchange: Exchange, redactions: Redactions) -> None:
    """Let the policies decide again with the classes of data that were found."""
    decision = exchange.get(Decision)
    if decision is None or not redactions.classes:
        return
    before = decision.verdict.obligations.anonymize
    decision.data_found(redactions.classes)
    if set(decision.verdict.obligations.anonymize) - set(before):
        raise ForbiddenError("the policy asks for more anonymization of such data than was done")


def media_type_of_fields(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Return the media type of a request or reply, lower case and without parameters; empty without the field."""
    return _media_type(next((value for name, value in headers if name == b"content-type"), b"").decode("latin-1"))


def _media_type(value: str) -> str:
    return value.split(";", 1)[0].strip().lower() if value else ""


def _split(exchange: Exchange, body: bytes) -> tuple[memoryview, memoryview]:
    """Return the JSON part of a body, and the binary values behind it."""
    view = memoryview(body)
    media_type = _media_type(exchange.header(b"content-type") or "")
    is_oip = exchange.route.server == "oip"
    length = exchange.single_header(HEAD_LENGTH) if is_oip else None
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
