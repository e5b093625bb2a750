"""Signing keys: ECDSA for model signatures, ML-DSA-65 for an additional signature, Ed25519 for checkpoints."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa

from governance.errors import ConfigurationError, SignatureError
from governance.keys.key_files import read_public

# Curve name -> our name, curve, and the hash of the same strength (FIPS 186-5).
CURVES: dict[str, tuple[str, type[ec.EllipticCurve], hashes.HashAlgorithm]] = {
    "secp256r1": ("ecdsa-p256", ec.SECP256R1, hashes.SHA256()),
    "secp384r1": ("ecdsa-p384", ec.SECP384R1, hashes.SHA384()),
    "secp521r1": ("ecdsa-p521", ec.SECP521R1, hashes.SHA512()),
}


class Signer(Protocol):
    """A private signing key: in a file, or in a key service or token that it never leaves."""

    @property
    def public_key(self) -> VerifyingKey:
        """The public half of the key."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`: DER for ECDSA, raw for Ed25519 (64 bytes) and ML-DSA-65 (3,309).

        Raises:
            KeyUnavailableError: if a key service cannot be reached.
            KeyRefusedError: if it refuses.
        """


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public signing key.

    Attributes:
        algorithm: `ed25519`, `ecdsa-p256`, `ecdsa-p384`, `ecdsa-p521` or `ml-dsa-65`.
        pem: The key as SubjectPublicKeyInfo PEM (RFC 5280).
    """

    algorithm: str
    pem: bytes
    _key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | mldsa.MLDSA65PublicKey

    @classmethod
    def from_pem(cls, pem: bytes, name: str) -> VerifyingKey:
        """Parse SubjectPublicKeyInfo PEM (RFC 5280).

        Args:
            pem: Content of the file.
            name: Name of the file, for error messages.

        Raises:
            ConfigurationError: if it is not a public key of a supported algorithm.
        """
        try:
            return cls.from_key(serialization.load_pem_public_key(pem))
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ConfigurationError(
                f"{name} is not a public signing key (PEM: ECDSA P-256/384/521, Ed25519 or ML-DSA-65)"
            ) from None

    @classmethod
    def from_key(cls, key: object) -> VerifyingKey:
        """Return a key for a public key of `cryptography`.

        Raises:
            ValueError: if its algorithm or curve is not supported.
        """
        if isinstance(key, ed25519.Ed25519PublicKey):
            algorithm = "ed25519"
        elif isinstance(key, mldsa.MLDSA65PublicKey):
            algorithm = "ml-dsa-65"
        elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
            algorithm = CURVES[key.curve.name][0]
        else:
            raise ValueError("unsupported kind of key")
        pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return cls(algorithm, pem, key)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of `pem` in hex, the key hint of OpenSSF Model Signing."""
        return hashlib.sha256(self.pem).hexdigest()

    @property
    def raw(self) -> bytes:
        """The 32 bytes of an Ed25519 key (RFC 8032), for the key id of a signed note.

        Raises:
            ConfigurationError: if it is a key of another algorithm.
        """
        if not isinstance(self._key, ed25519.Ed25519PublicKey):
            raise ConfigurationError(f"an Ed25519 key is needed here, and this one is {self.algorithm}")
        return self._key.public_bytes_raw()

    def verify_signature(self, signature: bytes, message: bytes) -> bytes:
        """Return `message` if `signature` is a signature of this key over it.

        Args:
            signature: DER for ECDSA, raw bytes for Ed25519 and ML-DSA-65.
            message: The signed bytes.

        Raises:
            SignatureError: if it is not.
        """
        try:
            if isinstance(self._key, ec.EllipticCurvePublicKey):
                self._key.verify(signature, message, ec.ECDSA(CURVES[self._key.curve.name][2]))
            else:
                self._key.verify(signature, message)
        except InvalidSignature:
            raise SignatureError("the signature does not match this key and content") from None
        return message


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private signing key in memory; its repr does not show it."""

    _key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | mldsa.MLDSA65PrivateKey

    @classmethod
    def from_pem(cls, pem: bytes, name: str) -> SigningKey:
        """Parse unencrypted PKCS #8 PEM (RFC 5958).

        Args:
            pem: Content of the file.
            name: Name of the file, for error messages.

        Raises:
            ConfigurationError: if it is not a private key of a supported algorithm.
        """
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if isinstance(key, ed25519.Ed25519PrivateKey | mldsa.MLDSA65PrivateKey) or (
            isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES
        ):
            return cls(key)
        raise ConfigurationError(
            f"{name} is not a private signing key (PKCS #8 PEM: ECDSA P-256/384/521, Ed25519 or ML-DSA-65)"
        )

    @property
    def public_key(self) -> VerifyingKey:
        """The public half of the key."""
        return VerifyingKey.from_key(self._key.public_key())

    @property
    def algorithm(self) -> str:
        """Name of the algorithm; see `VerifyingKey`."""
        return self.public_key.algorithm

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`: DER for ECDSA, raw for Ed25519 and ML-DSA-65."""
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(message, ec.ECDSA(CURVES[self._key.curve.name][2]))
        return self._key.sign(message)

    def to_pem(self) -> bytes:
        """Return the key as unencrypted PKCS #8 PEM, for a private file."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def generate_signing_key(algorithm: str = "ecdsa-p256") -> SigningKey:
    """Generate a signing key.

    Args:
        algorithm: `ecdsa-p256`, `ecdsa-p384`, `ecdsa-p521`, `ed25519` or `ml-dsa-65`.

    Raises:
        ConfigurationError: if there is no such algorithm.
    """
    if algorithm == "ed25519":
        return SigningKey(ed25519.Ed25519PrivateKey.generate())
    if algorithm == "ml-dsa-65":
        return SigningKey(mldsa.MLDSA65PrivateKey.generate())
    curves = {name: curve for name, curve, _ in CURVES.values()}
    if algorithm not in curves:
        raise ConfigurationError(
            f"there is no signing algorithm '{algorithm}'; there are: ed25519, ml-dsa-65, {', '.join(curves)}"
        )
    return SigningKey(ec.generate_private_key(curves[algorithm]()))


def load_verifying_key(path: Path) -> VerifyingKey:
    """Read a public signing key from a file.

    Args:
        path: A PEM file (SubjectPublicKeyInfo).

    Raises:
        ConfigurationError: if it cannot be read, or is not such a key.
    """
    return VerifyingKey.from_pem(read_public(path), str(path))
