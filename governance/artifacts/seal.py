"""Seal a folder of model files into one file: pack, scan, hash, encrypt, wrap the key, sign."""

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
from governance.artifacts.scan.limits import DEFAULT_SCAN_LIMITS, ScanLimits
from governance.artifacts.scan.scan import admit, scanned_sources
from governance.artifacts.trust.signing import ModelSigner, sign_model
from governance.artifacts.trust.statement import Admission, render_time
from governance.errors import ConfigurationError, GovernanceError, ManifestMismatchError
from governance.keys import Wrapper


@dataclass(frozen=True, slots=True)
class SealedFacts:
    """What is known of an artifact without its plaintext.

    Attributes:
        name: its name, as signed.
        version: its version, as signed.
        created: when it was sealed (RFC 3339, UTC).
        digest: SHA-256 of the signed manifest, which identifies the model.
        signers: `sha256:FINGERPRINT` for a key, `x509:SUBJECT` for a certificate.
        manifest: path, size and digest of each file.
    """

    name: str
    version: int
    created: str
    digest: str
    signers: tuple[str, ...]
    manifest: Manifest


def seal_folder(
    folder: Path,
    output: Path,
    *,
    name: str,
    version: int,
    signers: Sequence[ModelSigner],
    recipients: Sequence[Wrapper],
    created: datetime,
    limits: ScanLimits = DEFAULT_SCAN_LIMITS,
    random: Callable[[int], bytes] = os.urandom,
    part_bytes: int = cipher.PART_BYTES,
    progress: Progress = lambda _: None,
) -> SealedFacts:
    """Sign and encrypt a folder of model files into one file, which appears whole or not at all.

    Args:
        folder: holds `model.onnx`, `card.json` and further files.
        output: the file to write; an existing one is replaced.
        name: the model's name; a server opens the artifact only under this name.
        version: a positive number; a server refuses a lower one than it has served.
        signers: signing keys, each with its certificates, if any.
        recipients: what encrypts the data key for each recipient.
        created: the time of sealing, with a time zone.
        limits: the limits of the scan that the model must pass.
        random: returns the given number of random bytes.
        part_bytes: plaintext bytes of one encrypted part.
        progress: is called with the number of bytes of plaintext processed; in total, twice the folder's size.

    Raises:
        ConfigurationError: if the folder, the keys or the name cannot be used, or the output cannot be written.
        ManifestMismatchError: if a file changes while it is sealed, or the model does not pass the scan.
    """
    if not signers:
        raise ConfigurationError("an artifact needs at least one signing key")
    if version < 1:
        raise ConfigurationError("a version is a positive integer")
    files = pack_models(read_folder(folder))
    admit(scanned_sources(files), limits)
    header = Header(name, version, render_time(created), hash_sources(files, progress), part_bytes)
    header_bytes = header.to_bytes()
    Header.from_bytes(header_bytes)
    header_digest = hashlib.sha256(header_bytes).digest()
    data_key = random(cipher.KEY_BYTES)
    wrapped = wrap_for(data_key, header_digest, recipients)
    with replacing(output) as stream:
        stream.write(MAGIC + block(header_bytes, MAX_HEADER_BYTES))
        digests = _encrypt_files(files, header, header_digest, data_key, stream, progress)
        admission = admission_of(header, header_digest, digests)
        signatures = [sign_model(signer, admission, header.manifest, "author", header.created) for signer in signers]
        trailer = authenticate(Trailer(digests, tuple(signatures), wrapped), header_digest, data_key)
        stream.write(block(trailer.to_bytes(), MAX_TRAILER_BYTES))
    names = sorted(f"sha256:{signer.key.public_key.fingerprint}" for signer in signers)
    return SealedFacts(name, version, header.created, header.manifest.digest, tuple(names), header.manifest)


def admission_of(header: Header, header_digest: bytes, ciphertext_sha256: Sequence[str]) -> Admission:
    """Return what a signer of this very artifact admits."""
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
            raise ManifestMismatchError(f"{entry.path} changed while it was sealed: seal again")
    return tuple(digests)


@contextmanager
def replacing(output: Path) -> Iterator[BinaryIO]:
    """Write beside the output, and put it in place when it is whole and on the disk."""
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
