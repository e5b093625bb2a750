"""The plugin contract: facts are written once, and a wrong order is refused at start."""

import pytest

from governance.contract.exchange import Exchange, Reply
from governance.contract.measurements import Measurement
from governance.gate.pipeline import Pipeline
from governance.contract.facts import Usage
from governance.contract.routes import UNLISTED
from governance.errors import ConfigurationError, TooLargeError


class Plugin:
    def __init__(self, name, needs=(), gives=(), log=None):
        self.name, self.needs, self.gives, self.log = name, frozenset(needs), frozenset(gives), log

    async def open(self): ...

    async def close(self):
        if self.log is not None:
            self.log.append(self.name)
            raise OSError(self.name)

    async def handle(self, exchange, proceed):
        exchange.reply_headers.append((self.name.encode(), b"in"))
        reply = await proceed(exchange)
        exchange.reply_headers.append((self.name.encode(), b"out"))
        return reply


def exchange(read=None, headers=()):
    return Exchange("id", 0, 0, "GET", "/", b"", UNLISTED, None, None, headers, "", read)


async def terminal(exchange):
    return Reply(200, (), ())


async def test_plugins_stand_around_each_other_in_their_order():
    handler = Pipeline([Plugin("a"), Plugin("b")]).around(terminal)
    one = exchange()
    await handler(one)
    assert one.reply_headers == [(b"a", b"in"), (b"b", b"in"), (b"b", b"out"), (b"a", b"out")]


def test_a_plugin_before_what_it_needs_is_refused():
    with pytest.raises(ConfigurationError, match=r"'b' needs Usage.*the order is b, a"):
        Pipeline([Plugin("b", needs=[Usage]), Plugin("a", gives=[Usage])])


def test_two_plugins_that_give_the_same_are_refused():
    with pytest.raises(ConfigurationError, match="'a' and 'b' both give Usage"):
        Pipeline([Plugin("a", gives=[Usage]), Plugin("b", gives=[Usage])])


def test_a_fact_is_written_once():
    one = exchange()
    usage = Usage("m", "1", "sha256:x", 1, 0.1)
    one.put(usage)
    assert one.require(Usage) is one.get(Usage) is usage
    with pytest.raises(RuntimeError):
        one.put(usage)


def test_a_missing_fact_is_none():
    assert exchange().get(Usage) is None


async def test_the_body_is_read_once_and_what_was_received_is_kept():
    reads = []

    async def read():
        reads.append(1)
        return b"sent"

    one = exchange(read)
    assert await one.read_body() == b"sent"
    one.body = b"changed"
    assert (await one.read_body(), one.received_body, len(reads)) == (b"changed", b"sent", 1)


async def test_a_refused_body_stays_unread():
    async def read():
        raise TooLargeError("x")

    one = exchange(read)
    with pytest.raises(TooLargeError):
        await one.read_body()
    assert one.body is None


def test_a_header_that_stands_twice_counts_as_absent():
    one = exchange(headers=[(b"a", b"1"), (b"b", b"1"), (b"b", b"2")])
    assert (one.header(b"a"), one.header(b"b"), one.header(b"c")) == ("1", None, None)


async def test_closing_goes_on_after_an_error():
    log = []
    with pytest.raises(OSError, match="b"):
        await Pipeline([Plugin("a", log=log), Plugin("b", log=log)]).close()
    assert log == ["b", "a"]


async def test_numbers_of_all_plugins_reach_whoever_shows_them():
    counting, showing = Plugin("counting"), Plugin("showing")
    counting.measurements = lambda: [Measurement("audit_entries", 3.0)]
    showing.read_measurements = None
    Pipeline([showing, counting, Plugin("silent")])
    assert showing.read_measurements() == [Measurement("audit_entries", 3.0)]
