"""Rollback floors: the highest version of each model that was served, so that no lower one is served again.

The floors are a file in the folder of the audit log, signed by the checkpoint key: a person who can write there can
remove the file, but not lower a floor. If the log has entries and the file is missing, no model is opened.
"""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from governance.canonical import canonical_json, parse_json
from governance.errors import BadRequestError, ConfigurationError, RollbackError, SignatureError
from governance.keys import Signer

FILE = "rollback-floors.json"
MAX_BYTES = 2**20
# Entries are canonical JSON, so the action comes first.
_OWN = (b'{"action":"log-open",', b'{"action":"log-close",')
_CONTEXT = b"bento-governance rollback floors/1\x00"


class RollbackFloors:
    """The floors of one service.

    Args:
        directory: Folder of the audit log.
        key: Key that signs and verifies the file.
    """

    def __init__(self, directory: Path, key: Signer) -> None:
        self._directory, self._file, self._key = directory, directory / FILE, key

    def read(self) -> Mapping[str, int]:
        """Return the floor of each model; none if neither the file nor entries of the log exist.

        Raises:
            RollbackError: if the file is missing and the log has entries, or its signature is wrong.
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
            return {}
        except OSError as error:
            raise ConfigurationError(f"cannot read {self._file}: {error.strerror}") from None
        return self._verified(content)

    def raise_to(self, versions: Mapping[str, int]) -> None:
        """Raise the floors to the versions that are served now; a floor is never lowered.

        Args:
            versions: Version of each served model.

        Raises:
            RollbackError: as `read`.
            ConfigurationError: if the file cannot be written.
        """
        before = self.read()
        floors = {name: max(before.get(name, 0), versions.get(name, 0)) for name in {*before, *versions}}
        if floors == before and self._file.exists():
            return
        payload = canonical_json(floors)
        signature = base64.b64encode(self._key.sign(_CONTEXT + payload)).decode()
        self._write(canonical_json({"floors": floors, "signature": signature}))

    def _verified(self, content: bytes) -> Mapping[str, int]:
        try:
            document = parse_json(content)
            floors, signature = document["floors"], base64.b64decode(document["signature"], validate=True)
            self._key.public_key.verify_signature(signature, _CONTEXT + canonical_json(floors))
        except (BadRequestError, SignatureError, LookupError, TypeError, ValueError, binascii.Error):
            raise RollbackError(f"{self._file} was changed: its signature is wrong") from None
        result: dict[str, Any] = floors
        return result

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
    return any(map(_has_work, directory.glob("worker-*/entries*")))


def _has_work(entries: Path) -> bool:
    """Return whether a log has more than its own opening and closing, which come before any model is open."""
    with entries.open("rb") as stream:
        return any(not line.startswith(_OWN) for line in stream)
