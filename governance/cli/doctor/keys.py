"""Keys and callers: can each key be opened, are its file's permissions right, is it for development."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from governance.access.callers.api_key_store import ApiKeyStore
from governance.artifacts.trust.trust import Trust
from governance.cli.doctor.finding import Finding, findings_of
from governance.errors import ConfigurationError
from governance.host.development import verify_keys_fit
from governance.keys import load_verifying_key, open_recipient_key, open_secret, open_signing_key
from governance.names import suggestion
from governance.settings import Settings

KEYS, CALLERS = "keys", "callers"


def check_keys(settings: Settings) -> Iterator[Finding]:
    """Open every key that the settings name."""
    verify_keys_fit(settings)
    checks = dict(_keys(settings))
    problems = [finding for open_key in checks.values() for finding in findings_of(KEYS, open_key)]
    yield from problems
    if not problems:
        yield Finding(KEYS, "ok", f"{len(checks)} keys can be used: {', '.join(checks)}")
    if settings.service.development:
        yield Finding(
            KEYS, "warning", "keys for development are accepted, and callers on this machine only are answered",
            "in production: keys of your own, and development = false in [service]",
        )  # fmt: skip


def check_callers(settings: Settings, known_roles: frozenset[str] | None) -> Iterator[Finding]:
    """Read the file of API keys, and look for keys without an effect.

    Args:
        settings: of the service.
        known_roles: that a policy names; None if the policies cannot be read.
    """
    identity = settings.identity
    if identity is None or identity.api_keys is None or identity.hash_key is None:
        return
    file = identity.api_keys
    if not file.exists():
        yield Finding(
            CALLERS, "warning", f"{file} does not exist, so every API key is refused",
            "bento-governance api-key create CALLER --role ROLE",
        )  # fmt: skip
        return
    store = ApiKeyStore(file, open_secret(identity.hash_key))
    keys, now = store.keys(), store.clock()
    valid = [key for key in keys if key.revoked is None and (key.expires is None or key.expires > now)]
    yield Finding(CALLERS, "ok" if valid else "warning", f"{len(valid)} of {len(keys)} API keys are valid",
                  "" if valid else "bento-governance api-key create CALLER --role ROLE")  # fmt: skip
    if known_roles is not None:
        yield from roles_without_effect({role for key in valid for role in key.roles}, known_roles, str(file))


def roles_without_effect(roles: Iterable[str], known: frozenset[str], place: str) -> Iterator[Finding]:
    """Yield a warning for each role that no policy names."""
    for role in sorted(set(roles) - known):
        yield Finding(
            CALLERS, "warning", f"{place}: no policy names the role '{role}'{suggestion(role, known)}",
            "correct the role, or write a policy for it",
        )  # fmt: skip


def _keys(settings: Settings) -> Iterator[tuple[str, Callable[[], Iterable[Finding]]]]:
    """Yield the name of each key, and a function that opens it."""
    artifacts, identity, audit = settings.artifacts, settings.identity, settings.audit
    if artifacts is not None:
        yield "recipient", lambda: _opened(open_recipient_key, artifacts.recipient_key)
        yield "trusted signers", lambda: _trusted(artifacts.trusted_signers, artifacts.threshold)
    if identity is not None and identity.hash_key is not None:
        yield "hashes of API keys", lambda: _opened(open_secret, str(identity.hash_key))
    if audit is not None:
        yield "checkpoints", lambda: _checkpoint(audit.checkpoint_key, audit.directory)
    if settings.privacy.hash_key is not None:
        yield "privacy", lambda: _opened(open_secret, str(settings.privacy.hash_key))
    if settings.stop is not None:
        yield "kill switch", lambda: _public(settings.stop.trusted_keys if settings.stop else ())
    if settings.break_glass is not None:
        yield "grants", lambda: _public(settings.break_glass.trusted_keys if settings.break_glass else ())


def _opened(open_key: Callable[[str], object], uri: str) -> Iterable[Finding]:
    open_key(uri)
    return ()


def _trusted(signers: tuple[Path, ...], threshold: int) -> Iterable[Finding]:
    Trust.from_files(signers, threshold)
    return ()


def _public(paths: Iterable[Path]) -> Iterable[Finding]:
    for path in paths:
        load_verifying_key(path)
    return ()


def _checkpoint(uri: str, directory: Path) -> Iterator[Finding]:
    key = open_signing_key(uri)
    if key.public_key.algorithm != "ed25519":
        raise ConfigurationError(
            f"the checkpoint key is {key.public_key.algorithm}, and must be Ed25519: `key create checkpoint` makes one"
        )
    if directory.exists() and directory.stat().st_mode & 0o077:
        mode = stat.S_IMODE(directory.stat().st_mode)
        yield Finding(
            KEYS, "warning", f"the audit log {directory} is open to others (mode {mode:04o})", f"chmod 700 {directory}"
        )
