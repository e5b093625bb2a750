"""Recipients: public keys for which a data key is encrypted ("wrapped"), and private keys that decrypt it.

Keys in files and variables use HPKE (RFC 9180, base mode) with one of three key encapsulations: X-Wing (ML-KEM-768 with
X25519, draft-connolly-cfrg-xwing-kem), X25519, or P-256. X-Wing stays secure if a quantum computer breaks X25519 later;
its private key is a seed of 32 bytes, and a wrapped data key of 32 bytes has 1,168. Key services and tokens are in
`providers/`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey, Suite

from governance.errors import ConfigurationError, DecryptionError
from governance.keys.key_files import read_public

SEED_BYTES, MLKEM_PUBLIC_BYTES, X25519_BYTES = 32, 1184, 32
PRIVATE_LABEL, PUBLIC_LABEL = "BENTO-GOVERNANCE RECIPIENT PRIVATE KEY", "BENTO-GOVERNANCE RECIPIENT PUBLIC KEY"
XWING, X25519, P256 = (
    "HPKE-MLKEM768-X25519-HKDF-SHA256-AES256GCM",
    "HPKE-X25519-HKDF-SHA256-AES256GCM",
    "HPKE-P256-HKDF-SHA256-AES256GCM",
)
SUITES = MappingProxyType(
    {
        XWING: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
        X25519: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
        P256: Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    }
)
ALGORITHMS = MappingProxyType({"x-wing": XWING, "x25519": X25519, "p256": P256})


class Wrapper(Protocol):
    """Encrypts data keys for one recipient."""

    @property
    def key_id(self) -> str:
        """Id of the key: 64 hex digits."""

    @property
    def suite(self) -> str:
        """Name of the method in the format."""

    def wrap(self, plaintext: bytes, info: bytes) -> bytes:
        """Encrypt a data key; it can only be decrypted with the same `info`.

        Raises:
            KeyUnavailableError: if a key service cannot be reached.
            KeyRefusedError: if it refuses.
        """


class Unwrapper(Protocol):
    """Decrypts data keys of one recipient."""

    @property
    def key_id(self) -> str:
        """Id of the key: 64 hex digits."""

    @property
    def suite(self) -> str:
        """Name of the method in the format."""

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:
        """Decrypt a data key that was wrapped with the same `info`.

        Raises:
            DecryptionError: if it was wrapped for another key or with another `info`, or was changed.
            KeyUnavailableError: if a key service cannot be reached.
            KeyRefusedError: if it refuses.
        """


@dataclass(frozen=True, slots=True)
class RecipientPublicKey:
    """A recipient's public key.

    Attributes:
        suite: Name of the method in the format.
        raw: For X-Wing, ML-KEM-768 (1,184 bytes) followed by X25519 (32); X25519 (32); or P-256 uncompressed (65).
    """

    suite: str
    raw: bytes

    @classmethod
    def from_pem(cls, pem: bytes, name: str) -> RecipientPublicKey:
        """Parse the PEM that `to_pem` writes: a label of this package for X-Wing, SubjectPublicKeyInfo for the others.

        Args:
            pem: Content of the file.
            name: Name of the file, for error messages.

        Raises:
            ConfigurationError: if it is not such a key.
        """
        try:
            if PUBLIC_LABEL.encode() in pem:
                key = cls(XWING, _from_pem(pem, PUBLIC_LABEL, MLKEM_PUBLIC_BYTES + X25519_BYTES, name))
                key._hpke()
                return key
            return _public_of(serialization.load_pem_public_key(pem))
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConfigurationError(f"{name} is not a recipient's public key (PEM, {', '.join(ALGORITHMS)})") from None

    @property
    def key_id(self) -> str:
        """SHA-256 of `raw`, in hex."""
        return hashlib.sha256(self.raw).hexdigest()

    def to_pem(self) -> bytes:
        """Return the key as PEM."""
        if self.suite == XWING:
            return _to_pem(self.raw, PUBLIC_LABEL)
        pem: bytes = self._hpke().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return pem

    def wrap(self, plaintext: bytes, info: bytes) -> bytes:
        """Encrypt a data key for this recipient (HPKE base mode, single shot, RFC 9180 section 6.1)."""
        return SUITES[self.suite].encrypt(plaintext, self._hpke(), info)

    def _hpke(self) -> Any:
        if self.suite == X25519:
            return x25519.X25519PublicKey.from_public_bytes(self.raw)
        if self.suite == P256:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.raw)
        mlkem = MLKEM768PublicKey.from_public_bytes(self.raw[:MLKEM_PUBLIC_BYTES])
        return MLKEM768X25519PublicKey(mlkem, x25519.X25519PublicKey.from_public_bytes(self.raw[MLKEM_PUBLIC_BYTES:]))


@dataclass(frozen=True, slots=True, repr=False)
class RecipientKey:
    """A recipient's private key; its repr does not show it.

    Attributes:
        suite: Name of the method in the format.
    """

    suite: str
    # The seed of X-Wing (32 bytes), or a private key of `cryptography`.
    _secret: Any

    @classmethod
    def from_pem(cls, pem: bytes, name: str) -> RecipientKey:
        """Parse the PEM that `to_pem` writes: a label of this package for X-Wing, PKCS #8 for the others.

        Args:
            pem: Content of the file.
            name: Name of the file, for error messages.

        Raises:
            ConfigurationError: if it is not such a key.
        """
        if PRIVATE_LABEL.encode() in pem:
            return cls(XWING, _from_pem(pem, PRIVATE_LABEL, SEED_BYTES, name))
        try:
            key = serialization.load_pem_private_key(pem, password=None)
            return cls(_public_of(key.public_key()).suite, key)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConfigurationError(
                f"{name} is not a recipient's private key (PEM, {', '.join(ALGORITHMS)})"
            ) from None

    @property
    def public_key(self) -> RecipientPublicKey:
        """The public half of the key."""
        if self.suite != XWING:
            return _public_of(self._secret.public_key())
        mlkem, x = self._expand()
        return RecipientPublicKey(XWING, mlkem.public_key().public_bytes_raw() + x.public_key().public_bytes_raw())

    @property
    def key_id(self) -> str:
        """Id of the public key: 64 hex digits."""
        return self.public_key.key_id

    def to_pem(self) -> bytes:
        """Return the key as unencrypted PEM, for a private file."""
        if self.suite == XWING:
            return _to_pem(self._secret, PRIVATE_LABEL)
        pem: bytes = self._secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return pem

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:
        """Decrypt a data key that was wrapped for this key with the same `info`.

        Raises:
            DecryptionError: if it was wrapped for another key or with another `info`, or was changed.
        """
        private = MLKEM768X25519PrivateKey(*self._expand()) if self.suite == XWING else self._secret
        try:
            return SUITES[self.suite].decrypt(wrapped, private, info)
        except (InvalidTag, ValueError):
            raise DecryptionError("the wrapped key cannot be decrypted with this recipient key") from None

    def _expand(self) -> tuple[MLKEM768PrivateKey, x25519.X25519PrivateKey]:
        expanded = hashlib.shake_256(self._secret).digest(96)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        return mlkem, x25519.X25519PrivateKey.from_private_bytes(expanded[64:])


def generate_recipient_key(algorithm: str, random: Callable[[int], bytes]) -> RecipientKey:
    """Generate a recipient's key.

    Args:
        algorithm: `x-wing`, `x25519` or `p256`.
        random: Returns the given number of random bytes; not used for `p256`.

    Raises:
        ConfigurationError: if there is no such algorithm.
    """
    suite = ALGORITHMS.get(algorithm)
    if suite is None:
        raise ConfigurationError(f"there is no recipient algorithm '{algorithm}'; there are: {', '.join(ALGORITHMS)}")
    if suite == XWING:
        return RecipientKey(XWING, random(SEED_BYTES))
    if suite == X25519:
        return RecipientKey(X25519, x25519.X25519PrivateKey.from_private_bytes(random(X25519_BYTES)))
    return RecipientKey(P256, ec.generate_private_key(ec.SECP256R1()))


def load_recipient_public_key(path: Path) -> RecipientPublicKey:
    """Read a recipient's public key from a file.

    Raises:
        ConfigurationError: if it cannot be read, or is not such a key.
    """
    return RecipientPublicKey.from_pem(read_public(path), str(path))


def _public_of(key: object) -> RecipientPublicKey:
    if isinstance(key, x25519.X25519PublicKey):
        return RecipientPublicKey(X25519, key.public_bytes_raw())
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1":
        point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        return RecipientPublicKey(P256, point)
    raise ValueError("unsupported kind of key")


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
