"""The status page's server: three public files, and the data for callers with permission for the action `status`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files

import msgspec

from governance.audit.heads import LogHead
from governance.contract.exchange import Exchange, Reply
from governance.contract.measurements import Sample
from governance.contract.routes import Route
from governance.errors import NotFoundError
from governance.status.document import Shown, ShownModel, status_document

PAGE = "/governance/"
STATUS = "/governance/status"
FILES: Mapping[str, tuple[str, bytes]] = {
    PAGE: ("index.html", b"text/html; charset=utf-8"),
    f"{PAGE}page.js": ("page.js", b"text/javascript; charset=utf-8"),
    f"{PAGE}page.css": ("page.css", b"text/css; charset=utf-8"),
}
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
)


def status_routes() -> list[Route]:
    """Return the page's routes: the static files are public, the data is not."""
    return [
        *(Route("GET", path, "page", "status", public=True) for path in FILES),
        Route("GET", STATUS, "status", "status"),
    ]


class StatusServer:
    """The server of the page's routes.

    Args:
        shown: what does not change.
        models: what is open in this process.
        heads: reads the logs' heads.
        samples: reads the metrics of all workers.
    """

    def __init__(
        self,
        shown: Shown,
        models: Callable[[], Iterable[ShownModel]],
        heads: Callable[[], Sequence[LogHead]],
        samples: Callable[[], Sequence[Sample]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._shown = shown
        self._models, self._heads, self._samples, self._clock = models, heads, samples, clock

    async def answer(self, exchange: Exchange) -> Reply:
        """Answer one request.

        Raises:
            NotFoundError: if it is not a route of the page.
        """
        template = exchange.route.template
        if template in FILES:
            name, kind = FILES[template]
            return Reply(200, ((b"content-type", kind), *HEADERS), (_file(name),))
        if template != STATUS:
            raise NotFoundError("no such route")
        document = status_document(
            self._shown,
            now=self._clock(),
            models=self._models(),
            heads=self._heads(),
            samples=self._samples(),
        )
        return Reply(200, ((b"content-type", b"application/json"),), (msgspec.json.encode(document),))


@cache
def _file(name: str) -> bytes:
    return (files("governance.status") / "page" / name).read_bytes()
