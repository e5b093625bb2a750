"""Stop: the kill switch; refuses requests to stopped models, and announces every order as an event."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
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
        self._settings, self._service = settings.stop, settings.service.name

    async def open(self) -> None:
        """Load the signed stop file, and begin to check it for changes."""
        trusted = [load_verifying_key(path) for path in self._settings.trusted_keys]
        self._names = {
            key.fingerprint: _name_of(path) for key, path in zip(trusted, self._settings.trusted_keys, strict=True)
        }
        self._board = KillSwitch(self._settings.file, trusted, self._service, lambda: datetime.now(UTC))
        self._board.load()
        await self._announce_orders()
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
        before, changed = self._board.accepted, self._board.reload()
        if self._board.accepted is not before:
            await self._announce_orders()
        elif changed:
            await self.chain.announce(Event("stop-orders", "refused", "", self._board.orders.reason))
        for model, stop in changed.items():
            await self._announce("resume" if stop is None else "stop", model, (stop or self._board.orders).reason)

    async def _announce_orders(self) -> None:
        """Announce which version of the stop file is in force; at a start, an older one than before is refused."""
        orders = self._board.accepted
        head = f"stop {orders.sequence} {orders.digest}"
        by = self._names.get(orders.signer, "")
        await self.chain.announce(Event("stop-orders", "done", "", orders.reason, head, by, orders.signer))

    async def _announce(self, action: Literal["stop", "resume"], model: str, reason: str) -> None:
        orders = self._board.orders
        # Nobody ordered the stop of a file that cannot be verified.
        signer = orders.signer if orders is self._board.accepted else ""
        by, subject = self._names.get(signer, ""), "ALL" if model == ALL else model
        await self.chain.announce(Event(action, "done", subject, reason, by=by, key_id=signer))


def _name_of(path: Path) -> str:
    """Return the name of a key: that of its file, without the endings `.pub` and `.key`."""
    return path.name.removesuffix(".pub").removesuffix(".key")
