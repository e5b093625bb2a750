"""Authentication of a request by the first authenticator that recognizes its credential.

An authenticator returns the caller, returns None if the credential is of another kind, or raises an error if the
credential is of its kind and not valid. The first that does not return None decides; if all return None, the request is
refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from governance.access.callers.caller import Caller
from governance.errors import UnauthenticatedError

MAX_CREDENTIAL_CHARACTERS = 16_384
SEND_ONE = "send an API key or a token: Authorization: Bearer <key>"


class Credentials(NamedTuple):
    """Credentials of a request.

    Attributes:
        bearer: Token of the Authorization field (RFC 6750), or None if there is no such field.
        forwarded_certificate: The X-Forwarded-Client-Cert field, or None.
        peer: IP address at the other end of the connection.
        certificate: Client certificate of the connection (DER), verified by TLS, or None.
    """

    bearer: str | None
    forwarded_certificate: str | None
    peer: str
    certificate: bytes | None = None


class Authenticator(Protocol):
    """One kind of credential."""

    def identify(self, credentials: Credentials) -> Caller | None:
        """Return the caller, or None if the credentials are of another kind.

        Raises:
            UnauthenticatedError: if they are of this kind and not valid.
            NotReadyError: if they are of this kind and cannot be checked now.
        """


class Identity:
    """The authenticators of a service, in their order."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    def identify(self, credentials: Credentials) -> Caller:
        """Return the caller that the first matching authenticator finds.

        Raises:
            UnauthenticatedError: if no authenticator recognizes the credential, or it is not valid.
            NotReadyError: if the credential cannot be checked now.
        """
        for authenticator in self._authenticators:
            caller = authenticator.identify(credentials)
            if caller is not None:
                return caller
        if credentials.bearer is None:
            raise UnauthenticatedError(SEND_ONE, kind="none", reason="missing")
        raise UnauthenticatedError(
            "this service does not accept this kind of credential", kind="none", reason="unknown"
        )


def bearer_token(authorization: str | None) -> str | None:
    """Return the token of an Authorization field (RFC 6750), or None if there is no field.

    Example:
        `"Bearer abc"` returns `"abc"`; `"Basic abc"` is refused.

    Raises:
        UnauthenticatedError: if it has another scheme, no token, or more than `MAX_CREDENTIAL_CHARACTERS`.
    """
    if authorization is None:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MAX_CREDENTIAL_CHARACTERS:
        raise UnauthenticatedError(SEND_ONE, kind="none", reason="malformed")
    return token
