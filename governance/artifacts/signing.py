"""Sign and verify: OpenSSF Model Signing v1.0 over the plaintext files, and an admission statement beside it.

Both are DSSE envelopes around in-toto statements; the first travels in a Sigstore bundle that the `model-signing`
tool verifies. The second binds what the first does not know: version, header and ciphertext.

Sources: https://github.com/ossf/model-signing-spec, https://github.com/secure-systems-lab/dsse (protocol.md),
https://github.com/in-toto/attestation (Statement v1).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.artifacts.manifest import FileEntry, Manifest, is_sha256
from governance.canonical import canonical_json, parse_json
from governance.errors import BadRequestError, ConfigurationError, ManifestMismatchError, SignatureError
from governance.keys import SigningKey, VerifyingKey, load_verifying_key

BUNDLE_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MODEL_PREDICATE = "https://model_signing/signature/v1.0"
ADMISSION_PREDICATE = "urn:bento-governance:admission:v1"
MAX_PAYLOAD_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count, and how many of them it takes."""

    keys: tuple[VerifyingKey, ...]
    threshold: int

    @classmethod
    def from_files(cls, paths: Sequence[Path], threshold: int) -> Trust:
        """Read the trusted public keys.

        Raises:
            ConfigurationError: if one cannot be read, or the threshold cannot be met by distinct keys.
        """
        keys = {key.fingerprint: key for key in map(load_verifying_key, paths)}
        if not 1 <= threshold <= len(keys):
            raise ConfigurationError(f"a threshold of {threshold} cannot be met by {len(keys)} trusted keys")
        return cls(tuple(keys.values()), threshold)


@dataclass(frozen=True, slots=True)
class Admission:
    """What the signer admits: this version, this header, this ciphertext."""

    name: str
    version: int
    header_sha256: str
    ciphertext_sha256: str
    manifest_root: str

    def to_statement(self) -> dict[str, Any]:
        return {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": self.name, "digest": {"sha256": self.manifest_root}}],
            "predicateType": ADMISSION_PREDICATE,
            "predicate": {
                "version": self.version,
                "header": {"sha256": self.header_sha256},
                "ciphertext": {"sha256": self.ciphertext_sha256},
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


def sign_statement(statement: Mapping[str, Any], key: SigningKey) -> dict[str, Any]:
    """Return a Sigstore bundle (v0.3) with a DSSE envelope around the statement.

    Raises:
        ConfigurationError: if the key is not ECDSA, which alone Model Signing v1.0 has for keys.
    """
    public = key.public_key
    if not public.algorithm.startswith("ecdsa"):
        raise ConfigurationError(f"model signatures need an ECDSA key, and this one is {public.algorithm}")
    payload = canonical_json(statement)
    return _bundle(payload, key.sign(pre_authentication_encoding(payload)), public.fingerprint)


def _bundle(payload: bytes, signature: bytes, hint: str) -> dict[str, Any]:
    return {
        "mediaType": BUNDLE_MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }


def pre_authentication_encoding(payload: bytes) -> bytes:
    """Return what DSSE signs: type and payload, each with its length (DSSE protocol v1, PAE)."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def unverified_hint(bundle: Any) -> str:
    """Return the fingerprint of the key that a bundle says it was signed with; nothing is checked.

    Raises:
        SignatureError: if it names no key.
    """
    material = bundle.get("verificationMaterial") if isinstance(bundle, dict) else None
    public = material.get("publicKey") if isinstance(material, dict) else None
    hint = public.get("hint") if isinstance(public, dict) else None
    if not is_sha256(hint):
        raise SignatureError("a signature bundle does not name the key that signed it")
    return str(hint)


def verify_statement(bundle: Any, key: VerifyingKey) -> dict[str, Any]:
    """Return the statement of a bundle that `key` signed.

    Raises:
        SignatureError: if the bundle is malformed, is not this key's, or its signature is wrong.
    """
    if not isinstance(bundle, dict) or bundle.get("mediaType") != BUNDLE_MEDIA_TYPE:
        raise SignatureError(f"a signature is not a Sigstore bundle ({BUNDLE_MEDIA_TYPE})")
    if unverified_hint(bundle) != key.fingerprint:
        raise SignatureError("a signature bundle names another key")
    envelope = bundle.get("dsseEnvelope")
    if not isinstance(envelope, dict) or envelope.get("payloadType") != PAYLOAD_TYPE:
        raise SignatureError("a signature bundle holds no DSSE envelope with an in-toto statement")
    signatures = envelope.get("signatures")
    # One signature an envelope: a second would be read by nobody, so nobody could rely on it.
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise SignatureError("a DSSE envelope must hold exactly one signature")
    payload = _decode(envelope.get("payload"))
    key.verify_signature(_decode(signatures[0].get("sig")), pre_authentication_encoding(payload))
    try:
        statement = parse_json(payload)
    except BadRequestError as error:
        raise SignatureError(f"a signed statement is {error}") from None
    if not isinstance(statement, dict) or statement.get("_type") != STATEMENT_TYPE:
        raise SignatureError("what was signed is not an in-toto statement v1")
    return statement


def verify_model_statement(bundle: Any, key: VerifyingKey) -> tuple[str, dict[str, str]]:
    """Return the subject's name, and SHA-256 by path, of a Model Signing v1.0 bundle that `key` signed.

    Raises:
        SignatureError: if the signature or the statement's form is wrong.
        ManifestMismatchError: if the subject's digest is not that of the resources.
    """
    statement = verify_statement(bundle, key)
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


def verify_signed_by(bundles: Sequence[Any], trust: Trust, expected: Admission, manifest: Manifest) -> tuple[str, ...]:
    """Return the fingerprints of the trusted keys that signed this model and its admission.

    Args:
        bundles: one `{"model": bundle, "admission": bundle}` for each signer.

    Raises:
        SignatureError: if fewer trusted keys than the threshold signed, or a trusted key's signature is wrong.
        ManifestMismatchError: if a trusted key signed something else.
    """
    trusted = {key.fingerprint: key for key in trust.keys}
    signers: set[str] = set()
    for pair in bundles:
        if not isinstance(pair, dict) or set(pair) != {"model", "admission"}:
            raise SignatureError("a signature has not exactly a model and an admission bundle")
        key = trusted.get(unverified_hint(pair["model"]))
        if key is None:
            continue  # A stranger's signature neither helps nor harms.
        _verify_rendering(pair)
        name, digests = verify_model_statement(pair["model"], key)
        if name != expected.name or digests != {entry.path: entry.sha256 for entry in manifest.files}:
            raise ManifestMismatchError("a trusted signature is over another name or other files")
        if verify_statement(pair["admission"], key) != expected.to_statement():
            raise ManifestMismatchError("a trusted signature is over another version, header or ciphertext")
        signers.add(key.fingerprint)
    if len(signers) < trust.threshold:
        raise SignatureError(
            f"signed by {len(signers)} of the {len(trusted)} trusted keys, and it takes {trust.threshold}"
        )
    return tuple(sorted(signers))


def _verify_rendering(pair: Mapping[str, Any]) -> None:
    """Refuse bundles that are not byte for byte as we write them: nothing around a signature may be changed either."""
    for bundle in pair.values():
        try:
            envelope = bundle["dsseEnvelope"]
            payload, signature = _decode(envelope["payload"]), _decode(envelope["signatures"][0]["sig"])
        except (LookupError, TypeError):
            raise SignatureError("a signature bundle has a wrong form") from None
        if bundle != _bundle(payload, signature, unverified_hint(bundle)):
            raise SignatureError("a signature bundle was changed around its signature")


def _decode(value: Any) -> bytes:
    if not isinstance(value, str) or len(value) > 2 * MAX_PAYLOAD_BYTES:
        raise SignatureError("a signature bundle lacks a payload or a signature, or it is too large")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise SignatureError("a signature bundle holds something that is not base64") from None
