"""One signature on an artifact: the model statement and the admission, each in a bundle, by the same key.

An optional co-signature with ML-DSA-65 over the same bytes keeps the signature verifiable after ECDSA is broken.

Sources: https://github.com/secure-systems-lab/dsse (protocol.md), FIPS 204 (ML-DSA).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from governance.artifacts.format.manifest import Manifest
from governance.artifacts.trust.bundle import (
    PAYLOAD_TYPE,
    certificate_material,
    envelope_of,
    key_material,
    render_bundle,
    unverified_signer,
    unverified_statement,
)
from governance.artifacts.trust.certificates import chain_bytes
from governance.artifacts.trust.statement import Admission, model_statement, read_model_statement
from governance.canonical import canonical_json
from governance.errors import ConfigurationError, SignatureError
from governance.keys import Signer, VerifyingKey
from governance.keys.dsse import pre_authentication_encoding
from governance.keys.operations import verify_counted

COSIGNATURE_ALGORITHM = "ml-dsa-65"


@dataclass(frozen=True, slots=True)
class ModelSigner:
    """A signer of artifacts.

    Attributes:
        key: An ECDSA key.
        chain: Certificate of the key, followed by its issuers; empty to sign with the bare key.
        cosigner: An ML-DSA-65 key for the co-signature, or None.

    Raises:
        ConfigurationError: if a key has another algorithm, or the first certificate is of another key.
    """

    key: Signer
    chain: tuple[x509.Certificate, ...] = ()
    cosigner: Signer | None = None

    def __post_init__(self) -> None:
        if not self.key.public_key.algorithm.startswith("ecdsa"):
            raise ConfigurationError(f"model signatures need an ECDSA key, not {self.key.public_key.algorithm}")
        if self.cosigner is not None and self.cosigner.public_key.algorithm != COSIGNATURE_ALGORITHM:
            raise ConfigurationError(f"a co-signature needs an ML-DSA-65 key, not {self.cosigner.public_key.algorithm}")
        if self.chain and VerifyingKey.from_key(self.chain[0].public_key()) != self.key.public_key:
            raise ConfigurationError("the first certificate of the chain is of another key than the signing key")


def sign_model(signer: ModelSigner, admission: Admission, manifest: Manifest, role: str, signed: str) -> dict[str, Any]:
    """Return an entry for the trailer's signatures: `model`, `admission` and, with a co-signer, `cosignature`.

    Args:
        signer: Who signs.
        admission: What is admitted.
        manifest: Digests of the model's files.
        role: `author` or `approver`.
        signed: Time of signing (RFC 3339, UTC).
    """
    statements = {
        "model": model_statement(admission.name, manifest),
        "admission": admission.to_statement(role, signed),
    }
    entry: dict[str, Any] = {kind: sign_statement(statement, signer) for kind, statement in statements.items()}
    if signer.cosigner is not None:
        entry["cosignature"] = {
            "algorithm": COSIGNATURE_ALGORITHM,
            "hint": signer.cosigner.public_key.fingerprint,
            **{
                kind: base64.b64encode(
                    signer.cosigner.sign(pre_authentication_encoding(PAYLOAD_TYPE, canonical_json(statement)))
                ).decode()
                for kind, statement in statements.items()
            },
        }
    return entry


def sign_statement(statement: Mapping[str, Any], signer: ModelSigner) -> dict[str, Any]:
    """Return a Sigstore bundle with the signed statement."""
    payload = canonical_json(statement)
    signature = signer.key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    if signer.chain:
        return render_bundle(payload, signature, certificate_material(chain_bytes(signer.chain)))
    return render_bundle(payload, signature, key_material(signer.key.public_key.fingerprint))


def verify_statement(bundle: Any, key: VerifyingKey) -> dict[str, Any]:
    """Return the statement in a bundle that `key` signed.

    Raises:
        SignatureError: if the bundle is malformed, names another key, or its signature is wrong.
    """
    signer = unverified_signer(bundle)
    if isinstance(signer, str) and signer != key.fingerprint:
        raise SignatureError("a signature bundle names another key")
    payload, signature = envelope_of(bundle)
    verify_counted(key, signature, pre_authentication_encoding(PAYLOAD_TYPE, payload))
    return unverified_statement(bundle)


def verify_model_statement(bundle: Any, key: VerifyingKey) -> tuple[str, dict[str, str]]:
    """Return name and file digests of a Model Signing v1.0 bundle that `key` signed; see `read_model_statement`.

    Raises:
        SignatureError: if the signature or the form of the statement is wrong.
        ManifestMismatchError: if the digest of the subject is not the root of the file digests.
    """
    return read_model_statement(verify_statement(bundle, key))
