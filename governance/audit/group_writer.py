"""A thread that writes entries in groups; all entries of a group share one sync."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue

from governance.errors import NotReadyError

CANNOT_WRITE = "the audit log cannot be written, so no request is answered"
# Index of an entry in the log, and its leaf hash.
Written = tuple[int, bytes]
MAX_GATHERED = 64
WriteGroup = Callable[[list[bytes]], list[Written]]


class GroupWriter:
    """Hands entries to a thread, and completes the future of each when the thread has written it.

    Entries of turns of the event loop that each bring one, and all that arrive while a group is written, are one group.
    A thread of its own costs less for each group than an executor.

    Args:
        write: writes a group to its end, with the sync; runs in the thread.
        broke: called in the event loop when a write has failed.
    """

    def __init__(self, write: WriteGroup, broke: Callable[[], None]) -> None:
        self._write, self._broke = write, broke
        self._loop = asyncio.get_running_loop()
        self._entries: list[bytes] = []
        self._futures: list[asyncio.Future[Written]] = []
        self._is_idle = True
        self._drained: asyncio.Future[None] | None = None
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
        self._thread.start()

    def add(self, entry: bytes) -> asyncio.Future[Written]:
        """Return the future of an entry's index and leaf hash; a failed write raises `NotReadyError` in it.

        If the future is cancelled, the entry is written anyway.
        """
        future: asyncio.Future[Written] = self._loop.create_future()
        self._entries.append(entry)
        self._futures.append(future)
        if self._is_idle:
            self._is_idle = False
            # Not at once: other requests add their entries first.
            self._loop.call_soon(self._gather, 0)
        return future

    def run(self, job: Callable[[], object]) -> None:
        """Run `job` in the thread after the groups that it has already; it must not raise."""
        self._jobs.put(job)

    async def close(self) -> None:
        """Write what waits, and end the thread."""
        if not self._is_idle:
            self._drained = self._loop.create_future()
            await self._drained
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _gather(self, before: int) -> None:
        """Hand over what waits, unless this turn of the event loop has brought more than `before`: then once more."""
        if before < len(self._entries) < MAX_GATHERED:
            self._loop.call_soon(self._gather, len(self._entries))
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        if not self._entries:
            self._is_idle = True
            if self._drained is not None:
                self._drained.set_result(None)
            return
        entries, futures = self._entries, self._futures
        self._entries, self._futures = [], []
        self._jobs.put(lambda: self._write_group(entries, futures))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _write_group(self, entries: list[bytes], futures: list[asyncio.Future[Written]]) -> None:
        try:
            written = self._write(entries)
        except Exception:
            self._loop.call_soon_threadsafe(self._fail, futures)
            return
        self._loop.call_soon_threadsafe(self._complete, futures, written)

    def _complete(self, futures: list[asyncio.Future[Written]], written: list[Written]) -> None:
        for future, result in zip(futures, written, strict=True):
            if not future.done():
                future.set_result(result)
        self._hand_over()

    def _fail(self, futures: list[asyncio.Future[Written]]) -> None:
        """Refuse the group and all that wait: after a failed write, nothing is known about the end of the file."""
        self._broke()
        for future in (*futures, *self._futures):
            if not future.done():
                future.set_exception(NotReadyError(CANNOT_WRITE))
        self._entries, self._futures = [], []
        self._hand_over()
