"""Recipients of an artifact: the data key, wrapped for each of them, and the MAC of the trailer.

Signatures do not cover the recipients, so that recipients can be changed without the signers. A key derived from the
data key authenticates the whole trailer, and each wrapped key is bound to the header. See FORMAT.md, "Trailer".
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from governance.artifacts.format.cipher import KEY_BYTES
from governance.artifacts.format.container import MAX_RECIPIENTS, Trailer
from governance.artifacts.format.manifest import is_sha256
from governance.errors import ConfigurationError, DecryptionError
from governance.keys import Unwrapper, Wrapper


def wrap_for(data_key: bytes, header_sha256: bytes, recipients: Sequence[Wrapper]) -> tuple[dict[str, str], ...]:
    """Return an entry for each distinct recipient, sorted by key id.

    Args:
        data_key: The data key, 32 bytes.
        header_sha256: SHA-256 of the header, 32 bytes.
        recipients: Keys that wrap the data key.

    Raises:
        ConfigurationError: if there is no recipient, or more than `MAX_RECIPIENTS`.
    """
    unique = {recipient.key_id: recipient for recipient in recipients}
    if not 1 <= len(unique) <= MAX_RECIPIENTS:
        raise ConfigurationError(f"an artifact needs 1 to {MAX_RECIPIENTS} recipients")
    return tuple(
        {
            "key_id": key_id,
            "suite": recipient.suite,
            "wrapped": base64.b64encode(recipient.wrap(data_key, wrap_info(header_sha256))).decode(),
        }
        for key_id, recipient in sorted(unique.items())
    )


def unwrap_with(recipients: Sequence[Any], header_sha256: bytes, key: Unwrapper) -> bytes:
    """Return the data key (32 bytes).

    Args:
        recipients: Entries of the trailer.
        header_sha256: SHA-256 of the header, 32 bytes.
        key: Private key of a recipient.

    Raises:
        DecryptionError: if the data key is not wrapped for this key, or the entry was changed or belongs to another
            header.
        KeyUnavailableError: if a key service cannot be reached.
    """
    mine = [entry for entry in recipients if recipient_key_id(entry) == key.key_id]
    if len(mine) != 1 or mine[0]["suite"] != key.suite:
        raise DecryptionError(f"it is not encrypted for this recipient key (sha256:{key.key_id[:16]}…)")
    try:
        wrapped = base64.b64decode(mine[0]["wrapped"], validate=True)
    except (binascii.Error, ValueError):
        raise DecryptionError("a wrapped key is not base64") from None
    data_key = key.unwrap(wrapped, wrap_info(header_sha256))
    if len(data_key) != KEY_BYTES:
        raise DecryptionError("the wrapped key has a wrong length")
    return data_key


def recipient_key_id(entry: Any) -> str:
    """Return the key id of a trailer's entry.

    Raises:
        DecryptionError: if the entry has another form.
    """
    if (
        not isinstance(entry, dict)
        or set(entry) != {"key_id", "suite", "wrapped"}
        or not all(isinstance(value, str) for value in entry.values())
        or not is_sha256(entry["key_id"])
    ):
        raise DecryptionError("an entry of a recipient has a wrong form")
    return str(entry["key_id"])


def authenticate(trailer: Trailer, header_sha256: bytes, data_key: bytes) -> Trailer:
    """Return the trailer with its MAC."""
    return replace(trailer, mac=_mac(trailer, header_sha256, data_key))


def verify_commitment(trailer: Trailer, header_sha256: bytes, data_key: bytes) -> Trailer:
    """Return the trailer if its MAC is right: it was written with the data key.

    Raises:
        DecryptionError: if the trailer was changed without the data key.
    """
    if not hmac.compare_digest(trailer.mac, _mac(trailer, header_sha256, data_key)):
        raise DecryptionError("the trailer was changed without the data key")
    return trailer


def wrap_info(header_sha256: bytes) -> bytes:
    """Return the bytes that bind a wrapped key to a header: HPKE's `info`, or the context of a key service."""
    return b"bento-sealed/1 data key\x00" + header_sha256


def _mac(trailer: Trailer, header_sha256: bytes, data_key: bytes) -> str:
    key = HKDFExpand(hashes.SHA256(), 32, b"bento-sealed/1 trailer\x00" + header_sha256).derive(data_key)
    return hmac.digest(key, trailer.authenticated_bytes(), "sha256").hex()
