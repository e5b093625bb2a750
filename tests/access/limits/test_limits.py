"""Limits: both sides of each limit, no way to reset a limit, and an immediate refusal under overload."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.access.limits.local import DAY_SECONDS, Concurrency, Limit, LimitScope, TokenBuckets
from governance.access.limits.shedding import Slots
from governance.errors import OverloadedError, RateLimitedError


def test_rate_limit_passes_the_burst_and_then_refills():
    buckets = TokenBuckets(rate_per_second=2, burst=3, max_callers=10)
    for _ in range(3):
        buckets.take("a", 100.0)
    with pytest.raises(RateLimitedError) as refusal:
        buckets.take("a", 100.0)
    assert refusal.value.retry_after_seconds == pytest.approx(0.5)
    with pytest.raises(RateLimitedError):
        buckets.take("a", 100.49)
    buckets.take("a", 100.5)
    buckets.take("b", 100.5)


@given(st.lists(st.floats(0, 0.4), min_size=1, max_size=200), st.integers(1, 5), st.integers(1, 20))
def test_rate_limit_no_pattern_of_requests_exceeds_burst_and_rate(gaps, burst, rate):
    buckets, now, passed, first = TokenBuckets(rate, burst, 10), 50.0, 0, 50.0 + gaps[0]
    for gap in gaps:
        now += gap
        try:
            buckets.take("a", now)
            passed += 1
        except RateLimitedError:
            pass
    assert passed <= burst + (now - first) * rate + 1e-6


def test_rate_limit_memory_is_bounded_and_many_callers_reset_no_limit():
    buckets = TokenBuckets(rate_per_second=1, burst=2, max_callers=3)
    for _ in range(2):
        buckets.take("debtor", 0.0)
    for caller in ("b", "c"):
        buckets.take(caller, 0.0)
    with pytest.raises(RateLimitedError, match="callers"):
        buckets.take("d", 0.0)
    with pytest.raises(RateLimitedError):
        buckets.take("debtor", 0.0)
    buckets.take("d", 1.5)
    assert len(buckets._full_at) <= 3


def test_rate_limit_reports_what_is_left():
    buckets = TokenBuckets(rate_per_second=2, burst=3, max_callers=10)
    assert [buckets.take("a", 100.0).left for _ in range(3)] == [2, 1, 0]
    standing = buckets.take("a", 101.0)
    assert standing.left == 1 and standing.reset_seconds == pytest.approx(1.0)


class Day:
    now = 10 * DAY_SECONDS + 100.0

    def __call__(self):
        return self.now


def test_daily_quota_ends_at_midnight():
    clock = Day()
    scope = LimitScope("m", Limit(requests_per_day=2, items_per_day=10), clock)
    scope.take("a", 0.0)
    scope.take("a", 0.0)
    with pytest.raises(RateLimitedError, match="today") as refusal:
        scope.take("a", 0.0)
    assert refusal.value.retry_after_seconds == DAY_SECONDS - 100
    scope.take("b", 0.0)
    clock.now += DAY_SECONDS - 100
    scope.take("a", 0.0)


def test_daily_quota_counts_items_and_the_last_batch_may_exceed_it():
    scope = LimitScope("m", Limit(items_per_day=10), Day())
    for _ in range(3):
        scope.take("a", 0.0)
        scope.count_items("a", 4)
    with pytest.raises(RateLimitedError, match="today"):
        scope.take("a", 0.0)
    scope.take("b", 0.0)


def test_daily_quota_memory_is_bounded_and_many_callers_reset_no_quota():
    scope = LimitScope("m", Limit(requests_per_day=1), Day(), max_callers=3)
    for caller in ("a", "b", "c"):
        scope.take(caller, 0.0)
    for caller in ("a", "d"):
        with pytest.raises(RateLimitedError):
            scope.take(caller, 0.0)


def test_concurrency_limit_bounds_requests_at_a_time():
    running = Concurrency(2)
    running.enter("a")
    running.enter("a")
    with pytest.raises(RateLimitedError, match="same time"):
        running.enter("a")
    running.enter("b")
    running.leave("a")
    running.enter("a")
    for caller in ("a", "a", "b"):
        running.leave(caller)
    assert running._running == {}


def slots(**changes):
    return Slots(
        **{"max_concurrent": 2, "max_queue": 2, "max_wait_seconds": 5.0, "monotonic": time.monotonic, **changes}
    )


async def test_overload_queue_passes_slots_in_order():
    pool, order = slots(), []
    entered = [await pool.enter(), await pool.enter()]

    async def work(name):
        at = await pool.enter()
        order.append(name)
        pool.leave(at)

    waiting = [asyncio.create_task(work(name)) for name in "ab"]
    await asyncio.sleep(0)
    assert (pool.running, pool.waiting) == (2, 2)
    with pytest.raises(OverloadedError):
        await pool.enter()
    for at in entered:
        pool.leave(at)
    await asyncio.gather(*waiting)
    assert order == ["a", "b"] and (pool.running, pool.waiting) == (0, 0)


async def test_overload_queue_timeout_is_refused_and_cancelled_requests_hold_no_slot():
    pool = slots(max_concurrent=1, max_wait_seconds=0.05)
    at = await pool.enter()
    with pytest.raises(OverloadedError) as refusal:
        await pool.enter()
    assert refusal.value.retry_after_seconds >= 1
    gone = asyncio.create_task(pool.enter())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    pool.leave(at)
    assert pool.running == 0
    pool.leave(await pool.enter())
    assert pool.running == 0


async def test_overload_queue_passes_on_the_slot_of_a_cancelled_request():
    pool = slots(max_concurrent=1)
    at = await pool.enter()
    gone = asyncio.create_task(pool.enter())
    await asyncio.sleep(0)
    pool.leave(at)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert pool.running == 0


async def test_overload_share_keeps_slots_and_queue_for_other_callers():
    pool = slots(max_concurrent=4, max_queue=4, share=0.5)
    held = [await pool.enter("a"), await pool.enter("a")]
    waiting = [asyncio.create_task(pool.enter("a")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError) as refusal:
        await pool.enter("a")
    assert refusal.value.reason == "queue"
    others = [await pool.enter("b"), await pool.enter("b")]
    assert (pool.running, pool.waiting) == (4, 2)
    # A free slot of b is not for a, which has its share, and a free slot of a is.
    pool.leave(others.pop())
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    pool.leave(held.pop())
    held.append(await waiting.pop(0))
    pool.leave(held.pop())
    held.append(await waiting.pop(0))
    for slot in (*held, *others):
        pool.leave(slot)
    assert (pool.running, pool.waiting, pool._held, pool._queue) == (0, 0, {}, {})


async def test_overload_queue_gives_callers_their_turns():
    pool, order = slots(max_concurrent=1, max_queue=10), []
    slot = await pool.enter("x")

    async def work(caller):
        mine = await pool.enter(caller)
        order.append(caller)
        pool.leave(mine)

    tasks = []
    for caller in "aaabbc":
        tasks.append(asyncio.create_task(work(caller)))
        await asyncio.sleep(0)
    pool.leave(slot)
    await asyncio.gather(*tasks)
    assert order == list("abcaba")


async def test_overload_queue_refuses_immediately_if_the_wait_would_be_too_long():
    now = [0.0]
    pool = slots(max_concurrent=1, max_queue=100, max_wait_seconds=1.0, monotonic=lambda: now[0])
    for _ in range(50):
        at = await pool.enter()
        now[0] += 2.0
        pool.leave(at)
    await pool.enter()
    with pytest.raises(OverloadedError):
        await pool.enter()


async def test_overload_refuses_when_the_event_loop_is_late():
    pool = slots(max_wait_seconds=0.1)
    watch = asyncio.create_task(pool.watch_lag())
    await asyncio.sleep(0)
    time.sleep(0.4)  # noqa: ASYNC251, the event loop is to be late
    await asyncio.sleep(0.01)
    with pytest.raises(OverloadedError):
        await pool.enter()
    # When the event loop is in time again, requests pass.
    for _ in range(100):
        await asyncio.sleep(0.1)
        if pool.lag_seconds < 0.1:
            break
    pool.leave(await pool.enter())
    watch.cancel()
