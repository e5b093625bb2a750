"""What all key services have in common: how they are asked, and an id for a key that shows no bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from governance.errors import ConfigurationError
from governance.keys.providers import env, file

TIMEOUT_SECONDS = 5
ATTEMPTS = 4
BACKOFF_SECONDS = 0.2


def key_id_of(name: str) -> str:
    """Return the id of a key that is known by its name alone: the SHA-256 of the name, in hex."""
    return hashlib.sha256(name.encode()).hexdigest()


def verify_parameters(scheme: str, parameters: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse a parameter that nobody reads: it was meant to do something."""
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise ConfigurationError(f"{scheme}: has no parameter '{unknown[0][:40]}'; it has: {', '.join(sorted(known))}")


def read_named(uri: str, what: str) -> str:
    """Return a token or PIN from where it is: `env:NAME` or `file:PATH`.

    Raises:
        ConfigurationError: if it is named in another way, or its file is open to others.
        KeyUnavailableError: if it is not there.
    """
    scheme, _, rest = uri.partition(":")
    match scheme:
        case "env":
            content = env.read_private(rest)
        case "file":
            content = file.read_private(rest)
        case _:
            raise ConfigurationError(f"{what} is named by a URI, env:NAME or file:PATH, and never written itself")
    return content.decode("utf-8", "replace").strip()
