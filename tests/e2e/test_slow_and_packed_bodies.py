"""Bodies that come slowly, in hundreds, or compressed, against a service that really runs."""

import gzip
import json
import socket
import time
import zlib
from contextlib import ExitStack

import psutil
import pytest
import zstandard

from governance.testing import eventually
from tests.e2e.serving_side import add_caller, prepare, serving_side

HALF_SENT = 800
PACK = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.ZstdCompressor().compress}


@pytest.fixture(scope="module")
def side(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slow")
    token = prepare(folder)
    (folder / "other").write_text(add_caller(folder, "bob"))
    settings = {
        "GOVERNANCE_HTTP__BODY_SECONDS": "8",
        "GOVERNANCE_HTTP__DRAIN_SECONDS": "0",
        "GOVERNANCE_HTTP__BODY_BYTES_PER_SECOND": "1000000",
        "GOVERNANCE_LOGS__REFUSALS_PER_SECOND": "5",
    }
    with serving_side(folder, token, **settings) as side:
        yield side


def half_sent(side, length=1000):
    connection = socket.create_connection(("127.0.0.1", side.port), timeout=30)
    head = f"POST /status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {side.token}\r\n"
    connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{".encode())
    return connection


def as_other(side):
    return {"authorization": f"Bearer {(side.folder / 'other').read_text()}", "content-type": "application/json"}


def test_hundreds_of_half_sent_bodies_of_one_caller_shut_nobody_out_and_end_with_408(side):
    before = side.log.read_text().count("refused")
    with ExitStack() as stack:
        connections = [stack.enter_context(half_sent(side)) for _ in range(HALF_SENT)]
        for _ in range(20):
            assert side.call("POST", "/status", b'{"status": 200}', as_other(side))[0] == 200
        for path in ("/readyz", "/livez", "/metrics", "/v2/health/live"):
            assert side.call("GET", path, headers=as_other(side))[0] == 200
        statuses = [int(connection.recv(65536).split(b" ", 2)[1]) for connection in connections]
    assert set(statuses) == {408, 429}
    assert statuses.count(408) == 640
    assert eventually(lambda: side.metric("requests_total", reason="request_timeout") == 640)
    assert side.metric("requests_in_flight") == 1
    shown = side.log.read_text()
    assert shown.count("refused") - before < 100 and "more refused or failed requests were not shown" in shown


def test_body_that_comes_fast_enough_has_all_the_time_it_needs(side):
    body = b'{"status": 200}'
    with half_sent(side, len(body)) as connection:
        time.sleep(1.5)
        connection.sendall(body[1:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_connection_whose_body_is_late_is_closed(side):
    with half_sent(side) as connection:
        # The answer may come in several pieces; then the connection ends.
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 408 ") and b"connection: close" in answer
        assert json.loads(answer.split(b"\r\n\r\n")[1])["code"] == "request_timeout"


@pytest.mark.parametrize("coding", [*PACK, "x-gzip", "GZIP", "identity", "gzip, identity"])
def test_compressed_body_is_read(side, coding):
    body = json.dumps({"status": 200, "more": " " * 50_000}).encode()
    pack = PACK.get(coding, gzip.compress if "gzip" in coding.lower() else bytes)
    headers = {"content-type": "application/json", "content-encoding": coding}
    status, _, text = side.call("POST", "/status", pack(body), headers)
    assert (status, text) == (200, b"fine")


@pytest.mark.parametrize("coding", ["br", "compress", "gzip, gzip", "gzip, br", "x"])
def test_coding_that_is_not_read_is_415_and_names_those_that_are(side, coding):
    headers = {"content-type": "application/json", "content-encoding": coding}
    status, fields, text = side.call("POST", "/status", b"{}", headers)
    assert (status, fields["accept-encoding"]) == (415, "gzip, deflate, zstd")
    assert json.loads(text)["code"] == "unsupported_coding"


@pytest.mark.parametrize("coding", PACK)
def test_damaged_body_is_refused_and_a_bomb_takes_no_memory(side, coding):
    headers = {"content-type": "application/json", "content-encoding": coding}
    good = PACK[coding](b'{"status": 200}')
    for body in (good[:-1], good + b"x", b"{}", b""):
        assert side.call("POST", "/status", body, headers)[0] == 422
    workers = [child for child in psutil.Process(side.process.pid).children() if "worker" in " ".join(child.cmdline())]
    before = sum(worker.memory_info().rss for worker in workers)
    bomb = PACK[coding](bytes(500_000_000))
    for _ in range(5):
        assert side.call("POST", "/status", bomb, headers)[0] == 413
    assert sum(worker.memory_info().rss for worker in workers) - before < 60_000_000


def test_refused_calls_are_shown_without_anything_that_the_caller_sent(side):
    time.sleep(1.1)
    secret = "maria-huber-1980"
    body = json.dumps({"status": 409, "name": secret}).encode()
    side.call("POST", f"/status?{secret}", body, {"content-type": "application/json", "x-name": secret})
    side.call("GET", f"/{secret}", headers={"governance-purpose": secret})
    side.call("GET", f"/v2/models/{secret}", headers=as_other(side))
    log = side.log.read_text()
    assert "refused 409 application_refused: POST /status model=- request=" in log
    assert "refused 404 not_found: GET unlisted model=- request=" in log
    assert "refused 404 not_found: GET /v2/models/{model} model=- request=" in log or "GET /v2/models/{model}" in log
    assert secret not in log


def test_tracebacks_of_the_services_own_code_are_shown_only_if_the_settings_say_so(side):
    assert side.call("POST", "/broken", b'{"word": "maria"}', {"content-type": "application/json"})[0] == 500
    assert "maria" not in side.log.read_text()
    with serving_side(side.folder, side.token, GOVERNANCE_LOGS__TRACEBACKS="true") as open_side:
        status, _, text = open_side.call("POST", "/broken", b'{"word": "maria"}', {"content-type": "application/json"})
        assert status == 500 and b"maria" not in text
        assert eventually(lambda: "ValueError: no such word: maria" in open_side.log.read_text())
        assert 'raise ValueError(f"no such word: {word}")' in open_side.log.read_text()
        assert "console may show data of callers" in open_side.log.read_text()
