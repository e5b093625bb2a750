"""Sigstore bundles (v0.3): a DSSE envelope with one in-toto statement, and what names the signer.

Sources: https://github.com/sigstore/protobuf-specs (bundle v0.3), https://github.com/secure-systems-lab/dsse
(envelope.md).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509

from governance.artifacts.format.manifest import is_sha256
from governance.artifacts.trust.certificates import chain_bytes, parse_chain
from governance.artifacts.trust.statement import STATEMENT_TYPE
from governance.canonical import parse_json
from governance.errors import BadRequestError, SignatureError

BUNDLE_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_PAYLOAD_BYTES = 2**20


def key_material(hint: str) -> dict[str, Any]:
    """Return the verification material that names a key.

    Args:
        hint: SHA-256 of the key's PEM, in hex.
    """
    return {"publicKey": {"hint": hint}, "tlogEntries": []}


def certificate_material(chain: Sequence[bytes]) -> dict[str, Any]:
    """Return the verification material that contains a certificate chain.

    Args:
        chain: Certificates in DER, the signer's first.
    """
    certificates = [{"rawBytes": base64.b64encode(der).decode()} for der in chain]
    return {"x509CertificateChain": {"certificates": certificates}, "tlogEntries": []}


def render_bundle(payload: bytes, signature: bytes, material: dict[str, Any]) -> dict[str, Any]:
    """Return the bundle of a payload with one signature."""
    return {
        "mediaType": BUNDLE_MEDIA_TYPE,
        "verificationMaterial": material,
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }


def parse_bundle(content: bytes) -> Any:
    """Parse the JSON of a signature file; nothing else is checked.

    Raises:
        SignatureError: if it is not JSON.
    """
    try:
        return parse_json(content)
    except BadRequestError as error:
        raise SignatureError(f"the signature file is {error}") from None


def unverified_signer(bundle: Any) -> str | tuple[x509.Certificate, ...]:
    """Return the signer that a bundle names: the fingerprint of a key, or a certificate chain. Nothing is verified.

    Raises:
        SignatureError: if it names none, or one that needs Sigstore's transparency log (keyless signing).
    """
    material = bundle.get("verificationMaterial") if isinstance(bundle, dict) else None
    if not isinstance(material, dict) or "tlogEntries" not in material:
        raise SignatureError("a signature bundle has no verification material")
    if "certificate" in material:
        raise SignatureError("a keyless Sigstore signature is not supported: sign with a key or a certificate")
    if isinstance(material.get("x509CertificateChain"), dict):
        certificates = material["x509CertificateChain"].get("certificates")
        if not isinstance(certificates, list) or not all(isinstance(item, dict) for item in certificates):
            raise SignatureError("a signature bundle has no certificate chain")
        return parse_chain([decode_base64(item.get("rawBytes")) for item in certificates])
    public = material.get("publicKey")
    hint = public.get("hint") if isinstance(public, dict) else None
    if not is_sha256(hint):
        raise SignatureError("a signature bundle does not name the key that signed it")
    return str(hint)


def unverified_statement(bundle: Any) -> dict[str, Any]:
    """Return the statement in a bundle; its signature is not verified.

    Raises:
        SignatureError: if the bundle has no in-toto statement v1.
    """
    payload, _ = envelope_of(bundle)
    try:
        statement = parse_json(payload)
    except BadRequestError as error:
        raise SignatureError(f"a signed statement is {error}") from None
    if not isinstance(statement, dict) or statement.get("_type") != STATEMENT_TYPE:
        raise SignatureError("the signed payload is not an in-toto statement v1")
    return statement


def envelope_of(bundle: Any) -> tuple[bytes, bytes]:
    """Return payload and signature of a bundle; nothing is verified.

    Raises:
        SignatureError: if it is not a Sigstore bundle with a DSSE envelope with exactly one signature.
    """
    if not isinstance(bundle, dict) or bundle.get("mediaType") != BUNDLE_MEDIA_TYPE:
        raise SignatureError(f"a signature is not a Sigstore bundle ({BUNDLE_MEDIA_TYPE})")
    envelope = bundle.get("dsseEnvelope")
    if not isinstance(envelope, dict) or envelope.get("payloadType") != PAYLOAD_TYPE:
        raise SignatureError("a signature bundle has no DSSE envelope with an in-toto statement")
    signatures = envelope.get("signatures")
    # A second signature would never be verified, so an envelope with one is refused.
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise SignatureError("a DSSE envelope must hold exactly one signature")
    return decode_base64(envelope.get("payload")), decode_base64(signatures[0].get("sig"))


def verify_rendering(entry: Mapping[str, Any]) -> None:
    """Check that both bundles of a signature have exactly the form that this package writes.

    The signature covers only the payload; without this check, fields around it could be changed unnoticed.

    Args:
        entry: An entry of the trailer's signatures, with `model` and `admission`.

    Raises:
        SignatureError: if a field was added, removed or changed.
    """
    for kind in ("model", "admission"):
        bundle, signer = entry[kind], unverified_signer(entry[kind])
        material = key_material(signer) if isinstance(signer, str) else certificate_material(chain_bytes(signer))
        if bundle != render_bundle(*envelope_of(bundle), material):
            raise SignatureError("a signature bundle was changed around its signature")


def decode_base64(value: Any) -> bytes:
    """Decode base64 strictly.

    Raises:
        SignatureError: if the value is not a text of base64, or too long.
    """
    if not isinstance(value, str) or len(value) > 2 * MAX_PAYLOAD_BYTES:
        raise SignatureError("a signature bundle has no payload or signature, or it is too large")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError("a signature bundle contains invalid base64") from None
