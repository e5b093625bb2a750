"""Work of the application after its answer: owned, bounded, finished at the shutdown, and logged if it fails."""

from __future__ import annotations

import asyncio
import logging

from governance.gate.errors import describe_exception

logger = logging.getLogger("governance.gate")


class Background:
    """The tasks of one worker whose answer was sent and whose application still runs, such as a BentoML task.

    Args:
        limit: how many may run; the answer of one more is held back until its application has ended.
        drain_seconds: how long `close` waits for them; then they are cancelled.
    """

    def __init__(self, limit: int, drain_seconds: float) -> None:
        self._limit, self._drain_seconds = limit, drain_seconds
        self._tasks: set[asyncio.Task[None]] = set()

    async def adopt(self, task: asyncio.Task[None]) -> None:
        """Own a task whose answer is complete; if there are too many, wait until this one ends."""
        if task.done():
            self._end(task)
            return
        self._tasks.add(task)
        task.add_done_callback(self._end)
        if len(self._tasks) > self._limit:
            logger.warning("%d applications run after their answers: the next answers wait", len(self._tasks))
            await asyncio.wait([task])

    async def close(self) -> None:
        """Wait for the tasks, and cancel those that take too long."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self._drain_seconds)
        for task in late:
            task.cancel()
        if late:
            logger.error("%d applications that ran after their answers were cancelled at the shutdown", len(late))
            await asyncio.wait(late)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("an application failed after its answer was sent: %s", describe_exception(error))
