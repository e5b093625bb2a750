"""Certificates of signers (RFC 5280): a chain from a signing certificate to an authority that is trusted.

A signing certificate needs the key usage digitalSignature and the extended key usage codeSigning, as OpenSSF Model
Signing asks for. It must have been valid when the artifact was made: what was signed in time stays signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from governance.errors import ConfigurationError, SignatureError
from governance.keys import VerifyingKey
from governance.keys.providers.file import read_public

MAX_CHAIN = 8
MARKER = b"-----BEGIN CERTIFICATE-----"


def load_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Read the certificates of a PEM file.

    Raises:
        ConfigurationError: if it cannot be read, or holds none.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(read_public(path)))
    except ValueError:
        raise ConfigurationError(f"{path} holds no certificate (PEM)") from None


def signer_expiries(paths: Sequence[Path]) -> list[float]:
    """Return when the certificates among trusted signers expire (Unix seconds); public keys never do.

    Raises:
        ConfigurationError: if a file cannot be read.
    """
    files = [path for path in paths if MARKER in read_public(path)]
    return [found.not_valid_after_utc.timestamp() for path in files for found in load_certificates(path)]


def chain_bytes(chain: Sequence[x509.Certificate]) -> list[bytes]:
    """Return the DER bytes of each certificate."""
    return [certificate.public_bytes(serialization.Encoding.DER) for certificate in chain]


def parse_chain(der: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """Parse a chain, the signer's certificate first.

    Raises:
        SignatureError: if it is empty, too long or malformed.
    """
    if not 1 <= len(der) <= MAX_CHAIN:
        raise SignatureError(f"a certificate chain must have 1 to {MAX_CHAIN} certificates")
    try:
        return tuple(x509.load_der_x509_certificate(item) for item in der)
    except ValueError:
        raise SignatureError("a certificate chain holds something that is no certificate") from None


def verify_chain(
    chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate], at: datetime
) -> tuple[str, VerifyingKey] | None:
    """Return the signer's name and key, or None if no trusted authority stands behind the chain.

    The path is followed by issuer and signature (RFC 5280, section 6.1): validity, CA flag, key usage and path
    length of every certificate on it are checked. An authority may also be the signing certificate itself.

    Raises:
        SignatureError: if an authority stands behind it, and a certificate on the path may not do what it does.
    """
    leaf, trusted = chain[0], set(authorities)
    path, current = [leaf], leaf
    while current not in trusted:
        issuer = next((c for c in (*authorities, *chain[1:]) if c not in path and _issued(c, current)), None)
        if issuer is None or len(path) >= MAX_CHAIN:
            return None
        path.append(issuer)
        current = issuer
    for depth, certificate in enumerate(path):
        _verify_validity(certificate, at)
        if depth:
            _verify_authority(certificate, below=depth - 1)
    _verify_signing(leaf)
    try:
        return f"x509:{leaf.subject.rfc4514_string()}", VerifyingKey.from_key(leaf.public_key())
    except ValueError:
        raise SignatureError("a signing certificate's key is of a kind that is not used here") from None


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _verify_validity(certificate: x509.Certificate, at: datetime) -> None:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise SignatureError(f"the certificate of '{_name(certificate)}' was not valid when the artifact was made")


def _verify_authority(certificate: x509.Certificate, *, below: int) -> None:
    """`below`: how many authorities stand between this one and the signer."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        raise SignatureError(f"the certificate of '{_name(certificate)}' does not say that it may issue") from None
    too_deep = constraints.path_length is not None and below > constraints.path_length
    if not constraints.ca or not usage.key_cert_sign or too_deep:
        raise SignatureError(f"the certificate of '{_name(certificate)}' may not issue this one")


def _verify_signing(certificate: x509.Certificate) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        raise SignatureError(f"the certificate of '{_name(certificate)}' does not say what it is for") from None
    if not usage.digital_signature or ExtendedKeyUsageOID.CODE_SIGNING not in extended:
        raise SignatureError(f"the certificate of '{_name(certificate)}' is not for signing models (codeSigning)")


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()[:100]
