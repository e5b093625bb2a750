"""The closed JSON Schema of the chart's values: Helm refuses a value that it does not list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from helm.values.documented import Value
from helm.values.settings import settings_schema
from helm.values.types import COUNT, DEFINITIONS, NAME, TYPES

CLOSED: Mapping[str, Any] = {"type": "object", "additionalProperties": False}


def values_schema(values: list[Value]) -> dict[str, Any]:
    """Return the schema of values.yaml.

    Args:
        values: the documented values.

    Raises:
        ValueError: the type of a value does not follow from its default, and `types.py` does not list it.
    """
    # `global` holds values that a parent chart shares with its subcharts; this chart does not read it.
    root: dict[str, Any] = {**CLOSED, "properties": {"global": {"type": "object"}}}
    for value in values:
        _insert(root, value)
    settings, definitions = settings_schema()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the bento-governance chart",
        **root,
        "$defs": {**DEFINITIONS, "settings": settings, **definitions},
    }


def _insert(root: dict[str, Any], value: Value) -> None:
    *parents, key = value.path.split(".")
    table = root
    for parent in parents:
        _require(table, parent)
        table = table["properties"].setdefault(parent, {**CLOSED, "properties": {}})
    _require(table, key)
    kind = TYPES.get(value.path) or _type_of(value)
    table["properties"][key] = kind if "$ref" in kind else {"description": value.description, **kind}


def _require(table: dict[str, Any], key: str) -> None:
    """Require a key: Helm removes a value that is null, and a template reads a missing one as 0, false or ""."""
    required = table.setdefault("required", [])
    if key not in required:
        required.append(key)


def _type_of(value: Value) -> Mapping[str, Any]:
    if isinstance(value.default, bool):
        return {"type": "boolean"}
    if isinstance(value.default, int):
        return COUNT
    if isinstance(value.default, str):
        return NAME if re.search(r"(Name|ConfigMap|claimName|secretProviderClass)$", value.path) else {"type": "string"}
    raise ValueError(f"{value.path}: add its type to TYPES in helm/values/types.py")
