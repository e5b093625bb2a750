"""Limits in this process: rate, burst, concurrency and daily quotas, in constant time and bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from governance.errors import LimitName, RateLimitedError

DAY_SECONDS = 86_400
MAX_KEYS = 100_000


@dataclass(frozen=True, slots=True)
class Limit:
    """What one caller may do in one scope; None is no limit.

    `burst` calls at once and `rate_per_second` in the long run, so many at the same time, and so many requests and
    items (of all batches) a day, which begins at midnight UTC.
    """

    rate_per_second: float | None = None
    burst: int | None = None
    concurrency: int | None = None
    requests_per_day: int | None = None
    items_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """How far a caller is from the limit: calls left now, and seconds until all are there again."""

    left: int
    reset_seconds: float


class TokenBuckets:
    """Lets each caller make `burst` calls at once, and `rate_per_second` in the long run.

    One number a caller is kept: when its bucket will be full again (the generic cell rate algorithm's theoretical
    arrival time). A caller whose bucket is full is the same as one never seen, so forgetting those loses nothing.
    """

    def __init__(self, rate_per_second: float, burst: int, max_callers: int) -> None:
        self._interval = 1 / rate_per_second
        self._tolerance = (burst - 1) * self._interval
        self._max_callers = max_callers
        self._full_at: dict[str, float] = {}

    def take(self, caller: str, now: float) -> LimitStatus:
        """Count one call, and say what is left.

        Args:
            now: monotonic seconds.

        Raises:
            RateLimitedError: if the bucket is empty, with the seconds until it is not.
        """
        full_at = max(self._full_at.get(caller, now), now)
        wait = full_at - self._tolerance - now
        # A billionth of a second is the clock's own noise, and no reason to refuse.
        if wait > 1e-9:
            raise RateLimitedError("too many calls: slow down", retry_after_seconds=wait, limit="rate")
        if caller not in self._full_at and len(self._full_at) >= self._max_callers:
            self._make_room(now)
        self._full_at[caller] = full_at = full_at + self._interval
        left = int((self._tolerance + self._interval - (full_at - now)) / self._interval + 1e-6)
        return LimitStatus(left, full_at - now)

    def _make_room(self, now: float) -> None:
        """Forget the callers whose buckets are full; if all are in use, refuse new ones rather than forget a debt."""
        self._full_at = {caller: full_at for caller, full_at in self._full_at.items() if full_at > now}
        if len(self._full_at) >= self._max_callers:
            raise RateLimitedError("too many callers at once: try again", retry_after_seconds=1.0, limit="rate")


class DailyCounts:
    """Counts by caller, for the day of the first look after midnight UTC."""

    def __init__(self, name: LimitName, limit: int, max_callers: int) -> None:
        self._name, self._limit, self._max_callers = name, limit, max_callers
        self._day = -1
        self._counts: dict[str, int] = {}

    def verify(self, caller: str, now: float) -> None:
        """Look whether the caller has anything left today.

        Args:
            now: Unix seconds.

        Raises:
            RateLimitedError: if not, with the seconds until midnight.
        """
        day, into = divmod(now, DAY_SECONDS)
        if day != self._day:
            self._day, self._counts = int(day), {}
        count = self._counts.get(caller, 0)
        if count >= self._limit or (count == 0 and len(self._counts) >= self._max_callers):
            raise RateLimitedError("today's quota is used up", retry_after_seconds=DAY_SECONDS - into, limit=self._name)

    def add(self, caller: str, count: int) -> None:
        """Count what was used; the last request of a day may go over what was left."""
        if count:
            self._counts[caller] = self._counts.get(caller, 0) + count


class Concurrency:
    """How many calls of one caller are under way; a caller with none takes no memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: dict[str, int] = {}

    def enter(self, caller: str) -> None:
        """Begin a call.

        Raises:
            RateLimitedError: if too many are under way.
        """
        running = self._running.get(caller, 0)
        if running >= self._limit:
            raise RateLimitedError("too many calls at the same time", retry_after_seconds=1.0, limit="concurrency")
        self._running[caller] = running + 1

    def leave(self, caller: str) -> None:
        """End a call."""
        running = self._running.get(caller, 0) - 1
        if running > 0:
            self._running[caller] = running
        else:
            self._running.pop(caller, None)


class LimitScope:
    """One limit for each caller: over everything, or at one model."""

    def __init__(self, name: str, limit: Limit, clock: Callable[[], float], max_callers: int = MAX_KEYS) -> None:
        self.name, self.limit, self._clock = name, limit, clock
        rate = limit.rate_per_second
        burst = limit.burst if limit.burst is not None else max(1, round(rate or 1))
        self._buckets = TokenBuckets(rate, burst, max_callers) if rate is not None else None
        requests, items = limit.requests_per_day, limit.items_per_day
        self._requests = DailyCounts("requests_per_day", requests, max_callers) if requests is not None else None
        self._items = DailyCounts("items_per_day", items, max_callers) if items is not None else None
        self.concurrency = Concurrency(limit.concurrency) if limit.concurrency is not None else None
        # As the RateLimit-Policy field says it.
        self.policy = f'"{name}";q={burst};w={max(1, round(burst / rate))}'.encode() if rate is not None else None

    def take(self, caller: str, now: float) -> LimitStatus | None:
        """Count one call of the caller, and say what is left where there is a rate.

        Args:
            now: monotonic seconds.

        Raises:
            RateLimitedError: if a rate or quota is used up.
        """
        if self._items is not None or self._requests is not None:
            today = self._clock()
            if self._items is not None:
                self._items.verify(caller, today)
            if self._requests is not None:
                self._requests.verify(caller, today)
        standing = self._buckets.take(caller, now) if self._buckets is not None else None
        if self._requests is not None:
            self._requests.add(caller, 1)
        return standing

    def count_items(self, caller: str, items: int) -> None:
        """Count the items of a batch that was answered."""
        if self._items is not None:
            self._items.add(caller, items)
