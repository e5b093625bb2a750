"""The pipeline: the chain of plugins around every server, checked when it is made."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from governance.contract.events import Event
from governance.contract.exchange import Exchange, Reply
from governance.contract.measurements import Measurement, MeasurementSource, Sample
from governance.contract.models import DEMANDS, ModelLoad, ModelRefusal
from governance.contract.plugin import SERVER, Chain, Plugin, Proceed
from governance.contract.routes import Route
from governance.errors import ConfigurationError
from governance.gate.plugin_check import check_order, check_plugin

logger = logging.getLogger("governance.pipeline")


class Pipeline(Chain):
    """Plugins in their order, outermost first.

    Args:
        plugins: the plugins of the chain.
        sources: objects with measurements besides the plugins.
        routes: the routes of the settings and of plugins.
        choose_timed: returns whether the stages of an exchange are timed, if a part of all is enough for the plugins.

    Raises:
        ConfigurationError: if one is not a valid plugin, or the order is wrong.
    """

    def __init__(
        self,
        plugins: Sequence[Plugin],
        sources: Sequence[MeasurementSource] = (),
        routes: Sequence[Route] = (),
        choose_timed: Callable[[], bool] | None = None,
    ) -> None:
        for plugin in plugins:
            check_plugin(plugin)
        check_order(plugins)
        self.plugins, self.routes = tuple(plugins), tuple(routes)
        self.stages = (*(plugin.name for plugin in plugins), SERVER)
        self.metrics = tuple(metric for plugin in plugins for metric in plugin.metrics)
        self._sources = (*(plugin for plugin in plugins if overrides(plugin, "measurements")), *sources)
        self._observers = tuple(
            plugin for plugin in plugins if overrides(plugin, "exchange_began") or overrides(plugin, "exchange_ended")
        )
        sampled = all(plugin.samples_marks for plugin in self._observers)
        self._choose_timed = choose_timed if sampled else None
        for plugin in plugins:
            plugin.chain = self

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
        """Pass every opened model to every plugin.

        Raises:
            GovernanceError: if a plugin refuses a model, or no plugin enforces a demand of its signed card.
        """
        enforced = frozenset[str]().union(*(plugin.enforces for plugin in self.plugins))
        for load in loads:
            for demand in sorted(DEMANDS - enforced):
                if load.card.get(demand):
                    raise ConfigurationError(
                        f"the card of '{load.model}' has a section '{demand}', and no plugin in the chain enforces it: "
                        f"add the plugin '{demand}' to [service] plugins"
                    )
            for plugin in self.plugins:
                plugin.model_loaded(load)

    def refuse(self, refusal: ModelRefusal) -> None:
        """Pass a model that was not opened to every plugin."""
        for plugin in self.plugins:
            plugin.model_refused(refusal)

    async def announce(self, event: Event) -> None:
        """Send an event to every plugin."""
        for plugin in self.plugins:
            await plugin.event_happened(event)

    def measurements(self) -> Iterable[Measurement]:
        """Collect measurements from all sources; a source that raises is logged and skipped."""
        numbers: list[Measurement] = []
        for source in self._sources:
            try:
                numbers.extend(source.measurements())
            except Exception as error:
                logger.error("%s failed to return its measurements: %s", type(source).__name__, type(error).__name__)
        return numbers

    def samples(self) -> Sequence[Sample]:
        """Return the numbers of all workers, from the plugins that have them."""
        return [sample for plugin in self.plugins for sample in plugin.samples()]

    def enforced_behind(self, plugin: Plugin) -> frozenset[str]:
        """Return what the plugins closer to the server than `plugin` enforce."""
        behind = self.plugins[self.plugins.index(plugin) + 1 :]
        return frozenset[str]().union(*(other.enforces for other in behind))

    def around(self, server: Proceed, route: Route | None = None) -> Proceed:
        """Return one callable: the plugins, outermost first, around a server.

        Args:
            server: the innermost handler.
            route: the only route of its requests; plugins that do nothing on it are left out. None for any route.
        """
        plugins = [
            (place, plugin)
            for place, plugin in enumerate(self.plugins)
            if overrides(plugin, "handle") and (route is None or plugin.handles(route))
        ]
        plain, timed = server, _marked(len(self.plugins), server)
        for place, plugin in reversed(plugins):
            plain, timed = _link(plugin, plain), _marked_link(place, plugin, timed)
        if not self._observers:
            return plain
        observed = _observed(timed, self._observers, len(self.plugins) + 1)
        return (
            observed
            if self._choose_timed is None
            else _chosen(self._choose_timed, observed, _observed(plain, self._observers, 0))
        )


def overrides(plugin: Plugin, method: str) -> bool:
    """Return whether a plugin has its own version of an optional method."""
    return getattr(type(plugin), method) is not getattr(Plugin, method) or method in vars(plugin)


def _link(plugin: Plugin, proceed: Proceed) -> Proceed:
    """Return a handler that passes a request to one plugin; `proceed` is given by position."""
    handle = plugin.handle

    def linked(exchange: Exchange) -> Awaitable[Reply]:
        return handle(exchange, proceed)

    return linked


def _marked_link(place: int, plugin: Plugin, proceed: Proceed) -> Proceed:
    """Return `_link` whose handler records when it was entered and left, in `Exchange.marks`."""
    entered, left, clock, handle = 2 * place, 2 * place + 1, time.perf_counter_ns, plugin.handle

    async def marked(exchange: Exchange) -> Reply:
        marks = exchange.marks
        marks[entered] = clock()
        try:
            return await handle(exchange, proceed)
        finally:
            marks[left] = clock()

    return marked


def _marked(place: int, server: Proceed) -> Proceed:
    """Return the server, with the same record."""
    entered, left, clock = 2 * place, 2 * place + 1, time.perf_counter_ns

    async def marked(exchange: Exchange) -> Reply:
        marks = exchange.marks
        marks[entered] = clock()
        try:
            return await server(exchange)
        finally:
            marks[left] = clock()

    return marked


def _chosen(choose: Callable[[], bool], timed: Proceed, plain: Proceed) -> Proceed:
    """Return a handler that times the exchanges that `choose` takes."""

    def chosen(exchange: Exchange) -> Awaitable[Reply]:
        return timed(exchange) if choose() else plain(exchange)

    return chosen


def _observed(handler: Proceed, observers: Sequence[Plugin], stages: int) -> Proceed:
    """Return a handler whose begin and end the observers see."""
    unreached = [0] * (2 * stages)
    begin = tuple(
        (observer, observer.exchange_began) for observer in observers if overrides(observer, "exchange_began")
    )
    end = tuple((observer, observer.exchange_ended) for observer in observers if overrides(observer, "exchange_ended"))

    async def observed(exchange: Exchange) -> Reply:
        if unreached:
            exchange.marks = unreached.copy()
        reply, failure = None, None
        for observer, began in begin:
            try:
                began(exchange)
            except Exception as error:
                _log_observer(observer, error)
        try:
            reply = await handler(exchange)
            return reply
        except BaseException as error:
            failure = error
            raise
        finally:
            for observer, ended in end:
                try:
                    ended(exchange, reply, failure)
                except Exception as error:
                    _log_observer(observer, error)

    return observed


def _log_observer(observer: Plugin, error: Exception) -> None:
    # The error's own text may contain data of the caller.
    logger.error("%s failed to observe a request: %s", type(observer).__name__, type(error).__name__)
