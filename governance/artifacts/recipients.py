"""Recipients: the data key, wrapped for each of them (HPKE), and what authenticates their list.

The list stands outside the signatures, so that it can change without them; a key derived from the data key
authenticates it, and each wrap is bound to the header. See FORMAT.md, "Recipients".
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from governance.artifacts.cipher import KEY_BYTES
from governance.canonical import canonical_json
from governance.errors import ConfigurationError, DecryptionError
from governance.keys import RecipientKey, RecipientPublicKey
from governance.keys.recipient import SUITE_NAME

MAX_RECIPIENTS = 256


def wrap_for(data_key: bytes, header_sha256: bytes, recipients: Sequence[RecipientPublicKey]) -> dict[str, Any]:
    """Return the recipients section: `{"list": […], "mac": hex}`.

    Args:
        data_key: 32 bytes.
        header_sha256: the digest that each wrap is bound to.
    """
    unique = {recipient.key_id: recipient for recipient in recipients}
    if not 1 <= len(unique) <= MAX_RECIPIENTS:
        raise ConfigurationError(f"an artifact needs 1 to {MAX_RECIPIENTS} recipients")
    wraps = [
        {
            "key_id": key_id,
            "suite": SUITE_NAME,
            "wrapped": base64.b64encode(recipient.wrap(data_key, wrap_info(header_sha256))).decode(),
        }
        for key_id, recipient in sorted(unique.items())
    ]
    return {"list": wraps, "mac": _mac(data_key, header_sha256, wraps)}


def unwrap_with(section: Any, header_sha256: bytes, key: RecipientKey) -> bytes:
    """Return the data key.

    Raises:
        DecryptionError: if it is not wrapped for this key, or the wrap was changed or belongs to another header.
    """
    wraps = section.get("list") if isinstance(section, dict) else None
    if not isinstance(wraps, list) or not 1 <= len(wraps) <= MAX_RECIPIENTS:
        raise DecryptionError("the recipients section has a wrong form")
    key_id = key.key_id
    mine = [wrap for wrap in wraps if isinstance(wrap, dict) and wrap.get("key_id") == key_id]
    if len(mine) != 1 or mine[0].get("suite") != SUITE_NAME or not isinstance(mine[0].get("wrapped"), str):
        raise DecryptionError(f"it is not encrypted for this recipient key (sha256:{key_id[:16]}…)")
    try:
        wrapped = base64.b64decode(mine[0]["wrapped"], validate=True)
    except binascii.Error:
        raise DecryptionError("a wrapped key is not base64") from None
    data_key = key.unwrap(wrapped, wrap_info(header_sha256))
    if len(data_key) != KEY_BYTES:
        raise DecryptionError("the wrapped key has a wrong length")
    return data_key


def verify_commitment(section: Any, header_sha256: bytes, data_key: bytes) -> None:
    """Refuse a recipients section that the holder of this data key did not write.

    Raises:
        DecryptionError: if it was changed.
    """
    mac = section.get("mac")
    if set(section) != {"list", "mac"} or not isinstance(mac, str) or not mac.isascii():
        raise DecryptionError("the recipients section has a wrong form")
    if not hmac.compare_digest(mac, _mac(data_key, header_sha256, section["list"])):
        raise DecryptionError("the recipients section was changed by somebody without the data key")


def wrap_info(header_sha256: bytes) -> bytes:
    """Return the HPKE `info` of a wrap."""
    return b"bento-sealed/1 data key\x00" + header_sha256


def _mac(data_key: bytes, header_sha256: bytes, wraps: list[Any]) -> str:
    key = HKDFExpand(hashes.SHA256(), 32, b"bento-sealed/1 recipients\x00" + header_sha256).derive(data_key)
    return hmac.digest(key, canonical_json(wraps), "sha256").hex()
