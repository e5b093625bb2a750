"""What is done with keys, counted for whoever shows numbers: by provider, operation and outcome, with its time."""

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
# Times that nobody asks for are forgotten, oldest first; the counts are not.
MAX_TIMES = 4096


class KeyOperations:
    """Counts since the start, and the times since somebody last took them; keys are used from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str, str], int] = {}
        self._seconds: dict[tuple[str, str], deque[float]] = {}

    @contextmanager
    def timed(self, provider: str, operation: KeyOperation) -> Iterator[None]:
        """Count what is done within, and how it ended."""
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
        """Return the counts by provider, operation and outcome."""
        with self._lock:
            return dict(self._counts)

    def take_seconds(self) -> Mapping[tuple[str, str], Iterable[float]]:
        """Return the times by provider and operation, and forget them."""
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


# One for the process, as its keys are: they are used below everything that could hand this on.
KEY_OPERATIONS = KeyOperations()


@dataclass(frozen=True, slots=True, repr=False)
class CountedSigner:
    """A signer whose signatures are counted."""

    _provider: str
    _signer: Signer

    @property
    def public_key(self) -> VerifyingKey:
        return self._signer.public_key

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`."""
        with KEY_OPERATIONS.timed(self._provider, "sign"):
            return self._signer.sign(message)


@dataclass(frozen=True, slots=True, repr=False)
class CountedUnwrapper:
    """An unwrapper whose openings of data keys are counted."""

    _provider: str
    _unwrapper: Unwrapper

    @property
    def key_id(self) -> str:
        return self._unwrapper.key_id

    @property
    def suite(self) -> str:
        return self._unwrapper.suite

    def unwrap(self, wrapped: bytes, info: bytes) -> bytes:
        """Decrypt what was wrapped with the same `info`."""
        with KEY_OPERATIONS.timed(self._provider, "unwrap"):
            return self._unwrapper.unwrap(wrapped, info)


@dataclass(frozen=True, slots=True, repr=False)
class CountedWrapper:
    """A wrapper whose wrapped data keys are counted."""

    _provider: str
    _wrapper: Wrapper

    @property
    def key_id(self) -> str:
        return self._wrapper.key_id

    @property
    def suite(self) -> str:
        return self._wrapper.suite

    def wrap(self, plaintext: bytes, info: bytes) -> bytes:
        """Encrypt a data key, bound to `info`."""
        with KEY_OPERATIONS.timed(self._provider, "wrap"):
            return self._wrapper.wrap(plaintext, info)


def verify_counted(key: VerifyingKey, signature: bytes, message: bytes) -> bytes:
    """Return `message` if `signature` is this key's over it; public keys are files, whoever holds the private ones.

    Raises:
        SignatureError: if it is not.
    """
    with KEY_OPERATIONS.timed("file", "verify"):
        return key.verify_signature(signature, message)
