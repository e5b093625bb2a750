"""Counts and durations of key operations by provider, operation and outcome, for the metrics."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from governance.errors import KeyUnavailableError
from governance.keys.recipient import Unwrapper, Wrapper
from governance.keys.signing import Signer, VerifyingKey

KeyOperation = Literal["open", "sign", "verify", "wrap", "unwrap", "secret"]
KeyOutcome = Literal["done", "refused", "unavailable"]
# Greatest number of stored durations; the oldest are dropped if the metrics do not take them.
MAX_TIMES = 4096


class KeyOperations:
    """Counts since the start, and durations since the last `take_seconds`; safe for use by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str, str], int] = {}
        self._seconds: dict[tuple[str, str], deque[float]] = {}

    @contextmanager
    def timed(self, provider: str, operation: KeyOperation) -> Iterator[None]:
        """Count and time the operation in the body; its outcome depends on the error that leaves the body.

        Args:
            provider: Scheme of the key's URI, such as `file`.
            operation: Name of the operation.
        """
        outcome: KeyOutcome = "refused"
        started = time.perf_counter()
        try:
            yield
            outcome = "done"
        except KeyUnavailableError:
            outcome = "unavailable"
            raise
        finally:
            self._add(provider, operation, outcome, time.perf_counter() - started)

    def counts(self) -> Mapping[tuple[str, str, str], int]:
        """Return the count of each (provider, operation, outcome)."""
        with self._lock:
            return dict(self._counts)

    def take_seconds(self) -> Mapping[tuple[str, str], Iterable[float]]:
        """Return the durations in seconds of each (provider, operation), and drop them."""
        with self._lock:
            taken, self._seconds = self._seconds, {}
        return taken

    def _add(self, provider: str, operation: str, outcome: str, seconds: float) -> None:
        with self._lock:
            key = provider, operation, outcome
            self._counts[key] = self._counts.get(key, 0) + 1
            times = self._seconds.get((provider, operation))
            if times is None:
                times = self._seconds[provider, operation] = deque(maxlen=MAX_TIMES)
            times.append(seconds)


# One for the process: keys are used in layers that no object of the service reaches.
KEY_OPERATIONS = KeyOperations()


@dataclass(frozen=True, slots=True, repr=False)
class CountedSigner:
    """A signer that counts its signatures."""

    _provider: str
    _signer: Signer

    @property
    def public_key(self) -> VerifyingKey:
        """The public half of the key."""
        return self._signer.public_key

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`; see `Signer.sign`."""
        with KEY_OPERATIONS.timed(self._provider, "sign"):
            return self._signer.sign(message)


@dataclass(frozen=True, slots=True, repr=False)
class CountedUnwrapper:
    """An unwrapper that counts decryptions of data keys."""

    _provider: str
    _unwrapper: Unwrapper

    @property
    def key_id(self) -> str:
        """Id of the key: 64 hex digits."""
        return self._unwrapper.key_id

    @property
    def suite(self) -> str:
        """Name of the method in the format."""
        return self._unwrapper.suite

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:
        """Decrypt a data key; see `Unwrapper.unwrap`."""
        with KEY_OPERATIONS.timed(self._provider, "unwrap"):
            return self._unwrapper.unwrap(wrapped, info)


@dataclass(frozen=True, slots=True, repr=False)
class CountedWrapper:
    """A wrapper that counts encryptions of data keys."""

    _provider: str
    _wrapper: Wrapper

    @property
    def key_id(self) -> str:
        """Id of the key: 64 hex digits."""
        return self._wrapper.key_id

    @property
    def suite(self) -> str:
        """Name of the method in the format."""
        return self._wrapper.suite

    def wrap(self, plaintext: bytes, info: bytes) -> bytes:
        """Encrypt a data key; see `Wrapper.wrap`."""
        with KEY_OPERATIONS.timed(self._provider, "wrap"):
            return self._wrapper.wrap(plaintext, info)


def verify_counted(key: VerifyingKey, signature: bytes, message: bytes) -> bytes:
    """Return `message` if `signature` is valid for it, and count the verification.

    It is counted as an operation of the provider `file`: public keys are always files.

    Raises:
        SignatureError: if the signature is wrong.
    """
    with KEY_OPERATIONS.timed("file", "verify"):
        return key.verify_signature(signature, message)
