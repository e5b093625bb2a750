"""The Transit engine of Vault or OpenBao: `vault:MOUNT/KEY`.

A key with `derived=true` encrypts data keys, with the header's digest as context; a key of type ecdsa-p256, p384, p521
or ed25519 signs. Address and token come from VAULT_ADDR and VAULT_TOKEN, or from the URI:
`?address=https://…&token=file:PATH`. A token file, which an agent may renew, is read each time that a key is opened.
Source: https://openbao.org/api-docs/secret/transit/
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import hvac
import requests
from hvac import exceptions
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from governance.errors import ConfigurationError, DecryptionError, KeyRefusedError, KeyUnavailableError
from governance.keys.providers.service import (
    ATTEMPTS,
    BACKOFF_SECONDS,
    TIMEOUT_SECONDS,
    key_id_of_name,
    read_named,
    verify_parameters,
)
from governance.keys.signing import VerifyingKey

SUITE = "VAULT-TRANSIT"
_HASHES = {"ecdsa-p256": "sha2-256", "ecdsa-p384": "sha2-384", "ecdsa-p521": "sha2-512", "ed25519": "sha2-256"}
_TRY_AGAIN = (exceptions.RateLimitExceeded, exceptions.InternalServerError, exceptions.BadGateway, exceptions.VaultDown)

Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class TransitRecipient:
    """A derived key of the Transit engine.

    Attributes:
        mount: Path of the engine.
        name: Name of the key.
        suite: Name of the method in the format.
    """

    mount: str
    name: str
    _client: Any
    suite: str = SUITE

    @property
    def key_id(self) -> str:
        """SHA-256 of mount and name, in hex."""
        return key_id_of_name(f"vault:{self.mount}/{self.name}")

    def wrap(self, plaintext: bytes, info: bytes) -> bytes:
        """Encrypt a data key with the Transit key and `info` as derivation context."""
        answer = _ask(
            lambda: self._client.encrypt_data(
                self.name, plaintext=_text(plaintext), context=_text(info), mount_point=self.mount
            )
        )
        return str(answer["data"]["ciphertext"]).encode()

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:
        """Decrypt a data key that was wrapped with the same `info`."""
        try:
            ciphertext = wrapped.decode("ascii")
        except UnicodeDecodeError:
            raise DecryptionError("the wrapped key does not have the form of Vault") from None
        try:
            answer = _ask(
                lambda: self._client.decrypt_data(
                    self.name, ciphertext=ciphertext, context=_text(info), mount_point=self.mount
                )
            )
        except exceptions.InvalidRequest:
            raise DecryptionError("Vault: the data key was not encrypted by this key for this artifact") from None
        return base64.b64decode(answer["data"]["plaintext"])


@dataclass(frozen=True, slots=True)
class TransitSigner:
    """The newest version of a signing key of the Transit engine.

    Attributes:
        mount: Path of the engine.
        name: Name of the key.
        version: Version of the key.
        public_key: Public half of this version.
    """

    mount: str
    name: str
    version: int
    public_key: VerifyingKey
    _client: Any

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`: DER for ECDSA, raw for Ed25519."""
        answer = _ask(
            lambda: self._client.sign_data(
                self.name,
                hash_input=_text(message),
                key_version=self.version,
                hash_algorithm=_HASHES[self.public_key.algorithm],
                marshaling_algorithm="asn1",
                mount_point=self.mount,
            )
        )
        return base64.b64decode(str(answer["data"]["signature"]).rsplit(":", 1)[-1])


def open_recipient(path: str, parameters: Mapping[str, str]) -> TransitRecipient:
    """Return a key that encrypts data keys.

    Args:
        path: `MOUNT/KEY`.
        parameters: `address`, `token` and `namespace`, all optional.

    Raises:
        ConfigurationError: if it is not a derived key, whose ciphertexts are bound to one artifact.
        KeyUnavailableError: if Vault cannot be reached.
        KeyRefusedError: if Vault refuses.
    """
    transit, mount, name = _transit(path, parameters)
    key = _ask(lambda: transit.read_key(name, mount_point=mount))["data"]
    if not key.get("derived") or not key.get("supports_encryption"):
        raise ConfigurationError(f"vault:{path} must be an encryption key with derived=true")
    return TransitRecipient(mount, name, transit)


def open_signer(path: str, parameters: Mapping[str, str]) -> TransitSigner:
    """Return a signing key with its public half.

    Args:
        path: `MOUNT/KEY`.
        parameters: `address`, `token` and `namespace`, all optional.

    Raises:
        ConfigurationError: if its type cannot sign.
        KeyUnavailableError: if Vault cannot be reached.
        KeyRefusedError: if Vault refuses.
    """
    transit, mount, name = _transit(path, parameters)
    key = _ask(lambda: transit.read_key(name, mount_point=mount))["data"]
    version = int(key["latest_version"])
    if key.get("type") not in _HASHES or key.get("derived"):
        raise ConfigurationError(f"vault:{path} is a key of type {key.get('type')}; signing needs {', '.join(_HASHES)}")
    public = str(key["keys"][str(version)]["public_key"])
    if key["type"] == "ed25519":
        # Vault returns the 32 bytes as base64; the prefix makes them SubjectPublicKeyInfo (RFC 8410).
        der = bytes.fromhex("302a300506032b6570032100") + base64.b64decode(public)
        public = f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n"
    return TransitSigner(mount, name, version, VerifyingKey.from_pem(public.encode(), f"vault:{path}"), transit)


def _transit(path: str, parameters: Mapping[str, str]) -> tuple[Any, str, str]:
    verify_parameters("vault", parameters, {"address", "token", "namespace"})
    mount, separator, name = path.rpartition("/")
    if not separator or not mount or not name:
        raise ConfigurationError("the URI of a Vault key is vault:MOUNT/KEY, for example vault:transit/models")
    address = parameters.get("address") or os.environ.get("VAULT_ADDR")
    if not address:
        raise ConfigurationError(
            "the address of Vault is missing: set VAULT_ADDR, or write vault:MOUNT/KEY?address=https://…"
        )
    session = requests.Session()
    # Keys are used rarely, so no connection is kept.
    session.headers["Connection"] = "close"
    retry = Retry(
        total=ATTEMPTS - 1,
        backoff_factor=BACKOFF_SECONDS,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
    )
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    client = hvac.Client(
        url=address,
        token=read_named(parameters.get("token", "env:VAULT_TOKEN"), "Vault's token"),
        namespace=parameters.get("namespace") or os.environ.get("VAULT_NAMESPACE"),
        timeout=TIMEOUT_SECONDS,
        session=session,
    )
    return client.secrets.transit, mount, name


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _ask(call: Callable[[], Response]) -> Response:
    try:
        return call()
    except exceptions.InvalidRequest as error:
        if "authentication failed" in str(error) or "invalid ciphertext" in str(error):
            raise
        raise KeyRefusedError("Vault refused: the request does not fit the key") from None
    except (exceptions.Forbidden, exceptions.Unauthorized):
        raise KeyRefusedError("Vault refused: the token is not valid or may not do this") from None
    except exceptions.InvalidPath:
        raise KeyRefusedError("Vault has no such key or mount") from None
    except _TRY_AGAIN as error:
        raise KeyUnavailableError(f"Vault cannot answer now ({type(error).__name__}): try again") from None
    except (exceptions.VaultError, requests.RequestException) as error:
        raise KeyUnavailableError(f"Vault cannot be reached ({type(error).__name__})") from None
