"""`bento-governance api-key`: create, list, rotate and revoke callers' API keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from governance.access.callers.api_key_store import ApiKeyStore
from governance.cli.help import Group
from governance.cli.options import PATH, json_option, settings_option
from governance.cli.policy.unknown import remark_unknown_roles
from governance.errors import ConfigurationError
from governance.keys import open_secret
from governance.settings import load_settings


def with_store(function: Any) -> Any:
    """Add the options on the file of keys, the settings and JSON."""
    for option in (
        click.option(
            "--hash-key",
            help="URI of the secret that keys the hashes. Default: `hash_key` in [identity] of the settings.",
        ),
        click.option(
            "--store",
            type=PATH,
            help="File with the hashes of the keys. Default: `api_keys` in [identity] of the settings.",
        ),
        settings_option,
        json_option,
    ):
        function = option(function)
    return function


@click.group(cls=Group)
def command() -> None:
    """Create, list, rotate and revoke the API keys of callers.

    A running service uses the changed keys within a second.

    \b
    Examples:
      bento-governance api-key create ada --role classifier
      bento-governance api-key list
    """


@command.command()
@click.argument("caller")
@click.option("--role", "roles", multiple=True, help="Cedar role of the caller. May be repeated.")
@click.option(
    "--expires-days", type=click.IntRange(1, 3650), help="Days until the key expires. Default: it does not expire."
)
@with_store
def create(
    caller: str,
    roles: tuple[str, ...],
    expires_days: int | None,
    as_json: bool,
    settings: Path,
    store: Path | None,
    hash_key: str | None,
) -> None:
    """Create a key for CALLER and print it.

    It is printed only once: the service keeps its hash. CALLER is the name of the caller in policies and in the audit
    log.

    \b
    Examples:
      bento-governance api-key create ada --role classifier --role viewer
      bento-governance api-key create prometheus --role operator --expires-days 90
    """
    if settings.is_file():
        remark_unknown_roles(roles, load_settings(settings))
    lifetime = None if expires_days is None else expires_days * 86_400
    token, key = _store(settings, store, hash_key).create(caller, roles, lifetime_seconds=lifetime)
    if as_json:
        click.echo(json.dumps({"token": token, "key_id": key.key_id, "caller": caller, "roles": roles}))
        return
    click.echo(token)
    click.echo(f"This is the only time that the key of '{caller}' is shown: keep it now.", err=True)


@command.command(name="list")
@with_store
def list_(as_json: bool, settings: Path, store: Path | None, hash_key: str | None) -> None:
    """List the keys: id, caller, roles, dates. The keys themselves are not stored and not shown.

    \b
    Examples:
      bento-governance api-key list
      bento-governance api-key list --json
    """
    opened = _store(settings, store, hash_key)
    keys, last_used = opened.keys(), opened.last_used.read()
    rows = [
        {
            "key_id": key.key_id,
            "caller": key.caller,
            "roles": list(key.roles),
            "created": _day(key.created),
            "expires": _day(key.expires),
            "revoked": _day(key.revoked),
            "last_used": str(last_used[key.key_id]) if key.key_id in last_used else None,
        }
        for key in keys
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not keys:
        click.echo(f"{opened.file} has no API keys yet: bento-governance api-key create CALLER --role ROLE")
    for key in keys:
        state = f"revoked {_day(key.revoked)}" if key.revoked else f"expires {_day(key.expires) or 'never'}"
        used = f"used {last_used[key.key_id]}" if key.key_id in last_used else "never used"
        click.echo(f"{key.key_id}  {key.caller}  [{', '.join(key.roles)}]  {_day(key.created)}  {state}  {used}")


@command.command()
@click.argument("key_id")
@click.option(
    "--overlap-days",
    type=click.IntRange(0, 90),
    default=7,
    show_default=True,
    help="Days for which the old key still works.",
)
@click.option(
    "--expires-days", type=click.IntRange(1, 3650), help="Days until the new key expires. Default: it does not expire."
)
@with_store
def rotate(
    key_id: str,
    overlap_days: int,
    expires_days: int | None,
    as_json: bool,
    settings: Path,
    store: Path | None,
    hash_key: str | None,
) -> None:
    """Replace the key KEY_ID by a new one of the same caller, and print the new key.

    It is printed only once. The old key works until the overlap is over. Write -- before an id that begins with a dash.

    \b
    Examples:
      bento-governance api-key rotate Xk2mQ9vT1aB3cD4e
      bento-governance api-key rotate --overlap-days 1 -- -k2mQ9vT1aB3cD4e
    """
    token, new, old = _store(settings, store, hash_key).rotate(
        key_id,
        overlap_seconds=overlap_days * 86_400,
        lifetime_seconds=None if expires_days is None else expires_days * 86_400,
    )
    if as_json:
        document = {"token": token, "key_id": new.key_id, "caller": new.caller, "roles": new.roles}
        click.echo(json.dumps({**document, "old_key_id": old.key_id, "old_expires": _day(old.expires)}))
        return
    click.echo(token)
    click.echo(
        f"This is the only time that the new key of '{new.caller}' is shown: keep it now. "
        f"The old one works until {_day(old.expires)}.",
        err=True,
    )


@command.command()
@click.argument("key_id")
@with_store
def revoke(key_id: str, as_json: bool, settings: Path, store: Path | None, hash_key: str | None) -> None:
    """Revoke the key KEY_ID: requests with it are refused from then on.

    Write -- before an id that begins with a dash.

    \b
    Examples:
      bento-governance api-key revoke Xk2mQ9vT1aB3cD4e
      bento-governance api-key revoke -- -k2mQ9vT1aB3cD4e
    """
    key = _store(settings, store, hash_key).revoke(key_id)
    if as_json:
        click.echo(json.dumps({"key_id": key.key_id, "revoked": _day(key.revoked)}))
    else:
        click.echo(f"The key {key.key_id} of '{key.caller}' is revoked.")


def _store(settings: Path, store: Path | None, hash_key: str | None) -> ApiKeyStore:
    if store is None or hash_key is None:
        identity = load_settings(settings).identity
        if identity is None:
            raise ConfigurationError(f"{settings} has no [identity] section: give --store and --hash-key")
        store, hash_key = store or identity.api_keys, hash_key or identity.hash_key
    if store is None or hash_key is None:
        raise ConfigurationError(f"{settings} has no API keys: give --store and --hash-key")
    return ApiKeyStore(store, open_secret(hash_key))


def _day(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).date().isoformat()
