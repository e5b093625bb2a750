"""Cross-origin resource sharing: which pages of other origins may read answers in a browser.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from collections.abc import Sequence

from governance.contract.exchange import Reply

PREFLIGHT = b"access-control-request-method"
ANY = "*"
Fields = tuple[tuple[bytes, bytes], ...]


class Cors:
    """The rules of one service, as header fields.

    Args:
        origins: origins such as `https://app.example.org`, or `*` for all.
        headers: request header fields that a page may send.
        exposed: reply header fields that a page may read.
        credentials: pages may send cookies and client certificates; not with the origin `*`.
        max_age_seconds: how long a browser may remember a preflight answer.
    """

    def __init__(
        self,
        origins: Sequence[str],
        headers: Sequence[str],
        exposed: Sequence[str],
        *,
        credentials: bool,
        max_age_seconds: int,
    ) -> None:
        self._origins, self._credentials = frozenset(origins), credentials
        self._exposed = ", ".join(exposed).encode()
        self._preflight: Fields = (
            (b"access-control-allow-headers", ", ".join(headers).encode()),
            (b"access-control-max-age", str(max_age_seconds).encode()),
        )

    def fields(self, origin: str) -> Fields:
        """Return the header fields of every reply to a page of this origin, refusals included; none if it may not."""
        vary = (b"vary", b"origin")
        if ANY not in self._origins and origin not in self._origins:
            return (vary,)
        allowed = ANY if ANY in self._origins else origin
        fields = [vary, (b"access-control-allow-origin", allowed.encode("latin-1"))]
        if self._exposed:
            fields.append((b"access-control-expose-headers", self._exposed))
        if self._credentials:
            fields.append((b"access-control-allow-credentials", b"true"))
        return tuple(fields)

    def preflight(self, methods: Sequence[str]) -> Reply:
        """Return the answer of a preflight request; the gate adds `fields` to it.

        Args:
            methods: the methods of the path.
        """
        return Reply(204, ((b"access-control-allow-methods", ", ".join(methods).encode()), *self._preflight), ())
