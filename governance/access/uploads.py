"""Uploads: a file field must be a file, since a URL there would make the server fetch it.

BentoML fetches file fields, and whole bodies, that hold a URL, and its guard against private addresses fails under
concurrency (CVE-2025-54381), so a URL is refused before BentoML sees it, unless its host is on the route's list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlparse, urlsplit

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from governance.errors import BadRequestError

MAX_PARTS = 64
MAX_PART_HEADER_BYTES = 4096
MAX_URL_BYTES = 2048
MULTIPART = b"multipart/form-data"


@dataclass(slots=True)
class _Part:
    disposition: bytes | None = None
    head: bytearray = field(default_factory=bytearray)


def verify_files(body: bytes, content_type: str, file_fields: frozenset[str], fetch_hosts: frozenset[str]) -> None:
    """Refuse a body in which one of `file_fields` is not a file, nor a URL of one of `fetch_hosts`.

    Args:
        body: the whole body: a multipart form, or the one file itself.
        content_type: the Content-Type field with its parameters (RFC 7578).

    Raises:
        BadRequestError: if a file field holds text, a part has no name, or the form is malformed.
    """
    media_type, _ = parse_options_header(content_type.encode("latin-1", "replace"))
    if media_type != MULTIPART:
        if _looks_like_url(body):
            _verify_url(body, "the body", fetch_hosts)
        return
    for part in _parts(body, content_type):
        # The parser that the application behind the gate uses, so that both read the same name.
        _, options = parse_options_header(part.disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if not name:
            raise BadRequestError("a part of the form has no name")
        if name in file_fields and b"filename" not in options:
            _verify_url(bytes(part.head), f"the field '{name}'", fetch_hosts)


def _looks_like_url(body: bytes) -> bool:
    """Ask as the application behind the gate does: of the whole body, bytes that are no text left out."""
    try:
        return urlparse(body.decode("utf-8", "ignore")).scheme in ("http", "https")
    except ValueError:
        return True


def _verify_url(text: bytes, place: str, fetch_hosts: frozenset[str]) -> None:
    """A URL is taken only as it would be written by hand: no user, no port, no second meaning."""
    if not fetch_hosts:
        raise BadRequestError(f"{place} must be an uploaded file, with a filename")
    try:
        url = urlsplit(text.decode("ascii"))
        simple = text.isascii() and text.decode("ascii").isprintable() and not {*"\\ @\"'"} & {*text.decode("ascii")}
        good = simple and url.scheme == "https" and url.hostname in fetch_hosts and url.netloc == url.hostname
    except ValueError:
        good = False
    if not good or len(text) > MAX_URL_BYTES:
        raise BadRequestError(f"{place} must be a file, or an https:// URL of one of {', '.join(sorted(fetch_hosts))}")


def _parts(body: bytes, content_type: str) -> list[_Part]:
    """Return each part's Content-Disposition, and its first bytes."""
    _, options = parse_options_header(content_type.encode("latin-1", "replace"))
    boundary = options.get(b"boundary")
    if not boundary:
        raise BadRequestError("multipart/form-data needs a boundary parameter")
    parts: list[_Part] = []
    name, value = bytearray(), bytearray()

    def part_begin() -> None:
        if len(parts) >= MAX_PARTS:
            raise BadRequestError(f"more than {MAX_PARTS} parts")
        parts.append(_Part())

    def part_data(data: bytes, start: int, end: int) -> None:
        head = parts[-1].head
        head += data[start : min(end, start + MAX_URL_BYTES + 1 - len(head))]

    def header_end() -> None:
        if len(name) + len(value) > MAX_PART_HEADER_BYTES:
            raise BadRequestError(f"a part's header is longer than {MAX_PART_HEADER_BYTES} bytes")
        if name.strip().lower() == b"content-disposition":
            if parts[-1].disposition is not None:
                raise BadRequestError("a part has two Content-Disposition fields")
            parts[-1].disposition = bytes(value)
        name.clear()
        value.clear()

    ended: list[bool] = []
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": part_begin,
                "on_part_data": part_data,
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
    if not ended or any(part.disposition is None for part in parts):
        raise BadRequestError("the multipart body is cut short, or a part has no Content-Disposition")
    return parts
