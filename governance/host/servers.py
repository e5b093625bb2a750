"""The servers behind the chain: the protocol and the status page inside the gate, BentoML's application behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import cache
from typing import cast

from governance import __version__
from governance.audit.heads import read_heads
from governance.connections.drain import Drain
from governance.contract.exchange import Exchange, Reply
from governance.contract.plugin import Proceed
from governance.errors import NotReadyError
from governance.gate.application import behind
from governance.gate.asgi import AsgiApp
from governance.gate.background import Background
from governance.gate.pipeline import Pipeline
from governance.host.model import ModelFailure, current_exchange
from governance.keys import VerifyingKey, open_signing_key
from governance.oip.server import OipServer
from governance.oip.shapes import TensorLimits
from governance.runtime.registry import ModelRegistry
from governance.settings import AuditSettings, Settings
from governance.status.document import Shown, ShownModel
from governance.status.server import StatusServer

# Probes of Kubernetes seldom wait longer, and BentoML gives its inner services this time.
READINESS_SECONDS = 5.0


def oip_server(settings: Settings, registry: ModelRegistry, drain: Drain) -> Proceed:
    """Return the server of the Open Inference Protocol."""
    return OipServer(
        service_name=settings.service.name,
        service_version=__version__,
        models=registry.models,
        limits={
            name: TensorLimits(model.max_batch, model.max_elements, model.non_finite)
            for name, model in registry.declared.items()
        },
        is_ending=lambda: drain.draining,
    ).answer


def native_server(
    settings: Settings, registry: ModelRegistry, app: AsgiApp, background: Background, drain: Drain
) -> Proceed:
    """Return the server that passes requests to BentoML's application; the request is known to `GovernedModel`."""
    service = settings.service
    forward = behind(app, service.max_reply_bytes, background, service.hide_application_errors)

    async def answer(exchange: Exchange) -> Reply:
        if exchange.route.template == "/readyz":
            if drain.draining:
                raise NotReadyError("this worker is about to end")
            if not all(model.ready for model in registry.models.values()):
                raise NotReadyError("a model is not ready")
            return await _readiness(forward(exchange), drain)
        token = current_exchange.set(exchange)
        try:
            return await forward(exchange)
        except RuntimeError:
            failure = exchange.get(ModelFailure)
            if failure is None:
                raise
            raise failure.error from None
        finally:
            current_exchange.reset(token)

    return answer


async def _readiness(answer: Awaitable[Reply], drain: Drain) -> Reply:
    """Return the application's own readiness; it asks its inner services, and may wait for one that is ending.

    Raises:
        NotReadyError: if the worker begins to end before, or the application does not answer in time.
    """
    asking, ending = asyncio.ensure_future(answer), asyncio.ensure_future(drain.begun.wait())
    try:
        await asyncio.wait({asking, ending}, timeout=READINESS_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            return asking.result()
        raise NotReadyError("this worker is about to end" if drain.draining else "the application does not answer")
    finally:
        asking.cancel()
        ending.cancel()


def status_server(settings: Settings, registry: ModelRegistry, pipeline: Pipeline) -> Proceed:
    """Return the server of the status page."""

    @cache
    def checkpoint_key() -> VerifyingKey:
        return open_signing_key(cast(AuditSettings, settings.audit).checkpoint_key).public_key

    def models() -> list[ShownModel]:
        return [
            ShownModel(
                model.name,
                model.version,
                model.digest,
                registry.signers(model.name),
                model.device,
                model.ready,
                model.degraded,
            )
            for model in registry.models.values()
        ]

    return StatusServer(
        Shown(settings.service.name, __version__, settings.drift.least_items),
        models=models,
        heads=lambda: read_heads(settings.audit.directory, checkpoint_key()) if settings.audit else (),
        samples=pipeline.samples,
    ).answer
