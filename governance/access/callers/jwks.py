"""Public keys of a token issuer: a JSON Web Key Set from a file or over HTTPS.

While the issuer cannot be reached, the last keys stay in use.

Sources: RFC 7517 (JWK Set), OpenID Connect Discovery 1.0.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from governance.canonical import parse_json
from governance.errors import BadRequestError, ConfigurationError, NotReadyError
from governance.files import read_limited

MAX_BYTES = 2**20
MAX_KEYS = 64
MIN_RSA_BITS = 2048
# Of one step of a fetch, such as connecting, and of a whole fetch: a server that sends single bytes does not hold it.
TIMEOUT_SECONDS, TOTAL_SECONDS = 5.0, 15.0
_KINDS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

logger = logging.getLogger("governance.identity")

Fetch = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One public key of an issuer.

    Attributes:
        kid: Key id, or "" if the issuer names none.
        algorithm: JWS algorithm that the key is for, or "" if the issuer names none.
        key: The key itself.
    """

    kid: str
    algorithm: str
    key: Key


class KeySet:
    """The current keys of one issuer.

    If a fetch fails, the keys of the last one stay valid. A token that names an unknown key triggers a fetch, at most
    one per `ask_again_seconds`; concurrent requests wait for the same fetch.

    Args:
        name: Name of the issuer in the settings, for the log.
        fetch: Returns the bytes of the key set.
        ask_again_seconds: Least time between two fetches that unknown keys trigger.
        monotonic: Returns seconds.
    """

    def __init__(self, name: str, fetch: Fetch, *, ask_again_seconds: float, monotonic: Callable[[], float]) -> None:
        self._name, self._fetch = name, fetch
        self._ask_again_seconds, self._monotonic = ask_again_seconds, monotonic
        self._keys: tuple[PublicKey, ...] = ()
        self._content = b""
        self._asked_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        # Whether the last fetch succeeded.
        self.answered = False
        # Number of changes of the keys: a token verified under an older generation is verified again.
        self.generation = 0

    def find(self, kid: str) -> Sequence[PublicKey]:
        """Return the keys with this id, or all keys if `kid` is empty."""
        return [key for key in self._keys if kid in ("", key.kid)]

    async def ask_again(self) -> None:
        """Fetch the keys again, unless that was done less than `ask_again_seconds` ago.

        Raises:
            NotReadyError: if the last fetch failed.
        """
        if self._fetching is not None or self._monotonic() - self._asked_at >= self._ask_again_seconds:
            await self.refresh()
        if not self.answered:
            raise NotReadyError("the keys of the identity provider cannot be fetched now")

    async def refresh(self) -> bool:
        """Fetch the keys, or wait for the fetch that is running; return whether it succeeded."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch_keys())
        await asyncio.shield(self._fetching)
        return self.answered

    async def _fetch_keys(self) -> None:
        self._asked_at = self._monotonic()
        try:
            content = await self._fetch()
            if content != self._content:
                self._keys = parse_key_set(content)
                self._content = content
                self.generation += 1
            self.answered = True
        except (ConfigurationError, httpx.HTTPError, OSError) as error:
            reason = str(error) if isinstance(error, ConfigurationError) else type(error).__name__
            self.answered = False
            logger.error("the keys of the issuer '%s' cannot be fetched: %s", self._name, reason)
        finally:
            self._fetching = None


def parse_key_set(content: bytes) -> tuple[PublicKey, ...]:
    """Return the keys of a JWK Set that can verify signatures.

    Other keys are skipped: symmetric ones, keys for encryption, RSA keys under `MIN_RSA_BITS`.

    Raises:
        ConfigurationError: if `content` is not a JWK Set, or has no usable key.
    """
    try:
        document = parse_json(content)
        listed = document["keys"]
        if not isinstance(listed, list) or len(listed) > MAX_KEYS:
            raise KeyError("keys")
    except (BadRequestError, LookupError, TypeError):
        raise ConfigurationError(f"not a JWK Set of at most {MAX_KEYS} keys") from None
    keys = tuple(key for item in listed if (key := _parse_key(item)) is not None)
    if not keys:
        raise ConfigurationError("the JWK Set has no key that can verify a signature")
    return keys


def _parse_key(item: Any) -> PublicKey | None:
    kind = _KINDS.get(str(item.get("kty"))) if isinstance(item, dict) else None
    if kind is None or item.get("use", "sig") != "sig" or "verify" not in item.get("key_ops", ["verify"]):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            key = kind.import_key({name: value for name, value in item.items() if name not in ("x5c", "x5u")})
            public = key.public_key
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < MIN_RSA_BITS:
        return None
    kid, algorithm = item.get("kid", ""), item.get("alg", "")
    return PublicKey(kid, algorithm, key) if isinstance(kid, str) and isinstance(algorithm, str) else None


def from_file(path: Path) -> Fetch:
    """Return a fetch that reads the key set from a file."""

    async def fetch() -> bytes:
        return await asyncio.to_thread(read_limited, path, MAX_BYTES)

    return fetch


def from_issuer(
    issuer: str,
    jwks_url: str | None,
    *,
    ca_file: Path | None = None,
    token_file: Path | None = None,
    total_seconds: float = TOTAL_SECONDS,
) -> Fetch:
    """Return a fetch that requests the key set from the issuer's server.

    Args:
        issuer: The issuer's URL.
        jwks_url: URL of the key set, or None to take `jwks_uri` of the issuer's discovery document.
        ca_file: Certificate authority of the server, if it is not a public one.
        token_file: File with a bearer token that the server requires, as a Kubernetes API server does.
        total_seconds: Longest time of a whole fetch; a slower one fails with `TimeoutError`.

    Raises:
        ConfigurationError: if a URL is not `https://` (or `http://` on loopback).
    """
    if jwks_url is not None:
        verify_url(jwks_url)
    verify_url(issuer)

    async def fetch() -> bytes:
        headers = {"accept": "application/json"}
        if token_file is not None:
            token = (await asyncio.to_thread(read_limited, token_file, MAX_BYTES)).decode("ascii", "replace").strip()
            headers["authorization"] = f"Bearer {token}"
        verify: Any = str(ca_file) if ca_file is not None else True
        client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, verify=verify, headers=headers, trust_env=False)
        async with asyncio.timeout(total_seconds), client as web:
            url = jwks_url
            if url is None:
                url = _jwks_url_of(await _get(web, issuer.rstrip("/") + "/.well-known/openid-configuration"), issuer)
            return await _get(web, url)

    return fetch


def verify_url(url: str) -> str:
    """Return `url` if its answer can be trusted: `https://`, or `http://` to a loopback address.

    Raises:
        ConfigurationError: for any other URL, or one with a user name.
    """
    parts = urlsplit(url)
    try:
        local = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        local = False
    if not parts.hostname or parts.username or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise ConfigurationError("the URL of an identity provider must be https:// (or http:// on loopback)")
    return url


def _jwks_url_of(content: bytes, issuer: str) -> str:
    try:
        document = parse_json(content)
        named, url = document["issuer"], document["jwks_uri"]
    except (BadRequestError, LookupError, TypeError):
        raise ConfigurationError("the discovery document has no issuer or no jwks_uri") from None
    if named != issuer or not isinstance(url, str):
        raise ConfigurationError("the discovery document is of another issuer")
    return verify_url(url)


async def _get(web: httpx.AsyncClient, url: str) -> bytes:
    content = bytearray()
    async with web.stream("GET", url) as answer:
        if answer.status_code != httpx.codes.OK:
            raise ConfigurationError(f"the identity provider answered {answer.status_code}")
        async for block in answer.aiter_bytes():
            content += block
            if len(content) > MAX_BYTES:
                raise ConfigurationError(f"the identity provider's answer is larger than {MAX_BYTES} bytes")
    return bytes(content)
