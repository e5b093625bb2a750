"""Verification of API keys in a running worker: cached, and up to date with the file of keys."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable

from governance.access.callers.api_key_store import PREFIX, ApiKeyStore
from governance.access.callers.authenticator import Credentials
from governance.access.callers.caller import Caller
from governance.access.memo import Memo
from governance.errors import ConfigurationError, CredentialReason, NotReadyError, UnauthenticatedError

CHECK_SECONDS = 0.25
# One sentence for all reasons: a caller must not learn which key ids exist.
NEUTRAL = "the API key is not valid: it is unknown, wrong or revoked"

_TOKEN = re.compile(rf"{PREFIX}_([A-Za-z0-9-]{{12}})_([A-Za-z0-9_-]{{43}})")


class ApiKeyVerifier:
    """Verifies tokens `bgk_<key id>_<secret>` against a store; a changed file takes effect within `CHECK_SECONDS`.

    Args:
        store: The keys.
        monotonic: Returns seconds; determines when the file is checked for changes.
    """

    def __init__(self, store: ApiKeyStore, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store, self._monotonic = store, monotonic
        self._memo: Memo[str, tuple[Caller, int | None]] = Memo()
        self._generation = store.generation
        self._check_at = float("-inf")

    def identify(self, credentials: Credentials) -> Caller | None:
        """Return the caller of the request's API key, or None if the request carries no API key.

        Raises:
            UnauthenticatedError: if the key is unknown, wrong, expired or revoked.
            NotReadyError: if the file of keys cannot be read.
        """
        token = credentials.bearer
        if token is None or not token.startswith(f"{PREFIX}_"):
            return None
        caller = self.verify_token(token)
        self._store.last_used.mark(caller.key_id)
        return caller

    def verify_token(self, token: str) -> Caller:
        """Return the caller of a token.

        Raises:
            UnauthenticatedError: if the token is malformed, unknown, wrong, expired or revoked.
            NotReadyError: if the file of keys cannot be read; records loaded before are then not used.
        """
        self._reload_if_changed()
        if self._generation != self._store.generation:
            self._memo.clear()
            self._generation = self._store.generation
        known = self._memo.get(token)
        if known is None:
            known = self._verify_or_reload(token)
            self._memo.put(token, known)
        caller, expires = known
        if expires is not None and self._store.clock() >= expires:
            raise UnauthenticatedError("the API key has expired: ask for a new one", kind="api-key", reason="expired")
        return caller

    def _verify_or_reload(self, token: str) -> tuple[Caller, int | None]:
        """Verify a token; if it is refused, check the file first: the key may have been created a moment ago."""
        try:
            return self._verify(token)
        except UnauthenticatedError:
            self._check_at = float("-inf")
            self._reload_if_changed()
            return self._verify(token)

    def _reload_if_changed(self) -> None:
        """Load the file if it changed; the check costs a system call, so it runs every `CHECK_SECONDS` at most."""
        now = self._monotonic()
        if now < self._check_at:
            return
        if self._store.is_stale():
            try:
                self._store.load()
            except ConfigurationError as error:
                raise NotReadyError("API keys cannot be checked now") from error
        self._check_at = now + CHECK_SECONDS

    def _verify(self, token: str) -> tuple[Caller, int | None]:
        match = _TOKEN.fullmatch(token)
        key_id, secret = match.groups() if match else ("", "")
        key = self._store.get(key_id)
        # An unknown id takes as long as a wrong secret, so that timing does not show which ids exist.
        expected = key.hash if key is not None else "0" * 64
        matches = hmac.compare_digest(self._store.hash_of(key_id, secret), expected)
        if not matches or key is None:
            reason: CredentialReason = "unknown" if match else "malformed"
            raise UnauthenticatedError(NEUTRAL, kind="api-key", reason=reason)
        if key.revoked is not None:
            raise UnauthenticatedError(NEUTRAL, kind="api-key", reason="revoked")
        return Caller(key.caller, key.roles, key.key_id), key.expires
