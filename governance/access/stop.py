"""The kill switch: a signed file that says which models are stopped, watched by every worker.

What cannot be verified stops everything: a switch that can be jammed by removing or garbling its file is none. Every
version of the file has a higher number than the one before, and a worker never goes back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from governance.errors import ConfigurationError, GovernanceError, RollbackError, SignatureError, StoppedError
from governance.files import Fingerprint, fingerprint, read_limited, replace_file
from governance.keys import Signer, VerifyingKey
from governance.keys.dsse import sign_document, verify_document

PAYLOAD_TYPE = "application/vnd.bento-governance.stop+json"
ALL = "*"
MAX_BYTES = 2**20

_REASON = re.compile(r"[\x20-\x7e]{1,200}")
_MODEL = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class StopOrder:
    """One order: why, and since when (RFC 3339, UTC)."""

    reason: str
    since: str


@dataclass(frozen=True, slots=True)
class StopOrders:
    """All orders that hold, by model; `*` stands for every model.

    `sequence` counts the file's versions; `reason` is that of the last change.
    """

    sequence: int = 0
    stopped: Mapping[str, StopOrder] = field(default_factory=dict)
    reason: str = ""

    def with_stop(self, model: str, stop: StopOrder) -> StopOrders:
        """Return the next version, with this model stopped.

        Raises:
            ConfigurationError: if the model's name or the reason cannot be used.
        """
        _verify_words(model, stop.reason)
        return StopOrders(self.sequence + 1, {**self.stopped, model: stop}, stop.reason)

    def without(self, model: str, reason: str) -> StopOrders:
        """Return the next version, with this model not stopped any more; `*` resumes every model.

        Raises:
            ConfigurationError: if the model's name or the reason cannot be used.
        """
        _verify_words(model, reason)
        left = {} if model == ALL else {name: stop for name, stop in self.stopped.items() if name != model}
        return StopOrders(self.sequence + 1, left, reason)


def read_orders(file: Path, trusted: Sequence[VerifyingKey]) -> StopOrders:
    """Read and verify the file.

    Raises:
        ConfigurationError: if it cannot be read.
        SignatureError: if nobody trusted signed it, or it has a wrong form.
    """
    document, _ = verify_document(read_limited(file, MAX_BYTES), PAYLOAD_TYPE, trusted)
    try:
        stopped = {
            str(name): StopOrder(str(item["reason"]), str(item["since"])) for name, item in document["stopped"].items()
        }
        sequence, reason = document["sequence"], str(document["reason"])
        if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 1:
            raise TypeError
    except (LookupError, TypeError, AttributeError):
        raise SignatureError("what was signed are no orders of a kill switch") from None
    return StopOrders(sequence, stopped, reason)


def write_orders(file: Path, orders: StopOrders, signer: Signer) -> None:
    """Sign and write the file whole.

    Raises:
        ConfigurationError: if it cannot be written.
    """
    stopped = {name: {"reason": stop.reason, "since": stop.since} for name, stop in orders.stopped.items()}
    document = {"sequence": orders.sequence, "stopped": stopped, "reason": orders.reason}
    content = sign_document(document, PAYLOAD_TYPE, signer)
    try:
        replace_file(file, content)
        file.chmod(0o644)
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}") from None


def _verify_words(model: str, reason: str) -> None:
    if not _MODEL.fullmatch(model) or not _REASON.fullmatch(reason):
        raise ConfigurationError("a model's name, or ALL, and a reason of up to 200 ASCII characters are needed")


def now_text(now: datetime) -> str:
    """Return a moment as the file writes it."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class KillSwitch:
    """The stops that a worker knows of: reads the signed file, and refuses requests to stopped models."""

    def __init__(self, file: Path, trusted: Sequence[VerifyingKey], clock: Callable[[], datetime]) -> None:
        self._file, self._trusted, self._clock = file, tuple(trusted), clock
        self._seen: Fingerprint | None = None
        self.orders = StopOrders()

    def load(self) -> None:
        """Read the file for the first time.

        Raises:
            ConfigurationError: if it is not there or cannot be read.
            SignatureError: if nobody trusted signed it.
        """
        if not self._file.exists():
            raise ConfigurationError(
                f"the kill switch {self._file} is not there; this makes it, with nothing stopped: "
                "bento-governance resume ALL --reason 'first start' --sign-with KEY"
            )
        self._seen = fingerprint(self._file)
        self.orders = read_orders(self._file, self._trusted)

    def look(self) -> dict[str, StopOrder | None]:
        """Read the file again if it changed, and return what was stopped (the order) or resumed (None)."""
        seen = fingerprint(self._file)
        if seen is not None and seen == self._seen:
            return {}
        before, self._seen = self.orders.stopped, seen
        try:
            orders = read_orders(self._file, self._trusted)
            if orders.sequence < self.orders.sequence:
                raise RollbackError("an older version was put in its place")
            self.orders = orders
        except GovernanceError as error:
            reason = f"the kill switch cannot be verified ({error.code})"
            already = before.get(ALL)
            since = already.since if already is not None and already.reason == reason else now_text(self._clock())
            self.orders = StopOrders(self.orders.sequence, {**before, ALL: StopOrder(reason, since)}, reason)
        after = self.orders.stopped
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        return {name: after.get(name) for name in sorted(changed)}

    def verify(self, model: str | None) -> str | None:
        """Return `model` if it may answer.

        Raises:
            StoppedError: if it is stopped, or every model is.
        """
        stopped = self.orders.stopped
        if stopped and (ALL in stopped or model in stopped):
            raise StoppedError("the operator has stopped this")
        return model


def to_rows(orders: StopOrders) -> list[dict[str, Any]]:
    """Return the orders for people and machines."""
    return [
        {"model": "ALL" if name == ALL else name, "reason": stop.reason, "since": stop.since}
        for name, stop in sorted(orders.stopped.items())
    ]
