"""Limits: rate, quotas and concurrency of each caller; excess requests are refused at once when the worker is full."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from governance.access.callers.caller import Caller
from governance.access.limits.local import Limit, LimitScope, LimitStatus
from governance.access.limits.shared import SharedLimits
from governance.access.limits.shedding import Slot, Slots, share_of
from governance.contract.events import Event
from governance.contract.exchange import Exchange, ReadBody, Reply, StreamedReply
from governance.contract.facts import Admitted, Usage, is_admitted
from governance.contract.measurements import Measurement, drain
from governance.contract.plugin import Plugin, Proceed
from governance.contract.routes import READING
from governance.errors import NotReadyError
from governance.settings import LimitSettings, Settings

# draft-ietf-httpapi-ratelimit-headers-10
RATE_LIMIT, RATE_LIMIT_POLICY = b"ratelimit", b"ratelimit-policy"
EVERYTHING = "caller"
# Whoever watches an overloaded worker must see it. Probes have no caller, and pass before.
NEVER_SHED = frozenset({"/metrics"})

logger = logging.getLogger("governance.limits")


class LimitsPlugin(Plugin):
    """Counts each request against its caller's limits (in total, and for the model) and takes a slot, or refuses it."""

    name = "limits"
    requires = frozenset({Caller})
    uses = frozenset({Admitted})
    observes = frozenset({Usage})

    def __init__(
        self,
        settings: Settings,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        limits = settings.limits
        at_once = limits.concurrency or share_of(limits.max_concurrent + limits.max_queue, limits.caller_share)
        limit = replace(_limit(limits), concurrency=at_once)
        everything = LimitScope(EVERYTHING, limit, clock, limits.max_callers)
        self._scopes: dict[str | None, tuple[LimitScope, ...]] = {
            name: (everything, LimitScope(name, _limit(model), clock, limits.max_callers))
            for name, model in limits.models.items()
        }
        self._everywhere = (everything,)
        self._slots = Slots(
            limits.max_concurrent, limits.max_queue, limits.max_wait_seconds, monotonic, limits.caller_share
        )
        self._settings, self._monotonic, self._clock = limits, monotonic, clock
        self._shared: SharedLimits | None = None
        self._shared_works = True
        self._watch: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect to Redis, if the limits are shared, and begin to measure the event loop's lag."""
        if self._settings.storage != "memory":
            self._shared = SharedLimits(self._settings.storage, self._monotonic, self._clock)
        self._watch = asyncio.create_task(self._slots.watch_lag(), name="event loop's lag")

    async def close(self) -> None:
        """Disconnect, and stop measuring."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._shared is not None:
            await self._shared.close()

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Count a request, hold a slot from the end of its body until it is answered, and proceed.

        Raises:
            RateLimitedError: if the caller exceeds a limit.
            OverloadedError: if no slot is free in time.
            NotReadyError: if shared limits cannot be read and the settings close the service then.
        """
        if is_admitted(exchange):
            return await proceed(exchange)
        # The limits of a model count what runs it: to ask whether it is ready must not fail because others use it.
        runs = exchange.route.action not in READING
        caller, scopes = (
            exchange.require(Caller).id,
            self._scopes.get(exchange.model if runs else None, self._everywhere),
        )
        if self._shared is None:
            now = self._monotonic()
            standings: Sequence[LimitStatus | None] = [scope.take(caller, now) for scope in scopes]
        else:
            standings = await self._take(self._shared, scopes, caller)
        _add_standing(exchange, scopes, standings)
        held = _Held(exchange, scopes, _enter(scopes, caller), caller)
        try:
            if exchange.route.content_types:
                # A request whose body is still on its way needs no slot.
                self._slots.verify_in_time()
                exchange.read = partial(self._read, exchange.read, held)
            elif exchange.route.template not in NEVER_SHED:
                held.slot = await self._slots.enter(caller)
            reply = await proceed(exchange)
        except BaseException:
            await self._give_back(held)
            raise
        if isinstance(reply, StreamedReply):
            # The slot is held until the last byte was sent.
            exchange.at_end.append(partial(self._give_back, held))
        else:
            await self._give_back(held)
        return reply

    async def _give_back(self, held: _Held) -> None:
        """Give back the slot, and count the items of the answered batch."""
        try:
            if held.slot is not None:
                self._slots.leave(held.slot)
            usage = held.exchange.get(Usage)
            if usage is not None:
                await self._count_items(held.scopes, held.caller, usage.items)
        finally:
            _leave(held.entered, held.caller)

    async def _read(self, read: ReadBody, held: _Held) -> bytes:
        body = await read()
        held.slot = await self._slots.enter(held.caller)
        return body

    def measurements(self) -> Iterable[Measurement]:
        """Return how long requests waited, how many wait now, and the event loop's lag."""
        yield Measurement("queue_seconds", drain(self._slots.waits))
        yield Measurement("queue_length", self._slots.waiting)
        yield Measurement("event_loop_lag_seconds", max(0.0, self._slots.lag_seconds))

    async def _take(
        self, shared: SharedLimits, scopes: Sequence[LimitScope], caller: str
    ) -> Sequence[LimitStatus | None]:
        try:
            standings = await shared.take(scopes, caller)
            await self._report_shared(works=True)
            return standings
        except NotReadyError:
            await self._report_shared(works=False)
            if self._settings.when_storage_fails == "closed":
                raise
        now = self._monotonic()
        return [scope.take(caller, now) for scope in scopes]

    async def _count_items(self, scopes: Sequence[LimitScope], caller: str, items: int) -> None:
        if self._shared is not None and self._shared_works:
            try:
                await self._shared.count_items(scopes, caller, items)
                return
            except NotReadyError:
                await self._report_shared(works=False)
        for scope in scopes:
            scope.count_items(caller, items)

    async def _report_shared(self, *, works: bool) -> None:
        if works == self._shared_works:
            return
        self._shared_works = works
        then = "requests are refused" if self._settings.when_storage_fails == "closed" else "each worker counts alone"
        logger.error("the shared limits %s", "work again" if works else f"cannot be reached: {then}")
        await self.chain.announce(
            Event("shared-limits", "done" if works else "refused", "redis", "" if works else then)
        )


@dataclass(slots=True)
class _Held:
    """What one request holds until its answer is complete; the slot once it has one."""

    exchange: Exchange
    scopes: Sequence[LimitScope]
    entered: Sequence[LimitScope]
    caller: str
    slot: Slot | None = None


def _limit(settings: LimitSettings) -> Limit:
    return Limit(
        settings.rate_per_second,
        settings.burst,
        settings.concurrency,
        settings.requests_per_day,
        settings.items_per_day,
    )


def _enter(scopes: Sequence[LimitScope], caller: str) -> list[LimitScope]:
    """Enter every scope, or none."""
    entered: list[LimitScope] = []
    try:
        for scope in scopes:
            if scope.concurrency is not None:
                scope.concurrency.enter(caller)
                entered.append(scope)
    except BaseException:
        _leave(entered, caller)
        raise
    return entered


def _leave(entered: Sequence[LimitScope], caller: str) -> None:
    for scope in entered:
        if scope.concurrency is not None:
            scope.concurrency.leave(caller)


def _add_standing(exchange: Exchange, scopes: Sequence[LimitScope], standings: Sequence[LimitStatus | None]) -> None:
    for scope, standing in zip(scopes, standings, strict=True):
        if standing is not None and scope.policy is not None:
            now = f'"{scope.name}";r={standing.left};t={math.ceil(standing.reset_seconds)}'
            exchange.reply_headers += [(RATE_LIMIT_POLICY, scope.policy), (RATE_LIMIT, now.encode())]
