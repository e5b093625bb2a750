"""The gate of a bento's inner services: they answer the bento's own processes, and nobody else.

BentoML's services call each other over a socket with pickled bodies, which run code when they are read. Whoever reaches
that socket without the token, which only this bento's processes have, is refused before a byte of the body is read.
"""

from __future__ import annotations

import hmac
import logging

from governance.errors import ForbiddenError
from governance.gate.gate import AsgiApp, Lifecycle, Receive, Scope, Send, reply_to_error, run_lifespan, send_reply

TOKEN_HEADER = b"governance-inner-token"

logger = logging.getLogger("governance.gate")


class InnerGate:
    """In front of one inner service.

    Args:
        app: the service's application.
        token: what its callers must bear.
        probes: paths that answer without it (GET), for BentoML's own readiness checks.
        open: what starts with the worker, before the application.
    """

    def __init__(self, app: AsgiApp, *, token: str, probes: frozenset[str], open: Lifecycle) -> None:
        self._app, self._token, self._probes, self._open = app, token.encode(), probes, open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await run_lifespan(self._app, scope, receive, send, open=self._open)
        elif scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif self._is_known(scope) or (scope["method"] == "GET" and scope["path"] in self._probes):
            headers = [field for field in scope["headers"] if field[0] != TOKEN_HEADER]
            await self._app({**scope, "headers": headers}, receive, send)
        else:
            logger.error("somebody without this bento's token called an inner service")
            error = ForbiddenError("this service answers its own bento alone")
            await send_reply(send, reply_to_error(error, under_v2=False), [])

    def _is_known(self, scope: Scope) -> bool:
        tokens = [value for name, value in scope["headers"] if name == TOKEN_HEADER]
        return len(tokens) == 1 and hmac.compare_digest(tokens[0], self._token)
