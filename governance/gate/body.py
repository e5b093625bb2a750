"""Reading a request body within its limits: type and announced length are checked before the first byte."""

from __future__ import annotations

from typing import Any

from governance.contract.exchange import ReadBody
from governance.contract.routes import Route
from governance.errors import BadRequestError, TooLargeError, UnsupportedMediaTypeError
from governance.gate.asgi import Message, Receive


def body_reader(route: Route, headers: Any, receive: Receive) -> ReadBody:
    """Return a function that reads the body; it checks type and announced length before it asks for the first byte.

    Args:
        route: the matching route, with its content types and limit.
        headers: request header fields as ASGI has them.
        receive: the server's `receive`.
    """

    async def read() -> bytes:
        _verify_content_type(route, headers)
        limit = route.max_body_bytes
        announced = next((value for name, value in headers if name == b"content-length"), b"0")
        if len(announced) > 18 or int(announced) > limit:
            raise TooLargeError(f"the body is larger than the {limit} bytes that this route reads")
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
        else:
            body = await _read_rest(message, receive, limit)
        if len(body) > limit:
            raise TooLargeError(f"the body is larger than the {limit} bytes that this route reads")
        return body

    return read


async def _read_rest(message: Message, receive: Receive, limit: int) -> bytes:
    pieces = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise BadRequestError("the client disconnected before the body was complete")
        pieces += message.get("body", b"")
        if len(pieces) > limit:
            raise TooLargeError(f"the body is larger than the {limit} bytes that this route reads")
        if not message.get("more_body"):
            return bytes(pieces)
        message = await receive()


def _verify_content_type(route: Route, headers: Any) -> None:
    fields = [value for name, value in headers if name == b"content-type"]
    media_type = fields[0].split(b";", 1)[0].strip().lower().decode("latin-1") if fields else ""
    if len(fields) > 1 or media_type not in route.content_types:
        allowed = ", ".join(sorted(filter(None, route.content_types))) or "none"
        raise UnsupportedMediaTypeError(f"this content type is not allowed here; allowed: {allowed}")
    if any(name == b"content-encoding" and value.strip().lower() != b"identity" for name, value in headers):
        raise UnsupportedMediaTypeError("compressed bodies are not read: send the body without a Content-Encoding")
