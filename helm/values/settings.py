"""Schema of the value `settings`: the sections of governance.toml, without the keys that the chart itself writes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from governance.settings import Settings

# Keys that the chart writes into governance.toml, by the settings' class; "" is the top level. The schema refuses them.
CHART_KEYS = {
    "": {"models", "policy", "stop"},
    "ArtifactSettings": {"recipient_key", "trusted_signers", "threshold", "trusted_cosigners"},
    "IdentitySettings": {"api_keys", "hash_key"},
    "GrantSettings": {"directory", "trusted_keys"},
    "LimitsSettings": {"storage"},
    "AuditSettings": {"directory", "checkpoint_key", "origin"},
    "PrivacySettings": {"hash_key"},
    "DriftSettings": {"directory"},
}

# Keywords of pydantic's schema that Helm does not need.
DROPPED = ("title", "default", "format", "examples")


def settings_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of governance.toml, and the definitions that it refers to."""
    whole = Settings.model_json_schema()
    definitions = {name: _without_chart_keys(name, section) for name, section in whole.pop("$defs").items()}
    settings = _without_chart_keys("", whole)
    return settings, {name: definitions[name] for name in sorted(_reachable(settings, definitions))}


def _reachable(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> set[str]:
    """Return the names of the definitions that a schema refers to, directly or through others."""
    found: set[str] = set()
    new = _references(schema)
    while new:
        found |= new
        new = {name for known in new for name in _references(definitions[known])} - found
    return found


def _references(schema: Any) -> set[str]:
    return set(re.findall(r"#/\$defs/(\w+)", json.dumps(schema)))


def _without_chart_keys(name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    hidden = CHART_KEYS.get(name, set())
    # The description of a class is its docstring, which is written for readers of the code.
    result = {key: value for key, value in definition.items() if key not in ("title", "description")}
    if "properties" in result:
        result["properties"] = {key: value for key, value in result["properties"].items() if key not in hidden}
        # At the top level the chart adds what is required.
        required = [key for key in result.pop("required", ()) if key not in hidden and name]
        if required:
            result["required"] = required
    cleaned: dict[str, Any] = _cleaned(result)
    return cleaned


def _cleaned(node: Any) -> Any:
    """Remove what Helm does not need, and null, which TOML does not have; close objects whose keys follow a pattern."""
    if isinstance(node, list):
        return [_cleaned(item) for item in node if item != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    cleaned = {key: _cleaned(value) for key, value in node.items() if key not in (*DROPPED, "properties")}
    if "patternProperties" in node:
        cleaned.setdefault("additionalProperties", False)
    # Below `properties` the keys are names of settings, which may equal a keyword.
    if "properties" in node:
        cleaned["properties"] = {key: _cleaned(value) for key, value in node["properties"].items()}
    return cleaned
