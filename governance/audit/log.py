"""The log of one worker: append-only, written in groups, complete after `kill -9`. See FORMAT.md.

A caller of `append` waits until its entry is as durable as the settings require. If a write fails, all waiting callers
get an error and the log accepts no entry any more until the service is started again.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import itertools
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

from governance.audit.checkpoint_writer import CheckpointWriter, Uncovered
from governance.audit.group_writer import CANNOT_WRITE, GroupWriter, Written
from governance.audit.log_files import ENTRIES, LEAVES, LOCK, AppendFile
from governance.audit.merkle import leaf_hash
from governance.audit.recovery import recover
from governance.errors import ConfigurationError, GovernanceError, LogInconsistentError, NotReadyError
from governance.keys import Signer

MAX_WORKERS = 256
# With its stamp, an entry fits into the two bytes of a length in C2SP tlog-tiles.
MAX_ENTRY_BYTES = 65_000
# Greatest number of stored durations; the oldest are dropped if the metrics do not drain them.
MAX_TIMES = 65_536

logger = logging.getLogger("governance.audit")


class WorkerLog:
    """The log of one worker in its own folder; no other process may write the folder. See `open_worker_log`.

    Args:
        folder: The folder, which is locked already.
        service: Name of the service, the first part of the log's origin.
        key: Ed25519 key that signs the checkpoints.
        durability: `group` syncs each group of entries to the disk before `append` returns; `process` hands an entry to
            the operating system.
        checkpoint_seconds: Longest time between an entry and the checkpoint that covers it.
        monotonic: Returns seconds.

    Raises:
        LogInconsistentError: if the files differ from their last checkpoint.
    """

    def __init__(
        self,
        folder: Path,
        service: str,
        key: Signer,
        *,
        durability: Literal["group", "process"],
        checkpoint_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._durability, self._checkpoint_seconds, self._monotonic = durability, checkpoint_seconds, monotonic
        self._writer: GroupWriter | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._broken = False
        found = recover(folder, service, key)
        self.origin, self._stamper, self._tree = str(found.origin), found.stamper, found.tree
        # What the recovery found: authentic entries after the last checkpoint, and lines that were set aside.
        self.recovered, self.aside, self.heads = found.uncovered, found.aside, found.heads
        self._entries, self._leaves = AppendFile(folder / ENTRIES), AppendFile(folder / LEAVES)
        self._checkpoints = CheckpointWriter(folder, self.origin, key, self._entries, found.covered)
        # SHA-256 of the bytes that were written since the last comparison with the file.
        self._written = hashlib.sha256()
        # For the metrics: entries and failed writes since the start, and the seconds of each write and sync, which the
        # metrics drain.
        self.entries = self.failures = 0
        self.write_seconds: deque[float] = deque(maxlen=MAX_TIMES)
        self.sync_seconds: deque[float] = deque(maxlen=MAX_TIMES)
        self._checkpoint_due_at = float("-inf")
        if self._tree.size != found.covered:
            self._checkpoints.write(self._uncovered())

    @property
    def size_bytes(self) -> int:
        """Bytes of all files of the log."""
        return self._entries.size + self._leaves.size + self._checkpoints.file.size

    @property
    def checkpoint_failures(self) -> int:
        """Number of checkpoints that could not be signed since the start."""
        return self._checkpoints.failures

    @property
    def is_shut(self) -> bool:
        """Whether a write has failed, or the log is closed; it then accepts no entry until it is opened again."""
        return self._broken

    async def append(self, entry: bytes) -> Written:
        """Write one entry; return its index and leaf hash when it is as durable as `durability` requires.

        Args:
            entry: One line of canonical JSON without the line feed, of at most `MAX_ENTRY_BYTES`.

        Raises:
            NotReadyError: if the entry cannot be written; the request must then not be answered.
        """
        if self._broken or b"\n" in entry or len(entry) > MAX_ENTRY_BYTES:
            raise NotReadyError(CANNOT_WRITE)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._checkpoint_seconds, self._checkpoint_when_idle)
        if self._durability == "process":
            return self._append_now(entry)
        if self._writer is None:
            self._writer = GroupWriter(self._write_and_sync, self._break)
        return await self._writer.add(entry)

    async def close(self) -> None:
        """Write the waiting entries and a last checkpoint, and close the files."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writer is not None:
            await self._writer.close()
        await asyncio.to_thread(self._checkpoints.close)
        if not self._broken and self._tree.size != self._checkpoints.covered:
            try:
                self._checkpoints.write(self._uncovered())
            except GovernanceError as error:
                # The stamps authenticate these entries at the next start.
                logger.error("the last checkpoint of the audit log cannot be written: %s", error)
        self._broken = True  # A closed log accepts no entry.
        for file in (self._entries, self._leaves, self._checkpoints.file):
            file.close()

    def _append_now(self, entry: bytes) -> Written:
        try:
            started = time.perf_counter()
            line = self._stamper.stamp(self._tree.size, entry)
            self._append_lines([line])
            self.write_seconds.append(time.perf_counter() - started)
            (result,) = self._grow([line])
        except (OSError, ValueError, LogInconsistentError):
            self._break()
            raise NotReadyError(CANNOT_WRITE) from None
        return result

    def _write_and_sync(self, entries: list[bytes]) -> list[Written]:
        """Write a group of entries, and sync it to the disk."""
        started = time.perf_counter()
        lines = list(map(self._stamper.stamp, itertools.count(self._tree.size), entries))
        self._append_lines(lines)
        written = time.perf_counter()
        os.fdatasync(self._entries.fileno())
        self.write_seconds.append(written - started)
        self.sync_seconds.append(time.perf_counter() - written)
        return self._grow(lines)

    def _append_lines(self, lines: list[bytes]) -> None:
        ended = [line + b"\n" for line in lines]
        self._entries.append(b"".join(ended))
        # One by one: a hash of 2 KiB or more gives up the interpreter lock, and gets it back only after milliseconds.
        for line in ended:
            self._written.update(line)

    def _grow(self, lines: list[bytes]) -> list[Written]:
        """Add written entries to the tree, and begin a checkpoint if one is due; the start makes lost hashes again."""
        hashes = list(map(leaf_hash, lines))
        self._leaves.append(b"".join(hashes))
        self.entries += len(lines)
        start = self._tree.size
        for leaf in hashes:
            self._tree.append(leaf)
        if self._monotonic() >= self._checkpoint_due_at:
            self._begin_checkpoint()
        return [(start + place, leaf) for place, leaf in enumerate(hashes)]

    def _checkpoint_when_idle(self) -> None:
        """Cover the last entries before a pause, without waiting for the next request; again, if that fails."""
        self._timer = None
        if self._broken or self._checkpoints.covered == self._tree.size:
            return
        self._timer = asyncio.get_running_loop().call_later(self._checkpoint_seconds, self._checkpoint_when_idle)
        if self._writer is None:
            self._begin_or_break()
        else:
            # In the thread that writes entries, so that the two never run at once.
            self._writer.run(self._begin_or_break)

    def _begin_or_break(self) -> None:
        try:
            if not self._broken:
                self._begin_checkpoint()
        except LogInconsistentError:
            self._break()

    def covered_until(self) -> float:
        """Return the last time (Unix seconds) at which a checkpoint covered all entries; now, if that is the case."""
        return self._checkpoints.covered_until(self._tree.size)

    def _break(self) -> None:
        self._broken = True
        self.failures += 1

    def _begin_checkpoint(self) -> None:
        """Compare the files with what was written, and begin a checkpoint over all entries, unless one is being made.

        Raises:
            LogInconsistentError: if a file was removed, replaced, cut or extended.
        """
        if self._checkpoints.is_busy or self._tree.size == self._checkpoints.covered:
            return
        self._checkpoint_due_at = self._monotonic() + self._checkpoint_seconds
        self._checkpoints.begin(self._uncovered(), self._break)

    def _uncovered(self) -> Uncovered:
        try:
            for file in (self._entries, self._leaves, self._checkpoints.file):
                file.verify_place()
        except LogInconsistentError as error:
            logger.critical("the audit log accepts no entry any more: %s", error)
            raise
        digest, self._written = self._written.digest(), hashlib.sha256()
        return Uncovered(self._tree.size, self._tree.root(), self._entries.size, digest)


def open_worker_log(
    directory: Path,
    service: str,
    key: Signer,
    *,
    durability: Literal["group", "process"],
    checkpoint_seconds: float,
) -> tuple[WorkerLog, BinaryIO]:
    """Open the first log `worker-N` below `directory` that no other process has locked.

    Args:
        directory: Folder of all workers' logs; it is created if needed.
        service: Name of the service, or of this replica of it.
        key: Ed25519 key that signs the checkpoints.
        durability: See `WorkerLog`.
        checkpoint_seconds: See `WorkerLog`.

    Returns:
        The log, and its lock, which is closed after the log.

    Raises:
        ConfigurationError: if the folder cannot be written, or `MAX_WORKERS` logs are locked.
        LogInconsistentError: if the files differ from their last checkpoint.
    """
    for number in range(MAX_WORKERS):
        folder = directory / f"worker-{number}"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = open(folder / LOCK, "wb")  # noqa: SIM115
        except OSError as error:
            raise ConfigurationError(f"cannot write the audit log in {folder}: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        try:
            log = WorkerLog(folder, service, key, durability=durability, checkpoint_seconds=checkpoint_seconds)
        except OSError as error:
            lock.close()
            raise ConfigurationError(f"cannot write the audit log in {folder}: {error.strerror}") from None
        except BaseException:
            lock.close()
            raise
        return log, lock
    raise ConfigurationError(f"all {MAX_WORKERS} logs below {directory} are in use by other processes")
