"""What an existing BentoML service offers: its routes, read from its signatures."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _bentoml_sdk import Service
from bentoml.exceptions import BentoMLException

from governance.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ServiceRoute:
    """One API of a service.

    Attributes:
        path: its path; that of a task opens all routes of the task.
        files: names of the fields that take files; with any, a body is `multipart/form-data`.
        schema: JSON Schema of the body.
        is_stream: whether it answers in pieces.
        is_task: whether it is a BentoML task.
    """

    path: str
    files: frozenset[str]
    schema: Mapping[str, Any]
    is_stream: bool
    is_task: bool


@dataclass(frozen=True, slots=True)
class ServiceSignature:
    """A service's own name for itself, its code, and its routes.

    Attributes:
        source: the file of its module, or the folder of its package.
        routes: in the order of its class.
    """

    source: Path
    routes: tuple[ServiceRoute, ...]


def signature_of_service(module: str, name: str, folder: Path) -> ServiceSignature:
    """Import a service of the user's own code, and return what it offers.

    Args:
        module: its module, such as `service` or `ward.service`.
        name: its name in the module.
        folder: where the module is searched first.

    Raises:
        ConfigurationError: if it cannot be imported, or is not a BentoML service.
    """
    from importlib import import_module

    sys.path.insert(0, str(folder))
    try:
        service = getattr(import_module(module), name, None)
    except (ImportError, SyntaxError, BentoMLException) as error:
        raise ConfigurationError(f"cannot import {module} from {folder}: {error}") from None
    finally:
        sys.path.remove(str(folder))
    if not isinstance(service, Service):
        raise ConfigurationError(f"{module}:{name} is not a BentoML service: a class under @bentoml.service")
    top = sys.modules[module.partition(".")[0]]
    source = Path(str(top.__file__)) if getattr(top, "__path__", None) is None else Path(next(iter(top.__path__)))
    return ServiceSignature(source, tuple(_route(api) for api in service.apis.values()))


def _route(api: Any) -> ServiceRoute:
    return ServiceRoute(
        api.route,
        frozenset(api.input_spec.multipart_fields),
        api.input_spec.model_json_schema(),
        bool(api.is_stream),
        bool(api.is_task),
    )
