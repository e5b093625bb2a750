"""Identity: finds the caller of a request by its credential, or refuses the request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator

from governance.access.callers.api_key_store import ApiKeyStore
from governance.access.callers.api_keys import ApiKeyVerifier
from governance.access.callers.authenticator import Authenticator, Credentials, Identity, bearer_token
from governance.access.callers.caller import Caller
from governance.access.callers.client_certificates import CertificatePolicy, CertificateVerifier
from governance.access.callers.jwks import KeySet, from_file, from_issuer
from governance.access.callers.tokens import Issuer, TokenVerifier, UnknownKeyError
from governance.contract.exchange import Connection, Exchange, Reply
from governance.contract.facts import Admitted, is_admitted
from governance.contract.measurements import Measurement, expiries
from governance.contract.plugin import Plugin, Proceed
from governance.errors import ConfigurationError, UnauthenticatedError
from governance.keys import open_secret
from governance.plugins.watch import Watch
from governance.settings import CertificateSettings, IssuerSettings, Settings

AUTHORIZATION, FORWARDED_CERTIFICATE = b"authorization", b"x-forwarded-client-cert"
FLUSH_SECONDS = 60.0
CHECK_SECONDS = 0.5
# The first pause after an identity provider did not answer; it doubles up to refresh_seconds.
RETRY_SECONDS = 5.0

logger = logging.getLogger("governance.identity")


class IdentityPlugin(Plugin):
    """Puts the `Caller` whose API key, token or certificate the request carries; public routes need no caller."""

    name = "identity"
    provides = frozenset({Caller})
    uses = frozenset({Admitted})

    def __init__(self, settings: Settings) -> None:
        if settings.identity is None:
            raise ConfigurationError("the plugin 'identity' needs an [identity] section: api_keys, issuers or more")
        self._settings = settings.identity
        self._watches: list[Watch] = []
        self._store: ApiKeyStore | None = None

    async def open(self) -> None:
        """Open the API key store, and fetch the issuers' keys."""
        settings = self._settings
        key_sets = {name: _key_set(name, issuer) for name, issuer in settings.issuers.items()}
        self._identity = Identity(list(self._authenticators(key_sets)))
        for name, keys in key_sets.items():
            await keys.refresh()
            refresher = Refresher(keys, settings.issuers[name].refresh_seconds, time.monotonic)
            self._watches.append(Watch(f"keys of the issuer '{name}'", CHECK_SECONDS, refresher.look))
        if self._store is not None:
            self._watches.append(Watch("last use of API keys", FLUSH_SECONDS, self._flush))

    async def close(self) -> None:
        """Stop fetching keys, and store the last use of API keys."""
        for watch in self._watches:
            await watch.stop()
        self._watches.clear()
        await self._flush()

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        """Put the caller of a request, and proceed.

        Raises:
            UnauthenticatedError: if the request carries no valid credential.
            KeyUnavailableError: if an issuer's keys cannot be fetched.
        """
        if not is_admitted(exchange):
            credentials = _credentials(exchange)
            try:
                caller = self._identity.identify(credentials)
            except UnknownKeyError as error:
                await error.keys.ask_again()
                caller = self._identity.identify(credentials)
            exchange.put(caller)
        return await proceed(exchange)

    def measurements(self) -> Iterable[Measurement]:
        """Return when those API keys expire that have an end."""
        if self._store is not None and self._store.expiries:
            yield from expiries("api-key", self._store.expiries, time.time())

    async def _flush(self) -> None:
        """Store the last use of each API key. If the store is read-only (a mounted secret), log that and continue."""
        if self._store is None:
            return
        try:
            await asyncio.to_thread(self._store.last_used.flush)
        except ConfigurationError as error:
            logger.warning("the last use of API keys was not stored: %s", error)

    def _authenticators(self, key_sets: dict[str, KeySet]) -> Iterator[Authenticator]:
        settings = self._settings
        if settings.api_keys is not None and settings.hash_key is not None:
            self._store = ApiKeyStore(settings.api_keys, open_secret(settings.hash_key))
            self._store.load()
            if not settings.api_keys.exists():
                logger.warning(
                    "%s does not exist, so every API key is refused: `bento-governance api-key create` makes it",
                    settings.api_keys,
                )
            yield ApiKeyVerifier(self._store)
        if key_sets:
            yield TokenVerifier([_issuer(name, settings.issuers[name], keys) for name, keys in key_sets.items()])
        if settings.certificates is not None:
            yield CertificateVerifier(_certificate_policy(settings.certificates))


def _credentials(exchange: Exchange) -> Credentials:
    authorization = exchange.header(AUTHORIZATION)
    if authorization is None and exchange.has_header(AUTHORIZATION):
        raise UnauthenticatedError("send one Authorization field", kind="none", reason="malformed")
    if authorization is not None:
        return Credentials(bearer_token(authorization), None, "")
    connection: Connection = exchange.connection()
    return Credentials(None, exchange.header(FORWARDED_CERTIFICATE), connection.peer, connection.certificate)


def _key_set(name: str, settings: IssuerSettings) -> KeySet:
    if settings.jwks_file is not None:
        fetch = from_file(settings.jwks_file)
    else:
        fetch = from_issuer(
            settings.issuer, settings.jwks_url, ca_file=settings.ca_file, token_file=settings.token_file
        )
    return KeySet(name, fetch, ask_again_seconds=settings.ask_again_seconds, monotonic=time.monotonic)


def _issuer(name: str, settings: IssuerSettings, keys: KeySet) -> Issuer:
    return Issuer(
        name=name,
        issuer=settings.issuer,
        audiences=frozenset(settings.audiences),
        keys=keys,
        algorithms=settings.algorithms,
        clock_skew_seconds=settings.clock_skew_seconds,
        max_lifetime_seconds=settings.max_lifetime_seconds,
        subject_claim=settings.subject_claim,
        roles_claim=settings.roles_claim,
        roles=settings.roles,
        subject_roles=settings.subject_roles,
        default_roles=settings.default_roles,
        attributes=settings.attributes,
    )


def _certificate_policy(settings: CertificateSettings) -> CertificatePolicy:
    return CertificatePolicy("certificate", settings.subject, settings.trusted_proxies, settings.roles)


class Refresher:
    """Fetches an issuer's keys again when they are due; sooner, if the last attempt failed."""

    def __init__(self, keys: KeySet, refresh_seconds: float, monotonic: Callable[[], float]) -> None:
        self._keys, self._refresh_seconds, self._monotonic = keys, refresh_seconds, monotonic
        self._wait = refresh_seconds if keys.answered else min(RETRY_SECONDS, refresh_seconds)
        self._due = monotonic() + self._wait

    async def look(self) -> None:
        """Fetch the keys, if they are due."""
        if self._monotonic() < self._due:
            return
        answered = await self._keys.refresh()
        self._wait = self._refresh_seconds if answered else min(2 * self._wait, self._refresh_seconds)
        self._due = self._monotonic() + self._wait
