"""Stop: the kill switch; refuses requests to stopped models, and announces every order as an event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from governance.access.stop import ALL, KillSwitch
from governance.contract.events import Event
from governance.contract.exchange import Exchange, Reply
from governance.contract.plugin import Plugin, Proceed
from governance.contract.routes import READING
from governance.errors import ConfigurationError
from governance.keys import load_verifying_key
from governance.plugins.watch import Watch
from governance.settings import Settings

LOOK_SECONDS = 0.25


class StopPlugin(Plugin):
    """Puts the `KillSwitch`, which is checked again wherever a model runs."""

    name = "stop"
    provides = frozenset({KillSwitch})

    def __init__(self, settings: Settings) -> None:
        if settings.stop is None:
            raise ConfigurationError("the plugin 'stop' needs a [stop] section: file and trusted_keys")
        self._settings = settings.stop

    async def open(self) -> None:
        """Load the signed stop file, and begin to check it for changes."""
        trusted = [load_verifying_key(path) for path in self._settings.trusted_keys]
        self._board = KillSwitch(self._settings.file, trusted, lambda: datetime.now(UTC))
        self._board.load()
        for model, stop in self._board.orders.stopped.items():
            await self._announce("stop", model, stop.reason)
        self._watch = Watch("kill switch", LOOK_SECONDS, self._look)

    async def close(self) -> None:
        """Stop checking for changes."""
        await self._watch.stop()

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Refuse requests to stopped models, and proceed.

        Raises:
            StoppedError: if the model, or the whole service, is stopped.
        """
        # Actions that only read metadata pass, so that operators see the models while all are stopped.
        if not exchange.route.public and exchange.route.action not in READING:
            self._board.verify(exchange.model)
        # Readiness of a stopped model is 503, and a model never runs while it is stopped, whatever the action is.
        exchange.put(self._board)
        return await proceed(exchange)

    async def _look(self) -> None:
        for model, stop in self._board.reload().items():
            await self._announce("resume" if stop is None else "stop", model, (stop or self._board.orders).reason)

    async def _announce(self, action: Literal["stop", "resume"], model: str, reason: str) -> None:
        await self.chain.announce(Event(action, "done", "ALL" if model == ALL else model, reason))
