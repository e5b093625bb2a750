"""The kill switch: a signed file with the stopped models, which every worker watches.

If the file is missing or cannot be verified, all models are stopped: otherwise the switch could be disabled by removing
or damaging its file. Each version of the file names the service, the version before, and a higher sequence number; a
worker accepts neither a lower one, nor two versions with one number.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from governance.canonical import canonical_json
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
        service: Name of the service that the orders are for.
        sequence: Number of this version of the file, from 1.
        stopped: Stop orders by model; the key `*` means every model.
        reason: Reason of the last change.
        previous: Digest of the version before, or "" for the first.
        signer: Fingerprint of the key that signed it, or "" before it is signed.
    """

    service: str
    sequence: int = 0
    stopped: Mapping[str, StopOrder] = field(default_factory=dict)
    reason: str = ""
    previous: str = ""
    signer: str = field(default="", compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the document that is signed."""
        return hashlib.sha256(canonical_json(self.to_document())).hexdigest()

    def to_document(self) -> dict[str, Any]:
        """Return the JSON document that is signed."""
        return {
            "service": self.service,
            "sequence": self.sequence,
            "previous": self.previous,
            "stopped": {name: {"reason": stop.reason, "since": stop.since} for name, stop in self.stopped.items()},
            "reason": self.reason,
        }

    def with_stop(self, model: str, stop: StopOrder) -> StopOrders:
        """Return the next version, in which `model` is stopped; `*` stops every model.

        Raises:
            ConfigurationError: if the name or the reason has a wrong form.
        """
        _verify_names(model, stop.reason)
        return self._next({**self.stopped, model: stop}, stop.reason)

    def without(self, model: str, reason: str) -> StopOrders:
        """Return the next version, in which `model` is not stopped any more; `*` resumes every model.

        Raises:
            ConfigurationError: if the name or the reason has a wrong form.
        """
        _verify_names(model, reason)
        left = {} if model == ALL else {name: stop for name, stop in self.stopped.items() if name != model}
        return self._next(left, reason)

    def _next(self, stopped: Mapping[str, StopOrder], reason: str) -> StopOrders:
        return StopOrders(self.service, self.sequence + 1, stopped, reason, self.digest if self.sequence else "")


def read_orders(file: Path, trusted: Sequence[VerifyingKey], service: str) -> StopOrders:
    """Read and verify the stop file of a service.

    Raises:
        ConfigurationError: if it cannot be read.
        SignatureError: if no trusted key signed it, it is for another service, or its content has a wrong form.
    """
    document, signers = verify_document(read_limited(file, MAX_BYTES), PAYLOAD_TYPE, trusted)
    if not isinstance(document, dict) or document.get("service") != service:
        raise SignatureError(
            f"the stop file is not for the service '{service}'; if an older release made it, remove it, "
            "and create it again with `resume ALL`"
        )
    try:
        stopped = {
            str(name): StopOrder(str(item["reason"]), str(item["since"])) for name, item in document["stopped"].items()
        }
        sequence, reason, previous = document["sequence"], str(document["reason"]), str(document["previous"])
        if not isinstance(sequence, int) or isinstance(sequence, bool) or sequence < 1:
            raise TypeError
    except (LookupError, TypeError, AttributeError):
        raise SignatureError("the signed document is not the content of a stop file") from None
    return StopOrders(service, sequence, stopped, reason, previous, signers[0])


def write_orders(file: Path, orders: StopOrders, signer: Signer) -> None:
    """Sign the orders and replace the file atomically.

    Raises:
        ConfigurationError: if it cannot be written.
    """
    content = sign_document(orders.to_document(), PAYLOAD_TYPE, signer)
    try:
        replace_file(file, content)
        file.chmod(0o644)
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}") from None


def _verify_successor(orders: StopOrders, accepted: StopOrders) -> StopOrders:
    """Return `orders` if they are the accepted ones again, or were made from them or from later ones.

    Raises:
        RollbackError: if they are older, or another order took the same number.
    """
    if orders.sequence < accepted.sequence:
        raise RollbackError("the stop file was replaced by an older version")
    if orders.sequence == accepted.sequence and orders.digest != accepted.digest:
        raise RollbackError("two stop files have one sequence number")
    if orders.sequence == accepted.sequence + 1 and orders.previous != accepted.digest:
        raise RollbackError("the stop file was not made from the one before")
    return orders


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
        service: Name of the service; the file of another one is refused.
        clock: Returns an aware time.

    Attributes:
        orders: What is in force: `accepted`, or that with every model stopped.
        accepted: Content of the last file that was accepted.
    """

    def __init__(
        self, file: Path, trusted: Sequence[VerifyingKey], service: str, clock: Callable[[], datetime]
    ) -> None:
        self._file, self._trusted, self._service, self._clock = file, tuple(trusted), service, clock
        self._seen: Fingerprint | None = None
        self.orders = self.accepted = StopOrders(service)

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
        self.orders = self.accepted = read_orders(self._file, self._trusted, self._service)

    def reload(self) -> dict[str, StopOrder | None]:
        """Read the file again if it changed; return each model that was stopped (its order) or resumed (None).

        If the file is missing or not valid, every model is stopped.
        """
        seen = fingerprint(self._file)
        if seen is not None and seen == self._seen:
            return {}
        before, self._seen = self.orders.stopped, seen
        try:
            orders = read_orders(self._file, self._trusted, self._service)
            self.orders = self.accepted = _verify_successor(orders, self.accepted)
        except GovernanceError as error:
            reason = f"the stop file cannot be verified ({error.code})"
            already = before.get(ALL)
            since = already.since if already is not None and already.reason == reason else now_text(self._clock())
            self.orders = replace(self.accepted, stopped={**before, ALL: StopOrder(reason, since)}, reason=reason)
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
