"""The log of one worker: append-only, written in groups, complete after `kill -9`. See FORMAT.md.

A caller of `append` waits until its entry is as durable as the settings require. If a write fails, all waiting callers
get an error and the log accepts no entry any more until the service is started again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Literal

from governance.audit.checkpoint import Checkpoint, sign_checkpoint
from governance.audit.group_writer import CANNOT_WRITE, GroupWriter, Written
from governance.audit.log_files import CHECKPOINTS, ENTRIES, LEAVES, LOCK, recover
from governance.audit.merkle import HASH_BYTES, CompactRange, leaf_hash
from governance.errors import ConfigurationError, NotReadyError
from governance.keys import Signer

MAX_WORKERS = 256
MAX_ENTRY_BYTES = 64 * 1024
# Greatest number of stored durations; the oldest are dropped if the metrics do not drain them.
MAX_TIMES = 65_536


class WorkerLog:
    """The log of one worker in its own folder; no other process may write the folder. See `open_worker_log`.

    Args:
        folder: The folder, which is locked already.
        service: Name of the service; the log's origin is `<service>/<folder>`.
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
        self.origin = f"{service}/{folder.name}"
        self._folder, self._key, self._durability = folder, key, durability
        self._checkpoint_seconds, self._monotonic = checkpoint_seconds, monotonic
        self._tree = CompactRange()
        self._writer: GroupWriter | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._broken = False
        recover(folder, key.public_key, self._tree)
        self._entries = _open_to_append(folder / ENTRIES)
        self._leaves = _open_to_append(folder / LEAVES)
        self._checkpoints = _open_to_append(folder / CHECKPOINTS)
        # For the metrics: entries and failed writes since the start, bytes of all files, and the seconds of each write
        # and sync, which the metrics drain.
        self.entries = self.failures = 0
        self.size_bytes = sum((folder / name).stat().st_size for name in (ENTRIES, LEAVES, CHECKPOINTS))
        self.write_seconds: deque[float] = deque(maxlen=MAX_TIMES)
        self.sync_seconds: deque[float] = deque(maxlen=MAX_TIMES)
        # Number of entries that the last checkpoint covers, and when that became true (Unix seconds).
        self._covered_entries = -1
        self._covered_at = time.time()
        self._checkpoint_due_at = float("-inf")
        self._write_checkpoint()

    @property
    def is_shut(self) -> bool:
        """Whether a write has failed; the log then accepts no entry until it is opened again."""
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
        if not self._broken:
            self._write_checkpoint()
        for stream in (self._entries, self._leaves, self._checkpoints):
            stream.close()

    def _append_now(self, entry: bytes) -> Written:
        try:
            started = time.perf_counter()
            _write_all(self._entries, entry + b"\n")
            self.write_seconds.append(time.perf_counter() - started)
            (result,) = self._grow([entry])
        except OSError:
            self._break()
            raise NotReadyError(CANNOT_WRITE) from None
        return result

    def _write_and_sync(self, entries: list[bytes]) -> list[Written]:
        """Write a group of entries, and sync it to the disk."""
        started = time.perf_counter()
        _write_all(self._entries, b"\n".join((*entries, b"")))
        written = time.perf_counter()
        os.fdatasync(self._entries.fileno())
        self.write_seconds.append(written - started)
        self.sync_seconds.append(time.perf_counter() - written)
        return self._grow(entries)

    def _grow(self, entries: list[bytes]) -> list[Written]:
        """Add written entries to the tree, with a checkpoint if one is due; lost hashes are made again at the start."""
        hashes = [leaf_hash(entry) for entry in entries]
        _write_all(self._leaves, b"".join(hashes))
        self.entries += len(entries)
        self.size_bytes += sum(map(len, entries)) + len(entries) * (1 + HASH_BYTES)
        start = self._tree.size
        for leaf in hashes:
            self._tree.append(leaf)
        if self._monotonic() >= self._checkpoint_due_at:
            self._write_checkpoint()
        return [(start + place, leaf) for place, leaf in enumerate(hashes)]

    def _checkpoint_when_idle(self) -> None:
        """Cover the last entries before a pause, without waiting for the next request."""
        self._timer = None
        if self._writer is None:
            self._checkpoint_or_break()
        else:
            # In the thread that writes entries, so that the two never run at once.
            self._writer.run(self._checkpoint_or_break)

    def _checkpoint_or_break(self) -> None:
        try:
            if not self._broken:
                self._write_checkpoint()
        except OSError:
            self._break()

    def covered_until(self) -> float:
        """Return the last time (Unix seconds) at which a checkpoint covered all entries; now, if that is the case."""
        if self._covered_entries == self._tree.size:
            self._covered_at = time.time()
        return self._covered_at

    def _break(self) -> None:
        self._broken = True
        self.failures += 1

    def _write_checkpoint(self) -> None:
        """Sign and write the root over all entries, unless the last checkpoint covers them."""
        self._checkpoint_due_at = self._monotonic() + self._checkpoint_seconds
        if self._tree.size == self._covered_entries:
            return
        checkpoint = Checkpoint(self.origin, self._tree.size, self._tree.root())
        note = sign_checkpoint(checkpoint, self._key).encode()
        _write_all(self._checkpoints, note)
        self.size_bytes += len(note)
        self._covered_entries, self._covered_at = self._tree.size, time.time()


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


def _open_to_append(file: Path) -> BinaryIO:
    return open(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab", buffering=0)


def _write_all(stream: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]
