"""The log of one worker: append-only, written in groups, whole after `kill -9`. See FORMAT.md.

`entries` holds a line an entry, `leaves` their hashes, `checkpoints` the signed promises. Whoever waits for an entry
waits until it lies where the durability says; a write that fails fails all who wait, and the log stays shut.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Literal

from governance.audit.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from governance.audit.merkle import HASH_BYTES, CompactRange, leaf_hash
from governance.errors import ConfigurationError, LogInconsistentError, NotReadyError
from governance.keys import Signer, VerifyingKey

ENTRIES, LEAVES, CHECKPOINTS, LOCK = "entries.jsonl", "leaves", "checkpoints", "lock"
MAX_WORKERS = 256
MAX_ENTRY_BYTES = 64 * 1024
NOTE_LINES = 5
# Times that nobody asks for are forgotten, oldest first.
MAX_TIMES = 65_536


class WorkerLog:
    """One worker's log in its own folder, which no other process writes while this holds it."""

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
        """Take a folder that is locked already; see `open_worker_log`.

        Raises:
            LogInconsistentError: if what lies there is not what its last checkpoint promises.
        """
        self.origin = f"{service}/{folder.name}"
        self._folder, self._key, self._durability = folder, key, durability
        self._checkpoint_seconds, self._monotonic = checkpoint_seconds, monotonic
        self._tree = CompactRange()
        self._waiting: list[tuple[bytes, asyncio.Future[tuple[int, bytes]]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._broken = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        recover(folder, key.public_key, self._tree)
        self._entries = _open_to_append(folder / ENTRIES)
        self._leaves = _open_to_append(folder / LEAVES)
        self._checkpoints = _open_to_append(folder / CHECKPOINTS)
        # For whoever shows numbers: entries since the start, failed writes, bytes, since when all is promised (Unix
        # seconds), and the seconds of each write and sync, which are theirs to empty.
        self.entries = self.failures = 0
        self.size_bytes = sum((folder / name).stat().st_size for name in (ENTRIES, LEAVES, CHECKPOINTS))
        self.promised_at = time.time()
        self.write_seconds: deque[float] = deque(maxlen=MAX_TIMES)
        self.sync_seconds: deque[float] = deque(maxlen=MAX_TIMES)
        self._promised = -1
        self._promise_again_at = float("-inf")
        self._promise()

    @property
    def is_shut(self) -> bool:
        """Whether a write has failed: nothing is taken any more until the log is opened anew."""
        return self._broken

    async def append(self, entry: bytes) -> tuple[int, bytes]:
        """Write one entry, and return its index and leaf hash once it lies as durably as asked.

        Args:
            entry: one line of canonical JSON, without the line's end.

        Raises:
            NotReadyError: if the log cannot be written; nothing may be answered then.
        """
        if self._broken or b"\n" in entry or len(entry) > MAX_ENTRY_BYTES:
            raise NotReadyError("the audit log cannot be written, so nothing is answered")
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._checkpoint_seconds, self._promise_when_idle, loop)
        if self._durability == "process":
            return self._append_now(entry)
        future: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Write what waits, promise it, and let the folder go."""
        if self._timer is not None:
            self._timer.cancel()
        if self._flusher is not None:
            await self._flusher
        self._thread.shutdown()
        if not self._broken:
            self._promise()
        for stream in (self._entries, self._leaves, self._checkpoints):
            stream.close()

    def _append_now(self, entry: bytes) -> tuple[int, bytes]:
        try:
            (result,) = self._write([entry], sync=False)
        except OSError:
            self._break()
            raise NotReadyError("the audit log cannot be written, so nothing is answered") from None
        return result

    async def _flush(self) -> None:
        """Write all that waits in one go, again and again until nothing does: many entries share one sync."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                entries = [entry for entry, _ in group]
                results = await loop.run_in_executor(self._thread, self._write, entries)
            except OSError:
                self._break()
                for _, future in (*group, *self._waiting):
                    future.set_exception(NotReadyError("the audit log cannot be written, so nothing is answered"))
                self._waiting = []
                return
            for (_, future), result in zip(group, results, strict=True):
                future.set_result(result)

    def _write(self, entries: list[bytes], sync: bool = True) -> list[tuple[int, bytes]]:
        hashes = [leaf_hash(entry) for entry in entries]
        lines = b"".join(piece for entry in entries for piece in (entry, b"\n"))
        started = time.perf_counter()
        _write_all(self._entries, lines)
        _write_all(self._leaves, b"".join(hashes))
        written = time.perf_counter()
        self.write_seconds.append(written - started)
        if sync:
            os.fdatasync(self._entries.fileno())
            self.sync_seconds.append(time.perf_counter() - written)
        self.entries += len(entries)
        self.size_bytes += len(lines) + HASH_BYTES * len(entries)
        start = self._tree.size
        for leaf in hashes:
            self._tree.append(leaf)
        if self._monotonic() >= self._promise_again_at:
            self._promise()
        return [(start + place, leaf) for place, leaf in enumerate(hashes)]

    def _promise_when_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        """The last entries before a pause come under a checkpoint too, and not only with the next request."""
        self._timer = None
        if self._durability == "process":
            self._promise_or_break()
        else:
            loop.run_in_executor(self._thread, self._promise_or_break)  # The thread that writes: never both at once.

    def _promise_or_break(self) -> None:
        try:
            if not self._broken:
                self._promise()
        except OSError:
            self._break()

    def promised_until(self) -> float:
        """Return since when the log is promised to its end (Unix seconds): now, while nothing waits for a promise."""
        if self._promised == self._tree.size:
            self.promised_at = time.time()
        return self.promised_at

    def _break(self) -> None:
        self._broken = True
        self.failures += 1

    def _promise(self) -> None:
        """Sign the root over all that is written."""
        self._promise_again_at = self._monotonic() + self._checkpoint_seconds
        if self._tree.size == self._promised:
            return
        checkpoint = Checkpoint(self.origin, self._tree.size, self._tree.root())
        note = sign_checkpoint(checkpoint, self._key).encode()
        _write_all(self._checkpoints, note)
        self.size_bytes += len(note)
        self._promised, self.promised_at = self._tree.size, time.time()


def open_worker_log(
    directory: Path,
    service: str,
    key: Signer,
    *,
    durability: Literal["group", "process"],
    checkpoint_seconds: float,
) -> tuple[WorkerLog, BinaryIO]:
    """Open the first log below `directory` that no other process holds; return it, and the lock to close after it.

    Raises:
        ConfigurationError: if the folder cannot be used.
        LogInconsistentError: if what lies there is not what its last checkpoint promises.
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
    raise ConfigurationError(f"all {MAX_WORKERS} logs below {directory} are held by other processes")


def recover(folder: Path, key: VerifyingKey, tree: CompactRange) -> None:
    """Bring a log back to its last whole entry, and fill `tree` with its leaves.

    A line without an end was never acknowledged, and goes. Hashes that a crash kept from being written are made
    again. Everything else must be as it was promised.

    Raises:
        LogInconsistentError: naming the first entry that is not as it was.
    """
    promises = list(read_checkpoints(folder, key, torn_end=True))
    entries = folder / ENTRIES
    leaves = (folder / LEAVES).read_bytes() if (folder / LEAVES).exists() else b""
    roots = {promise.size: promise.root for promise in promises}
    whole, hashes = 0, bytearray()
    for line in _lines(entries):
        if not line.endswith(b"\n"):
            break
        leaf = leaf_hash(line[:-1])
        start = tree.size * HASH_BYTES
        if len(leaves) >= start + HASH_BYTES and leaves[start : start + HASH_BYTES] != leaf:
            raise LogInconsistentError(f"{entries}: entry {tree.size} is not what was logged")
        tree.append(leaf)
        hashes += leaf
        whole += len(line)
        promised = roots.get(tree.size)
        if promised is not None and promised != tree.root():
            raise LogInconsistentError(f"{entries}: an entry up to {tree.size - 1} is not what was promised")
    if promises and max(roots) > tree.size:
        raise LogInconsistentError(f"{entries}: {max(roots)} entries were promised, and {tree.size} are there")
    if entries.exists() and entries.stat().st_size != whole:
        os.truncate(entries, whole)
    if leaves != hashes:
        (folder / LEAVES).write_bytes(hashes)


def read_checkpoints(folder: Path, key: VerifyingKey, *, torn_end: bool) -> Iterator[Checkpoint]:
    """Yield every promise of a log, oldest first; each is longer than the one before.

    Args:
        torn_end: whether a last note that a crash cut short is let go; it is then removed.

    Raises:
        LogInconsistentError: if one is malformed, out of order, or signed by another key.
    """
    file = folder / CHECKPOINTS
    if not file.exists():
        return
    lines = file.read_text("utf-8", "replace").split("\n")
    whole = len(lines) // NOTE_LINES * NOTE_LINES
    if lines[whole:] != [""]:
        if not torn_end:
            raise LogInconsistentError(f"{file}: the last checkpoint is cut short")
        os.truncate(file, len("".join(f"{line}\n" for line in lines[:whole]).encode()))
    before = -1
    for start in range(0, whole, NOTE_LINES):
        checkpoint = verify_checkpoint("\n".join(lines[start : start + NOTE_LINES]) + "\n", key)
        if checkpoint.size < before:
            raise LogInconsistentError(f"{file}: a checkpoint of {checkpoint.size} entries follows one of {before}")
        before = checkpoint.size
        yield checkpoint


def _lines(file: Path) -> Iterator[bytes]:
    if file.exists():
        with file.open("rb") as stream:
            yield from stream


def _open_to_append(file: Path) -> BinaryIO:
    return open(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab", buffering=0)


def _write_all(stream: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]
