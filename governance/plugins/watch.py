"""Looking at something again and again while a worker runs, whatever goes wrong with one look."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from governance.errors import GovernanceError

logger = logging.getLogger("governance.watch")


class Watch:
    """A task that looks every so many seconds; a look that fails is logged, and the next one comes all the same."""

    def __init__(self, what: str, seconds: float, look: Callable[[], Awaitable[None]]) -> None:
        self._what, self._seconds, self._look = what, seconds, look
        self._task = asyncio.create_task(self._run(), name=what)

    async def stop(self) -> None:
        """End it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self._look()
            except Exception as error:
                # The text of what is not ours may hold anything; what is ours is written to be read.
                reason = str(error) if isinstance(error, GovernanceError) else type(error).__name__
                logger.error("looking at the %s failed: %s", self._what, reason)
