"""Load shedding: a bounded number of requests in progress, a bounded queue, and early refusal of the rest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from governance.errors import OverloadedError, ShedReason

LAG_CHECK_SECONDS = 0.05
MAX_WAITS = 65_536
_SMOOTHING = 0.1


class Slots:
    """Slots for requests in progress in this process.

    A request is refused at once if the queue is full, if the expected wait exceeds `max_wait_seconds`, or if the event
    loop is late by more than that; it is refused later if it got no slot within `max_wait_seconds`.

    Args:
        max_concurrent: Number of slots.
        max_queue: Greatest number of waiting requests.
        max_wait_seconds: Longest wait for a slot.
        monotonic: Returns seconds.
    """

    def __init__(
        self, max_concurrent: int, max_queue: int, max_wait_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._max_concurrent, self._max_queue, self._max_wait = max_concurrent, max_queue, max_wait_seconds
        self._monotonic = monotonic
        self._queue: deque[asyncio.Future[None]] = deque()
        self.running = 0
        self._service_seconds = 0.0
        self.lag_seconds = 0.0
        # Seconds that each request waited; the metrics drain this, and the oldest are dropped if they do not.
        self.waits: deque[float] = deque(maxlen=MAX_WAITS)

    @property
    def waiting(self) -> int:
        """Number of requests in the queue."""
        return len(self._queue)

    async def enter(self) -> float:
        """Wait for a slot; return the time at which the request got it (monotonic seconds), for `leave`.

        Raises:
            OverloadedError: if there is no slot in time.
        """
        if self.lag_seconds > self._max_wait:
            raise self._refusal("lag")
        arrived = self._monotonic()
        if self.running < self._max_concurrent:
            self.running += 1
            self.waits.append(0.0)
            return arrived
        expected = (len(self._queue) + 1) * self._service_seconds / self._max_concurrent
        if len(self._queue) >= self._max_queue or expected > self._max_wait:
            raise self._refusal("queue" if len(self._queue) >= self._max_queue else "wait")
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(self._max_wait):
                await turn
        except BaseException as error:
            # The request got its slot at the moment of its timeout or cancellation: pass the slot on.
            if turn.done() and not turn.cancelled():
                self._pass_on()
            if isinstance(error, TimeoutError):
                raise self._refusal("wait") from None
            raise
        entered = self._monotonic()
        self.waits.append(entered - arrived)
        return entered

    def leave(self, entered: float) -> None:
        """Give the slot of a request, which it got at `entered`, to the next one in the queue."""
        self._service_seconds += _SMOOTHING * (self._monotonic() - entered - self._service_seconds)
        self._pass_on()

    async def watch_lag(self) -> None:
        """Measure how late the event loop runs timers, until cancelled."""
        while True:
            before = self._monotonic()
            await asyncio.sleep(LAG_CHECK_SECONDS)
            self.lag_seconds = self._monotonic() - before - LAG_CHECK_SECONDS

    def _pass_on(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1

    def _refusal(self, reason: ShedReason) -> OverloadedError:
        seconds = max(1.0, self._max_wait)
        return OverloadedError(
            "too many requests in this worker: try again", retry_after_seconds=seconds, reason=reason
        )
