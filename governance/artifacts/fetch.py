"""Download of sealed artifacts over HTTPS or from an OCI registry; a file is kept only if it is the expected one."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from governance.artifacts.format.manifest import is_sha256
from governance.artifacts.opening import verify_sealed
from governance.artifacts.seal import SealedFacts
from governance.artifacts.trust.trust import Trust
from governance.canonical import parse_json
from governance.errors import BadRequestError, ConfigurationError, KeyUnavailableError, ManifestMismatchError

MAX_GIB = 64
MAX_TOKEN_BYTES = 2**20
TIMEOUT_SECONDS = 30.0
LOOPBACK = ("http://127.0.0.1:", "http://localhost:")

_FIELD = re.compile(r'(\w+)="([^"]*)"')


def fetch_artifact(url: str, output: Path, *, sha256: str, trust: Trust, token: str | None = None) -> SealedFacts:
    """Download a sealed artifact, verify its digest and signatures, and put it at `output` as a whole.

    The download goes to a temporary file in the same folder, which replaces `output` only after all checks; on failure
    it is removed and `output` stays as it was.

    Args:
        url: URL of the file, or of a blob in an OCI registry (`https://HOST/v2/NAME/blobs/sha256:DIGEST`).
        output: File to write; an existing one is replaced.
        sha256: SHA-256 of the whole file, as 64 lower-case hex digits.
        trust: Signers whose signatures count, and how many of them are required.
        token: A bearer token, or `USER:PASSWORD` that the registry's token service exchanges for one. The token is sent
            only to the host in `url`, the password only to the token service that this host names, over TLS. A redirect
            target gets neither.

    Raises:
        ConfigurationError: if the URL, the digest or the output cannot be used.
        KeyUnavailableError: if the download failed; a retry may help.
        ManifestMismatchError: if the digest differs, or the file is larger than `MAX_GIB`.
        IntegrityError: if the signatures do not meet `trust`.
    """
    if not is_sha256(sha256):
        raise ConfigurationError("the digest is not 64 lower-case hex digits")
    if not url.startswith(("https://", "http://")):
        raise ConfigurationError("the URL of an artifact starts with https:// or http://")
    if token is not None and not url.startswith(("https://", *LOOPBACK)):
        raise ConfigurationError("a token is sent over https:// only")
    try:
        descriptor, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise ConfigurationError(f"cannot write {output}: {error.strerror}") from None
    temporary = Path(name)
    try:
        found = _download(url, descriptor, token)
        if found != sha256:
            raise ManifestMismatchError(f"not the expected file: its SHA-256 is {found}")
        facts = verify_sealed(temporary, trust=trust)
        temporary.chmod(0o644)
        os.replace(temporary, output)
    except OSError as error:
        raise ConfigurationError(f"cannot write {output}: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)
    return facts


def _download(url: str, descriptor: int, token: str | None) -> str:
    login = token if token is not None and ":" in token else None
    bearer = None if login else token
    with open(descriptor, "wb") as stream, httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True) as client:
        try:
            found = _stream(client, url, stream, bearer)
            if isinstance(found, Challenge) and bearer is None:
                found = _stream(client, url, stream, found.answer(client, login))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise KeyUnavailableError(f"the artifact could not be downloaded: {type(error).__name__}") from None
        if isinstance(found, Challenge):
            raise KeyUnavailableError("the server answered 401: it does not accept the token")
        stream.flush()
        os.fsync(stream.fileno())
    return found


def _stream(client: httpx.Client, url: str, stream: BinaryIO, bearer: str | None) -> str | Challenge:
    digest, size = hashlib.sha256(), 0
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    with client.stream("GET", url, headers=headers) as reply:
        # Only the host in the URL may name a token service; a redirect target may not.
        if reply.status_code == httpx.codes.UNAUTHORIZED and not reply.history:
            return Challenge(reply.headers.get("www-authenticate", ""), url)
        if reply.status_code != httpx.codes.OK:
            raise KeyUnavailableError(f"the server answered {reply.status_code}")
        for block in reply.iter_raw(2**20):
            size += len(block)
            if size > MAX_GIB * 2**30:
                raise ManifestMismatchError(f"larger than {MAX_GIB} GiB")
            digest.update(block)
            stream.write(block)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Challenge:
    """A registry's demand for a token (`WWW-Authenticate: Bearer`, OCI distribution token authentication).

    Attributes:
        header: Value of `WWW-Authenticate`, such as `Bearer realm="https://auth.example/token",service="registry"`.
        url: URL whose request was answered with the demand.
    """

    header: str
    url: str

    def answer(self, client: httpx.Client, login: str | None) -> str:
        """Request a token from the token service that the registry names (`realm`).

        Args:
            client: HTTP client to use; redirects are not followed.
            login: `USER:PASSWORD`, or None for an anonymous token.

        Raises:
            KeyUnavailableError: if no token is given, or the service is neither on TLS nor on the registry's own scheme
                and host.
        """
        fields = dict(_FIELD.findall(self.header)) if self.header.lower().startswith("bearer ") else {}
        realm, registry = httpx.URL(fields.pop("realm", "")), httpx.URL(self.url)
        if realm.scheme != "https" and (registry.scheme, registry.host) != (realm.scheme, realm.host):
            raise KeyUnavailableError("the server answered 401 and names no token service over TLS")
        user, _, password = (login or "").partition(":")
        query = {name: fields[name] for name in ("service", "scope") if name in fields}
        request = client.stream(
            "GET",
            realm,
            params=query,
            headers={"accept-encoding": "identity"},
            auth=(user, password) if login else None,
            follow_redirects=False,
        )
        with request as reply:
            try:
                document = parse_json(_short_body(reply)) if reply.status_code == httpx.codes.OK else {}
                token = document.get("token") or document["access_token"]
            except (BadRequestError, LookupError, AttributeError):
                token = None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise KeyUnavailableError("the registry gives no token for this artifact")
        return token


def _short_body(reply: httpx.Response) -> bytes:
    """Return the raw body, or b"" if it is longer than `MAX_TOKEN_BYTES`."""
    read = bytearray()
    for block in reply.iter_raw():
        read += block
        if len(read) > MAX_TOKEN_BYTES:
            return b""
    return bytes(read)
