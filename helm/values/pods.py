"""Types of what a user adds to the pods, as JSON Schema: only what the restricted Pod Security Standard admits.

Nothing added reaches the chart's keys: mounts name only volumes that the user adds, and stay outside the chart's
folders; `_validate.tpl` refuses the Secret of the keys in what is added.
Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAME = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"
ID = {"type": "integer", "minimum": 1}
TEXTS = {"type": "array", "items": {"type": "string"}}
PORT = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 65535}, NAME]}


def closed(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with only these properties."""
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": list(required)} if required else schema


# Profiles that a node has. "Unconfined" is none of them.
_PROFILE = closed(("type",), type={"enum": ["RuntimeDefault", "Localhost"]}, localhostProfile={"type": "string"})
_SELINUX = closed(type={"enum": ["container_t", "container_init_t", "container_kvm_t"]}, level={"type": "string"})
_PROFILES = {"seccompProfile": _PROFILE, "appArmorProfile": _PROFILE, "seLinuxOptions": _SELINUX}
_SAFE_SYSCTLS = [
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
]  # fmt: skip
POD_SECURITY = closed(
    **_PROFILES,
    fsGroup=ID,
    fsGroupChangePolicy={"enum": ["OnRootMismatch", "Always"]},
    supplementalGroups={"type": "array", "items": ID},
    supplementalGroupsPolicy={"enum": ["Merge", "Strict"]},
    sysctls={
        "type": "array",
        "items": closed(("name", "value"), name={"enum": _SAFE_SYSCTLS}, value={"type": "string"}),
    },
)
CONTAINER_SECURITY = closed(**_PROFILES)

# Volumes of the chart, which an added volume must not replace; claim-NAME are those of models.
OWN_VOLUMES = (
    "tmp", "settings", "policy", "trust", "keys", "keys-source", "callers", "callers-source", "stop", "grants", "audit",
    "models-fetched", "service-account-token",
)  # fmt: skip
# The kinds that the restricted profile admits.
_KINDS = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
VOLUMES = {
    "type": "array",
    "items": {
        **closed(
            ("name",),
            name={**NAME, "not": {"anyOf": [{"enum": list(OWN_VOLUMES)}, {"pattern": "^claim-"}]}},
            **{kind: {"type": "object"} for kind in _KINDS},
        ),
        "minProperties": 2,
        "maxProperties": 2,
    },
}

# A mount at, above or below a folder of the chart would replace keys, trust, policies or the log.
_OWN_FOLDERS = (
    "^/(etc|run|var|var/lib|var/run)?$|^/(etc|run|var/run|var/lib)/bento-governance(/|$)|^/(models|app|tmp|mnt|opt|usr|bin|lib"
    "|lib64|sbin|proc|sys|dev)(/|$)"
)
MOUNTS = {
    "type": "array",
    "items": closed(
        ("name", "mountPath"),
        name=NAME,
        mountPath={
            "type": "string",
            "pattern": "^(/[A-Za-z0-9._-]+)+$",
            "not": {"anyOf": [{"pattern": _OWN_FOLDERS}, {"pattern": r"/\.\.?(/|$)"}]},
        },
        subPath={"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._/-]*$", "not": {"pattern": r"(^|/)\.\.(/|$)"}},
        readOnly={"type": "boolean"},
    ),
}
_SOURCE = closed(("name",), name={"type": "string"}, optional={"type": "boolean"})
_KEY_SOURCE = closed(("name", "key"), name={"type": "string"}, key={"type": "string"}, optional={"type": "boolean"})
# A prefix GOVERNANCE_ would make every key of the object a setting of the service.
ENV_FROM = {
    "type": "array",
    "items": {
        **closed(
            prefix={"type": "string", "pattern": VARIABLE, "not": {"pattern": "^GOVERNANCE"}},
            configMapRef=_SOURCE,
            secretRef=_SOURCE,
        ),
        "oneOf": [{"required": ["configMapRef"]}, {"required": ["secretRef"]}],
    },
}
# Set by the chart.
_OWN_VARIABLES = ["HOME", "BENTOML_HOME", "POD_NAME", "GOVERNANCE_AUDIT__ORIGIN", "GOVERNANCE_LIMITS__STORAGE"]
ENVIRONMENT = {
    "type": "object",
    "propertyNames": {"pattern": VARIABLE, "not": {"enum": _OWN_VARIABLES}},
    "additionalProperties": {"type": "string"},
}
# Without `host`, which would let a kubelet call any address.
_PROBE = closed(
    httpGet=closed(("port",), path={"type": "string"}, port=PORT, scheme={"enum": ["HTTP", "HTTPS"]}),
    tcpSocket=closed(("port",), port=PORT),
    grpc=closed(("port",), port={"type": "integer"}, service={"type": "string"}),
    exec=closed(("command",), command=TEXTS),
    **{
        f"{name}": {"type": "integer", "minimum": 0}
        for name in ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold")
    },
)


def containers(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of added containers; the chart writes their securityContext.

    Args:
        resources: schema of their requests and limits.
    """
    variable = closed(
        ("name",),
        name={"type": "string", "pattern": VARIABLE},
        value={"type": "string"},
        valueFrom=closed(
            secretKeyRef=_KEY_SOURCE,
            configMapKeyRef=_KEY_SOURCE,
            fieldRef=closed(("fieldPath",), fieldPath={"type": "string"}),
        ),
    )
    port = closed(
        ("containerPort",), name=NAME, containerPort={"type": "integer", "minimum": 1024, "maximum": 65535},
        protocol={"enum": ["TCP", "UDP"]},
    )  # fmt: skip
    return {
        "type": "array",
        "items": closed(
            ("name", "image", "resources"),
            name={**NAME, "not": {"enum": ["server", "keys", "callers", "artifacts"]}},
            image={"type": "string", "minLength": 1},
            imagePullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
            beforeServer={"type": "boolean"},
            command=TEXTS,
            args=TEXTS,
            workingDir={"type": "string"},
            env={"type": "array", "items": variable},
            envFrom=ENV_FROM,
            ports={"type": "array", "items": port},
            resources=resources,
            volumeMounts=MOUNTS,
            startupProbe=_PROBE,
            livenessProbe=_PROBE,
            readinessProbe=_PROBE,
        ),
    }
