"""`bento-governance grant`: emergency (break-glass) grants, limited in time and signed by several keys."""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from governance.access.grants import MAX_BYTES, PAYLOAD_TYPE, SUFFIX, Grant, GrantRules, parse_grant
from governance.cli.help import Group
from governance.cli.options import PATH, json_option, settings_option
from governance.errors import ConfigurationError, GovernanceError
from governance.files import read_limited, replace_file
from governance.keys import open_signing_key
from governance.keys.dsse import add_signature, sign_document, unverified_document
from governance.plugins.policy import grant_rules
from governance.settings import GrantSettings, load_settings

sign_option = click.option("--sign-with", "signer", required=True, help="URI of a key that [break_glass] trusts.")


@click.group(cls=Group)
def command() -> None:
    """Create and sign emergency grants, each limited in time.

    A grant lets one caller do what policies permit only in an emergency ("break glass"). One person creates it, another
    signs it. It takes effect within a second when the file is copied to the folder of [break_glass], and ends when its
    time is over or the file is removed. By itself it permits nothing: policies find its reason in `context.emergency`.

    \b
    Examples:
      bento-governance grant create ada g.grant --model digits-cnn \\
        --reason code-blue --minutes 30 --sign-with file:a.key
      bento-governance grant sign g.grant --sign-with file:b.key
    """


@command.command()
@click.argument("caller")
@click.argument("output", type=PATH)
@click.option(
    "--action",
    "actions",
    multiple=True,
    default=("infer",),
    show_default=True,
    help="Cedar action that the grant is for. May be repeated.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    help="Model that the grant is for; * means every model. May be repeated.",
)
@click.option("--reason", required=True, help="One of the `reasons` in [break_glass].")
@click.option("--minutes", type=click.IntRange(1), required=True, help="Minutes from now until the grant ends.")
@sign_option
@settings_option
def create(
    caller: str,
    output: Path,
    actions: tuple[str, ...],
    models: tuple[str, ...],
    reason: str,
    minutes: int,
    signer: str,
    settings: Path,
) -> None:
    """Write a grant for CALLER to the new file OUTPUT, with its first signature.

    \b
    Examples:
      bento-governance grant create ada g.grant --model digits-cnn \\
        --reason code-blue --minutes 30 --sign-with file:a.key
    """
    rules, service = _settings(settings)
    if reason not in rules.reasons:
        raise ConfigurationError(f"no reason code '{reason[:80]}'; there are: {', '.join(rules.reasons)}")
    if minutes > rules.max_minutes:
        raise ConfigurationError(f"a grant is valid for at most {rules.max_minutes} minutes")
    if output.exists():
        raise ConfigurationError(f"{output} already exists")
    now = int(time.time())
    grant = Grant(secrets.token_hex(16), service, caller, actions, models, reason, now, now + minutes * 60)
    replace_file(output, sign_document(grant.to_document(), PAYLOAD_TYPE, open_signing_key(signer)))
    click.echo(f"{output}: {_sentence(grant)}")
    click.echo(f"It needs {rules.threshold} signatures: bento-governance grant sign {output} --sign-with KEY")


@command.command()
@click.argument("file", type=PATH)
@sign_option
@settings_option
def sign(file: Path, signer: str, settings: Path) -> None:
    """Add a signature to the grant in FILE, and print what the grant permits.

    Read what it says before you copy it to the folder of grants.

    \b
    Examples:
      bento-governance grant sign g.grant --sign-with file:b.key
    """
    (rules, service), content = _settings(settings), read_limited(file, MAX_BYTES)
    grant = parse_grant(unverified_document(content, PAYLOAD_TYPE))
    content = add_signature(content, PAYLOAD_TYPE, open_signing_key(signer))
    replace_file(file, content)
    click.echo(f"{file}: {_sentence(grant)}")
    try:
        grant_rules(rules, service).verify(content)
    except GovernanceError as error:
        click.echo(f"It is not valid yet: {error}")
        return
    click.echo(f"It is valid: copy it to {rules.directory} as a file that ends with {SUFFIX}")


@command.command(name="list")
@settings_option
@json_option
def list_(settings: Path, as_json: bool) -> None:
    """List the grants in the folder of [break_glass]: valid, expired, or why a file is not valid.

    \b
    Examples:
      bento-governance grant list
      bento-governance grant list --json
    """
    section, service = _settings(settings)
    rules = grant_rules(section, service)
    rows = [_row(path, rules) for path in sorted(section.directory.glob(f"*{SUFFIX}"))]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        click.echo(f"There are no grants in {section.directory}")
    for row in rows:
        click.echo(f"{row['file']}: {row['state']}" + (f"; {row['grant']}" if row["grant"] else ""))


def _row(path: Path, rules: GrantRules) -> dict[str, Any]:
    try:
        grant = rules.verify(read_limited(path, MAX_BYTES))
    except GovernanceError as error:
        return {"file": path.name, "state": f"not valid: {error}", "grant": None}
    state = "valid" if time.time() < grant.ends else "expired"
    return {"file": path.name, "state": state, "grant": _sentence(grant)}


def _settings(file: Path) -> tuple[GrantSettings, str]:
    """Return the section [break_glass] and the name of the service."""
    settings = load_settings(file)
    if settings.break_glass is None:
        raise ConfigurationError(f"{file} has no [break_glass] section: directory, trusted_keys, reasons")
    return settings.break_glass, settings.service.name


def _sentence(grant: Grant) -> str:
    ends = datetime.fromtimestamp(grant.ends, UTC).strftime("%Y-%m-%d %H:%M UTC")
    what = f"{', '.join(grant.actions)} on {', '.join(grant.models)}"
    return f"{grant.caller} may {what} in {grant.service} until {ends}, for {grant.reason} (grant {grant.id})"
