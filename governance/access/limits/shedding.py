"""Load shedding: a bounded number of requests in progress, a bounded queue, and early refusal of the rest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from governance.errors import OverloadedError, ShedReason

LAG_CHECK_SECONDS = 0.05
MAX_WAITS = 65_536
_SMOOTHING = 0.1


class Slot(NamedTuple):
    """The slot of one request; a tuple, since each request makes one.

    Attributes:
        caller: Whose request it is.
        entered: Monotonic seconds at which the request got the slot.
    """

    caller: str
    entered: float


class Slots:
    """Slots for requests in progress in this process.

    A request is refused at once if the queue is full, if the expected wait exceeds `max_wait_seconds`, or if the event
    loop is late by more than that; it is refused later if it got no slot within `max_wait_seconds`. Waiting callers get
    slots in turn, and none has more than its share, so that one caller cannot take all slots.

    Args:
        max_concurrent: Number of slots.
        max_queue: Greatest number of waiting requests.
        max_wait_seconds: Longest wait for a slot.
        monotonic: Returns seconds.
        share: Part of slots and queue that one caller may have, more than 0 and at most 1.
    """

    def __init__(
        self,
        max_concurrent: int,
        max_queue: int,
        max_wait_seconds: float,
        monotonic: Callable[[], float],
        share: float = 1.0,
    ) -> None:
        self._max_concurrent, self._max_queue, self._max_wait = max_concurrent, max_queue, max_wait_seconds
        self._share, self._queue_share = share_of(max_concurrent, share), share_of(max_queue, share)
        self._monotonic = monotonic
        # By caller, in the order in which they get the next slots.
        self._queue: dict[str, deque[asyncio.Future[None]]] = {}
        self._held: dict[str, int] = {}
        self.running = self.waiting = 0
        self._service_seconds = 0.0
        self.lag_seconds = 0.0
        # Seconds that each request waited; the metrics drain this, and the oldest are dropped if they do not.
        self.waits: deque[float] = deque(maxlen=MAX_WAITS)

    def verify_in_time(self) -> None:
        """Check that the event loop is not late, before work on a request begins.

        Raises:
            OverloadedError: if it is.
        """
        if self.lag_seconds > self._max_wait:
            raise self._refusal("lag")

    async def enter(self, caller: str = "") -> Slot:
        """Wait for a slot, and return it for `leave`.

        Args:
            caller: Id of the caller.

        Raises:
            OverloadedError: if there is no slot in time.
        """
        self.verify_in_time()
        arrived = self._monotonic()
        held = self._held.get(caller, 0)
        if self.running < self._max_concurrent and held < self._share:
            self.running += 1
            self._held[caller] = held + 1
            self.waits.append(0.0)
            return Slot(caller, arrived)
        await self._wait(caller)
        entered = self._monotonic()
        self.waits.append(entered - arrived)
        return Slot(caller, entered)

    def leave(self, slot: Slot) -> None:
        """Give the slot of a request to the next one in the queue."""
        self._service_seconds += _SMOOTHING * (self._monotonic() - slot.entered - self._service_seconds)
        self._give_back(slot.caller)

    async def watch_lag(self) -> None:
        """Measure how late the event loop runs timers, until cancelled."""
        while True:
            before = self._monotonic()
            await asyncio.sleep(LAG_CHECK_SECONDS)
            self.lag_seconds = self._monotonic() - before - LAG_CHECK_SECONDS

    async def _wait(self, caller: str) -> None:
        own = len(self._queue.get(caller, ()))
        expected = self._service_seconds * max(
            (self.waiting + 1) / self._max_concurrent, (own + 1) / self._share if own else 0.0
        )
        if self.waiting >= self._max_queue or own >= self._queue_share or expected > self._max_wait:
            raise self._refusal("wait" if self.waiting < self._max_queue and own < self._queue_share else "queue")
        turn = asyncio.get_running_loop().create_future()
        self._queue.setdefault(caller, deque()).append(turn)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._max_wait):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                # The request got its slot at the moment of its timeout or cancellation: pass the slot on.
                self._give_back(caller)
            else:
                self._forget(caller, turn)
            if isinstance(error, TimeoutError):
                raise self._refusal("wait") from None
            raise

    def _give_back(self, caller: str) -> None:
        self.running -= 1
        held = self._held[caller] - 1
        if held:
            self._held[caller] = held
        else:
            del self._held[caller]
        if self._queue:
            self._give_next()

    def _give_next(self) -> None:
        """Give the free slot to the first waiting caller that has less than its share; its next turn is the last."""
        for caller, turns in self._queue.items():
            held = self._held.get(caller, 0)
            if held >= self._share:
                continue
            turn = turns.popleft()
            self.running, self.waiting = self.running + 1, self.waiting - 1
            self._held[caller] = held + 1
            del self._queue[caller]
            if turns:
                self._queue[caller] = turns
            turn.set_result(None)
            return

    def _forget(self, caller: str, turn: asyncio.Future[None]) -> None:
        turns = self._queue[caller]
        turns.remove(turn)
        self.waiting -= 1
        if not turns:
            del self._queue[caller]

    def _refusal(self, reason: ShedReason) -> OverloadedError:
        seconds = max(1.0, self._max_wait)
        return OverloadedError(
            "too many requests in this worker: try again", retry_after_seconds=seconds, reason=reason
        )


def share_of(number: int, share: float) -> int:
    """Return a part of a number, and at least 1.

    Args:
        number: The whole.
        share: From 0 to 1.
    """
    return max(1, int(number * share))
