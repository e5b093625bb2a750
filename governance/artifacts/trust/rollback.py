"""Rollback floors: the highest version of each model that was served, so that no lower one is served again.

The floors are a file in the folder of the audit log, signed by the checkpoint key: a person who can write there can
remove the file, but not lower a floor. If the log has entries and the file is missing, no model is opened. The file
names the service, a sequence number and the version before; the audit log has its head, so an older copy is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from governance.canonical import canonical_json, parse_json
from governance.errors import BadRequestError, ConfigurationError, RollbackError, SignatureError
from governance.keys import Signer

FILE = "rollback-floors.json"
MAX_BYTES = 2**20
_CONTEXT = b"bento-governance rollback floors/2\x00"


@dataclass(frozen=True, slots=True)
class FloorsFile:
    """The signed content of the file.

    Attributes:
        service: Name of the service.
        sequence: Number of this version of the file, from 1; 0 without a file.
        previous: Digest of the version before, or "" for the first.
        floors: Floor of each model.
    """

    service: str
    sequence: int
    previous: str
    floors: Mapping[str, int]

    @property
    def payload(self) -> bytes:
        """The bytes that are signed: canonical JSON."""
        return canonical_json(asdict(self))

    @property
    def digest(self) -> str:
        """SHA-256 of `payload` (hex)."""
        return hashlib.sha256(self.payload).hexdigest()


class RollbackFloors:
    """The floors of one service.

    Args:
        directory: Folder of the audit log.
        key: Key that signs and verifies the file.
        service: Name of the service; the floors of another one are refused.
    """

    def __init__(self, directory: Path, key: Signer, service: str) -> None:
        self._directory, self._file, self._key, self._service = directory, directory / FILE, key, service

    def read(self) -> FloorsFile:
        """Return the content of the file; no floors if neither the file nor entries of the log exist.

        Raises:
            RollbackError: if the file is missing and the log has entries, its signature is wrong, or it is for another
                service.
            ConfigurationError: if it cannot be read.
        """
        try:
            with self._file.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except FileNotFoundError:
            if _log_has_entries(self._directory):
                raise RollbackError(
                    f"{self._file} is missing, and the audit log in its folder has entries: restore the file, "
                    "or archive the whole folder and begin a new log"
                ) from None
            return FloorsFile(self._service, 0, "", {})
        except OSError as error:
            raise ConfigurationError(f"cannot read {self._file}: {error.strerror}") from None
        return self._verified(content)

    def raise_to(self, versions: Mapping[str, int]) -> FloorsFile:
        """Raise the floors to the versions that are served now, and return them; a floor is never lowered.

        Args:
            versions: Version of each served model.

        Raises:
            RollbackError: as `read`.
            ConfigurationError: if the file cannot be written.
        """
        before = self.read()
        names = {*before.floors, *versions}
        floors = {name: max(before.floors.get(name, 0), versions.get(name, 0)) for name in sorted(names)}
        if floors == before.floors and before.sequence:
            return before
        now = FloorsFile(self._service, before.sequence + 1, before.digest if before.sequence else "", floors)
        signature = base64.b64encode(self._key.sign(_CONTEXT + now.payload)).decode()
        self._write(canonical_json({**asdict(now), "signature": signature}))
        return now

    def _verified(self, content: bytes) -> FloorsFile:
        try:
            document = parse_json(content)
            signature = base64.b64decode(document.pop("signature"), validate=True)
            found = FloorsFile(**document)
            self._key.public_key.verify_signature(signature, _CONTEXT + found.payload)
        except (BadRequestError, SignatureError, LookupError, TypeError, AttributeError, ValueError, binascii.Error):
            raise RollbackError(
                f"{self._file} was changed, or is of an older release: its signature is wrong"
            ) from None
        if found.service != self._service:
            raise RollbackError(f"{self._file} is for the service '{found.service}', not for '{self._service}'")
        return found

    def _write(self, content: bytes) -> None:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self._directory, prefix=f".{FILE}.")
            with open(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self._file)
        except OSError as error:
            raise ConfigurationError(f"cannot write {self._file}: {error.strerror}") from None


def _log_has_entries(directory: Path) -> bool:
    return any(entries.stat().st_size for entries in directory.glob("worker-*/entries*"))
