"""The objects that the chart renders: valid for Kubernetes, restricted, and accepted by the service."""

import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from governance.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "bento-governance"
CI = sorted(path.stem for path in (CHART / "ci").glob("*-values.yaml"))
MINIMAL = CHART / "ci" / "minimal-values.yaml"
OURS = {"monitoring.coreos.com/v1"}


def one(documents, kind):
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


def pod_of(documents):
    return one(documents, "StatefulSet")["spec"]["template"]["spec"]


def server_of(documents):
    return pod_of(documents)["containers"][0]


def all_containers(pod):
    return [*pod.get("initContainers", ()), *pod["containers"]]


@pytest.mark.parametrize("name", CI)
def test_chart_objects_fit_the_kubernetes_schemas(rendered, name):
    checked = 0
    for document in rendered[name]:
        if document["apiVersion"] not in OURS:
            kubernetes_validate.validate(document, "1.35", strict=True)
            checked += 1
    assert checked >= 4


def test_kubernetes_schemas_refuse_an_unknown_field(rendered):
    document = deepcopy(one(rendered[CI[0]], "StatefulSet"))
    document["spec"]["template"]["spec"]["containers"][0]["readOnlyRoot"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, "1.35", strict=True)


def findings(folder, *flags):
    output = folder / "report.json"
    command = [
        str(Path(sys.executable).parent / "policy-guard"),
        "scan",
        str(folder / "manifests"),
        "-f",
        "json",
        "-l",
        "restricted",
        "-o",
        str(output),
    ]
    subprocess.run([*command, *flags], capture_output=True, check=False)
    return json.loads(output.read_text())


def rules_of(report):
    found = set()

    def walk(node):
        if isinstance(node, dict):
            found.update(value for value in node.values() if isinstance(value, str) and value.startswith("PG-"))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(report)
    return found


def write(folder, documents):
    (folder / "manifests").mkdir()
    (folder / "manifests" / "all.yaml").write_text(yaml.dump_all(documents, Dumper=yaml.CSafeDumper))


# Accepted: an image without a digest, one replica, large pods for GPUs, and a token that a value asks for.
ACCEPTED = {"PG-IMG-002", "PG-IMG-004", "PG-CTR-005", "PG-CTR-006"}


def test_chart_pods_meet_the_restricted_profile(rendered, tmp_path):
    pods = [
        document
        for documents in rendered.values()
        for document in documents
        if document["kind"] in ("StatefulSet", "Pod")
    ]
    assert len(pods) > len(CI)
    write(tmp_path, pods)
    found = rules_of(findings(tmp_path))
    assert {rule for rule in found if rule.startswith(("PG-PSS", "PG-IMG", "PG-RBAC"))} - ACCEPTED == set()


FAULTS = {
    "PG-PSS-001": lambda pod: pod["containers"][0]["securityContext"].update(privileged=True),
    "PG-PSS-002": lambda pod: pod.update(hostPID=True),
    "PG-PSS-003": lambda pod: pod.update(hostIPC=True),
    "PG-PSS-004": lambda pod: pod.update(hostNetwork=True),
    "PG-PSS-005": lambda pod: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    "PG-PSS-007": lambda pod: pod["containers"][0]["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
    "PG-PSS-008": lambda pod: pod["containers"][0]["securityContext"].pop("capabilities"),
    "PG-PSS-010": lambda pod: pod["containers"][0]["securityContext"].update(runAsUser=0),
    "PG-PSS-015": lambda pod: pod["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
    "PG-PSS-017": lambda pod: pod["containers"][0]["securityContext"].update(allowPrivilegeEscalation=True),
    "PG-PSS-018": lambda pod: pod["containers"][0]["securityContext"].update(readOnlyRootFilesystem=False),
}


def test_restricted_profile_check_finds_planted_faults(rendered, tmp_path):
    planted = []
    for number, fault in enumerate(FAULTS.values()):
        document = deepcopy(one(rendered["minimal-values"], "StatefulSet"))
        document["metadata"]["name"] = f"fault-{number}"
        fault(document["spec"]["template"]["spec"])
        planted.append(document)
    write(tmp_path, planted)
    assert set(FAULTS) <= rules_of(findings(tmp_path))


@pytest.mark.parametrize("name", CI)
def test_chart_containers_are_confined(rendered, name):
    for document in rendered[name]:
        if document["kind"] not in ("StatefulSet", "Pod"):
            continue
        pod = document["spec"].get("template", document)["spec"]
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True
        assert name == "openshift-values" or (context["runAsUser"] > 0 and context["runAsGroup"] > 0)
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is (name == "kms-values" and document["kind"] == "StatefulSet")
        for container in all_containers(pod):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True and security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["seccompProfile"]["type"] in ("RuntimeDefault", "Localhost")
            assert {"requests", "limits"} <= set(container["resources"])


@pytest.mark.parametrize("name", [name for name in CI if name != "existing-values"])
def test_chart_settings_are_valid_and_their_paths_are_mounted(rendered, name, tmp_path):
    (settings_map,) = [d for d in rendered[name] if d["kind"] == "ConfigMap" and "governance.toml" in d.get("data", {})]
    file = tmp_path / "governance.toml"
    file.write_text(settings_map["data"]["governance.toml"])
    server = server_of(rendered[name])
    environment = {item["name"]: item.get("value", "redis://redis:6379") for item in server["env"]}
    environment["GOVERNANCE_AUDIT__ORIGIN"] = environment["GOVERNANCE_AUDIT__ORIGIN"].replace(
        "$(POD_NAME)", "release-0"
    )
    settings = load_settings(file, environment)
    assert settings.audit.origin == "ml/release-0"
    mounts = [mount["mountPath"] for mount in server["volumeMounts"]]
    paths = [
        path
        for path in strings(settings.model_dump(mode="json"))
        if path.startswith(("/etc/", "/run/", "/var/", "/tmp/", "/models/", "file:/"))
    ]
    assert len(paths) > 3
    for path in paths:
        assert any(f"{path.removeprefix('file:')}/".startswith(f"{mount}/") for mount in mounts), path
    if "drift" in settings.service.plugins:
        assert settings.drift.directory and settings.drift.window_items == 5000
    if name not in ("kms-values", "vault-agent-values"):
        assert settings.artifacts.recipient_key.startswith("file:/run/bento-governance/keys/")
    assert settings.models


def strings(node):
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        # A route's path and a JSON Pointer are not file names.
        for key, value in node.items():
            if key not in ("path", "route", "pointer"):
                yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)


@pytest.mark.parametrize("name", CI)
def test_chart_volumes_and_mounts_match(rendered, name):
    statefulset = one(rendered[name], "StatefulSet")
    pod = statefulset["spec"]["template"]["spec"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    claims = {claim["metadata"]["name"] for claim in statefulset["spec"]["volumeClaimTemplates"]}
    mounted = {mount["name"] for container in all_containers(pod) for mount in container.get("volumeMounts", ())}
    assert mounted == volumes | claims


@pytest.mark.parametrize("name", CI)
def test_chart_grace_period_covers_pre_stop_and_drain(rendered, name):
    pod, server = pod_of(rendered[name]), server_of(rendered[name])
    wait = int(server["lifecycle"]["preStop"]["exec"]["command"][1])
    drain = int(server["args"][server["args"].index("--timeout-graceful-shutdown") + 1])
    assert pod["terminationGracePeriodSeconds"] > wait + drain


@pytest.mark.parametrize("name", CI)
def test_chart_server_mounts_no_secret_source_and_has_no_secret_variable(rendered, name):
    server = server_of(rendered[name])
    assert not [mount for mount in server["volumeMounts"] if mount["name"].endswith("-source")]
    secret = [item["name"] for item in server["env"] if "secretKeyRef" in item.get("valueFrom", {})]
    assert secret in ([], ["GOVERNANCE_LIMITS__STORAGE"])


@pytest.mark.parametrize("name", CI)
def test_chart_audit_volumes_are_retained(rendered, name):
    spec = one(rendered[name], "StatefulSet")["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]] == ["audit"]


def test_network_policy_allows_only_named_peers(rendered):
    policy = one(rendered["minimal-values"], "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    (only,) = policy["ingress"]
    assert only["from"] == [{"podSelector": {"matchLabels": {
        "app.kubernetes.io/name": "bento-governance", "app.kubernetes.io/instance": "release", "app.kubernetes.io/component": "test"}}}]  # fmt: skip
    (dns,) = policy["egress"]
    assert {(port["port"], port["protocol"]) for port in dns["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert not [d for d in rendered["existing-values"] if d["kind"] == "NetworkPolicy"]
    # An empty list of peers would admit every pod.
    for documents in rendered.values():
        for document in documents:
            if document["kind"] == "NetworkPolicy":
                assert all(rule.get("from") for rule in document["spec"]["ingress"] or ())
                assert all(rule.get("to") for rule in document["spec"]["egress"] or ())


def test_network_policy_peers_come_from_the_values(rendered):
    egress = one(rendered["kms-values"], "NetworkPolicy")["spec"]["egress"]
    assert {rule["ports"][0]["port"] for rule in egress} == {53, 8443, 443}
    ingress = one(rendered["shared-limits-values"], "NetworkPolicy")["spec"]["ingress"]
    assert ingress[0]["from"][0]["podSelector"] == {"matchLabels": {"app": "viewer"}}


def annotations(documents):
    return one(documents, "StatefulSet")["spec"]["template"]["metadata"]["annotations"]


def test_chart_rolls_the_pods_when_settings_change(helm, rendered):
    before = annotations(rendered["minimal-values"])
    changed = annotations(helm.template("-f", MINIMAL, "--set-json", "settings.limits.burst=7"))
    assert changed["checksum/settings"] != before["checksum/settings"]
    assert changed["checksum/policy"] == before["checksum/policy"]


def test_chart_rolls_the_pods_when_policies_change_unless_roll_pods_is_false(helm, rendered):
    before = annotations(rendered["minimal-values"])
    new = ("--set", r"policy.files.policy\.cedar=forbid(principal\,action\,resource);")
    assert annotations(helm.template("-f", MINIMAL, *new))["checksum/policy"] != before["checksum/policy"]
    assert "checksum/policy" not in annotations(helm.template("-f", MINIMAL, *new, "--set", "policy.rollPods=false"))


def test_chart_gpu_is_requested_and_required(rendered):
    server = server_of(rendered["gpu-values"])
    assert server["resources"]["limits"]["nvidia.com/gpu"] == 1
    toml = next(d for d in rendered["gpu-values"] if "governance.toml" in d.get("data", {}))["data"]["governance.toml"]
    assert 'require_device = "cuda"' in toml
    assert pod_of(rendered["gpu-values"])["runtimeClassName"] == "nvidia"


def test_chart_autoscaling_sets_no_replicas(rendered):
    assert "replicas" not in one(rendered["watched-values"], "StatefulSet")["spec"]
    hpa = one(rendered["watched-values"], "HorizontalPodAutoscaler")["spec"]
    assert hpa["scaleTargetRef"]["name"] == one(rendered["watched-values"], "StatefulSet")["metadata"]["name"]
    assert hpa["metrics"][0]["pods"]["metric"]["name"] == "governance_requests_in_flight"


def test_chart_selectors_match_the_pods(rendered):
    for documents in rendered.values():
        labels = one(documents, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
        own = {d["metadata"]["name"]: d["metadata"]["labels"] for d in documents if d["kind"] == "Service"}
        for document in documents:
            if document["kind"] == "Service":
                assert document["spec"]["selector"].items() <= labels.items()
            elif document["kind"] in ("PodDisruptionBudget",):
                assert document["spec"]["selector"]["matchLabels"].items() <= labels.items()
            elif document["kind"] == "ServiceMonitor":
                # Exactly one Service, or each pod would be scraped twice.
                selected = [
                    name
                    for name, got in own.items()
                    if document["spec"]["selector"]["matchLabels"].items() <= got.items()
                ]
                assert len(selected) == 1


def test_chart_prometheus_rules_are_files_rules(rendered):
    rules = [d for d in rendered["watched-values"] if d["kind"] == "PrometheusRule"]
    files = sorted((CHART / "files/rules").glob("*.yaml"))
    assert len(rules) == len(files) > 3
    for rule, file in zip(rules, files, strict=True):
        assert rule["spec"] == yaml.safe_load(file.read_text())


def test_chart_dashboards_are_files_dashboards(rendered):
    files = sorted((CHART / "files/dashboards").glob("*.json"))
    assert len(files) == 5
    maps = [d for d in rendered["watched-values"] if d["metadata"]["name"].find("-dashboard-") > 0]
    assert [json.loads(d["data"][file.name]) for d, file in zip(maps, files, strict=True)] == [
        json.loads(f.read_text()) for f in files
    ]


def test_chart_package_renders_like_the_folder(helm, rendered, tmp_path):
    helm.run("package", CHART, "--destination", tmp_path)
    (package,) = tmp_path.glob("*.tgz")
    text = helm.run("template", "release", package, "-n", "ml", "--kube-version", "1.35.0", "-f", MINIMAL)
    assert [d for d in yaml.load_all(text, yaml.CSafeLoader) if d] == rendered["minimal-values"]
