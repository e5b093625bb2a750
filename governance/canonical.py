"""The bytes that we hash: canonical JSON (RFC 8785), SHA-256 digests, safe relative paths."""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath
from typing import Any

import rfc8785

from governance.errors import BadRequestError

DIGEST_PREFIX = "sha256:"
MAX_PATH_BYTES = 1024


def canonical_json(value: Any) -> bytes:
    """Return the canonical JSON of `value` (RFC 8785, JCS), UTF-8.

    Raises:
        ValueError: if `value` holds something that JSON cannot, or an integer beyond 2**53 - 1.
    """
    return rfc8785.dumps(value)


def parse_json(data: bytes | bytearray | memoryview) -> Any:
    """Parse UTF-8 JSON strictly: no duplicate keys, no NaN or Infinity.

    Raises:
        BadRequestError: if `data` is not such a document, or is nested too deeply.
    """
    try:
        text = bytes(data).decode("utf-8")
        return json.loads(text, object_pairs_hook=_object_without_duplicates, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"not a JSON document: {_reason(error)}") from None


def pointer_segments(pointer: str) -> tuple[str, ...]:
    """Return the unescaped segments of a JSON Pointer (RFC 6901)."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def sha256_digest(data: bytes | bytearray | memoryview) -> str:
    """Return the named digest `sha256:<64 hex digits>` of `data`."""
    return DIGEST_PREFIX + hashlib.sha256(data).hexdigest()


def safe_relative_path(path: str) -> str:
    """Return `path` if it names a place inside a folder on every platform: relative, normal, `/`-separated.

    Raises:
        BadRequestError: if the path is absolute, empty, too long, not normal, or holds `..`, `\\`, `:`
            or control characters.
    """
    pure = PurePosixPath(path)
    bad_character = any(ord(character) < 32 or character in '\\:*?"<>|\x7f' for character in path)
    if (
        bad_character
        or not path
        or pure.is_absolute()
        or ".." in pure.parts
        or str(pure) != path
        or path == "."
        or len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES
    ):
        raise BadRequestError(f"not a safe relative path: {path[:80]!r}")
    return path


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _reason(error: Exception) -> str:
    """Say where parsing stopped without repeating the document."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return str(error)
