"""`bento-governance artifact seal`: sign and encrypt a folder of model files into one file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from governance.artifacts.scan.limits import ScanLimits
from governance.artifacts.seal import SealOptions, seal_folder
from governance.artifacts.trust.signing import ModelSigner
from governance.cli.artifact.check import completed
from governance.cli.artifact.options import KEY_URIS, scan_options, signer_options
from governance.cli.artifact.output import print_facts, show_progress
from governance.cli.options import PATH, json_option
from governance.keys import open_recipient


@click.command()
@click.argument("folder", type=PATH)
@click.argument("output", type=PATH)
@click.option("--name", required=True, help="Name of the model; a server opens the artifact only under this name.")
@click.option(
    "--version",
    type=click.IntRange(1),
    required=True,
    help="Version of the model; a server refuses one below the last that it served.",
)
@click.option(
    "--sign-with",
    "signers",
    multiple=True,
    required=True,
    help=f"URI of an ECDSA signing key: {KEY_URIS}. May be repeated.",
)
@signer_options
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    required=True,
    help="Public key of a recipient, or URI of a key service's key: awskms:, vault:, pkcs11:. May be repeated.",
)
@scan_options
@json_option
def seal(
    folder: Path,
    output: Path,
    name: str,
    version: int,
    signers: list[ModelSigner],
    recipients: tuple[str, ...],
    limits: ScanLimits,
    as_json: bool,
) -> None:
    """Sign and encrypt the files of FOLDER into the file OUTPUT.

    FOLDER holds model.onnx and card.json. The model is scanned first; one with operators that are not allowed is not
    sealed. Then graph, card and profile are checked as a server does: the model is opened and run once. A card without
    inputs or outputs, or no card, gets those of the graph. A ZipMap at the end of a graph of scikit-learn is removed,
    so that the output is a tensor. Large tensors are moved out of the graph into an aligned file, so that a server uses
    them without a copy.

    \b
    Examples:
      bento-governance artifact seal export digits.sealed --name digits \\
        --version 1 --sign-with file:signing.key --recipient recipient.key.pub
    """
    total = 2 * sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    options = SealOptions(
        name=name,
        version=version,
        created=datetime.now(UTC),
        signers=signers,
        recipients=[open_recipient(place) for place in recipients],
        limits=limits,
        complete=lambda files: completed(files, name, version),
    )
    with show_progress("Sealing", total) as progress:
        facts = seal_folder(folder, output, options, progress=progress)
    print_facts(facts, as_json, f"Sealed {output}")
