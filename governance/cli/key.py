"""`bento-governance key`: create signing, recipient, checkpoint and secret keys."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import click

from governance.errors import ConfigurationError
from governance.keys import generate_recipient_key, generate_signing_key, load_recipient_public_key, load_verifying_key
from governance.keys.file import write_new

PURPOSES = {
    "signing": "Signs model artifacts. Keep it where models are released; servers need only the .pub file.",
    "recipient": "Opens sealed artifacts. Servers need it; seal with the .pub file.",
    "checkpoint": "Signs the audit log. Servers need it; officers verify with the .pub file.",
    "secret": "A symmetric secret (for keyed hashes). Servers need it.",
}


@click.group()
def command() -> None:
    """Create and show keys.

    Private keys are files of mode 0600 that are never overwritten; public ones lie beside them as PATH.pub.
    """


@command.command()
@click.argument("purpose", type=click.Choice(sorted(PURPOSES)))
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--algorithm",
    type=click.Choice(["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"]),
    default="ecdsa-p256",
    show_default=True,
    help="For a signing key.",
)
def create(purpose: str, path: Path, algorithm: str) -> None:
    """Create a key of PURPOSE at PATH."""
    public: bytes | None = None
    if purpose == "secret":
        private = base64.b64encode(secrets.token_bytes(32)) + b"\n"
    elif purpose == "recipient":
        recipient = generate_recipient_key(secrets.token_bytes(32))
        private, public = recipient.to_pem(), recipient.public_key.to_pem()
    else:
        signing = generate_signing_key(algorithm if purpose == "signing" else "ed25519")
        private, public = signing.to_pem(), signing.public_key.pem
    public_path = path.with_name(path.name + ".pub")
    if public is not None and public_path.exists():
        raise ConfigurationError(f"{public_path} exists already, and a key is never overwritten")
    write_new(path, private, mode=0o600)
    click.echo(f"{path}: private, mode 0600. {PURPOSES[purpose]}")
    if public is not None:
        write_new(public_path, public, mode=0o644)
        click.echo(f"{public_path}: public.")


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
def show(path: Path) -> None:
    """Print the kind and the fingerprint of the public key at PATH."""
    try:
        verifying = load_verifying_key(path)
    except ConfigurationError:
        recipient = load_recipient_public_key(path)
        click.echo(f"recipient sha256:{recipient.key_id}")
    else:
        click.echo(f"{verifying.algorithm} sha256:{verifying.fingerprint}")
