"""The application behind the gate: pass a request on, collect or stream its answer, translate its errors."""

from __future__ import annotations

import json

from governance.contract.exchange import Exchange, Reply, StreamedReply
from governance.contract.plugin import Proceed
from governance.errors import ApplicationError, ApplicationRefusedError
from governance.gate.app_collect import CollectedAnswer
from governance.gate.app_stream import AppStream
from governance.gate.asgi import AsgiApp, Headers
from governance.gate.background import Background
from governance.gate.errors import phrase_of
from governance.gate.uploads import verify_files

# What an application may answer besides 4xx as an error of its own; 500 is always without detail.
PASSED_ON = frozenset({501, 502, 503, 504})
# Header fields of an application's error answer that the caller gets.
ERROR_FIELDS = frozenset({b"retry-after", b"www-authenticate", b"allow"})
MAX_ERROR_CHARACTERS = 500
# The service's own code must not see the credential, nor a length or coding that the body no longer has.
NOT_PASSED_ON = frozenset(
    {b"authorization", b"proxy-authorization", b"cookie", b"content-length", b"transfer-encoding", b"content-encoding"}
)


def behind(app: AsgiApp, max_reply_bytes: int, background: Background, hide_errors: bool = False) -> Proceed:
    """Return a server that passes requests to the ASGI application behind the gate and collects the whole answer.

    The audit entry commits to every byte of the answer and is written before the first byte is sent, so the answer is
    collected first. On a route that streams, the first entry records the decision, and a second one commits to the
    answer. An answer is complete with its last message: what the application does after it continues in the background.

    Args:
        app: the application behind the gate.
        max_reply_bytes: a longer answer becomes an error.
        background: owns applications that run on after their answer.
        hide_errors: replace the sentences of the application's error answers by the status' phrase.
    """

    async def proceed(exchange: Exchange) -> Reply:
        scope, receive = exchange.context
        route = exchange.route
        body = await exchange.read_body() if route.content_types else b""
        if route.file_fields:
            verify_files(body, exchange.header(b"content-type") or "", route.file_fields, route.fetch_hosts)
        headers = [field for field in exchange.headers if field[0] not in NOT_PASSED_ON]
        headers.append((b"content-length", str(len(body)).encode()))
        scope = {**scope, "headers": headers, "query_string": exchange.query}
        if route.stream:
            stream = AppStream(app, scope, body, receive, max_reply_bytes, background)
            return await _streamed(exchange, stream, hide_errors)
        answer = CollectedAnswer(app, scope, body, receive, max_reply_bytes)
        status, headers_of_answer, content = await answer.complete(background)
        if status >= 400:
            raise application_error(status, headers_of_answer, content, hide=hide_errors)
        return Reply(status, without_length(headers_of_answer), (content,))

    return proceed


async def _streamed(exchange: Exchange, stream: AppStream, hide_errors: bool) -> Reply:
    """Return an answer that is still being produced; an error answer is collected and translated, as elsewhere."""
    exchange.at_end.append(stream.close)
    status, headers = await stream.begin()
    if status >= 400:
        content = b"".join([piece async for piece in stream.pieces()])
        raise application_error(status, headers, content, hide=hide_errors)
    return StreamedReply(status, without_length(headers), (), stream.pieces())


def without_length(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """Return header fields without those about the body's length: a plugin may change the body."""
    return tuple(field for field in headers if field[0] not in (b"content-length", b"transfer-encoding"))


def application_error(status: int, headers: Headers, body: bytes, *, hide: bool) -> Exception:
    """Turn an error answer of the application into an exception, so that callers get one form of error.

    Args:
        status: 400 or more. 4xx, 501, 502, 503 and 504 are kept; any other becomes 500 without detail.
        headers: header fields of the answer; `Retry-After`, `WWW-Authenticate` and `Allow` are kept.
        body: BentoML's document `{"error": "…", "detail": [{"loc": […], "msg": "…"}]}`, or anything else.
        hide: leave out the application's sentence.
    """
    kept = [field for field in headers if field[0] in ERROR_FIELDS]
    sentence = phrase_of(status, f"the application answered {status}") if hide else _sentence(status, body)
    if status < 500:
        return ApplicationRefusedError(sentence, status=status, headers=kept)
    if status in PASSED_ON:
        return ApplicationError(sentence, status=status, headers=kept)
    return RuntimeError(f"the application answered {status}")


def _sentence(status: int, body: bytes) -> str:
    """Return the application's own words: BentoML's or FastAPI's document, or a short text; else the phrase."""
    try:
        document = json.loads(body)
        document = document[0] if isinstance(document, list) else document
        detail = document.get("detail", ())
        if isinstance(detail, str):
            return detail[:MAX_ERROR_CHARACTERS]
        problems = [": ".join(filter(None, (".".join(map(str, item["loc"])), item["msg"]))) for item in detail]
        sentence = "; ".join(problems) or str(document["error"])
    except (ValueError, LookupError, TypeError, AttributeError):
        sentence = phrase_of(status, f"the application answered {status}")
    return sentence[:MAX_ERROR_CHARACTERS]
