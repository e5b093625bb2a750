"""Multipart forms (RFC 7578): parse and render.

All code that reads a form uses this parser, which is the one of the application behind the gate (`python-multipart`):
a form whose part names two parsers read differently could pass a check under one name and be used under another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from governance.errors import BadRequestError

MAX_PARTS = 64
MAX_PART_HEADER_BYTES = 4096
MULTIPART = b"multipart/form-data"
_DISPOSITION = b"content-disposition"


@dataclass(frozen=True, slots=True)
class FormPart:
    """One part of a form.

    Attributes:
        headers: Header fields (name, value) as received.
        name: The `name` parameter of Content-Disposition.
        is_file: Whether Content-Disposition has a `filename` parameter.
        body: Content of the part; not shown in the repr.
        file_name: The `filename` parameter as received; empty without one. Not shown in the repr.
    """

    headers: tuple[tuple[bytes, bytes], ...]
    name: str
    is_file: bool
    body: bytes = field(repr=False)
    file_name: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class _RawPart:
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)


def media_type_of(content_type: str) -> bytes:
    """Return the media type of a Content-Type field in lower case, without parameters.

    Example:
        `"Multipart/Form-Data; boundary=b"` becomes `b"multipart/form-data"`.
    """
    media_type, _ = parse_options_header(content_type.encode("latin-1", "replace"))
    return media_type


def parse_multipart(body: bytes, content_type: str) -> list[FormPart]:
    """Return the parts of a form.

    Args:
        body: The whole body of the request.
        content_type: The Content-Type field with its parameters.

    Raises:
        BadRequestError: if the form is malformed or truncated, has more than `MAX_PARTS` parts, a part has no name or
            not exactly one Content-Disposition, or the charset is not UTF-8.
    """
    _, options = parse_options_header(content_type.encode("latin-1", "replace"))
    # The application decodes names and text fields with this charset.
    if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8"):
        raise BadRequestError("the charset of a form must be UTF-8")
    return [_finished(part) for part in _split(body, _boundary(options))]


def render_multipart(parts: Sequence[FormPart], content_type: str) -> bytes:
    """Return the bytes of a form with the given parts.

    Args:
        parts: The parts in order; header fields are written unchanged.
        content_type: The Content-Type field, which names the boundary.

    Raises:
        BadRequestError: if a part contains the boundary, or the content type names none.
    """
    _, options = parse_options_header(content_type.encode("latin-1", "replace"))
    line = b"--" + _boundary(options)
    pieces: list[bytes] = []
    for part in parts:
        if b"\r\n" + line in b"\r\n" + part.body:
            raise BadRequestError("a part of the form contains the boundary of the form")
        head = b"".join(name + b": " + value + b"\r\n" for name, value in part.headers)
        pieces += [line, b"\r\n", head, b"\r\n", part.body, b"\r\n"]
    return b"".join([*pieces, line, b"--\r\n"])


def _boundary(options: dict[bytes, bytes]) -> bytes:
    boundary = options.get(b"boundary")
    if not boundary:
        raise BadRequestError("multipart/form-data needs a boundary parameter")
    return boundary


def _split(body: bytes, boundary: bytes) -> list[_RawPart]:
    parts: list[_RawPart] = []
    name, value = bytearray(), bytearray()

    def part_begin() -> None:
        if len(parts) >= MAX_PARTS:
            raise BadRequestError(f"more than {MAX_PARTS} parts")
        parts.append(_RawPart())

    def header_end() -> None:
        if len(name) + len(value) > MAX_PART_HEADER_BYTES:
            raise BadRequestError(f"a part's header is longer than {MAX_PART_HEADER_BYTES} bytes")
        parts[-1].headers.append((bytes(name), bytes(value)))
        name.clear()
        value.clear()

    ended: list[bool] = []
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": part_begin,
                "on_part_data": lambda data, start, end: parts[-1].body.extend(data[start:end]),
                "on_header_field": lambda data, start, end: name.extend(data[start:end]),
                "on_header_value": lambda data, start, end: value.extend(data[start:end]),
                "on_header_end": header_end,
                "on_end": lambda: ended.append(True),
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise BadRequestError("the body is not a multipart form as its content type says") from None
    if not ended:
        raise BadRequestError("the multipart body is truncated: its last boundary is missing")
    return parts


def _finished(part: _RawPart) -> FormPart:
    dispositions = [value for name, value in part.headers if name.strip().lower() == _DISPOSITION]
    if len(dispositions) != 1:
        raise BadRequestError("a part of the form must have exactly one Content-Disposition")
    _, options = parse_options_header(dispositions[0])
    name = options.get(b"name", b"").decode("utf-8", "replace")
    if not name:
        raise BadRequestError("a part of the form has no name")
    return FormPart(tuple(part.headers), name, b"filename" in options, bytes(part.body), options.get(b"filename", b""))
