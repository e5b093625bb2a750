"""Metrics: counts and times of every exchange, and the measurements of all other plugins, for Prometheus.

Labels come from closed sets only (route templates, served models, outcomes, error codes): nothing that a caller sends
becomes a label. prometheus_client is imported when the plugin is opened, in a worker, because BentoML chooses its
multi-process folder before that.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import get_args

from governance.access.policies.verdict import Decision
from governance.artifacts.trust.certificates import signer_expiries
from governance.contract.events import Event
from governance.contract.exchange import Exchange, Reply, StreamedReply
from governance.contract.facts import Admitted, Trace, Usage
from governance.contract.measurements import Measurement, Metric, Sample, expiries
from governance.contract.models import ModelLoad, ModelRefusal
from governance.contract.plugin import Plugin, Proceed
from governance.contract.routes import Route
from governance.errors import (
    ConfigurationError,
    CredentialKind,
    CredentialReason,
    GovernanceError,
    IntegrityError,
    LimitName,
    OverloadedError,
    RateLimitedError,
    RefusedError,
    ShedReason,
    UnauthenticatedError,
)
from governance.keys.operations import KEY_OPERATIONS
from governance.keys.uri import created_at
from governance.plugins.metrics.exposition import Exemplars, accepts_openmetrics, to_openmetrics
from governance.plugins.metrics.table import TABLE
from governance.plugins.metrics.tallies import Tallies, dead_workers, forget_workers, registered
from governance.plugins.watch import Watch
from governance.privacy.redactions import Redactions, ReplyFindings
from governance.settings import Settings

FLUSH_SECONDS = 1.0
FORGET_SECONDS = 60.0
NANO = 1e-9
METRICS = "/metrics"
DEFAULT_DENY = "default-deny"
REFUSALS: tuple[type[GovernanceError], ...] = (IntegrityError, *IntegrityError.__subclasses__())
# A request with one of these fields came through a proxy, whose own address does not identify the client.
FORWARDED = (b"x-forwarded-for", b"forwarded", b"x-real-ip", b"via")


class MetricsPlugin(Plugin):
    """Counts and times every exchange, and admits scrapes from trusted networks without a credential."""

    name = "metrics"
    provides = frozenset({Admitted})
    observes = frozenset({Decision, Redactions, ReplyFindings, Trace, Usage})
    samples_marks = True
    # BentoML chooses the folder of its multi-process metrics before prometheus_client may be imported.
    worker_only = True

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings, self._clock = settings, clock
        self._networks = settings.metrics.trusted_networks
        # By model: its version once it is open.
        self._versions = dict.fromkeys(settings.models, "")
        self._in_flight = 0
        self._certificates: Sequence[float] = ()
        self._forget_at = float("-inf")
        self._reset()

    def _reset(self) -> None:
        tallies = self._tallies = Tallies(self._table())
        counters = tallies.counters
        self._requests, self._decisions = counters["requests_total"], counters["decisions_total"]
        self._policies, self._items = counters["policy_decisions_total"], counters["inference_items_total"]
        self._request_seconds = tallies.histogram("request_seconds", NANO)
        self._plugin_seconds = tallies.histogram("plugin_seconds", NANO)
        self._inference_seconds = tallies.histogram("inference_seconds")
        self._batch_items = tallies.histogram("batch_items")
        self._stage_rows: list[list[float]] = []
        self._exemplars = Exemplars()

    def _table(self) -> dict[str, Metric]:
        """Return all declared metrics by name.

        Raises:
            ConfigurationError: if a plugin declares a metric that exists already.
        """
        table = dict(TABLE)
        for metric in self.chain.metrics:
            if metric.name in table:
                raise ConfigurationError(f"the metric '{metric.name}' is declared twice: rename it in the plugin")
            table[metric.name] = metric
        return table

    async def open(self) -> None:
        """Register the metrics in the process's default registry, which BentoML sums over its workers."""
        self._reset()
        self._registered = registered()
        self._exemplars.open(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
        self._stage_rows = [self._plugin_seconds.row(stage) for stage in self.chain.stages]
        self._begin_at_zero()
        for key, uri in _keys(self._settings):
            created = created_at(uri)
            if created is not None:
                self._tallies.set("key_created_timestamp_seconds", created, key)
        artifacts = self._settings.artifacts
        self._certificates = signer_expiries(artifacts.trusted_signers) if artifacts is not None else []
        self._watch = Watch("metrics", FLUSH_SECONDS, self._look)

    async def close(self) -> None:
        """Hand the last counts to prometheus_client, and remove the gauges of this worker."""
        await self._watch.stop()
        self._flush()
        forget_workers([os.getpid()])

    def model_loaded(self, load: ModelLoad) -> None:
        """Count a model's opening, and show whether it is ready and on the intended device."""
        self._versions[load.model] = load.version
        outcome = "degraded" if load.degraded else "ready" if load.ready else "not_ready"
        tallies = self._tallies
        tallies.count("model_loads_total", load.model, load.version, outcome)
        seconds = tallies.histogram("model_load_seconds")
        seconds.observe(seconds.row(load.model), load.seconds)
        tallies.set("model_ready", float(load.ready), load.model, load.version, load.device)
        tallies.set("model_degraded", float(load.degraded), load.model, load.version, load.device)
        tallies.set("model_info", 1, load.model, load.version, load.digest)

    def model_refused(self, refusal: ModelRefusal) -> None:
        """Count a model that was not opened; the worker ends next, and its counts are kept."""
        self._tallies.count("model_loads_total", refusal.model, "", "refused")
        self._tallies.count("artifact_refusals_total", refusal.model, refusal.reason)

    async def event_happened(self, event: Event) -> None:
        """Count an event, and show which models are stopped."""
        tallies = self._tallies
        tallies.count("events_total", event.action, event.outcome)
        if event.action in ("stop", "resume") and (event.subject == "ALL" or event.subject in self._versions):
            tallies.set("stopped", float(event.action == "stop"), event.subject)
        if event.action == "policy-reload":
            tallies.set("policy_reload_failed", float(event.outcome == "refused"))

    def samples(self) -> Sequence[Sample]:
        """Return this package's metrics, summed over all workers; those of other workers are about a second old."""
        from prometheus_client import REGISTRY, CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        self._flush()
        registry = REGISTRY
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return [
            (sample.name, sample.labels, sample.value)
            for metric in registry.collect()
            if metric.name.startswith("governance_")
            for sample in metric.samples
        ]

    def handles(self, route: Route) -> bool:
        """Return whether a route is `/metrics`; all others are only observed."""
        return route.template == METRICS

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Admit a scrape from a trusted network, and answer in the requested format."""
        if not self.handles(exchange.route):
            return await proceed(exchange)
        if self._is_trusted(exchange):
            exchange.put(Admitted("scrape from a trusted network"))
        self._flush()
        reply = await proceed(exchange)
        if reply.status != 200 or not accepts_openmetrics(exchange):
            return reply
        return await asyncio.to_thread(to_openmetrics, reply, self._exemplars)

    def exchange_began(self, exchange: Exchange) -> None:
        """Count a request in flight."""
        self._in_flight += 1

    def exchange_ended(self, exchange: Exchange, reply: Reply | None, error: BaseException | None) -> None:
        """Count the outcome of a request, and how long each plugin took."""
        self._in_flight -= 1
        seconds = time.perf_counter_ns() - exchange.started_ns
        outcome, reason = ("answered", "") if reply is not None and reply.status < 400 else _end(reply, error)
        route, model = exchange.route, exchange.model
        version = None if model is None else self._versions.get(model)
        if version is None:
            model = version = ""
        elif exchange.version is not None and exchange.version != version:
            version = ""
        self._requests[route.method, route.template, model or "", version, outcome, reason] += 1
        labels = route.method, route.template, outcome
        histogram = self._request_seconds
        bucket = histogram.observe(histogram.rows.get(labels) or histogram.row(*labels), seconds)
        if exchange.marks:
            self._time_stages(exchange.marks)
        trace = exchange.get(Trace)
        if trace is not None:
            self._exemplars.put(labels, bucket, trace.trace_id, seconds * NANO, self._clock())
        decision, usage, redactions = exchange.get(Decision), exchange.get(Usage), exchange.get(Redactions)
        if decision is not None:
            self._count_decision(decision, route.action)
        if usage is not None:
            self._count_usage(usage)
        if redactions is not None:
            self._count_redactions(redactions, outcome)
        in_reply = exchange.get(ReplyFindings)
        if in_reply is not None and isinstance(reply, StreamedReply):
            exchange.at_end.append(partial(self._count_at_end, in_reply))
        elif in_reply is not None:
            self._count_entities(in_reply.entities)
        if error is not None:
            self._count_error(error)

    async def _count_at_end(self, findings: ReplyFindings) -> None:
        """Count the findings in a streamed answer, which was not complete when the request was counted."""
        self._count_entities(findings.entities)

    def measurements(self) -> Iterable[Measurement]:
        """Return the requests in flight, and the operations with keys."""
        yield Measurement("requests_in_flight", self._in_flight)
        for labels, count in KEY_OPERATIONS.counts().items():
            yield Measurement("key_operations_total", count, labels)
        if self._certificates:
            yield from expiries("certificate", self._certificates, self._clock())
        for place, times in KEY_OPERATIONS.take_seconds().items():
            yield Measurement("key_operation_seconds", tuple(times), place)

    def _time_stages(self, marks: Sequence[int]) -> None:
        """Give each stage its own time, without the time of the stages inside it."""
        inside, observe, place = 0, self._plugin_seconds.observe, 2 * len(self._stage_rows)
        for row in reversed(self._stage_rows):
            place -= 2
            entered = marks[place]
            if entered:
                took = marks[place + 1] - entered
                observe(row, took - inside)
                inside = took

    def _count_decision(self, decision: Decision, action: str) -> None:
        verdict = decision.verdict
        word = "allow" if verdict.allowed else "deny"
        self._decisions[action, word] += 1
        for policy in verdict.policy_ids or (DEFAULT_DENY,):
            self._policies[policy, word] += 1
        obligations, count = verdict.obligations, self._tallies.count
        if obligations.output is not None:
            count("obligations_total", "output")
        if obligations.anonymize:
            count("obligations_total", "anonymize", by=len(obligations.anonymize))
        if decision.shadow is not None:
            shadow = "allow" if decision.shadow.allowed else "deny"
            count("shadow_decisions_total", action, word, shadow)
        if decision.grant is not None:
            count("break_glass_requests_total", action)

    def _count_usage(self, usage: Usage) -> None:
        labels = usage.model, usage.version
        self._items[labels] += usage.items
        seconds, items = self._inference_seconds, self._batch_items
        seconds.observe(seconds.rows.get(labels) or seconds.row(*labels), usage.inference_seconds)
        items.observe(items.rows.get(labels) or items.row(*labels), usage.items)

    def _count_redactions(self, redactions: Redactions, outcome: str) -> None:
        for operator, number in redactions.counts.items():
            self._tallies.count("redactions_total", operator, by=number)
        self._count_entities(redactions.entities)
        for data_class in redactions.classes:
            self._tallies.count("data_classes_total", data_class, outcome)

    def _count_entities(self, entities: Mapping[str, int]) -> None:
        for entity, number in entities.items():
            self._tallies.count("entities_total", entity, by=number)

    def _count_error(self, error: BaseException) -> None:
        if isinstance(error, UnauthenticatedError):
            self._tallies.count("credential_refusals_total", error.kind, error.reason)
        elif isinstance(error, RateLimitedError):
            self._tallies.count("limited_total", error.limit)
        elif isinstance(error, OverloadedError):
            self._tallies.count("shed_total", error.reason)

    def _begin_at_zero(self) -> None:
        """Start the series that alerts use at 0: Prometheus sees no increase in a series that begins at 1."""
        count = self._tallies.count
        for kind in get_args(CredentialKind):
            for reason in get_args(CredentialReason):
                count("credential_refusals_total", kind, reason, by=0)
        for limit in get_args(LimitName):
            count("limited_total", limit, by=0)
        for shed in get_args(ShedReason):
            count("shed_total", shed, by=0)
        for model in self._versions:
            for refusal in REFUSALS:
                count("artifact_refusals_total", model, refusal.code, by=0)

    def _is_trusted(self, exchange: Exchange) -> bool:
        if not self._networks or any(exchange.has_header(name) for name in FORWARDED):
            return False
        try:
            address = ipaddress.ip_address(exchange.connection().peer)
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any((mapped or address) in network for network in self._networks)

    async def _look(self) -> None:
        now = self._clock()
        if now >= self._forget_at:
            self._forget_at = now + FORGET_SECONDS
            await asyncio.to_thread(forget_workers, dead_workers())
        self._flush()

    def _flush(self) -> None:
        tallies = self._tallies
        tallies.read(self.chain.measurements())
        self._registered.take(tallies)
        self._exemplars.write()


def _end(reply: Reply | None, error: BaseException | None) -> tuple[str, str]:
    """Return outcome and reason of a request that was not answered successfully."""
    if reply is not None:
        return ("refused", "application") if reply.status < 500 else ("failed", "application")
    if isinstance(error, GovernanceError):
        return ("refused" if isinstance(error, RefusedError) else "failed"), error.code
    return "failed", "cancelled" if isinstance(error, asyncio.CancelledError) else "internal"


def _keys(settings: Settings) -> Iterable[tuple[str, str]]:
    """Yield purpose and URI of each key in the settings."""
    uris = {
        "recipient": settings.artifacts and settings.artifacts.recipient_key,
        "checkpoint": settings.audit and settings.audit.checkpoint_key,
        "api-key-hash": settings.identity and settings.identity.hash_key,
        "privacy-hash": settings.privacy.hash_key,
    }
    return ((name, uri) for name, uri in uris.items() if uri)
