"""Limits counted in Redis for all replicas: a sliding window and daily quotas for each caller, in total and by model.

A rate of r per second with bursts of b becomes a window of b requests in b/r seconds, rounded up to whole seconds.
Concurrency is still counted in each process. Source: the package `limits` (https://limits.readthedocs.io).
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
# After a failure, no request is sent to Redis for this long.
PAUSE_SECONDS = 1.0

logger = logging.getLogger("governance.limits")


class SharedLimits:
    """Rates and quotas in Redis.

    Args:
        url: `redis://HOST:PORT/DB` or `rediss://…`.
        monotonic: Returns seconds.
        clock: Returns Unix seconds.

    Raises:
        ConfigurationError: if the extra `redis` is not installed, or the URL is not valid.
    """

    def __init__(self, url: str, monotonic: Callable[[], float], clock: Callable[[], float]) -> None:
        try:
            from limits.aio.storage import RedisStorage
            from limits.aio.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter
            from redis.asyncio import ConnectionPool
        except ImportError:
            raise ConfigurationError("limits in Redis need an extra: pip install 'bento-governance[redis]'") from None
        try:
            self._pool = ConnectionPool.from_url(
                url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
            )
        except ValueError:
            raise ConfigurationError("[limits] storage is not a Redis URL") from None
        options: dict[str, Any] = {"connection_pool": self._pool}
        storage = RedisStorage(f"async+{url}", implementation="redispy", **options)
        self._windows, self._days = SlidingWindowCounterRateLimiter(storage), FixedWindowRateLimiter(storage)
        self._monotonic, self._clock = monotonic, clock
        self._away_until = float("-inf")

    async def take(self, scopes: Sequence[LimitScope], caller: str) -> list[LimitStatus | None]:
        """Count one request of the caller in every scope; return what is left in each.

        Raises:
            RateLimitedError: if a rate or quota is used up.
            NotReadyError: if Redis cannot be reached.
        """
        return [await self._ask(self._take(scope, caller)) for scope in scopes]

    async def count_items(self, scopes: Sequence[LimitScope], caller: str, items: int) -> None:
        """Add the items of an answered batch to the caller's daily counts.

        Raises:
            NotReadyError: if Redis cannot be reached.
        """
        for scope in scopes:
            if scope.limit.items_per_day is not None and items:
                window, key = _daily(scope.limit.items_per_day), self._key_of_today(scope, caller, "items")
                await self._ask(self._days.hit(window, *key, cost=items))

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.disconnect()

    async def _take(self, scope: LimitScope, caller: str) -> LimitStatus | None:
        limit = scope.limit
        for name, amount, cost in (("items", limit.items_per_day, 0), ("requests", limit.requests_per_day, 1)):
            if amount is not None:
                await self._take_daily(scope, caller, name, amount, cost)
        window = _window(limit)
        if window is None:
            return None
        key = scope.name, _hashed(caller)
        allowed = await self._windows.hit(window, *key)
        stats = await self._windows.get_window_stats(window, *key)
        reset = max(0.0, stats.reset_time - self._clock())
        if not allowed:
            raise RateLimitedError("too many requests: slow down", retry_after_seconds=reset, limit="rate")
        return LimitStatus(stats.remaining, reset)

    async def _take_daily(self, scope: LimitScope, caller: str, name: str, amount: int, cost: int) -> None:
        key = self._key_of_today(scope, caller, name)
        window = _daily(amount)
        left = await (self._days.hit(window, *key) if cost else self._days.test(window, *key))
        if not left:
            rest = DAY_SECONDS - self._clock() % DAY_SECONDS
            raise RateLimitedError(
                "today's quota is used up",
                retry_after_seconds=rest,
                limit="requests_per_day" if name == "requests" else "items_per_day",
            )

    def _key_of_today(self, scope: LimitScope, caller: str, name: str) -> tuple[str, ...]:
        day = datetime.fromtimestamp(self._clock(), UTC).date().isoformat()
        return scope.name, name, day, _hashed(caller)

    async def _ask(self, operation: Any) -> Any:
        if self._monotonic() < self._away_until:
            operation.close()
            raise NotReadyError("the shared limits cannot be checked now")
        try:
            return await operation
        except RateLimitedError:
            raise
        except Exception as error:
            # Any error of the client, the socket or the script means that the request was not counted.
            self._away_until = self._monotonic() + PAUSE_SECONDS
            logger.error("the shared limits cannot be reached: %s", type(error).__name__)
            raise NotReadyError("the shared limits cannot be checked now") from None


def _hashed(caller: str) -> str:
    """Return the key of a caller in Redis: no readable name, and no separator that could merge two callers."""
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
