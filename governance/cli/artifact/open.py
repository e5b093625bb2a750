"""`bento-governance artifact open`: decrypt a sealed artifact into a folder, with its signatures next to it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import click

from governance.artifacts.format.container import UnverifiedContainer
from governance.artifacts.opening import inspect_sealed, open_sealed
from governance.artifacts.scan.limits import ScanLimits
from governance.artifacts.trust.trust import Trust
from governance.cli.artifact.options import recipient_key_option, scan_options, trust_options
from governance.cli.artifact.output import show_progress, size_of
from governance.cli.options import PATH, json_option
from governance.errors import ConfigurationError
from governance.keys import open_recipient_key


@click.command(name="open")
@click.argument("file", type=PATH)
@click.argument("folder", type=PATH)
@trust_options
@recipient_key_option
@scan_options
@json_option
def open_(
    file: Path,
    folder: Path,
    trust: Trust,
    recipient_key: str,
    limits: ScanLimits,
    as_json: bool,
) -> None:
    """Verify FILE and decrypt it into the new folder FOLDER.

    This writes plaintext to the disk, which a server never does. Each signature is written next to the folder
    (FOLDER.1.sig, FOLDER.2.sig), in the form that the tool `model_signing` verifies.

    \b
    Examples:
      bento-governance artifact open digits.sealed plain \\
        --trust signing.key.pub --recipient-key file:recipient.key
    """
    key = open_recipient_key(recipient_key)
    with (
        show_progress("Opening", size_of(file)) as progress,
        open_sealed(
            file, name=None, minimum_version=1, trust=trust, recipient_key=key, limits=limits, progress=progress
        ) as opened,
    ):
        _write_plaintext(folder, opened.files)
    signatures = _write_signatures(folder, inspect_sealed(file))
    if as_json:
        document = {"name": opened.name, "version": opened.version, "digest": opened.digest, "folder": str(folder)}
        click.echo(json.dumps({**document, "signatures": signatures}, indent=2))
        return
    click.echo(f"{opened.name} version {opened.version} is in {folder} as plaintext: remove it when you are done.")
    for signature in signatures:
        click.echo(f"  signature: {signature}")


def _write_plaintext(folder: Path, files: Mapping[str, memoryview]) -> None:
    try:
        folder.mkdir(mode=0o700)
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(content)
    except OSError as error:
        raise ConfigurationError(f"cannot write to {folder}: {error.strerror} (it must be a new folder)") from None


def _write_signatures(folder: Path, container: UnverifiedContainer) -> list[str]:
    written = []
    for number, entry in enumerate(container.trailer.signatures, 1):
        target = folder.with_name(f"{folder.name}.{number}.sig")
        try:
            target.write_text(json.dumps(entry["model"]), encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"cannot write {target}: {error.strerror}") from None
        written.append(str(target))
    return written
