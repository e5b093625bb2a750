"""The kill switch: a signed file with the stopped models, which every worker watches.

If the file is missing or cannot be verified, all models are stopped: otherwise the switch could be disabled by removing
or damaging its file. Each version of the file has a higher sequence number, and a worker never accepts a lower one.
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
    """One stop order.

    Attributes:
        reason: Reason for the audit log; up to 200 printable ASCII characters.
        since: Time of the order (RFC 3339, UTC).
    """

    reason: str
    since: str


@dataclass(frozen=True, slots=True)
class StopOrders:
    """Content of the stop file.

    Attributes:
        sequence: Number of this version of the file, from 1.
        stopped: Stop orders by model; the key `*` means every model.
        reason: Reason of the last change.
    """

    sequence: int = 0
    stopped: Mapping[str, StopOrder] = field(default_factory=dict)
    reason: str = ""

    def with_stop(self, model: str, stop: StopOrder) -> StopOrders:
        """Return the next version, in which `model` is stopped; `*` stops every model.

        Raises:
            ConfigurationError: if the name or the reason has a wrong form.
        """
        _verify_names(model, stop.reason)
        return StopOrders(self.sequence + 1, {**self.stopped, model: stop}, stop.reason)

    def without(self, model: str, reason: str) -> StopOrders:
        """Return the next version, in which `model` is not stopped any more; `*` resumes every model.

        Raises:
            ConfigurationError: if the name or the reason has a wrong form.
        """
        _verify_names(model, reason)
        left = {} if model == ALL else {name: stop for name, stop in self.stopped.items() if name != model}
        return StopOrders(self.sequence + 1, left, reason)


def read_orders(file: Path, trusted: Sequence[VerifyingKey]) -> StopOrders:
    """Read and verify the stop file.

    Raises:
        ConfigurationError: if it cannot be read.
        SignatureError: if no trusted key signed it, or its content has a wrong form.
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
        raise SignatureError("the signed document is not the content of a stop file") from None
    return StopOrders(sequence, stopped, reason)


def write_orders(file: Path, orders: StopOrders, signer: Signer) -> None:
    """Sign the orders and replace the file atomically.

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


def _verify_names(model: str, reason: str) -> None:
    if not _MODEL.fullmatch(model) or not _REASON.fullmatch(reason):
        raise ConfigurationError("a stop needs a model's name, or ALL, and a reason of up to 200 ASCII characters")


def now_text(now: datetime) -> str:
    """Return a time as the stop file writes it, such as `2026-01-31T12:00:00Z`."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class KillSwitch:
    """The state of the stop file in one worker.

    Args:
        file: The stop file.
        trusted: Keys whose signature is accepted.
        clock: Returns an aware time.
    """

    def __init__(self, file: Path, trusted: Sequence[VerifyingKey], clock: Callable[[], datetime]) -> None:
        self._file, self._trusted, self._clock = file, tuple(trusted), clock
        self._seen: Fingerprint | None = None
        self.orders = StopOrders()

    def load(self) -> None:
        """Read the file at start.

        Raises:
            ConfigurationError: if it does not exist or cannot be read.
            SignatureError: if no trusted key signed it.
        """
        if not self._file.exists():
            raise ConfigurationError(
                f"the stop file {self._file} does not exist; this command creates it, with nothing stopped: "
                "bento-governance resume ALL --reason 'first start' --sign-with KEY"
            )
        self._seen = fingerprint(self._file)
        self.orders = read_orders(self._file, self._trusted)

    def reload(self) -> dict[str, StopOrder | None]:
        """Read the file again if it changed; return each model that was stopped (its order) or resumed (None).

        If the file is missing or not valid, every model is stopped.
        """
        seen = fingerprint(self._file)
        if seen is not None and seen == self._seen:
            return {}
        before, self._seen = self.orders.stopped, seen
        try:
            orders = read_orders(self._file, self._trusted)
            if orders.sequence < self.orders.sequence:
                raise RollbackError("the stop file was replaced by an older version")
            self.orders = orders
        except GovernanceError as error:
            reason = f"the stop file cannot be verified ({error.code})"
            already = before.get(ALL)
            since = already.since if already is not None and already.reason == reason else now_text(self._clock())
            self.orders = StopOrders(self.orders.sequence, {**before, ALL: StopOrder(reason, since)}, reason)
        after = self.orders.stopped
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        return {name: after.get(name) for name in sorted(changed)}

    def stops(self, model: str | None) -> bool:
        """Return whether the model, or every model, is stopped; None means no model."""
        stopped = self.orders.stopped
        return bool(stopped) and (ALL in stopped or model in stopped)

    def verify(self, model: str | None) -> str | None:
        """Return `model` if it is not stopped; None means a request that names no model.

        Raises:
            StoppedError: if the model or every model is stopped.
        """
        if self.stops(model):
            raise StoppedError("the operator has stopped this model, or all models")
        return model


def to_rows(orders: StopOrders) -> list[dict[str, Any]]:
    """Return the orders as rows for JSON: `{"model": …, "reason": …, "since": …}`, sorted by model."""
    return [
        {"model": "ALL" if name == ALL else name, "reason": stop.reason, "since": stop.since}
        for name, stop in sorted(orders.stopped.items())
    ]
