"""A first request: zeros for a model's inputs, or values that fit a JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MAX_DEPTH = 8
_SIMPLE = {"string": "text", "integer": 1, "number": 1.0, "boolean": True, "null": None}


def fitting(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None, depth: int = 0) -> Any:
    """Return a value that a JSON Schema describes: its own example or default, else the simplest one of its type.

    Args:
        schema: a schema (draft 2020-12), as pydantic writes it.
        root: the document with `$defs`; by default the schema itself.
        depth: nesting of the value so far; beyond `MAX_DEPTH` it is null.
    """
    root = schema if root is None else root
    if depth > MAX_DEPTH:
        return None
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return fitting(root.get("$defs", {}).get(name, {}), root, depth + 1)
    for key in ("default", "const"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return fitting(schema[key][0], root, depth + 1)
    return _of_type(schema, root, depth)


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        required: Sequence[str] = schema.get("required", list(schema.get("properties", {})))
        properties = schema.get("properties", {})
        return {name: fitting(properties.get(name, {}), root, depth + 1) for name in required}
    if kind == "array":
        return [fitting(schema.get("items", {}), root, depth + 1)] * max(1, schema.get("minItems", 1))
    if kind in ("integer", "number"):
        return schema.get("minimum", _SIMPLE[kind])
    return _SIMPLE.get(kind)
