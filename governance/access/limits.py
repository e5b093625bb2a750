"""Limits: a token bucket for each caller (generic cell rate algorithm), in constant time and bounded memory."""

from __future__ import annotations

from governance.errors import RateLimitedError


class TokenBuckets:
    """Lets each caller make `burst` calls at once, and `rate_per_second` in the long run.

    One number a caller is kept: when its bucket will be full again (GCRA's theoretical arrival time). A caller whose
    bucket is full is the same as one never seen, so forgetting those loses nothing.
    """

    def __init__(self, rate_per_second: float, burst: int, max_callers: int) -> None:
        self._interval = 1 / rate_per_second
        self._tolerance = (burst - 1) * self._interval
        self._max_callers = max_callers
        self._full_at: dict[str, float] = {}

    def take(self, caller: str, now: float) -> None:
        """Count one call.

        Args:
            now: monotonic seconds.

        Raises:
            RateLimitedError: if the bucket is empty, with the seconds until it is not.
        """
        full_at = max(self._full_at.get(caller, now), now)
        wait = full_at - self._tolerance - now
        # A billionth of a second is the clock's own noise, and no reason to refuse.
        if wait > 1e-9:
            raise RateLimitedError("too many calls: slow down", retry_after_seconds=wait)
        if caller not in self._full_at and len(self._full_at) >= self._max_callers:
            self._make_room(now)
        self._full_at[caller] = full_at + self._interval

    def _make_room(self, now: float) -> None:
        """Forget the callers whose buckets are full; if all are in use, refuse new ones rather than forget a debt."""
        self._full_at = {caller: full_at for caller, full_at in self._full_at.items() if full_at > now}
        if len(self._full_at) >= self._max_callers:
            raise RateLimitedError("too many callers at once: try again", retry_after_seconds=1.0)
