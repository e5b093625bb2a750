"""Callers by client certificate: of the TLS connection itself, or forwarded by a trusted proxy.

Source of the field's form: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers
(x-forwarded-client-cert).
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import NameOID

from governance.access.callers.authenticator import Credentials
from governance.access.callers.caller import Caller
from governance.errors import UnauthenticatedError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_SUBJECT_CHARACTERS = 256
NEUTRAL = "the client certificate is not one that this service accepts"
# name=value or name="value with \" escapes", separated by ; within one certificate and by , between certificates.
_PAIR = re.compile(r'([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^;,"]*)(;|,|$)')
_FIELDS = {"uri": "URI", "dns": "DNS", "subject": "Subject"}
_HASH = re.compile(r"[0-9a-f]{64}")


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
    subject: Literal["uri", "dns", "subject"]
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
            return self._caller(*_names_of(credentials.certificate, self._policy.subject))
        forwarded = credentials.forwarded_certificate
        if forwarded is None or not self._is_trusted(credentials.peer):
            return None
        return self._caller(*_names_forwarded(forwarded, _FIELDS[self._policy.subject]))

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


def _names_of(certificate: bytes, subject: str) -> tuple[list[str], str]:
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        if subject == "subject":
            names = [str(item.value) for item in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        else:
            kind = x509.UniformResourceIdentifier if subject == "uri" else x509.DNSName
            extension = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            names = extension.value.get_values_for_type(kind)
    except (ValueError, x509.ExtensionNotFound):
        raise UnauthenticatedError(NEUTRAL, kind="certificate", reason="malformed") from None
    return names, hashlib.sha256(certificate).hexdigest()


def _names_forwarded(forwarded: str, field_name: str) -> tuple[list[str], str]:
    """Return names and SHA-256 of the certificate in an X-Forwarded-Client-Cert field.

    Only one certificate is accepted: a second would have been added by a proxy that is not trusted.
    """
    pairs = list(_pairs(forwarded))
    names = [value for name, value in pairs if name.lower() == field_name.lower()]
    hashes = [value.lower() for name, value in pairs if name.lower() == "hash"]
    if len(hashes) != 1 or not _HASH.fullmatch(hashes[0]):
        raise UnauthenticatedError(NEUTRAL, kind="certificate", reason="malformed")
    if field_name == "Subject":
        names = [name for value in names for name in _common_names(value)]
    return names, hashes[0]


def _pairs(forwarded: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(forwarded):
        match = _PAIR.match(forwarded, position)
        if match is None or match[3] == ",":
            raise UnauthenticatedError(NEUTRAL, kind="certificate", reason="malformed")
        value = match[2]
        yield match[1], re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] == '"' else value
        position = match.end()


def _common_names(distinguished_name: str) -> list[str]:
    try:
        name = x509.Name.from_rfc4514_string(distinguished_name)
    except ValueError:
        raise UnauthenticatedError(NEUTRAL, kind="certificate", reason="malformed") from None
    return [str(item.value) for item in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
