"""The connections of one worker: puts our protocol into uvicorn, and ends the worker in order at SIGTERM."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import uvicorn.config

from governance.connections.drain import Drain, Ending, drain_at_sigterm
from governance.connections.presence import RUNS, TAKES_REQUESTS, Presence
from governance.connections.protocol import Limits, protocol_for
from governance.connections.refusals import Refusals
from governance.connections.watch import Watch
from governance.gate.console import Console
from governance.settings import HttpSettings

# An inner service waits at most this long for the services that call it.
INNER_SECONDS = 25.0
LOOK_SECONDS = 0.1


class Connections:
    """The connections of one worker, as the settings say.

    Args:
        settings: the section [http].
        console: shows refused connections.
    """

    def __init__(self, settings: HttpSettings, console: Console) -> None:
        self.drain = Drain(settings.drain_seconds)
        self.refusals = Refusals(console.connection_refused)
        watch = Watch()
        self.drain.at_begin(watch.drain)
        limits = Limits(settings.head_seconds, settings.head_bytes, self.drain, self.refusals, watch)
        self._protocol = protocol_for(limits)

    def install(self) -> None:
        """Let uvicorn use our protocol in this process.

        BentoML makes uvicorn's configuration itself, with `http="auto"`, after it has made the ASGI application. This
        entry of uvicorn's table is the only place that decides what "auto" means.
        """
        protocols = cast(dict[str, Any], uvicorn.config.HTTP_PROTOCOLS)
        protocols["auto"] = self._protocol

    def open(self) -> None:
        """Take SIGTERM in hand; the worker is about to take requests."""
        presence = Presence.inherited()
        presence.enter()

        async def end(ending: Ending) -> None:
            presence.leave(TAKES_REQUESTS)
            await asyncio.sleep(self.drain.seconds)
            # Other workers share the listening sockets, and may go on.
            if presence.is_last(TAKES_REQUESTS):
                await ending.stop_listening()
            ending.finish()

        drain_at_sigterm(self.drain, end)


def outlast_callers() -> None:
    """Let an inner service run, after SIGTERM, until the workers that call it have ended."""
    presence = Presence.inherited()

    async def end(ending: Ending) -> None:
        loop = asyncio.get_running_loop()
        latest = loop.time() + INNER_SECONDS
        # Locks of other processes cannot be awaited.
        while presence.knows_others and not presence.is_last(RUNS) and loop.time() < latest:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        ending.finish()

    drain_at_sigterm(Drain(0), end)
