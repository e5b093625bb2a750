"""The closed list of routes of a service: protocol, probes, metrics, status page, plugins, and the settings' own."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic.errors import PydanticUserError

from governance.contract.exchange import Exchange, Reply
from governance.contract.plugin import Plugin, Proceed
from governance.contract.routes import Route, RouteTable
from governance.errors import ConfigurationError
from governance.gate.cors import Cors
from governance.oip.routes import oip_routes
from governance.settings import CorsSettings, ModelSettings, RouteSettings, Settings
from governance.status.server import status_routes

if TYPE_CHECKING:
    from _bentoml_sdk import Service
    from _bentoml_sdk.method import APIMethod

SCHEMA = "/schema.json"
WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
# Besides `submit`, which takes the body.
TASK_ROUTES = (("GET", "status"), ("GET", "get"), ("POST", "retry"), ("PUT", "cancel"))
RESULT = "get"
JSON, BINARY = "application/json", "application/octet-stream"


@dataclass(frozen=True, slots=True)
class ServiceRoutes:
    """All routes of one service.

    Attributes:
        table: the closed list.
        own: those of the settings and of plugins.
        plugin_servers: the handler of each plugin that has routes, by `Route.server`.
    """

    table: RouteTable
    own: tuple[Route, ...]
    plugin_servers: Mapping[str, Proceed]


def routes_of(
    settings: Settings, models: Mapping[str, ModelSettings], service: Service[Any], plugins: Sequence[Plugin]
) -> ServiceRoutes:
    """Return the routes that every service has, those of the settings, and those of plugins.

    Args:
        settings: the service's settings.
        models: the declared models by name.
        service: the guarded service; its signatures complete the routes of the settings.
        plugins: the plugins of the chain.

    Raises:
        ConfigurationError: if the settings name a model or a route that does not exist, or a route exists twice.
    """
    built_in = _built_in_routes(settings)
    native = [one for route in settings.routes for one in _native_routes(route, models, service)]
    _verify_privacy_routes(settings, {route.template for route in (*built_in, *native)})
    added, servers = plugin_routes(plugins)
    return ServiceRoutes(RouteTable([*built_in, *native, *added]), (*native, *added), servers)


def _built_in_routes(settings: Settings) -> list[Route]:
    """Return the routes of the protocol, the probes, the metrics and the status page."""
    largest = max((model.max_body_bytes for model in settings.models.values()), default=0)
    routes = [
        *oip_routes(largest),
        Route("GET", "/livez", "probe", "bentoml", public=True),
        Route("GET", "/readyz", "probe", "bentoml", public=True),
        Route("GET", "/metrics", "metrics", "bentoml"),
    ]
    if all(route.path != SCHEMA for route in settings.routes):
        # BentoML's client reads the service's signatures there.
        routes.append(Route("GET", SCHEMA, "metadata", "bentoml"))
    if settings.service.status_page:
        routes.extend(status_routes())
    return routes


def plugin_routes(plugins: Sequence[Plugin]) -> tuple[list[Route], dict[str, Proceed]]:
    """Return the routes that plugins declare, and one server for each plugin that has some.

    Raises:
        ConfigurationError: if a plugin declares a route that sets `server`.
    """
    routes: list[Route] = []
    servers: dict[str, Proceed] = {}
    for plugin in plugins:
        declared = plugin.routes()
        if not declared:
            continue
        name = f"plugin:{plugin.name}"
        for route, server in declared.items():
            if not inspect.iscoroutinefunction(server):
                raise ConfigurationError(
                    f"plugin '{plugin.name}': the handler of {route.method} {route.template} must be `async def`"
                )
            if route.server:
                raise ConfigurationError(
                    f"plugin '{plugin.name}' declares {route.method} {route.template} with server={route.server!r}: "
                    "leave `server` empty, the plugin itself answers"
                )
            routes.append(replace(route, server=name))
        servers[name] = _plugin_server({(route.method, route.template): server for route, server in declared.items()})
    return routes, servers


def _plugin_server(answers: Mapping[tuple[str, str], Proceed]) -> Proceed:
    """Return one server that calls the handler of the requested route."""

    async def answer(exchange: Exchange) -> Reply:
        return await answers[exchange.route.method, exchange.route.template](exchange)

    return answer


def _verify_privacy_routes(settings: Settings, templates: set[str]) -> None:
    """Refuse rules of [privacy] for a route that does not exist: they would change nothing."""
    privacy = settings.privacy
    profiles = [field for fields in privacy.profiles.values() for field in fields]
    fields = {field.route for field in (*privacy.fields, *profiles)}
    declared = fields | {text.route for text in privacy.text} | {image.route for image in privacy.images}
    if unknown := declared - templates:
        raise ConfigurationError(f"[privacy] names routes that do not exist: {', '.join(sorted(unknown))}")


def _native_routes(route: RouteSettings, models: Mapping[str, ModelSettings], service: Service[Any]) -> Iterator[Route]:
    """Yield the route of a BentoML API, or all routes of a BentoML task; its signature completes the settings."""
    unknown = {route.model, *route.models} - {None} - set(models)
    if unknown:
        names = ", ".join(sorted(map(str, unknown)))
        raise ConfigurationError(f"the route {route.path} names models that have no section: {names}")
    api = next((api for api in service.apis.values() if api.route == route.path), None)
    files = frozenset(api.input_spec.multipart_fields) if api is not None else frozenset[str]()
    types = frozenset(route.content_types)
    if files and "content_types" not in route.model_fields_set:
        types = frozenset({"multipart/form-data"})
    base = Route(
        method=route.method,
        template=route.path,
        action=route.action,
        server="bentoml",
        model=route.model,
        model_parameter=route.model_parameter,
        models=frozenset(route.models),
        public=route.public,
        content_types=types if route.method in WITH_BODY else frozenset(),
        max_body_bytes=route.max_body_bytes,
        file_fields=files,
        fetch_hosts=frozenset(route.fetch_hosts),
        stream=route.stream or (api is not None and api.is_stream),
        reply_type=_reply_type(api) if api is not None else None,
    )
    if api is None or not api.is_task:
        yield base
        return
    # Only the result is what the signature says; everything else about a task is JSON.
    task = replace(base, reply_type=JSON)
    yield replace(task, template=f"{route.path}/submit")
    task = replace(task, content_types=frozenset(), file_fields=frozenset())
    for method, name in TASK_ROUTES:
        reply_type = base.reply_type if name == RESULT else JSON
        yield replace(task, method=method, template=f"{route.path}/{name}", reply_type=reply_type)


def _reply_type(api: APIMethod[..., Any]) -> str | None:
    """Return the media type that BentoML gives the answers of an API, or None if the signature does not say it."""
    spec = api.output_spec
    try:
        schema = spec.model_json_schema()
        declared = spec.mime_type()
    except PydanticUserError:
        return None
    # BentoML calls bytes text.
    is_binary = schema.get("type") == "string" and schema.get("format") == "binary"
    return BINARY if is_binary and spec.media_type is None else declared.split(";")[0].strip().lower()


def cors_of(settings: CorsSettings | None) -> Cors | None:
    """Return the rules of [cors], or None without the section."""
    if settings is None:
        return None
    return Cors(
        settings.origins,
        settings.headers,
        settings.exposed,
        credentials=settings.credentials,
        max_age_seconds=settings.max_age_seconds,
    )
