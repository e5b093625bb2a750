"""`bento-governance artifact`: seal, verify, open and inspect model artifacts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from governance.artifacts.container import UnverifiedContainer
from governance.artifacts.manifest import Progress
from governance.artifacts.seal import SealedFacts, inspect_sealed, open_sealed, seal_folder, verify_sealed
from governance.artifacts.signing import Trust, unverified_hint
from governance.errors import ConfigurationError
from governance.keys import load_recipient_public_key, open_recipient_key, open_signing_key

PATH = click.Path(path_type=Path)
SHOW_PROGRESS_FROM_BYTES = 64 * 2**20

trust_options = [
    click.option("--trust", "trusted", type=PATH, multiple=True, required=True, help="A trusted signer's public key."),
    click.option(
        "--threshold", type=click.IntRange(1), default=1, show_default=True, help="How many must have signed."
    ),
]
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def trusting(function: Any) -> Any:
    """Add the options that say whom to trust."""
    for option in reversed(trust_options):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Seal, verify, open and inspect model artifacts.

    A sealed artifact is one file: a folder of model files, signed (OpenSSF Model Signing), encrypted
    (c2sp.org/chunked-encryption), its key wrapped for each recipient (HPKE, ML-KEM-768 + X25519).
    """


@command.command()
@click.argument("folder", type=PATH)
@click.argument("output", type=PATH)
@click.option("--name", required=True, help="The model's name; a server opens it under no other.")
@click.option("--version", type=click.IntRange(1), required=True, help="A server can refuse versions below a floor.")
@click.option("--sign-with", "signers", multiple=True, required=True, help="URI of a private signing key: file:, env:.")
@click.option("--recipient", "recipients", type=PATH, multiple=True, required=True, help="A recipient's public key.")
@json_option
def seal(
    folder: Path,
    output: Path,
    name: str,
    version: int,
    signers: tuple[str, ...],
    recipients: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Sign and encrypt the files of FOLDER into OUTPUT."""
    total = 2 * sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with _progress("Sealing", total) as progress:
        facts = seal_folder(
            folder,
            output,
            name=name,
            version=version,
            signing_keys=[open_signing_key(uri) for uri in signers],
            recipients=[load_recipient_public_key(path) for path in recipients],
            created=datetime.now(UTC),
            progress=progress,
        )
    _print_facts(facts, as_json, f"Sealed {output}")


@command.command()
@click.argument("file", type=PATH)
@trusting
@click.option("--recipient-key", help="URI of a recipient's private key: also decrypt and check the plaintext.")
@json_option
def verify(file: Path, trusted: tuple[Path, ...], threshold: int, recipient_key: str | None, as_json: bool) -> None:
    """Verify FILE: its form, who signed it, and every byte of it."""
    trust = Trust.from_files(trusted, threshold)
    with _progress("Verifying", _size(file)) as progress:
        facts = verify_sealed(file, trust=trust, progress=progress)
    if recipient_key is not None:
        key = open_recipient_key(recipient_key)
        with open_sealed(file, name=facts.name, minimum_version=1, trust=trust, recipient_key=key):
            pass
    _print_facts(facts, as_json, f"Verified {file}" + ("" if recipient_key else " (without decrypting it)"))


@command.command(name="open")
@click.argument("file", type=PATH)
@click.argument("folder", type=PATH)
@trusting
@click.option("--recipient-key", required=True, help="URI of a recipient's private key: file:, env:.")
def open_(file: Path, folder: Path, trusted: tuple[Path, ...], threshold: int, recipient_key: str) -> None:
    """Decrypt FILE into the new FOLDER, for people: a server never does that."""
    trust, key = Trust.from_files(trusted, threshold), open_recipient_key(recipient_key)
    with (
        _progress("Opening", _size(file)) as progress,
        open_sealed(file, name=None, minimum_version=1, trust=trust, recipient_key=key, progress=progress) as opened,
    ):
        _write_plaintext(folder, opened.files)
    click.echo(f"{opened.name} version {opened.version} lies in {folder} as plaintext: remove it when you are done.")


@command.command()
@click.argument("file", type=PATH)
@json_option
def inspect(file: Path, as_json: bool) -> None:
    """Print what FILE says of itself. Nothing of it is verified."""
    container = inspect_sealed(file)
    facts = _unverified_facts(container)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo("UNVERIFIED: what the file says of itself; `artifact verify` checks it.")
    for key in ("name", "version", "created", "signed_by", "encrypted_for"):
        value = facts[key]
        click.echo(f"  {key}: {', '.join(value) if isinstance(value, list) else value}")
    for entry in container.header.manifest.files:
        click.echo(f"  {entry.size:>14,}  {entry.path}")


def _unverified_facts(container: UnverifiedContainer) -> dict[str, Any]:
    header, trailer = container.header, container.trailer
    wraps = trailer.recipients.get("list", []) if isinstance(trailer.recipients, dict) else []
    return {
        "unverified": True,
        "name": header.name,
        "version": header.version,
        "created": header.created,
        "signed_by": [f"sha256:{unverified_hint(pair.get('model'))}" for pair in trailer.signatures],
        "encrypted_for": [f"sha256:{wrap.get('key_id')}" for wrap in wraps if isinstance(wrap, dict)],
        "files": header.manifest.to_json(),
    }


def _print_facts(facts: SealedFacts, as_json: bool, sentence: str) -> None:
    if as_json:
        document = {
            "name": facts.name,
            "version": facts.version,
            "created": facts.created,
            "digest": facts.digest,
            "signed_by": [f"sha256:{signer}" for signer in facts.signers],
            "files": facts.manifest.to_json(),
        }
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"{sentence}: {facts.name} version {facts.version}, {len(facts.manifest.files)} files")
    click.echo(f"  {facts.digest}")
    for signer in facts.signers:
        click.echo(f"  signed by sha256:{signer}")


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


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise ConfigurationError(f"cannot read the artifact {file}: {error.strerror}") from None


@contextmanager
def _progress(label: str, total: int) -> Iterator[Progress]:
    """Show a bar on standard error for what takes more than a moment."""
    if total < SHOW_PROGRESS_FROM_BYTES:
        yield lambda _: None
        return
    with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
        advance: Callable[[int], None] = bar.update
        yield advance
