"""Who asks: what identity finds out, and what policies, limits and the log are told."""

from __future__ import annotations

import re
from dataclasses import dataclass

AttributeValue = str | int | bool | tuple[str, ...]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated caller of a request.

    Attributes:
        id: the id of the Cedar entity; `ISSUER:SUBJECT` for a token or a certificate.
        roles: its Cedar roles.
        key_id: the credential: the id of an API key, the key of a token, or the fingerprint of a certificate.
        attributes: its Cedar attributes, as pairs of name and value.
    """

    id: str
    roles: tuple[str, ...]
    key_id: str
    attributes: tuple[tuple[str, AttributeValue], ...] = ()
