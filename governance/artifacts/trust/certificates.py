"""Certificates of signers (RFC 5280): a chain from a signing certificate to a trusted authority.

A signing certificate needs the key usage digitalSignature and the extended key usage codeSigning, as OpenSSF Model
Signing requires. It must have been valid at the time of signing; that it expired later does not matter.
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
from governance.keys.key_files import read_public

MAX_CHAIN = 8
MARKER = b"-----BEGIN CERTIFICATE-----"


def load_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """Return the certificates in a PEM file.

    Raises:
        ConfigurationError: if it cannot be read, or contains no certificate.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(read_public(path)))
    except ValueError:
        raise ConfigurationError(f"{path} contains no certificate (PEM)") from None


def signer_expiries(paths: Sequence[Path]) -> list[float]:
    """Return the expiry time of each certificate in the files of trusted signers (Unix seconds).

    Args:
        paths: PEM files; public keys, which do not expire, are skipped.

    Raises:
        ConfigurationError: if a file cannot be read.
    """
    files = [path for path in paths if MARKER in read_public(path)]
    return [found.not_valid_after_utc.timestamp() for path in files for found in load_certificates(path)]


def chain_bytes(chain: Sequence[x509.Certificate]) -> list[bytes]:
    """Return the certificates in DER."""
    return [certificate.public_bytes(serialization.Encoding.DER) for certificate in chain]


def parse_chain(der: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """Parse a certificate chain.

    Args:
        der: Certificates in DER, the signer's first.

    Raises:
        SignatureError: if the chain is empty, longer than `MAX_CHAIN`, or malformed.
    """
    if not 1 <= len(der) <= MAX_CHAIN:
        raise SignatureError(f"a certificate chain must have 1 to {MAX_CHAIN} certificates")
    try:
        return tuple(x509.load_der_x509_certificate(item) for item in der)
    except ValueError:
        raise SignatureError("a certificate chain contains an invalid certificate") from None


def verify_chain(
    chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate], at: datetime
) -> tuple[str, VerifyingKey] | None:
    """Return the name and key of the signer, or None if the chain does not lead to a trusted authority.

    The path is built by issuer and signature (RFC 5280, section 6.1): validity, CA flag, key usage and path length of
    every certificate on it are checked. The signing certificate itself may be a trusted authority.

    Args:
        chain: The signer's certificate, followed by its issuers in any order.
        authorities: Trusted certificates.
        at: Time of signing.

    Returns:
        `x509:` with the subject (RFC 4514), and the public key.

    Raises:
        SignatureError: if the chain leads to an authority and a certificate on the path is not valid for its use.
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
        raise SignatureError("the key of a signing certificate has an unsupported algorithm") from None


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _verify_validity(certificate: x509.Certificate, at: datetime) -> None:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise SignatureError(f"the certificate of '{_name(certificate)}' was not valid at the time of signing")


def _verify_authority(certificate: x509.Certificate, *, below: int) -> None:
    """Check that a certificate may issue others; `below` is the number of authorities between it and the signer."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        raise SignatureError(f"the certificate of '{_name(certificate)}' is not a certificate authority") from None
    too_deep = constraints.path_length is not None and below > constraints.path_length
    if not constraints.ca or not usage.key_cert_sign or too_deep:
        raise SignatureError(f"the certificate of '{_name(certificate)}' is not allowed to issue the next one")


def _verify_signing(certificate: x509.Certificate) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        raise SignatureError(f"the certificate of '{_name(certificate)}' has no key usage") from None
    if not usage.digital_signature or ExtendedKeyUsageOID.CODE_SIGNING not in extended:
        raise SignatureError(f"the certificate of '{_name(certificate)}' is not for signing (codeSigning)")


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()[:100]
