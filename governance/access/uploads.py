"""Multipart uploads: a file field must be a file, since a URL there would make the server fetch it.

BentoML fetches file fields that hold a URL, and its guard against private addresses fails under
concurrency (CVE-2025-54381), so such a field is refused before BentoML sees it.
"""

from __future__ import annotations

from email.message import Message

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from governance.errors import BadRequestError

MAX_PARTS = 64
MAX_PART_HEADER_BYTES = 4096


def verify_file_fields(body: bytes, content_type: str, file_fields: frozenset[str]) -> None:
    """Refuse a multipart body in which one of `file_fields` is not a file.

    Args:
        body: the whole body.
        content_type: the Content-Type field with its boundary parameter (RFC 7578).

    Raises:
        BadRequestError: if a file field holds text, or the body is not multipart.
    """
    for disposition in _dispositions(body, content_type):
        name = disposition.get_param("name", header="content-disposition")
        filename = disposition.get_param("filename", header="content-disposition")
        if isinstance(name, str) and name in file_fields and not isinstance(filename, str):
            raise BadRequestError(f"the field '{name}' must be an uploaded file, with a filename")


def _dispositions(body: bytes, content_type: str) -> list[Message]:
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise BadRequestError("multipart/form-data needs a boundary parameter")
    parts: list[Message] = []
    name, value = bytearray(), bytearray()

    def part_begin() -> None:
        if len(parts) >= MAX_PARTS:
            raise BadRequestError(f"more than {MAX_PARTS} parts")
        parts.append(Message())

    def header_end() -> None:
        if len(name) + len(value) > MAX_PART_HEADER_BYTES:
            raise BadRequestError(f"a part's header is longer than {MAX_PART_HEADER_BYTES} bytes")
        key = name.decode("latin-1").strip().lower()
        if key == "content-disposition":
            if "content-disposition" in parts[-1]:
                raise BadRequestError("a part has two Content-Disposition fields")
            parts[-1]["content-disposition"] = value.decode("utf-8", "replace").replace("\r", " ").replace("\n", " ")
        name.clear()
        value.clear()

    ended: list[bool] = []
    parser = MultipartParser(
        boundary.encode("latin-1", "replace"),
        {
            "on_part_begin": part_begin,
            "on_header_field": lambda data, start, end: name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: value.extend(data[start:end]),
            "on_header_end": header_end,
            "on_end": lambda: ended.append(True),
        },
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise BadRequestError("the body is not the multipart form that its content type says") from None
    if not ended:
        raise BadRequestError("the multipart body is cut short")
    return parts
