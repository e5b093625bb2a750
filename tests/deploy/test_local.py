"""deploy/local.sh: one command starts Prometheus and Alertmanager for a running service."""

import os
import re
import subprocess

import httpx
import pytest

from deploy.prometheus.rules import ROOT
from governance.testing import free_port
from tests.deploy.conftest import eventually, need

SCRIPT = ROOT / "deploy/local.sh"


@pytest.fixture(autouse=True)
def installed():
    need("prometheus", "prometheus-alertmanager", "curl")


def environment(tmp_path, target):
    key = tmp_path / "key"
    key.write_text("bgk_test\n")
    ports = {"PROMETHEUS_PORT": str(free_port()), "ALERTMANAGER_PORT": str(free_port())}
    return {
        **os.environ,
        **ports,
        "PORT": target.split(":")[1],
        "KEY_FILE": str(key),
        "WATCH_STATE": str(tmp_path / "watch"),
    }


def test_local_script_starts_prometheus_and_alertmanager_and_stops_both(fake, tmp_path):
    variables = environment(tmp_path, fake[1])
    with (tmp_path / "said").open("wb") as output:
        running = subprocess.Popen(["bash", SCRIPT], env=variables, stdout=output, stderr=subprocess.STDOUT)
    said = (tmp_path / "said").read_text
    try:
        assert eventually(lambda: "Make an alert fire" in said() or running.poll() is not None)
        assert running.poll() is None, said()
        for url in re.findall(r"http://127\.0\.0\.1:\S+", said().split(":\n", 1)[1]):
            assert eventually(lambda url=url: httpx.get(url).status_code < 400), url
        prometheus = f"http://127.0.0.1:{variables['PROMETHEUS_PORT']}/api/v1"
        expected = {
            "governance": fake[1],
            "prometheus": f"127.0.0.1:{variables['PROMETHEUS_PORT']}",
            "alertmanager": f"127.0.0.1:{variables['ALERTMANAGER_PORT']}",
        }

        def targets():
            active = httpx.get(f"{prometheus}/targets").json()["data"]["activeTargets"]
            return {target["labels"]["job"]: target["discoveredLabels"]["__address__"] for target in active}

        assert eventually(lambda: targets() == expected), targets()
        assert len(httpx.get(f"{prometheus}/rules").json()["data"]["groups"]) > 12
        assert eventually(lambda: httpx.get(f"{prometheus}/alertmanagers").json()["data"]["activeAlertmanagers"])

        def seen():
            found = httpx.get(f"{prometheus}/query", params={"query": "governance_build_info"}).json()["data"]["result"]
            return bool(found)

        assert eventually(seen, every=0.5)
    finally:
        running.terminate()
        running.wait(20)
    for port in ("PROMETHEUS_PORT", "ALERTMANAGER_PORT"):
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{variables[port]}/-/ready")
    assert "bgk_test" not in said() + (tmp_path / "watch/prometheus.yml").read_text()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [({"KEY_FILE": "none"}, "make serve"), ({"PORT": "1"}, "nothing answers"), ({"PROMETHEUS_PORT": "taken"}, "is taken")],
)  # fmt: skip
def test_local_script_names_what_is_missing(fake, tmp_path, changed, sentence):
    taken = fake[1].split(":")[1]
    changed = {name: taken if value == "taken" else value for name, value in changed.items()}
    done = subprocess.run(["bash", SCRIPT], env=environment(tmp_path, fake[1]) | changed, capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 1 and sentence in done.stderr


@pytest.mark.parametrize("script", ["local.sh", "prepare.sh"])
def test_local_and_prepare_scripts_have_help(script):
    done = subprocess.run(["bash", ROOT / "deploy" / script, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and script in done.stdout
    assert subprocess.run(["bash", ROOT / "deploy" / script, "-x"], capture_output=True, check=False).returncode == 2
