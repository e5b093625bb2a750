"""Hardware tokens: `pkcs11:token=LABEL;object=LABEL?module-path=…&pin-source=…` (RFC 7512).

An AES key encrypts data keys (AES-256-GCM with the header's digest as additional data); an EC key signs. Keys never
leave the token. `pin-source` names the PIN: `env:NAME` or `file:PATH`; a URI with the PIN itself is refused.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.mechanisms import GCMParams

from governance.errors import ConfigurationError, DecryptionError, KeyRefusedError, KeyUnavailableError
from governance.keys.providers.service import key_id_of_name, read_named, verify_parameters
from governance.keys.signing import VerifyingKey

SUITE = "PKCS11-AES-256-GCM"
_NONCE_BYTES, _TAG_BITS = 12, 128
# Object identifiers of the curves (RFC 5480), DER in hex, as in CKA_EC_PARAMS.
_CURVES: dict[str, tuple[ec.EllipticCurve, Any]] = {
    "06082a8648ce3d030107": (ec.SECP256R1(), hashlib.sha256),
    "06052b81040022": (ec.SECP384R1(), hashlib.sha384),
    "06052b81040023": (ec.SECP521R1(), hashlib.sha512),
}


@dataclass(frozen=True, slots=True, repr=False)
class _TokenKey:
    """Address of a key: module, label of the token, label of the object, and the PIN."""

    module: str
    token: str
    label: str
    pin: str

    @contextmanager
    def session(self) -> Iterator[Any]:
        """Log in to the token, for one operation; errors of the token become errors of this package."""
        try:
            library = pkcs11.lib(self.module)
            with library.get_token(token_label=self.token).open(user_pin=self.pin) as session:
                yield session
        except pkcs11.exceptions.PinIncorrect:
            raise KeyRefusedError(f"the token '{self.token}' refused the PIN") from None
        except pkcs11.exceptions.PinLocked:
            raise KeyRefusedError(f"the token '{self.token}' is locked: too many wrong PINs") from None
        except pkcs11.exceptions.NoSuchToken:
            raise KeyUnavailableError(f"there is no token '{self.token}' at {self.module}") from None
        except pkcs11.exceptions.NoSuchKey:
            raise KeyRefusedError(f"the token '{self.token}' has no such key '{self.label}'") from None
        except (pkcs11.exceptions.PKCS11Error, RuntimeError, OSError) as error:
            raise KeyUnavailableError(f"the token '{self.token}' cannot be reached ({type(error).__name__})") from None


@dataclass(frozen=True, slots=True, repr=False)
class TokenRecipient:
    """An AES-256 key in a token.

    Attributes:
        suite: Name of the method in the format.
    """

    _key: _TokenKey
    suite: str = SUITE

    @property
    def key_id(self) -> str:
        """SHA-256 of the labels of token and object, in hex."""
        return key_id_of_name(f"pkcs11:token={self._key.token};object={self._key.label}")

    def wrap(self, plaintext: bytes, info: bytes) -> bytes:
        """Encrypt a data key in the token, with `info` as additional authenticated data."""
        nonce = os.urandom(_NONCE_BYTES)
        with self._key.session() as session:
            key = session.get_key(ObjectClass.SECRET_KEY, KeyType.AES, self._key.label)
            return nonce + bytes(key.encrypt(plaintext, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce, info)))

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:
        """Decrypt a data key in the token."""
        nonce, ciphertext = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        if len(wrapped) <= _NONCE_BYTES + _TAG_BITS // 8:
            raise DecryptionError("the wrapped key is too short")
        with self._key.session() as session:
            key = session.get_key(ObjectClass.SECRET_KEY, KeyType.AES, self._key.label)
            try:
                return bytes(key.decrypt(ciphertext, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce, info)))
            # PKCS #11 has no error code for a wrong tag: tokens report one of these.
            except (
                pkcs11.exceptions.GeneralError,
                pkcs11.exceptions.EncryptedDataInvalid,
                pkcs11.exceptions.EncryptedDataLenRange,
                pkcs11.exceptions.FunctionFailed,
            ):
                raise DecryptionError(
                    "the token: the data key was not encrypted by this key for this artifact"
                ) from None


@dataclass(frozen=True, slots=True, repr=False)
class TokenSigner:
    """An EC key in a token.

    Attributes:
        public_key: The public half of the key.
    """

    public_key: VerifyingKey
    _key: _TokenKey
    _digest: Any

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature over `message`; it is hashed here, and the digest is signed in the token."""
        with self._key.session() as session:
            key = session.get_key(ObjectClass.PRIVATE_KEY, KeyType.EC, self._key.label)
            raw = bytes(key.sign(self._digest(message).digest(), mechanism=Mechanism.ECDSA))
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def open_recipient(path: str, parameters: Mapping[str, str]) -> TokenRecipient:
    """Return an AES-256 key.

    Args:
        path: `token=LABEL;object=LABEL`.
        parameters: `module-path` and `pin-source`.

    Raises:
        ConfigurationError: if it is not an AES key of 256 bits.
        KeyUnavailableError: if the token does not exist or cannot be reached.
        KeyRefusedError: if it refuses the PIN or has no such key.
    """
    address = _token_key(path, parameters)
    with address.session() as session:
        key = session.get_key(ObjectClass.SECRET_KEY, KeyType.AES, address.label)
        if key[Attribute.VALUE_LEN] != 32:
            raise ConfigurationError(f"the key '{address.label}' is not an AES key of 256 bits")
    return TokenRecipient(address)


def open_signer(path: str, parameters: Mapping[str, str]) -> TokenSigner:
    """Return an EC key pair.

    Args:
        path: `token=LABEL;object=LABEL`.
        parameters: `module-path` and `pin-source`.

    Raises:
        ConfigurationError: if it is not on P-256, P-384 or P-521.
        KeyUnavailableError: if the token does not exist or cannot be reached.
        KeyRefusedError: if it refuses the PIN or has no such key.
    """
    address = _token_key(path, parameters)
    with address.session() as session:
        key = session.get_key(ObjectClass.PUBLIC_KEY, KeyType.EC, address.label)
        parameters_der, point = bytes(key[Attribute.EC_PARAMS]).hex(), bytes(key[Attribute.EC_POINT])
    if parameters_der not in _CURVES:
        raise ConfigurationError(f"the key '{address.label}' is not on P-256, P-384 or P-521")
    curve, digest = _CURVES[parameters_der]
    # CKA_EC_POINT is a DER OCTET STRING with the uncompressed point; from 128 bytes on, its length takes two bytes.
    point = point[3:] if point[1] == 0x81 else point[2:]
    public = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
    return TokenSigner(VerifyingKey.from_key(public), address, digest)


def _token_key(path: str, parameters: Mapping[str, str]) -> _TokenKey:
    verify_parameters("pkcs11", parameters, {"module-path", "pin-source"})
    attributes = dict(part.partition("=")[::2] for part in path.split(";"))
    if set(attributes) != {"token", "object"} or not parameters.get("module-path") or not parameters.get("pin-source"):
        raise ConfigurationError(
            "the URI of a token's key is pkcs11:token=LABEL;object=LABEL?module-path=/path/lib.so&pin-source=env:NAME"
        )
    pin = read_named(parameters["pin-source"], "the PIN")
    return _TokenKey(parameters["module-path"], unquote(attributes["token"]), unquote(attributes["object"]), pin)


def _gcm(nonce: bytes, info: bytes) -> GCMParams:
    return GCMParams(nonce=nonce, aad=info, tag_bits=_TAG_BITS)
