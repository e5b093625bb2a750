"""The load generator: it counts right answers only, and a wrong one ends the measurement."""

import asyncio
import json
import threading
from contextlib import contextmanager

import numpy as np
import pytest

from benchmarks.load import Ask, http_post, measure
from benchmarks.serving.calls import DIALECTS, asks, make_images

BODY = b"hello"
ANSWER = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\n"


@contextmanager
def answering(answer, pieces=1, close_after=None):
    """Answer each request of 5 bytes of body with `answer`, in pieces; close a connection after some answers."""

    async def serve(reader, writer):
        count = 0
        try:
            while close_after is None or count < close_after:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(5)
                size = -(-len(answer) // pieces)
                for start in range(0, len(answer), size):
                    writer.write(answer[start : start + size])
                    await writer.drain()
                    await asyncio.sleep(0)
                count += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        started.set()
        async with server:
            await asyncio.to_thread(ended.wait)

    ports, started, ended = [], threading.Event(), threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    started.wait(10)
    try:
        yield ports[0]
    finally:
        ended.set()
        thread.join(10)


def expect(wanted):
    def check(body):
        if body != wanted:
            raise ValueError("not what was sent")

    return Ask(http_post("/", BODY), check)


@pytest.mark.parametrize("pieces", [1, 3, 60])
def test_load_counts_answers_that_come_in_pieces(pieces):
    with answering(ANSWER + BODY, pieces) as port:
        found = measure(port, [expect(BODY)] * 3, warm_seconds=0.05, seconds=0.2)
    assert found.per_second > 0
    assert 0 < found.p50_ms <= found.p99_ms
    assert found.reconnects == 0


def test_load_connects_again_when_the_server_closes_between_answers():
    with answering(ANSWER + BODY, close_after=2) as port:
        found = measure(port, [expect(BODY)], warm_seconds=0.0, seconds=0.2)
    assert found.per_second > 0
    assert found.reconnects > 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ANSWER + b"HELLO", "a wrong answer"),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", "not 200"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "no length"),
        (b"", "no answer"),
    ],
)
def test_load_ends_at_an_answer_that_is_wrong_or_missing(answer, said):
    with answering(answer or b"H") as port, pytest.raises(RuntimeError, match=said):
        measure(port, [expect(BODY)], warm_seconds=0.05, seconds=0.2)


@pytest.mark.parametrize(("dialect", "form"), [(name, form) for name, forms in DIALECTS.items() for form in forms])
def test_each_connection_sends_its_own_image_and_refuses_the_answer_of_another(dialect, form):
    images = make_images(2)
    answers = np.array([np.linspace(0, 1, 10), np.linspace(1, 0, 10)], np.float32)
    first, second = asks(DIALECTS[dialect][form], "digits-cnn", images, answers)
    assert first.request != second.request
    values = answers[0].tolist()
    body = {
        ("oip", "JSON"): json.dumps({"outputs": [{"data": values}]}).encode(),
        ("lit", "JSON"): json.dumps({"probabilities": [values]}).encode(),
        ("lit", "binary"): json.dumps({"probabilities": [values]}).encode(),
    }.get((dialect, form), json.dumps([values]).encode() if form == "JSON" else b"{}" + answers[0].tobytes())
    first.check(body)
    with pytest.raises(ValueError, match="probabilities"):
        second.check(body)
