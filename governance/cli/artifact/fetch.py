"""`bento-governance artifact fetch`: download a sealed artifact, and keep it only if it is the one that was meant."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import click
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
    """Download into a file beside `output`, verify digest and signatures, and put it in place whole.

    Args:
        url: of a plain file, or of a blob in an OCI registry (`https://HOST/v2/NAME/blobs/sha256:…`).
        sha256: of the whole file, in hex: what comes is what was meant, whoever serves it.
        token: a bearer token, or `USER:PASSWORD` for which an OCI registry gives one; sent to the URL's own host (the
            password to where the registry sends us for tokens, over TLS), and to no other that it leads to.

    Raises:
        ConfigurationError: if URL, digest or output cannot be used.
        KeyUnavailableError: if it could not be downloaded; a retry may help.
        ManifestMismatchError: if it is another file than was meant, or larger than any artifact.
        IntegrityError: if it is not signed as asked for.
    """
    if not is_sha256(sha256):
        raise ConfigurationError("the digest is 64 lower-case hex digits")
    if not url.startswith(("https://", "http://")):
        raise ConfigurationError("an artifact is fetched by https:// or http://")
    if token is not None and not url.startswith(("https://", *LOOPBACK)):
        raise ConfigurationError("a token travels over https:// alone")
    try:
        descriptor, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise ConfigurationError(f"cannot write {output}: {error.strerror}") from None
    temporary = Path(name)
    try:
        found = _download(url, descriptor, token)
        if found != sha256:
            raise ManifestMismatchError(f"another file than was meant: its SHA-256 is {found}")
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
            raise KeyUnavailableError("the server answered 401: it wants another token")
        stream.flush()
        os.fsync(stream.fileno())
    return found


def _stream(client: httpx.Client, url: str, stream: BinaryIO, bearer: str | None) -> str | Challenge:
    digest, size = hashlib.sha256(), 0
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    with client.stream("GET", url, headers=headers) as reply:
        # Only the host that was named may say where credentials go; not one that it leads to.
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
    """What a registry asks for, and for which URL (the distribution specification's token authentication)."""

    header: str
    url: str

    def answer(self, client: httpx.Client, login: str | None) -> str:
        """Return the token that the registry's own service gives, to anybody or to `USER:PASSWORD`.

        Raises:
            KeyUnavailableError: if it gives none, or a password would travel in clear or to nobody knows whom.
        """
        fields = dict(_FIELD.findall(self.header)) if self.header.lower().startswith("bearer ") else {}
        realm, asked_of = httpx.URL(fields.pop("realm", "")), httpx.URL(self.url)
        if realm.scheme != "https" and (asked_of.scheme, asked_of.host) != (realm.scheme, realm.host):
            raise KeyUnavailableError("the server answered 401, and sends nobody to a token over TLS")
        user, _, password = (login or "").partition(":")
        asked = {name: fields[name] for name in ("service", "scope") if name in fields}
        asking = client.stream(
            "GET",
            realm,
            params=asked,
            headers={"accept-encoding": "identity"},
            auth=(user, password) if login else None,
            follow_redirects=False,
        )
        with asking as reply:
            try:
                document = parse_json(_start_of(reply)) if reply.status_code == httpx.codes.OK else {}
                token = document.get("token") or document["access_token"]
            except (BadRequestError, LookupError, AttributeError):
                token = None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise KeyUnavailableError("the registry gives no token for this artifact")
        return token


def _start_of(reply: httpx.Response) -> bytes:
    """Return a short body as it came; of one that is longer than a token can be, what makes no document."""
    read = bytearray()
    for block in reply.iter_raw():
        read += block
        if len(read) > MAX_TOKEN_BYTES:
            return b""
    return bytes(read)


def read_token(file: Path) -> str:
    """Return a token from a file, without the line's end.

    Raises:
        KeyUnavailableError: if it cannot be read.
    """
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise KeyUnavailableError(f"cannot read the token in {file}") from None


def say(facts: SealedFacts, output: Path) -> None:
    """Tell a person what lies there now."""
    click.echo(f"Fetched {output}: {facts.name} version {facts.version}, signed by {', '.join(facts.signers)}")
