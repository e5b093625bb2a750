"""Sealing a folder of model files into one file: pack, scan, hash, encrypt, wrap the data key, sign."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from governance.artifacts.format import cipher
from governance.artifacts.format.container import (
    MAGIC,
    MAX_HEADER_BYTES,
    MAX_TRAILER_BYTES,
    Header,
    Trailer,
    block,
)
from governance.artifacts.format.manifest import Manifest, Progress, hash_sources
from governance.artifacts.format.packing import pack_models
from governance.artifacts.format.recipients import authenticate, wrap_for
from governance.artifacts.format.sources import SourceFile, read_folder
from governance.artifacts.format.zipmap import without_zipmap
from governance.artifacts.scan.limits import DEFAULT_SCAN_LIMITS, ScanLimits
from governance.artifacts.scan.scan import admit, scanned_sources
from governance.artifacts.trust.signing import ModelSigner, sign_model
from governance.artifacts.trust.statement import Admission, render_time
from governance.errors import ConfigurationError, GovernanceError, ManifestMismatchError
from governance.keys import RecipientPublicKey, Wrapper


@dataclass(frozen=True, slots=True)
class SealedFacts:
    """Facts of an artifact that can be known without its plaintext.

    Attributes:
        name: Name of the model.
        version: Version of the model.
        created: Time of sealing (RFC 3339, UTC).
        digest: `sha256:` and the root of the manifest; it identifies the model.
        signers: Sorted signers: `sha256:FINGERPRINT` of a key, `x509:SUBJECT` of a certificate.
        manifest: Path, size and digest of each file.
    """

    name: str
    version: int
    created: str
    digest: str
    signers: tuple[str, ...]
    manifest: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class SealOptions:
    """Options of sealing: identity of the model, signers, recipients and limits.

    Attributes:
        name: Name of the model; a server opens the artifact only under this name.
        version: Version of the model, from 1; a server refuses one below the highest that it has served.
        created: Time of sealing, with a time zone.
        signers: Signers of the artifact, at least one.
        recipients: Keys that wrap the data key, one for each recipient.
        limits: Limits of the scan that the model must pass.
        part_bytes: Plaintext bytes of one encrypted part.
        complete: Gets the files that the scan has admitted, and returns those to seal, for example with a longer card;
            it raises an error if they must not be sealed.
    """

    name: str
    version: int
    created: datetime
    signers: Sequence[ModelSigner]
    recipients: Sequence[Wrapper]
    limits: ScanLimits = DEFAULT_SCAN_LIMITS
    part_bytes: int = cipher.PART_BYTES
    complete: Callable[[Sequence[SourceFile]], Sequence[SourceFile]] = lambda files: files


def seal_folder(
    folder: Path,
    output: Path,
    options: SealOptions,
    *,
    random: Callable[[int], bytes] = os.urandom,
    progress: Progress = lambda _: None,
) -> SealedFacts:
    """Sign and encrypt a folder of model files into one file, which replaces `output` only when it is complete.

    Args:
        folder: Folder with `model.onnx`, `card.json` and further files.
        output: File to write; an existing one is replaced.
        options: Name, version, signers, recipients and limits.
        random: Returns the given number of random bytes.
        progress: Is called with the number of bytes of plaintext processed; the sum is twice the size of the folder.

    Raises:
        ConfigurationError: if the folder, the keys, the name or the version cannot be used, or the output cannot be
            written.
        ManifestMismatchError: if a file changes while it is sealed, or the scan has findings.
    """
    if not options.signers:
        raise ConfigurationError("an artifact needs at least one signing key")
    if options.version < 1:
        raise ConfigurationError("a version is a positive integer")
    _refuse_own_keys(options)
    files: Sequence[SourceFile] = pack_models(without_zipmap(read_folder(folder)))
    admit(scanned_sources(files), options.limits)
    files = options.complete(files)
    created, manifest = render_time(options.created), hash_sources(files, progress)
    header = Header(options.name, options.version, created, manifest, options.part_bytes)
    header_bytes = header.to_bytes()
    # A header that a reader would refuse must not be written.
    Header.from_bytes(header_bytes)
    header_digest = hashlib.sha256(header_bytes).digest()
    data_key = random(cipher.KEY_BYTES)
    wrapped = wrap_for(data_key, header_digest, options.recipients)
    with atomic_output(output) as stream:
        stream.write(MAGIC + block(header_bytes, MAX_HEADER_BYTES))
        digests = _encrypt_files(files, header, header_digest, data_key, stream, progress)
        admission = admission_of(header, header_digest, digests)
        signatures = [sign_model(signer, admission, manifest, "author", created) for signer in options.signers]
        trailer = authenticate(Trailer(digests, tuple(signatures), wrapped), header_digest, data_key)
        stream.write(block(trailer.to_bytes(), MAX_TRAILER_BYTES))
    names = sorted(f"sha256:{signer.key.public_key.fingerprint}" for signer in options.signers)
    return SealedFacts(options.name, options.version, created, manifest.digest, tuple(names), manifest)


def _refuse_own_keys(options: SealOptions) -> None:
    """Refuse a recipient that is a signer's own key: its private half would be on the server, which could then sign."""
    signing = {
        signer.key.public_key.pem for signer in options.signers if signer.key.public_key.algorithm == "ecdsa-p256"
    }
    own = {RecipientPublicKey.from_pem(pem, "the signing key").key_id for pem in signing}
    if any(recipient.key_id in own for recipient in options.recipients):
        raise ConfigurationError(
            "a signing key is among the recipients, so a server would hold it and could sign models: "
            "make a key for the server with `key create recipient`"
        )


def admission_of(header: Header, header_digest: bytes, ciphertext_sha256: Sequence[str]) -> Admission:
    """Return the admission that signers of an artifact sign.

    Args:
        header: The header.
        header_digest: SHA-256 of its bytes (32 bytes).
        ciphertext_sha256: SHA-256 of each part's ciphertext, in hex.
    """
    return Admission(
        name=header.name,
        version=header.version,
        header_sha256=header_digest.hex(),
        ciphertext_sha256=hashlib.sha256(b"".join(map(bytes.fromhex, ciphertext_sha256))).hexdigest(),
        manifest_root=header.manifest.root,
    )


def _encrypt_files(
    files: Sequence[SourceFile],
    header: Header,
    header_digest: bytes,
    data_key: bytes,
    output: BinaryIO,
    progress: Progress,
) -> tuple[str, ...]:
    """Encrypt all parts of all files, and return the SHA-256 of each part's ciphertext (hex)."""
    digests, parts = [], header.parts()
    for file, entry in zip(files, header.manifest.files, strict=True):
        plaintext, pending = hashlib.sha256(), file.blocks()
        rest = b""
        for _ in range(0, max(entry.size, 1), header.part_bytes):
            part = next(parts)
            encryptor = cipher.PartEncryptor(data_key, part.context(header_digest))
            left = part.plaintext_bytes
            while left:
                rest = rest or next(pending, b"")
                piece, rest = rest[:left], rest[left:]
                if not piece:
                    break
                plaintext.update(piece)
                output.write(encryptor.update(piece))
                left -= len(piece)
                progress(len(piece))
            output.write(encryptor.finalize())
            digests.append(encryptor.ciphertext_sha256)
        if plaintext.hexdigest() != entry.sha256:
            raise ManifestMismatchError(f"{entry.path} changed while it was sealed: seal it again")
    return tuple(digests)


@contextmanager
def atomic_output(output: Path) -> Iterator[BinaryIO]:
    """Open a temporary file in the folder of `output`, which replaces `output` when the body ends without an error.

    Raises:
        ConfigurationError: if it cannot be written; `output` then stays unchanged.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise ConfigurationError(f"cannot write {output}: {error.strerror}") from None
    try:
        with open(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        os.replace(temporary, output)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, GovernanceError):
            raise ConfigurationError(f"cannot write {output}: {error.strerror}") from None
        raise
