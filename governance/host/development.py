"""Development: keys that are made for it are refused in production, and a service that accepts them stays local.

The two together keep a service that was tried on a laptop from being exposed as it is: with `development = true` it
answers this machine only, and without it, it does not start with such keys.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from governance.errors import ConfigurationError, ForbiddenError
from governance.gate.asgi import AsgiApp, Receive, Scope, Send, connection_of
from governance.gate.reply import reply_to_error, send_reply
from governance.keys.development import MARKER, is_file_for_development
from governance.settings import Settings

logger = logging.getLogger("governance.host")


def verify_keys_fit(settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
    """Refuse keys for development in a service without `development = true`.

    Every file that any setting names by a path or a key URI is looked at.

    Raises:
        ConfigurationError: naming the setting and the file.
    """
    if settings.service.development:
        return
    for place, value in _texts_and_paths(settings, ""):
        if _is_for_development(value, environment):
            shown = str(value).partition("?")[0].removeprefix("file:")
            raise ConfigurationError(
                f"{place} is a key for development, and this service is not: {shown}. Make a key of your own with "
                "`bento-governance key create`, or set `development = true` in [service] on a machine of your own"
            )


def _is_for_development(value: str | Path, environment: Mapping[str, str]) -> bool:
    if isinstance(value, Path):
        return is_file_for_development(value)
    # A URI may name further files and variables: `file:KEY?passphrase=file:PATH`.
    for part in value.replace("?", "&").split("&"):
        scheme, _, rest = part.rpartition("=")[2].partition(":")
        if scheme == "file" and is_file_for_development(rest):
            return True
        if scheme == "env" and environment.get(rest, "").encode().startswith(MARKER.rstrip()):
            return True
    return False


def _texts_and_paths(value: Any, place: str) -> Iterator[tuple[str, str | Path]]:
    """Yield every text and path of the settings, with its place such as `[artifacts] recipient_key`."""
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts_and_paths(item, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts_and_paths(item, place)
    elif isinstance(value, str | Path):
        section, _, key = place.rpartition(".")
        yield f"[{section}] {key}" if section else key, value


class LocalOnly:
    """The ASGI application of a service for development: answers callers on this machine, and refuses all others.

    Args:
        app: the gate.
    """

    def __init__(self, app: AsgiApp) -> None:
        self._app = app
        logger.warning("this service is for development: it answers callers on this machine only")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or _is_local(scope, receive):
            await self._app(scope, receive, send)
            return
        error = ForbiddenError("this service is for development, and answers callers on its own machine only")
        await send_reply(send, reply_to_error(error, under_v2=scope["path"].startswith("/v2")), [])


def _is_local(scope: Scope, receive: Receive) -> bool:
    """Return whether the connection and, behind a proxy on this machine, its client are of this machine."""
    client = scope.get("client")
    return _is_loopback(connection_of(scope, receive).peer) and _is_loopback(str(client[0]) if client else "")


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
