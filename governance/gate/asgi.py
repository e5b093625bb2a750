"""ASGI: the types of an application, and the connection behind a request.

Source: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from governance.contract.exchange import Connection

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Lifecycle = Callable[[], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]


def connection_of(scope: Scope, receive: Receive) -> Connection:
    """Return the other end of the socket.

    uvicorn takes `scope["client"]` from X-Forwarded-For if the peer is in FORWARDED_ALLOW_IPS, and does not pass on a
    client certificate, so this reads the transport itself, if there is one.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        client = scope.get("client")
        return Connection(str(client[0]) if client else "", None)
    peer = transport.get_extra_info("peername")
    tls = transport.get_extra_info("ssl_object")
    # Without verification (`--ssl-cert-reqs 2`) there is no certificate here, even if the client sent one.
    verified = tls is not None and tls.context.verify_mode == ssl.CERT_REQUIRED
    return Connection(
        str(peer[0]) if isinstance(peer, tuple) else "", tls.getpeercert(binary_form=True) if verified else None
    )
