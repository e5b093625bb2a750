"""The limits plugin: limits by caller and model, items of batches, overload, and behaviour without Redis."""

import asyncio
import shutil

import pytest

from governance.access.callers.caller import Caller
from governance.contract.exchange import Reply, StreamedReply
from governance.contract.facts import Usage
from governance.contract.plugin import Plugin
from governance.contract.routes import Route
from governance.errors import NotReadyError, OverloadedError, RateLimitedError
from governance.gate.pipeline import Pipeline
from governance.plugins.limits import LimitsPlugin
from governance.settings import Settings
from governance.testing import make_exchange
from tests.access.limits.test_shared_limits import Redis
from tests.plugins.test_policy import Watcher

INFER = Route("POST", "/ask", "infer", "bentoml", model="m")
METRICS = Route("GET", "/metrics", "metrics", "bentoml")
UPLOAD = Route("POST", "/upload", "infer", content_types=frozenset({"text/plain"}), max_body_bytes=10)
PROBE = Route("GET", "/livez", "probe", "bentoml", public=True)


def pipeline(**limits):
    settings = Settings.model_validate({"service": {"name": "s"}, "limits": limits})
    return Pipeline([KnownCaller(), LimitsPlugin(settings), Watcher()])


class KnownCaller(Plugin):
    name, provides = "known", frozenset({Caller})

    async def handle(self, exchange, proceed):
        exchange.put(Caller(exchange.header(b"x-caller") or "ada", (), "k"))
        return await proceed(exchange)


async def ask(pipe, caller="ada", model="m", items=0, route=INFER, work=None):
    exchange = make_exchange("POST", "/ask", route=route, model=model, headers=[(b"x-caller", caller.encode())])

    async def server(exchange):
        if work is not None:
            await work()
        if items:
            exchange.put(Usage(model, "1", "d", items, 0.0))
        return Reply(200, (), ())

    await pipe.around(server)(exchange)
    return dict(exchange.reply_headers)


async def passed(pipe, times, **changes):
    count = 0
    for _ in range(times):
        try:
            await ask(pipe, **changes)
            count += 1
        except RateLimitedError:
            pass
    return count


async def test_limits_of_model_and_caller_apply_together():
    pipe = pipeline(rate_per_second=0.001, burst=10, models={"m": {"rate_per_second": 0.001, "burst": 3}})
    await pipe.open()
    assert await passed(pipe, 20) == 3
    assert await passed(pipe, 20, model="n") < 10
    assert await passed(pipe, 20, caller="bob") == 3
    assert await passed(pipe, 20, route=PROBE) == 20
    await pipe.close()


async def test_limits_streamed_reply_counts_as_concurrent_until_its_end():
    pipe = pipeline(concurrency=1)
    await pipe.open()
    exchange = make_exchange("POST", "/ask", route=INFER, model="m")

    async def pieces():
        yield b"x"

    async def server(exchange):
        return StreamedReply(200, (), (), pieces())

    reply = await pipe.around(server)(exchange)
    assert await passed(pipe, 3) == 0
    assert [piece async for piece in reply.pieces] == [b"x"]
    for call in exchange.at_end:
        await call()
    assert await passed(pipe, 3) == 3
    await pipe.close()


async def test_limits_count_items_of_batches():
    pipe = pipeline(models={"m": {"items_per_day": 100}})
    await pipe.open()
    assert await passed(pipe, 20, items=32) == 4
    assert await passed(pipe, 20, items=32, model="n") == 20
    await pipe.close()


async def test_limits_reply_has_ratelimit_headers():
    pipe = pipeline(rate_per_second=1, burst=5)
    await pipe.open()
    headers = await ask(pipe)
    assert headers == {b"ratelimit-policy": b'"caller";q=5;w=5', b"ratelimit": b'"caller";r=4;t=1'}
    await pipe.close()


async def test_limits_concurrency_releases_every_slot():
    pipe = pipeline(concurrency=2, models={"m": {"concurrency": 1}})
    await pipe.open()
    gate = asyncio.Event()
    first = asyncio.create_task(ask(pipe, work=gate.wait))
    await asyncio.sleep(0.01)
    with pytest.raises(RateLimitedError):
        await ask(pipe)
    second = asyncio.create_task(ask(pipe, model="n", work=gate.wait))
    await asyncio.sleep(0.01)
    with pytest.raises(RateLimitedError):
        await ask(pipe, model="n")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await ask(pipe)
    gate.set()
    await second
    assert await passed(pipe, 10) == 10
    await pipe.close()


async def test_limits_overload_is_503_instead_of_a_long_wait():
    pipe = pipeline(max_concurrent=1, max_queue=1, max_wait_seconds=0.1, caller_share=1.0)
    await pipe.open()
    gate = asyncio.Event()
    tasks = [asyncio.create_task(ask(pipe, work=gate.wait)) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.raises(OverloadedError):
        await ask(pipe, caller="bob")
    # A scrape needs no slot.
    await ask(pipe, caller="bob", route=METRICS)
    await asyncio.sleep(0.2)
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, OverloadedError) for result in results) == 1
    await ask(pipe)
    await pipe.close()


async def test_limits_incomplete_body_holds_no_slot_but_counts_for_its_caller():
    pipe = pipeline(max_concurrent=1, max_queue=3, max_wait_seconds=0.1, caller_share=0.5)
    await pipe.open()
    rest, order = asyncio.Event(), []

    async def upload(caller, wait):
        async def read():
            if wait:
                await rest.wait()
            return b"body"

        async def server(exchange):
            order.append((caller, await exchange.read_body()))
            return Reply(200, (), ())

        exchange = make_exchange("POST", "/upload", route=UPLOAD, headers=[(b"x-caller", caller.encode())], read=read)
        return await pipe.around(server)(exchange)

    slow = [asyncio.create_task(upload("slow", wait=True)) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.raises(RateLimitedError):
        await upload("slow", wait=True)
    await upload("other", wait=False)
    rest.set()
    await asyncio.gather(*slow)
    assert [caller for caller, _ in order] == ["other", "slow", "slow"]
    slots = pipe.plugins[1]._slots
    assert (slots.running, slots.waiting) == (0, 0)
    await pipe.close()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
@pytest.mark.needs("redis")
@pytest.mark.needs("limits")
@pytest.mark.parametrize("fallback", ["closed", "local"])
async def test_limits_without_redis_refuse_or_count_locally(tmp_path, fallback):
    redis = Redis(tmp_path).start()
    pipes = [
        pipeline(
            storage=redis.url,
            when_storage_fails=fallback,
            rate_per_second=0.001,
            burst=4,
            models={"m": {"items_per_day": 50}},
        )
        for _ in range(2)
    ]
    for pipe in pipes:
        await pipe.open()
    try:
        assert sum([await passed(pipe, 10) for pipe in pipes]) == 4
        redis.stop()
        if fallback == "closed":
            with pytest.raises(NotReadyError):
                await ask(pipes[0])
        else:
            assert await passed(pipes[0], 10) == 4
        assert [event.action for event in pipes[0].plugins[-1].events] == ["shared-limits"]
        assert pipes[0].plugins[-1].events[0].outcome == "refused"
        redis.start()
        await asyncio.sleep(1.1)
        assert await passed(pipes[0], 10, caller="bob", items=20) == 3
        assert [event.outcome for event in pipes[0].plugins[-1].events] == ["refused", "done"]
    finally:
        for pipe in pipes:
            await pipe.close()
        redis.stop()


async def test_limits_of_a_model_do_not_count_questions_about_it():
    pipe = pipeline(models={"m": {"rate_per_second": 0.001, "burst": 1}})
    await pipe.open()
    ready = Route("GET", "/v2/models/{model}/ready", "metadata", "oip")
    assert await passed(pipe, 20, route=ready) == 20 and await passed(pipe, 20) == 1
    await pipe.close()
