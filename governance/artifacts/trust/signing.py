"""Statements and their signatures: OpenSSF Model Signing v1.0 over the plaintext files, and an admission beside it.

Both are DSSE envelopes around in-toto statements in a Sigstore bundle; the first is what the `model-signing` tool
verifies. The second binds what the first does not know: version, header, ciphertext, and in which role who signed.
An ML-DSA-65 signature over the same bytes may stand beside both, for those who must verify in twenty years.

Sources: https://github.com/ossf/model-signing-spec, https://github.com/secure-systems-lab/dsse (protocol.md),
https://github.com/in-toto/attestation (Statement v1), FIPS 204.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from governance.artifacts.format.manifest import FileEntry, Manifest, is_sha256
from governance.artifacts.trust.certificates import chain_bytes, parse_chain
from governance.canonical import canonical_json, parse_json
from governance.errors import BadRequestError, ConfigurationError, ManifestMismatchError, SignatureError
from governance.keys import Signer, VerifyingKey
from governance.keys.dsse import pre_authentication_encoding
from governance.keys.operations import verify_counted

BUNDLE_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MODEL_PREDICATE = "https://model_signing/signature/v1.0"
ADMISSION_PREDICATE = "urn:bento-governance:admission:v1"
COSIGNATURE_ALGORITHM = "ml-dsa-65"
MAX_PAYLOAD_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class ModelSigner:
    """Who signs: an ECDSA key, perhaps with its certificate and those above it, perhaps an ML-DSA-65 key beside it."""

    key: Signer
    chain: tuple[x509.Certificate, ...] = ()
    cosigner: Signer | None = None

    def __post_init__(self) -> None:
        if not self.key.public_key.algorithm.startswith("ecdsa"):
            raise ConfigurationError(f"model signatures need an ECDSA key, not {self.key.public_key.algorithm}")
        if self.cosigner is not None and self.cosigner.public_key.algorithm != COSIGNATURE_ALGORITHM:
            raise ConfigurationError(f"a co-signature needs an ML-DSA-65 key, not {self.cosigner.public_key.algorithm}")
        if self.chain and VerifyingKey.from_key(self.chain[0].public_key()) != self.key.public_key:
            raise ConfigurationError("the first certificate of the chain is not the signing key's")


@dataclass(frozen=True, slots=True)
class Admission:
    """What a signer admits: this version, this header, this ciphertext."""

    name: str
    version: int
    header_sha256: str
    ciphertext_sha256: str
    manifest_root: str

    def to_statement(self, role: str, signed: str) -> dict[str, Any]:
        """Return the statement. `role`: `author` or `approver`; `signed`: when, RFC 3339 in UTC."""
        return {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": self.name, "digest": {"sha256": self.manifest_root}}],
            "predicateType": ADMISSION_PREDICATE,
            "predicate": {
                "role": role,
                "signed": signed,
                "version": self.version,
                "header": {"sha256": self.header_sha256},
                "ciphertext": {"sha256": self.ciphertext_sha256},
                "scan": "no findings",
            },
        }


def model_statement(name: str, manifest: Manifest) -> dict[str, Any]:
    """Return the statement that OpenSSF Model Signing signs: every file's digest, and their root."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": manifest.root}}],
        "predicateType": MODEL_PREDICATE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": [
                {"name": entry.path, "algorithm": "sha256", "digest": entry.sha256} for entry in manifest.files
            ],
        },
    }


def sign_model(signer: ModelSigner, admission: Admission, manifest: Manifest, role: str, signed: str) -> dict[str, Any]:
    """Return one entry of the trailer's signatures: `{"model", "admission"}`, and `"cosignature"` if there is one."""
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
    """Return a Sigstore bundle (v0.3) with a DSSE envelope around the statement."""
    payload = canonical_json(statement)
    signature = signer.key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    if signer.chain:
        return _bundle(payload, signature, certificate_material(chain_bytes(signer.chain)))
    return _bundle(payload, signature, key_material(signer.key.public_key.fingerprint))


def key_material(hint: str) -> dict[str, Any]:
    """Return what names a key: the SHA-256 of its PEM, in hex."""
    return {"publicKey": {"hint": hint}, "tlogEntries": []}


def certificate_material(chain: Sequence[bytes]) -> dict[str, Any]:
    """Return what carries a certificate chain (DER), the signer's first."""
    certificates = [{"rawBytes": base64.b64encode(der).decode()} for der in chain]
    return {"x509CertificateChain": {"certificates": certificates}, "tlogEntries": []}


def _bundle(payload: bytes, signature: bytes, material: dict[str, Any]) -> dict[str, Any]:
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
    """Parse a signature file's JSON.

    Raises:
        SignatureError: if it is none.
    """
    try:
        return parse_json(content)
    except BadRequestError as error:
        raise SignatureError(f"the signature file is {error}") from None


def unverified_signer(bundle: Any) -> str | tuple[x509.Certificate, ...]:
    """Return whom a bundle says it is from: a key's fingerprint, or a certificate chain. Nothing is checked.

    Raises:
        SignatureError: if it names nobody, or in a way that cannot be checked here (Sigstore's keyless certificates).
    """
    material = bundle.get("verificationMaterial") if isinstance(bundle, dict) else None
    if not isinstance(material, dict) or "tlogEntries" not in material:
        raise SignatureError("a signature bundle does not say how to verify it")
    if "certificate" in material:
        raise SignatureError("a keyless Sigstore signature cannot be checked here: sign with a key or a certificate")
    if isinstance(material.get("x509CertificateChain"), dict):
        certificates = material["x509CertificateChain"].get("certificates")
        if not isinstance(certificates, list) or not all(isinstance(item, dict) for item in certificates):
            raise SignatureError("a signature bundle holds no certificate chain")
        return parse_chain([decode(item.get("rawBytes")) for item in certificates])
    public = material.get("publicKey")
    hint = public.get("hint") if isinstance(public, dict) else None
    if not is_sha256(hint):
        raise SignatureError("a signature bundle does not name the key that signed it")
    return str(hint)


def verify_statement(bundle: Any, key: VerifyingKey) -> dict[str, Any]:
    """Return the statement of a bundle that `key` signed.

    Raises:
        SignatureError: if the bundle is malformed, is not this key's, or its signature is wrong.
    """
    signer = unverified_signer(bundle)
    if isinstance(signer, str) and signer != key.fingerprint:
        raise SignatureError("a signature bundle names another key")
    payload, signature = envelope_of(bundle)
    verify_counted(key, signature, pre_authentication_encoding(PAYLOAD_TYPE, payload))
    return unverified_statement(bundle)


def unverified_statement(bundle: Any) -> dict[str, Any]:
    """Return the statement of a bundle; who signed it is not checked.

    Raises:
        SignatureError: if there is none.
    """
    payload, _ = envelope_of(bundle)
    try:
        statement = parse_json(payload)
    except BadRequestError as error:
        raise SignatureError(f"a signed statement is {error}") from None
    if not isinstance(statement, dict) or statement.get("_type") != STATEMENT_TYPE:
        raise SignatureError("what was signed is not an in-toto statement v1")
    return statement


def envelope_of(bundle: Any) -> tuple[bytes, bytes]:
    """Return a bundle's payload and signature; nothing is verified.

    Raises:
        SignatureError: if it is not a Sigstore bundle with one DSSE envelope and one signature.
    """
    if not isinstance(bundle, dict) or bundle.get("mediaType") != BUNDLE_MEDIA_TYPE:
        raise SignatureError(f"a signature is not a Sigstore bundle ({BUNDLE_MEDIA_TYPE})")
    envelope = bundle.get("dsseEnvelope")
    if not isinstance(envelope, dict) or envelope.get("payloadType") != PAYLOAD_TYPE:
        raise SignatureError("a signature bundle holds no DSSE envelope with an in-toto statement")
    signatures = envelope.get("signatures")
    # One signature an envelope: a second would be read by nobody, so nobody could rely on it.
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise SignatureError("a DSSE envelope must hold exactly one signature")
    return decode(envelope.get("payload")), decode(signatures[0].get("sig"))


def verify_model_statement(bundle: Any, key: VerifyingKey) -> tuple[str, dict[str, str]]:
    """Return the subject's name, and SHA-256 by path, of a Model Signing v1.0 bundle that `key` signed.

    Raises:
        SignatureError: if the signature or the statement's form is wrong.
        ManifestMismatchError: if the subject's digest is not that of the resources.
    """
    return read_model_statement(verify_statement(bundle, key))


def read_model_statement(statement: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the subject's name, and SHA-256 by path, of a Model Signing v1.0 statement.

    Raises:
        SignatureError: if its form is wrong.
        ManifestMismatchError: if the subject's digest is not that of the resources.
    """
    if statement.get("predicateType") != MODEL_PREDICATE:
        raise SignatureError("what was signed is not a model (OpenSSF Model Signing v1.0)")
    try:
        subject, resources = statement["subject"], statement["predicate"]["resources"]
        method = statement["predicate"]["serialization"]["method"]
        name, root = subject[0]["name"], subject[0]["digest"]["sha256"]
        digests = {item["name"]: item["digest"] for item in resources if item["algorithm"] == "sha256"}
    except (LookupError, TypeError):
        raise SignatureError("a model statement has a wrong form") from None
    if len(subject) != 1 or method != "files" or len(digests) != len(resources):
        raise SignatureError("a model statement must have one subject, method 'files', and SHA-256 for each file once")
    if not isinstance(name, str) or not all(isinstance(path, str) and is_sha256(d) for path, d in digests.items()):
        raise SignatureError("a model statement has a wrong name, path or digest")
    listed = Manifest(tuple(FileEntry(item["name"], 0, item["digest"]) for item in resources))
    if listed.root != root:
        raise ManifestMismatchError("a model statement's subject is not the digest of its files")
    return name, digests


def verify_rendering(entry: Mapping[str, Any]) -> None:
    """Refuse bundles that are not byte for byte as we write them: nothing around a signature may be changed either.

    Raises:
        SignatureError: if anything was added, left out or written in another way.
    """
    for kind in ("model", "admission"):
        bundle, signer = entry[kind], unverified_signer(entry[kind])
        material = key_material(signer) if isinstance(signer, str) else certificate_material(chain_bytes(signer))
        if bundle != _bundle(*envelope_of(bundle), material):
            raise SignatureError("a signature bundle was changed around its signature")


def decode(value: Any) -> bytes:
    """Decode base64 strictly.

    Raises:
        SignatureError: if it is not base64, or too large.
    """
    if not isinstance(value, str) or len(value) > 2 * MAX_PAYLOAD_BYTES:
        raise SignatureError("a signature bundle lacks a payload or a signature, or it is too large")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError("a signature bundle holds something that is not base64") from None
