"""The exchange: each fact is written once, and the body is read once."""

import pytest

from governance.contract.facts import Usage
from governance.errors import BadRequestError, TooLargeError
from governance.testing import make_exchange


def test_exchange_fact_is_written_once():
    one = make_exchange()
    usage = Usage("m", "1", "sha256:x", 1, 0.1)
    one.put(usage)
    assert one.require(Usage) is one.get(Usage) is usage
    with pytest.raises(RuntimeError, match="Usage was already put"):
        one.put(usage)


def test_exchange_missing_fact_is_none_and_cannot_be_required():
    assert make_exchange().get(Usage) is None
    with pytest.raises(KeyError):
        make_exchange().require(Usage)


async def test_exchange_body_is_read_once_and_the_received_one_is_kept():
    reads = []

    async def read():
        reads.append(1)
        return b"sent"

    one = make_exchange(read=read)
    assert await one.read_body() == b"sent"
    one.body = b"changed"
    assert (await one.read_body(), one.received_body, len(reads)) == (b"changed", b"sent", 1)


async def test_exchange_refused_body_stays_unread():
    async def read():
        raise TooLargeError("x")

    one = make_exchange(read=read)
    with pytest.raises(TooLargeError):
        await one.read_body()
    assert one.body is None


def test_exchange_header_that_occurs_twice_counts_as_absent():
    one = make_exchange(headers=[(b"a", b"1"), (b"b", b"1"), (b"b", b"2")])
    assert (one.header(b"a"), one.header(b"b"), one.header(b"c")) == ("1", None, None)


def test_exchange_header_that_a_plugin_replaced_is_seen_and_one_that_occurs_three_times_is_refused():
    one = make_exchange(headers=[(b"a", b"1")])
    assert one.header(b"a") == "1"
    one.headers = [(b"b", b"1")] * 3
    assert (one.has_header(b"a"), one.has_header(b"b"), one.header(b"b")) == (False, True, None)
    with pytest.raises(BadRequestError, match="occurs more than once"):
        one.single_header(b"b")
    assert one.single_header(b"a") is None
