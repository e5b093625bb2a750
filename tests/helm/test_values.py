"""The chart's values: documented, used, closed by the schema; contradictory values are refused with a message."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from helm import values
from helm.values.documented import Value, documented_values, leaves
from helm.values.schema import values_schema

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "bento-governance"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
TEMPLATES = "\n".join(path.read_text() for path in sorted((CHART / "templates").rglob("*")) if path.is_file())


VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
DOCUMENTED = [value.path for value in documented_values((CHART / "values.yaml").read_text())]
LEAVES = list(leaves(VALUES, set(DOCUMENTED)))


def test_changed_comment_in_values_yaml_changes_schema_and_readme(tmp_path, monkeypatch):
    chart = tmp_path / CHART.relative_to(ROOT)
    chart.mkdir(parents=True)
    for name in ("values.yaml", "README.md"):
        (chart / name).write_text((CHART / name).read_text().replace("PriorityClass of the pods.", "Something else."))
    monkeypatch.setattr(values, "ROOT", tmp_path)
    monkeypatch.setattr(values, "CHART", chart)
    changed = values.files()
    assert len(changed) == 2
    for path, text in changed.items():
        assert "Something else." in text and text != (ROOT / path).read_text()


def test_documented_values_refuses_a_comment_without_a_value():
    with pytest.raises(ValueError, match=r"values.yaml:3: a comment that describes no value"):
        documented_values("a: 1\n# -- Of nothing.\n\nb: 2\n")


def test_values_schema_refuses_a_value_without_a_known_type():
    with pytest.raises(ValueError, match=r"a.b: add its type to TYPES"):
        values_schema([Value("a.b", [1], "A list.")])


def test_values_are_all_documented():
    assert len(LEAVES) > 90
    assert set(LEAVES) == set(DOCUMENTED)


@pytest.mark.parametrize("path", LEAVES)
def test_values_are_used_by_a_template(path):
    assert re.search(rf"[.$](Values|v)\.{re.escape(path)}\b", TEMPLATES), path


def test_values_are_each_set_in_a_file_in_ci():
    assert len(CI) >= 8

    def given(tree, prefix=""):
        for key, value in tree.items():
            yield f"{prefix}{key}"
            if isinstance(value, dict):
                yield from given(value, f"{prefix}{key}.")

    seen = {path for file in CI for path in given(yaml.safe_load(file.read_text()))}
    assert set(LEAVES) - seen == set()


def test_values_schema_is_closed_everywhere():
    def walk(node, path=""):
        if isinstance(node, dict):
            if node.get("type") == "object" and path not in open_objects and not path.startswith(plugins):
                assert "additionalProperties" in node, path
                assert node["additionalProperties"] is not True, path
            for key, value in node.items():
                walk(value, f"{path}/{key}")
        elif isinstance(node, list):
            for value in node:
                walk(value, path)

    affinity = "/properties/affinity/properties/"
    # A plugin's own model validates its settings when the service starts.
    plugins = "/$defs/settings/properties/plugins/patternProperties/"
    volumes = "/properties/extraVolumes/items/properties/"
    kinds = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
    # `global` is another chart's; Kubernetes' own schemas check affinity and the fields of a volume's kind.
    open_objects = {
        "/properties/global",
        *(f"{volumes}{kind}" for kind in kinds),
        *(f"{affinity}{kind}" for kind in ("nodeAffinity", "podAffinity", "podAntiAffinity")),
    }
    walk(json.loads((CHART / "values.schema.json").read_text()))


MINIMAL = CHART / "ci" / "minimal-values.yaml"


def refused(helm, *settings, values=MINIMAL, **options) -> str:
    arguments = [
        part
        for setting in settings
        for part in ("--set-json" if re.search(r"=(\[|\{|\"|-?\d+$|true$|false$|null$)", setting) else "--set", setting)
    ]
    with pytest.raises(Exception, match=r".") as caught:
        helm.template("-f", values, *arguments, **options)
    assert type(caught.value).__name__ == "RefusalError"
    return str(caught.value)


@pytest.mark.parametrize(
    "setting",
    [
        "replica=2", "models.digits-cnn={\"source\":\"oci\",\"reference\":\"a/b:tag\"}", "image.tags=1", "networkPolicy.caller=[]", "settings.service.plugin=[]", "settings.audit.directory=\"/x\"",
        "settings.limits.storage=\"memory\"", "settings.limits.burst=0", "models.digits-cnn.sha=\"x\"", "replicas=0", "userId=0",
        "gpu.count=-1", "image.digest=\"sha256:12\"", "image.pullPolicy=\"Sometimes\"", "trust.signers=[\"a b\"]",
        "trust.signers=[\"x;rm -rf\"]", "models.digits-cnn.path=\"a$(id)\"", "keys.recipient=\"file:/x\"", "keys.recipient=\"\"",
        "networkPolicy.callers=[{}]", "networkPolicy.callers=[{\"everybody\":{}}]", "bento.port=80", "service.type=\"ExternalName\"",
        "tolerations=[{\"op\":\"Exists\"}]", "audit.accessMode=\"ReadWriteMany\"", "resources.request={}",
    ],
)  # fmt: skip
def test_values_schema_refuses_unknown_and_invalid_values(helm, setting):
    assert "values don't meet the specifications of the schema" in refused(helm, setting)


REDIS = ("redis.secretName=r", 'networkPolicy.redis.to=[{"podSelector":{}}]')
STOP = (
    "stop.configMap=s",
    'settings.service.plugins=["audit","metrics","identity","stop","limits","policy","privacy"]',
)
HTTP = 'models.digits-cnn={"source":"http","url":"https://m/x","sha256":"' + "a" * 64 + '"}'


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (("models={}",), "configure at least one model"),
        (("settingsConfigMap=x",), "settings and settingsConfigMap: set one of them, not both"),
        (("settings={}",), "settings.service.name"),
        (("policy.existingConfigMap=x",), "policy.files and policy.existingConfigMap"),
        (("policy.files={}",), "without policies every request is denied"),
        (("policy.policies=other.cedar",), "policy.files: the file 'other.cedar' is missing"),
        (("policy.shadow=next.cedar",), "policy.files: the file 'next.cedar' is missing"),
        (("trust.publicKeys.x=y",), "trust.publicKeys and trust.existingConfigMap"),
        (("trust.existingConfigMap=",), "set the public keys of the model signers"),
        (("trust.existingConfigMap=", "trust.publicKeys.x=y"), "trust.publicKeys: the file 'signing.key.pub' is missing"),
        (("trust.threshold=2",), "must not be above the number of trust.signers"),
        (("keys.secretProviderClass=x",), "keys.secretName and keys.secretProviderClass: set one of them, not both"),
        (("keys.secretName=",), "'recipient.key' is a file"),
        (("keys.apiKeyHash=",), "API keys need keys.apiKeyHash"),
        (("apiKeys.secretName=",), "no caller could be authenticated"),
        (('models.digits-cnn={"source":"image"}',), "needs path"),
        (('models.digits-cnn={"source":"claim","path":"x"}',), "needs claim"),
        (('models.digits-cnn={"source":"http","url":"https://m/x"}',), "needs url and sha256"),
        (('models.digits-cnn={"source":"oci"}',), "needs reference"),
        ((HTTP,), "set the peers from which models are downloaded"),
        (("stop.configMap=a", "stop.claimName=b"), "stop.configMap and stop.claimName"),
        (("stop.configMap=a",), "settings.service.plugins must list it"),
        ((*STOP, "stop.configMap="), "needs stop.configMap or stop.claimName"),
        ((*STOP, "stop.trustedKeys=[]"), "set the keys that may sign the kill switch's orders"),
        (("breakGlass.configMap=a", "breakGlass.claimName=b"), "breakGlass.configMap and breakGlass.claimName"),
        (("breakGlass.configMap=a", 'breakGlass.trustedKeys=["one"]'), "a grant needs two signatures"),
        (("replicas=2",), "so that all replicas count limits in one Redis"),
        (("autoscaling.enabled=true",), "so that all replicas count limits in one Redis"),
        ((*REDIS, "limits.perReplica=true"), "redis.secretName and limits.perReplica: set one of them, not both"),
        (("redis.secretName=r",), "set the peers of Redis"),
        (("server.terminationGracePeriodSeconds=35",), "must be longer than preStopSeconds + drainSeconds"),
        (("gpu.count=1",), "set image.flavour: gpu"),
        (("image.flavour=gpu",), "needs gpu.count above 0"),
        ((*REDIS, "autoscaling.enabled=true", "autoscaling.minReplicas=9"), "minReplicas is above maxReplicas"),
        (("podDisruptionBudget.minAvailable=1",), "no node can be drained"),
        (("ingress.enabled=true", "ingress.host=x.example"), "needs host and tlsSecretName"),
        (("serviceMonitor.enabled=true", 'networkPolicy.prometheus=[{"podSelector":{}}]'), "Prometheus needs a credential"),
        (("serviceMonitor.enabled=true", "serviceMonitor.credentialsSecretName=c"), "set the peers of Prometheus"),
        (("keys.recipient=awskms:alias/x",), "set the peers of the key service"),
        (('settings.identity={"issuers":{"i":{"issuer":"https://i","audiences":["a"]}}}',), "set the peers of the issuer 'i'"),
    ],
)  # fmt: skip
def test_contradictory_values_are_refused_with_a_message(helm, settings, sentence):
    assert sentence in refused(helm, *settings)


def test_chart_passes_settings_of_plugins_to_governance_toml(helm):
    documents = helm.template("-f", MINIMAL, "--set-json", 'settings.plugins={"greeter":{"text":"hello"}}')
    toml = next(d["data"]["governance.toml"] for d in documents if "governance.toml" in d.get("data", {}))
    assert tomllib.loads(toml)["plugins"] == {"greeter": {"text": "hello"}}


def test_termination_grace_period_is_refused_up_to_its_boundary(helm):
    helm.template("-f", MINIMAL, "--set-json", "server.terminationGracePeriodSeconds=36")
    assert "must be longer" in refused(helm, "server.terminationGracePeriodSeconds=35")


def test_chart_without_values_names_what_is_missing(helm):
    with pytest.raises(Exception, match="configure at least one model"):
        helm.template()


def test_helm_lint_accepts_the_chart(helm):
    helm.run("lint", CHART, "--strict", "--kube-version", "1.35.0", "-f", MINIMAL)
