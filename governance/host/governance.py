"""`Governance`: the settings of one service, and the gate that it puts in front of a BentoML service.

`guard` replaces the class of the service object by a slotted subclass that overrides `to_asgi`, so that every way of
serving (`bentoml serve`, a built bento, several workers, dependencies) goes through the gate.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import bentoml
from _bentoml_sdk import Service
from bentoml.models import BentoModel

from governance import __version__
from governance.connections.presence import Presence
from governance.contract.measurements import Measurement
from governance.contract.models import ModelRefusal
from governance.contract.plugin import Plugin
from governance.contract.routes import Route
from governance.errors import ConfigurationError, GovernanceError, IntegrityError
from governance.gate.asgi import AsgiApp
from governance.gate.background import Background
from governance.gate.console import Console
from governance.gate.gate import Gate
from governance.gate.intake import Intake
from governance.gate.pipeline import Pipeline
from governance.host.connections import Connections
from governance.host.development import LocalOnly, verify_keys_fit
from governance.host.errors import WrongUseError
from governance.host.inner import inner_gate, introduce_to_inner_services, make_token
from governance.host.logs import remove_caller_data_from_logs, remove_paths_from_access_log
from governance.host.model import GovernedModel, current_exchange
from governance.host.plugins import load_plugins
from governance.host.routes import cors_of, routes_of
from governance.host.servers import native_server, oip_server, status_server
from governance.host.start import report_failure, start_succeeded, watch_start
from governance.host.store import save_model, stored_artifact
from governance.names import suggestion
from governance.plugins.privacy.tagger import open_tagger
from governance.privacy.find.detect import TaggerCall
from governance.runtime.gpu import GpuNumbers
from governance.runtime.registry import ModelRegistry
from governance.settings import STORE_PREFIX, ModelSettings, Settings, load_settings

# New objects, less those freed, after which a worker looks for unreachable cycles: some milliseconds of work.
COLLECTED_FROM = 50_000

AnyService = TypeVar("AnyService", bound="Service[Any]")


class Governance:
    """The settings of one service, and what is opened from them in each worker.

    Args:
        settings: validated settings; `from_file` reads them.

    Example:
        ```python
        governance = Governance.from_file("governance.toml")

        @governance.guard
        @bentoml.service
        class Digits: ...
        ```
    """

    def __init__(self, settings: Settings) -> None:
        """Take validated settings; open nothing."""
        self.settings = settings
        self._registry = ModelRegistry(settings, stored_artifact)

    @classmethod
    def from_file(cls, file: str | Path, environment: Mapping[str, str] = os.environ) -> Governance:
        """Read and validate the settings; nothing is opened.

        Args:
            file: a `governance.toml`.
            environment: variables `GOVERNANCE_<SECTION>__<KEY>` override single settings.

        Raises:
            SystemExit: with one sentence. This runs while the service's module is imported, and BentoML would show a
                traceback for any other exception.
        """
        try:
            return cls(load_settings(Path(file), environment))
        except ConfigurationError as error:
            raise SystemExit(f"bento-governance: {error}" if report_failure(error) else 1) from None

    def guard(self, service: AnyService) -> AnyService:
        """Put the gate in front of a BentoML service; use it as a decorator above `@bentoml.service`.

        Args:
            service: the service, changed in place and returned.

        Raises:
            ConfigurationError: if it is not a BentoML service.
        """
        if not isinstance(service, Service):
            raise WrongUseError("governance.guard takes a BentoML service: put it above @bentoml.service")
        make_token()
        for one in service.all_services().values():
            self._override_to_asgi(one)
        # `bentoml build` packs the models of the store that the settings name: sealed files, not plaintext.
        for model in self._registry.declared.values():
            if str(model.artifact).startswith(STORE_PREFIX):
                service.models.append(BentoModel(str(model.artifact).removeprefix(STORE_PREFIX)))
        service.inner.governance_preflight = bentoml.on_deployment(partial(self.preflight_or_exit, service))
        return service

    def _override_to_asgi(self, service: Service[Any]) -> None:
        governance = self
        plain: type[Service[Any]] = type(service)

        def to_asgi(self: Service[Any], is_main: bool = True) -> AsgiApp:
            app: AsgiApp = plain.to_asgi(self, is_main)
            try:
                if is_main:
                    gate: AsgiApp = governance.gate(app, self)
                    return LocalOnly(gate) if governance.settings.service.development else gate
                return inner_gate(app, self, tracebacks=governance.settings.logs.tracebacks)
            except GovernanceError as error:
                raise SystemExit(report_failure(error, self.name) or 1) from None

        service.__class__ = type(f"Guarded{plain.__name__}", (plain,), {"__slots__": (), "to_asgi": to_asgi})

    def open_model(self, name: str) -> GovernedModel:
        """Return a model of the settings, or `name:tag` of BentoML's model store; the worker opens it when it starts.

        Args:
            name: `digits-cnn` for `[models.digits-cnn]`, or `digits-cnn:3` for a tag.

        Raises:
            ConfigurationError: if the settings or the store have no such model. At import and in the constructor of
                the service, it ends `bentoml serve` with its sentence.
        """
        model, separator, _ = name.partition(":")
        if separator:
            section = self.settings.models.get(model)
            changed = {"artifact": f"{STORE_PREFIX}{name}"}
            self._registry.declare(
                model, section.model_copy(update=changed) if section else ModelSettings.model_validate(changed)
            )
        elif name not in self._registry.declared:
            declared = self._registry.declared
            known = ", ".join(sorted(declared)) or "none"
            raise WrongUseError(
                f"open_model('{name}'): the settings have no [models.{name}]; they have: {known}"
                f"{suggestion(name, declared)}"
            )
        return GovernedModel(model, self._registry.get)

    def save_model(self, artifact: str | Path) -> str:
        """Put a sealed artifact into BentoML's model store, and return its tag: `name:version`, both as signed.

        The artifact is verified first and stored sealed; `bentoml build` packs it as it is.

        Args:
            artifact: the path of a `.sealed` file.

        Raises:
            IntegrityError: if it is not sealed and signed as the settings require.
            ConfigurationError: if it cannot be read, there is no [artifacts] section, or the tag exists.
        """
        if self.settings.artifacts is None:
            raise ConfigurationError("a model is verified before it is saved: add [artifacts] with the trusted signers")
        return save_model(Path(artifact), self.settings.artifacts)

    def requested_model(self) -> GovernedModel:
        """Return the model that the current request asks for, on which the policy has decided.

        Raises:
            ConfigurationError: outside a request, or on a route without a model.
        """
        exchange = current_exchange.get()
        if exchange is None or exchange.model is None:
            raise ConfigurationError("no model is requested here: the route in governance.toml needs a model")
        return self.open_model(exchange.model)

    def open_tagger(self) -> TaggerCall:
        """Return the tagger of [privacy]: the sealed one that the settings name, or the one of this package.

        Raises:
            IntegrityError: if it is not what was signed.
        """
        return open_tagger(self.settings)

    def gate(self, app: AsgiApp, service: Service[Any]) -> Gate:
        """Build the gate of one worker; nothing is opened before the ASGI lifespan.

        Args:
            app: BentoML's application of the service.
            service: the guarded service.

        Raises:
            ConfigurationError: if plugins or routes are wrong.
        """
        verify_keys_fit(self.settings)
        plugins = load_plugins(self.settings)
        routes = routes_of(self.settings, self._registry.declared, service, plugins)
        logs, http = self.settings.logs, self.settings.http
        console = Console(
            self._registry.declared,
            logs.refusals_per_second if logs.refusals else 0,
            tracebacks=logs.tracebacks,
        )
        connections = Connections(self.settings.http, console)
        connections.install()
        sources = (_Build(), GpuNumbers(self.settings.runtime), connections.refusals)
        pipeline = Pipeline(plugins, sources, routes.own, choose_timed)
        background = Background(self.settings.service.max_background, self.settings.service.background_seconds)

        async def open() -> None:
            remove_caller_data_from_logs(tracebacks=logs.tracebacks)
            remove_paths_from_access_log(routes.table)
            introduce_to_inner_services(service)
            try:
                loads = self._registry.open()
            except IntegrityError as error:
                pipeline.refuse(ModelRefusal(self._registry.opening, error.code))
                raise
            pipeline.introduce(loads)
            connections.open()
            keep_out_of_collections()

        async def close() -> None:
            console.close()
            self._registry.close()

        return Gate(
            app,
            routes=routes.table,
            pipeline=pipeline,
            servers={
                "oip": oip_server(self.settings, self._registry, connections.drain),
                "bentoml": native_server(self.settings, self._registry, app, background, connections.drain),
                "status": status_server(self.settings, self._registry, pipeline),
                **routes.plugin_servers,
            },
            open=open,
            close=close,
            drain=background.close,
            cors=cors_of(self.settings.cors),
            started=partial(start_succeeded, service.name),
            report=partial(report_failure, service=service.name),
            console=console,
            intake=Intake(http.body_seconds, http.body_bytes_per_second, http.unfinished_bytes),
        )

    def preflight_or_exit(self, service: Service[Any]) -> None:
        """Open and close once, in the main process before any socket, all that a worker will open.

        BentoML restarts a worker that fails again and again while its clients hang; this ends the start with one line.

        Raises:
            SystemExit: with the error's code and sentence.
        """
        try:
            verify_keys_fit(self.settings)
            plugins = load_plugins(self.settings)
            routes = routes_of(self.settings, self._registry.declared, service, plugins)
            asyncio.run(self._preflight(plugins, routes.own))
            watch_start()
            Presence.create()
        except GovernanceError as error:
            raise SystemExit(f"bento-governance: {error.code}: {error}") from None

    async def _preflight(self, plugins: Sequence[Plugin], routes: Sequence[Route]) -> None:
        Pipeline(plugins)
        here = Pipeline([plugin for plugin in plugins if not plugin.worker_only], (), routes)
        await here.open()
        try:
            here.introduce(self._registry.open())
            self._registry.share()
        finally:
            await here.close()


def keep_out_of_collections() -> None:
    """Exclude everything that a worker opened at its start from garbage collections.

    A full collection over the imported modules takes 80 to 100 ms, several times a second under load; without them it
    takes a few. What a request makes is freed when it ends, without a collection; the requests in flight alone exceed
    Python's threshold of 700 objects, so that it would look through them again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_FROM, *gc.get_threshold()[1:])


def choose_timed(bits: Callable[[int], int] = random.getrandbits) -> bool:
    """Return True for one of eight exchanges, at random: the times of stages cost more than some of the stages."""
    return not bits(3)


class _Build:
    """The version of this package, as a measurement."""

    def measurements(self) -> Iterable[Measurement]:
        yield Measurement("build_info", 1, (__version__,))
