"""The server of `POST /governance/reveal`: turns reversible tokens back into the values that they replaced."""

from __future__ import annotations

from collections.abc import Callable

from governance.canonical import parse_json
from governance.contract.exchange import Exchange, Reply
from governance.contract.routes import Route
from governance.errors import BadRequestError, DecryptionError
from governance.plugins.privacy.scope import scope_of
from governance.privacy.change.context import Context
from governance.privacy.change.keyed import reveal
from governance.privacy.change.scope import PseudonymScope
from governance.privacy.redactions import Redactions
from governance.privacy.request.plain import render_json

REVEAL = Route(
    "POST",
    "/governance/reveal",
    "reveal",
    content_types=frozenset({"application/json"}),
    max_body_bytes=2**20,
)


class RevealServer:
    """Answers `{"texts": ["…"], "scope": "…"}` with the same texts, their tokens turned back.

    The chain stands around it: a policy must permit the action `reveal`, and the audit log gets an entry.

    Args:
        scope: the scope of the settings, used if the request names none.
        clock: returns Unix seconds.
    """

    def __init__(self, scope: PseudonymScope, clock: Callable[[], float]) -> None:
        self._scope, self._clock = scope, clock
        self._key: bytes | None = None

    def open(self, key: bytes | None) -> None:
        """Take the key of the tokens."""
        self._key = key

    async def answer(self, exchange: Exchange) -> Reply:
        """Answer a request.

        Raises:
            BadRequestError: if the document is malformed, or no token is one of this key and scope.
        """
        document = parse_json(await exchange.read_body())
        if not isinstance(document, dict) or not set(document) <= {"texts", "scope"}:
            raise BadRequestError('expected {"texts": ["…"]}, with or without a "scope"')
        texts = document.get("texts")
        scope = document.get("scope", scope_of(exchange, self._scope, self._clock()))
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in [scope, *texts]):
            raise BadRequestError('"texts" is a list of texts, and "scope" is a text')
        context = Context(self._key, scope)
        try:
            revealed = reveal(texts, context)
        except DecryptionError as error:
            raise BadRequestError(str(error)) from None
        exchange.put(Redactions({"reveal": len(texts)}))
        document = {"texts": list(revealed.texts)} | ({"kept": revealed.kept} if revealed.kept else {})
        return Reply(200, ((b"content-type", b"application/json"),), (render_json(document),))
