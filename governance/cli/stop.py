"""`bento-governance stop` and `resume`: the kill switch, a signed file that every worker watches."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from governance.access.stop import ALL, Orders, Stop, now_text, read_orders, to_rows, write_orders
from governance.errors import ConfigurationError
from governance.keys import VerifyingKey, load_verifying_key, open_signing_key
from governance.settings import load_settings

PATH = click.Path(path_type=Path)
settings_option = click.option(
    "--settings", type=PATH, default=Path("governance.toml"), show_default=True, help="The service's settings."
)
sign_option = click.option("--sign-with", "signer", required=True, help="URI of a key that [stop] trusts.")
reason_option = click.option("--reason", required=True, help="For the audit log: up to 200 ASCII characters.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("model")
@reason_option
@sign_option
@settings_option
@json_option
def stop(model: str, reason: str, signer: str, settings: Path, as_json: bool) -> None:
    """Stop MODEL, or ALL: running workers answer 503 for it in less than a second."""
    _change(model, Stop(reason, now_text(datetime.now(UTC))), signer, settings, as_json)


@click.command()
@click.argument("model")
@reason_option
@sign_option
@settings_option
@json_option
def resume(model: str, reason: str, signer: str, settings: Path, as_json: bool) -> None:
    """Let MODEL answer again, or ALL. `resume ALL` makes the file where there is none yet."""
    if not reason.isprintable():
        raise ConfigurationError("the reason must be printable")
    _change(model, None, signer, settings, as_json)


def _change(name: str, order: Stop | None, signer: str, file: Path, as_json: bool) -> None:
    settings = load_settings(file)
    if settings.stop is None:
        raise ConfigurationError(f"{file} has no [stop] section: file and trusted_keys")
    if name != "ALL" and name not in settings.models:
        raise ConfigurationError(f"there is no model '{name[:80]}'; there are: ALL, {', '.join(settings.models)}")
    key, trusted = open_signing_key(signer), [load_verifying_key(path) for path in settings.stop.trusted_keys]
    if key.public_key.fingerprint not in {item.fingerprint for item in trusted}:
        raise ConfigurationError("[stop] trusted_keys do not hold this key: workers would stop everything")
    place = settings.stop.file
    orders = _present(place, trusted, name, order).changed(ALL if name == "ALL" else name, order)
    write_orders(place, orders, key)
    if as_json:
        click.echo(json.dumps({"sequence": orders.sequence, "stopped": to_rows(orders)}, indent=2))
        return
    click.echo(f"{'Resumed' if order is None else 'Stopped'} {name}: {place}")
    for row in to_rows(orders):
        click.echo(f"  stopped: {row['model']} since {row['since']}: {row['reason']}")
    if not orders.stopped:
        click.echo("  nothing is stopped")


def _present(place: Path, trusted: list[VerifyingKey], name: str, order: Stop | None) -> Orders:
    if place.exists():
        return read_orders(place, trusted)
    if name != "ALL" or order is not None:
        raise ConfigurationError(f"{place} is not there: `resume ALL` makes it")
    return Orders()
