"""What keyed operators work with: a secret key, the scope of equality, and the subject whose dates move together."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from governance.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Context:
    """Key, scope and subject of one request or one file.

    Attributes:
        key: 32 secret bytes, or None; then an operator that needs a key raises ConfigurationError.
        scope: Tenant, purpose and epoch, for example `ward-7/treatment/2026`. Equal values get equal results only
            under one scope.
        subject: Whose data it is, for example a patient number, or "" if that is not known. All dates of one subject
            are shifted by the same number of days.
        day_first: Whether the day is the first number in dates whose year is last; None if that is not known.
    """

    key: bytes | None = field(default=None, repr=False)
    scope: str = ""
    subject: str = ""
    day_first: bool | None = None


def derive_key(context: Context, operator: str, entity: str, size: int) -> bytes:
    """Derive the key of one operator, entity and scope by HKDF-Expand (RFC 5869).

    Each operator has a key of its own, so that a hash says nothing about a token (NIST SP 800-108). The extract step of
    HKDF is left out, because the secret is uniformly random already.

    Args:
        context: The secret and the scope.
        operator: Name of the operator, such as `hash`.
        entity: What the value is, such as `PERSON`.
        size: Length of the key, in bytes.

    Raises:
        ConfigurationError: If the context has no key.
    """
    if context.key is None:
        raise ConfigurationError(f"the operator '{operator}' needs a key: [privacy] hash_key")
    return _expand(context.key, operator, entity, context.scope, size)


@lru_cache(4096)
def _expand(key: bytes, operator: str, entity: str, scope: str, size: int) -> bytes:
    info = f"bento-governance privacy {operator}\x00{entity}\x00{scope}".encode()
    return HKDFExpand(SHA256(), size, info).derive(key)


def keyed_digest(context: Context, operator: str, entity: str, message: bytes) -> bytes:
    """Return HMAC-SHA256 (RFC 2104) of a message under the key of one operator, entity and scope: 32 bytes.

    Raises:
        ConfigurationError: If the context has no key.
    """
    return hmac.digest(derive_key(context, operator, entity, 32), message, "sha256")


def normalized(value: str) -> str:
    """Return a text without differences in spaces and capitals: `ada  LOVELACE` becomes `ada lovelace`."""
    return re.sub(r"\s+", " ", value).strip().casefold()
