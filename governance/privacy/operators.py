"""Operators: what is done to one value of personal data."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from governance.canonical import canonical_json

MASK = "***"
DROP = "drop"


class Dropped:
    """Stands for a value that goes away with its name or place."""


def operators(hash_key: bytes | None) -> Mapping[str, Callable[[Any], Any]]:
    """Return the operators by name.

    Args:
        hash_key: 32 secret bytes; without them there is no `hash`.

    `drop` removes the value, `mask` puts three stars in its place (its length would tell something),
    `hash` puts HMAC-SHA256 over its canonical JSON there, in hex: equal values stay equal, and whoever has not the
    key cannot find the value by trying (RFC 2104, RFC 8785).
    """
    table: dict[str, Callable[[Any], Any]] = {DROP: lambda _: Dropped, "mask": lambda _: MASK}
    if hash_key is not None:
        key = hash_key
        table["hash"] = lambda value: hmac.digest(key, b"privacy-hash\x00" + canonical_json(value), "sha256").hex()
    return table
