"""Options that several artifact commands share, each turned into the value that the library takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from governance.artifacts.scan.limits import ScanLimits
from governance.artifacts.trust.certificates import load_certificates
from governance.artifacts.trust.signing import ModelSigner
from governance.artifacts.trust.trust import Trust
from governance.cli.options import PATH
from governance.keys import VerifyingKey, open_signing_key

KEY_URIS = "file:, env:, awskms:, vault:, pkcs11:"

Command = Callable[..., Any]

recipient_key_option = click.option(
    "--recipient-key", required=True, help=f"URI of the private key of a recipient: {KEY_URIS}."
)


def trust_options(command: Command) -> Command:
    """Add --trust, --threshold and --trust-cosigner; the command gets them as `trust`, a `Trust`."""

    @click.option(
        "--trust",
        "trusted",
        type=PATH,
        multiple=True,
        required=True,
        help="Public key of a trusted signer, or certificate of a trusted authority. May be repeated.",
    )
    @click.option(
        "--threshold",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="How many different trusted signers must have signed.",
    )
    @click.option(
        "--trust-cosigner",
        "cosigners",
        type=PATH,
        multiple=True,
        help="Trusted ML-DSA-65 public key; each signature then also needs one by such a key. May be repeated.",
    )
    @wraps(command)
    def run(trusted: tuple[Path, ...], threshold: int, cosigners: tuple[Path, ...], **others: Any) -> Any:
        return command(trust=Trust.from_files(trusted, threshold, cosigners), **others)

    return run


def signer_options(command: Command) -> Command:
    """Add --certificate and --cosign-with to a command that has --sign-with (several URIs, or one) as `signers`.

    The command gets `signers` as a list of `ModelSigner`.
    """

    @click.option(
        "--certificate",
        "certificates",
        type=PATH,
        multiple=True,
        help="Certificate of the signing key, with those above it (PEM). May be repeated.",
    )
    @click.option(
        "--cosign-with",
        "cosigner",
        help="URI of an ML-DSA-65 key that adds a second signature, for long retention.",
    )
    @wraps(command)
    def run(signers: tuple[str, ...] | str, certificates: tuple[Path, ...], cosigner: str | None, **others: Any) -> Any:
        uris = (signers,) if isinstance(signers, str) else signers
        return command(signers=[_signer(uri, certificates, cosigner) for uri in uris], **others)

    return run


def _signer(uri: str, certificates: Sequence[Path], cosigner: str | None) -> ModelSigner:
    """Return a signer with the key at `uri`, the certificate chain that fits it, and the co-signing key."""
    key = open_signing_key(uri)
    chain = tuple(certificate for path in certificates for certificate in load_certificates(path))
    # With several keys, each takes the chain that begins with its own certificate.
    if chain and VerifyingKey.from_key(chain[0].public_key()) != key.public_key and len(certificates) > 1:
        chains = [load_certificates(path) for path in certificates]
        chain = next((c for c in chains if VerifyingKey.from_key(c[0].public_key()) == key.public_key), chain)
    return ModelSigner(key, chain, open_signing_key(cosigner) if cosigner else None)


def scan_options(command: Command) -> Command:
    """Add --allow-domain; the command gets it as `limits`, the limits of the model scan."""

    @click.option(
        "--allow-domain",
        "domains",
        multiple=True,
        help="ONNX operator domain to allow besides ONNX's own. May be repeated.",
    )
    @wraps(command)
    def run(domains: tuple[str, ...], **others: Any) -> Any:
        return command(limits=ScanLimits(domains=frozenset(domains)), **others)

    return run
