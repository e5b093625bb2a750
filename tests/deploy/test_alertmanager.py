"""Alertmanager: routes, inhibition and templates, and an alert on its whole way from a metric to the webhook."""

import json
import re
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from deploy.prometheus.rules import ROOT, alerts
from tests.deploy.conftest import eventually, free_port, need, process, watching

FOLDER = ROOT / "deploy/alertmanager"
NAMES = set(alerts())


class Receiver:
    """A webhook on loopback that keeps the notifications it receives."""

    def __init__(self):
        received = self.received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/alerts"

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def alerts(self, name):
        return [(part["receiver"], alert) for part in self.received for alert in part["alerts"] if alert["labels"]["alertname"] == name]  # fmt: skip


def for_debian(text, url):
    """Write the URL into the configuration, since Debian's Alertmanager (0.25) does not support `url_file`."""
    return re.sub(r"url_file: \S+", f"url: {url}", text).replace("/etc/alertmanager/", f"{FOLDER}/")


@pytest.fixture(scope="module")
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def alertmanager(receiver, tmp_path_factory):
    """A running Alertmanager with the project's configuration, but with waits of one second instead of minutes."""
    folder = tmp_path_factory.mktemp("alertmanager")
    text = for_debian((FOLDER / "alertmanager.yml").read_text(), receiver.url)
    text = re.sub(r"(group_wait|group_interval): \w+", r"\1: 1s", text)
    (folder / "alertmanager.yml").write_text(text)
    port = free_port()
    command = [
        "prometheus-alertmanager", f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
    ]  # fmt: skip
    with process(command, folder / "log", f"http://127.0.0.1:{port}/-/ready"):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def configuration(tmp_path_factory):
    need("amtool")
    file = tmp_path_factory.mktemp("amtool") / "alertmanager.yml"
    file.write_text(for_debian((FOLDER / "alertmanager.yml").read_text(), "http://127.0.0.1:1/"))
    return file


def test_alertmanager_configuration_and_templates_pass_amtool(configuration):
    done = subprocess.run(["amtool", "check-config", configuration], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "1 templates" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("severity", "receiver_name"), [("critical", "critical"), ("warning", "warning"), ("info", "none")]
)
def test_alertmanager_routes_each_severity_to_its_receiver(configuration, severity, receiver_name):
    name = next(name for name, rule in alerts().items() if rule["labels"]["severity"] == severity)
    command = ["amtool", "config", "routes", "test", f"--config.file={configuration}", f"severity={severity}", f"alertname={name}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == receiver_name


def test_alertmanager_inhibition_names_only_existing_alerts():
    text = (FOLDER / "alertmanager.yml").read_text()
    for pattern in re.findall(r"Governance[^\"]*", text):
        assert any(re.fullmatch(pattern, name) for name in NAMES), pattern


def test_alertmanager_templates_link_to_the_runbook(configuration):
    command = ["amtool", "template", "render", f"--template.glob={FOLDER}/*.tmpl", '--template.text={{ template "governance.title" . }}|{{ template "governance.text" . }}']  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "|" in done.stdout and "What to do: " in done.stdout


def test_kill_switch_alert_reaches_the_webhook_and_resolves(fake, alertmanager, receiver, tmp_path):
    exporter, target = fake
    stopped = exporter.child("governance_stopped", "digits-rnn")
    stopped.set(1)
    try:
        with watching(tmp_path, target, alertmanager=alertmanager):
            assert eventually(lambda: receiver.alerts("GovernanceKillSwitchOn"))
            name, alert = receiver.alerts("GovernanceKillSwitchOn")[0]
            assert (name, alert["status"], alert["labels"]["model"]) == ("critical", "firing", "digits-rnn")
            assert "digits-rnn is stopped by the kill switch" in alert["annotations"]["summary"]
            assert re.fullmatch(
                r"http://.+/user/RUNBOOK.html#governancekillswitchon", alert["annotations"]["runbook_url"]
            )
            stopped.set(0)
            assert eventually(
                lambda: [a for _, a in receiver.alerts("GovernanceKillSwitchOn") if a["status"] == "resolved"]
            )
    finally:
        stopped.set(0)


def put(alertmanager, *alerts):
    now = datetime.now(UTC)
    body = [
        {"labels": labels, "startsAt": now.isoformat(), "endsAt": (now + timedelta(minutes=5)).isoformat()}
        for labels in alerts
    ]
    httpx.post(f"http://{alertmanager}/api/v2/alerts", json=body).raise_for_status()


def suppressed(alertmanager, instance):
    found = httpx.get(f"http://{alertmanager}/api/v2/alerts", params={"filter": f'instance="{instance}"'}).json()
    return {alert["labels"]["alertname"] for alert in found if alert["status"]["inhibitedBy"]}


def test_alertmanager_target_down_inhibits_other_alerts_of_that_instance_only(alertmanager):
    common = {"job": "governance", "severity": "critical"}
    put(
        alertmanager,
        {**common, "alertname": "GovernanceTargetDown", "instance": "down"},
        {**common, "alertname": "GovernanceModelNotReady", "instance": "down", "model": "m"},
        {**common, "alertname": "GovernanceModelNotReady", "instance": "up", "model": "n"},
    )
    assert eventually(lambda: suppressed(alertmanager, "down") == {"GovernanceModelNotReady"})
    assert suppressed(alertmanager, "up") == set()
