"""An issuer's public keys: a JSON Web Key Set from a file or over HTTPS, kept while the issuer is away.

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
TIMEOUT_SECONDS = 5.0
_KINDS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

logger = logging.getLogger("governance.identity")

Fetch = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key that may verify tokens. `kid` and `algorithm` are empty where the issuer names none."""

    kid: str
    algorithm: str
    key: Key


class KeySet:
    """The keys of one issuer.

    Old keys go on working while the issuer cannot be asked. A token by an unknown key makes it ask again, at most every
    `ask_again_seconds`, and all who wait for that share one question.
    """

    def __init__(self, name: str, fetch: Fetch, *, ask_again_seconds: float, monotonic: Callable[[], float]) -> None:
        self._name, self._fetch = name, fetch
        self._ask_again_seconds, self._monotonic = ask_again_seconds, monotonic
        self._keys: tuple[PublicKey, ...] = ()
        self._content = b""
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        # Whether the last question was answered.
        self.answered = False
        # Counts the changes of the keys: what was verified before one is verified again.
        self.generation = 0

    def find(self, kid: str) -> Sequence[PublicKey]:
        """Return the keys that may have signed: the one with this id, or all if the token names none."""
        return [key for key in self._keys if kid in ("", key.kid)]

    async def ask_again(self) -> None:
        """Ask the issuer anew, if that was not done a moment ago.

        Raises:
            NotReadyError: if the issuer's keys cannot be had.
        """
        if self._asking is not None or self._monotonic() - self._asked_at >= self._ask_again_seconds:
            await self.refresh()
        if not self.answered:
            raise NotReadyError("the identity provider cannot be asked for its keys at present")

    async def refresh(self) -> bool:
        """Ask the issuer, or wait for the question that is under way; return whether it answered."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        await asyncio.shield(self._asking)
        return self.answered

    async def _ask(self) -> None:
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
            logger.error("the keys of the issuer '%s' cannot be had: %s", self._name, reason)
        finally:
            self._asking = None


def parse_key_set(content: bytes) -> tuple[PublicKey, ...]:
    """Return the keys of a JWK Set that may verify; the others (symmetric, for encryption, too short) are left out.

    Raises:
        ConfigurationError: if it is no JWK Set, or holds no such key.
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
        raise ConfigurationError("the JWK Set holds no key that may verify a signature")
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
    """Return what reads the keys from a file."""

    async def fetch() -> bytes:
        return await asyncio.to_thread(read_limited, path, MAX_BYTES)

    return fetch


def from_issuer(
    issuer: str, jwks_url: str | None, *, ca_file: Path | None = None, token_file: Path | None = None
) -> Fetch:
    """Return what asks an issuer: at `jwks_url`, or where its discovery document says.

    Args:
        ca_file: the authority that issued the server's certificate, if it is not a public one.
        token_file: holds a token that the issuer wants to see, as a Kubernetes API server does.
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
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, verify=verify, headers=headers, trust_env=False) as web:
            url = jwks_url
            if url is None:
                url = _jwks_url_of(await _get(web, issuer.rstrip("/") + "/.well-known/openid-configuration"), issuer)
            return await _get(web, url)

    return fetch


def verify_url(url: str) -> str:
    """Return a URL whose answer can be trusted: HTTPS, or loopback.

    Raises:
        ConfigurationError: for any other.
    """
    parts = urlsplit(url)
    try:
        local = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        local = False
    if not parts.hostname or parts.username or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise ConfigurationError("an identity provider is asked over https:// alone (http:// on loopback)")
    return url


def _jwks_url_of(content: bytes, issuer: str) -> str:
    try:
        document = parse_json(content)
        told, url = document["issuer"], document["jwks_uri"]
    except (BadRequestError, LookupError, TypeError):
        raise ConfigurationError("the discovery document names no issuer and jwks_uri") from None
    if told != issuer or not isinstance(url, str):
        raise ConfigurationError("the discovery document is another issuer's")
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
