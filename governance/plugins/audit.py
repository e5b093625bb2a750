"""Audit: one entry for each request, refusals included, written before the answer leaves."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from typing import Literal

from governance.access.caller import Caller
from governance.access.verdict import Decision
from governance.audit.entry import SALT_BYTES, VERSION, Entry, commitment, encode_entry, printable
from governance.audit.log import open_worker_log
from governance.audit.receipt import Receipt
from governance.errors import ConfigurationError, GovernanceError, RefusedError
from governance.exchange import Event, Exchange, Measurement, ModelLoad, Proceed, Reply, Usage, drain
from governance.keys import open_signing_key
from governance.privacy.records import Redactions
from governance.settings import Settings

RECEIPT = b"governance-receipt"
METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT"})
PROBE, METRICS = "probe", "/metrics"
SCRAPE_SECONDS = 3600.0
MAX_DETAIL_CHARACTERS = 300

Outcome = Literal["answered", "refused", "failed"]


class AuditPlugin:
    """The outermost plugin: whatever becomes of a request is recorded; probes are not, trusted scrapes once an hour.

    If the entry cannot be written, the caller gets no answer.
    """

    name = "audit"
    needs: frozenset[type] = frozenset()
    gives: frozenset[type] = frozenset()

    def __init__(
        self,
        settings: Settings,
        random: Callable[[int], bytes] = os.urandom,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if settings.audit is None:
            raise ConfigurationError("the plugin 'audit' needs an [audit] section: directory and checkpoint_key")
        self._settings, self._service, self._random = settings.audit, settings.service.name, random
        self._models = set(settings.models)
        self._monotonic, self._scrape_due_at = monotonic, float("-inf")

    async def open(self) -> None:
        settings = self._settings
        key = open_signing_key(settings.checkpoint_key)
        _ = key.public_key.raw  # Checkpoints take Ed25519 alone: another key is refused here, not at the first one.
        self._log, self._lock = open_worker_log(
            settings.directory,
            self._service,
            key,
            durability=settings.durability,
            checkpoint_seconds=settings.checkpoint_seconds,
        )

    async def close(self) -> None:
        await self._log.close()
        self._lock.close()

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        if exchange.route.action == PROBE:
            return await proceed(exchange)
        try:
            reply = await proceed(exchange)
        except GovernanceError as error:
            outcome: Outcome = "refused" if isinstance(error, RefusedError) else "failed"
            await self._record(exchange, outcome, error.code)
            raise
        except asyncio.CancelledError:
            # The caller is gone; its entry is written all the same.
            await asyncio.shield(self._record(exchange, "failed", "cancelled"))
            raise
        except Exception:
            await self._record(exchange, "failed", "internal")
            raise
        await self._record(exchange, "answered", None, reply)
        return reply

    def model_loaded(self, load: ModelLoad) -> None:
        """Learn a model's name: the log takes no other for one."""
        self._models.add(load.model)

    async def event_happened(self, event: Event) -> None:
        """Record what happened beside any request."""
        await self._log.append(encode_entry(_event_entry(event, self._random(SALT_BYTES).hex())))

    def measurements(self) -> Iterable[Measurement]:
        """Return what this worker's log has done."""
        log = self._log
        yield Measurement("audit_entries_total", log.entries)
        yield Measurement("audit_failures_total", log.failures)
        yield Measurement("audit_size_bytes", log.size_bytes)
        yield Measurement("audit_checkpoint_timestamp_seconds", log.promised_until())
        yield Measurement("audit_write_seconds", drain(log.write_seconds))
        yield Measurement("audit_sync_seconds", drain(log.sync_seconds))

    async def _record(
        self, exchange: Exchange, outcome: Outcome, reason: str | None, reply: Reply | None = None
    ) -> None:
        if self._is_repeated_scrape(exchange, outcome):
            return
        salt = self._random(SALT_BYTES)
        model = exchange.model if exchange.model in self._models else None
        entry = encode_entry(_entry(exchange, model, outcome, reason, reply, salt))
        index, leaf = await self._log.append(entry)
        receipt = Receipt(self._log.origin, index, leaf, salt)
        exchange.reply_headers.append((RECEIPT, receipt.to_text().encode("ascii")))

    def _is_repeated_scrape(self, exchange: Exchange, outcome: Outcome) -> bool:
        """Scrapes by trusted addresses come every few seconds, and tell of nobody: one an hour is recorded."""
        if not exchange.route.public or exchange.route.template != METRICS or outcome != "answered":
            return False
        if self._monotonic() < self._scrape_due_at:
            return True
        self._scrape_due_at = self._monotonic() + SCRAPE_SECONDS
        return False


def _entry(
    exchange: Exchange, model: str | None, outcome: Outcome, reason: str | None, reply: Reply | None, salt: bytes
) -> Entry:
    """Only words that we know go into the log: whatever a caller can write freely could be somebody's data."""
    caller, decision = exchange.find(Caller), exchange.find(Decision)
    verdict = None if decision is None else decision.verdict
    shadow = None if decision is None else decision.shadow
    usage, redactions = exchange.find(Usage), exchange.find(Redactions)
    request_body, reply_body = exchange.received_body, None if reply is None else b"".join(reply.body)
    return Entry(
        v=VERSION,
        id=exchange.id,
        time_us=exchange.received_at_us,
        duration_us=(time.perf_counter_ns() - exchange.started_ns) // 1000,
        method=exchange.method if exchange.method in METHODS else "OTHER",
        route=exchange.route.template,
        action=exchange.route.action,
        outcome=outcome,
        reason=reason,
        status=None if reply is None else reply.status,
        caller=None if caller is None else caller.id,
        key_id=None if caller is None else caller.key_id,
        purpose=None if decision is None else decision.purpose,
        model=model,
        version=usage.version if usage is not None else _version(exchange.version),
        model_digest=None if usage is None else usage.model_digest,
        items=None if usage is None else usage.items,
        policies=[] if verdict is None else list(verdict.policy_ids),
        policy_digest=None if verdict is None else verdict.policy_digest,
        redactions={} if redactions is None else dict(redactions.counts),
        request=None if request_body is None else commitment("request", salt, request_body),
        reply=None if reply_body is None else commitment("reply", salt, reply_body),
        roles=[] if caller is None else list(caller.roles),
        obligations="" if verdict is None else str(verdict.obligations),
        shadow="" if shadow is None else "allow" if shadow.allowed else "deny",
        grant="" if decision is None or decision.grant is None else decision.grant,
        data_classes=[] if redactions is None else sorted(redactions.classes),
        detail="" if verdict is None or verdict.allowed else str(verdict)[:MAX_DETAIL_CHARACTERS],
    )


def _version(version: str | None) -> str | None:
    """A version is a small number; what else stands in its place in a path is not kept."""
    return version if version is not None and version.isascii() and version.isdigit() and len(version) <= 6 else None


def _event_entry(event: Event, entry_id: str) -> Entry:
    return Entry(
        v=VERSION,
        id=entry_id,
        time_us=time.time_ns() // 1000,
        duration_us=0,
        method="",
        route="",
        action=event.action,
        outcome="event",
        reason=event.outcome,
        status=None,
        caller=None,
        key_id=None,
        purpose=None,
        model=printable(event.subject) if event.action in ("stop", "resume") else None,
        version=None,
        model_digest=None,
        items=None,
        policies=[],
        policy_digest=printable(event.subject) if event.action == "policy-reload" else None,
        redactions={},
        request=None,
        reply=None,
        grant=event.subject if event.action.startswith("break-glass") else "",
        detail=event.reason[:MAX_DETAIL_CHARACTERS],
    )
