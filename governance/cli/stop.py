"""`bento-governance stop` and `resume`: the kill switch, a signed file that every worker watches."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from governance.access.stop import ALL, StopOrder, StopOrders, now_text, read_orders, to_rows, write_orders
from governance.audit.file_head import FileHead, verify_step
from governance.audit.heads import unverified_file_head
from governance.cli.options import json_option, settings_option
from governance.errors import ConfigurationError
from governance.files import locked
from governance.keys import Signer, VerifyingKey, load_verifying_key, open_signing_key
from governance.settings import Settings, load_settings

sign_option = click.option("--sign-with", "signer", help="URI of a key that [stop] trusts. Default: its `sign_with`.")
reason_option = click.option("--reason", required=True, help="Reason for the audit log, of up to 200 ASCII characters.")


@click.command()
@click.argument("model")
@reason_option
@sign_option
@settings_option
@json_option
def stop(model: str, reason: str, signer: str | None, settings: Path, as_json: bool) -> None:
    """Stop MODEL, or ALL: the kill switch.

    Running workers answer 503 for it in less than a second.

    \b
    Examples:
      bento-governance stop digits-cnn --reason "wrong answers"
      bento-governance stop ALL --reason "under investigation"
    """
    place, key, read = _open(model, signer, settings)
    order = StopOrder(reason, now_text(datetime.now(UTC)))
    with locked(place):
        orders = read().with_stop(ALL if model == "ALL" else model, order)
        write_orders(place, orders, key)
    _show(place, orders, f"Stopped {model}", as_json)


@click.command()
@click.argument("model")
@reason_option
@click.option(
    "--after",
    type=click.IntRange(0),
    default=0,
    help="For a new stop file: number of the last one, where this command cannot read the audit log. The start of a "
    "service that refuses the new file names the number.",
)
@sign_option
@settings_option
@json_option
def resume(model: str, reason: str, after: int, signer: str | None, settings: Path, as_json: bool) -> None:
    """Resume a stopped MODEL, or ALL.

    `resume ALL` creates the stop file if there is none; a service with a [stop] section needs it at its first start.

    \b
    Examples:
      bento-governance resume digits-cnn --reason "fixed"
      bento-governance resume ALL --reason "first start"
    """
    place, key, read = _open(model, signer, settings, may_be_new=model == "ALL", after=after)
    with locked(place):
        orders = read().without(ALL if model == "ALL" else model, reason)
        write_orders(place, orders, key)
    _show(place, orders, f"Resumed {model}", as_json)


def _open(
    name: str, signer: str | None, file: Path, *, may_be_new: bool = False, after: int = 0
) -> tuple[Path, Signer, Callable[[], StopOrders]]:
    """Return the path of the stop file, the signing key, and what reads the current stops, once the file is locked."""
    settings = load_settings(file)
    if settings.stop is None:
        raise ConfigurationError(f"{file} has no [stop] section: file and trusted_keys")
    if name != "ALL" and name not in settings.models:
        raise ConfigurationError(f"there is no model '{name[:80]}'; there are: ALL, {', '.join(settings.models)}")
    uri = signer or settings.stop.sign_with
    if uri is None:
        raise ConfigurationError("name the signing key: --sign-with KEY, or sign_with in [stop]")
    key, trusted = open_signing_key(uri), [load_verifying_key(path) for path in settings.stop.trusted_keys]
    if key.public_key.fingerprint not in {item.fingerprint for item in trusted}:
        raise ConfigurationError("[stop] trusted_keys does not contain this key: workers would stop all models")
    place = settings.stop.file
    if not place.exists() and not may_be_new:
        raise ConfigurationError(f"{place} does not exist: `resume ALL` creates it")
    return place, key, partial(_read, place, trusted, settings, after)


def _read(place: Path, trusted: list[VerifyingKey], settings: Settings, after: int) -> StopOrders:
    """Return the current stops; without a file, a beginning behind number `after` and the last that the log knows.

    Raises:
        RollbackError: if the file is older than the audit log's last event about it.
    """
    service, audit = settings.service.name, settings.audit
    known = None if audit is None else unverified_file_head(audit.directory, "stop")
    if not place.exists():
        last = max(after, 0 if known is None else known.sequence)
        # One number is left out: the new file is not made from the lost one.
        return StopOrders(service, last + 1 if last else 0)
    orders = read_orders(place, trusted, service)
    verify_step(known, FileHead("stop", orders.sequence, orders.digest))
    return orders


def _show(place: Path, orders: StopOrders, sentence: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"sequence": orders.sequence, "stopped": to_rows(orders)}, indent=2))
        return
    click.echo(f"{sentence}: {place}")
    for row in to_rows(orders):
        click.echo(f"  stopped: {row['model']} since {row['since']}: {row['reason']}")
    if not orders.stopped:
        click.echo("  no model is stopped")
