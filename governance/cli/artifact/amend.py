"""`bento-governance artifact rewrap` and `approve`: change who opens a sealed artifact, add an approver's signature."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from governance.artifacts import amend
from governance.artifacts.scan.limits import ScanLimits
from governance.artifacts.trust.signing import ModelSigner
from governance.artifacts.trust.trust import Trust
from governance.cli.artifact.options import KEY_URIS, recipient_key_option, scan_options, signer_options, trust_options
from governance.cli.artifact.output import print_facts, show_progress, size_of
from governance.cli.options import PATH, json_option
from governance.errors import ConfigurationError
from governance.keys import open_recipient, open_recipient_key


@click.command()
@click.argument("file", type=PATH)
@recipient_key_option
@click.option(
    "--add",
    multiple=True,
    help="Recipient to add: its public key, or the URI of a key service's key. May be repeated.",
)
@click.option(
    "--remove",
    multiple=True,
    help="Recipient to remove: its public key, or its id as `artifact inspect` prints it. May be repeated.",
)
@json_option
def rewrap(file: Path, recipient_key: str, add: tuple[str, ...], remove: tuple[str, ...], as_json: bool) -> None:
    """Add and remove recipients of FILE, without changing model and signatures.

    A removed recipient may have kept the data key, or an older copy of the file. If the data key leaked, seal the model
    again.

    \b
    Examples:
      bento-governance artifact rewrap digits.sealed \\
        --recipient-key file:recipient.key --add recipient-2.key.pub
      bento-governance artifact rewrap digits.sealed \\
        --recipient-key file:recipient-2.key --remove recipient.key.pub
    """
    if not add and not remove:
        raise ConfigurationError("name a recipient with --add or --remove")
    remaining = amend.rewrap(
        file,
        recipient_key=open_recipient_key(recipient_key),
        add=[open_recipient(place) for place in add],
        remove=[open_recipient(place).key_id if _is_place(place) else place for place in remove],
    )
    if as_json:
        click.echo(json.dumps({"recipients": [f"sha256:{key_id}" for key_id in remaining]}, indent=2))
        return
    click.echo(f"Rewrapped {file}: {len(remaining)} recipients")
    for key_id in remaining:
        click.echo(f"  encrypted for sha256:{key_id}")


@click.command()
@click.argument("file", type=PATH)
@click.option(
    "--sign-with", "signers", required=True, help=f"URI of the ECDSA signing key of the approver: {KEY_URIS}."
)
@signer_options
@trust_options
@recipient_key_option
@scan_options
@json_option
def approve(
    file: Path,
    signers: list[ModelSigner],
    trust: Trust,
    recipient_key: str,
    limits: ScanLimits,
    as_json: bool,
) -> None:
    """Verify, decrypt and scan FILE, then add the signature of an approver.

    The approver is another person than the author. A server demands both signatures with `threshold = 2`.

    \b
    Examples:
      bento-governance artifact approve digits.sealed \\
        --sign-with file:approver.key --trust signing.key.pub \\
        --recipient-key file:recipient.key
    """
    with show_progress("Verifying", size_of(file)) as progress:
        facts = amend.approve(
            file,
            signer=signers[0],
            trust=trust,
            recipient_key=open_recipient_key(recipient_key),
            now=datetime.now(UTC),
            limits=limits,
            progress=progress,
        )
    print_facts(facts, as_json, f"Approved {file}")


def _is_place(text: str) -> bool:
    return ":" in text.removeprefix("sha256:") or Path(text).is_file()
