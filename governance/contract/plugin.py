"""The plugin contract: derive from `Plugin`, set `name`, override what the plugin needs.

A plugin wraps the rest of the chain: `handle(exchange, proceed) -> Reply`. Plugins share only typed facts on the
exchange, and declare which ones; a chain in a wrong order is refused at start. To refuse a request, raise a
`GovernanceError`; the gate turns it into a status code. Offer the class in the entry-point group
`bento_governance.plugins` and name it in `[service] plugins`. docs/plugins.md builds a plugin step by step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from governance.contract.events import Event
from governance.contract.exchange import Exchange, Reply
from governance.contract.measurements import Measurement, Metric, Sample
from governance.contract.models import ModelLoad, ModelRefusal
from governance.contract.routes import Route

Proceed = Callable[[Exchange], Awaitable[Reply]]
# The name of the innermost stage of a chain: the server that answers.
SERVER = "server"


class Chain:
    """What a plugin may ask of the chain that it is part of. This one is empty, for a plugin outside any chain.

    Attributes:
        stages: the names of the plugins, outermost first, and `server` last; `Exchange.marks` has this order.
        metrics: the metrics that the plugins declare.
        routes: the routes of the settings and of plugins; not those that every service has.
    """

    stages: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    metrics: tuple[Metric, ...] = ()

    async def announce(self, event: Event) -> None:
        """Send `event` to every plugin (`Plugin.event_happened`). Outside a chain: drop the event."""

    def measurements(self) -> Iterable[Measurement]:
        """Collect the measurements of all plugins and other sources. Outside a chain: none."""
        return ()

    def enforced_behind(self, plugin: Plugin) -> frozenset[str]:
        """Return what the plugins closer to the server than `plugin` enforce. Outside a chain: nothing."""
        return frozenset()


class Plugin:
    """One link of the chain of plugins around every request.

    Attributes:
        name: the plugin's name in `[service] plugins` and in the entry-point group.
        requires: facts that the plugin reads with `exchange.require(...)`; a plugin in front of it must provide them.
        provides: facts that the plugin puts; no other plugin may provide the same.
        uses: facts that the plugin reads before it proceeds, if they exist; a plugin that provides one comes first.
        observes: facts that the plugin reads after the rest of the chain has answered, if they exist; any order.
        enforces: demands that the plugin fulfils, by name: `privacy` (the section of a model's card), `anonymize` (the
            obligation of a policy).
        settings_model: the model of the plugin's own section `[plugins.NAME]`, a subclass of
            `governance.settings.Section`; None if the plugin has no settings. Read it with
            `governance.settings.plugin_settings`.
        metrics: the declarations of the plugin's own metrics, whose numbers `measurements` returns.
        samples_marks: the plugin reads `Exchange.marks` at most, and a random part of the exchanges is enough for it;
            the marks of the others are empty if that holds for every plugin that observes exchanges.
        worker_only: the plugin is not opened for the check that runs in the main process before the workers start.
        chain: the chain that the plugin is part of; set before `open`.
    """

    name: ClassVar[str]
    requires: ClassVar[frozenset[type]] = frozenset()
    provides: ClassVar[frozenset[type]] = frozenset()
    uses: ClassVar[frozenset[type]] = frozenset()
    observes: ClassVar[frozenset[type]] = frozenset()
    enforces: ClassVar[frozenset[str]] = frozenset()
    settings_model: ClassVar[type[Any] | None] = None
    metrics: ClassVar[tuple[Metric, ...]] = ()
    samples_marks: ClassVar[bool] = False
    worker_only: ClassVar[bool] = False
    chain: Chain = Chain()

    def __init__(self, settings: Any = None) -> None:
        """Take what the plugin needs from `settings` (`governance.settings.Settings`); open nothing.

        Raises:
            ConfigurationError: if the settings are wrong for this plugin; the service does not start.
        """

    @classmethod
    def is_enabled(cls, settings: Any) -> bool:
        """Return whether the plugin takes part in the chain with these `settings`."""
        return True

    async def open(self) -> None:
        """Open files, keys and connections, in each worker before its first request.

        Raises:
            GovernanceError: to stop the start of the service.
        """

    async def close(self) -> None:
        """Close what `open` opened, after the last request."""

    def handles(self, route: Route) -> bool:
        """Return whether `handle` does anything on a route; asked once, when the chain of the route is made.

        On other routes the plugin is left out of the chain, which saves its time. Return True if it depends on the
        request. What the plugin observes (`exchange_began`, `exchange_ended`) is not concerned.

        Args:
            route: one of the service's routes.
        """
        return True

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Answer the request `exchange`; `await proceed(exchange)` runs the rest of the chain.

        Raises:
            GovernanceError: to refuse the request.
        """
        return await proceed(exchange)

    def routes(self) -> Mapping[Route, Proceed]:
        """Return routes that the plugin itself answers, each with its handler; the whole chain stands around it.

        Example: `{Route("GET", "/greeting", action="greet"): self.greet}`. Leave `Route.server` empty.
        """
        return {}

    def model_loaded(self, load: ModelLoad) -> None:
        """Learn that a model was opened (`load`), before the first request.

        Raises:
            GovernanceError: to refuse the model; the service does not start.
        """

    def model_refused(self, refusal: ModelRefusal) -> None:
        """Learn that a model was not opened because it is not what was signed (`refusal`); the worker ends next."""

    async def event_happened(self, event: Event) -> None:
        """Learn of an `event` outside any request."""

    def measurements(self) -> Iterable[Measurement]:
        """Return the plugin's own numbers at once, about once a second; one that raises is logged and skipped."""
        return ()

    def samples(self) -> Sequence[Sample]:
        """Return the numbers of all workers as a scrape shows them, for the status page; most plugins have none."""
        return ()

    def exchange_began(self, exchange: Exchange) -> None:
        """Look at a request (`exchange`) before any plugin handles it; an error is logged and changes no answer."""

    def exchange_ended(self, exchange: Exchange, reply: Reply | None, error: BaseException | None) -> None:
        """Look at the end of a request.

        An error raised here is logged and changes no answer.

        Args:
            exchange: the request.
            reply: its reply, or None.
            error: the error that the gate turns into an answer, or None.
        """
