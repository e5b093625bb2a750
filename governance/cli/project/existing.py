"""An existing BentoML service behind the gate: its signatures give the routes, content types and streams."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

from PIL import Image

from governance.cli.project.contents import EXAMPLE, JSON_REQUEST, Contents, common_values, json_body
from governance.cli.project.examples import fitting
from governance.errors import ConfigurationError
from governance.host.signatures import ServiceRoute, ServiceSignature, signature_of_service

_PLACE = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")
# A module of this name guards the other one.
GUARD = "governed"


def service_contents(name: str, place: str, folder: Path | None = None) -> Contents:
    """Return the contents for an existing service.

    Args:
        name: of the new folder.
        place: the service, as MODULE:CLASS.
        folder: where its module is; by default the current one.

    Raises:
        ConfigurationError: if it cannot be imported, is not a BentoML service, or has no API.
    """
    found = _PLACE.fullmatch(place)
    if found is None:
        raise ConfigurationError(f"'{place[:80]}' names no service: write MODULE:CLASS, such as service:Ward")
    module, class_name = found.groups()
    if module.partition(".")[0] == GUARD:
        raise ConfigurationError(f"the module '{GUARD}' is made by init: give the module of the service itself")
    signature = signature_of_service(module, class_name, (folder or Path.cwd()).resolve())
    if not signature.routes:
        raise ConfigurationError(f"{place} has no method with @bentoml.api")
    values = {
        "module": GUARD, "class_name": class_name, "action": "call", "model": "", "source_module": module,
        "include": f'  - "{signature.source.name}/**/*.py"' if signature.source.is_dir() else "",
        "route": _called(first := _first(signature)), "request": _request(first),
    }  # fmt: skip
    return Contents(
        kind="existing",
        values=common_values(name, values, routes=[_settings(route) for route in signature.routes]),
        texts={} if first.files else {EXAMPLE: json.dumps(fitting(first.schema)) + "\n"},
        binaries={"example.png": _picture()} if first.files else {},
        copies={signature.source.name: signature.source},
        body=_body(first),
    )


def _first(signature: ServiceSignature) -> ServiceRoute:
    """Return the API of the first call: one that takes JSON and answers at once, if there is one."""
    return min(signature.routes, key=lambda route: (bool(route.files), route.is_task, route.is_stream))


def _called(route: ServiceRoute) -> str:
    return f"{route.path}/submit" if route.is_task else route.path


def _settings(route: ServiceRoute) -> str:
    lines = [f'path = "{route.path}"', 'action = "call"']
    lines += ["stream = true"] * route.is_stream
    lines += ['content_types = ["multipart/form-data"]'] * bool(route.files)
    return "\n".join(lines)


def _body(route: ServiceRoute) -> str:
    if not route.files:
        return json_body()
    fields = [f"-F {field}=@example.png" for field in sorted(route.files)]
    others = {key: value for key, value in fitting(route.schema).items() if key not in route.files}
    return " ".join([*fields, *(f"-F {key}='{_field(value)}'" for key, value in others.items())])


def _request(route: ServiceRoute) -> str:
    """Return the arguments of httpx that send the first request, as Python."""
    if not route.files:
        return JSON_REQUEST
    others = {key: _field(value) for key, value in fitting(route.schema).items() if key not in route.files}
    fields = ", ".join(f'"{field}": (HERE / "example.png").open("rb")' for field in sorted(route.files))
    return f"files={{{fields}}}, data={others!r}"


def _field(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _picture() -> bytes:
    """Return a small picture (PNG): a file that most services that take files can read."""
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(stream, "PNG")
    return stream.getvalue()
