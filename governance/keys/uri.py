"""Open a key by its URI: `file:PATH` or `env:NAME`; one provider a file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from governance.errors import ConfigurationError
from governance.keys import env, file
from governance.keys.recipient import RecipientKey
from governance.keys.signing import SigningKey

PROVIDERS: dict[str, Callable[[str], bytes]] = {"file": file.read_private, "env": env.read_private}
SECRET_BYTES = 32


def open_secret(uri: str) -> bytes:
    """Return a symmetric secret of 32 bytes, kept as base64 text.

    Raises:
        ConfigurationError: if the URI, the provider's access rules or the content are wrong.
        KeyUnavailableError: if the key cannot be read now.
    """
    try:
        secret = base64.b64decode(read(uri).strip(), validate=True)
    except binascii.Error:
        raise ConfigurationError(f"the key {uri} is not base64") from None
    if len(secret) != SECRET_BYTES:
        raise ConfigurationError(f"the key {uri} holds {len(secret)} bytes, not {SECRET_BYTES}")
    return secret


def open_signing_key(uri: str) -> SigningKey:
    """Return a signing key, kept as unencrypted PKCS #8 PEM (RFC 5958).

    Raises:
        ConfigurationError: if the URI, the provider's access rules or the content are wrong.
        KeyUnavailableError: if the key cannot be read now.
    """
    return SigningKey.from_pem(read(uri), uri)


def open_recipient_key(uri: str) -> RecipientKey:
    """Return a recipient's private key.

    Raises:
        ConfigurationError: if the URI, the provider's access rules or the content are wrong.
        KeyUnavailableError: if the key cannot be read now.
    """
    return RecipientKey.from_pem(read(uri), uri)


def read(uri: str) -> bytes:
    """Ask the URI's provider for the key's bytes."""
    scheme, separator, rest = uri.partition(":")
    provider = PROVIDERS.get(scheme)
    if provider is None or not separator or not rest:
        # The URI itself is not repeated: somebody may have put the key where its address belongs.
        raise ConfigurationError(f"a key is named by a URI, one of {', '.join(f'{name}:…' for name in PROVIDERS)}")
    return provider(rest)
