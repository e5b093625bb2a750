"""Identity: finds out who asks, or refuses."""

from __future__ import annotations

from governance.access.identity import ApiKeyStore, Caller, bearer_token
from governance.errors import ConfigurationError
from governance.exchange import Exchange, Proceed, Reply
from governance.keys import open_secret
from governance.settings import Settings


class IdentityPlugin:
    """Gives the Caller whose API key the request bears; probes need none."""

    name = "identity"
    needs: frozenset[type] = frozenset()
    gives: frozenset[type] = frozenset({Caller})

    def __init__(self, settings: Settings) -> None:
        if settings.identity is None:
            raise ConfigurationError("the plugin 'identity' needs an [identity] section: api_keys and hash_key")
        self._settings = settings.identity

    async def open(self) -> None:
        self._store = ApiKeyStore(self._settings.api_keys, open_secret(self._settings.hash_key))
        self._store.load()

    async def close(self) -> None:
        """Nothing is held open."""

    async def handle(self, exchange: Exchange, proceed: Proceed) -> Reply:
        if not exchange.route.public:
            exchange.give(self._store.verify_token(bearer_token(exchange.header(b"authorization"))))
        return await proceed(exchange)
