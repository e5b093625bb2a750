"""What a user adds to the pods: mounted as given, held to the restricted profile, and kept from the chart's keys."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from helm.values.pods import OWN_VOLUMES
from helm.values.thresholds import RULES, threshold_names
from tests.helm.test_manifests import all_containers, one, pod_of, server_of
from tests.helm.test_values import refused

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "bento-governance"
AGENT = CHART / "ci" / "vault-agent-values.yaml"
MINIMAL = CHART / "ci" / "minimal-values.yaml"
SMALL = {"cpu": "1", "memory": "1Mi", "ephemeral-storage": "1Mi"}
PLAIN = {"name": "extra", "image": "x", "resources": {"requests": SMALL, "limits": SMALL}}


def given(**values):
    return [f"{key.replace('__', '.')}={json.dumps(value)}" for key, value in values.items()]


def rendered_with(helm, *settings):
    return helm.template("-f", MINIMAL, *[part for setting in settings for part in ("--set-json", setting)])


def test_agent_starts_before_the_models_are_verified_and_shares_only_its_token(rendered):
    pod = pod_of(rendered["vault-agent-values"])
    agent, *_ = pod["initContainers"]
    assert agent["name"] == "vault-agent" and agent["restartPolicy"] == "Always" and "beforeServer" not in agent
    assert [container["name"] for container in pod["containers"]] == ["server", "shipper"]
    server = {mount["name"]: mount for mount in server_of(rendered["vault-agent-values"])["volumeMounts"]}
    assert server["vault-token"] == {"name": "vault-token", "mountPath": "/vault/token", "readOnly": True}
    assert "service-account-token" not in server
    (token,) = [volume for volume in pod["volumes"] if volume["name"] == "service-account-token"]
    assert token["projected"]["sources"] == [
        {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 1800}}
    ]
    assert pod["automountServiceAccountToken"] is False


def test_added_containers_get_the_security_context_of_the_chart(rendered):
    contexts = [container["securityContext"] for container in all_containers(pod_of(rendered["vault-agent-values"]))]
    assert len(contexts) > 4 and all(context == contexts[0] for context in contexts)
    assert contexts[0]["capabilities"] == {"drop": ["ALL"]} and contexts[0]["runAsNonRoot"] is True


@pytest.mark.parametrize("own", OWN_VOLUMES)
def test_added_containers_cannot_mount_a_volume_of_the_chart(helm, own):
    mount = [{"name": own, "mountPath": "/stolen"}]
    sentence = f"'{own}' is none of extraVolumes"
    assert sentence in refused(helm, *given(extraContainers=[{**PLAIN, "volumeMounts": mount}]))
    assert sentence in refused(helm, *given(extraVolumeMounts=mount))


def test_volumes_of_the_chart_are_all_reserved(rendered):
    added = {"agent-settings", "vault-token"}
    for documents in rendered.values():
        names = {volume["name"] for volume in pod_of(documents)["volumes"]} - added
        assert {name for name in names if not name.startswith("claim-")} <= set(OWN_VOLUMES)


@pytest.mark.parametrize(
    "values",
    [
        {"extraVolumes": [{"name": "stolen", "secret": {"secretName": "digits-keys"}}]},
        {"extraVolumes": [{"name": "stolen", "projected": {"sources": [{"secret": {"name": "digits-keys"}}]}}]},
        {"extraEnvFrom": [{"secretRef": {"name": "digits-keys"}}]},
        {"extraContainers": [{**PLAIN, "envFrom": [{"secretRef": {"name": "digits-keys"}}]}]},
        {"extraContainers": [{**PLAIN, "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "digits-keys", "key": "recipient.key"}}}]}]},
    ],
)  # fmt: skip
def test_secret_of_the_keys_cannot_be_added_again(helm, values):
    assert "holds the service's private keys" in refused(helm, *given(**values))


def test_mount_that_hides_the_settings_is_refused(helm):
    values = given(
        bento__settingsPath="/srv/own/governance.toml",
        extraVolumes=[{"name": "x", "emptyDir": {}}],
        extraVolumeMounts=[{"name": "x", "mountPath": "/srv/own"}],
    )
    assert "would hide bento.settingsPath" in refused(helm, *values)


ATTACKS = [
    *({"podSecurity": context} for context in (
        {"runAsUser": 0}, {"runAsNonRoot": False}, {"fsGroup": 0}, {"supplementalGroups": [0]},
        {"seccompProfile": {"type": "Unconfined"}}, {"appArmorProfile": {"type": "Unconfined"}},
        {"seLinuxOptions": {"type": "spc_t"}}, {"seLinuxOptions": {"user": "system_u"}},
        {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}, {"windowsOptions": {}})),
    *({"containerSecurity": context} for context in (
        {"privileged": True}, {"allowPrivilegeEscalation": True}, {"readOnlyRootFilesystem": False}, {"runAsUser": 0},
        {"capabilities": {"add": ["NET_ADMIN"]}}, {"procMount": "Unmasked"}, {"seccompProfile": {"type": "Unconfined"}})),
    *({"extraVolumes": [volume]} for volume in (
        {"name": "x", "hostPath": {"path": "/"}}, {"name": "x", "nfs": {}}, {"name": "x"}, {"name": "keys", "emptyDir": {}},
        {"name": "claim-x", "emptyDir": {}}, {"name": "x", "emptyDir": {}, "hostPath": {"path": "/"}})),
    *({"extraVolumeMounts": [{"name": "x", "mountPath": path}]} for path in (
        "/", "/etc", "/etc/", "//etc/bento-governance", "/etc/bento-governance", "/etc/bento-governance/trust", "/run",
        "/vault/../etc/bento-governance", "/var/lib/bento-governance/audit", "/app/bentos", "/models/fetched", "/tmp",
        "relative", "/usr/lib", "/proc", "/x/./y")),
    *({"extraContainers": [{**PLAIN, **part}]} for part in (
        {"securityContext": {}}, {"name": "server"}, {"resources": {}}, {"ports": [{"containerPort": 80}]},
        {"ports": [{"containerPort": 8080, "hostPort": 8080}]}, {"livenessProbe": {"httpGet": {"port": 1, "host": "x"}}},
        {"lifecycle": {}}, {"restartPolicy": "Never"})),
    *({"extraEnvFrom": [source]} for source in (
        {}, {"prefix": "GOVERNANCE_"}, {"prefix": "GOVERNANCE_", "configMapRef": {"name": "x"}},
        {"configMapRef": {"name": "x"}, "secretRef": {"name": "y"}})),
    *({"networkPolicy__extraEgress": [rule]} for rule in (
        {}, {"to": [], "ports": [{"port": 1}]}, {"to": [{"podSelector": {}}]}, {"to": [{"podSelector": {}}], "ports": []})),
    *({"bento__environment": {name: "x"}} for name in ("HOME", "GOVERNANCE_AUDIT__ORIGIN", "A B")),
    {"serviceAccount__tokenSeconds": 599}, {"prometheusRule__thresholds": {"latency": 1}},
    {"prometheusRule__thresholds": {"latency_objective": 0}}, {"networkPolicy__tracing__port": 0},
]  # fmt: skip


@pytest.mark.parametrize("values", ATTACKS, ids=json.dumps)
def test_schema_refuses_what_the_restricted_profile_does_not_admit(helm, values):
    assert "values don't meet the specifications of the schema" in refused(helm, *given(**values))


def test_pod_security_of_the_values_is_added_to_the_restricted_profile(rendered):
    pod = pod_of(rendered["vault-agent-values"])
    assert pod["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001, "supplementalGroups": [3000],
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"},
        "appArmorProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip


def test_openshift_assigns_user_and_groups_and_root_stays_refused(rendered):
    for document in rendered["openshift-values"]:
        if document["kind"] in ("StatefulSet", "Pod"):
            pod = document["spec"].get("template", document)["spec"]
            assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(pod["securityContext"])
            for context in (pod["securityContext"], *(c["securityContext"] for c in all_containers(pod))):
                assert context["runAsNonRoot"] is True and "runAsUser" not in context


def test_network_policy_opens_for_traces_fetched_files_and_extra_egress(rendered):
    egress = one(rendered["vault-agent-values"], "NetworkPolicy")["spec"]["egress"]
    assert [rule["ports"][0]["port"] for rule in egress] == [53, 8200, 4318, 443, 3128]
    assert egress[-1]["to"] == [{"podSelector": {"matchLabels": {"app": "proxy"}}}]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"settings__tracing": {"endpoint": "http://c:4318"}}, "set the peers of the collector"),
        ({"settings__routes": [{"path": "/x", "fetch_hosts": ["h.example"]}]}, "set the peers of the hosts in fetch_hosts"),
        ({"extraContainers": [{**PLAIN, "volumeMounts": [{"name": "service-account-token", "mountPath": "/id"}]}]},
         "service-account-token needs serviceAccount.tokenAudience"),
    ],
)  # fmt: skip
def test_connections_and_tokens_that_would_fail_are_refused_with_a_message(helm, values, sentence):
    assert sentence in refused(helm, *given(**values))


def test_ingress_carries_the_size_of_bodies_and_the_users_annotation_wins(helm, rendered):
    key = "nginx.ingress.kubernetes.io/proxy-body-size"
    annotations = one(rendered["emergency-values"], "Ingress")["metadata"]["annotations"]
    assert annotations[key] == "33554432" and annotations["nginx.ingress.kubernetes.io/ssl-redirect"] == "true"
    assert "annotations" not in one(rendered["openshift-values"], "Ingress")["metadata"]
    own = given(ingress={"enabled": True, "host": "h", "tlsSecretName": "t", "annotations": {key: "1m"}})
    assert one(rendered_with(helm, *own), "Ingress")["metadata"]["annotations"][key] == "1m"


def test_ingress_admits_the_bodies_that_the_service_admits_by_default():
    from governance.settings.models import ModelSettings

    default = yaml.safe_load((CHART / "values.yaml").read_text())["ingress"]["maxBodyBytes"]
    assert default == ModelSettings.model_fields["max_body_bytes"].default


@pytest.mark.parametrize("name", threshold_names())
def test_threshold_of_the_values_replaces_the_number_of_the_rules_and_nothing_else(helm, name):
    documents = rendered_with(helm, *given(prometheusRule__enabled=True, prometheusRule__thresholds={name: 0.125}))
    (rule,) = [d for d in documents if d["kind"] == "PrometheusRule" and d["metadata"]["name"].endswith("-thresholds")]
    text = RULES.read_text()
    changed = re.sub(rf'(:{name}", expr: ).*\}}', r"\1vector(0.125)}", text)
    assert changed != text and rule["spec"] == yaml.safe_load(changed)


def test_image_of_the_chart_is_the_one_that_the_build_script_makes(helm, tmp_path):
    """A fake `docker` prints its arguments."""
    (tmp_path / "docker").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "docker").chmod(0o755)
    for runtime, values in {"cpu": (), "gpu": given(image__flavour="gpu", gpu__count=1)}.items():
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        command = [ROOT / "deploy/image/build.sh", "--runtime", runtime, "--engine", "docker"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        (tag,) = re.findall(r"--tag (\S+)", done.stdout)
        assert {container["image"] for container in all_containers(pod_of(rendered_with(helm, *values)))} == {tag}
        assert runtime == "gpu" or tag in (ROOT / "deploy/image/README.md").read_text()
