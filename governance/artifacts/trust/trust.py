"""Trust: whose signatures count, how many are required, and the check that an artifact has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from governance.artifacts.format.manifest import Manifest
from governance.artifacts.trust.bundle import (
    PAYLOAD_TYPE,
    decode_base64,
    envelope_of,
    unverified_signer,
    unverified_statement,
    verify_rendering,
)
from governance.artifacts.trust.certificates import MARKER, load_certificates, verify_chain
from governance.artifacts.trust.signing import COSIGNATURE_ALGORITHM, verify_statement
from governance.artifacts.trust.statement import Admission, parse_time, read_model_statement
from governance.errors import ConfigurationError, ManifestMismatchError, SignatureError
from governance.keys import VerifyingKey, load_verifying_key
from governance.keys.dsse import pre_authentication_encoding
from governance.keys.key_files import read_public
from governance.keys.operations import verify_counted

ROLES = ("author", "approver")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures on artifacts count.

    Attributes:
        keys: Public keys of trusted signers.
        threshold: Number of different trusted signers that must have signed.
        authorities: Trusted certificates; a signer with a certificate issued by one of them is trusted too.
        cosigners: Trusted ML-DSA-65 keys; if there are any, each signature needs a co-signature by one of them.
    """

    keys: tuple[VerifyingKey, ...]
    threshold: int
    authorities: tuple[x509.Certificate, ...] = ()
    cosigners: tuple[VerifyingKey, ...] = ()

    @classmethod
    def from_files(cls, paths: Sequence[Path], threshold: int, cosigners: Sequence[Path] = ()) -> Trust:
        """Read the trusted public keys and certificates.

        Args:
            paths: PEM files with public keys or certificates of authorities.
            threshold: Number of different trusted signers that must have signed.
            cosigners: PEM files with ML-DSA-65 public keys.

        Raises:
            ConfigurationError: if a file cannot be read, or there are fewer keys than the threshold.
        """
        keys: dict[str, VerifyingKey] = {}
        authorities: list[x509.Certificate] = []
        for path in paths:
            if MARKER in read_public(path):
                authorities.extend(load_certificates(path))
            else:
                key = load_verifying_key(path)
                keys[key.fingerprint] = key
        if threshold < 1 or (not authorities and threshold > len(keys)):
            raise ConfigurationError(f"a threshold of {threshold} cannot be met by {len(keys)} trusted keys")
        cosigning = tuple(map(load_verifying_key, cosigners))
        if any(key.algorithm != COSIGNATURE_ALGORITHM for key in cosigning):
            raise ConfigurationError("the key of a trusted co-signer is not ML-DSA-65")
        return cls(tuple(keys.values()), threshold, tuple(authorities), cosigning)

    def __str__(self) -> str:
        return f"{len(self.keys)} trusted keys" + (
            f" and {len(self.authorities)} certificates" if self.authorities else ""
        )


def verify_signed_by(entries: Sequence[Any], trust: Trust, expected: Admission, manifest: Manifest) -> tuple[str, ...]:
    """Return the sorted trusted signers of an artifact: `sha256:FINGERPRINT` of a key, `x509:SUBJECT` of a certificate.

    Signatures of others are ignored.

    Args:
        entries: The trailer's signatures.
        trust: Whose signatures count.
        expected: The admission that they must have signed.
        manifest: The manifest that they must have signed.

    Raises:
        SignatureError: if fewer than the threshold have signed, or a trusted signer's signature is wrong.
        ManifestMismatchError: if a trusted signer signed something else.
    """
    signers: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not {"model", "admission"} <= set(entry) <= {
            "model",
            "admission",
            "cosignature",
        }:
            raise SignatureError("a signature must have exactly a model and an admission bundle")
        found = _trusted_signer(entry, trust)
        if found is None:
            continue  # A signature of an unknown signer has no effect.
        name, key = found
        verify_rendering(entry)
        if unverified_signer(entry["model"]) != unverified_signer(entry["admission"]):
            raise SignatureError("a signature's two bundles are from different signers")
        subject, digests = read_model_statement(verify_statement(entry["model"], key))
        if subject != expected.name or digests != {file.path: file.sha256 for file in manifest.files}:
            raise ManifestMismatchError("a trusted signature is of another name or other files")
        role, signed = _role_and_time(entry)
        if verify_statement(entry["admission"], key) != expected.to_statement(role, signed):
            raise ManifestMismatchError("a trusted signature is of another version, header or ciphertext")
        _verify_cosignature(entry, trust)
        # Signers must differ in name and key: a key with two certificates, or a name with two keys, counts once.
        if name not in signers and key.fingerprint not in signers.values():
            signers[name] = key.fingerprint
    if len(signers) < trust.threshold:
        raise SignatureError(f"signed by {len(signers)} of the {trust}; {trust.threshold} are required")
    return tuple(sorted(signers))


def verify_folder_signature(bundle: Any, trust: Trust, manifest: Manifest, now: datetime) -> tuple[str, str]:
    """Verify an OpenSSF model signature, made by any tool, over plaintext files.

    Args:
        bundle: The parsed signature file.
        trust: Whose signatures count.
        manifest: The files as they are now.
        now: Time at which a certificate must be valid: such a signature contains no time.

    Returns:
        The name of the model, and the signer; see `verify_signed_by`.

    Raises:
        SignatureError: if no trusted signer signed it, or the signature is wrong.
        ManifestMismatchError: if the files differ from the signed ones.
    """
    signer = unverified_signer(bundle)
    if isinstance(signer, str):
        key = next((key for key in trust.keys if key.fingerprint == signer), None)
        found = None if key is None else (f"sha256:{signer}", key)
    else:
        found = verify_chain(signer, trust.authorities, now)
    if found is None:
        raise SignatureError(f"signed by none of the {trust}")
    name, digests = read_model_statement(verify_statement(bundle, found[1]))
    here = {file.path: file.sha256 for file in manifest.files}
    if digests != here:
        different = sorted(set(digests.items()) ^ set(here.items()))[0][0]
        raise ManifestMismatchError(f"'{different}' was changed, removed or added after signing")
    return name, found[0]


def _trusted_signer(entry: Any, trust: Trust) -> tuple[str, VerifyingKey] | None:
    signer = unverified_signer(entry["model"])
    if isinstance(signer, str):
        key = next((key for key in trust.keys if key.fingerprint == signer), None)
        return None if key is None else (f"sha256:{signer}", key)
    # The certificate must be valid at the signed time of signing, so that old signatures stay valid.
    return verify_chain(signer, trust.authorities, parse_time(_role_and_time(entry)[1]))


def _role_and_time(entry: Any) -> tuple[str, str]:
    predicate = unverified_statement(entry["admission"]).get("predicate")
    role, signed = (predicate.get("role"), predicate.get("signed")) if isinstance(predicate, dict) else (None, None)
    if role not in ROLES or not isinstance(signed, str):
        raise SignatureError("an admission has no role or time of signing")
    return str(role), signed


def _verify_cosignature(entry: Any, trust: Trust) -> None:
    """Verify that a trusted co-signer, if there are any, signed the bytes of both statements."""
    if not trust.cosigners:
        return
    cosignature = entry.get("cosignature")
    if not isinstance(cosignature, dict) or set(cosignature) != {"algorithm", "hint", "model", "admission"}:
        raise SignatureError("a trusted signature lacks the required co-signature (ML-DSA-65)")
    key = next((key for key in trust.cosigners if key.fingerprint == cosignature["hint"]), None)
    if key is None or cosignature["algorithm"] != COSIGNATURE_ALGORITHM:
        raise SignatureError("a co-signature is not by a trusted ML-DSA-65 key")
    for kind in ("model", "admission"):
        payload, _ = envelope_of(entry[kind])
        verify_counted(key, decode_base64(cosignature[kind]), pre_authentication_encoding(PAYLOAD_TYPE, payload))
