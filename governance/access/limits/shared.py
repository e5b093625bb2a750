"""Limits that all replicas share, in Redis: for each scope and caller, a sliding window and daily quotas.

A rate of r a second with bursts of b is a window of b calls in b/r seconds (whole seconds, at least one, and then r
calls). Concurrency stays a matter of each process. Built on `limits` (https://limits.readthedocs.io).
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from governance.access.limits.local import DAY_SECONDS, Limit, LimitScope, LimitStatus
from governance.errors import ConfigurationError, NotReadyError, RateLimitedError

TIMEOUT_SECONDS = 0.25
# How long a Redis that failed is left alone.
PAUSE_SECONDS = 1.0

logger = logging.getLogger("governance.limits")


class SharedLimits:
    """Counts in Redis.

    Args:
        url: `redis://…` or `rediss://…`.
        clock: Unix seconds.

    Raises:
        ConfigurationError: if the packages are missing, or the URL is none.
    """

    def __init__(self, url: str, monotonic: Callable[[], float], clock: Callable[[], float]) -> None:
        try:
            from limits.aio.storage import RedisStorage
            from limits.aio.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter
            from redis.asyncio import ConnectionPool
        except ImportError:
            raise ConfigurationError("limits in Redis need packages: pip install 'bento-governance[redis]'") from None
        try:
            self._pool = ConnectionPool.from_url(
                url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
            )
        except ValueError:
            raise ConfigurationError("[limits] storage is no Redis URL") from None
        options: dict[str, Any] = {"connection_pool": self._pool}
        storage = RedisStorage(f"async+{url}", implementation="redispy", **options)
        self._windows, self._days = SlidingWindowCounterRateLimiter(storage), FixedWindowRateLimiter(storage)
        self._monotonic, self._clock = monotonic, clock
        self._away_until = float("-inf")

    async def take(self, scopes: Sequence[LimitScope], caller: str) -> list[LimitStatus | None]:
        """Count one call of the caller in every scope.

        Raises:
            RateLimitedError: if a rate or quota is used up.
            NotReadyError: if Redis cannot be asked.
        """
        return [await self._ask(self._take(scope, caller)) for scope in scopes]

    async def count_items(self, scopes: Sequence[LimitScope], caller: str, items: int) -> None:
        """Count the items of a batch that was answered.

        Raises:
            NotReadyError: if Redis cannot be asked.
        """
        for scope in scopes:
            if scope.limit.items_per_day is not None and items:
                window, place = _daily(scope.limit.items_per_day), self._today(scope, caller, "items")
                await self._ask(self._days.hit(window, *place, cost=items))

    async def close(self) -> None:
        """Let the connections go."""
        await self._pool.disconnect()

    async def _take(self, scope: LimitScope, caller: str) -> LimitStatus | None:
        limit = scope.limit
        for name, amount, cost in (("items", limit.items_per_day, 0), ("requests", limit.requests_per_day, 1)):
            if amount is not None:
                await self._take_daily(scope, caller, name, amount, cost)
        window = _window(limit)
        if window is None:
            return None
        place = scope.name, _anonymous(caller)
        allowed = await self._windows.hit(window, *place)
        stats = await self._windows.get_window_stats(window, *place)
        reset = max(0.0, stats.reset_time - self._clock())
        if not allowed:
            raise RateLimitedError("too many calls: slow down", retry_after_seconds=reset, limit="rate")
        return LimitStatus(stats.remaining, reset)

    async def _take_daily(self, scope: LimitScope, caller: str, name: str, amount: int, cost: int) -> None:
        place = self._today(scope, caller, name)
        window = _daily(amount)
        left = await (self._days.hit(window, *place) if cost else self._days.test(window, *place))
        if not left:
            rest = DAY_SECONDS - self._clock() % DAY_SECONDS
            raise RateLimitedError(
                "today's quota is used up",
                retry_after_seconds=rest,
                limit="requests_per_day" if name == "requests" else "items_per_day",
            )

    def _today(self, scope: LimitScope, caller: str, name: str) -> tuple[str, ...]:
        day = datetime.fromtimestamp(self._clock(), UTC).date().isoformat()
        return scope.name, name, day, _anonymous(caller)

    async def _ask(self, question: Any) -> Any:
        if self._monotonic() < self._away_until:
            question.close()
            raise NotReadyError("the shared limits cannot be checked at present")
        try:
            return await question
        except RateLimitedError:
            raise
        except Exception as error:
            # Whatever the client raises (its own errors, the socket's, a script's) means that nothing was counted.
            self._away_until = self._monotonic() + PAUSE_SECONDS
            logger.error("the shared limits cannot be asked: %s", type(error).__name__)
            raise NotReadyError("the shared limits cannot be checked at present") from None


def _anonymous(caller: str) -> str:
    """Return what stands for a caller in Redis: no name, and no separator that could make two callers one."""
    return hashlib.sha256(caller.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _window(limit: Limit) -> Any:
    from limits import RateLimitItemPerSecond

    if limit.rate_per_second is None:
        return None
    burst = limit.burst if limit.burst is not None else max(1, round(limit.rate_per_second))
    seconds = max(1, math.ceil(burst / limit.rate_per_second))
    return RateLimitItemPerSecond(max(1, round(limit.rate_per_second * seconds)), seconds)


def _daily(amount: int) -> Any:
    from limits import RateLimitItemPerDay

    return RateLimitItemPerDay(amount)
