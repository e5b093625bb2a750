"""DSSE envelopes: a JSON document with signatures, of which a threshold must be by trusted keys.

Source: https://github.com/secure-systems-lab/dsse (protocol.md, envelope.md).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from governance.canonical import canonical_json, parse_json
from governance.errors import BadRequestError, SignatureError
from governance.keys.operations import verify_counted
from governance.keys.signing import Signer, VerifyingKey

MAX_SIGNATURES = 16


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that DSSE signs: type and payload, each preceded by its length (DSSE protocol v1, PAE).

    Example:
        Type `text` and payload `b"hi"` give `b"DSSEv1 4 text 2 hi"`.
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_document(document: Mapping[str, Any], payload_type: str, signer: Signer) -> bytes:
    """Return an envelope (JSON) that contains the document as canonical JSON, with one signature."""
    payload = canonical_json(document)
    return _render(payload, payload_type, [_signature(payload, payload_type, signer)])


def add_signature(content: bytes, payload_type: str, signer: Signer) -> bytes:
    """Return the envelope with one more signature; the signatures in it are not verified.

    Raises:
        SignatureError: if `content` is not an envelope of this type, or contains a signature of this key.
    """
    payload, signatures = _parse(content, payload_type)
    added = _signature(payload, payload_type, signer)
    if any(item["keyid"] == added["keyid"] for item in signatures):
        raise SignatureError("this key has already signed it")
    return _render(payload, payload_type, [*signatures, added])


def unverified_document(content: bytes, payload_type: str) -> Any:
    """Return the document in an envelope without verifying any signature.

    Raises:
        SignatureError: if `content` is not an envelope of this type.
    """
    payload, _ = _parse(content, payload_type)
    try:
        return parse_json(payload)
    except BadRequestError as error:
        raise SignatureError(f"the signed payload is {error}") from None


def verify_document(
    content: bytes, payload_type: str, trusted: Sequence[VerifyingKey], threshold: int = 1
) -> tuple[Any, tuple[str, ...]]:
    """Return the document that at least `threshold` trusted keys signed, and the fingerprints of these keys.

    Signatures by other keys are ignored.

    Raises:
        SignatureError: if `content` is not an envelope of this type, the signature of a trusted key is wrong, or too
            few trusted keys have signed.
    """
    payload, signatures = _parse(content, payload_type)
    message = pre_authentication_encoding(payload_type, payload)
    keys = {key.fingerprint: key for key in trusted}
    signers = set()
    for item in signatures:
        key = keys.get(item["keyid"])
        if key is not None:
            verify_counted(key, _decoded(item["sig"]), message)
            signers.add(item["keyid"])
    if len(signers) < threshold:
        raise SignatureError(f"signed by {len(signers)} of the {len(keys)} trusted keys; {threshold} are required")
    return unverified_document(content, payload_type), tuple(sorted(signers))


def _signature(payload: bytes, payload_type: str, signer: Signer) -> dict[str, str]:
    signature = signer.sign(pre_authentication_encoding(payload_type, payload))
    return {"keyid": signer.public_key.fingerprint, "sig": base64.b64encode(signature).decode()}


def _render(payload: bytes, payload_type: str, signatures: Sequence[Mapping[str, str]]) -> bytes:
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": list(signatures),
    }
    return json.dumps(envelope, indent=1).encode()


def _parse(content: bytes, payload_type: str) -> tuple[bytes, list[dict[str, str]]]:
    try:
        envelope = parse_json(content)
        signatures = envelope["signatures"]
        if envelope["payloadType"] != payload_type or len(signatures) > MAX_SIGNATURES:
            raise KeyError("payloadType")
        listed = [{"keyid": str(item["keyid"]), "sig": str(item["sig"])} for item in signatures]
        return _decoded(envelope["payload"]), listed
    except (BadRequestError, LookupError, TypeError):
        raise SignatureError(f"not a DSSE envelope of type {payload_type}") from None


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise SignatureError("an envelope contains invalid base64") from None
