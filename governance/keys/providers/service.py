"""Shared by the key services: timeouts and attempts, key ids, parameters of a URI, tokens and PINs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from governance.errors import ConfigurationError
from governance.keys import key_files
from governance.keys.providers import env

TIMEOUT_SECONDS = 5
ATTEMPTS = 4
BACKOFF_SECONDS = 0.2


def key_id_of_name(name: str) -> str:
    """Return the id of a key whose bytes are not accessible: the SHA-256 of its name, in hex."""
    return hashlib.sha256(name.encode()).hexdigest()


def verify_parameters(scheme: str, parameters: Mapping[str, str], known: Collection[str]) -> None:
    """Check the parameters of a URI.

    Raises:
        ConfigurationError: if there is an unknown parameter, which would otherwise be ignored.
    """
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ConfigurationError(f"{scheme}: has no parameter '{unknown[0][:40]}'; it has: {', '.join(sorted(known))}")


def read_named(uri: str, what: str) -> str:
    """Return a token or PIN.

    Args:
        uri: `env:NAME` or `file:PATH`.
        what: What it is, for error messages, such as `the PIN`.

    Raises:
        ConfigurationError: if the URI has another form, or group or others have access to the file.
        KeyUnavailableError: if the variable or file does not exist.
    """
    scheme, _, rest = uri.partition(":")
    match scheme:
        case "env":
            content = env.read_private(rest)
        case "file":
            content = key_files.read_private(rest)
        case _:
            raise ConfigurationError(f"{what} must be a URI, env:NAME or file:PATH, and not the value itself")
    return content.decode("utf-8", "replace").strip()
