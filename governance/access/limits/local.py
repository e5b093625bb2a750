"""Limits counted in this process: rate, burst, concurrency and daily quotas, in constant time and bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from governance.errors import LimitName, RateLimitedError

DAY_SECONDS = 86_400
MAX_KEYS = 100_000


@dataclass(frozen=True, slots=True)
class Limit:
    """Limits of one caller in one scope; None means no limit.

    Attributes:
        rate_per_second: Requests per second in the long run.
        burst: Requests that may arrive at once; None takes the rate of one second.
        concurrency: Requests in progress at the same time.
        requests_per_day: Requests per day; a day begins at midnight UTC.
        items_per_day: Items (rows of all batches) per day.
    """

    rate_per_second: float | None = None
    burst: int | None = None
    concurrency: int | None = None
    requests_per_day: int | None = None
    items_per_day: int | None = None


class LimitStatus(NamedTuple):
    """What a caller has left of a rate.

    Attributes:
        left: Requests that the caller may send now.
        reset_seconds: Seconds until the full burst is available again.
    """

    left: int
    reset_seconds: float


class TokenBuckets:
    """Token buckets: each caller may send `burst` requests at once and `rate_per_second` in the long run.

    One number is stored per caller: when its bucket is full again (the theoretical arrival time of the generic cell
    rate algorithm, ITU-T I.371). A caller with a full bucket needs no entry, so such entries can be dropped.

    Args:
        rate_per_second: Requests per second.
        burst: Size of a bucket.
        max_callers: Greatest number of entries.
    """

    def __init__(self, rate_per_second: float, burst: int, max_callers: int) -> None:
        self._interval = 1 / rate_per_second
        self._tolerance = (burst - 1) * self._interval
        self._max_callers = max_callers
        self._full_at: dict[str, float] = {}

    def take(self, caller: str, now: float) -> LimitStatus:
        """Count one request and return what is left.

        Args:
            caller: Id of the caller.
            now: Monotonic seconds.

        Raises:
            RateLimitedError: if the bucket is empty; it carries the seconds until one request is possible.
        """
        full_at = max(self._full_at.get(caller, now), now)
        wait = full_at - self._tolerance - now
        # Less than a nanosecond is rounding of floating-point times, not a missing token.
        if wait > 1e-9:
            raise RateLimitedError("too many requests: slow down", retry_after_seconds=wait, limit="rate")
        if caller not in self._full_at and len(self._full_at) >= self._max_callers:
            self._make_room(now)
        self._full_at[caller] = full_at = full_at + self._interval
        left = int((self._tolerance + self._interval - (full_at - now)) / self._interval + 1e-6)
        return LimitStatus(left, full_at - now)

    def _make_room(self, now: float) -> None:
        """Drop callers with full buckets; without any, refuse the new caller: dropping another would reset its rate."""
        self._full_at = {caller: full_at for caller, full_at in self._full_at.items() if full_at > now}
        if len(self._full_at) >= self._max_callers:
            raise RateLimitedError("too many callers at once: try again", retry_after_seconds=1.0, limit="rate")


class DailyCounts:
    """Counts per caller since midnight UTC.

    Args:
        name: Name of the limit in errors and metrics.
        limit: Greatest count per caller and day.
        max_callers: Greatest number of callers that are counted.
    """

    def __init__(self, name: LimitName, limit: int, max_callers: int) -> None:
        self._name, self._limit, self._max_callers = name, limit, max_callers
        self._day = -1
        self._counts: dict[str, int] = {}

    def verify(self, caller: str, now: float) -> None:
        """Check that the caller has quota left today.

        Args:
            caller: Id of the caller.
            now: Unix seconds.

        Raises:
            RateLimitedError: if the quota is used up; it carries the seconds until midnight UTC.
        """
        day, into = divmod(now, DAY_SECONDS)
        if day != self._day:
            self._day, self._counts = int(day), {}
        count = self._counts.get(caller, 0)
        if count >= self._limit or (count == 0 and len(self._counts) >= self._max_callers):
            raise RateLimitedError("today's quota is used up", retry_after_seconds=DAY_SECONDS - into, limit=self._name)

    def add(self, caller: str, count: int) -> None:
        """Add to the caller's count; the last request of a day may exceed the quota."""
        if count:
            self._counts[caller] = self._counts.get(caller, 0) + count


class Concurrency:
    """Number of requests in progress per caller; a caller without one needs no memory.

    Args:
        limit: Greatest number per caller.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: dict[str, int] = {}

    def enter(self, caller: str) -> None:
        """Count the start of a request.

        Raises:
            RateLimitedError: if the caller has `limit` requests in progress.
        """
        running = self._running.get(caller, 0)
        if running >= self._limit:
            raise RateLimitedError("too many requests at the same time", retry_after_seconds=1.0, limit="concurrency")
        self._running[caller] = running + 1

    def leave(self, caller: str) -> None:
        """Count the end of a request."""
        running = self._running.get(caller, 0) - 1
        if running > 0:
            self._running[caller] = running
        else:
            self._running.pop(caller, None)


class LimitScope:
    """The limits of every caller in one scope: all requests, or the requests to one model.

    Attributes:
        name: Name of the scope: of the model, or `caller`.
        limit: The limits.
        concurrency: Counter of requests in progress, or None if they are not limited.
        policy: Value of the RateLimit-Policy field, or None without a rate.

    Args:
        name: Name of the scope.
        limit: The limits of each caller.
        clock: Returns Unix seconds.
        max_callers: Greatest number of callers that are counted.
    """

    def __init__(self, name: str, limit: Limit, clock: Callable[[], float], max_callers: int = MAX_KEYS) -> None:
        self.name, self.limit, self._clock = name, limit, clock
        rate = limit.rate_per_second
        burst = limit.burst if limit.burst is not None else max(1, round(rate or 1))
        self._buckets = TokenBuckets(rate, burst, max_callers) if rate is not None else None
        requests, items = limit.requests_per_day, limit.items_per_day
        self._requests = DailyCounts("requests_per_day", requests, max_callers) if requests is not None else None
        self._items = DailyCounts("items_per_day", items, max_callers) if items is not None else None
        self.concurrency = Concurrency(limit.concurrency) if limit.concurrency is not None else None
        # draft-ietf-httpapi-ratelimit-headers-10, section 3: `"name";q=quota;w=window in seconds`.
        self.policy = f'"{name}";q={burst};w={max(1, round(burst / rate))}'.encode() if rate is not None else None

    def take(self, caller: str, now: float) -> LimitStatus | None:
        """Count one request of the caller; return what is left, or None without a rate.

        Args:
            caller: Id of the caller.
            now: Monotonic seconds.

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
        """Add the items of an answered batch to the caller's daily count."""
        if self._items is not None:
            self._items.add(caller, items)
