"""Twenty seconds of what `make fuzz` does for ten minutes, and that it finds what it looks for."""

import asyncio
import random

from tests.fuzz.mutate import attempt
from tests.fuzz.run import Target, fuzz
from tests.fuzz.services import digits_seeds, services, side_seeds


def test_services_answer_random_requests_without_500_and_go_on_answering(tmp_path):
    with services(tmp_path) as targets:
        outcome = asyncio.run(fuzz(targets, 20, 20261128, tmp_path / "failing", print))
    assert outcome.failures == []
    assert {200, 400, 401, 404, 405, 415, 422} <= set(outcome.statuses) and outcome.statuses.total() > 200


def test_random_requests_are_the_same_for_the_same_seed():
    seeds = [*digits_seeds(b"png"), *side_seeds()]
    first, again = random.Random(7), random.Random(7)
    made = [attempt(first, seeds, "t") for _ in range(300)]
    assert made == [attempt(again, seeds, "t") for _ in range(300)]
    assert any(one.is_cut for one in made) and any(one.pause_seconds for one in made) and len(set(made)) > 250


def test_fuzz_finds_500_silence_and_a_service_that_ends(tmp_path):
    async def faulty(reader, writer):
        request = await reader.read(65536)
        if b"HTTP/1.1" in request and b"/v2/models" in request:
            writer.write(b"HTTP/1.1 500 Internal Server Error\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()
        writer.close()

    async def run():
        server = await asyncio.start_server(faulty, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        log = tmp_path / "log"
        log.write_text("Traceback (most recent call last):\n")
        found = await fuzz([Target("faulty", port, "t", digits_seeds(b"png"), log)], 1, 1, tmp_path / "saved", print)
        server.close()
        return found

    outcome = asyncio.run(run())
    assert any("500 Internal" in failure for failure in outcome.failures)
    assert any("a good request got 500" in failure for failure in outcome.failures)
    assert "faulty: in the log: Traceback (most recent call last):" in outcome.failures
    assert list((tmp_path / "saved").glob("faulty-*.bin"))
