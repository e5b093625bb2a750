"""Identity: asks each authenticator in turn whose credential this is.

An authenticator has three answers: mine (a Caller), not mine (None), and mine and bad (an error). The first that does
not say "not mine" decides; if all do, the request is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from governance.access.callers.caller import Caller
from governance.errors import UnauthenticatedError

MAX_CREDENTIAL_CHARACTERS = 16_384
SEND_ONE = "send an API key or a token: Authorization: Bearer <key>"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request offers as proof.

    Attributes:
        bearer: the token of the Authorization field (RFC 6750), or None if there is no such field.
        forwarded_certificate: the X-Forwarded-Client-Cert field, or None.
        peer: the address at the other end of the connection.
        certificate: the client's certificate of the connection itself (DER), which TLS has verified, or None.
    """

    bearer: str | None
    forwarded_certificate: str | None
    peer: str
    certificate: bytes | None = None


class Authenticator(Protocol):
    """One way to be known."""

    def identify(self, credentials: Credentials) -> Caller | None:
        """Return the caller, or None if these are not credentials of this kind.

        Raises:
            UnauthenticatedError: if they are of this kind, and bad.
            NotReadyError: if they are of this kind, and cannot be checked at present.
        """


class Identity:
    """All ways to be known, in their order."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    def identify(self, credentials: Credentials) -> Caller:
        """Return who asks.

        Raises:
            UnauthenticatedError: if nobody knows them, or a credential is bad.
            NotReadyError: if a credential cannot be checked at present.
        """
        for authenticator in self._authenticators:
            caller = authenticator.identify(credentials)
            if caller is not None:
                return caller
        if credentials.bearer is None:
            raise UnauthenticatedError(SEND_ONE, kind="none", reason="missing")
        raise UnauthenticatedError(
            "the credential is of no kind that this service knows", kind="none", reason="unknown"
        )


def bearer_token(authorization: str | None) -> str | None:
    """Return the token of an Authorization field (RFC 6750), or None if there is no field.

    Raises:
        UnauthenticatedError: if it has another scheme, no token, or is too long.
    """
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MAX_CREDENTIAL_CHARACTERS:
        raise UnauthenticatedError(SEND_ONE, kind="none", reason="malformed")
    return token
