"""Keys in environment variables, as orchestrators inject them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from governance.errors import KeyUnavailableError


def read_private(name: str, environment: Mapping[str, str] = os.environ) -> bytes:
    """Return the variable's content: PEM, or base64 for a secret.

    Raises:
        KeyUnavailableError: if the variable is not set.
    """
    value = environment.get(name)
    if not value:
        raise KeyUnavailableError(f"the environment variable {name} is not set, and a key should be in it")
    return value.encode()
