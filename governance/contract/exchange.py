"""The whole plugin contract: `Exchange`, `Reply`, `Plugin`, `Pipeline`, and the facts that plugins share.

A plugin is an object with `open`, `close` and `handle(exchange, proceed) -> Reply` around the rest of the
chain. Plugins know each other only through typed facts on the exchange, each written once. A refusal is a
`GovernanceError` raised from `handle`; the gate alone turns it into a status code.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, Protocol, TypeVar, cast, runtime_checkable

from governance.access.policies.obligations import Tensors, restrict
from governance.access.policies.verdict import Decision
from governance.contract.routes import Route
from governance.errors import ConfigurationError
from governance.privacy.redactions import Redactions

Fact = TypeVar("Fact")
ReadBody = Callable[[], Awaitable[bytes]]
Pieces = AsyncGenerator[bytes, None]

# What stands for the innermost handler among the stages of a chain.
SERVER = "server"
SOON_SECONDS = 14 * 86_400

logger = logging.getLogger("governance.pipeline")


@dataclass(frozen=True, slots=True)
class Usage:
    """What inference used: written by whoever ran the model, read by audit, metrics and drift.

    `items` counts the batch; `inference_seconds` is the time inside the runtime alone, and `ended_ns` when that was
    over (`time.perf_counter_ns()`).
    """

    model: str
    version: str
    model_digest: str
    items: int
    inference_seconds: float
    ended_ns: int = field(default_factory=time.perf_counter_ns, compare=False)


@dataclass(frozen=True, slots=True)
class Trace:
    """By which id a request is known to OpenTelemetry: 32 hex digits; written only where it is recorded there."""

    trace_id: str


@dataclass(frozen=True, slots=True, repr=False)
class Inference:
    """What went into a model and came out, whole: written by whoever ran it, read by drift after the reply.

    The tensors belong to the request: who wants to keep anything of them makes a copy.
    """

    model: str
    inputs: Tensors
    outputs: Tensors


@dataclass(frozen=True, slots=True)
class Connection:
    """The socket's other end: its address, and its verified client certificate (DER), if TLS asked for one."""

    peer: str
    certificate: bytes | None


def no_connection() -> Connection:
    """Stand for a socket where there is none, as in a test."""
    return Connection("", None)


@dataclass(frozen=True, slots=True)
class ModelLoad:
    """How the opening of one model ended: told once to every plugin that has `model_loaded`.

    `device` is where it was proved to run; a model that is not `ready` answers 503. `card` and `profile` (the bytes of
    `profile.json`, if there is one) are as signed.
    """

    model: str
    version: str
    device: str
    ready: bool
    degraded: bool
    seconds: float
    card: Mapping[str, Any] = field(default_factory=dict, repr=False)
    profile: bytes | None = field(default=None, repr=False)
    digest: str = ""


@runtime_checkable
class ModelObserver(Protocol):
    """What a plugin adds if it wants to know of models being opened; it may refuse one by a GovernanceError."""

    def model_loaded(self, load: ModelLoad) -> None: ...


@dataclass(frozen=True, slots=True)
class ModelRefusal:
    """A model that a worker did not open: `reason` is the error's code."""

    model: str
    reason: str


@runtime_checkable
class RefusalObserver(Protocol):
    """What a plugin adds if it wants to know of models that were not what was signed."""

    def model_refused(self, refusal: ModelRefusal) -> None: ...


@dataclass(frozen=True, slots=True)
class Event:
    """What happened beside any request: a model was stopped, policies were changed, the glass was broken.

    `action` and `outcome` come from closed sets; `subject` is a model, a grant or a policy digest, `reason` what the
    operator gave for it.
    """

    action: Literal["stop", "resume", "policy-reload", "break-glass", "break-glass-end", "shared-limits"]
    outcome: Literal["done", "refused"]
    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number of a plugin, for whoever shows numbers.

    `value` is a counter's sum since the start, a gauge's state, or for a histogram each value that was observed since
    the last question. `name` and what its `labels` mean are declared by the metrics plugin alone; labels come from
    closed sets.
    """

    name: str
    value: float | Sequence[float]
    labels: tuple[str, ...] = ()


def drain(values: deque[float]) -> list[float]:
    """Take what has been observed so far; more may come meanwhile from another thread."""
    return [values.popleft() for _ in range(len(values))]


def expiries(kind: str, times: Iterable[float], now: float) -> Iterator[Measurement]:
    """Yield when the first of what is still valid expires, and how many do soon.

    Args:
        times: Unix seconds.
    """
    ends = [end for end in times if end > now]
    yield Measurement("earliest_expiry_timestamp_seconds", min(ends, default=math.inf), (kind,))
    yield Measurement("expiring_soon", sum(end - now <= SOON_SECONDS for end in ends), (kind,))


@runtime_checkable
class Measured(Protocol):
    """What has numbers to show: a plugin, or a source that the pipeline is given beside them.

    It is asked about once a second by one reader, and answers at once.
    """

    def measurements(self) -> Iterable[Measurement]: ...


@runtime_checkable
class MeasurementReader(Protocol):
    """What a plugin adds if it shows numbers: the pipeline puts there how to ask all others for theirs."""

    read_measurements: Callable[[], Iterable[Measurement]]


# A metric's name, its labels, and its value.
Sample = tuple[str, Mapping[str, str], float]


@runtime_checkable
class SampleSource(Protocol):
    """What a plugin adds if it knows the numbers of all workers, as a scrape would show them."""

    def samples(self) -> Sequence[Sample]: ...


Announce = Callable[[Event], Awaitable[None]]


@runtime_checkable
class EventSource(Protocol):
    """What a plugin adds if it has events to tell: the pipeline puts there whom to tell."""

    announce: Announce


@runtime_checkable
class EventObserver(Protocol):
    """What a plugin adds if it wants to be told."""

    async def event_happened(self, event: Event) -> None: ...


async def tell_nobody(event: Event) -> None:
    """Stand for whom to tell where there is no pipeline, as in a test."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: status, header fields as ASGI has them (lower-case names), and the body in pieces."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: tuple[bytes | memoryview, ...]


@dataclass(frozen=True, slots=True)
class StreamedReply(Reply):
    """An answer whose body is still being made: `body` is empty, and `pieces` yields it.

    A plugin that has to see or change it wraps `pieces`. Whatever ends the stream early is raised from it; nothing but
    its end without an error is a whole answer.
    """

    pieces: Pieces

    def through(self, wrap: Callable[[Pieces], Pieces]) -> StreamedReply:
        """Return the same answer with its pieces wrapped."""
        return replace(self, pieces=wrap(self.pieces))


@dataclass(slots=True, eq=False)
class Exchange:
    """One request on its way through the chain, and what has been found out about it.

    Attributes:
        id: 32 hex digits, unique to this request.
        received_at_us: Unix time in microseconds.
        started_ns: `time.perf_counter_ns()` when the gate saw the request.
        route: what is asked, from the closed list of routes; its `template` is the only safe metric label.
        model, version: the model that is asked for, where the route names one; both come from the caller
            and may name a model that does not exist.
        headers: request header fields, lower-case names, as ASGI has them.
        client_ip: the client's address as the server knows it, or an empty string.
        connection: tells who is at the other end of the socket itself.
        body: what goes on to the model: None until read, possibly changed by a plugin.
        received_body: what the caller sent, once read; the audit log commits to it.
        context: what the gate keeps for the server that answers; no plugin's business.
        reply_headers: fields that the gate adds to whichever answer leaves, refusals included.
        marks: when each stage of the chain was entered and left (`time.perf_counter_ns()`), two numbers each in the
            chain's order, zeros for a stage that was not reached; empty where nobody observes.
        at_end: what is to be done when all is over, the last byte of a streamed answer included; the gate calls it,
            the last that was put there first.
    """

    id: str
    received_at_us: int
    started_ns: int
    method: str
    path: str
    query: bytes
    route: Route
    model: str | None
    version: str | None
    headers: Sequence[tuple[bytes, bytes]]
    client_ip: str
    read: ReadBody
    body: bytes | None = None
    received_body: bytes | None = None
    context: Any = None
    connection: Callable[[], Connection] = no_connection
    reply_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    at_end: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    _facts: dict[type, object] = field(default_factory=dict)

    def has_header(self, name: bytes) -> bool:
        """Return whether a header field is there at all."""
        return any(key == name for key, _ in self.headers)

    def header(self, name: bytes) -> str | None:
        """Return the one value of a header field, or None if it is absent or stands more than once."""
        values = [value for key, value in self.headers if key == name]
        return values[0].decode("latin-1") if len(values) == 1 else None

    async def read_body(self) -> bytes:
        """Read the body once, within the route's limit, and return what now goes on to the model.

        Raises:
            TooLargeError: if the body is longer than the route allows; the rest stays unread.
            BadRequestError: if the client went away before the body was whole.
        """
        if self.body is None:
            self.received_body = self.body = await self.read()
        return self.body

    def give(self, fact: object) -> None:
        """Share a fact; each type of fact is written once."""
        kind = type(fact)
        if kind in self._facts:
            raise RuntimeError(f"{kind.__name__} was already given for this request")
        self._facts[kind] = fact

    def find(self, kind: type[Fact]) -> Fact | None:
        """Return the fact of this type, or None if nobody gave one."""
        return cast("Fact | None", self._facts.get(kind))

    def fact(self, kind: type[Fact]) -> Fact:
        """Return the fact of this type; the pipeline's order guarantees that a needed one is there."""
        return cast(Fact, self._facts[kind])


Proceed = Callable[[Exchange], Awaitable[Reply]]


@runtime_checkable
class Plugin(Protocol):
    """A link of the chain.

    `name` is what the settings call it; `needs` and `gives` are types of facts. `open` runs in each worker
    before its first request and may raise any GovernanceError to stop the start; `close` runs after its last.
    """

    name: str
    needs: frozenset[type]
    gives: frozenset[type]

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply: ...


@runtime_checkable
class ExchangeObserver(Protocol):
    """What a plugin adds if it looks at whole exchanges, from outside of all plugins, wherever itself stands.

    `stages` are the names of the chain's links, as `Exchange.marks` has them; the pipeline puts them there. What an
    observer raises is logged, and changes no answer.
    """

    stages: tuple[str, ...]

    def exchange_began(self, exchange: Exchange) -> None:
        """Look at a request before any plugin does."""

    def exchange_ended(self, exchange: Exchange, reply: Reply | None, error: BaseException | None) -> None:
        """Look at its end: the reply that leaves, or the error that the gate turns into one."""


class Pipeline:
    """Plugins in their order around one last handler; `sources` have numbers to show beside the plugins'."""

    def __init__(self, plugins: Sequence[Plugin], sources: Sequence[Measured] = ()) -> None:
        check_order(plugins)
        self.plugins = tuple(plugins)
        self._measured = (*(plugin for plugin in self.plugins if isinstance(plugin, Measured)), *sources)
        self._observers = tuple(plugin for plugin in self.plugins if isinstance(plugin, ExchangeObserver))
        for observer in self._observers:
            observer.stages = (*(plugin.name for plugin in self.plugins), SERVER)
        for plugin in self.plugins:
            if isinstance(plugin, EventSource):
                plugin.announce = self.announce
            if isinstance(plugin, MeasurementReader):
                plugin.read_measurements = self.measurements

    async def open(self) -> None:
        """Open every plugin, first to last; if one fails, close those already open."""
        opened: list[Plugin] = []
        try:
            for plugin in self.plugins:
                await plugin.open()
                opened.append(plugin)
        except BaseException:
            for plugin in reversed(opened):
                await plugin.close()
            raise

    async def close(self) -> None:
        """Close every plugin, last to first; the first error is raised after all have been closed."""
        failure: Exception | None = None
        for plugin in reversed(self.plugins):
            try:
                await plugin.close()
            except Exception as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def introduce(self, loads: Sequence[ModelLoad]) -> None:
        """Tell every plugin that wants to know of the models that were opened.

        Raises:
            GovernanceError: if one refuses a model, or a signed card says how personal data has to be changed and there
                is no plugin that does.
        """
        given = frozenset[type]().union(*(plugin.gives for plugin in self.plugins))
        for load in loads:
            if load.card.get("privacy") and Redactions not in given:
                raise ConfigurationError(
                    f"the card of '{load.model}' declares personal data, and the plugin 'privacy' is not there"
                )
            for plugin in self.plugins:
                if isinstance(plugin, ModelObserver):
                    plugin.model_loaded(load)

    def tell_refusal(self, refusal: ModelRefusal) -> None:
        """Tell every plugin that wants to know of a model that was not opened."""
        for plugin in self.plugins:
            if isinstance(plugin, RefusalObserver):
                plugin.model_refused(refusal)

    async def announce(self, event: Event) -> None:
        """Tell an event to every plugin that wants to know."""
        for plugin in self.plugins:
            if isinstance(plugin, EventObserver):
                await plugin.event_happened(event)

    def measurements(self) -> Iterable[Measurement]:
        """Return the numbers of everything that has some; one source that fails keeps no other's back."""
        numbers: list[Measurement] = []
        for source in self._measured:
            try:
                numbers.extend(source.measurements())
            except Exception as error:
                logger.error("%s failed to show its numbers: %s", type(source).__name__, type(error).__name__)
        return numbers

    def samples(self) -> Sequence[Sample]:
        """Return the numbers of all workers, from the plugins that know them."""
        return [sample for plugin in self.plugins if isinstance(plugin, SampleSource) for sample in plugin.samples()]

    def around(self, terminal: Proceed) -> Proceed:
        """Return one callable: the plugins, outermost first, around `terminal`."""
        if not self._observers:
            handler = terminal
            for plugin in reversed(self.plugins):
                handler = partial(plugin.handle, proceed=handler)
            return handler
        handler = _marked(len(self.plugins), terminal)
        for place, plugin in reversed(list(enumerate(self.plugins))):
            handler = _marked(place, partial(plugin.handle, proceed=handler))
        return _observed(handler, self._observers, len(self.plugins) + 1)


def _marked(place: int, handler: Proceed) -> Proceed:
    """Return a handler that marks when it was entered and left."""
    entered, left, clock = 2 * place, 2 * place + 1, time.perf_counter_ns

    async def marked(exchange: Exchange) -> Reply:
        marks = exchange.marks
        marks[entered] = clock()
        try:
            return await handler(exchange)
        finally:
            marks[left] = clock()

    return marked


def _observed(handler: Proceed, observers: Sequence[ExchangeObserver], stages: int) -> Proceed:
    """Return a handler whose beginning and end the observers see."""
    nothing_yet = [0] * (2 * stages)

    async def observed(exchange: Exchange) -> Reply:
        exchange.marks = nothing_yet.copy()
        reply, failure = None, None
        for observer in observers:
            try:
                observer.exchange_began(exchange)
            except Exception as error:
                _log_observer(observer, error)
        try:
            reply = await handler(exchange)
            return reply
        except BaseException as error:
            failure = error
            raise
        finally:
            for observer in observers:
                try:
                    observer.exchange_ended(exchange, reply, failure)
                except Exception as error:
                    _log_observer(observer, error)

    return observed


def _log_observer(observer: ExchangeObserver, error: Exception) -> None:
    """An error's own text may hold what a caller sent."""
    logger.error("%s failed to observe a request: %s", type(observer).__name__, type(error).__name__)


def permitted_outputs(exchange: Exchange, outputs: Tensors, classes: int) -> Tensors:
    """Return a model's outputs in the detail that the policy permits; whoever runs a model calls this.

    Args:
        classes: how many classes the model's card names; 0 if it names none.

    Raises:
        ForbiddenError: if the policy limits the answer, and an output cannot be limited.
    """
    decision = exchange.find(Decision)
    rule = decision.verdict.obligations.output if decision is not None else None
    if decision is None or rule is None:
        return outputs
    decision.fulfilled = True
    return restrict(outputs, rule, classes)


def check_order(plugins: Sequence[Plugin]) -> None:
    """Refuse a chain in which a plugin needs a fact that none before it gives, or two give the same.

    Raises:
        ConfigurationError: with the plugin, the fact, and where to put it.
    """
    given: dict[type, str] = {}
    for plugin in plugins:
        for kind in sorted(plugin.needs, key=lambda k: k.__name__):
            if kind not in given:
                raise ConfigurationError(
                    f"plugin '{plugin.name}' needs {kind.__name__}, and no plugin before it gives that: "
                    f"the order is {', '.join(p.name for p in plugins)}"
                )
        for kind in plugin.gives:
            if kind in given:
                raise ConfigurationError(f"plugins '{given[kind]}' and '{plugin.name}' both give {kind.__name__}")
            given[kind] = plugin.name
