"""`bento-governance key`: create signing, recipient, checkpoint and secret keys."""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress
from pathlib import Path

import click

from governance.cli.help import Group
from governance.errors import ConfigurationError
from governance.keys import generate_recipient_key, generate_signing_key, load_recipient_public_key, load_verifying_key
from governance.keys.key_files import write_new
from governance.keys.providers.passphrase import encrypt_key
from governance.keys.recipient import ALGORITHMS
from governance.keys.uri import read

SIGNING_ALGORITHMS = ("ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ml-dsa-65")

PURPOSES = {
    "signing": "Signs model artifacts. Keep it where models are released; servers need only the .pub file.",
    "recipient": "Opens sealed artifacts. Servers need it; seal with the .pub file.",
    "checkpoint": "Signs the audit log. Servers need it; officers verify with the .pub file.",
    "stop": "Signs the kill switch. Keep it where operators stop models; servers need only the .pub file.",
    "grant": "Signs emergency grants. Its owner keeps it; servers need only the .pub file.",
    "secret": "A symmetric secret (for keyed hashes). Servers need it.",
}
# Keys of persons; the checkpoint key is a server's, and Ed25519 as the log's format demands.
SIGNERS = ("signing", "stop", "grant")


@click.group(cls=Group)
def command() -> None:
    """Create keys and show their fingerprints.

    A private key is a file with mode 0600; its public key is written to PATH.pub. An existing file is never
    overwritten.

    \b
    Examples:
      bento-governance key create signing signing.key
      bento-governance key show signing.key.pub
    """


@command.command()
@click.argument("purpose", type=click.Choice(sorted(PURPOSES)))
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--algorithm",
    type=click.Choice([*SIGNING_ALGORITHMS, *ALGORITHMS]),
    help="Algorithm of a signing or recipient key. Default: ecdsa-p256 for signing, x-wing (ML-KEM-768 and X25519) "
    "for a recipient.",
)
@click.option(
    "--passphrase",
    help="URI of a passphrase that encrypts the private key (Argon2id): env:NAME or file:PATH. With - it is asked for.",
)
def create(purpose: str, path: Path, algorithm: str | None, passphrase: str | None) -> None:
    """Create a key for a purpose, at PATH.

    signing: signs model artifacts. stop: signs the kill switch. grant: signs emergency grants. recipient: decrypts
    artifacts. checkpoint: signs the audit log. secret: keys hashes. Where a key with a passphrase is used, write
    file:PATH?passphrase=env:NAME.

    \b
    Examples:
      bento-governance key create signing signing.key
      bento-governance key create recipient recipient.key --algorithm p256
      bento-governance key create checkpoint log.key --passphrase env:PASSPHRASE
    """
    fitting = {**dict.fromkeys(SIGNERS, SIGNING_ALGORITHMS), "recipient": tuple(ALGORITHMS)}.get(purpose, ())
    if algorithm is not None and algorithm not in fitting:
        raise click.UsageError(
            f"a {purpose} key has no algorithm '{algorithm}'" + (f": {', '.join(fitting)}" * bool(fitting))
        )
    private, public = new_key(purpose, algorithm)
    public_path = path.with_name(path.name + ".pub")
    if public is not None and public_path.exists():
        raise ConfigurationError(f"{public_path} exists already, and a key is never overwritten")
    if passphrase is not None:
        private = encrypt_key(private, _passphrase(passphrase), secrets.token_bytes)
    write_new(path, private, mode=0o600)
    under = "" if passphrase is None else ", under a passphrase"
    click.echo(f"{path}: private, mode 0600{under}. {PURPOSES[purpose]}")
    if public is not None:
        write_new(public_path, public, mode=0o644)
        click.echo(f"{public_path}: public.")


def new_key(purpose: str, algorithm: str | None = None) -> tuple[bytes, bytes | None]:
    """Return the files of a new key: the private one, and the public one if there is one.

    Args:
        purpose: one of `PURPOSES`.
        algorithm: of a signing or recipient key; None for the default.
    """
    if purpose == "secret":
        return base64.b64encode(secrets.token_bytes(32)) + b"\n", None
    if purpose == "recipient":
        recipient = generate_recipient_key(algorithm or "x-wing", secrets.token_bytes)
        return recipient.to_pem(), recipient.public_key.to_pem()
    signing = generate_signing_key((algorithm or "ecdsa-p256") if purpose in SIGNERS else "ed25519")
    return signing.to_pem(), signing.public_key.pem


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
def show(path: Path) -> None:
    """Print the algorithm and the fingerprint of the public key at PATH.

    \b
    Examples:
      bento-governance key show signing.key.pub
    """
    shown = []
    for load in (_show_signing, _show_recipient):
        with suppress(ConfigurationError):
            shown.append(load(path))
    if not shown:
        raise ConfigurationError(f"{path} is not a supported public key, or cannot be read")
    for line in shown:
        click.echo(line)


def _show_signing(path: Path) -> str:
    key = load_verifying_key(path)
    return f"{key.algorithm} sha256:{key.fingerprint}"


def _show_recipient(path: Path) -> str:
    key = load_recipient_public_key(path)
    return f"recipient sha256:{key.key_id}"


def _passphrase(uri: str) -> bytes:
    """Return the passphrase at the URI, or ask for it at the terminal."""
    if uri == "-":
        return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=True)).encode()
    passphrase = read(uri).rstrip(b"\r\n")
    if not passphrase:
        raise ConfigurationError("the passphrase is empty")
    return passphrase
