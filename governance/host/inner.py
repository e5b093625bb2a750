"""Inner services of a bento (`bentoml.depends()`): the token by which they know their own bento."""

from __future__ import annotations

import logging
import os
import secrets
from functools import partial
from typing import Any

from _bentoml_impl.client import RemoteProxy
from _bentoml_sdk import Service

from governance.gate.asgi import AsgiApp
from governance.gate.inner import TOKEN_HEADER, InnerGate
from governance.host.connections import outlast_callers
from governance.host.logs import remove_caller_data_from_logs
from governance.host.start import report_failure, start_succeeded

INNER = "_BENTO_GOVERNANCE_INNER"

logger = logging.getLogger("governance.host")


def make_token() -> None:
    """Make the token in the main process; its workers inherit it through the environment."""
    os.environ.setdefault(INNER, secrets.token_hex(32))


def inner_gate(app: AsgiApp, service: Service[Any], *, tracebacks: bool = False) -> InnerGate:
    """Return the gate in front of an inner service.

    Args:
        app: BentoML's application of the service.
        service: the inner service.
        tracebacks: show tracebacks of the service's own code, as [logs] says.
    """
    endpoints = service.config.get("endpoints") or {}
    probes = frozenset({endpoints.get("livez", "/livez"), endpoints.get("readyz", "/readyz")})

    async def open() -> None:
        remove_caller_data_from_logs(tracebacks=tracebacks)
        outlast_callers()
        introduce_to_inner_services(service)

    started, report = partial(start_succeeded, service.name), partial(report_failure, service=service.name)
    return InnerGate(app, token=os.environ[INNER], probes=probes, open=open, started=started, report=report)


def introduce_to_inner_services(service: Service[Any]) -> None:
    """Give the token to the clients of the services that this one depends on, before their first use.

    A dependency by URL or deployment belongs to another bento and gets no token.
    """
    for name, dependency in service.dependencies.items():
        if dependency.on is None or dependency.url or dependency.deployment:
            continue
        client = dependency.__get__(service, type(service))
        if isinstance(client, RemoteProxy):
            client.to_async.default_headers[TOKEN_HEADER.decode()] = os.environ[INNER]
            logger.debug("the service '%s' has the token for '%s'", service.name, name)
