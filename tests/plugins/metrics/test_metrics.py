"""The metrics plugin: what is counted, several processes, and hostile requests that must create no series."""

import base64
import os
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from governance.access.callers.api_key_store import ApiKeyStore
from governance.access.callers.api_keys import ApiKeyVerifier
from governance.access.callers.authenticator import Credentials, Identity
from governance.contract.exchange import Connection, Reply, StreamedReply
from governance.contract.facts import Usage, is_admitted
from governance.contract.measurements import Measurement, expiries
from governance.contract.models import ModelLoad, ModelRefusal
from governance.contract.plugin import Plugin
from governance.contract.routes import UNLISTED, RouteTable
from governance.errors import (
    DecryptionError,
    KeyUnavailableError,
    NotFoundError,
    NotReadyError,
    UnauthenticatedError,
)
from governance.gate.pipeline import Pipeline
from governance.keys import open_recipient, open_recipient_key, open_secret
from governance.keys.key_files import write_new
from governance.keys.operations import KEY_OPERATIONS
from governance.keys.recipient import generate_recipient_key
from governance.oip.routes import oip_routes
from governance.plugins.metrics.exposition import Exemplars, to_openmetrics
from governance.plugins.metrics.plugin import MetricsPlugin
from governance.plugins.metrics.table import TABLE
from governance.plugins.metrics.tallies import Tallies
from governance.privacy.redactions import Redactions, ReplyFindings
from governance.runtime.gpu import GpuNumbers
from governance.settings import RuntimeSettings, Settings
from governance.testing import make_exchange

ROUTES = RouteTable(oip_routes(1000))


class Middle(Plugin):
    """A plugin whose action each test chooses; it also returns measurements."""

    name = "middle"

    def __init__(self, act=lambda exchange: None):
        self.act, self.numbers = act, []

    async def handle(self, exchange, proceed):
        self.act(exchange)
        return await proceed(exchange)

    def measurements(self):
        return self.numbers


class Registry:
    """Replaces prometheus_client: keeps the counts that it gets."""

    def __init__(self):
        self.counters, self.gauges, self.counts = {}, {}, {}

    def take(self, tallies):
        for name, counts in tallies.counters.items():
            for labels, count in counts.items():
                self.counters[name, labels] = self.counters.get((name, labels), 0) + count
            counts.clear()
        self.gauges.update(tallies.gauges)
        for name, histogram in tallies.histograms.items():
            for labels, row in histogram.rows.items():
                self.counts[name, labels] = sum(row[:-1])


def settings(**changes):
    return Settings.model_validate({"service": {"name": "s"}, "models": {"m": {"artifact": "x"}}, **changes})


@pytest.fixture
async def chain(monkeypatch):
    registry, middle = Registry(), Middle()
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    monkeypatch.setattr("governance.plugins.metrics.plugin.registered", lambda: registry)
    plugin = MetricsPlugin(settings(metrics={"trusted_networks": ["10.0.0.0/8", "127.0.0.1/32"]}))
    pipeline = Pipeline([plugin, middle])
    await pipeline.open()
    plugin.model_loaded(ModelLoad("m", "1", "cpu", True, False, 0.5, {}, "sha256:x"))
    yield plugin, pipeline, middle, registry
    await pipeline.close()


async def read():
    return b""


def exchange(method="POST", path="/v2/models/m/infer", version=None, headers=(), peer=""):
    match = ROUTES.match(method, path)
    return make_exchange(
        method,
        path,
        route=match.route,
        headers=list(headers),
        model=match.model,
        version=version or match.version,
        started_ns=1,
        connection=lambda: Connection(peer, None),
    )


async def answer(reached):
    if reached.route is UNLISTED:
        raise NotFoundError("no such route")
    reached.put(Usage("m", "1", "sha256:x", 3, 0.001))
    return Reply(200, (), (b"",))


async def test_metrics_count_one_request_once_in_every_metric(chain):
    plugin, pipeline, _, registry = chain
    await pipeline.around(answer)(exchange())
    plugin._flush()
    requests = ("POST", "/v2/models/{model}/infer", "m", "1", "answered", "")
    assert registry.counters["requests_total", requests] == 1
    assert registry.counters["inference_items_total", ("m", "1")] == 3
    for place in (
        ("request_seconds", ("POST", "/v2/models/{model}/infer", "answered")),
        ("plugin_seconds", ("metrics",)),
        ("plugin_seconds", ("middle",)),
        ("plugin_seconds", ("server",)),
        ("batch_items", ("m", "1")),
    ):
        assert registry.counts[place] == 1
    assert registry.gauges["requests_in_flight", ()] == 0


async def test_metrics_count_findings_of_request_and_reply_together(chain):
    plugin, pipeline, middle, registry = chain

    def changed(exchange):
        exchange.put(Redactions({"replace": 2}, frozenset(), {"PERSON": 2}))
        exchange.put(ReplyFindings({"PERSON": 1, "EMAIL_ADDRESS": 1}))

    middle.act = changed
    await pipeline.around(answer)(exchange())
    plugin._flush()
    assert registry.counters["entities_total", ("PERSON",)] == 3
    assert registry.counters["entities_total", ("EMAIL_ADDRESS",)] == 1


async def test_metrics_count_findings_of_streamed_reply_at_its_end(chain):
    plugin, pipeline, middle, registry = chain
    found = Counter()
    middle.act = lambda exchange: exchange.put(ReplyFindings(found))

    async def pieces():
        found["PERSON"] += 2
        yield b"<PERSON> and <PERSON>"

    async def stream(reached):
        return StreamedReply(200, (), (), pieces())

    asked = exchange()
    reply = await pipeline.around(stream)(asked)
    assert [piece async for piece in reply.pieces] == [b"<PERSON> and <PERSON>"]
    for end in asked.at_end:
        await end()
    plugin._flush()
    assert registry.counters["entities_total", ("PERSON",)] == 2


async def test_metrics_flush_everything_at_close(chain):
    plugin, pipeline, _, registry = chain
    for _ in range(7):
        await pipeline.around(answer)(exchange())
    await plugin.close()
    assert sum(count for (name, _), count in registry.counters.items() if name == "requests_total") == 7


async def test_metrics_hostile_requests_create_no_new_series(chain):
    plugin, pipeline, _, registry = chain
    handler = pipeline.around(answer)

    async def send(number):
        word = f"x{number}'\"\n{{}}"
        for method, path, version in (
            (f"M{number}", f"/{word}", None),
            ("POST", f"/v2/models/{number}/infer", None),
            ("POST", f"/v2/models/m/versions/{number}/infer", None),
            ("GET", f"/v2/models/{number}", str(number)),
            ("POST", "/v2/models/m/infer", word),
        ):
            headers = [(b"governance-purpose", word.encode()), (b"traceparent", word.encode())]
            with suppress(NotFoundError):
                await handler(exchange(method, path, version, headers))

    for number in range(5):
        await send(number)
    plugin._flush()
    before = len(registry.counters) + len(registry.gauges) + len(registry.counts)
    for number in range(5, 1000):
        await send(number)
    plugin._flush()
    assert len(registry.counters) + len(registry.gauges) + len(registry.counts) == before
    assert sum(count for (name, _), count in registry.counters.items() if name == "requests_total") == 5000
    assert {labels[2] for name, labels in registry.counters if name == "requests_total"} == {"", "m"}
    assert {labels[3] for name, labels in registry.counters if name == "requests_total"} == {"", "1"}


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (NotReadyError("x"), ("failed", "not_ready")),
        (NotFoundError("x"), ("refused", "not_found")),
        (ValueError("x"), ("failed", "internal")),
    ],
)
async def test_metrics_outcome_is_the_error_of_any_plugin(chain, error, end):
    plugin, pipeline, middle, registry = chain

    def fail(reached):
        raise error

    middle.act = fail
    with pytest.raises(type(error)):
        await pipeline.around(answer)(exchange())
    plugin._flush()
    assert registry.counters["requests_total", ("POST", "/v2/models/{model}/infer", "m", "1", *end)] == 1


async def test_metrics_failing_observer_changes_no_reply(chain, monkeypatch, caplog):
    plugin, pipeline, _, _ = chain

    def fail(*arguments):
        raise ValueError("Canary")

    monkeypatch.setattr(plugin, "exchange_ended", fail)
    assert (await pipeline.around(answer)(exchange())).status == 200
    assert "ValueError" in caplog.text
    assert "Canary" not in caplog.text


async def test_metrics_collect_measurements_of_plugins_and_drop_unknown_ones_with_one_log_line(chain, caplog):
    plugin, _, middle, registry = chain
    middle.numbers = [
        Measurement("governance_drift_psi", 0.25, ("m", "brightness")),
        Measurement("audit_entries_total", 5),
        Measurement("queue_seconds", [0.0, 0.5]),
        Measurement("unknown_metric", 1),
        Measurement("drift_ks", 1, ("m",)),
    ]
    plugin._flush()
    middle.numbers[1] = Measurement("audit_entries_total", 7)
    plugin._flush()
    assert registry.gauges["drift_psi", ("m", "brightness")] == 0.25
    assert registry.counters["audit_entries_total", ()] == 7
    assert registry.counts["queue_seconds", ()] == 4
    assert caplog.text.count("unknown_metric") == caplog.text.count("drift_ks") == 1


@pytest.mark.parametrize(
    ("peer", "headers", "trusted"),
    [
        ("10.1.2.3", (), True),
        ("::ffff:10.1.2.3", (), True),
        ("11.0.0.1", (), False),
        ("", (), False),
        ("10.1.2.3", ((b"x-forwarded-for", b"10.0.0.1"),), False),
        ("11.0.0.1", ((b"x-forwarded-for", b"10.0.0.1"),), False),
        ("10.1.2.3", ((b"via", b"1.1 proxy"),), False),
    ],
)
async def test_metrics_scrape_is_trusted_by_peer_address_only(chain, peer, headers, trusted):
    _, pipeline, middle, _ = chain
    seen = []
    middle.act = lambda reached: seen.append(is_admitted(reached))
    asked = exchange("GET", "/metrics", headers=headers, peer=peer)
    asked.route = UNLISTED.__class__("GET", "/metrics", "metrics", "bentoml")
    await pipeline.around(answer)(asked)
    other = exchange(peer=peer)
    await pipeline.around(answer)(other)
    assert seen == [trusted, False]


async def test_metrics_count_refused_artifact_by_reason(chain):
    plugin, pipeline, _, registry = chain
    plugin._flush()
    assert registry.counters["artifact_refusals_total", ("m", "signature")] == 0
    pipeline.refuse(ModelRefusal("m", "signature"))
    plugin._flush()
    assert registry.counters["artifact_refusals_total", ("m", "signature")] == 1
    assert registry.counters["model_loads_total", ("m", "", "refused")] == 1


def test_metrics_sum_processes_and_forget_gauges_of_dead_ones(tmp_path):
    program = """
import asyncio, sys
from governance.gate.pipeline import Pipeline
from governance.plugins.metrics.plugin import MetricsPlugin
from governance.settings import Settings

async def main():
    plugin = MetricsPlugin(Settings.model_validate({"service": {"name": "s"}}))
    pipeline = Pipeline([plugin])
    await pipeline.open()
    plugin._tallies.count("entities_total", "PERSON", by=3)
    plugin._tallies.set("queue_length", 4)
    plugin._flush()
    if sys.argv[1] == "killed":
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    await pipeline.close()

asyncio.run(main())
"""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for end in ("killed", "closed"):
        subprocess.run([sys.executable, "-c", program, end], env=environment, check=False)
    look = """
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from governance.plugins.metrics.tallies import dead_workers, forget_workers
registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
assert b"governance_queue_length 4.0" in generate_latest(registry)
forget_workers(dead_workers())
text = generate_latest(registry)
assert b'governance_entities_total{entity="PERSON"} 6.0' in text
assert b"governance_queue_length" not in text
"""
    subprocess.run([sys.executable, "-c", look], env=environment, check=True)


async def test_metrics_exemplars_of_all_workers_appear_at_their_buckets(tmp_path):
    labels = ("POST", "/r", "answered")
    here, there = Exemplars(), Exemplars()
    here.open(str(tmp_path))
    there.open(str(tmp_path))
    there.put(labels, 1, "a" * 32, 0.3, 1.0)
    there.write()
    here.put(labels, 0, "b" * 32, 0.1, 2.0)
    text = "# HELP governance_request_seconds x\n# TYPE governance_request_seconds histogram\n" + "".join(
        f'governance_request_seconds_bucket{{le="{le}",method="POST",outcome="answered",route="/r"}} 2\n'
        for le in ("0.2", "0.5", "+Inf")
    )
    body = to_openmetrics(Reply(200, (), (text.encode(),)), here).body[0].decode()
    assert f'le="0.2",method="POST",outcome="answered",route="/r"}} 2.0 # {{trace_id="{"b" * 32}"}} 0.1 2.0' in body
    assert f'le="0.5",method="POST",outcome="answered",route="/r"}} 2.0 # {{trace_id="{"a" * 32}"}} 0.3 1.0' in body
    assert body.endswith("# EOF\n")


def test_metrics_expiries_count_only_valid_credentials():
    now, day = 1000.0, 86_400
    numbers = {number.name: number.value for number in expiries("api-key", [900, now + day, now + 30 * day], now)}
    assert numbers == {"earliest_expiry_timestamp_seconds": now + day, "expiring_soon": 1}
    assert next(iter(expiries("grant", [900], now))).value == float("inf")


def test_metrics_credential_refusals_by_kind_and_reason_are_hidden_from_the_caller(tmp_path):
    clock = [1000.0]
    store = ApiKeyStore(tmp_path / "keys.json", b"s" * 32, clock=lambda: clock[0])
    revoked, record = store.create("a", (), lifetime_seconds=None)
    short, _ = store.create("b", (), lifetime_seconds=60)
    store.revoke(record.key_id)
    assert store.expiries == () or store.expiries == (1060,)
    identity = Identity([ApiKeyVerifier(store)])
    clock[0] = 2000.0
    sentences = set()
    for bearer, kind, reason in (
        (revoked, "api-key", "revoked"),
        (revoked[:-1] + ("A" if revoked[-1] != "A" else "B"), "api-key", "unknown"),
        ("bgk_x", "api-key", "malformed"),
        (short, "api-key", "expired"),
        (None, "none", "missing"),
        ("something", "none", "unknown"),
    ):
        with pytest.raises(UnauthenticatedError) as refusal:
            identity.identify(Credentials(bearer, None, ""))
        assert (refusal.value.kind, refusal.value.reason) == (kind, reason)
        if reason in ("revoked", "unknown", "malformed") and kind == "api-key":
            sentences.add(str(refusal.value))
    assert len(sentences) == 1


def test_metrics_count_key_operations_by_outcome(tmp_path):
    made = generate_recipient_key("x25519", os.urandom)
    write_new(tmp_path / "key", made.to_pem(), mode=0o600)
    write_new(tmp_path / "pub", made.public_key.to_pem(), mode=0o644)
    write_new(tmp_path / "secret", base64.b64encode(b"s" * 32), mode=0o600)
    before = dict(KEY_OPERATIONS.counts())
    key = open_recipient_key(f"file:{tmp_path}/key")
    wrapped = open_recipient(str(tmp_path / "pub")).wrap(b"data", b"info")
    key.unwrap(wrapped, b"info")
    with pytest.raises(DecryptionError):
        key.unwrap(wrapped, b"other")
    open_secret(f"file:{tmp_path}/secret")
    with pytest.raises(KeyUnavailableError):
        open_secret(f"file:{tmp_path}/nothing")
    grown = {place: count - before.get(place, 0) for place, count in KEY_OPERATIONS.counts().items()}
    assert {place: count for place, count in grown.items() if count} == {
        ("file", "open", "done"): 1,
        ("file", "wrap", "done"): 1,
        ("file", "unwrap", "done"): 1,
        ("file", "unwrap", "refused"): 1,
        ("file", "secret", "done"): 1,
        ("file", "secret", "unavailable"): 1,
    }


class FakeNvml:
    """Replaces pynvml: one GPU with fixed memory and utilization."""

    def __init__(self, broken=False):
        self.broken, self.asked = broken, 0

    def nvmlInit(self):  # noqa: N802
        if self.broken:
            raise OSError("no driver")

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        self.asked += 1
        return index

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return type("Memory", (), {"used": 3 * 2**30, "total": 80 * 2**30})

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        return type("Rates", (), {"gpu": 42})


def test_gpu_measurements_are_read_at_intervals():
    clock, nvml = [0.0], FakeNvml()
    numbers = GpuNumbers(RuntimeSettings(providers=("cuda",), device_id=1), lambda: nvml, lambda: clock[0])
    seen = {(number.name, number.labels): number.value for number in numbers.measurements()}
    assert seen == {
        ("gpu_memory_bytes", ("cuda:1", "used")): 3 * 2**30,
        ("gpu_memory_bytes", ("cuda:1", "total")): 80 * 2**30,
        ("gpu_utilization_ratio", ("cuda:1",)): 0.42,
    }
    numbers.measurements()
    clock[0] = 6.0
    numbers.measurements()
    assert nvml.asked == 2


def test_gpu_measurements_are_empty_without_a_gpu(caplog):
    assert list(GpuNumbers(RuntimeSettings(), FakeNvml).measurements()) == []
    broken = GpuNumbers(RuntimeSettings(providers=("cuda", "cpu")), lambda: FakeNvml(broken=True))
    assert list(broken.measurements()) == list(broken.measurements()) == []
    assert caplog.text.count("no measurements of a GPU") == 1


def test_metrics_reference_lists_the_metric_table():
    text = (Path(__file__).parents[3] / "docs/reference/metrics.md").read_text()
    rows = [
        line.strip("| ").split(" | ")
        for line in text.partition("## Buckets")[0].splitlines()
        if line.startswith("| `governance_")
    ]
    documented = {row[0].strip("` "): (row[1].strip(), row[2].strip(), row[3].strip()) for row in rows}
    kinds = {"livesum": "gauge (sum)", "livemax": "gauge (highest)", "livemin": "gauge (lowest)"}
    assert documented == {
        f"governance_{name}": (
            kinds.get(metric.merge, metric.kind),
            " ".join(f"`{label}`" for label in metric.labels) or "none",
            metric.help,
        )
        for name, metric in TABLE.items()
    }


def test_tracing_without_an_endpoint_is_disabled():
    from governance.plugins.tracing import TracingPlugin

    assert not TracingPlugin.is_enabled(settings())
    assert TracingPlugin.is_enabled(settings(tracing={"endpoint": "https://collector/v1/traces"}))


@pytest.mark.parametrize(
    "parent",
    ["", "00-zz", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "ff-" + "a" * 32 + "-" + "b" * 16 + "-01", "x" * 5000],
)
async def test_tracing_malformed_traceparent_starts_a_new_trace_and_a_dead_collector_is_harmless(parent):
    from governance.plugins.tracing import TracingPlugin

    plugin = TracingPlugin(
        settings(tracing={"endpoint": "http://127.0.0.1:9/v1/traces", "sampling_ratio": 1.0, "timeout_seconds": 0.2})
    )
    pipeline = Pipeline([plugin])
    await pipeline.open()
    asked = exchange(headers=[(b"traceparent", parent.encode()), (b"tracestate", b"v=Canary")])
    assert (await pipeline.around(answer)(asked)).status == 200
    onward = asked.header(b"traceparent")
    version, trace_id, _, flags = onward.split("-")
    assert (version, int(flags, 16) & 1) == ("00", 1)
    assert trace_id not in parent
    assert asked.header(b"tracestate") == "v=Canary"
    assert plugin._spans == {}
    await pipeline.close()


def test_metrics_histogram_counts_values_as_prometheus_defines():
    tallies = Tallies()
    histogram = tallies.histogram("batch_items")
    row = histogram.row("m", "1")
    for value in (1, 2, 3, 4, 1024, 1025):
        histogram.observe(row, value)
    assert row[:4] == [1, 1, 2, 0]
    assert row[-3:] == [1, 1, 1 + 2 + 3 + 4 + 1024 + 1025]
