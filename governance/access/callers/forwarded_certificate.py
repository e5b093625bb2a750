"""The field X-Forwarded-Client-Cert: names and digest of the client certificate that a proxy has verified.

Envoy writes URI and DNS names without quotes, and a name may contain `;`, so the text of such a field can have two
meanings. Only a field with one meaning is read; `Cert`, the whole certificate, always has one.

Source of the field's form: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers
(x-forwarded-client-cert).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from governance.errors import UnauthenticatedError

NameKind = Literal["uri", "dns", "subject"]
NEUTRAL = "the client certificate is not one that this service accepts"
# name=value or name="value with \" escapes", separated by ; within one certificate and by , between certificates.
_PAIR = re.compile(r'([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^;,"]*)(;|,|$)')
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class _Pair:
    name: str
    value: str
    is_quoted: bool


def read_forwarded(field: str, kind: NameKind) -> tuple[list[str], str]:
    """Return the names of one kind, and the SHA-256 (hex), of the certificate in an X-Forwarded-Client-Cert field.

    Args:
        field: Value of the field, about exactly one certificate: a second would be of a proxy that is not trusted.
        kind: Which names to return.

    Raises:
        UnauthenticatedError: if the field is malformed, has a key twice, or can be read in two ways.
    """
    pairs = list(_pairs(field))
    by_name = {pair.name: pair for pair in pairs}
    digest = by_name["hash"].value.lower() if "hash" in by_name else ""
    if len(by_name) != len(pairs) or not _HASH.fullmatch(digest):
        raise malformed()
    if "cert" in by_name:
        return _names_of_pem(by_name["cert"].value, kind, digest), digest
    value = _unambiguous(pairs, kind)
    if kind == "subject":
        return _common_names(value), digest
    return [value], digest


def names_of(certificate: bytes, kind: NameKind) -> list[str]:
    """Return the names of one kind in a certificate (DER).

    Raises:
        UnauthenticatedError: if it is not a certificate, or has no such names.
    """
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        if kind == "subject":
            return [str(item.value) for item in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        wanted = x509.UniformResourceIdentifier if kind == "uri" else x509.DNSName
        extension = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return list(extension.value.get_values_for_type(wanted))
    except (ValueError, x509.ExtensionNotFound):
        raise malformed() from None


def malformed() -> UnauthenticatedError:
    """Return the error for a certificate, or a field about one, that cannot be read in exactly one way."""
    return UnauthenticatedError(NEUTRAL, kind="certificate", reason="malformed")


def _pairs(field: str) -> Iterator[_Pair]:
    position = 0
    while position < len(field):
        match = _PAIR.match(field, position)
        if match is None or match[3] == ",":
            raise malformed()
        value, is_quoted = match[2], match[2][:1] == '"'
        yield _Pair(match[1].lower(), re.sub(r"\\(.)", r"\1", value[1:-1]) if is_quoted else value, is_quoted)
        position = match.end()


def _unambiguous(pairs: Sequence[_Pair], kind: NameKind) -> str:
    """Return the value of the pair of a kind, if no name without quotes can have made it up or cut it off.

    A name without quotes that contains `;URI=…` looks like two pairs. So before the pair there is no such name, and
    after a pair without quotes there is nothing.
    """
    for place, pair in enumerate(pairs):
        if pair.name == kind:
            if pair.is_quoted or place == len(pairs) - 1:
                return pair.value
            break
        if pair.name not in {"by", "hash"} and not pair.is_quoted:
            break
    raise malformed()


def _names_of_pem(quoted: str, kind: NameKind, digest: str) -> list[str]:
    try:
        der = x509.load_pem_x509_certificate(unquote_to_bytes(quoted)).public_bytes(Encoding.DER)
    except ValueError:
        raise malformed() from None
    if hashlib.sha256(der).hexdigest() != digest:
        raise malformed()
    return names_of(der, kind)


def _common_names(distinguished_name: str) -> list[str]:
    try:
        name = x509.Name.from_rfc4514_string(distinguished_name)
    except ValueError:
        raise malformed() from None
    return [str(item.value) for item in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
