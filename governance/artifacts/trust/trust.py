"""Trust: whose signatures count, how many of them it takes, and the check that an artifact has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from governance.artifacts.format.manifest import Manifest
from governance.artifacts.trust.certificates import MARKER, load_certificates, verify_chain
from governance.artifacts.trust.signing import (
    COSIGNATURE_ALGORITHM,
    PAYLOAD_TYPE,
    Admission,
    decode,
    envelope_of,
    read_model_statement,
    unverified_signer,
    unverified_statement,
    verify_rendering,
    verify_statement,
)
from governance.errors import ConfigurationError, ManifestMismatchError, SignatureError
from governance.keys import VerifyingKey, load_verifying_key
from governance.keys.dsse import pre_authentication_encoding
from governance.keys.operations import verify_counted
from governance.keys.providers.file import read_public

ROLES = ("author", "approver")
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures on artifacts count.

    Attributes:
        keys: public keys of signers.
        threshold: how many different signers must have signed.
        authorities: certificates; a signer whose certificate one of them has issued counts too.
        cosigners: ML-DSA-65 keys; if there are any, each signature needs one by such a key as well.
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
            threshold: how many different signers must have signed.
            cosigners: PEM files with ML-DSA-65 public keys.

        Raises:
            ConfigurationError: if one cannot be read, or the threshold cannot be met by distinct signers.
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
        beside = tuple(map(load_verifying_key, cosigners))
        if any(key.algorithm != COSIGNATURE_ALGORITHM for key in beside):
            raise ConfigurationError("trusted co-signers have ML-DSA-65 keys")
        return cls(tuple(keys.values()), threshold, tuple(authorities), beside)

    def __str__(self) -> str:
        return f"{len(self.keys)} trusted keys" + (
            f" and {len(self.authorities)} certificates" if self.authorities else ""
        )


def verify_signed_by(entries: Sequence[Any], trust: Trust, expected: Admission, manifest: Manifest) -> tuple[str, ...]:
    """Return who of the trusted signed this model and its admission: `sha256:…` for a key, `x509:…` for a certificate.

    Args:
        entries: the trailer's signatures.

    Raises:
        SignatureError: if fewer than the threshold signed, or a trusted signature is wrong.
        ManifestMismatchError: if somebody trusted signed something else.
    """
    signers: dict[str, str] = {}
    for entry in entries:
        if not isinstance(entry, dict) or not {"model", "admission"} <= set(entry) <= {
            "model",
            "admission",
            "cosignature",
        }:
            raise SignatureError("a signature has not exactly a model and an admission bundle")
        found = _trusted_signer(entry, trust)
        if found is None:
            continue  # A stranger's signature neither helps nor harms.
        name, key = found
        verify_rendering(entry)
        if unverified_signer(entry["model"]) != unverified_signer(entry["admission"]):
            raise SignatureError("a signature's two bundles are from different signers")
        subject, digests = read_model_statement(verify_statement(entry["model"], key))
        if subject != expected.name or digests != {file.path: file.sha256 for file in manifest.files}:
            raise ManifestMismatchError("a trusted signature is over another name or other files")
        role, signed = _role_and_time(entry)
        if verify_statement(entry["admission"], key) != expected.to_statement(role, signed):
            raise ManifestMismatchError("a trusted signature is over another version, header or ciphertext")
        _verify_cosignature(entry, trust)
        # Distinct people: one key with two certificates, or one name with two keys, counts once.
        if name not in signers and key.fingerprint not in signers.values():
            signers[name] = key.fingerprint
    if len(signers) < trust.threshold:
        raise SignatureError(f"signed by {len(signers)} of the {trust}, and it takes {trust.threshold}")
    return tuple(sorted(signers))


def verify_folder_signature(bundle: Any, trust: Trust, manifest: Manifest, now: datetime) -> tuple[str, str]:
    """Return the subject's name and the signer of an OpenSSF model signature over plaintext files, of any tool.

    Args:
        manifest: the files as they are.
        now: when a certificate must be valid: such a signature says no time of its own.

    Raises:
        SignatureError: if nobody trusted signed it, or the signature is wrong.
        ManifestMismatchError: if the files are not those that were signed.
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
        raise ManifestMismatchError(f"'{different}' is not as it was signed, is missing, or was added")
    return name, found[0]


def _trusted_signer(entry: Any, trust: Trust) -> tuple[str, VerifyingKey] | None:
    signer = unverified_signer(entry["model"])
    if isinstance(signer, str):
        key = next((key for key in trust.keys if key.fingerprint == signer), None)
        return None if key is None else (f"sha256:{signer}", key)
    # A certificate counts for the time at which its holder says it signed: an old signature outlives it.
    return verify_chain(signer, trust.authorities, parse_time(_role_and_time(entry)[1]))


def _role_and_time(entry: Any) -> tuple[str, str]:
    predicate = unverified_statement(entry["admission"]).get("predicate")
    role, signed = (predicate.get("role"), predicate.get("signed")) if isinstance(predicate, dict) else (None, None)
    if role not in ROLES or not isinstance(signed, str):
        raise SignatureError("an admission does not say in which role and when it was signed")
    return str(role), signed


def _verify_cosignature(entry: Any, trust: Trust) -> None:
    """If co-signers are trusted, one of them must have signed the very bytes of both statements."""
    if not trust.cosigners:
        return
    beside = entry.get("cosignature")
    if not isinstance(beside, dict) or set(beside) != {"algorithm", "hint", "model", "admission"}:
        raise SignatureError("a trusted signature lacks the co-signature (ML-DSA-65) that is asked for")
    key = next((key for key in trust.cosigners if key.fingerprint == beside["hint"]), None)
    if key is None or beside["algorithm"] != COSIGNATURE_ALGORITHM:
        raise SignatureError("a co-signature is not by a trusted ML-DSA-65 key")
    for kind in ("model", "admission"):
        payload, _ = envelope_of(entry[kind])
        verify_counted(key, decode(beside[kind]), pre_authentication_encoding(PAYLOAD_TYPE, payload))


def render_time(time: datetime) -> str:
    """Render an aware time: RFC 3339 in UTC, to the second."""
    return time.astimezone(UTC).strftime(_TIME_FORMAT)


def parse_time(text: str) -> datetime:
    """Parse what `render_time` rendered.

    Raises:
        SignatureError: if it is anything else.
    """
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise SignatureError("a time of signing is not RFC 3339 in UTC") from None
