"""Private keys encrypted by a passphrase: Argon2id (RFC 9106) and AES-256-GCM over the content of a key file.

    -----BEGIN BENTO-GOVERNANCE ENCRYPTED KEY-----
    base64 of: version (1 byte, 1) · log2 of memory in KiB (1) · iterations (1) · lanes (1) · salt (16) ·
    nonce (12) · ciphertext and tag
    -----END BENTO-GOVERNANCE ENCRYPTED KEY-----

The bytes before the ciphertext are its additional authenticated data. Encrypted PKCS #8 of other tools, such as
`openssl pkcs8 -topk8 -scrypt`, can be read too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from governance.errors import ConfigurationError, KeyRefusedError

LABEL = "BENTO-GOVERNANCE ENCRYPTED KEY"
# RFC 9106, section 4, the second recommended option: 64 MiB, 3 iterations, 4 lanes.
MEMORY_LOG2_KIB, ITERATIONS, LANES = 16, 3, 4
MAX_MEMORY_LOG2_KIB, MAX_ITERATIONS, MAX_LANES = 20, 16, 16
_PREFIX_BYTES, _SALT_BYTES, _NONCE_BYTES = 4, 16, 12


def is_encrypted(content: bytes) -> bool:
    """Return whether the content of a key file is encrypted by a passphrase."""
    return LABEL.encode() in content or b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in content


def encrypt_key(content: bytes, passphrase: bytes, random: Callable[[int], bytes]) -> bytes:
    """Return the content of a key file, encrypted by a passphrase.

    Args:
        content: Content of the key file.
        passphrase: The passphrase.
        random: Returns the given number of random bytes.
    """
    header = bytes([1, MEMORY_LOG2_KIB, ITERATIONS, LANES]) + random(_SALT_BYTES) + random(_NONCE_BYTES)
    text = base64.b64encode(header + AESGCM(_derive(header, passphrase)).encrypt(_nonce(header), content, header))
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return b"\n".join([f"-----BEGIN {LABEL}-----".encode(), *lines, f"-----END {LABEL}-----".encode(), b""])


def decrypt_key(content: bytes, passphrase: bytes, name: str) -> bytes:
    """Return the content of a key file before `encrypt_key`.

    Args:
        content: The encrypted content.
        passphrase: The passphrase.
        name: Name of the file, for error messages.

    Raises:
        KeyRefusedError: if the passphrase is wrong, or the content was changed.
        ConfigurationError: if it does not have the form of an encrypted key.
    """
    if LABEL.encode() not in content:
        return _decrypt_pkcs8(content, passphrase, name)
    size = _PREFIX_BYTES + _SALT_BYTES + _NONCE_BYTES
    try:
        data = base64.b64decode(b"".join(content.strip().splitlines()[1:-1]), validate=True)
    except binascii.Error:
        data = b""
    if len(data) < size + 16 or data[0] != 1:
        raise ConfigurationError(f"{name} is not an encrypted key of a known version")
    if not (10 <= data[1] <= MAX_MEMORY_LOG2_KIB and 1 <= data[2] <= MAX_ITERATIONS and 1 <= data[3] <= MAX_LANES):
        raise ConfigurationError(f"{name} requires more memory or time than is accepted")
    header = data[:size]
    try:
        return AESGCM(_derive(header, passphrase)).decrypt(_nonce(header), data[size:], header)
    except InvalidTag:
        raise KeyRefusedError(f"the passphrase of {name} is wrong, or the file was changed") from None


def _decrypt_pkcs8(content: bytes, passphrase: bytes, name: str) -> bytes:
    try:
        key = serialization.load_pem_private_key(content, passphrase)
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRefusedError(f"the passphrase of {name} is wrong, or its algorithm is not supported") from None


def _derive(header: bytes, passphrase: bytes) -> bytes:
    salt = header[_PREFIX_BYTES : _PREFIX_BYTES + _SALT_BYTES]
    return Argon2id(salt=salt, length=32, iterations=header[2], lanes=header[3], memory_cost=2 ** header[1]).derive(
        passphrase
    )


def _nonce(header: bytes) -> bytes:
    return header[-_NONCE_BYTES:]
