"""The file of API keys: create, list, rotate and revoke keys; only keyed hashes of them are stored.

A token is `bgk_<key id>_<secret>`: the key id finds the record, and the secret (256 random bits) proves it. The file is
JSON with mode 0600; it is locked while it is changed and replaced atomically, so running workers can read it any time.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec

from governance.access.callers.caller import NAME
from governance.access.callers.last_used import LastUsed
from governance.errors import ConfigurationError
from governance.files import Fingerprint, fingerprint, fingerprint_of, locked, replace_file

PREFIX = "bgk"
KEY_ID_BYTES, SECRET_BYTES = 9, 32
MAX_STORE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One record of the file; times are Unix seconds.

    Attributes:
        key_id: 12 characters that the token contains in clear.
        caller: Id of the caller.
        roles: Cedar roles of the caller.
        hash: HMAC-SHA256 over key id and secret under the hash key, in hex.
        created: When the key was created.
        expires: When the key expires, or None if it does not.
        revoked: When the key was revoked, or None.
    """

    key_id: str
    caller: str
    roles: tuple[str, ...]
    hash: str
    created: int
    expires: int | None
    revoked: int | None


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    keys: list[ApiKey]


_decode_document = msgspec.json.Decoder(_Document).decode


class ApiKeyStore:
    """The API keys in one file.

    Args:
        file: The file; it need not exist before the first key is created.
        hash_key: 32 secret bytes under which secrets are hashed.
        clock: Returns Unix seconds.
    """

    def __init__(self, file: Path, hash_key: bytes, *, clock: Callable[[], float] = time.time) -> None:
        self.file, self.clock = file, clock
        self.last_used = LastUsed(file.with_name(f"{file.stem}.last-used.json"), clock)
        self._hash_key = hash_key
        self._keys: dict[str, ApiKey] = {}
        self._seen: Fingerprint | None = None
        # Number of loads: what a reader derived from the records before the last one is out of date.
        self.generation = 0
        # Expiry times (Unix seconds) of the keys that are not revoked.
        self.expiries: tuple[int, ...] = ()

    def get(self, key_id: str) -> ApiKey | None:
        """Return the loaded record with this id, or None."""
        return self._keys.get(key_id)

    def hash_of(self, key_id: str, secret: str) -> str:
        """Return the hash that the record of this key id and secret has, in hex."""
        return hmac.digest(self._hash_key, b"api-key\x00" + f"{key_id}_{secret}".encode(), "sha256").hex()

    def is_stale(self) -> bool:
        """Return whether the file changed since it was loaded, or does not exist."""
        seen = fingerprint(self.file)
        return seen is None or seen != self._seen

    def load(self) -> None:
        """Read the file; a missing file means no keys.

        Raises:
            ConfigurationError: if the file is accessible to group or others, too large, or not a file of API keys.
        """
        try:
            with self.file.open("rb") as stream:
                status = os.fstat(stream.fileno())
                content = stream.read(MAX_STORE_BYTES + 1)
        except FileNotFoundError:
            self._keys, self._seen, self.expiries = {}, None, ()
            self.generation += 1
            return
        except OSError as error:
            raise ConfigurationError(f"cannot read the API keys {self.file}: {error.strerror}") from None
        if status.st_mode & 0o077:
            raise ConfigurationError(f"the API keys {self.file} are open to others: chmod 600 {self.file}")
        try:
            document = _decode_document(content)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise ConfigurationError(f"{self.file} is not a file of API keys") from None
        if document.version != 1 or len(content) > MAX_STORE_BYTES:
            raise ConfigurationError(f"the API keys {self.file} have another version, or the file is too large")
        self._keys = {key.key_id: key for key in document.keys}
        ends = (key.expires for key in document.keys if key.revoked is None)
        self.expiries = tuple(end for end in ends if end is not None)
        self.generation += 1
        self._seen = fingerprint_of(status)

    def keys(self) -> list[ApiKey]:
        """Read the file and return every record, oldest first.

        Raises:
            ConfigurationError: as `load`.
        """
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
        """Add a key; return its token, which is stored nowhere, and its record.

        Args:
            caller: Id of the caller: 1 to 64 letters, digits and `. _ @ -`.
            roles: Cedar roles, of the same form.
            lifetime_seconds: Seconds until the key expires, or None.
            random: Returns the given number of random bytes.

        Raises:
            ConfigurationError: if a name has another form, or the file cannot be written.
        """
        for name in (caller, *roles):
            if not NAME.fullmatch(name):
                raise ConfigurationError("names of callers and roles have 1 to 64 letters, digits and . _ @ -")
        key_id = base64.urlsafe_b64encode(random(KEY_ID_BYTES)).decode().replace("_", "-")
        # An id that starts with a dash would be read as an option on the command line.
        key_id = key_id if key_id[0] != "-" else f"0{key_id[1:]}"
        secret = base64.urlsafe_b64encode(random(SECRET_BYTES)).decode().rstrip("=")
        now = int(self.clock())
        expires = None if lifetime_seconds is None else now + lifetime_seconds
        key = ApiKey(key_id, caller, roles, self.hash_of(key_id, secret), now, expires, None)
        with self._changing():
            if key_id in self._keys:
                raise ConfigurationError("the random key id is taken: try again")
            self._keys[key_id] = key
        return f"{PREFIX}_{key_id}_{secret}", key

    def rotate(self, key_id: str, *, overlap_seconds: int, lifetime_seconds: int | None) -> tuple[str, ApiKey, ApiKey]:
        """Create a new key for the same caller and let the old one expire after an overlap.

        Args:
            key_id: Id of the old key.
            overlap_seconds: Seconds for which the old key stays valid; an earlier expiry of it is kept.
            lifetime_seconds: Seconds until the new key expires, or None.

        Returns:
            The new token, its record, and the changed record of the old key.

        Raises:
            ConfigurationError: if there is no such key, it is not valid any more, or the file cannot be written.
        """
        self.load()
        old, now = self._existing(key_id), int(self.clock())
        if old.revoked is not None or (old.expires is not None and old.expires <= now):
            raise ConfigurationError(f"the API key {key_id} is not valid any more: create a new one")
        token, new = self.create(old.caller, old.roles, lifetime_seconds=lifetime_seconds)
        ends = now + overlap_seconds
        with self._changing():
            old = self._existing(key_id)
            old = replace(old, expires=ends if old.expires is None else min(old.expires, ends))
            self._keys[key_id] = old
        return token, new, old

    def revoke(self, key_id: str) -> ApiKey:
        """Make a key invalid from now on; a key that is already revoked keeps its time of revocation.

        Raises:
            ConfigurationError: if there is no such key, or the file cannot be written.
        """
        with self._changing():
            key = self._existing(key_id)
            self._keys[key_id] = key = key if key.revoked else replace(key, revoked=int(self.clock()))
        return key

    def _existing(self, key_id: str) -> ApiKey:
        key = self._keys.get(key_id)
        if key is None:
            raise ConfigurationError(f"no API key has the id '{key_id[:40]}'")
        return key

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Lock and load the file, then write the records that the body changed."""
        try:
            with locked(self.file):
                self.load()
                yield
                document = {"version": 1, "keys": [asdict(key) for key in self._keys.values()]}
                replace_file(self.file, json.dumps(document, indent=1).encode())
        except OSError as error:
            raise ConfigurationError(f"cannot write the API keys {self.file}: {error.strerror}") from None
