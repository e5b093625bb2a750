"""Bodies that are text: which media types can be searched, and how a whole body is read, changed and written."""

from __future__ import annotations

import codecs
import html
import re
from enum import Enum

from governance.errors import BadRequestError
from governance.privacy.change.text import TextAnonymizer


class BodyKind(Enum):
    """How a body of one media type is searched."""

    JSON = "json"
    JSON_LINES = "json-lines"
    EVENTS = "events"
    TEXT = "text"
    MARKUP = "markup"
    FOLDED = "folded"
    IMAGE = "image"


_KIND_OF = {
    "application/json": BodyKind.JSON,
    "application/x-ndjson": BodyKind.JSON_LINES,
    "application/ndjson": BodyKind.JSON_LINES,
    "application/jsonl": BodyKind.JSON_LINES,
    "text/event-stream": BodyKind.EVENTS,
    "text/html": BodyKind.MARKUP,
    "text/xml": BodyKind.MARKUP,
    "application/xml": BodyKind.MARKUP,
    "application/yaml": BodyKind.TEXT,
    "application/x-yaml": BodyKind.TEXT,
    "application/toml": BodyKind.TEXT,
    # Long lines are folded here, even inside words (RFC 5545 and RFC 6350, section 3.1).
    "text/calendar": BodyKind.FOLDED,
    "text/vcard": BodyKind.FOLDED,
    "text/x-vcard": BodyKind.FOLDED,
    "text/directory": BodyKind.FOLDED,
    "image/jpeg": BodyKind.IMAGE,
    "image/png": BodyKind.IMAGE,
    "image/webp": BodyKind.IMAGE,
    "image/*": BodyKind.IMAGE,
}
# Each has escape sequences of its own, under which a value would not be found: `\u0040` is an at sign.
_ESCAPED = frozenset({"text/javascript", "text/ecmascript", "text/css", "text/rtf", "text/richtext", "text/enriched"})
_BY_SUFFIX = {"json": BodyKind.JSON, "xml": BodyKind.MARKUP}
_CHARSETS = frozenset({"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252", "utf-16"})
# Characters that are markup where a reference writes them; they stay references.
_KEPT = frozenset("<>&\"'")
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?")
_FOLD = re.compile(r"\r?\n[ \t]")


def kind_of(media_type: str) -> BodyKind | None:
    """Return how a body is searched, or None if it cannot be.

    Example: `text/csv` is `TEXT`, `application/problem+json` is `JSON`, `application/pdf` is None.

    Args:
        media_type: lower case and without parameters; `image/*` stands for any picture.
    """
    known = _KIND_OF.get(media_type) or _BY_SUFFIX.get(media_type.rpartition("+")[2] if "+" in media_type else "")
    is_text = media_type.startswith("text/") and media_type not in _ESCAPED
    return known or (BodyKind.TEXT if is_text else None)


def change_text_body(body: bytes, kind: BodyKind, charset: str, anonymizer: TextAnonymizer) -> bytes:
    """Return a body of text with its findings changed, in UTF-8; a body without findings stays byte for byte.

    Args:
        body: the whole body.
        kind: `TEXT`, `MARKUP` or `FOLDED`.
        charset: the parameter of the media type; empty means UTF-8.
        anonymizer: finds and changes personal data.

    Raises:
        BadRequestError: if it is not text of this charset.
    """
    text = _decoded(body, charset)
    (changed,) = anonymizer.anonymize([_searchable(text, kind)])
    return changed.text.encode("utf-8") if changed.counts or _codec_of(charset) not in ("utf-8", "ascii") else body


def is_plain_text(body: bytes) -> bool:
    """Return whether a body that is not JSON can be searched as text: without a backslash, no character is escaped."""
    return b"\\" not in body


def without_references(markup: str) -> str:
    """Return HTML or XML in which character references are the characters themselves, unless these are markup.

    Example: `ada&#64;example.org &lt;b&gt;` becomes `ada@example.org &lt;b&gt;`.
    """
    return _REFERENCE.sub(_character, markup)


def _searchable(text: str, kind: BodyKind) -> str:
    if kind is BodyKind.MARKUP:
        return without_references(text)
    return _FOLD.sub("", text) if kind is BodyKind.FOLDED else text


def _character(found: re.Match[str]) -> str:
    character = html.unescape(found[0])
    is_other = character != found[0] and not _KEPT & set(character) and "\0" not in character
    return character if is_other else found[0]


def _decoded(body: bytes, charset: str) -> str:
    name = _codec_of(charset)
    if name not in _CHARSETS:
        raise BadRequestError("its charset is not one that is searched")
    try:
        text = body.decode(name)
    except UnicodeDecodeError as error:
        raise BadRequestError(f"it is not text: byte {error.start} is not {name.upper()}") from None
    # Text in another encoding than it says has NUL bytes between its characters, which would hide them.
    if "\0" in text:
        raise BadRequestError("it is not text: it has a NUL character")
    return text


def _codec_of(charset: str) -> str:
    """Return the codec's name of a charset, or an empty text for an unknown one; the charset `""` is UTF-8."""
    try:
        return codecs.lookup(charset or "utf-8").name
    except (LookupError, ValueError):
        return ""
