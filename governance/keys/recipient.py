"""Recipient keys: HPKE (RFC 9180) with ML-KEM-768 + X25519 (X-Wing, draft-connolly-cfrg-xwing-kem).

The private key is a seed of 32 bytes, expanded by SHAKE256 as X-Wing says. It wraps a data key of 32 bytes into
1,168; a quantum computer that breaks X25519 does not open what was recorded today.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey, Suite

from governance.errors import ConfigurationError, DecryptionError
from governance.keys.file import read_public

SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
SUITE_NAME = "HPKE-MLKEM768-X25519-HKDF-SHA256-AES256GCM"
SEED_BYTES, MLKEM_PUBLIC_BYTES, X25519_BYTES = 32, 1184, 32
PRIVATE_LABEL, PUBLIC_LABEL = "BENTO-GOVERNANCE RECIPIENT PRIVATE KEY", "BENTO-GOVERNANCE RECIPIENT PUBLIC KEY"


@dataclass(frozen=True, slots=True)
class RecipientPublicKey:
    """Whom an artifact is encrypted for: the ML-KEM-768 key (1,184 bytes) and the X25519 key (32 bytes) after it."""

    raw: bytes

    @classmethod
    def from_pem(cls, pem: bytes, name: str) -> RecipientPublicKey:
        """Parse the PEM that `to_pem` writes.

        Raises:
            ConfigurationError: if it is no such key.
        """
        key = cls(_from_pem(pem, PUBLIC_LABEL, MLKEM_PUBLIC_BYTES + X25519_BYTES, name))
        try:
            key._hpke()
        except ValueError:
            raise ConfigurationError(f"{name} is not a valid recipient key") from None
        return key

    @property
    def key_id(self) -> str:
        """The SHA-256 of the raw key, in hex."""
        return hashlib.sha256(self.raw).hexdigest()

    def to_pem(self) -> bytes:
        return _to_pem(self.raw, PUBLIC_LABEL)

    def wrap(self, plaintext: bytes, info: bytes) -> bytes:
        """Encrypt a data key for this recipient, bound to `info` (HPKE base mode, single shot)."""
        return SUITE.encrypt(plaintext, self._hpke(), info)

    def _hpke(self) -> MLKEM768X25519PublicKey:
        mlkem = MLKEM768PublicKey.from_public_bytes(self.raw[:MLKEM_PUBLIC_BYTES])
        return MLKEM768X25519PublicKey(mlkem, x25519.X25519PublicKey.from_public_bytes(self.raw[MLKEM_PUBLIC_BYTES:]))


@dataclass(frozen=True, slots=True, repr=False)
class RecipientKey:
    """A recipient's private key; its repr never shows it."""

    _seed: bytes

    @classmethod
    def from_pem(cls, pem: bytes, name: str) -> RecipientKey:
        """Parse the PEM that `to_pem` writes.

        Raises:
            ConfigurationError: if it is no such key.
        """
        return cls(_from_pem(pem, PRIVATE_LABEL, SEED_BYTES, name))

    @property
    def public_key(self) -> RecipientPublicKey:
        mlkem, x = self._expand()
        return RecipientPublicKey(mlkem.public_key().public_bytes_raw() + x.public_key().public_bytes_raw())

    @property
    def key_id(self) -> str:
        return self.public_key.key_id

    def to_pem(self) -> bytes:
        return _to_pem(self._seed, PRIVATE_LABEL)

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:
        """Decrypt what was wrapped for this key with the same `info`.

        Raises:
            DecryptionError: if it was wrapped for another key or `info`, or has been changed.
        """
        try:
            return SUITE.decrypt(wrapped, MLKEM768X25519PrivateKey(*self._expand()), info)
        except (InvalidTag, ValueError):
            raise DecryptionError("the wrapped key does not open with this recipient key") from None

    def _expand(self) -> tuple[MLKEM768PrivateKey, x25519.X25519PrivateKey]:
        expanded = hashlib.shake_256(self._seed).digest(96)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        return mlkem, x25519.X25519PrivateKey.from_private_bytes(expanded[64:])


def generate_recipient_key(seed: bytes) -> RecipientKey:
    """Make a key from 32 fresh random bytes."""
    if len(seed) != SEED_BYTES:
        raise ConfigurationError(f"a recipient key's seed has {SEED_BYTES} bytes")
    return RecipientKey(seed)


def load_recipient_public_key(path: Path) -> RecipientPublicKey:
    """Read a recipient's public key from its file.

    Raises:
        ConfigurationError: if it cannot be read or is no such key.
    """
    return RecipientPublicKey.from_pem(read_public(path), str(path))


def _to_pem(raw: bytes, label: str) -> bytes:
    text = base64.b64encode(raw).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _from_pem(pem: bytes, label: str, length: int, name: str) -> bytes:
    try:
        lines = pem.decode("ascii").strip().splitlines()
        raw = base64.b64decode("".join(lines[1:-1]), validate=True)
    except (UnicodeDecodeError, binascii.Error):
        raw, lines = b"", []
    if (
        len(lines) < 3
        or lines[0] != f"-----BEGIN {label}-----"
        or lines[-1] != f"-----END {label}-----"
        or len(raw) != length
    ):
        raise ConfigurationError(f"{name} is not a PEM file with a {label}")
    return raw
