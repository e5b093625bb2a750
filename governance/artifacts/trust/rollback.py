"""Rollback floors: the highest version of each model that was ever served here, so that none lower is served again.

The file lies beside the audit log, signed by the log's checkpoint key: whoever can write there can remove it, and
not lower it. Once the log has entries the file must be there.
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
_CONTEXT = b"bento-governance rollback floors/1\x00"


class RollbackFloors:
    """The floors of one service.

    Args:
        directory: where the audit log lies.
        key: signs and verifies the file.
    """

    def __init__(self, directory: Path, key: Signer) -> None:
        self._directory, self._file, self._key = directory, directory / FILE, key

    def read(self) -> Mapping[str, int]:
        """Return the floor of each model.

        Raises:
            RollbackError: if the file is gone though the log has entries, or is not as this service wrote it.
            ConfigurationError: if it cannot be read.
        """
        try:
            with self._file.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except FileNotFoundError:
            if _log_has_entries(self._directory):
                raise RollbackError(
                    f"{self._file} is gone, and the audit log beside it is not empty: bring the file back, "
                    "or archive the whole folder and begin a new log"
                ) from None
            return {}
        except OSError as error:
            raise ConfigurationError(f"cannot read {self._file}: {error.strerror}") from None
        return self._verified(content)

    def raise_to(self, versions: Mapping[str, int]) -> None:
        """Remember the versions that are served now; a floor never sinks.

        Raises:
            RollbackError: if what is there is not as this service wrote it.
            ConfigurationError: if it cannot be written.
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
            raise RollbackError(f"{self._file} is not as this service wrote it") from None
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
    return any(entries.stat().st_size for entries in directory.glob("worker-*/entries*"))
