"""The state of a service in development: marked keys, sealed models, a first caller; only what is missing is made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from governance.access.callers.api_key_store import ApiKeyStore
from governance.access.stop import StopOrders, write_orders
from governance.artifacts.format.container import read_container
from governance.artifacts.opening import open_artifact
from governance.artifacts.seal import SealOptions, seal_folder
from governance.artifacts.trust.rollback import RollbackFloors
from governance.artifacts.trust.signing import ModelSigner
from governance.cli.artifact.check import completed
from governance.cli.key import new_key
from governance.errors import ConfigurationError
from governance.keys import open_recipient, open_secret, open_signing_key
from governance.keys.development import marked
from governance.keys.key_files import write_new
from governance.settings import STORE_PREFIX, Settings

MODELS = "models"
CALLER = "first-caller"


def make_state(settings: Settings, folder: Path, roles: tuple[str, ...]) -> list[str]:
    """Make what a service in development needs and does not have yet; return what was made, as sentences.

    Args:
        settings: with `development = true`.
        folder: of the service; a folder `models/NAME` in it is sealed as the model NAME.
        roles: of the first caller.

    Raises:
        ConfigurationError: if the service is not for development, or a file cannot be written.
    """
    if not settings.service.development:
        raise ConfigurationError(
            "keys are made for services in development only: set `development = true` in [service], or make keys "
            "of your own with `bento-governance key create`"
        )
    made = [f"made {path}, for development only" for path in _make_keys(settings)]
    if settings.audit is not None:
        settings.audit.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.stop is not None and settings.stop.sign_with is not None and not settings.stop.file.exists():
        key = open_signing_key(settings.stop.sign_with)
        write_orders(settings.stop.file, StopOrders(settings.service.name).without("*", "first start"), key)
        made.append(f"made {settings.stop.file}, which stops nothing")
    made.extend(seal_changed(settings, folder))
    made.extend(_make_caller(settings, roles))
    return made


def caller_file(settings: Settings) -> Path | None:
    """Return the file with the API key of the first caller, or None if the service takes no API keys."""
    store = None if settings.identity is None else settings.identity.api_keys
    return None if store is None else store.with_name(f"{CALLER}.api-key")


def seal_changed(settings: Settings, folder: Path) -> list[str]:
    """Seal each model whose folder is newer than its artifact, with the next version; return what was done.

    Raises:
        ConfigurationError: if a model has no folder and no artifact, or a key cannot be used.
        ManifestMismatchError: if a model is not allowed.
    """
    return [f"sealed {artifact}, version {version}" for artifact, version in _seal_changed(settings, folder)]


def _seal_changed(settings: Settings, folder: Path) -> Iterator[tuple[Path, int]]:
    for name, model in settings.models.items():
        artifact, source = Path(model.artifact), folder / MODELS / name
        if str(model.artifact).startswith(STORE_PREFIX) or not source.is_dir():
            continue
        changed = max(path.stat().st_mtime_ns for path in (source, *source.rglob("*")))
        if artifact.exists() and artifact.stat().st_mtime_ns > changed:
            continue
        version = _next_version(settings, name, artifact)
        signer, recipient = _sealing_keys(settings)
        artifact.parent.mkdir(parents=True, exist_ok=True)
        options = SealOptions(
            name=name,
            version=version,
            created=datetime.now(UTC),
            signers=[ModelSigner(open_signing_key(f"file:{signer}"))],
            recipients=[open_recipient(str(recipient))],
            complete=partial(completed, name=name, version=version),
        )
        seal_folder(source, artifact, options)
        yield artifact, version


def _next_version(settings: Settings, name: str, artifact: Path) -> int:
    """Return the version after the sealed one and after the highest one that was served."""
    version = 0
    if artifact.exists():
        with open_artifact(artifact) as stream:
            version = read_container(stream).header.version
    if settings.audit is not None:
        floors = RollbackFloors(
            settings.audit.directory, open_signing_key(settings.audit.checkpoint_key), settings.service.name
        )
        version = max(version, floors.read().floors.get(name, 0))
    return version + 1


def _sealing_keys(settings: Settings) -> tuple[Path, Path]:
    """Return the private key of the first trusted signer, and the public key of the recipient."""
    if settings.artifacts is None:
        raise ConfigurationError("[models] needs [artifacts]: recipient_key and trusted_signers")
    public = settings.artifacts.trusted_signers[0]
    signer = public.with_name(public.name.removesuffix(".pub"))
    return signer, Path(settings.artifacts.recipient_key.removeprefix("file:") + ".pub")


def _wanted_keys(settings: Settings) -> Iterator[tuple[str, str | Path | None]]:
    """Yield purpose and place of each key that the settings name."""
    if settings.artifacts is not None:
        yield "recipient", settings.artifacts.recipient_key
        yield "signing", _sealing_keys(settings)[0]
    if settings.identity is not None:
        yield "secret", settings.identity.hash_key
    if settings.audit is not None:
        yield "checkpoint", settings.audit.checkpoint_key
    if settings.stop is not None:
        yield "stop", settings.stop.sign_with
    yield "secret", settings.privacy.hash_key


def _make_keys(settings: Settings) -> Iterator[Path]:
    for purpose, place in _wanted_keys(settings):
        if isinstance(place, str) and not place.startswith("file:"):
            continue
        path = Path(str(place).removeprefix("file:").partition("?")[0])
        if place is None or path.exists():
            continue
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        private, public = new_key(purpose)
        write_new(path, marked(private), mode=0o600)
        if public is not None:
            write_new(path.with_name(path.name + ".pub"), marked(public), mode=0o644)
        yield path


def _make_caller(settings: Settings, roles: tuple[str, ...]) -> Iterator[str]:
    file, identity = caller_file(settings), settings.identity
    if file is None or file.exists() or identity is None or identity.hash_key is None or identity.api_keys is None:
        return
    token, _ = ApiKeyStore(identity.api_keys, open_secret(identity.hash_key)).create(
        CALLER, roles, lifetime_seconds=None, random=os.urandom
    )
    write_new(file, f"{token}\n".encode(), mode=0o600)
    yield f"made the caller '{CALLER}' with the roles {', '.join(roles)}: its API key is in {file}"
