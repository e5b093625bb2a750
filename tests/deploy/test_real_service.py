"""A real service with two workers, traffic of all kinds, and a real Prometheus with the rules.

Every query of every panel must return data, and alerts must fire for what happened.
"""

import json
import os
import shutil

import pytest

from tests.deploy.conftest import eventually, watching
from tests.deploy.test_dashboards import MISSING, QUERIES, empty_queries
from tests.deploy.test_rules import metrics_of
from tests.e2e.conftest import ROOT, State, serving

SETTINGS = ROOT / "bentos/digits/governance.toml"
INFER = "/v2/models/{model}/infer"
SERVICE = """
import bentoml
from bentos.digits.service import Classification, Picture, governance, Digits as Plain


@governance.guard
@bentoml.service(name="digits", workers=2)
class Digits(Plain.inner):
    @bentoml.api
    def classify(self, image: Picture) -> Classification:
        return Plain.inner.classify.func(self, image)
"""
POLICIES = """
@id("emergency") permit (principal, action == Action::"infer", resource)
when { context has emergency && context.emergency == "code-blue" };
@id("no-health-data-for-the-rnn") forbid (principal, action == Action::"infer", resource == Model::"digits-rnn")
when { context has data_classes && context.data_classes.contains("health") };
"""


class Scenario:
    """A service with its own state, its callers, and what they do."""

    def __init__(self, folder, state):
        self.folder = folder
        own = self.state = object.__new__(State)
        own.folder, own.keys, own.token = folder, state.keys, state.token
        for name in ("stop.json", "api-keys.json"):
            shutil.copy(state.folder / name, folder)
        text = (ROOT / "bentos/digits/policy.cedar").read_text()
        (folder / "policy.cedar").write_text(text + POLICIES)
        (folder / "shadow.cedar").write_text('@id("forbid-all") forbid (principal, action, resource);')
        (folder / "service.py").write_text(SERVICE)
        (folder / "grants").mkdir()
        fields = [
            {"route": INFER, "pointer": "/parameters/patient_id", "operator": "hash"},
            {"route": INFER, "pointer": "/parameters/diagnosis", "operator": "drop", "data_class": "health"},
        ]
        limit = {"digits-rnn": {"rate_per_second": 0.01, "burst": 30}}
        own.environment = {
            **state.environment,
            "GOVERNANCE_AUDIT__DIRECTORY": str(folder / "audit"),
            "GOVERNANCE_DRIFT__DIRECTORY": str(folder / "drift"),
            "GOVERNANCE_STOP__FILE": str(folder / "stop.json"),
            "GOVERNANCE_IDENTITY__API_KEYS": str(folder / "api-keys.json"),
            "GOVERNANCE_POLICY__POLICIES": str(folder / "policy.cedar"),
            "GOVERNANCE_POLICY__SHADOW": str(folder / "shadow.cedar"),
            "GOVERNANCE_PRIVACY__FIELDS": json.dumps(fields),
            "GOVERNANCE_PRIVACY__TEXT": json.dumps([{"route": INFER, "pointers": ["/parameters/note"]}]),
            "GOVERNANCE_LIMITS__MODELS": json.dumps(limit),
            "GOVERNANCE_BREAK_GLASS__DIRECTORY": str(folder / "grants"),
            "GOVERNANCE_BREAK_GLASS__TRUSTED_KEYS": json.dumps([f"{folder}/head.key.pub", f"{folder}/officer.key.pub"]),
            "GOVERNANCE_BREAK_GLASS__THRESHOLD": "2",
            "GOVERNANCE_BREAK_GLASS__REASONS": '["code-blue"]',
        }
        for person in ("head", "officer"):
            self.command("key", "create", "signing", folder / f"{person}.key")
        self.viewer = self.key("visitor", "viewer", "--expires-days", "10")
        self.nurse = self.key("nurse", "nurse")
        self.former = self.key("former", "classifier")
        store = ("--store", folder / "api-keys.json", "--hash-key", f"file:{state.keys}/api-key-hash.key")
        # A key's id may begin with a dash.
        self.command("api-key", "revoke", *store, "--", self.former.split("_")[1])
        self.key_file = folder / "prometheus.api-key"
        self.key_file.write_text(self.key("prometheus", "operator"))

    def command(self, *arguments):
        done = self.state.cli(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def key(self, caller, role, *options):
        made = self.state.api_key("create", caller, "--role", role, "--json", *options)
        return json.loads(made)["token"]

    def use_an_emergency_grant(self):
        grant = self.folder / "nurse.grant"
        settings = ("--settings", SETTINGS)
        self.command("grant", "create", "nurse", grant, "--model", "digits-cnn", "--reason", "code-blue", "--minutes", "30", "--sign-with", f"file:{self.folder}/head.key", *settings)  # fmt: skip
        self.command("grant", "sign", grant, "--sign-with", f"file:{self.folder}/officer.key", *settings)
        shutil.copy(grant, self.folder / "grants")

    def change_the_policies(self):
        with (self.folder / "policy.cedar").open("a") as file:
            file.write("// Nothing else.\n")

    def switch(self, verb, model):
        self.command(verb, model, "--reason", "a test", "--settings", SETTINGS)

    def ask(self, running, digit, model="digits-cnn", token=None, **parameters):
        tensor = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32", "data": digit.ravel().tolist()}
        headers = {"connection": "close"} | ({} if token is None else {"authorization": f"Bearer {token}"})
        body = {"inputs": [tensor], "parameters": parameters}
        return running.client.post(f"/v2/models/{model}/infer", json=body, headers=headers).status_code

    def send_traffic(self, running, digit):
        """Cause answers, refusals of each kind, findings and limits; return the status codes received."""
        seen = {self.ask(running, digit, note="Maria Gonzalez, +1 415 555 2671, maria@example.org", patient_id="17")}
        seen |= {
            self.ask(running, digit, token=token)
            for token in (self.viewer, self.nurse, self.former, "guessed", "x.y.z")
        }
        seen |= {self.ask(running, digit, "digits-rnn", diagnosis="flu"), self.ask(running, digit, "digits-rnn")}
        seen.add(running.client.get("/v2/models/none").status_code)
        picture = (self.state.keys.parent / "digit.png").read_bytes()
        seen.add(running.client.post("/classify", files={"image": ("7.png", picture)}).status_code)
        return seen


@pytest.fixture(scope="module")
def live(state, digit, tmp_path_factory):
    """The service after traffic, an emergency grant, a policy change and a stop, with Prometheus scraping it."""
    folder = tmp_path_factory.mktemp("scenario")
    scenario = Scenario(folder, state)
    environment = {"PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))}
    with (
        serving(scenario.state, "service:Digits", cwd=folder, environment=environment) as running,
        watching(
            tmp_path_factory.mktemp("prometheus"), f"127.0.0.1:{running.port}", key_file=scenario.key_file
        ) as prometheus,
    ):
        assert {200, 401, 403, 404} <= scenario.send_traffic(running, digit)
        scenario.use_an_emergency_grant()
        assert eventually(lambda: scenario.ask(running, digit, token=scenario.nurse) == 200)
        scenario.change_the_policies()
        scenario.switch("stop", "digits-rnn")
        assert eventually(lambda: scenario.ask(running, digit, "digits-rnn") == 503)
        yield scenario, running, prometheus


def test_dashboard_queries_return_data_from_a_real_service(live, digit):
    scenario, running, prometheus = live

    def empty():
        scenario.send_traffic(running, digit)
        return empty_queries(prometheus)

    def only_missing_metrics(found):
        return all(metrics_of(expression) & set(MISSING) for expression in found.values())

    eventually(lambda: only_missing_metrics(empty()), seconds=40, every=0.5)
    left = {place: expression for place, expression in empty().items() if not metrics_of(expression) & set(MISSING)}
    assert not left, "\n".join(f"{place}: {expression}" for place, expression in left.items())


def test_metrics_listed_as_missing_are_missing(live):
    """The list of missing metrics contains no metric that exists, and none that no query uses."""
    *_, prometheus = live
    for metric in MISSING:
        assert prometheus.query(metric) == []
        assert any(metric in expression for *_, expression in QUERIES)


def test_alerts_fire_for_what_happened_and_no_others(live):
    *_, prometheus = live
    expected = {
        "GovernanceKillSwitchOn",
        "GovernanceRevokedCredentialUsed",
        "GovernanceBreakGlassUsed",
        "GovernanceForbiddenDataClass",
    }
    assert eventually(lambda: expected <= prometheus.firing()), prometheus.firing()
    # None of these happened.
    others = {"GovernanceTargetDown", "GovernanceMetricsAbsent", "GovernanceAuditNotWritable", "GovernanceArtifactRefused", "GovernanceAuditCheckpointStale", "GovernanceModelNotReady", "GovernanceKeyServiceUnavailable"}  # fmt: skip
    assert not others & prometheus.firing()


def test_kill_switch_alert_resolves_on_resume(live, digit):
    scenario, running, prometheus = live
    scenario.switch("resume", "digits-rnn")
    assert eventually(lambda: "GovernanceKillSwitchOn" not in prometheus.firing())
    assert scenario.ask(running, digit) == 200


def test_prometheus_api_key_reads_metrics_and_is_refused_inference(live, digit):
    scenario, running, prometheus = live
    assert prometheus.query('up{job="governance"}')[0]["value"][1] == "1"
    assert scenario.ask(running, digit, token=scenario.key_file.read_text()) == 403
