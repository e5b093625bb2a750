"""Opening of keys by URI.

    file:PATH[?passphrase=env:NAME|file:PATH]      env:NAME
    awskms:KEY[?region=…&endpoint=…]               vault:MOUNT/KEY[?address=…&token=env:NAME|file:PATH]
    pkcs11:token=LABEL;object=LABEL?module-path=…&pin-source=env:NAME|file:PATH          (RFC 7512)

Each provider is a file in `providers/`, which is imported only when a URI names it.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from governance.errors import ConfigurationError, KeyUnavailableError
from governance.keys import key_files
from governance.keys.operations import KEY_OPERATIONS, CountedSigner, CountedUnwrapper, CountedWrapper
from governance.keys.providers import env
from governance.keys.providers.passphrase import decrypt_key, is_encrypted
from governance.keys.recipient import RecipientKey, Unwrapper, Wrapper, load_recipient_public_key
from governance.keys.signing import Signer, SigningKey

READERS: Mapping[str, Callable[[str], bytes]] = MappingProxyType(
    {"file": key_files.read_private, "env": env.read_private}
)
# Providers whose keys never leave the service or token: only signatures and data keys do.
SERVICES = MappingProxyType(
    {
        "awskms": "governance.keys.providers.awskms",
        "vault": "governance.keys.providers.vault",
        "pkcs11": "governance.keys.providers.pkcs11",
    }
)
SECRET_BYTES = 32


def open_secret(uri: str) -> bytes:
    """Return a symmetric secret of 32 bytes, which is stored as base64.

    Args:
        uri: `file:PATH` or `env:NAME`.

    Raises:
        ConfigurationError: if the URI, the file's permissions or the content are wrong.
        KeyUnavailableError: if the secret cannot be read now.
    """
    scheme, _ = _split(uri)
    if scheme in SERVICES:
        raise ConfigurationError(f"a secret must be a URI file: or env:; keys of {scheme}: cannot be read")
    with KEY_OPERATIONS.timed(scheme, "secret"):
        try:
            secret = base64.b64decode(read(uri).strip(), validate=True)
        except binascii.Error:
            raise ConfigurationError(f"the key {uri} is not base64") from None
        if len(secret) != SECRET_BYTES:
            raise ConfigurationError(f"the key {uri} has {len(secret)} bytes, not {SECRET_BYTES}")
        return secret


def open_signing_key(uri: str) -> Signer:
    """Return a signing key, stored as PKCS #8 PEM (RFC 5958) or in a key service or token.

    Args:
        uri: `file:`, `env:`, `awskms:`, `vault:` or `pkcs11:`.

    Raises:
        ConfigurationError: if the URI, the file's permissions or the content are wrong.
        KeyUnavailableError: if the file cannot be read, or the service or token cannot be reached.
        KeyRefusedError: if the service or token refuses, or the passphrase is wrong.
    """
    scheme, rest = _split(uri)
    with KEY_OPERATIONS.timed(scheme, "open"):
        signer: Signer = (
            _service(scheme).open_signer(*_path_and_query(rest))
            if scheme in SERVICES
            else SigningKey.from_pem(read(uri), uri)
        )
    return CountedSigner(scheme, signer)


def open_recipient_key(uri: str) -> Unwrapper:
    """Return a recipient's private key, stored as PEM or in a key service or token; it decrypts data keys.

    Args:
        uri: `file:`, `env:`, `awskms:`, `vault:` or `pkcs11:`.

    Raises:
        ConfigurationError: if the URI, the file's permissions or the content are wrong.
        KeyUnavailableError: if the file cannot be read, or the service or token cannot be reached.
        KeyRefusedError: if the service or token refuses, or the passphrase is wrong.
    """
    scheme, rest = _split(uri)
    with KEY_OPERATIONS.timed(scheme, "open"):
        unwrapper: Unwrapper = (
            _service(scheme).open_recipient(*_path_and_query(rest))
            if scheme in SERVICES
            else RecipientKey.from_pem(read(uri), uri)
        )
    return CountedUnwrapper(scheme, unwrapper)


def open_recipient(place: str) -> Wrapper:
    """Return a recipient's public key, or the key of a service or token; it encrypts data keys.

    Args:
        place: Path of a public key, or the URI of a key in a key service or token.

    Raises:
        ConfigurationError: if the URI or the content is wrong.
        KeyUnavailableError: if the service or token cannot be reached.
        KeyRefusedError: if the service or token refuses.
    """
    scheme, separator, rest = place.partition(":")
    if separator and scheme in SERVICES:
        with KEY_OPERATIONS.timed(scheme, "open"):
            wrapper: Wrapper = _service(scheme).open_recipient(*_path_and_query(rest))
        return CountedWrapper(scheme, wrapper)
    return CountedWrapper("file", load_recipient_public_key(Path(place.removeprefix("file:"))))


def created_at(uri: str) -> float | None:
    """Return the modification time of a key's file (Unix seconds), or None if it is not a file or does not exist."""
    scheme, _, rest = uri.partition(":")
    try:
        return os.stat(rest.partition("?")[0]).st_mtime if scheme == "file" else None
    except OSError:
        return None


def read(uri: str) -> bytes:
    """Return the bytes of a key in a file or variable, decrypted if a passphrase encrypts it.

    Args:
        uri: `file:PATH[?passphrase=…]` or `env:NAME[?passphrase=…]`.

    Raises:
        ConfigurationError: if the URI, the file's permissions or its form are wrong.
        KeyUnavailableError: if the key cannot be read, or its passphrase is not named.
        KeyRefusedError: if the passphrase is wrong.
    """
    scheme, rest = _split(uri)
    rest, _, passphrase_uri = rest.partition("?passphrase=")
    content = READERS[scheme](rest)
    if not is_encrypted(content):
        return content
    if not passphrase_uri:
        raise KeyUnavailableError(f"the key {scheme}:{rest} needs a passphrase: {scheme}:{rest}?passphrase=env:NAME")
    return decrypt_key(content, read(passphrase_uri).rstrip(b"\r\n"), rest)


def _split(uri: str) -> tuple[str, str]:
    scheme, separator, rest = uri.partition(":")
    if scheme not in {*READERS, *SERVICES} or not separator or not rest:
        # The URI is not repeated in the message: it may be the key itself, written here by mistake.
        known = ", ".join(f"{name}:…" for name in (*READERS, *SERVICES))
        raise ConfigurationError(f"a key must be a URI, one of {known}")
    return scheme, rest


def _path_and_query(rest: str) -> tuple[str, dict[str, str]]:
    path, _, query = rest.partition("?")
    return path, dict(parse_qsl(query, keep_blank_values=True))


def _service(scheme: str) -> Any:
    try:
        return import_module(SERVICES[scheme])
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{scheme}: keys need the package '{error.name}': pip install 'bento-governance[{scheme}]'"
        ) from None
