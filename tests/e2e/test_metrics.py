"""Metrics and traces of a service with two workers: Prometheus scrapes it, an OTLP receiver gets its spans."""

import json
import re
import subprocess
import threading
import time
import warnings
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from types import SimpleNamespace

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from governance.plugins.metrics.table import PREFIX, TABLE
from governance.settings import load_settings
from governance.testing import answers, eventually, free_port, running
from tests.e2e.conftest import ROOT, serving

SERVICE = f"""
import bentoml
from governance import Governance

governance = Governance.from_file("{ROOT}/bentos/digits/governance.toml")


@governance.guard
@bentoml.service(name="digits", workers=2)
class Digits:
    def __init__(self):
        self.cnn = governance.open_model("digits-cnn")
"""
CALLER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CANARY = "zachariascanary"
CALLS = 40
# Metrics that exist only with a GPU, drift, free text, break-glass, shadow policies or a kill switch.
ELSEWHERE = {
    "gpu_memory_bytes", "gpu_utilization_ratio", "shadow_decisions_total", "break_glass_requests_total",
    "obligations_total", "stopped", "policy_reload_failed", "events_total", "entities_total", "data_classes_total",
    *(name for name in TABLE if name.startswith("drift_")),
}  # fmt: skip


class Collector:
    """An OTLP/HTTP receiver for traces."""

    def __init__(self):
        self.spans, self.bodies, self.headers = [], [], []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                request = ExportTraceServiceRequest.FromString(body)
                collector.bodies.append(body)
                collector.headers.append(dict(self.headers))
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans.extend(scope.spans)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def of(self, trace_id):
        return [span for span in self.spans if span.trace_id.hex() == trace_id]


class Prometheus:
    """A Prometheus process that scrapes one target every half second."""

    def __init__(self, folder, target):
        self.url = f"http://127.0.0.1:{free_port()}"
        config = folder / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n"
            f"scrape_configs: [{{job_name: digits, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n"
        )
        command = [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={self.url.removeprefix('http://')}", "--enable-feature=exemplar-storage",
        ]  # fmt: skip
        self.process = ExitStack()
        ready = partial(answers, f"{self.url}/-/ready")
        self.process.enter_context(running(command, ready, log=folder / "prometheus.log"))

    def value(self, query):
        try:
            result = httpx.get(f"{self.url}/api/v1/query", params={"query": query}).json()["data"]["result"]
        except (httpx.HTTPError, KeyError, ValueError):
            return None
        return float(result[0]["value"][1]) if result else None

    def exemplars(self):
        now = time.time()
        query = {"query": "governance_request_seconds_bucket", "start": now - 600, "end": now + 60}
        series = httpx.get(f"{self.url}/api/v1/query_exemplars", params=query).json()["data"]
        return {found["labels"]["trace_id"] for one in series for found in one["exemplars"]}

    def close(self):
        self.process.close()


@pytest.fixture(scope="module")
def watched(tmp_path_factory, state, digit):
    """The service after its requests, its Prometheus, and its collector."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "service.py").write_text(SERVICE)
    (folder / "token").write_text("Bearer collector-secret")
    (folder / "token").chmod(0o600)
    collector = Collector()
    environment = {
        "BENTOML_HOME": str(folder / "bentoml"),
        "GOVERNANCE_AUDIT__DIRECTORY": str(folder / "audit"),
        "GOVERNANCE_METRICS__TRUSTED_NETWORKS": '["127.0.0.1/32"]',
        "GOVERNANCE_TRACING__ENDPOINT": collector.url,
        "GOVERNANCE_TRACING__SAMPLING_RATIO": "1",
        "GOVERNANCE_TRACING__HEADERS": json.dumps({"authorization": f"file:{folder}/token"}),
    }
    try:
        with serving(state, "service:Digits", cwd=folder, environment=environment) as running:
            prometheus = Prometheus(folder, running.port)
            try:
                call(running, state, digit)
                running.audit = folder / "audit"
                yield running, prometheus, collector
            finally:
                prometheus.close()
    finally:
        collector.close()


def call(running, state, digit):
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, 1, 28, 28], "data": digit.ravel().tolist()}
    body = {"inputs": [tensor], "parameters": {"patient_id": CANARY}}
    revoked = json.loads(state.api_key("create", "brief", "--role", "classifier", "--json"))
    state.api_key("revoke", revoked["key_id"])
    headers = {
        "authorization": f"Bearer {state.token}", "traceparent": f"00-{CALLER_TRACE}-00f067aa0ba902b7-01",
        "tracestate": f"vendor={CANARY}", "baggage": f"name={CANARY}", "user-agent": CANARY,
    }  # fmt: skip
    for number in range(CALLS):
        # A new connection for each request, so that both workers get some.
        traced = headers if number == 0 else {"authorization": headers["authorization"]}
        httpx.post(f"{running.url}/v2/models/digits-cnn/infer", json=body, headers=traced).raise_for_status()
    for token in ("bgk_x", revoked["token"], revoked["token"]):
        reply = httpx.get(f"{running.url}/v2", headers={"authorization": f"Bearer {token}"})
        assert reply.status_code == 401
    for parent in ("00-zz-1-01", "ff" * 40, ""):
        reply = httpx.get(f"{running.url}/v2", headers={**headers, "traceparent": parent})
        assert reply.status_code == 200
    httpx.get(f"{running.url}/{CANARY}")


def test_prometheus_counts_requests_to_two_workers_from_a_trusted_address_without_key(watched):
    _, prometheus, _ = watched
    answered = 'sum(governance_requests_total{route="/v2/models/{model}/infer",outcome="answered",model="digits-cnn",version="1"})'
    assert eventually(lambda: prometheus.value(answered) == CALLS), prometheus.value(answered)
    for query, value in {
        "sum(governance_request_seconds_count{route='/v2/models/{model}/infer'})": CALLS,
        "sum(governance_inference_items_total)": CALLS,
        "sum(governance_batch_items_bucket{le='1.0'})": CALLS,
        "sum(governance_policy_decisions_total{policy!='default-deny',decision='allow'}) >= bool 40": 1,
        "governance_credential_refusals_total{kind='api-key',reason='revoked'}": 2,
        "governance_credential_refusals_total{kind='api-key',reason='malformed'}": 1,
        "sum(governance_requests_total{route='unlisted'})": 1,
        "sum(governance_model_loads_total{model='digits-cnn',outcome='ready'})": 2,
        "governance_model_ready{model='digits-cnn'}": 1,
        "sum(governance_plugin_seconds_count{plugin='server'}) >= bool 40": 1,
        "governance_audit_failures_total": 0,
        "governance_audit_entries_total >= bool 46": 1,
        "time() - governance_audit_checkpoint_timestamp_seconds < bool 10": 1,
        "sum(governance_redactions_total{operator='hash'})": CALLS,
        "governance_key_operations_total{provider='file',operation='sign',outcome='done'} > bool 0": 1,
    }.items():
        assert eventually(lambda query=query, value=value: prometheus.value(query) == value), (
            query,
            prometheus.value(query),
        )


def test_metrics_forwarded_scrape_is_not_trusted(watched):
    running, _, _ = watched
    assert httpx.get(f"{running.url}/metrics").status_code == 200
    for name in ("x-forwarded-for", "forwarded", "x-real-ip", "via"):
        assert httpx.get(f"{running.url}/metrics", headers={name: "127.0.0.1"}).status_code == 401
    assert httpx.get(f"{running.url}/v2/models/digits-cnn").status_code == 401


def test_metrics_trusted_scrapes_do_not_fill_the_audit_log(watched):
    running, _, _ = watched
    for _ in range(30):
        httpx.get(f"{running.url}/metrics")
    logs = running.audit.glob("worker-*/entries.jsonl")
    scrapes = [
        line
        for log in logs
        for line in log.read_text().splitlines()
        if '"route":"/metrics"' in line and "answered" in line
    ]
    assert 1 <= len(scrapes) <= 2


def test_promtool_reports_no_problem_of_our_metrics(watched):
    running, _, _ = watched
    text = running.client.get("/metrics").text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(PREFIX)] == []


def test_metrics_exported_by_running_service_match_the_metric_table(watched):
    running, _, _ = watched
    text = running.client.get("/metrics").text
    exported = dict(re.findall(rf"^# TYPE {PREFIX}(\S+) (\S+)$", text, re.M))
    assert {name: kind for name, kind in exported.items() if name in TABLE and TABLE[name].kind != kind} == {}
    assert set(exported) - set(TABLE) == set()
    # The key with an expiry is revoked, so these two metrics are absent.
    expiries = {"earliest_expiry_timestamp_seconds", "expiring_soon"}
    assert set(TABLE) - ELSEWHERE - expiries - set(exported) == set()


def test_exemplar_trace_ids_exist_at_the_collector(watched):
    _, prometheus, collector = watched
    found = eventually(prometheus.exemplars)
    assert found
    assert eventually(lambda: found <= {span.trace_id.hex() for span in collector.spans})


def test_tracing_request_is_one_trace_below_its_callers_with_a_span_for_each_plugin(watched):
    _, _, collector = watched
    eventually(lambda: len(collector.of(CALLER_TRACE)) >= 10)
    spans = {span.name: span for span in collector.of(CALLER_TRACE)}
    # The plugin metrics only observes, so it has no span.
    plugins = ["tracing", "audit", "identity", "stop", "limits", "policy", "privacy", "drift"]
    chain = ["POST /v2/models/{model}/infer", *(f"plugin {name}" for name in plugins), "oip", "inference"]
    assert set(spans) == set(chain)
    assert spans[chain[0]].parent_span_id.hex() == "00f067aa0ba902b7"
    for outer, inner in pairwise(chain):
        assert spans[inner].parent_span_id == spans[outer].span_id
        assert spans[outer].start_time_unix_nano <= spans[inner].start_time_unix_nano + 1000
        assert spans[inner].end_time_unix_nano <= spans[outer].end_time_unix_nano + 1_000_000
    assert any(span.name == "bentoml" for span in collector.spans)
    facts = {attribute.key: attribute.value for attribute in spans[chain[0]].attributes}
    assert facts["governance.model"].string_value == "digits-cnn"
    assert facts["governance.policies"].array_value.values


def test_tracing_spans_hold_no_caller_data_and_the_key_of_the_collector_is_sent(watched):
    _, _, collector = watched
    assert collector.bodies
    assert not [body for body in collector.bodies if CANARY.encode() in body or b"patient" in body or b"demo" in body]
    assert {headers.get("authorization", headers.get("Authorization")) for headers in collector.headers} == {
        "Bearer collector-secret"
    }
    assert len({span.trace_id for span in collector.spans}) >= CALLS


def test_audit_log_holds_no_trace_id(watched):
    running, _, _ = watched
    logs = list(running.audit.glob("worker-*/entries.jsonl"))
    assert len(logs) == 2
    assert all(CALLER_TRACE not in log.read_text() for log in logs)


async def test_worker_that_refuses_an_artifact_at_start_counts_it_and_does_not_start(state, tmp_path, monkeypatch):
    """The master has verified the artifact; here BentoML restarts a worker after the file was changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Warnings of BentoML's own imports are not ours.
        from governance.host.governance import Governance
    content = bytearray((state.folder / "artifacts/digits-cnn.sealed").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "damaged.sealed").write_bytes(content)
    changed = {
        "GOVERNANCE_MODELS__DIGITS_CNN__ARTIFACT": str(tmp_path / "damaged.sealed"),
        "GOVERNANCE_SERVICE__PLUGINS": '["metrics"]',
    }
    settings = load_settings(ROOT / "bentos/digits/governance.toml", {**state.environment, **changed})
    counted, sent = {}, []

    class Registry:
        def take(self, tallies):
            counted.update(
                {(name, *labels): n for name, rows in tallies.counters.items() for labels, n in rows.items()}
            )

    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    monkeypatch.setattr("governance.plugins.metrics.plugin.registered", Registry)
    gate = Governance(settings).gate(None, SimpleNamespace(name="digits", apis={}, dependencies={}))

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        sent.append(message["type"])

    await gate({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.failed"]
    assert counted["artifact_refusals_total", "digits-cnn", "decryption"] == 1
