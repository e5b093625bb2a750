"""Periodic work of a worker; a failure is logged, and the work continues."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from governance.errors import GovernanceError

logger = logging.getLogger("governance.watch")


class Watch:
    """A task that calls `look` every `seconds`; a call that fails is logged, and the calls continue.

    Args:
        what: the subject, for the log line.
        seconds: the pause between two calls.
        look: the work.
    """

    def __init__(self, what: str, seconds: float, look: Callable[[], Awaitable[None]]) -> None:
        self._what, self._seconds, self._look = what, seconds, look
        self._task = asyncio.create_task(self._run(), name=what)

    async def stop(self) -> None:
        """End the task."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self._look()
            except Exception as error:
                # The text of a foreign exception may contain personal data; our own is written for the log.
                reason = str(error) if isinstance(error, GovernanceError) else type(error).__name__
                logger.error("the check of %s failed: %s", self._what, reason)
