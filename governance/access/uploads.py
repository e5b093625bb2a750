"""Multipart uploads: a file field must be a file, since a URL there would make the server fetch it.

BentoML fetches file fields that hold a URL, and its guard against private addresses fails under
concurrency (CVE-2025-54381), so such a field is refused before BentoML sees it.
"""

from __future__ import annotations

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from governance.errors import BadRequestError

MAX_PARTS = 64
MAX_PART_HEADER_BYTES = 4096


def verify_file_fields(body: bytes, content_type: str, file_fields: frozenset[str]) -> None:
    """Refuse a multipart body in which one of `file_fields` is not a file.

    Args:
        body: the whole body.
        content_type: the Content-Type field with its boundary parameter (RFC 7578).

    Raises:
        BadRequestError: if a file field holds text, a part has no name, or the body is not multipart.
    """
    for disposition in _dispositions(body, content_type):
        # The parser that the application behind the gate uses, so that both read the same name.
        _, options = parse_options_header(disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if not name:
            raise BadRequestError("a part of the form has no name")
        if name in file_fields and b"filename" not in options:
            raise BadRequestError(f"the field '{name}' must be an uploaded file, with a filename")


def _dispositions(body: bytes, content_type: str) -> list[bytes]:
    """Return the Content-Disposition of each part."""
    media_type, options = parse_options_header(content_type.encode("latin-1", "replace"))
    boundary = options.get(b"boundary")
    if media_type != b"multipart/form-data" or not boundary:
        raise BadRequestError("multipart/form-data needs a boundary parameter")
    dispositions: list[bytes | None] = []
    name, value = bytearray(), bytearray()

    def part_begin() -> None:
        if len(dispositions) >= MAX_PARTS:
            raise BadRequestError(f"more than {MAX_PARTS} parts")
        dispositions.append(None)

    def header_end() -> None:
        if len(name) + len(value) > MAX_PART_HEADER_BYTES:
            raise BadRequestError(f"a part's header is longer than {MAX_PART_HEADER_BYTES} bytes")
        if name.strip().lower() == b"content-disposition":
            if dispositions[-1] is not None:
                raise BadRequestError("a part has two Content-Disposition fields")
            dispositions[-1] = bytes(value)
        name.clear()
        value.clear()

    ended: list[bool] = []
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": part_begin,
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
    if not ended or None in dispositions:
        raise BadRequestError("the multipart body is cut short, or a part has no Content-Disposition")
    return [disposition for disposition in dispositions if disposition is not None]
