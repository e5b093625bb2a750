"""Secrets derived from a signing key that may never leave its key service.

The input is a signature over a text of its own: with Ed25519 it is the same each time (RFC 8032), and only who can ask
for signatures can know it.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from governance.errors import ConfigurationError
from governance.keys.signing import Signer

SECRET_BYTES = 32
_PREFIX = b"bento-governance derived secret/1\x00"


def derive_secret(signer: Signer, purpose: bytes) -> bytes:
    """Return a secret of 32 bytes, the same for the same key and purpose (HKDF-SHA256, RFC 5869).

    Args:
        signer: An Ed25519 key.
        purpose: What the secret is for; another purpose gives another secret.

    Raises:
        ConfigurationError: if the key is not an Ed25519 key, or its signatures differ each time.
        KeyUnavailableError: if a key service cannot be reached.
    """
    _ = signer.public_key.raw
    message = _PREFIX + purpose
    signature = signer.sign(message)
    signer.public_key.verify_signature(signature, message)
    if signer.sign(message) != signature:
        raise ConfigurationError("no secret can be derived from this key: its signatures over one text differ")
    return HKDF(hashes.SHA256(), SECRET_BYTES, salt=None, info=message).derive(signature)
