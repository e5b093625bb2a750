"""Audit: one entry for each request, refusals included, written before the answer is sent."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import msgspec

from governance.access.callers.caller import Caller
from governance.access.memo import Memo
from governance.access.policies.verdict import Decision
from governance.artifacts.trust.rollback import RollbackFloors
from governance.audit.entry import (
    SALT_BYTES,
    VERSION,
    Entry,
    LogWord,
    begin_commitment,
    commitment,
    encode_entry,
    known_word,
    number_word,
    printable_word,
    trusted_word,
)
from governance.audit.file_head import FileHead, verify_step
from governance.audit.log import open_worker_log
from governance.audit.receipt import Receipt
from governance.audit.template import EntryTemplate
from governance.contract.events import Event
from governance.contract.exchange import Exchange, Pieces, Reply, StreamedReply
from governance.contract.facts import Admitted, Usage, is_admitted
from governance.contract.measurements import Measurement, drain
from governance.contract.models import ModelLoad
from governance.contract.plugin import Plugin, Proceed
from governance.errors import ConfigurationError, GovernanceError, NotReadyError, RefusedError, RollbackError
from governance.keys import open_signing_key
from governance.privacy.redactions import Redactions, ReplyFindings
from governance.settings import Settings

RECEIPT = b"governance-receipt"
METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT"})
PROBE, METRICS = "probe", "/metrics"
READINESS = frozenset({"/readyz", "/v2/health/ready"})
SCRAPE_SECONDS = 3600.0
MAX_DETAIL_CHARACTERS = 300
MAX_TEMPLATES = 1024

logger = logging.getLogger("governance.audit")

Outcome = Literal["answered", "refused", "failed"]


class AuditPlugin(Plugin):
    """The outermost plugin: records every request with its outcome; probes not at all, trusted scrapes once an hour.

    If the entry cannot be written, the caller gets no answer.
    """

    name = "audit"
    observes = frozenset({Admitted, Caller, Decision, Redactions, ReplyFindings, Usage})

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
        self._templates: Memo[tuple[object, ...], _Templated] = Memo(MAX_TEMPLATES)
        self._monotonic, self._scrape_due_at = monotonic, float("-inf")

    async def open(self) -> None:
        """Open the checkpoint key and this worker's log."""
        settings = self._settings
        key = open_signing_key(settings.checkpoint_key)
        _ = key.public_key.raw  # Checkpoints need Ed25519: any other key is refused here, not at the first checkpoint.
        # Before the log has an entry: from then on, a missing file of floors is refused.
        floors = RollbackFloors(settings.directory, key, self._service).raise_to({})
        self._log, self._lock = open_worker_log(
            settings.directory,
            settings.origin or self._service,
            key,
            durability=settings.durability,
            checkpoint_seconds=settings.checkpoint_seconds,
        )
        try:
            await self._record_start(FileHead("floors", floors.sequence, floors.digest))
        except BaseException:
            await self.close()
            raise

    async def _record_start(self, floors: FileHead) -> None:
        """Record what the recovery found, and the version of the floors; an older one than before is refused."""
        log = self._log
        found = f"recovered {log.recovered} entries, {log.aside} set aside" if log.recovered or log.aside else ""
        if log.aside:
            logger.critical("the audit log had %d lines that this service did not write: %s", log.aside, found)
        self._heads = {kind: FileHead.parse(text) for kind, text in log.heads.items()}
        await self.event_happened(Event("log-open", "done", "", found))
        await self.event_happened(Event("floors", "done", "", "", head=str(floors)))

    async def close(self) -> None:
        """Write a last entry and a last checkpoint, and close the log."""
        if not self._log.is_shut:
            with suppress(NotReadyError):
                await self.event_happened(Event("log-close", "done", "", ""))
        await self._log.close()
        self._lock.close()

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Record a request after the rest of the chain, before its answer is sent.

        Raises:
            NotReadyError: for a readiness probe, if the log cannot be written.
        """
        if exchange.route.action == PROBE:
            # Report not-ready so that the load balancer uses other replicas.
            if self._log.is_shut and exchange.route.template in READINESS:
                raise NotReadyError("the audit log cannot be written, so no request is answered")
            return await proceed(exchange)
        try:
            reply = await proceed(exchange)
        except GovernanceError as error:
            outcome: Outcome = "refused" if isinstance(error, RefusedError) else "failed"
            await self._record(exchange, outcome, error.code)
            raise
        except asyncio.CancelledError:
            # The caller has disconnected; the entry is written anyway.
            await asyncio.shield(self._record(exchange, "failed", "cancelled"))
            raise
        except Exception:
            await self._record(exchange, "failed", "internal")
            raise
        if isinstance(reply, StreamedReply):
            salt = await self._record(exchange, "answered", None, reply, stream="begun")
            ending = _Ending(begin_commitment("reply", salt))
            record = partial(self._record_end, exchange, reply, salt, ending)
            # A stream gets its second entry even if nothing of it could be sent.
            exchange.at_end.append(record)
            return reply.through(partial(_to_the_end, ending=ending, record=record))
        await self._record(exchange, "answered", None, reply)
        return reply

    async def _record_end(self, exchange: Exchange, reply: Reply, salt: bytes, ending: _Ending) -> None:
        """Write a stream's second entry, once."""
        if ending.recorded:
            return
        ending.recorded = True
        entry = _entry(exchange, self._model(exchange), ending.outcome, ending.reason, reply, salt)
        entry = msgspec.structs.replace(entry, reply=ending.committed.hexdigest(), stream="ended")
        await asyncio.shield(self._log.append(encode_entry(entry)))

    def model_loaded(self, load: ModelLoad) -> None:
        """Learn a model's name: the log contains only known names."""
        self._models.add(load.model)
        self._templates.clear()

    async def event_happened(self, event: Event) -> None:
        """Record an event; one about a signed file that went back is recorded as refused.

        Raises:
            RollbackError: if the file is older than the log says.
        """
        refusal = None
        if event.head:
            now = FileHead.parse(event.head)
            try:
                self._heads[now.kind] = verify_step(self._heads.get(now.kind), now)
            except RollbackError as error:
                refusal, event = error, replace(event, outcome="refused", reason=str(error))
        await self._log.append(encode_entry(_event_entry(event, self._random(SALT_BYTES).hex())))
        if refusal is not None:
            raise refusal

    def measurements(self) -> Iterable[Measurement]:
        """Return the numbers of this worker's log."""
        log = self._log
        yield Measurement("audit_entries_total", log.entries)
        yield Measurement("audit_failures_total", log.failures)
        yield Measurement("audit_size_bytes", log.size_bytes)
        yield Measurement("audit_checkpoint_timestamp_seconds", log.covered_until())
        yield Measurement("audit_write_seconds", drain(log.write_seconds))
        yield Measurement("audit_sync_seconds", drain(log.sync_seconds))

    async def _record(
        self,
        exchange: Exchange,
        outcome: Outcome,
        reason: str | None,
        reply: Reply | None = None,
        stream: Literal["", "begun"] = "",
    ) -> bytes:
        if self._is_repeated_scrape(exchange, outcome):
            return b""
        salt = self._random(SALT_BYTES)
        line = None if reply is None or stream else self._from_template(exchange, reply, salt)
        if line is None:
            entry = _entry(exchange, self._model(exchange), outcome, reason, reply, salt)
            line = encode_entry(msgspec.structs.replace(entry, stream=stream) if stream else entry)
        index, leaf = await self._log.append(line)
        receipt = Receipt(self._log.origin, index, leaf, salt)
        exchange.reply_headers.append((RECEIPT, receipt.to_text().encode("ascii")))
        return salt

    def _from_template(self, exchange: Exchange, reply: Reply, salt: bytes) -> bytes | None:
        """Return the entry of an answered inference in which nothing was changed, or None for any other request."""
        caller, decision, usage = exchange.get(Caller), exchange.get(Decision), exchange.get(Usage)
        redactions, request = exchange.get(Redactions), exchange.received_body
        if caller is None or decision is None or usage is None or request is None:
            return None
        if redactions is not None and (redactions.counts or redactions.classes or redactions.entities):
            return None
        if (found := exchange.get(ReplyFindings)) is not None and found.entities:
            return None
        known = exchange.route, caller, decision.verdict, decision.shadow
        facts = decision.purpose, decision.grant, usage.version, usage.model_digest, usage.items
        key = (*map(id, known), exchange.method, exchange.model, reply.status, *facts)
        templated = self._templates.get(key)
        if templated is None:
            made = EntryTemplate.of(_entry(exchange, self._model(exchange), "answered", None, reply, salt))
            templated = _Templated(made, known)
            self._templates.put(key, templated)
        if templated.template is None:
            return None
        return templated.template.fill(
            (time.perf_counter_ns() - exchange.started_ns) // 1000,
            exchange.id,
            commitment("reply", salt, *reply.body),
            commitment("request", salt, request),
            exchange.received_at_us,
        )

    def _model(self, exchange: Exchange) -> LogWord | None:
        """Return the requested model, if it is one that is served."""
        return known_word(exchange.model, self._models)

    def _is_repeated_scrape(self, exchange: Exchange, outcome: Outcome) -> bool:
        """Return whether this is an answered scrape without a caller within an hour after a recorded one.

        Trusted networks scrape every few seconds, and a scrape concerns no person: one an hour is recorded.
        """
        if not is_admitted(exchange) or exchange.route.template != METRICS or outcome != "answered":
            return False
        if self._monotonic() < self._scrape_due_at:
            return True
        self._scrape_due_at = self._monotonic() + SCRAPE_SECONDS
        return False


@dataclass(frozen=True, slots=True)
class _Templated:
    """A template, and the objects whose identities are in its key: while they are held, no other has their ids."""

    template: EntryTemplate | None
    known: tuple[object, ...]


@dataclass(slots=True)
class _Ending:
    """How a stream ends, and the hash of the pieces that were sent."""

    committed: Any
    outcome: Outcome = "failed"
    reason: str | None = "cancelled"
    recorded: bool = False


async def _to_the_end(pieces: Pieces, ending: _Ending, record: Callable[[], Awaitable[None]]) -> Pieces:
    """Commit to all pieces of a stream in a second entry of the same id, written before the end is sent."""
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                ending.committed.update(piece)
                yield piece
        ending.outcome, ending.reason = "answered", None
    except GovernanceError as error:
        ending.reason = error.code
        raise
    except Exception:
        ending.reason = "internal"
        raise
    finally:
        await record()


def _entry(
    exchange: Exchange, model: LogWord | None, outcome: Outcome, reason: str | None, reply: Reply | None, salt: bytes
) -> Entry:
    """Return the entry of a request. It contains known words only: free text of a caller could be personal data."""
    caller, decision = exchange.get(Caller), exchange.get(Decision)
    verdict = None if decision is None else decision.verdict
    shadow = None if decision is None else decision.shadow
    usage, redactions, found = exchange.get(Usage), exchange.get(Redactions), exchange.get(ReplyFindings)
    request_body: bytes | None = exchange.received_body
    whole = None if reply is None or isinstance(reply, StreamedReply) else reply.body
    return Entry(
        v=VERSION,
        id=trusted_word(exchange.id),
        time_us=exchange.received_at_us,
        duration_us=(time.perf_counter_ns() - exchange.started_ns) // 1000,
        method=known_word(exchange.method, METHODS) or trusted_word("OTHER"),
        route=trusted_word(exchange.route.template),
        action=trusted_word(exchange.route.action),
        outcome=outcome,
        reason=None if reason is None else trusted_word(reason),
        status=None if reply is None else reply.status,
        caller=None if caller is None else trusted_word(caller.id),
        key_id=None if caller is None else trusted_word(caller.key_id),
        purpose=None if decision is None or decision.purpose is None else trusted_word(decision.purpose),
        model=model,
        version=trusted_word(usage.version) if usage is not None else number_word(exchange.version),
        model_digest=None if usage is None else trusted_word(usage.model_digest),
        items=None if usage is None else usage.items,
        policies=[] if verdict is None else [trusted_word(name) for name in verdict.policy_ids],
        policy_digest=None if verdict is None else trusted_word(verdict.policy_digest),
        redactions={} if redactions is None else _counted(redactions.counts) | _counted(redactions.entities),
        request=None if request_body is None else commitment("request", salt, request_body),
        reply=None if whole is None else commitment("reply", salt, *whole),
        roles=[] if caller is None else [trusted_word(role) for role in caller.roles],
        obligations=trusted_word("" if verdict is None else str(verdict.obligations)),
        shadow="" if shadow is None else "allow" if shadow.allowed else "deny",
        grant=trusted_word("" if decision is None or decision.grant is None else decision.grant),
        data_classes=[] if redactions is None else [trusted_word(name) for name in sorted(redactions.classes)],
        detail=trusted_word("" if verdict is None or verdict.allowed else str(verdict)[:MAX_DETAIL_CHARACTERS]),
        reply_redactions={} if found is None else _counted(found.entities),
    )


def _counted(counts: Mapping[str, int]) -> dict[LogWord, int]:
    return {trusted_word(name): count for name, count in counts.items()}


def _event_entry(event: Event, entry_id: str) -> Entry:
    return Entry(
        v=VERSION,
        id=trusted_word(entry_id),
        time_us=time.time_ns() // 1000,
        duration_us=0,
        method=trusted_word(""),
        route=trusted_word(""),
        action=trusted_word(event.action),
        outcome="event",
        reason=trusted_word(event.outcome),
        status=None,
        caller=printable_word(event.by),
        key_id=printable_word(event.key_id),
        purpose=None,
        model=printable_word(event.subject) if event.action in ("stop", "resume") else None,
        version=None,
        model_digest=None,
        items=None,
        policies=[],
        policy_digest=printable_word(event.subject) if event.action == "policy-reload" else None,
        redactions={},
        request=None,
        reply=None,
        grant=trusted_word(event.subject if event.action.startswith("break-glass") else ""),
        detail=trusted_word(event.reason[:MAX_DETAIL_CHARACTERS]),
        head=trusted_word(event.head),
    )
