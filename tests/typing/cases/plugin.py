"""A plugin of another distribution: settings, facts, routes and metrics, as docs/plugins.md shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import Field

from governance.access.callers.caller import Caller
from governance.contract.events import Event
from governance.contract.exchange import Exchange, Reply
from governance.contract.measurements import Measurement, Metric
from governance.contract.models import ModelLoad
from governance.contract.plugin import Plugin, Proceed
from governance.contract.routes import Route
from governance.errors import ForbiddenError
from governance.settings import Section, Settings, plugin_settings


class GreetingSettings(Section):
    """The section `[plugins.greeting]`."""

    word: str = Field(default="hello", description="The word.", examples=["hello"])


@dataclass(frozen=True, slots=True)
class Greeting:
    """A fact of this plugin."""

    word: str


class GreetingPlugin(Plugin):
    """A plugin that uses everything that a third-party plugin may use."""

    name = "greeting"
    requires = frozenset({Caller})
    provides = frozenset({Greeting})
    settings_model = GreetingSettings
    metrics = (Metric("greetings_total", "counter", ("word",), "Greetings."),)

    def __init__(self, settings: Settings) -> None:
        """Read the section of the settings."""
        self.settings = plugin_settings(settings, self.name, GreetingSettings)
        reveal_type(self.settings)  # N: Revealed type is "plugin.GreetingSettings"
        reveal_type(self.settings.word)  # N: Revealed type is "str"

    async def open(self) -> None:
        """Open nothing."""

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Share a fact, and refuse one caller."""
        reveal_type(exchange.require(Caller))  # N: Revealed type is "governance.access.callers.caller.Caller"
        reveal_type(exchange.get(Greeting))  # N: Revealed type is "plugin.Greeting | None"
        exchange.get(Greeting).word  # E: Item "None" of "Greeting | None" has no attribute "word"
        exchange.put(Greeting(self.settings.word))
        if exchange.require(Caller).id == "nobody":
            raise ForbiddenError("no greeting for you")
        reply = await proceed(exchange)
        reveal_type(reply)  # N: Revealed type is "governance.contract.exchange.Reply"
        reveal_type(await exchange.read_body())  # N: Revealed type is "bytes"
        return reply

    def routes(self) -> Mapping[Route, Proceed]:
        """Answer one route."""
        return {Route("GET", "/greeting", action="greet"): self.greet}

    async def greet(self, exchange: Exchange) -> Reply:
        """Answer with the word."""
        return Reply(200, ((b"content-type", b"text/plain"),), (self.settings.word.encode(),))

    def measurements(self) -> Iterable[Measurement]:
        """Count nothing."""
        yield Measurement("greetings_total", 0, (self.settings.word,))

    def model_loaded(self, load: ModelLoad) -> None:
        """Look at a model."""

    async def event_happened(self, event: Event) -> None:
        """Look at an event."""


class Small(Plugin):
    """A name is enough: every method has a default."""

    name = "small"


reveal_type(Small())  # N: Revealed type is "plugin.Small"


class Synchronous(Plugin):
    """`handle` without `async`."""

    name = "synchronous"

    def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:  # E: Return type "Reply" of "handle" incompatible with return type "Coroutine[Any, Any, Reply]" in supertype "governance.contract.plugin.Plugin"
        """Answer at once."""
        return Reply(204, (), ())


class OtherParameters(Plugin):
    """`handle` without `proceed`."""

    name = "other-parameters"

    async def handle(self, exchange: Exchange) -> Reply:  # E: Signature of "handle" incompatible with supertype "governance.contract.plugin.Plugin"
        """Answer at once."""
        return Reply(204, (), ())


class NoReply(Plugin):
    """`handle` that forgets the reply."""

    name = "no-reply"

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Return the coroutine in place of its result."""
        return proceed(exchange)  # E: Incompatible return value type (got "Awaitable[Reply]", expected "Reply")


class WrongDeclarations(Plugin):
    """Declarations of wrong types."""

    name = 7  # E: Incompatible types in assignment (expression has type "int", base class "Plugin" defined the type as "str")
    requires = frozenset({"Caller"})  # E: Argument 1 to <set> has incompatible type "str"; expected "type"
    settings_model = GreetingSettings()  # E: Incompatible types in assignment (expression has type "GreetingSettings", base class "Plugin" defined the type as "type[Any] | None")


Reply("200", (), ())  # E: Argument 1 to "Reply" has incompatible type "str"; expected "int"
