"""Changing a reply: the free text in its JSON or text, its image, or its stream while it is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from email.message import Message
from functools import partial

from governance.contract.exchange import Exchange, Reply, StreamedReply
from governance.errors import (
    ApplicationError,
    ApplicationRefusedError,
    BadRequestError,
    RefusedError,
    UnsearchableReplyError,
)
from governance.plugins.privacy.requests import BINARY_TYPE, HEAD_LENGTH, caller_of, media_type_of_fields
from governance.privacy.change.context import Context
from governance.privacy.change.text import TextAnonymizer
from governance.privacy.pictures.images import clean_body
from governance.privacy.redactions import ReplyFindings
from governance.privacy.request.plan import FreeText, RequestPlan
from governance.privacy.request.stream import StreamUnits, units_of
from governance.privacy.request.text_body import BodyKind, change_text_body, is_plain_text, kind_of

# A part of a text, or a compressed one, cannot be searched: the application gets no wish for either.
NOT_ASKED_FOR = frozenset({b"accept-encoding", b"range", b"if-range"})
LINES = (BodyKind.JSON_LINES, BodyKind.EVENTS)
TEXTS = (BodyKind.TEXT, BodyKind.MARKUP, BodyKind.FOLDED)
MAX_SHOWN_TYPE = 64
AnyError = ApplicationError | ApplicationRefusedError
Changed = tuple[tuple[bytes, ...], Mapping[str, int]]


def can_change(media_type: str, plan: RequestPlan, is_stream: bool) -> bool:
    """Return whether replies of a media type can be changed as a plan says.

    Args:
        media_type: lower case and without parameters.
        plan: the plan of the route.
        is_stream: whether the replies are streams.
    """
    kind = kind_of(media_type)
    if kind is BodyKind.IMAGE:
        return plan.reply_images is not None and not is_stream
    if is_stream:
        return kind in (*LINES, BodyKind.TEXT, BodyKind.MARKUP)
    return kind is not None


def ask_for_whole_text(exchange: Exchange) -> None:
    """Remove the request's header fields that ask for a part of the answer, or for a compressed one."""
    if any(name in NOT_ASKED_FOR for name, _ in exchange.headers):
        exchange.headers = [field for field in exchange.headers if field[0] not in NOT_ASKED_FOR]


async def change_reply(exchange: Exchange, reply: Reply, plan: RequestPlan, context: Context) -> Reply:
    """Change personal data in a reply, and put `ReplyFindings`.

    Args:
        exchange: the request.
        reply: its reply; a stream is changed while it is sent.
        plan: where and how free text and images are changed.
        context: key and scope of hashes and tokens.

    Raises:
        UnsearchableReplyError: if the reply cannot be searched; nothing of it is sent.
    """
    media_type = media_type_of_fields(reply.headers)
    if any(name == b"content-encoding" and value.lower() != b"identity" for name, value in reply.headers):
        raise UnsearchableReplyError("the answer must be searched for personal data, and is compressed")
    if isinstance(reply, StreamedReply):
        return _change_stream(exchange, reply, plan, context, media_type)
    body = b"".join(reply.body)
    if not body:
        return reply
    is_oip = exchange.route.server == "oip"
    if is_oip and media_type in ("application/json", BINARY_TYPE):
        kind: BodyKind | None = BodyKind.JSON
    elif can_change(media_type, plan, is_stream=False):
        kind = kind_of(media_type)
    else:
        raise _not_searchable(media_type)
    is_slow = kind is BodyKind.IMAGE or (plan.text is not None and plan.text.is_slow)
    try:
        pieces, entities = await caller_of(is_slow)(partial(_changed, reply, body, kind, plan, context))
    except RefusedError as error:
        raise UnsearchableReplyError(f"the answer must be searched for personal data, and cannot be: {error}") from None
    exchange.put(ReplyFindings(entities))
    return Reply(reply.status, _headers_of(reply, kind, pieces), pieces)


async def change_sentence(exchange: Exchange, error: AnyError, plan: RequestPlan, context: Context) -> AnyError:
    """Return an error of the service's own code with the personal data in its sentence changed.

    Args:
        exchange: the request.
        error: the error; its sentence is the application's.
        plan: where and how free text is changed.
        context: key and scope of hashes and tokens.
    """
    text = plan.text
    if text is None or not text.reply_paths:
        return error
    (changed,) = await caller_of(text.is_slow)(text.anonymizer.within(context).anonymize, [str(error)])
    if exchange.get(ReplyFindings) is None:
        exchange.put(ReplyFindings(changed.counts))
    return type(error)(changed.text, status=error.status, headers=error.headers)


def _changed(reply: Reply, body: bytes, kind: BodyKind | None, plan: RequestPlan, context: Context) -> Changed:
    """Return the pieces of the changed body, and what was found."""
    if kind is BodyKind.IMAGE and plan.reply_images is not None:
        image, redactions = clean_body(body, plan.reply_images)
        return (image,), redactions.entities
    text = plan.text
    if text is None or not text.reply_paths:
        return (body,), {}
    if kind is BodyKind.JSON:
        return _changed_json(reply, body, text, plan.non_finite, context)
    found = Counter[str]()
    anonymizer = text.anonymizer.within(context, found)
    if kind in LINES:
        return (_changed_lines(body, media_type_of_fields(reply.headers), anonymizer, text),), found
    return (change_text_body(body, kind or BodyKind.TEXT, _charset(reply), anonymizer),), found


def _changed_lines(body: bytes, media_type: str, anonymizer: TextAnonymizer, text: FreeText) -> bytes:
    units = units_of(media_type, anonymizer, text.reply_paths)
    if units is None:
        raise _not_searchable(media_type)
    try:
        return units.feed(body, last=True)
    except RuntimeError as error:
        raise UnsearchableReplyError(str(error)) from None


def _changed_json(reply: Reply, body: bytes, text: FreeText, non_finite: bool, context: Context) -> Changed:
    length = next((value for name, value in reply.headers if name == HEAD_LENGTH), None)
    size = int(length) if length is not None else len(body)
    text_of_reply, view = replace(text, paths=text.reply_paths, subject=None), memoryview(body)
    plan = RequestPlan(text=text_of_reply, non_finite=non_finite)
    try:
        changed = plan.change(view[:size], view[size:], context)
    except BadRequestError:
        if length is not None or not is_plain_text(body):
            raise
        # BentoML calls every text JSON that a function without an annotation returns.
        found = Counter[str]()
        return (change_text_body(body, BodyKind.TEXT, "", text.anonymizer.within(context, found)),), found
    return (changed.head, changed.tail) if length is not None else (changed.head,), changed.redactions.entities


def _headers_of(reply: Reply, kind: BodyKind | None, pieces: tuple[bytes, ...]) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header fields of a changed reply: the length of its JSON part, and the charset that it has now."""
    changed = {HEAD_LENGTH: str(len(pieces[0])).encode()}
    if kind in TEXTS and _charset(reply):
        changed[b"content-type"] = f"{media_type_of_fields(reply.headers)}; charset=utf-8".encode()
    return tuple((name, changed.get(name, value)) for name, value in reply.headers)


def _charset(reply: Reply) -> str:
    """Return the charset of a reply's Content-Type, or an empty text."""
    value = next((value for name, value in reply.headers if name == b"content-type"), b"")
    fields = Message()
    fields["content-type"] = value.decode("latin-1")
    return fields.get_content_charset("")


def _not_searchable(media_type: str) -> UnsearchableReplyError:
    shown = media_type[:MAX_SHOWN_TYPE] if media_type.isprintable() and media_type else "of no type"
    return UnsearchableReplyError(
        f"the answer ({shown}) must be searched for personal data, and this type cannot be: the operator of the "
        "service changes its answer or its settings"
    )


def _change_stream(
    exchange: Exchange, reply: StreamedReply, plan: RequestPlan, context: Context, media_type: str
) -> StreamedReply:
    if not can_change(media_type, plan, is_stream=True):
        raise _not_searchable(media_type)
    text = plan.text
    if text is None or not text.reply_paths:
        return reply
    if _charset(reply) not in ("", "utf-8", "us-ascii"):
        raise UnsearchableReplyError("the streamed answer must be searched for personal data, and is not UTF-8")
    tally = Counter[str]()
    exchange.put(ReplyFindings(tally))
    units = units_of(media_type, text.anonymizer.within(context, tally), text.reply_paths)
    if units is None:
        raise _not_searchable(media_type)
    return reply.through(partial(_in_units, units=units, is_slow=text.is_slow))


async def _in_units(
    pieces: AsyncGenerator[bytes, None], units: StreamUnits, is_slow: bool
) -> AsyncGenerator[bytes, None]:
    """Anonymize a stream; text that is held back is sent at its end, and dropped if the stream ends early."""
    call = caller_of(is_slow)
    async with aclosing(pieces):
        async for piece in pieces:
            ready = await call(partial(units.feed, last=False), piece)
            if ready:
                yield ready
    ready = await call(partial(units.feed, last=True), b"")
    if ready:
        yield ready
