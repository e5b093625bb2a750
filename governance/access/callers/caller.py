"""Who asks: what identity finds out, and what policies, limits and the log are told."""

from __future__ import annotations

import re
from dataclasses import dataclass

AttributeValue = str | int | bool | tuple[str, ...]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True, slots=True)
class Caller:
    """An identity that was proved.

    Attributes:
        id: the Cedar entity's id; `ISSUER:SUBJECT` for a token's or a certificate's holder.
        roles: the Cedar Roles it is in.
        key_id: what proved it: an API key's id, a token's key, or a certificate's fingerprint.
        attributes: Cedar attributes of the Caller, by name.
    """

    id: str
    roles: tuple[str, ...]
    key_id: str
    attributes: tuple[tuple[str, AttributeValue], ...] = ()
