"""`bento-governance artifact verify`: check a sealed artifact, or a folder with its OpenSSF model signature."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from governance.artifacts.format.manifest import hash_sources
from governance.artifacts.format.sources import read_folder
from governance.artifacts.opening import open_sealed, verify_sealed
from governance.artifacts.scan.limits import ScanLimits
from governance.artifacts.trust.bundle import parse_bundle
from governance.artifacts.trust.trust import Trust, verify_folder_signature
from governance.cli.artifact.options import scan_options, trust_options
from governance.cli.artifact.output import print_facts, show_progress, size_of
from governance.cli.options import PATH, json_option
from governance.errors import ConfigurationError
from governance.keys import open_recipient_key


@click.command()
@click.argument("file", type=PATH)
@trust_options
@click.option(
    "--recipient-key",
    help="URI of the private key of a recipient. With it, the content is decrypted, checked and scanned too.",
)
@click.option(
    "--signature",
    type=PATH,
    help="OpenSSF model signature to verify; FILE is then a folder with the files of a model.",
)
@scan_options
@json_option
def verify(
    file: Path,
    trust: Trust,
    recipient_key: str | None,
    signature: Path | None,
    limits: ScanLimits,
    as_json: bool,
) -> None:
    """Verify the form, the signatures and every byte of FILE.

    If something is not as it was signed, the exit status is 5.

    \b
    Examples:
      bento-governance artifact verify digits.sealed --trust signing.key.pub
      bento-governance artifact verify digits.sealed --trust signing.key.pub \\
        --recipient-key file:recipient.key
      bento-governance artifact verify folder --signature folder.1.sig \\
        --trust signing.key.pub
    """
    if signature is not None:
        _verify_folder(file, signature, trust, as_json)
        return
    with show_progress("Verifying", size_of(file)) as progress:
        facts = verify_sealed(file, trust=trust, progress=progress)
    if recipient_key is not None:
        key = open_recipient_key(recipient_key)
        with open_sealed(file, name=facts.name, minimum_version=1, trust=trust, recipient_key=key, limits=limits):
            pass
    print_facts(facts, as_json, f"Verified {file}" + ("" if recipient_key else " (without decrypting it)"))


def _verify_folder(folder: Path, signature: Path, trust: Trust, as_json: bool) -> None:
    try:
        bundle = parse_bundle(signature.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"cannot read the signature {signature}: {error.strerror}") from None
    manifest = hash_sources(read_folder(folder))
    name, signer = verify_folder_signature(bundle, trust, manifest, datetime.now(UTC))
    if as_json:
        click.echo(json.dumps({"name": name, "signed_by": [signer], "files": manifest.to_json()}, indent=2))
        return
    click.echo(f"Verified {folder}: {name}, {len(manifest.files)} files\n  signed by {signer}")
