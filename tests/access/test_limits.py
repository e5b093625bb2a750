"""Token buckets: both sides of the limit, and nobody escapes a debt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.access.limits import TokenBuckets
from governance.errors import RateLimitedError


def test_the_burst_passes_and_the_next_call_waits_for_its_token():
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
def test_no_pattern_of_calls_gets_more_than_burst_and_rate(gaps, burst, rate):
    buckets, now, passed, first = TokenBuckets(rate, burst, 10), 50.0, 0, 50.0 + gaps[0]
    for gap in gaps:
        now += gap
        try:
            buckets.take("a", now)
            passed += 1
        except RateLimitedError:
            pass
    assert passed <= burst + (now - first) * rate + 1e-6


def test_memory_is_bounded_and_a_flood_of_callers_frees_nobody():
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
