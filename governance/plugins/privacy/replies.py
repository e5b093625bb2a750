"""Changing a reply: the free text in its JSON, or in its stream while it is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from governance.contract.exchange import Exchange, Reply, StreamedReply
from governance.plugins.privacy.requests import BINARY_TYPE, HEAD_LENGTH, JSON_TYPES, caller_of, media_type_of_fields
from governance.privacy.change.context import Context
from governance.privacy.redactions import ReplyFindings
from governance.privacy.request.plan import ChangedBody, FreeText, RequestPlan
from governance.privacy.request.stream import StreamUnits, units_of


async def change_reply(exchange: Exchange, reply: Reply, text: FreeText, context: Context) -> Reply:
    """Change personal data in a reply, and put `ReplyFindings`.

    Args:
        exchange: the request.
        reply: its reply; a stream is changed while it is sent.
        text: where and how free text is changed.
        context: key and scope of hashes and tokens.

    Raises:
        RuntimeError: if the reply cannot be searched; the caller gets 500 and no detail.
    """
    media_type = media_type_of_fields(reply.headers)
    if isinstance(reply, StreamedReply):
        return _change_stream(exchange, reply, text, context, media_type)
    body = b"".join(reply.body)
    if media_type not in (*JSON_TYPES, BINARY_TYPE) or not media_type:
        raise RuntimeError("an answer that is to be anonymized is not JSON")
    length = next((value for name, value in reply.headers if name == HEAD_LENGTH), None)
    size = int(length) if length is not None else len(body)
    plan = RequestPlan(text=replace(text, paths=text.reply_paths, subject=None))
    changed: ChangedBody = await caller_of(text.is_slow)(
        plan.change, memoryview(body)[:size], memoryview(body)[size:], context
    )
    exchange.put(ReplyFindings(changed.redactions.entities))
    headers = tuple((n, str(len(changed.head)).encode() if n == HEAD_LENGTH else v) for n, v in reply.headers)
    return Reply(reply.status, headers, (changed.head, changed.tail) if length is not None else (changed.head,))


def _change_stream(
    exchange: Exchange, reply: StreamedReply, text: FreeText, context: Context, media_type: str
) -> StreamedReply:
    tally = Counter[str]()
    exchange.put(ReplyFindings(tally))
    units = units_of(media_type, text.anonymizer.within(context, tally), text.reply_paths)
    if units is None:
        raise RuntimeError("a streamed answer that is to be anonymized is not text, JSON lines or event stream")
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
