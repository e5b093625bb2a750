"""The authenticated caller of a request, as policies, limits and the audit log use it."""

from __future__ import annotations

import re
from dataclasses import dataclass

AttributeValue = str | int | bool | tuple[str, ...]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated identity.

    Attributes:
        id: Id of the Cedar entity `Caller`: the name of an API key's caller, or `ISSUER:SUBJECT` for a token or
            certificate.
        roles: Cedar roles of the caller.
        key_id: Id of the credential: of the API key, of the key that signed the token, or the certificate's
            fingerprint.
        attributes: Cedar attributes of the caller as (name, value), sorted by name.
    """

    id: str
    roles: tuple[str, ...]
    key_id: str
    attributes: tuple[tuple[str, AttributeValue], ...] = ()
