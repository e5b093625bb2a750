"""Canonical JSON (RFC 8785), strict JSON parsing, SHA-256 digests and safe relative paths."""

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
    """Return the canonical JSON of `value` as UTF-8 (RFC 8785, JCS): sorted keys, no spaces, one form per number.

    Example:
        `{"b": 1.0, "a": "€"}` becomes `b'{"a":"\xe2\x82\xac","b":1}'`.

    Raises:
        ValueError: if `value` contains a type that JSON does not have, or an integer above 2**53 - 1.
    """
    return rfc8785.dumps(value)


def parse_json(data: bytes | bytearray | memoryview, *, non_finite: bool = False) -> Any:
    """Parse UTF-8 JSON strictly: duplicate keys are errors, and so are NaN and Infinity unless `non_finite` is set.

    Raises:
        BadRequestError: if `data` is not such a document, or is nested too deeply. The message gives the place of the
            error and never repeats the document.
    """
    try:
        text = bytes(data).decode("utf-8")
        _verify_begin(text)
        constant = None if non_finite else _refuse_constant
        return json.loads(text, object_pairs_hook=_object_without_duplicates, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"not a JSON document: {_reason(error)}") from None


def pointer_segments(pointer: str) -> tuple[str, ...]:
    """Return the unescaped segments of a JSON Pointer (RFC 6901).

    Example:
        `"/realm_access/roles~1all"` becomes `("realm_access", "roles/all")`.
    """
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def sha256_digest(data: bytes | bytearray | memoryview) -> str:
    """Return the SHA-256 digest of `data` with its name: `sha256:` and 64 hex digits."""
    return DIGEST_PREFIX + hashlib.sha256(data).hexdigest()


def safe_relative_path(path: str) -> str:
    """Return `path` if it stays inside any folder on every platform: relative, normalized, separated by `/`.

    Example:
        `"weights/part-0.bin"` is returned; `"../model.onnx"`, `"/etc/passwd"` and `"a//b"` are refused.

    Raises:
        BadRequestError: if the path is empty, absolute, longer than `MAX_PATH_BYTES`, not normalized, or contains `..`,
            a control character or one of `\\ : * ? " < > |`.
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
        raise ValueError("an object has a duplicate key")
    return result


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _verify_begin(text: str) -> None:
    if not text.strip():
        raise ValueError("it is empty")
    if text.startswith("\ufeff"):
        raise ValueError("it begins with a byte order mark; send UTF-8 without one")


def _reason(error: Exception) -> str:
    """Return where parsing stopped, without repeating the document."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if "integer string conversion" in str(error):
        return "a number has too many digits"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return str(error)
