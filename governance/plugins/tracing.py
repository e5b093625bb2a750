"""Tracing: OpenTelemetry spans of the gate, each plugin, and inference or BentoML, sent in the background.

The plugin takes part in the chain if [tracing] names an endpoint. Attributes come from closed sets only: nothing that a
caller sends is exported, not even `tracestate` and baggage; both reach the service's own code unchanged.
Sources: https://www.w3.org/TR/trace-context/, https://opentelemetry.io/docs/specs/otlp/
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

from governance.access.policies.verdict import Decision
from governance.contract.exchange import Exchange, Reply
from governance.contract.facts import Trace, Usage
from governance.contract.models import ModelLoad
from governance.contract.plugin import SERVER, Plugin, Proceed
from governance.errors import ConfigurationError, GovernanceError, RefusedError
from governance.keys.providers.service import read_named
from governance.settings import Settings, TracingSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

TRACEPARENT = b"traceparent"
CLOSE_SECONDS = 5.0
BATCH, BATCH_MILLISECONDS = 512, 1000


class TracingPlugin(Plugin):
    """Begins a span with each exchange, and adds a span for each stage at its end."""

    name = "tracing"
    provides = frozenset({Trace})
    observes = frozenset({Decision, Usage})
    # OpenTelemetry's exporter must run in the process that serves.
    worker_only = True

    def __init__(self, settings: Settings) -> None:
        if settings.tracing.endpoint is None:
            raise ConfigurationError("the plugin 'tracing' needs a [tracing] section with an endpoint")
        self._settings, self._service = settings.tracing, settings.tracing.service_name or settings.service.name
        self._models: dict[str, str] = {}
        self._spans: dict[int, Span] = {}

    @classmethod
    def is_enabled(cls, settings: Settings) -> bool:
        """Return whether [tracing] names an endpoint."""
        return settings.tracing.endpoint is not None

    async def open(self) -> None:
        """Start the exporter of spans.

        Raises:
            ConfigurationError: if the packages are missing.
            KeyUnavailableError: if a header's value cannot be read.
        """
        self._provider = _provider(self._settings, self._service)
        self._tracer = self._provider.get_tracer("bento-governance")

    async def close(self) -> None:
        """Send the waiting spans, for a few seconds at most: an unreachable collector does not block the shutdown."""
        try:
            await asyncio.wait_for(asyncio.to_thread(self._provider.shutdown), CLOSE_SECONDS)
        except TimeoutError:
            return

    def model_loaded(self, load: ModelLoad) -> None:
        """Learn a model's name and version: spans contain only known ones."""
        self._models[load.model] = load.version

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Make the request's span the parent of the service's own spans."""
        from opentelemetry.trace import use_span

        span = self._spans.get(id(exchange))
        if span is None:
            return await proceed(exchange)
        with use_span(span, record_exception=False, set_status_on_exception=False):
            return await proceed(exchange)

    def exchange_began(self, exchange: Exchange) -> None:
        """Begin the request's span, as a child of the caller's span if its `traceparent` is valid, and pass it on."""
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = exchange.header(TRACEPARENT)
        context = TraceContextTextMapPropagator().extract({"traceparent": parent} if parent else {}, Context())
        route = exchange.route
        span = self._tracer.start_span(
            f"{route.method} {route.template}",
            context,
            SpanKind.SERVER,
            {"http.request.method": route.method, "http.route": route.template, "governance.action": route.action},
            start_time=exchange.received_at_us * 1000,
        )
        known = span.get_span_context()
        onward = f"00-{known.trace_id:032x}-{known.span_id:016x}-{int(known.trace_flags):02x}"
        headers = [field for field in exchange.headers if field[0] != TRACEPARENT]
        exchange.headers = [*headers, (TRACEPARENT, onward.encode())]
        self._spans[id(exchange)] = span
        if span.is_recording():
            exchange.put(Trace(f"{known.trace_id:032x}"))

    def exchange_ended(self, exchange: Exchange, reply: Reply | None, error: BaseException | None) -> None:
        """End the span, with a child span for each stage that was reached."""
        span = self._spans.pop(id(exchange), None)
        if span is None or not span.is_recording():
            return
        self._add_stages(exchange, span)
        span.set_attributes(self._facts(exchange, reply, error))
        if reply is None and not isinstance(error, RefusedError):
            from opentelemetry.trace import StatusCode

            span.set_status(StatusCode.ERROR)
        span.end()

    def _facts(self, exchange: Exchange, reply: Reply | None, error: BaseException | None) -> dict[str, Any]:
        facts: dict[str, Any] = {"governance.outcome": "answered"}
        if reply is not None:
            facts["http.response.status_code"] = reply.status
        else:
            facts["governance.outcome"] = "refused" if isinstance(error, RefusedError) else "failed"
            facts["error.type"] = error.code if isinstance(error, GovernanceError) else "internal"
        version = self._models.get(exchange.model or "")
        if version is not None and exchange.model is not None:
            facts |= {"governance.model": exchange.model, "governance.version": version}
        decision = exchange.get(Decision)
        if decision is not None:
            facts["governance.policies"] = list(decision.verdict.policy_ids)
        return facts

    def _add_stages(self, exchange: Exchange, root: Span) -> None:
        """Turn the marks into spans: each stage is a child of the stage around it."""
        from opentelemetry.trace import set_span_in_context

        started, around = exchange.received_at_us * 1000 - exchange.started_ns, root
        spans: list[tuple[Any, int]] = []
        for place, stage in enumerate(self.chain.stages):
            entered, left = exchange.marks[2 * place : 2 * place + 2]
            if not entered:
                continue
            name = exchange.route.server if stage == SERVER else f"plugin {stage}"
            span = self._tracer.start_span(name, set_span_in_context(around), start_time=started + entered)
            spans.append((span, started + left))
            around = span
        usage = exchange.get(Usage)
        if usage is not None:
            facts = {"governance.model": usage.model, "governance.version": usage.version}
            ended = started + usage.ended_ns
            begun = ended - int(usage.inference_seconds * 1e9)
            span = self._tracer.start_span("inference", set_span_in_context(around), attributes=facts, start_time=begun)
            spans.append((span, ended))
        for span, end in reversed(spans):
            span.end(end)


def _provider(settings: TracingSettings, service: str) -> TracerProvider:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased
    except ImportError:
        raise ConfigurationError("tracing needs packages: pip install 'bento-governance[tracing]'") from None
    own: Sampler = TraceIdRatioBased(settings.sampling_ratio)
    exporter = OTLPSpanExporter(
        endpoint=settings.endpoint,
        certificate_file=str(settings.ca_file) if settings.ca_file is not None else None,
        headers=_headers(settings),
        timeout=settings.timeout_seconds,
    )
    # Not Resource.create: it would add values from the environment.
    resource = Resource({"service.name": service, "service.instance.id": str(uuid.uuid4())})
    sampler = ParentBased(own) if settings.parent_based else own
    provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
    processor = BatchSpanProcessor(exporter, settings.queue, BATCH_MILLISECONDS, BATCH)
    provider.add_span_processor(processor)
    return provider


def _headers(settings: TracingSettings) -> dict[str, str]:
    return {name.lower(): read_named(uri, f"the header {name} of [tracing]") for name, uri in settings.headers.items()}
