"""Limits in a real Redis: replicas count together, and an unreachable Redis differs from a refusal."""

import asyncio
import shutil
import subprocess
import time
from contextlib import ExitStack

import pytest

from governance.access.limits.local import Limit, LimitScope
from governance.access.limits.shared import SharedLimits
from governance.errors import ConfigurationError, NotReadyError, RateLimitedError
from governance.testing import free_port, listens, running

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")


class Redis:
    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        self.process = ExitStack()
        self.process.enter_context(running(command, lambda: listens(self.port)))
        return self

    def all_keys(self):
        command = ["redis-cli", "-p", str(self.port), "keys", "*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def stop(self):
        self.process.close()


@pytest.fixture
def redis(tmp_path):
    redis = Redis(tmp_path).start()
    yield redis
    redis.stop()


@pytest.fixture
async def replicas(redis):
    replicas = [SharedLimits(redis.url, time.monotonic, time.time) for _ in range(2)]
    yield replicas
    for replica in replicas:
        await replica.close()


def scopes(**limit):
    return [LimitScope("caller", Limit(**limit), time.time)]


async def count(replicas, limited, caller="a/b", times=20):
    async def one(number):
        try:
            await replicas[number % 2].take(limited, caller)
        except RateLimitedError:
            return 0
        return 1

    return sum(await asyncio.gather(*(one(number) for number in range(times))))


async def test_shared_limits_count_all_replicas_together(replicas):
    limited = scopes(rate_per_second=0.5, burst=5)
    assert await count(replicas, limited) == 5
    assert await count(replicas, limited, "b") == 5
    with pytest.raises(RateLimitedError) as refusal:
        await replicas[0].take(limited, "a/b")
    assert 0 < refusal.value.retry_after_seconds <= 20


async def test_shared_limits_share_the_daily_quota(replicas):
    limited = scopes(requests_per_day=3, items_per_day=10)
    assert await count(replicas, limited) == 3
    limited = scopes(items_per_day=10)
    for replica in (*replicas, replicas[0]):
        await replica.take(limited, "c")
        await replica.count_items(limited, "c", 4)
    with pytest.raises(RateLimitedError, match="today"):
        await replicas[1].take(limited, "c")


async def test_shared_limits_store_no_caller_name_in_redis(redis, replicas):
    await replicas[0].take(scopes(rate_per_second=1, burst=1, requests_per_day=5), "ada@hospital")
    assert redis.all_keys() and "ada" not in redis.all_keys()


async def test_shared_limits_unreachable_redis_raises_not_ready(redis, replicas):
    limited = scopes(rate_per_second=100, burst=100)
    standings = await replicas[0].take(limited, "a")
    assert standings[0].left == 99
    redis.stop()
    started = time.monotonic()
    for _ in range(50):
        with pytest.raises(NotReadyError):
            await replicas[0].take(limited, "a")
    # After a failure, Redis is not tried for a while, so that requests do not wait for it again and again.
    assert time.monotonic() - started < 5
    redis.start()
    await asyncio.sleep(1.1)
    assert (await replicas[0].take(limited, "a"))[0].left >= 98


def test_shared_limits_wrong_url_stops_the_start():
    with pytest.raises(ConfigurationError, match="not a Redis URL"):
        SharedLimits("nonsense://x", time.monotonic, time.time)
