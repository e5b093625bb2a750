"""in-toto statements that are signed: the digests of the model's files, and the admission of one artifact.

The first is the statement of OpenSSF Model Signing v1.0, which the tool `model_signing` verifies. The second binds what
the first does not contain: version, header and ciphertext of the artifact, the role of the signer and the time.

Sources: https://github.com/ossf/model-signing-spec, https://github.com/in-toto/attestation (Statement v1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from governance.artifacts.format.manifest import FileEntry, Manifest, is_sha256
from governance.errors import ManifestMismatchError, SignatureError

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MODEL_PREDICATE = "https://model_signing/signature/v1.0"
ADMISSION_PREDICATE = "urn:bento-governance:admission:v1"
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Admission:
    """What a signer admits to serving.

    Attributes:
        name: Name of the model.
        version: Version of the model.
        header_sha256: SHA-256 of the header's bytes, in hex.
        ciphertext_sha256: SHA-256 over the digests of all ciphertext parts in order, in hex.
        manifest_root: Root of the manifest; see `Manifest.root`.
    """

    name: str
    version: int
    header_sha256: str
    ciphertext_sha256: str
    manifest_root: str

    def to_statement(self, role: str, signed: str) -> dict[str, Any]:
        """Return the in-toto statement.

        Args:
            role: `author` or `approver`.
            signed: Time of signing (RFC 3339, UTC).
        """
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
    """Return the statement of OpenSSF Model Signing v1.0: the digest of every file, and their root."""
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


def read_model_statement(statement: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return name and file digests of a Model Signing v1.0 statement.

    Returns:
        The name of the subject, and the SHA-256 of each file (hex) by path.

    Raises:
        SignatureError: if the statement has another form.
        ManifestMismatchError: if the digest of the subject is not the root of the file digests.
    """
    if statement.get("predicateType") != MODEL_PREDICATE:
        raise SignatureError("the signed statement is not about a model (OpenSSF Model Signing v1.0)")
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
        raise ManifestMismatchError("the subject of a model statement is not the digest of its files")
    return name, digests


def render_time(time: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC, to the second, such as `2026-01-31T12:00:00Z`."""
    return time.astimezone(UTC).strftime(_TIME_FORMAT)


def parse_time(text: str) -> datetime:
    """Parse a time that `render_time` rendered.

    Raises:
        SignatureError: if it has another form.
    """
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise SignatureError("a time of signing is not RFC 3339 in UTC") from None
