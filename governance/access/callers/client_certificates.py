"""Callers by client certificate: of the TLS connection itself, or forwarded by a trusted proxy."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from governance.access.callers.authenticator import Credentials
from governance.access.callers.caller import Caller
from governance.access.callers.forwarded_certificate import NEUTRAL, NameKind, names_of, read_forwarded
from governance.errors import UnauthenticatedError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_SUBJECT_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class CertificatePolicy:
    """Which certificates are accepted, and the roles of their callers.

    Attributes:
        name: First part of the callers' ids.
        subject: Which name of a certificate identifies the caller: a URI or DNS subject alternative name, or the common
            name of the subject.
        trusted_proxies: Networks from which X-Forwarded-Client-Cert is accepted.
        roles: Cedar roles by that name; a certificate without a listed name is refused.
    """

    name: str
    subject: NameKind
    trusted_proxies: tuple[Network, ...]
    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)


class CertificateVerifier:
    """Finds callers by their certificates, which TLS has verified in this server or at the proxy."""

    def __init__(self, policy: CertificatePolicy) -> None:
        self._policy = policy

    def identify(self, credentials: Credentials) -> Caller | None:
        """Return the caller of the client certificate, or None if there is none that is trusted.

        A forwarded certificate is ignored unless the peer is a trusted proxy.

        Raises:
            UnauthenticatedError: if the certificate is malformed, or does not have exactly one listed name.
        """
        if credentials.bearer is not None:
            return None
        if credentials.certificate is not None:
            names = names_of(credentials.certificate, self._policy.subject)
            return self._caller(names, hashlib.sha256(credentials.certificate).hexdigest())
        forwarded = credentials.forwarded_certificate
        if forwarded is None or not self._is_trusted(credentials.peer):
            return None
        return self._caller(*read_forwarded(forwarded, self._policy.subject))

    def _is_trusted(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._policy.trusted_proxies)

    def _caller(self, names: Sequence[str], fingerprint: str) -> Caller:
        known = [name for name in names if name in self._policy.roles and len(name) <= MAX_SUBJECT_CHARACTERS]
        if len(known) != 1:
            raise UnauthenticatedError(NEUTRAL, kind="certificate", reason="unknown")
        roles = tuple(sorted(set(self._policy.roles[known[0]])))
        return Caller(f"{self._policy.name}:{known[0]}", roles, f"sha256:{fingerprint}")
