"""Malformed, ambiguous, slow and oversized requests on raw sockets, against a service that really runs."""

import http.client
import json
import re
import socket
import time

import pytest

from governance.testing import eventually
from tests.e2e.serving_side import prepare, serving_side

HOST = b"Host: x\r\n"
CHUNKED = b"POST /status HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n"
POST = b"POST /status HTTP/1.1\r\n" + HOST
MALFORMED = {
    "both lengths": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "both lengths, other order": CHUNKED + b"Content-Length: 5\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "bare LF everywhere": b"GET /livez HTTP/1.1\nHost: x\n\n",
    "bare LF after a field": b"GET /livez HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "bare LF at the end": b"GET /livez HTTP/1.1\r\nHost: x\r\n\n",
    "bare CR in a value": b"GET /livez HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    "folded field": b"GET /livez HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "HTTP/9.9": b"GET /livez HTTP/9.9\r\n" + HOST + b"\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "length with a sign": POST + b"Content-Length: +3\r\n\r\nabc",
    "huge length": POST + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    "space before a colon": b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
    "length with a space before the colon": POST + b"Content-Length : 3\r\n\r\nabc",
    "field without a name": b"GET /livez HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "field without a colon": b"GET /livez HTTP/1.1\r\nHost: x\r\nfoo\r\n\r\n",
    "NUL in a value": b"GET /livez HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
    "chunked is not the last coding": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding after a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.0 with chunks": b"POST /status HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "no Host": b"GET /livez HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "Host that is none": b"GET /livez HTTP/1.1\r\nHost: a b/c@d\r\n\r\n",
    "space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "control character in the target": b"GET /\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "unknown method": b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}
BAD_CHUNKS = {
    "not hexadecimal": b"zz\r\nabc\r\n0\r\n\r\n",
    "0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "sign": b"-3\r\nabc\r\n0\r\n\r\n",
    "bare LF": b"3\nabc\n0\n\n",
    "bare LF in an extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "no end of the chunk": b"3\r\nabc0\r\n\r\n",
    "longer than it says": b"3\r\nabcd\r\n0\r\n\r\n",
    "overflow": b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "length as a trailer": b"3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
}
OTHER_STATUS = {
    "HTTP/0.9": (b"GET /livez\r\n\r\n", 505),
    "HTTP/2.0": (b"GET /livez HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    "unknown coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "coding that is not read": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "many fields": (b"GET /livez HTTP/1.1\r\n" + HOST + b"".join(b"a%d: b\r\n" % n for n in range(200)) + b"\r\n", 431),
    "long field": (b"GET /livez HTTP/1.1\r\n" + HOST + b"a: " + b"b" * 1_000_000 + b"\r\n\r\n", 431),
    "long target": (b"GET /" + b"b" * 1_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431),
}


@pytest.fixture(scope="module")
def side(tmp_path_factory):
    folder = tmp_path_factory.mktemp("framing")
    settings = {"GOVERNANCE_HTTP__HEAD_SECONDS": "1", "GOVERNANCE_HTTP__DRAIN_SECONDS": "0"}
    with serving_side(folder, prepare(folder), **settings) as side:
        yield side


def connect(side):
    return socket.create_connection(("127.0.0.1", side.port), timeout=10)


def read_to_end(connection):
    """Return everything until the server closes its side; a reset is an error."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


def exchange(side, request):
    with connect(side) as connection:
        connection.sendall(request)
        return read_to_end(connection)


def read_status(connection):
    """Read one whole answer, and return its status."""
    reply = http.client.HTTPResponse(connection)
    reply.begin()
    reply.read()
    return reply.status


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_request_is_400_and_closes_the_connection(side, name):
    answer = exchange(side, MALFORMED[name])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ") and b"connection: close" in head
    assert json.loads(body)["status"] == 400


@pytest.mark.parametrize("authorized", [True, False])
@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_malformed_chunk_closes_the_connection(side, name, authorized):
    credential = f"Authorization: Bearer {side.token}\r\n".encode() if authorized else b""
    head = CHUNKED + credential + b"Content-Type: application/json\r\n\r\n"
    assert status_of(exchange(side, head + BAD_CHUNKS[name])) == 400


@pytest.mark.parametrize("name", OTHER_STATUS)
def test_request_that_is_not_served_closes_the_connection(side, name):
    request, status = OTHER_STATUS[name]
    answer = exchange(side, request)
    assert status_of(answer) == status
    assert b"connection: close" in answer


def request(side, path="/status", body=b'{"status": 200}', method=b"POST", more=b""):
    fields = f"Authorization: Bearer {side.token}\r\nContent-Type: application/json\r\n".encode()
    length = b"Content-Length: %d\r\n" % len(body)
    return method + b" " + path.encode() + b" HTTP/1.1\r\n" + HOST + fields + length + more + b"\r\n" + body


def test_malformed_request_after_a_good_one_does_not_answer_the_good_one(side):
    slow = request(side, "/slow-answer/", b"", b"GET")
    answer = exchange(side, slow + b"GET / HTTP/1.1\nHost: x\n\n")
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b'{"slow":true}')
    assert answer.count(b"HTTP/1.1 ") == 1


def test_trailer_fields_are_no_header_fields(side):
    chunks = b"f\r\n" + b'{"status": 200}' + b"\r\n0\r\n"
    head = CHUNKED + b"Content-Type: application/json\r\nConnection: close\r\n\r\n"
    trailer = f"Authorization: Bearer {side.token}\r\n\r\n".encode()
    assert status_of(exchange(side, head + chunks + trailer)) == 401


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"foo"])
def test_upgrade_is_ignored_and_the_body_belongs_to_its_request(side, upgrade):
    more = b"Connection: Upgrade\r\nUpgrade: " + upgrade + b"\r\n"
    hidden = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"
    last = request(side, more=b"Connection: close\r\n")
    with connect(side) as connection:
        head, body = request(side, body=b'{"status": 200}' + b" " * len(hidden), more=more).split(b"\r\n\r\n", 1)
        connection.sendall(head + b"\r\n\r\n")
        time.sleep(0.2)
        connection.sendall(body[: -len(hidden)])
        time.sleep(0.1)
        connection.sendall(body[-len(hidden) :] + last)
        answer = read_to_end(connection)
    assert answer.count(b"HTTP/1.1 200 ") == 2 and answer.count(b"fine") == 2


def test_many_upgrades_at_once_are_many_requests(side):
    one = b"GET /livez HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: foo\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
    answer = exchange(side, one * 1500 + last)
    assert answer.count(b"HTTP/1.1 200 ") == 1501


def test_connection_with_a_discarded_body_is_used_again_and_closed_when_idle(side):
    refused = POST + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{"
    with connect(side) as connection:
        connection.sendall(refused)
        assert read_status(connection) == 401
        connection.sendall(b"}")
        time.sleep(0.1)
        connection.sendall(request(side))
        assert read_status(connection) == 200
        connection.sendall(refused)
        assert read_status(connection) == 401
        connection.sendall(b"}")
        assert read_to_end(connection) == b""


def test_head_that_does_not_come_is_408_or_closed_in_silence(side):
    before = side.metric("connections_refused_total", reason="timeout")
    with connect(side) as silent, connect(side) as slow, connect(side) as blank:
        slow.sendall(b"GET /livez HTTP/1.1\r\nHo")
        blank.sendall(b"\r\n")
        assert read_to_end(silent) == b""
        assert status_of(read_to_end(slow)) == 408
        assert status_of(read_to_end(blank)) == 408
    assert eventually(lambda: side.metric("connections_refused_total", reason="timeout") == before + 2)


def read_one(connection):
    """Return one whole answer; it may come in several pieces."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def test_head_that_drips_on_a_used_connection_is_408(side):
    with connect(side) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
        assert status_of(read_one(connection)) == 200
        began, dripped = time.monotonic(), b"GET /livez HTTP/1.1\r\nA: " + b"b" * 200
        connection.settimeout(0.1)
        answer = b""
        for byte in dripped:
            connection.sendall(bytes([byte]))
            try:
                answer = connection.recv(65536)
                break
            except TimeoutError:
                assert time.monotonic() - began < 10
        assert status_of(answer) == 408


def test_refused_body_that_never_ends_does_not_hold_the_connection(side):
    with connect(side) as connection:
        connection.sendall(POST + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
        assert status_of(read_to_end(connection)) == 401


def test_refused_connections_are_shown_and_counted(side):
    before = side.metric("connections_refused_total", reason="malformed")
    time.sleep(1.1)
    exchange(side, MALFORMED["HTTP/9.9"])
    assert eventually(lambda: side.metric("connections_refused_total", reason="malformed") == before + 1)
    assert "refused 400 connection: malformed" in side.log.read_text()
