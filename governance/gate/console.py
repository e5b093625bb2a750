"""The console: one line for each refused or failed request, without anything that the caller sent."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

from governance.contract.exchange import Exchange

logger = logging.getLogger("governance.requests")


class Console:
    """Shows refusals, at most so many a second that nobody can fill the disk with them.

    Args:
        models: the names of the served models; any other name in a request is the caller's text.
        per_second: the most lines a second; 0 shows none.
        tracebacks: show tracebacks of failures, with their texts.
        monotonic: returns seconds.
    """

    def __init__(
        self,
        models: Collection[str] = (),
        per_second: int = 10,
        *,
        tracebacks: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models, self._per_second, self.tracebacks, self._monotonic = models, per_second, tracebacks, monotonic
        self._second, self._shown, self._left_out = 0, 0, 0

    def refused(self, exchange: Exchange, status: int, code: str) -> None:
        """Show one refused or failed request.

        Args:
            exchange: the request.
            status: the HTTP status of the answer.
            code: the error's code.
        """
        if self._may_show():
            model = exchange.model if exchange.model in self._models else "-"
            word = "refused" if status < 500 else "failed"
            logger.warning(
                "%s %d %s: %s %s model=%s request=%s",
                word, status, code, exchange.method, exchange.route.template, model, exchange.id,
            )  # fmt: skip

    def connection_refused(self, status: int, reason: str) -> None:
        """Show one connection that was refused before there was a request."""
        if self._may_show():
            logger.warning("refused %d connection: %s", status, reason)

    def close(self) -> None:
        """Show how many lines were left out at last."""
        self._show_left_out()

    def _may_show(self) -> bool:
        if not self._per_second:
            return False
        second = int(self._monotonic())
        if second != self._second:
            self._second, self._shown = second, 0
            self._show_left_out()
        if self._shown >= self._per_second:
            self._left_out += 1
            return False
        self._shown += 1
        return True

    def _show_left_out(self) -> None:
        if self._left_out:
            logger.warning("%d more refused or failed requests were not shown", self._left_out)
            self._left_out = 0
