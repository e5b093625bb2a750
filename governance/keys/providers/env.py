"""Keys in environment variables: `env:NAME`."""

from __future__ import annotations

import os
from collections.abc import Mapping

from governance.errors import KeyUnavailableError


def read_private(name: str, environment: Mapping[str, str] = os.environ) -> bytes:
    """Return the value of a variable: PEM, or base64 of a secret.

    Raises:
        KeyUnavailableError: if the variable is not set or empty.
    """
    value = environment.get(name)
    if not value:
        raise KeyUnavailableError(f"the environment variable {name}, which should contain a key, is not set")
    return value.encode()
