"""The gate of a bento's inner services: they answer only processes of the same bento.

BentoML's services call each other over a socket with pickled bodies, which run code when they are read. A request
without the token, which only processes of this bento have, is refused before a byte of its body is read.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable

from governance.errors import ForbiddenError
from governance.gate.asgi import AsgiApp, Lifecycle, Receive, Scope, Send
from governance.gate.lifespan import Report, run_lifespan, sentence_of
from governance.gate.reply import reply_to_error, send_reply

TOKEN_HEADER = b"governance-inner-token"

logger = logging.getLogger("governance.gate")


class InnerGate:
    """The ASGI application in front of one inner service.

    Args:
        app: the service's application.
        token: the secret that every request must contain.
        probes: paths that answer GET requests without it, for BentoML's own readiness checks.
        open: what starts with the worker, before the application.
        started: is called when the worker has started.
        report: returns what the server logs about an error that keeps the worker from starting.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        token: str,
        probes: frozenset[str],
        open: Lifecycle,
        started: Callable[[], None] = lambda: None,
        report: Report = sentence_of,
    ) -> None:
        self._app, self._token, self._probes, self._open = app, token.encode(), probes, open
        self._started, self._report = started, report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; a request without the token is refused."""
        if scope["type"] == "lifespan":
            await run_lifespan(
                self._app, scope, receive, send, open=self._open, started=self._started, report=self._report
            )
        elif scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif self._is_known(scope) or (scope["method"] == "GET" and scope["path"] in self._probes):
            headers = [field for field in scope["headers"] if field[0] != TOKEN_HEADER]
            await self._app({**scope, "headers": headers}, receive, send)
        else:
            logger.error("a request without this bento's token reached an inner service")
            error = ForbiddenError("this service answers only its own bento")
            await send_reply(send, reply_to_error(error, under_v2=False), [])

    def _is_known(self, scope: Scope) -> bool:
        tokens = [value for name, value in scope["headers"] if name == TOKEN_HEADER]
        return len(tokens) == 1 and hmac.compare_digest(tokens[0], self._token)
