"""Writes what the chart holds twice, from where it is said once; `--check` only says what differs.

values.yaml's comments → the schema's descriptions and the table in README.md · governance/settings → the schema of
`settings` · deploy/prometheus/rules and deploy/grafana/dashboards → the chart's files/. Run from anywhere:

    python helm/sync.py
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from governance.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "helm" / "bento-governance"
COPIES = {
    "files/rules": ROOT / "deploy" / "prometheus" / "rules",
    "files/dashboards": ROOT / "deploy" / "grafana" / "dashboards",
}
BEGIN, END = "<!-- values: written by helm/sync.py -->", "<!-- end of values -->"

# What the chart itself writes into governance.toml: nobody gives it twice.
OWNED = {
    "": {"models", "policy", "stop"},
    "ArtifactSettings": {"recipient_key", "trusted_signers", "threshold", "trusted_cosigners"},
    "IdentitySettings": {"api_keys", "hash_key"},
    "GrantSettings": {"directory", "trusted_keys"},
    "LimitsSettings": {"storage"},
    "AuditSettings": {"directory", "checkpoint_key", "origin"},
    "PrivacySettings": {"hash_key"},
    "DriftSettings": {"directory"},
}

FILE = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]*$"}
NAME = {"type": "string", "pattern": r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", "maxLength": 253}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
FILES = {"type": "array", "items": FILE, "uniqueItems": True}
PEERS = {"type": "array", "items": {"$ref": "#/$defs/peer"}}
COUNT = {"type": "integer", "minimum": 0}
SIZES = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
RESOURCES = {"type": "object", "additionalProperties": False, "properties": {"requests": SIZES, "limits": SIZES}}
KEY = {"type": "string", "pattern": r"^([A-Za-z0-9][A-Za-z0-9._-]*|(awskms|vault|pkcs11):[^\s'\"]+)?$"}

# Keywords of the settings' own schema that Helm has no use for.
SILENT = ("title", "default", "format", "examples")

# Where a value's type is more than its default shows.
TYPES: Mapping[str, Mapping[str, Any]] = {
    "settings": {"$ref": "#/$defs/settings"},
    "models": {"type": "object", "additionalProperties": False, "patternProperties": {
        "^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$": {"$ref": "#/$defs/model"}}},
    "replicas": {"type": "integer", "minimum": 1},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "image.flavour": {"enum": ["cpu", "gpu"]},
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullSecrets": {"type": "array", "items": NAME},
    "bento.target": {"type": "string", "pattern": "^[A-Za-z0-9_.:/-]+$"},
    "bento.settingsPath": {"type": "string", "pattern": "^/[A-Za-z0-9._/-]+$"},
    "bento.port": {"type": "integer", "minimum": 1024, "maximum": 65535},
    "bento.environment": TEXTS,
    "policy.files": {"type": "object", "additionalProperties": False,
                     "patternProperties": {"^[A-Za-z0-9][A-Za-z0-9._-]*$": {"type": "string"}}},
    "trust.publicKeys": {"type": "object", "additionalProperties": False,
                         "patternProperties": {"^[A-Za-z0-9][A-Za-z0-9._-]*$": {"type": "string"}}},
    "trust.signers": {**FILES, "minItems": 1},
    "trust.threshold": {"type": "integer", "minimum": 1},
    "trust.cosigners": FILES,
    "keys.recipient": {**KEY, "minLength": 1},
    "keys.checkpoint": {**KEY, "minLength": 1},
    "keys.apiKeyHash": {"anyOf": [FILE, {"const": ""}]},
    "keys.privacyHash": {"anyOf": [FILE, {"const": ""}]},
    "stop.trustedKeys": FILES,
    "breakGlass.trustedKeys": FILES,
    "audit.accessMode": {"enum": ["ReadWriteOnce", "ReadWriteOncePod"]},
    "userId": {"type": "integer", "minimum": 1},
    "resources": RESOURCES,
    "helperResources": RESOURCES,
    "nodeSelector": TEXTS,
    "tolerations": {"type": "array", "items": {"type": "object", "additionalProperties": False, "properties": {
        "key": {"type": "string"}, "operator": {"enum": ["Exists", "Equal"]}, "value": {"type": "string"},
        "effect": {"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]}, "tolerationSeconds": COUNT}}},
    "affinity": {"type": "object", "additionalProperties": False, "properties": {
        "nodeAffinity": {"type": "object"}, "podAffinity": {"type": "object"}, "podAntiAffinity": {"type": "object"}}},
    "topologySpread": {"type": "array", "items": {
        "type": "object", "additionalProperties": False, "required": ["topologyKey", "maxSkew", "whenUnsatisfiable"],
        "properties": {"topologyKey": {"type": "string"}, "maxSkew": {"type": "integer", "minimum": 1},
                       "whenUnsatisfiable": {"enum": ["DoNotSchedule", "ScheduleAnyway"]}}}},
    "podAnnotations": TEXTS,
    "podLabels": TEXTS,
    "serviceAccount.annotations": TEXTS,
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "service.annotations": TEXTS,
    "ingress.annotations": TEXTS,
    "podDisruptionBudget.maxUnavailable": {"type": "integer", "minimum": 1},
    "autoscaling.minReplicas": {"type": "integer", "minimum": 1},
    "autoscaling.averageValue": {"type": "integer", "minimum": 1},
    "networkPolicy.callers": PEERS,
    "networkPolicy.prometheus": PEERS,
    **{f"networkPolicy.{hole}.to": PEERS for hole in ("dns", "redis", "identityProvider", "keyService", "artifacts")},
    "serviceMonitor.labels": TEXTS,
    "prometheusRule.labels": TEXTS,
    "dashboards.labels": TEXTS,
    "dashboards.annotations": TEXTS,
}  # fmt: skip

CLOSED: Mapping[str, Any] = {"type": "object", "additionalProperties": False}
SELECTOR = {
    "type": "object", "additionalProperties": False,
    "properties": {"matchLabels": TEXTS, "matchExpressions": {"type": "array", "items": {
        "type": "object", "additionalProperties": False, "required": ["key", "operator"],
        "properties": {"key": {"type": "string"}, "operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
                       "values": {"type": "array", "items": {"type": "string"}}}}}},
}  # fmt: skip
DEFINITIONS: Mapping[str, Any] = {
    "peer": {
        "type": "object", "additionalProperties": False, "minProperties": 1,
        "properties": {
            "namespaceSelector": SELECTOR,
            "podSelector": SELECTOR,
            "ipBlock": {"type": "object", "additionalProperties": False, "required": ["cidr"], "properties": {
                "cidr": {"type": "string"}, "except": {"type": "array", "items": {"type": "string"}}}},
        },
    },
    "model": {
        "type": "object", "additionalProperties": False, "required": ["source"],
        "properties": {
            "source": {"enum": ["image", "claim", "http", "oci"]},
            "path": {"type": "string", "pattern": r"^[A-Za-z0-9._/-]+$"},
            "claim": {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$"},
            "url": {"type": "string", "pattern": r"^https?://[^\s'\"\\$`]+$"},
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "tokenKey": FILE,
            "reference": {"type": "string", "pattern": r"^[a-z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+@sha256:[0-9a-f]{64}$"},
            "groups": {"type": "array", "items": {"type": "string"}},
            "minimumVersion": {"type": "integer", "minimum": 1},
            "maxBatch": {"type": "integer", "minimum": 1},
            "maxBodyBytes": {"type": "integer", "minimum": 1},
        },
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """One documented value: its dotted path, its default, what it is."""

    path: str
    default: Any
    description: str


def documented_values(text: str) -> list[Value]:
    """Return the values that a `# --` comment describes, in their order.

    Raises:
        ValueError: if a comment describes no key.
    """
    tree, found, parents, description = yaml.safe_load(text), [], [], None
    for number, line in enumerate(text.splitlines(), 1):
        comment = re.fullmatch(r" *# -- (.*)", line)
        key = re.match(r"( *)([A-Za-z][A-Za-z0-9]*):", line)
        if comment:
            description = comment[1]
        elif key:
            depth = len(key[1]) // 2
            parents = [*parents[:depth], key[2]]
            if description is not None:
                path = ".".join(parents)
                found.append(Value(path, _at(tree, parents), description))
            description = None
        elif description is not None:
            raise ValueError(f"values.yaml:{number}: a comment that describes no value")
    return found


def leaves(tree: Mapping[str, Any], documented: set[str], prefix: str = "") -> Iterator[str]:
    """Yield every path that is a value of its own: a scalar, a list, or a table that is documented whole."""
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and path not in documented:
            yield from leaves(value, documented, f"{path}.")
        else:
            yield path


def schema(values: list[Value]) -> dict[str, Any]:
    """Return the closed schema of the chart's values."""
    # `global` is what a chart that this one is part of shares; nothing here reads it.
    root: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"global": {"type": "object"}},
    }
    for value in values:
        *parents, key = value.path.split(".")
        table = root
        for parent in parents:
            table = table["properties"].setdefault(parent, {**CLOSED, "properties": {}})
        kind = TYPES.get(value.path) or _type_of(value)
        table["properties"][key] = kind if "$ref" in kind else {"description": value.description, **kind}
    settings, definitions = _settings_schema()
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the bento-governance chart",
        **root,
        "$defs": {**DEFINITIONS, "settings": settings, **definitions},
    }


def _type_of(value: Value) -> Mapping[str, Any]:
    if isinstance(value.default, bool):
        return {"type": "boolean"}
    if isinstance(value.default, int):
        return COUNT
    if isinstance(value.default, str):
        return NAME if re.search(r"(Name|ConfigMap|claimName|secretProviderClass)$", value.path) else {"type": "string"}
    raise ValueError(f"{value.path}: helm/sync.py must say its type")


def _settings_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of governance.toml, without what the chart writes itself."""
    whole = Settings.model_json_schema()
    definitions = whole.pop("$defs")
    cleaned = {name: _closed(name, definition) for name, definition in definitions.items()}
    settings = _closed("", whole)
    used = set(re.findall(r"#/\$defs/(\w+)", json.dumps(settings)))
    while True:
        more = used | set(re.findall(r"#/\$defs/(\w+)", json.dumps([cleaned[name] for name in used])))
        if more == used:
            return settings, {name: cleaned[name] for name in sorted(used)}
        used = more


def _closed(name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    owned = OWNED.get(name, set())
    result = {key: value for key, value in definition.items() if key not in ("title", "description")}
    if "properties" in result:
        result["properties"] = {key: value for key, value in result["properties"].items() if key not in owned}
        required = [key for key in result.pop("required", ()) if key not in owned and name]
        if required:
            result["required"] = required
    plain: dict[str, Any] = _plain(result)
    return plain


def _plain(node: Any) -> Any:
    """Leave out what Helm has no use for: titles, defaults, examples, formats that only Python knows."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _plain(value) for key, value in node.items() if key not in (*SILENT, "properties")}
    if "patternProperties" in node:
        plain.setdefault("additionalProperties", False)
    if "properties" in node:
        plain["properties"] = {key: _plain(value) for key, value in node["properties"].items()}
    return plain


def table(values: list[Value]) -> str:
    """Return the table of values for README.md."""
    lines = ["| value | default | what |", "|---|---|---|"]
    for value in values:
        default = json.dumps(value.default, ensure_ascii=False)
        lines.append(f"| `{value.path}` | `{default}` | {value.description.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def _at(tree: Any, path: list[str]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def wanted() -> dict[Path, str | None]:
    """Return the content that each file should have; None where it should not be there."""
    values = documented_values((CHART / "values.yaml").read_text())
    readme = (CHART / "README.md").read_text()
    before, _, rest = readme.partition(BEGIN)
    result: dict[Path, str | None] = {
        CHART / "values.schema.json": json.dumps(schema(values), indent=2, ensure_ascii=False) + "\n",
        CHART / "README.md": f"{before}{BEGIN}\n{table(values)}\n{END}{rest.partition(END)[2]}",
    }
    for folder, source in COPIES.items():
        if source.is_dir():
            copies = {
                CHART / folder / file.name: file.read_text() for file in sorted(source.iterdir()) if file.is_file()
            }
            result.update({file: None for file in (CHART / folder).glob("*") if file not in copies})
            result.update(copies)
    return result


def differing() -> list[Path]:
    """Return the files that are not as they should be."""
    return [path for path, content in wanted().items() if (path.read_text() if path.exists() else None) != content]


def main() -> int:
    """Write the files, or with --check say which differ."""
    stale = differing()
    for path in stale:
        print(f"{'differs' if '--check' in sys.argv else 'written'}: {path.relative_to(ROOT)}")
    if "--check" in sys.argv:
        return int(bool(stale))
    for path, content in wanted().items():
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
