"""Bodies on their way: their deadline, the memory of all together, and the share of one sender."""

import asyncio

import pytest

from governance.errors import BadRequestError, ClientGoneError, OverloadedError, RequestTimeoutError, TooLargeError
from governance.gate.intake import Intake


class Body:
    """A client that sends pieces when told to."""

    def __init__(self):
        self.queue = asyncio.Queue()

    def send(self, piece, more=True):
        self.queue.put_nowait({"type": "http.request", "body": piece, "more_body": more})

    def leave(self):
        self.queue.put_nowait({"type": "http.disconnect"})

    def read(self, intake, sender="a", limit=10_000):
        return asyncio.create_task(intake.read(self.queue.get, limit, lambda: sender))


async def later(intake):
    """Let everything run that can run without a timer."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_intake_body_in_pieces_is_joined_and_leaves_nothing_behind():
    intake, body = Intake(), Body()
    task = body.read(intake)
    for piece, more in ((b"ab", True), (b"", True), (b"c", False)):
        body.send(piece, more)
    assert await task == b"abc"
    assert (intake._total, intake._held, intake._readings, intake._received, intake._late) == (0, {}, {}, {}, set())


@pytest.mark.parametrize("first", [[], [b"ab"]])
async def test_intake_late_body_is_refused_and_its_task_goes_on(first):
    now = [0.0]
    intake, body = Intake(seconds=10, bytes_per_second=1, monotonic=lambda: now[0]), Body()

    async def request():
        with pytest.raises(RequestTimeoutError):
            await intake.read(body.queue.get, 100, lambda: "a")
        await asyncio.sleep(0)
        return asyncio.current_task().cancelling()

    task = asyncio.create_task(request())
    for piece in first:
        body.send(piece)
    await later(intake)
    now[0] = 10.0 + sum(map(len, first))
    intake._look()
    await later(intake)
    assert not task.done()
    now[0] += 0.1
    intake._look()
    assert await task == 0
    assert (intake._total, intake._held, intake._readings, intake._received, intake._late) == (0, {}, {}, {}, set())


async def test_intake_cancelled_request_stays_cancelled():
    intake, body = Intake(), Body()
    task = body.read(intake)
    await later(intake)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_intake_memory_is_bounded_and_one_sender_has_half():
    intake = Intake(memory=1000)
    first, second, third = Body(), Body(), Body()
    tasks = [first.read(intake, "a"), second.read(intake, "a"), third.read(intake, "b")]
    first.send(b"x" * 300)
    second.send(b"x" * 201)
    third.send(b"x" * 500)
    await later(intake)
    with pytest.raises(OverloadedError) as refused:
        await tasks[1]
    assert refused.value.reason == "memory"
    assert (intake._total, intake._held) == (800, {"a": 300, "b": 500})
    fourth, fifth = Body(), Body()
    refused, passed = fourth.read(intake, "c"), fifth.read(intake, "c")
    fourth.send(b"x" * 201)
    fifth.send(b"x" * 200)
    with pytest.raises(OverloadedError):
        await refused
    fifth.send(b"", more=False)
    first.send(b"", more=False)
    third.leave()
    assert [len(await passed), len(await tasks[0])] == [200, 300]
    with pytest.raises(BadRequestError, match="disconnected"):
        await tasks[2]
    assert (intake._total, intake._held) == (0, {})


@pytest.mark.parametrize("pieces", [[b"x" * 11], [b"x" * 10, b"x"]])
async def test_intake_refuses_a_body_beyond_the_limit(pieces):
    intake, body = Intake(), Body()
    task = body.read(intake, limit=10)
    for piece in pieces[:-1]:
        body.send(piece)
    body.send(pieces[-1], more=False)
    with pytest.raises(TooLargeError):
        await task
    assert intake._total == 0


async def test_intake_connection_that_the_server_cannot_write_to_is_a_client_that_has_gone():
    """uvicorn answers `Expect: 100-continue` when the body is asked for, and the connection may be closed then."""

    async def receive():
        raise RuntimeError("unable to perform operation on a closed transport")

    intake = Intake()
    with pytest.raises(ClientGoneError, match="disconnected before the body was complete"):
        await intake.read(receive, 100, lambda: "a")
    assert (intake._readings, intake._received) == ({}, {})
