"""Limits: how often a caller may ask."""

from __future__ import annotations

import time
from collections.abc import Callable

from governance.access.caller import Caller
from governance.access.limits import TokenBuckets
from governance.exchange import Exchange, Proceed, Reply
from governance.settings import Settings


class LimitsPlugin:
    """Takes one token from the caller's bucket, or refuses."""

    name = "limits"
    needs: frozenset[type] = frozenset({Caller})
    gives: frozenset[type] = frozenset()

    def __init__(self, settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> None:
        limits = settings.limits
        self._buckets = TokenBuckets(limits.rate_per_second, limits.burst, limits.max_callers)
        self._monotonic = monotonic

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing is held open."""

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        if not exchange.route.public:
            self._buckets.take(exchange.fact(Caller).id, self._monotonic())
        return await proceed(exchange)
