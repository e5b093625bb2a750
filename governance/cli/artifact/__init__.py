"""`bento-governance artifact`: seal, open, verify, inspect, rewrap, approve and scan model artifacts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from governance.artifacts.amend import approve as approve_artifact
from governance.artifacts.amend import rewrap as rewrap_artifact
from governance.artifacts.format.container import UnverifiedContainer
from governance.artifacts.format.manifest import Progress, hash_sources
from governance.artifacts.format.sources import Segment, SourceFile, read_folder
from governance.artifacts.opening import inspect_sealed, open_sealed, verify_sealed
from governance.artifacts.scan.rules import Limits
from governance.artifacts.scan.scan import scan as scan_files
from governance.artifacts.scan.scan import scanned_sources
from governance.artifacts.seal import SealedFacts, seal_folder
from governance.artifacts.trust.certificates import load_certificates
from governance.artifacts.trust.signing import ModelSigner, parse_bundle, unverified_signer, unverified_statement
from governance.artifacts.trust.trust import Trust, verify_folder_signature
from governance.cli.artifact.fetch import fetch_artifact, read_token, say
from governance.cli.help import Group
from governance.errors import ConfigurationError, GovernanceError, ManifestMismatchError
from governance.keys import VerifyingKey, open_recipient, open_recipient_key, open_signing_key

PATH = click.Path(path_type=Path)
SHOW_PROGRESS_FROM_BYTES = 64 * 2**20
KEY_URIS = "file:, env:, awskms:, vault:, pkcs11:"

trust_options = [
    click.option(
        "--trust",
        "trusted",
        type=PATH,
        multiple=True,
        required=True,
        help="Public key of a trusted signer, or certificate of a trusted authority. May be repeated.",
    ),
    click.option(
        "--threshold",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="How many different trusted signers must have signed.",
    ),
    click.option(
        "--trust-cosigner",
        "cosigners",
        type=PATH,
        multiple=True,
        help="Trusted ML-DSA-65 public key; each signature then also needs one by such a key. May be repeated.",
    ),
]
signer_options = [
    click.option(
        "--certificate",
        "certificates",
        type=PATH,
        multiple=True,
        help="Certificate of the signing key, with those above it (PEM). May be repeated.",
    ),
    click.option(
        "--cosign-with", "cosigner", help="URI of an ML-DSA-65 key that adds a second signature, for long retention."
    ),
]
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
domain_option = click.option(
    "--allow-domain",
    "domains",
    multiple=True,
    help="ONNX operator domain to allow besides ONNX's own. May be repeated.",
)
recipient_key_option = click.option(
    "--recipient-key", required=True, help=f"URI of the private key of a recipient: {KEY_URIS}."
)


def options(several: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """Add options in their order."""

    def add(function: Any) -> Any:
        for option in reversed(several):
            function = option(function)
        return function

    return add


@click.group(cls=Group)
def command() -> None:
    """Seal, verify, open and change sealed model artifacts.

    A sealed artifact is one file: the files of a model, signed (OpenSSF Model Signing) and encrypted (C2SP chunked
    encryption), with the data key encrypted for each recipient (HPKE, or a key service).

    \b
    Examples:
      bento-governance artifact seal export digits.sealed --name digits \\
        --version 1 --sign-with file:signing.key --recipient recipient.key.pub
      bento-governance artifact verify digits.sealed --trust signing.key.pub
    """


@command.command()
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
@options(signer_options)
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    required=True,
    help="Public key of a recipient, or URI of a key service's key: awskms:, vault:, pkcs11:. May be repeated.",
)
@domain_option
@json_option
def seal(
    folder: Path,
    output: Path,
    name: str,
    version: int,
    signers: tuple[str, ...],
    certificates: tuple[Path, ...],
    cosigner: str | None,
    recipients: tuple[str, ...],
    domains: tuple[str, ...],
    as_json: bool,
) -> None:
    """Sign and encrypt the files of FOLDER into the file OUTPUT.

    FOLDER holds model.onnx and card.json. The model is scanned first; one with operators that are not allowed is not
    sealed. Large tensors are moved out of the graph into an aligned file, so that a server uses them without a copy.

    \b
    Examples:
      bento-governance artifact seal export digits.sealed --name digits \\
        --version 1 --sign-with file:signing.key --recipient recipient.key.pub
    """
    total = 2 * sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with _progress("Sealing", total) as progress:
        facts = seal_folder(
            folder,
            output,
            name=name,
            version=version,
            signers=[_signer(uri, certificates, cosigner) for uri in signers],
            recipients=[open_recipient(place) for place in recipients],
            created=datetime.now(UTC),
            limits=Limits(domains=frozenset(domains)),
            progress=progress,
        )
    _print_facts(facts, as_json, f"Sealed {output}")


@command.command()
@click.argument("file", type=PATH)
@options(trust_options)
@click.option(
    "--recipient-key",
    help="URI of the private key of a recipient. With it, the content is decrypted, checked and scanned too.",
)
@click.option(
    "--signature",
    type=PATH,
    help="OpenSSF model signature to verify; FILE is then a folder with the files of a model.",
)
@domain_option
@json_option
def verify(
    file: Path,
    trusted: tuple[Path, ...],
    threshold: int,
    cosigners: tuple[Path, ...],
    recipient_key: str | None,
    signature: Path | None,
    domains: tuple[str, ...],
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
    trust = Trust.from_files(trusted, threshold, cosigners)
    if signature is not None:
        _verify_folder(file, signature, trust, as_json)
        return
    with _progress("Verifying", _size(file)) as progress:
        facts = verify_sealed(file, trust=trust, progress=progress)
    if recipient_key is not None:
        key, limits = open_recipient_key(recipient_key), Limits(domains=frozenset(domains))
        with open_sealed(file, name=facts.name, minimum_version=1, trust=trust, recipient_key=key, limits=limits):
            pass
    _print_facts(facts, as_json, f"Verified {file}" + ("" if recipient_key else " (without decrypting it)"))


@command.command()
@click.argument("url")
@click.argument("output", type=PATH)
@click.option("--sha256", required=True, help="SHA-256 of the sealed file, as 64 hex digits.")
@options(trust_options)
@click.option("--token-file", type=PATH, help="File with a bearer token for the host of URL, or with USER:PASSWORD.")
def fetch(
    url: str,
    output: Path,
    sha256: str,
    trusted: tuple[Path, ...],
    threshold: int,
    cosigners: tuple[Path, ...],
    token_file: Path | None,
) -> None:
    """Download a sealed artifact from URL to the file OUTPUT.

    It is kept only if its digest and its signatures are right. URL may be a blob in an OCI registry:
    https://HOST/v2/NAME/blobs/sha256:DIGEST

    \b
    Examples:
      bento-governance artifact fetch https://models.example.org/digits.sealed \\
        digits.sealed --sha256 "$DIGEST" --trust signing.key.pub
    """
    trust = Trust.from_files(trusted, threshold, cosigners)
    token = None if token_file is None else read_token(token_file)
    say(fetch_artifact(url, output, sha256=sha256, trust=trust, token=token), output)


@command.command(name="open")
@click.argument("file", type=PATH)
@click.argument("folder", type=PATH)
@options(trust_options)
@recipient_key_option
@domain_option
@json_option
def open_(
    file: Path,
    folder: Path,
    trusted: tuple[Path, ...],
    threshold: int,
    cosigners: tuple[Path, ...],
    recipient_key: str,
    domains: tuple[str, ...],
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
    trust, key = Trust.from_files(trusted, threshold, cosigners), open_recipient_key(recipient_key)
    limits = Limits(domains=frozenset(domains))
    with (
        _progress("Opening", _size(file)) as progress,
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
    click.echo(f"{opened.name} version {opened.version} lies in {folder} as plaintext: remove it when you are done.")
    for signature in signatures:
        click.echo(f"  signature: {signature}")


@command.command()
@click.argument("file", type=PATH)
@json_option
def inspect(file: Path, as_json: bool) -> None:
    """Print the header of FILE: name, version, signers, recipients, files.

    Nothing is verified; use `artifact verify` for that.

    \b
    Examples:
      bento-governance artifact inspect digits.sealed
      bento-governance artifact inspect digits.sealed --json
    """
    container = inspect_sealed(file)
    facts = _unverified_facts(container)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo("UNVERIFIED: what the file says of itself; `artifact verify` checks it.")
    for key in ("name", "version", "created"):
        click.echo(f"  {key}: {facts[key]}")
    for signature in facts["signatures"]:
        click.echo(f"  signed by {signature['signer']} as {signature['role']} at {signature['signed']}")
    for recipient in facts["recipients"]:
        click.echo(f"  encrypted for sha256:{recipient['key_id']} ({recipient['suite']})")
    for entry in container.header.manifest.files:
        click.echo(f"  {entry.size:>14,}  {entry.path}")


@command.command()
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
        raise ConfigurationError("say whom to --add or whom to --remove")
    remaining = rewrap_artifact(
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


@command.command()
@click.argument("file", type=PATH)
@click.option("--sign-with", "signer", required=True, help=f"URI of the ECDSA signing key of the approver: {KEY_URIS}.")
@options(signer_options)
@options(trust_options)
@recipient_key_option
@domain_option
@json_option
def approve(
    file: Path,
    signer: str,
    certificates: tuple[Path, ...],
    cosigner: str | None,
    trusted: tuple[Path, ...],
    threshold: int,
    cosigners: tuple[Path, ...],
    recipient_key: str,
    domains: tuple[str, ...],
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
    with _progress("Verifying", _size(file)) as progress:
        facts = approve_artifact(
            file,
            signer=_signer(signer, certificates, cosigner),
            trust=Trust.from_files(trusted, threshold, cosigners),
            recipient_key=open_recipient_key(recipient_key),
            now=datetime.now(UTC),
            limits=Limits(domains=frozenset(domains)),
            progress=progress,
        )
    _print_facts(facts, as_json, f"Approved {file}")


@command.command()
@click.argument("path", type=PATH)
@domain_option
@json_option
def scan(path: Path, domains: tuple[str, ...], as_json: bool) -> None:
    """Scan PATH, an ONNX file or a folder with a model, as sealing and opening do.

    If the model is not allowed, each reason is printed and the exit status is 5. To scan a sealed artifact, use
    `artifact verify --recipient-key`.

    \b
    Examples:
      bento-governance artifact scan export
      bento-governance artifact scan model.onnx --allow-domain com.microsoft
    """
    limits = Limits(domains=frozenset(domains))
    findings = scan_files(scanned_sources(_plaintext_files(path)), limits)
    if as_json:
        listed = [{"path": item.path, "node": item.node, "reason": item.reason} for item in findings]
        click.echo(json.dumps({"admitted": not findings, "findings": listed}, indent=2))
    elif not findings:
        click.echo(f"{path}: admitted, no findings")
    else:
        for item in findings:
            click.echo(str(item))
    if findings:
        raise ManifestMismatchError(f"{path} is not admitted: {len(findings)} findings")


def _plaintext_files(path: Path) -> tuple[SourceFile, ...]:
    if path.is_dir():
        return read_folder(path)
    size = _size(path)
    file = SourceFile(path.name, (Segment(path, 0, size),))
    if path.suffix == ".sealed":
        raise ConfigurationError(f"{path} is sealed: `artifact verify --recipient-key` scans what is in it")
    beside = [
        SourceFile(other.name, (Segment(other, 0, other.stat().st_size),))
        for other in path.parent.iterdir()
        if other.name.startswith(path.name + ".") and other.is_file() and not other.is_symlink()
    ]
    return (file, *beside)


def _signer(uri: str, certificates: Sequence[Path], cosigner: str | None) -> ModelSigner:
    key = open_signing_key(uri)
    chain = tuple(certificate for path in certificates for certificate in load_certificates(path))
    # With several keys, each takes the chain that begins with its own certificate.
    if chain and VerifyingKey.from_key(chain[0].public_key()) != key.public_key and len(certificates) > 1:
        chains = [load_certificates(path) for path in certificates]
        chain = next((c for c in chains if VerifyingKey.from_key(c[0].public_key()) == key.public_key), chain)
    return ModelSigner(key, chain, open_signing_key(cosigner) if cosigner else None)


def _is_place(text: str) -> bool:
    return ":" in text.removeprefix("sha256:") or Path(text).is_file()


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


def _unverified_facts(container: UnverifiedContainer) -> dict[str, Any]:
    header, trailer = container.header, container.trailer
    return {
        "unverified": True,
        "name": header.name,
        "version": header.version,
        "created": header.created,
        "digest": header.manifest.digest,
        "header_sha256": container.header_sha256.hex(),
        "signatures": [_unverified_signature(entry) for entry in trailer.signatures],
        "recipients": [
            {"key_id": entry.get("key_id"), "suite": entry.get("suite")}
            for entry in trailer.recipients
            if isinstance(entry, dict)
        ],
        "files": header.manifest.to_json(),
    }


def _unverified_signature(entry: Any) -> dict[str, Any]:
    try:
        signer = unverified_signer(entry["model"])
        predicate = unverified_statement(entry["admission"])["predicate"]
        named = (
            f"sha256:{signer}" if isinstance(signer, str) else f"certificate {signer[0].subject.rfc4514_string()[:100]}"
        )
        return {
            "signer": named,
            "role": predicate.get("role"),
            "signed": predicate.get("signed"),
            "cosigned": "cosignature" in entry,
        }
    except (GovernanceError, LookupError, TypeError, AttributeError):
        return {"signer": "malformed", "role": None, "signed": None, "cosigned": False}


def _print_facts(facts: SealedFacts, as_json: bool, sentence: str) -> None:
    if as_json:
        document = {
            "name": facts.name,
            "version": facts.version,
            "created": facts.created,
            "digest": facts.digest,
            "signed_by": list(facts.signers),
            "files": facts.manifest.to_json(),
        }
        click.echo(json.dumps(document, indent=2))
        return
    click.echo(f"{sentence}: {facts.name} version {facts.version}, {len(facts.manifest.files)} files")
    click.echo(f"  {facts.digest}")
    for signer in facts.signers:
        click.echo(f"  signed by {signer}")


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


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror}") from None


@contextmanager
def _progress(label: str, total: int) -> Iterator[Progress]:
    """Show a bar on standard error for what takes more than a moment."""
    if total < SHOW_PROGRESS_FROM_BYTES:
        yield lambda _: None
        return
    with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
        advance: Callable[[int], None] = bar.update
        yield advance
