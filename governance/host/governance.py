"""`Governance`: the only place that knows BentoML; it puts the gate in front of a service.

The service object's class is replaced by a slotted subclass that overrides `to_asgi`, so every way of serving
(`bentoml serve`, a built bento, several workers, dependencies) passes the gate.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar, cast

import bentoml
import numpy as np
from _bentoml_impl.client import RemoteProxy
from _bentoml_sdk import Service
from bentoml.exceptions import BentoMLException
from bentoml.models import BentoModel

from governance import __version__
from governance.access.stop import StopBoard
from governance.artifacts.opening import verify_sealed
from governance.artifacts.trust.trust import Trust
from governance.audit.heads import read_heads
from governance.contract.exchange import (
    Exchange,
    Inference,
    Measurement,
    ModelRefusal,
    Pipeline,
    Plugin,
    Proceed,
    Reply,
    Usage,
    permitted_outputs,
)
from governance.contract.routes import REVEAL, Route, RouteTable
from governance.errors import ConfigurationError, ForbiddenError, GovernanceError, IntegrityError, NotReadyError
from governance.gate.gate import AsgiApp, Gate, behind, describe_exception
from governance.gate.inner import TOKEN_HEADER, InnerGate
from governance.keys import VerifyingKey, open_signing_key
from governance.oip.routes import oip_routes
from governance.oip.server import OipServer
from governance.plugins import BUILT_IN
from governance.plugins.privacy.plugin import open_tagger
from governance.privacy.find.detect import Tagger
from governance.runtime.gpu import GpuNumbers
from governance.runtime.model import Model, TensorSpec
from governance.runtime.registry import ModelRegistry
from governance.settings import STORE_PREFIX, AuditSettings, ModelSettings, RouteSettings, Settings, load_settings
from governance.status.document import Shown, ShownModel
from governance.status.server import StatusServer, status_routes

PLUGIN_GROUP = "bento_governance.plugins"
STORED_FILE = "model.sealed"

# Metrics live in workers alone: BentoML chooses its multi-process folder before prometheus_client may be imported.
WORKERS_ONLY = frozenset({"metrics", "tracing"})
TRACING = "tracing"

INNER = "_BENTO_GOVERNANCE_INNER"

logger = logging.getLogger("governance.host")

AnyService = TypeVar("AnyService", bound="Service[Any]")

_exchange: ContextVar[Exchange | None] = ContextVar("governance_exchange", default=None)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a model did not answer the service's code; BentoML makes a bare 500 of it."""

    error: GovernanceError


class _WithoutExceptionText(logging.Filter):
    """Takes the text of exceptions out of BentoML's log: it may hold what a caller sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            record.msg = f"{record.getMessage()}: {describe_exception(record.exc_info[1])}"
            record.args, record.exc_info, record.exc_text = (), None, None
        return True


class GovernedModel:
    """An opened model, as a service's own code uses it.

    Within a request it runs only if the policy decided on this very model, or on the service as a whole, and
    what it used goes into the audit log and the metrics.
    """

    def __init__(self, governance: Governance, name: str) -> None:
        self._governance = governance
        self.name = name

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Input tensors: name, datatype (OIP), shape with -1 for the batch."""
        return self._model.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Output tensors: name, datatype (OIP), shape with -1 for the batch."""
        return self._model.outputs

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names in the order of the output's last axis, as the model's card says."""
        return self._model.classes

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        """Run the model on one batch.

        Args:
            inputs: a tensor for each input's name, shapes and types as `inputs` says.

        Raises:
            ForbiddenError: if the request at hand was permitted for another model.
            BadRequestError: if a tensor has the wrong shape or type.
            NotReadyError: if the model could not be opened on the device it must have.
        """
        exchange = _exchange.get()
        if exchange is not None and exchange.model not in (None, self.name):
            raise ForbiddenError(f"this call was permitted for another model than '{self.name}'")
        stops = exchange.find(StopBoard) if exchange is not None else None
        if stops is not None:
            stops.verify(self.name)
        model = self._model
        try:
            outputs, seconds = model.run(inputs)
        except GovernanceError as error:
            if exchange is not None and exchange.find(_Failure) is None:
                exchange.give(_Failure(error))
            raise
        if exchange is None:
            return outputs
        if exchange.find(Usage) is None:
            items = len(next(iter(inputs.values()))) if inputs else 0
            exchange.give(Usage(model.name, model.version, model.digest, items, seconds))
            exchange.give(Inference(model.name, inputs, outputs))
        return dict(permitted_outputs(exchange, outputs, len(model.classes)))

    @property
    def _model(self) -> Model:
        return self._governance.opened_model(self.name)


class Governance:
    """The settings of one service, and what is opened from them in each worker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._registry = ModelRegistry(settings, stored_artifact)

    @classmethod
    def from_file(cls, file: str | Path, environment: Mapping[str, str] = os.environ) -> Governance:
        """Read and validate the settings; nothing is opened.

        Raises:
            SystemExit: with one sentence, since this runs while the service's module is imported and
                BentoML would show a traceback for any other exception.
        """
        try:
            return cls(load_settings(Path(file), environment))
        except ConfigurationError as error:
            raise SystemExit(f"bento-governance: {error}") from None

    def guard(self, service: AnyService) -> AnyService:
        """Put the gate in front of a BentoML service; use it as a decorator above `@bentoml.service`.

        Raises:
            ConfigurationError: if it is not a BentoML service.
        """
        if not isinstance(service, Service):
            raise ConfigurationError("governance.guard takes a BentoML service: put it above @bentoml.service")
        # Made in the master, and inherited by its workers.
        os.environ.setdefault(INNER, secrets.token_hex(32))
        for one in service.all_services().values():
            self._stand_in_front(one)
        # `bentoml build` takes along what the settings name in the model store: ciphertext.
        for model in self._registry.declared.values():
            if str(model.artifact).startswith(STORE_PREFIX):
                service.models.append(BentoModel(str(model.artifact).removeprefix(STORE_PREFIX)))
        service.inner.governance_preflight = bentoml.on_deployment(partial(self.preflight_or_exit, service))
        return service

    def _stand_in_front(self, service: Service[Any]) -> None:
        governance = self
        plain: type[Service[Any]] = type(service)

        def to_asgi(self: Service[Any], is_main: bool = True) -> AsgiApp:
            app: AsgiApp = plain.to_asgi(self, is_main)
            return governance.gate(app, self) if is_main else _inner_gate(app, self)

        service.__class__ = type(f"Guarded{plain.__name__}", (plain,), {"__slots__": (), "to_asgi": to_asgi})

    def open_model(self, name: str) -> GovernedModel:
        """Return the model of this name, or `name:tag` in BentoML's model store; it is opened when the worker starts.

        Raises:
            ConfigurationError: if the settings name no such model.
        """
        model, separator, _ = name.partition(":")
        if separator:
            section = self.settings.models.get(model)
            changed = {"artifact": f"{STORE_PREFIX}{name}"}
            self._registry.declare(
                model, section.model_copy(update=changed) if section else ModelSettings.model_validate(changed)
            )
        elif name not in self._registry.declared:
            known = ", ".join(sorted(self._registry.declared)) or "none"
            raise ConfigurationError(f"the settings have no [models.{name}]; they have: {known}")
        return GovernedModel(self, model)

    def save_model(self, artifact: str | Path) -> str:
        """Put a sealed artifact into BentoML's model store, and return its tag: `name:version`, both as signed.

        It is verified first, and only ciphertext goes there: `bentoml build` takes it along as it is.

        Raises:
            IntegrityError: if it is not sealed and signed as the settings ask for.
            ConfigurationError: if it cannot be read, there is no [artifacts] section, or the tag exists.
        """
        settings, path = self.settings.artifacts, Path(artifact)
        if settings is None:
            raise ConfigurationError("a model is verified before it is saved: [artifacts] says whom to trust")
        trust = Trust.from_files(settings.trusted_signers, settings.threshold, settings.trusted_cosigners)
        facts = verify_sealed(path, trust=trust)
        tag = f"{facts.name}:{facts.version}"
        if tag != tag.lower():
            raise ConfigurationError(f"BentoML's tags are lower case, and the model is called '{facts.name}'")
        try:
            with bentoml.models.create(
                tag, labels={"governance": "sealed"}, metadata={"digest": facts.digest, "name": facts.name}
            ) as model:
                shutil.copyfile(path, model.path_of(STORED_FILE))
        except BentoMLException as error:
            raise ConfigurationError(f"BentoML's model store does not take {tag}: {error}") from None
        return tag

    def requested_model(self) -> GovernedModel:
        """Return the model that this request is for, on which the policy has decided.

        Raises:
            ConfigurationError: outside a request, or on a route without a model.
        """
        exchange = _exchange.get()
        if exchange is None or exchange.model is None:
            raise ConfigurationError("no model is requested here: the route in governance.toml needs a model")
        return self.open_model(exchange.model)

    def open_tagger(self) -> Tagger:
        """Return the tagger of [privacy]: the sealed one that it names, or the one that this package ships.

        Raises:
            IntegrityError: if it is not what was signed.
        """
        return open_tagger(self.settings)

    def opened_model(self, name: str) -> Model:
        """Return the runtime's model of this name.

        Raises:
            NotReadyError: before the worker has opened it.
        """
        return self._registry.get(name)

    def gate(self, app: AsgiApp, service: Service[Any]) -> Gate:
        """Build the gate for one worker; nothing is opened before the ASGI lifespan."""
        settings = self.settings
        plugins = load_plugins(settings)
        pipeline = Pipeline(plugins, (_Build(), GpuNumbers(settings.runtime)))
        oip = OipServer(
            service_name=settings.service.name,
            service_version=__version__,
            models=self._registry.models,
            max_batch={name: model.max_batch for name, model in self._registry.declared.items()},
        )

        async def open() -> None:
            _silence_what_callers_sent()
            _introduce_to_inner_services(service)
            try:
                loads = self._registry.open()
            except IntegrityError as error:
                pipeline.tell_refusal(ModelRefusal(self._registry.opening, error.code))
                raise
            pipeline.introduce(loads)

        return Gate(
            app,
            routes=RouteTable(self.routes(service)),
            pipeline=pipeline,
            servers={"oip": oip.answer, "bentoml": self._native(app), "status": self._status(pipeline).answer},
            open=open,
            close=self._close_models,
        )

    def routes(self, service: Service[Any]) -> list[Route]:
        """Return the closed list: the protocol's, the probes, the metrics, and what the settings open."""
        settings = self.settings
        largest = max((model.max_body_bytes for model in settings.models.values()), default=0)
        routes = [
            *oip_routes(largest),
            Route("GET", "/livez", "probe", "bentoml", public=True),
            Route("GET", "/readyz", "probe", "bentoml", public=True),
            Route("GET", "/metrics", "metrics", "bentoml"),
        ]
        if settings.privacy.reveal:
            routes.append(REVEAL)
        if settings.service.status_page:
            routes.extend(status_routes())
        routes.extend(self._native_route(route, service) for route in settings.routes)
        self._verify_places({route.template for route in routes})
        return routes

    def _status(self, pipeline: Pipeline) -> StatusServer:
        settings = self.settings

        @cache
        def checkpoint_key() -> VerifyingKey:
            return open_signing_key(cast(AuditSettings, settings.audit).checkpoint_key).public_key

        return StatusServer(
            Shown(settings.service.name, __version__, settings.drift.least_items),
            models=self._shown_models,
            heads=lambda: read_heads(settings.audit.directory, checkpoint_key()) if settings.audit else (),
            samples=pipeline.samples,
        )

    def _shown_models(self) -> list[ShownModel]:
        return [
            ShownModel(
                model.name,
                model.version,
                model.digest,
                self._registry.signers(model.name),
                model.device,
                model.ready,
                model.degraded,
            )
            for model in self._registry.models.values()
        ]

    def _verify_places(self, templates: set[str]) -> None:
        """Refuse personal data that is declared for a route that there is not: nobody would change it."""
        privacy = self.settings.privacy
        profiles = [field for fields in privacy.profiles.values() for field in fields]
        fields = {field.route for field in (*privacy.fields, *profiles)}
        declared = fields | {text.route for text in privacy.text} | {image.route for image in privacy.images}
        if unknown := declared - templates:
            raise ConfigurationError(f"[privacy] speaks of routes that there are not: {', '.join(sorted(unknown))}")

    def _native_route(self, route: RouteSettings, service: Service[Any]) -> Route:
        unknown = {route.model, *route.models} - {None} - set(self._registry.declared)
        if unknown:
            names = ", ".join(sorted(map(str, unknown)))
            raise ConfigurationError(f"the route {route.path} names models that have no section: {names}")
        api = next((api for api in service.apis.values() if api.route == route.path), None)
        return Route(
            method=route.method,
            template=route.path,
            action=route.action,
            server="bentoml",
            model=route.model,
            model_parameter=route.model_parameter,
            models=frozenset(route.models),
            public=route.public,
            content_types=frozenset(route.content_types) if route.method == "POST" else frozenset(),
            max_body_bytes=route.max_body_bytes,
            file_fields=frozenset(api.input_spec.multipart_fields) if api is not None else frozenset(),
            fetch_hosts=frozenset(route.fetch_hosts),
            stream=route.stream,
        )

    def _native(self, app: AsgiApp) -> Proceed:
        forward = behind(app, self.settings.service.max_reply_bytes)

        async def answer(exchange: Exchange) -> Reply:
            if exchange.route.template == "/readyz" and not all(
                model.ready for model in self._registry.models.values()
            ):
                raise NotReadyError("a model is not ready")
            token = _exchange.set(exchange)
            try:
                return await forward(exchange)
            except RuntimeError:
                failure = exchange.find(_Failure)
                if failure is None:
                    raise
                raise failure.error from None
            finally:
                _exchange.reset(token)

        return answer

    async def _close_models(self) -> None:
        self._registry.close()

    def preflight_or_exit(self, service: Service[Any]) -> None:
        """Open and close all that a worker will open, once, in the master, before any socket.

        BentoML restarts a worker that fails for ever while its clients hang; here it ends with one line.
        """
        try:
            RouteTable(self.routes(service))
            asyncio.run(self._preflight())
        except GovernanceError as error:
            raise SystemExit(f"bento-governance: {error.code}: {error}") from None

    async def _preflight(self) -> None:
        plugins = load_plugins(self.settings)
        Pipeline(plugins)
        here = Pipeline([plugin for plugin in plugins if plugin.name not in WORKERS_ONLY])
        await here.open()
        try:
            here.introduce(self._registry.open())
            self._registry.share()
        finally:
            await here.close()


class _Build:
    """Which version of this package runs."""

    def measurements(self) -> Iterable[Measurement]:
        yield Measurement("build_info", 1, (__version__,))


def _inner_gate(app: AsgiApp, service: Service[Any]) -> InnerGate:
    endpoints = service.config.get("endpoints") or {}
    probes = frozenset({endpoints.get("livez", "/livez"), endpoints.get("readyz", "/readyz")})

    async def open() -> None:
        _silence_what_callers_sent()
        _introduce_to_inner_services(service)

    return InnerGate(app, token=os.environ[INNER], probes=probes, open=open)


def _introduce_to_inner_services(service: Service[Any]) -> None:
    """Give the token to the clients of the services that this one depends on, before they are used for the first time.

    A dependency by URL or deployment is another bento's, and none of its business.
    """
    for name, dependency in service.dependencies.items():
        if dependency.on is None or dependency.url or dependency.deployment:
            continue
        client = dependency.__get__(service, type(service))
        if isinstance(client, RemoteProxy):
            client.to_async.default_headers[TOKEN_HEADER.decode()] = os.environ[INNER]
            logger.debug("the service '%s' is known to '%s'", service.name, name)


def stored_artifact(tag: str) -> Path:
    """Return where BentoML's model store keeps the sealed artifact of a tag.

    Raises:
        ConfigurationError: if there is none.
    """
    try:
        return Path(bentoml.models.get(tag).path_of(STORED_FILE))
    except BentoMLException as error:
        raise ConfigurationError(f"BentoML's model store has no '{tag}': {error}") from None


def load_plugins(settings: Settings) -> list[Plugin]:
    """Make the plugins that the settings name, in their order; only those are imported.

    Raises:
        ConfigurationError: for a name that nobody offers, or that somebody offers beside the built-in one.
    """
    foreign = {point.name: point.value for point in entry_points(group=PLUGIN_GROUP)}
    plugins = []
    names = settings.service.plugins
    if settings.tracing.endpoint is not None and TRACING not in names:
        names = (TRACING, *names)
    for name in names:
        offered = foreign.get(name)
        target = BUILT_IN.get(name, offered)
        if target is None:
            known = ", ".join(sorted({*BUILT_IN, *foreign}))
            raise ConfigurationError(f"no plugin is called '{name}'; there are: {known}")
        if offered is not None and offered != target:
            raise ConfigurationError(f"another distribution offers a plugin by the built-in name '{name}'")
        module, _, attribute = target.partition(":")
        plugin = getattr(import_module(module), attribute)(settings)
        if not isinstance(plugin, Plugin):
            raise ConfigurationError(f"the plugin '{name}' is not a governance.contract.exchange.Plugin")
        plugins.append(plugin)
    return plugins


def _silence_what_callers_sent() -> None:
    # uvicorn's access log, which `--debug` turns on, would hold paths and queries as they came.
    logging.getLogger("uvicorn.access").disabled = True
    # These two tell at DEBUG what they read: metadata of pictures, and parts of forms.
    for name in ("PIL", "python_multipart"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for handler in logging.getLogger("bentoml").handlers:
        handler.addFilter(_WithoutExceptionText())
