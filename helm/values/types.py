"""Types of values that a default does not show, as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helm.values import pods
from helm.values.thresholds import THRESHOLDS

FILE = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]*$"}
NAME = {"type": "string", "pattern": r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", "maxLength": 253}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
FILES = {"type": "array", "items": FILE, "uniqueItems": True}
PEERS = {"type": "array", "items": {"$ref": "#/$defs/peer"}}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
COUNT = {"type": "integer", "minimum": 0}
SIZES = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number"]},
    "required": ["cpu", "memory", "ephemeral-storage"],
}
RESOURCES = {
    "type": "object",
    "additionalProperties": False,
    "required": ["requests", "limits"],
    "properties": {"requests": SIZES, "limits": SIZES},
}
KEY = {"type": "string", "pattern": r"^([A-Za-z0-9][A-Za-z0-9._-]*|(awskms|vault|pkcs11):[^\s'\"]+)?$"}

# Types by the value's path. A value that is not listed gets the type of its default.
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
    "bento.environment": pods.ENVIRONMENT,
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
    "podSecurity": pods.POD_SECURITY,
    "containerSecurity": pods.CONTAINER_SECURITY,
    "extraVolumes": pods.VOLUMES,
    "extraVolumeMounts": pods.MOUNTS,
    "extraEnvFrom": pods.ENV_FROM,
    "extraContainers": pods.containers(RESOURCES),
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
    # Kubernetes refuses a shorter time; a longer one only helps a thief, since Kubernetes renews the file.
    "serviceAccount.tokenSeconds": {"type": "integer", "minimum": 600, "maximum": 86400},
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "service.annotations": TEXTS,
    "ingress.annotations": TEXTS,
    "podDisruptionBudget.maxUnavailable": {"type": "integer", "minimum": 1},
    "autoscaling.minReplicas": {"type": "integer", "minimum": 1},
    "autoscaling.averageValue": {"type": "integer", "minimum": 1},
    "networkPolicy.callers": PEERS,
    "networkPolicy.prometheus": PEERS,
    "networkPolicy.extraEgress": {"type": "array", "items": pods.closed(
        ("to", "ports"), to={**PEERS, "minItems": 1}, ports={"type": "array", "minItems": 1, "items": pods.closed(
            ("port",), port=PORT, endPort=PORT, protocol={"enum": ["TCP", "UDP", "SCTP"]})})},
    **{f"networkPolicy.{peer}.{key}": kind
       for peer in ("dns", "redis", "identityProvider", "keyService", "artifacts", "tracing", "fetch")
       for key, kind in {"to": PEERS, "port": PORT}.items()},
    "serviceMonitor.labels": TEXTS,
    "prometheusRule.labels": TEXTS,
    "prometheusRule.thresholds": THRESHOLDS,
    "dashboards.labels": TEXTS,
    "dashboards.annotations": TEXTS,
}  # fmt: skip

SELECTOR = {
    "type": "object", "additionalProperties": False,
    "properties": {"matchLabels": TEXTS, "matchExpressions": {"type": "array", "items": {
        "type": "object", "additionalProperties": False, "required": ["key", "operator"],
        "properties": {"key": {"type": "string"}, "operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
                       "values": {"type": "array", "items": {"type": "string"}}}}}},
}  # fmt: skip
# Definitions that the types above refer to.
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
