"""API keys: 256-bit secrets, stored only as keyed hashes, revocable while the service runs.

A token is `bgk_<key id>_<secret>`: the id finds the record, and the secret proves it. The store is a JSON file
that every worker watches.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec

from governance.access.callers.authenticator import Credentials
from governance.access.callers.caller import NAME, Caller
from governance.access.callers.last_used import LastUsed
from governance.access.memo import Memo
from governance.errors import ConfigurationError, CredentialReason, NotReadyError, UnauthenticatedError
from governance.files import Fingerprint, fingerprint, fingerprint_of, locked, replace_file

PREFIX = "bgk"
KEY_ID_BYTES, SECRET_BYTES = 9, 32
MAX_STORE_BYTES = 64 * 2**20
CHECK_SECONDS = 0.25
NEUTRAL = "the API key is not valid: it is unknown, wrong or revoked"

_TOKEN = re.compile(rf"{PREFIX}_([A-Za-z0-9-]{{12}})_([A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One record of the store. Times are Unix seconds; `hash` is HMAC-SHA256 over key id and secret, in hex."""

    key_id: str
    caller: str
    roles: tuple[str, ...]
    hash: str
    created: int
    expires: int | None
    revoked: int | None


class _Store(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    keys: list[ApiKey]


_decode_store = msgspec.json.Decoder(_Store).decode


class ApiKeyStore:
    """The keys of one file.

    Args:
        file: need not exist before the first key is created.
        hash_key: 32 secret bytes that key the hash.
        clock: Unix time in seconds.
        monotonic: seconds, for how often the file is looked at.
    """

    def __init__(
        self,
        file: Path,
        hash_key: bytes,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._hash_key = file, hash_key
        self._clock, self._monotonic = clock, monotonic
        self._keys: dict[str, ApiKey] = {}
        self._memo: Memo[str, tuple[Caller, int | None]] = Memo()
        # When keys expire that are not revoked (Unix seconds).
        self.expiries: tuple[int, ...] = ()
        self._seen: Fingerprint | None = None
        self._look_again_at = float("-inf")
        self.last_used = LastUsed(file.with_name(f"{file.stem}.last-used.json"), clock)

    def identify(self, credentials: Credentials) -> Caller | None:
        """Return who holds the API key that the request bears, or None if it bears something else.

        Raises:
            UnauthenticatedError: if the key is unknown, wrong, expired or revoked.
            NotReadyError: if the store was broken by an edit.
        """
        token = credentials.bearer
        if token is None or not token.startswith(f"{PREFIX}_"):
            return None
        caller = self.verify_token(token)
        self.last_used.mark(caller.key_id)
        return caller

    def verify_token(self, token: str) -> Caller:
        """Return who holds this token.

        Raises:
            UnauthenticatedError: for anything but a valid token.
            NotReadyError: if the store was broken by an edit; nobody is let in on what it said before.
        """
        self._look_again()
        known = self._memo.get(token)
        if known is None:
            known = self._verify_or_look_again(token)
            self._memo.put(token, known)
        caller, expires = known
        if expires is not None and self._clock() >= expires:
            raise UnauthenticatedError("the API key has expired: ask for a new one", kind="api-key", reason="expired")
        return caller

    def keys(self) -> list[ApiKey]:
        """Return every record, oldest first."""
        self.load()
        return sorted(self._keys.values(), key=lambda key: (key.created, key.key_id))

    def create(
        self,
        caller: str,
        roles: tuple[str, ...],
        *,
        lifetime_seconds: int | None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> tuple[str, ApiKey]:
        """Add a key, and return its token, which is kept nowhere, and its record.

        Raises:
            ConfigurationError: if the caller's or a role's name cannot be used, or the store cannot be written.
        """
        for name in (caller, *roles):
            if not NAME.fullmatch(name):
                raise ConfigurationError("names of callers and roles have 1 to 64 letters, digits and . _ @ -")
        key_id = base64.urlsafe_b64encode(random(KEY_ID_BYTES)).decode().replace("_", "-")
        # A dash in front would make an option of it on the command line.
        key_id = key_id if key_id[0] != "-" else f"0{key_id[1:]}"
        secret = base64.urlsafe_b64encode(random(SECRET_BYTES)).decode().rstrip("=")
        now = int(self._clock())
        expires = None if lifetime_seconds is None else now + lifetime_seconds
        key = ApiKey(key_id, caller, roles, self._hash(key_id, secret), now, expires, None)
        with self._changing():
            if key_id in self._keys:
                raise ConfigurationError("the random key id is taken: try again")
            self._keys[key_id] = key
        return f"{PREFIX}_{key_id}_{secret}", key

    def rotate(self, key_id: str, *, overlap_seconds: int, lifetime_seconds: int | None) -> tuple[str, ApiKey, ApiKey]:
        """Make a new key for the same caller, and let the old one expire after an overlap.

        Returns:
            the new token, its record, and the old key's.

        Raises:
            ConfigurationError: if there is no such key, it is not valid any more, or the store cannot be written.
        """
        self.load()
        old, now = self._known(key_id), int(self._clock())
        if old.revoked is not None or (old.expires is not None and old.expires <= now):
            raise ConfigurationError(f"the API key {key_id} is not valid any more: create a new one")
        token, new = self.create(old.caller, old.roles, lifetime_seconds=lifetime_seconds)
        ends = now + overlap_seconds
        with self._changing():
            old = self._known(key_id)
            old = replace(old, expires=ends if old.expires is None else min(old.expires, ends))
            self._keys[key_id] = old
        return token, new, old

    def revoke(self, key_id: str) -> ApiKey:
        """Make a key invalid from now on; a key that is revoked already stays as it is.

        Raises:
            ConfigurationError: if there is no such key, or the store cannot be written.
        """
        with self._changing():
            key = self._known(key_id)
            self._keys[key_id] = key = key if key.revoked else replace(key, revoked=int(self._clock()))
        return key

    def load(self) -> None:
        """Read the store.

        Raises:
            ConfigurationError: if it is open to others, too large, or not a store.
        """
        try:
            with self._file.open("rb") as stream:
                status = os.fstat(stream.fileno())
                content = stream.read(MAX_STORE_BYTES + 1)
        except FileNotFoundError:
            self._keys, self._seen, self.expiries = {}, None, ()
            self._memo.clear()
            return
        except OSError as error:
            raise ConfigurationError(f"cannot read the API keys {self._file}: {error.strerror}") from None
        if status.st_mode & 0o077:
            raise ConfigurationError(f"the API keys {self._file} are open to others: chmod 600 {self._file}")
        try:
            store = _decode_store(content)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ConfigurationError(f"the API keys {self._file} are not a store of API keys") from None
        if store.version != 1 or len(content) > MAX_STORE_BYTES:
            raise ConfigurationError(f"the API keys {self._file} are of another version, or too large")
        self._keys = {key.key_id: key for key in store.keys}
        ends = (key.expires for key in store.keys if key.revoked is None)
        self.expiries = tuple(end for end in ends if end is not None)
        self._memo.clear()
        self._seen = fingerprint_of(status)

    def _known(self, key_id: str) -> ApiKey:
        key = self._keys.get(key_id)
        if key is None:
            raise ConfigurationError(f"no API key has the id '{key_id[:40]}'")
        return key

    def _verify_or_look_again(self, token: str) -> tuple[Caller, int | None]:
        """A key that is not known may have been made a moment ago."""
        try:
            return self._verify(token)
        except UnauthenticatedError:
            self._look_again_at = float("-inf")
            self._look_again()
            return self._verify(token)

    def _look_again(self) -> None:
        """Reload the store if its file has changed; a look costs a system call, so it is not taken every time."""
        now = self._monotonic()
        if now < self._look_again_at:
            return
        seen = fingerprint(self._file)
        if seen is None or seen != self._seen:
            try:
                self.load()
            except ConfigurationError as error:
                raise NotReadyError("API keys cannot be checked at present") from error
        self._look_again_at = now + CHECK_SECONDS

    def _verify(self, token: str) -> tuple[Caller, int | None]:
        match = _TOKEN.fullmatch(token)
        key_id, secret = match.groups() if match else ("", "")
        key = self._keys.get(key_id)
        # An unknown id costs the same as a wrong secret.
        expected = key.hash if key is not None else "0" * 64
        matches = hmac.compare_digest(self._hash(key_id, secret), expected)
        if not matches or key is None:
            reason: CredentialReason = "unknown" if match else "malformed"
            raise UnauthenticatedError(NEUTRAL, kind="api-key", reason=reason)
        if key.revoked is not None:
            raise UnauthenticatedError(NEUTRAL, kind="api-key", reason="revoked")
        return Caller(key.caller, key.roles, key.key_id), key.expires

    def _hash(self, key_id: str, secret: str) -> str:
        return hmac.digest(self._hash_key, b"api-key\x00" + f"{key_id}_{secret}".encode(), "sha256").hex()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Load, change and write the store while no other process does."""
        try:
            with locked(self._file):
                self.load()
                yield
                document = {"version": 1, "keys": [asdict(key) for key in self._keys.values()]}
                replace_file(self._file, json.dumps(document, indent=1).encode())
        except OSError as error:
            raise ConfigurationError(f"cannot write the API keys {self._file}: {error.strerror}") from None
