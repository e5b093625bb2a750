"""Multipart forms (RFC 7578): parsed as the application behind the gate parses them, and written again.

One parser for all who look into a form, so that none of them reads another name than the application does.
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
    """One part: its header fields as they came, its name, whether it is a file, and its bytes."""

    headers: tuple[tuple[bytes, bytes], ...]
    name: str
    is_file: bool
    body: bytes = field(repr=False)


@dataclass(slots=True)
class _Open:
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)


def media_type_of(content_type: str) -> bytes:
    """Return the media type of a Content-Type field, lower-case and without parameters."""
    media_type, _ = parse_options_header(content_type.encode("latin-1", "replace"))
    return media_type


def parse_multipart(body: bytes, content_type: str) -> list[FormPart]:
    """Return the parts of a form.

    Args:
        content_type: the Content-Type field with its parameters.

    Raises:
        BadRequestError: if it is malformed or cut short, has too many parts, one of them has no name or two
            Content-Dispositions, or the form is written in anything but UTF-8.
    """
    _, options = parse_options_header(content_type.encode("latin-1", "replace"))
    # The application would read names and texts in this one.
    if options.get(b"charset", b"utf-8").lower() not in (b"utf-8", b"utf8"):
        raise BadRequestError("a form has to be written in UTF-8")
    return [_finished(part) for part in _split(body, _boundary(options))]


def render_multipart(parts: Sequence[FormPart], content_type: str) -> bytes:
    """Return the form's bytes under the boundary that its content type names.

    Raises:
        BadRequestError: if a part holds the boundary.
    """
    _, options = parse_options_header(content_type.encode("latin-1", "replace"))
    line = b"--" + _boundary(options)
    pieces: list[bytes] = []
    for part in parts:
        if b"\r\n" + line in b"\r\n" + part.body:
            raise BadRequestError("a part of the form holds the form's boundary")
        head = b"".join(name + b": " + value + b"\r\n" for name, value in part.headers)
        pieces += [line, b"\r\n", head, b"\r\n", part.body, b"\r\n"]
    return b"".join([*pieces, line, b"--\r\n"])


def _boundary(options: dict[bytes, bytes]) -> bytes:
    boundary = options.get(b"boundary")
    if not boundary:
        raise BadRequestError("multipart/form-data needs a boundary parameter")
    return boundary


def _split(body: bytes, boundary: bytes) -> list[_Open]:
    parts: list[_Open] = []
    name, value = bytearray(), bytearray()

    def part_begin() -> None:
        if len(parts) >= MAX_PARTS:
            raise BadRequestError(f"more than {MAX_PARTS} parts")
        parts.append(_Open())

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
        raise BadRequestError("the body is not the multipart form that its content type says") from None
    if not ended:
        raise BadRequestError("the multipart body is cut short: its last boundary is missing")
    return parts


def _finished(part: _Open) -> FormPart:
    dispositions = [value for name, value in part.headers if name.strip().lower() == _DISPOSITION]
    if len(dispositions) != 1:
        raise BadRequestError("a part of the form has no Content-Disposition, or two")
    _, options = parse_options_header(dispositions[0])
    name = options.get(b"name", b"").decode("utf-8", "replace")
    if not name:
        raise BadRequestError("a part of the form has no name")
    return FormPart(tuple(part.headers), name, b"filename" in options, bytes(part.body))
