"""Uploads: a file field must be a file, since a URL there would make the server fetch it.

BentoML fetches file fields, and whole bodies, that hold a URL, and its guard against private addresses fails under
concurrency (CVE-2025-54381), so a URL is refused before BentoML sees it, unless its host is on the route's list.
"""

from __future__ import annotations

import json
from urllib.parse import urlparse, urlsplit

from governance.errors import BadRequestError
from governance.multipart import MULTIPART, FormPart, media_type_of, parse_multipart
from governance.names import suggestion

MAX_URL_BYTES, MAX_SHOWN = 2048, 40
# BentoML makes the name a part of that of a temporary file, which may have 255 bytes.
MAX_FILE_NAME_BYTES = 200


def verify_files(body: bytes, content_type: str, file_fields: frozenset[str], fetch_hosts: frozenset[str]) -> None:
    """Refuse a body in which one of `file_fields` is not a file, nor a URL of one of `fetch_hosts`.

    Args:
        body: the whole body: a multipart form, or the one file itself.
        content_type: the Content-Type field with its parameters (RFC 7578).
        file_fields: names of the fields that must be files.
        fetch_hosts: hosts of which a field may contain an https:// URL instead.

    Raises:
        BadRequestError: if a file field contains text, a file's name cannot be that of a file, a part has no name, or
            the form is malformed.
    """
    if media_type_of(content_type) != MULTIPART:
        if _looks_like_url(body):
            _verify_url(body, "the body", fetch_hosts)
        return
    for part in parse_multipart(body, content_type):
        if part.name not in file_fields:
            _verify_text(part, file_fields)
        elif not part.is_file:
            _verify_url(part.body, f"the field '{part.name}'", fetch_hosts)
        else:
            _verify_file_name(part)


def _verify_file_name(part: FormPart) -> None:
    """Refuse a name that no file can have: BentoML would answer 500."""
    if len(part.file_name) > MAX_FILE_NAME_BYTES or b"\x00" in part.file_name:
        raise BadRequestError(
            f"the file in the field '{part.name}' needs a name of at most {MAX_FILE_NAME_BYTES} bytes, none zero"
        )


def _verify_text(part: FormPart, file_fields: frozenset[str]) -> None:
    """Refuse a field that BentoML would fail to read as JSON or as text: it would answer 500."""
    try:
        json.loads(part.body)
    except json.JSONDecodeError:
        return
    except (ValueError, RecursionError):
        name = "".join(character for character in part.name[:MAX_SHOWN] if character.isprintable())
        raise BadRequestError(
            f"the field '{name}' is not a file field, and not text that can be read{suggestion(part.name, file_fields)}"
        ) from None


def _looks_like_url(body: bytes) -> bool:
    """Decide as the application behind the gate does: decode the whole body, without bytes that are not text."""
    try:
        return urlparse(body.decode("utf-8", "ignore")).scheme in ("http", "https")
    except ValueError:
        return True


def _verify_url(text: bytes, place: str, fetch_hosts: frozenset[str]) -> None:
    """Accept a URL only in its simplest form: no user, no port, no characters that parsers read in two ways."""
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
