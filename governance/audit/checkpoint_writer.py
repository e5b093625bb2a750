"""Signs and writes checkpoints in a thread of its own, so that a slow or absent key service holds no request.

A checkpoint that cannot be signed is made up for by the next: entries are authenticated by their stamps until then.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from governance.audit.checkpoint import Checkpoint, sign_checkpoint
from governance.audit.log_files import CHECKPOINTS, ENTRIES, AppendFile
from governance.errors import GovernanceError, LogInconsistentError
from governance.keys import Signer

_PIECE_BYTES = 2**20

logger = logging.getLogger("governance.audit")


@dataclass(frozen=True, slots=True)
class Uncovered:
    """What the next checkpoint covers: the entries that were written since the last one.

    Attributes:
        size: Number of all entries of the log.
        root: Root hash over them.
        end: Bytes of the file of entries.
        digest: SHA-256 of the bytes that were written since the last such value was made.
    """

    size: int
    root: bytes
    end: int
    digest: bytes


class CheckpointWriter:
    """Writes the checkpoints of one log.

    Before it signs, it reads back what was written since the last checkpoint, and compares.

    Args:
        folder: Folder of the log.
        origin: Origin of the log.
        key: Checkpoint key.
        entries: File of the entries, to read back.
        covered: Number of entries that the newest checkpoint in the file covers, -1 without one.

    Attributes:
        failures: Number of checkpoints that could not be signed.
    """

    def __init__(self, folder: Path, origin: str, key: Signer, entries: AppendFile, covered: int) -> None:
        self._origin, self._key, self._entries = origin, key, entries
        self.file = AppendFile(folder / CHECKPOINTS)
        self._covered, self._covered_at, self._begun = covered, time.time(), entries.size
        self._thread: ThreadPoolExecutor | None = None
        self._is_busy = False
        self.failures = 0

    @property
    def covered(self) -> int:
        """Number of entries that the newest checkpoint covers."""
        return self._covered

    @property
    def is_busy(self) -> bool:
        """Whether a checkpoint is being signed in the thread."""
        return self._is_busy

    def covered_until(self, size: int) -> float:
        """Return the last time (Unix seconds) at which a checkpoint covered all entries; now, if that is the case."""
        if self._covered == size:
            self._covered_at = time.time()
        return self._covered_at

    def begin(self, uncovered: Uncovered, broke: Callable[[], None]) -> None:
        """Sign and write a checkpoint in the thread; call `broke` there if the files are not what was written."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit-checkpoint")
        self._is_busy = True
        self._thread.submit(self._attempt, uncovered, broke)

    def write(self, uncovered: Uncovered) -> None:
        """Sign and write a checkpoint now.

        Raises:
            LogInconsistentError: if the file of entries is not what was written.
            OSError: if the file of checkpoints cannot be written.
            GovernanceError: if the key cannot sign.
        """
        self._verify_written(uncovered)
        note = sign_checkpoint(Checkpoint(self._origin, uncovered.size, uncovered.root), self._key).encode()
        self.file.append(note)
        self._covered, self._covered_at = uncovered.size, time.time()

    def close(self) -> None:
        """Wait for a checkpoint that is being signed, and end the thread; the file stays open."""
        if self._thread is not None:
            self._thread.shutdown()

    def _attempt(self, uncovered: Uncovered, broke: Callable[[], None]) -> None:
        try:
            self.write(uncovered)
        except (LogInconsistentError, OSError) as error:
            logger.critical("the audit log is not what was written, and accepts no entry any more: %s", error)
            broke()
        except Exception as error:
            self.failures += 1
            reason = str(error) if isinstance(error, GovernanceError) else type(error).__name__
            logger.error("a checkpoint of the audit log cannot be signed, and the next covers its entries: %s", reason)
        finally:
            self._is_busy = False

    def _verify_written(self, uncovered: Uncovered) -> None:
        """Compare the bytes that were written since the last comparison with the file."""
        digest, place = hashlib.sha256(), self._begun
        while place < uncovered.end:
            piece = os.pread(self._entries.fileno(), min(_PIECE_BYTES, uncovered.end - place), place)
            if not piece:
                break
            digest.update(piece)
            place += len(piece)
        if digest.digest() != uncovered.digest:
            raise LogInconsistentError(f"{self._entries.path.parent / ENTRIES}: another program has changed it")
        self._begun = uncovered.end
