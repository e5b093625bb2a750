"""A real Prometheus on loopback, and the targets that it scrapes."""

import shutil
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import yaml

from deploy.prometheus.rules import ROOT, RULES
from governance.testing import answers, free_port, running
from governance.testing import eventually as soon
from tests.deploy.catalogue import Exporter
from tests.e2e.conftest import digit, state  # noqa: F401

# Prometheus scrapes and evaluates every second, so tests wait longer for it than for the service.
eventually = partial(soon, seconds=30, every=0.2)


def need(*programs: str) -> None:
    """Skip the test if a program is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed here")


@contextmanager
def process(command, log: Path, url: str):
    """Run a server until the block ends; the block starts once `url` answers 200."""
    need(command[0])
    with running(command, partial(answers, url), log=log) as server:
        yield server


class Prometheus:
    """A running Prometheus with the project's rules, and its HTTP API."""

    def __init__(self, url: str):
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=30)

    def query(self, expression: str) -> list[dict]:
        """Return the series of an instant query.

        Raises:
            ValueError: Prometheus answers with an error.
        """
        reply = self.client.get("/api/v1/query", params={"query": expression}).json()
        if reply["status"] != "success":
            raise ValueError(f"{expression}: {reply['error']}")
        return reply["data"]["result"]

    def within(self, expression: str, seconds: int = 300) -> list[dict]:
        """Return the series of a query over the last seconds, one value per second, as Grafana does for annotations."""
        now = time.time()
        asked = {"query": expression, "start": now - seconds, "end": now, "step": 1}
        reply = self.client.get("/api/v1/query_range", params=asked).json()
        if reply["status"] != "success":
            raise ValueError(f"{expression}: {reply['error']}")
        return reply["data"]["result"]

    def firing(self) -> set[str]:
        return {series["metric"]["alertname"] for series in self.query('ALERTS{alertstate="firing"}')}


@contextmanager
def watching(folder: Path, target: str, *, key_file: Path | None = None, alertmanager: str | None = None):
    """Start Prometheus with the project's configuration, with an interval of one second and the addresses of the test."""
    document = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    document["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    document["rule_files"] = [f"{RULES}/*.yaml"]
    job = document["scrape_configs"][0]
    job["static_configs"] = [{"targets": [target]}]
    if key_file is None:
        del job["authorization"]
    else:
        job["authorization"]["credentials_file"] = str(key_file)
    document["scrape_configs"] = [job]
    document["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [alertmanager] if alertmanager else []}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(document))
    port = free_port()
    command = [
        "prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
        f"--web.user-assets={ROOT / 'deploy/prometheus/pages'}", "--log.level=warn",
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with process(command, folder / "prometheus.log", f"{url}/-/ready"):
        prometheus = Prometheus(url)
        yield prometheus
        prometheus.client.close()


@pytest.fixture(scope="session")
def fake():
    """The fake service, and its address."""
    exporter, port = Exporter(), free_port()
    with exporter.serving(port):
        yield exporter, f"127.0.0.1:{port}"
