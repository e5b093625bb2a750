"""The two flows: seal a folder into one file, and open that file to memory by the numbered steps.

Steps of opening (FORMAT.md, "Opening"): (1) header and limits (2) signatures (3) data key (4) key commitment
(5) every part to its end (6) every digest (7) name, version, rollback floor (8) ONNX scan. Only after the last one
does anybody see a byte of plaintext, and it lies in anonymous memory alone.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from governance.artifacts import cipher
from governance.artifacts.container import (
    MAGIC,
    MAX_HEADER_BYTES,
    MAX_TRAILER_BYTES,
    Header,
    Trailer,
    UnverifiedContainer,
    read_container,
    write_block,
)
from governance.artifacts.manifest import Manifest, Progress, hash_folder
from governance.artifacts.recipients import unwrap_with, verify_commitment, wrap_for
from governance.artifacts.scan import scan_model
from governance.artifacts.signing import (
    Admission,
    Trust,
    model_statement,
    sign_statement,
    verify_signed_by,
)
from governance.errors import (
    ConfigurationError,
    GovernanceError,
    IntegrityError,
    ManifestMismatchError,
    RollbackError,
)
from governance.keys import RecipientKey, RecipientPublicKey, SigningKey


@dataclass(frozen=True, slots=True)
class SealedFacts:
    """What was verified without a recipient key: everything but the plaintext."""

    name: str
    version: int
    created: str
    digest: str
    signers: tuple[str, ...]
    manifest: Manifest


@dataclass(slots=True)
class OpenedArtifact:
    """A verified artifact in memory.

    `digest` names the signed manifest; `files` are plaintext by path, until `wipe`. A context manager that wipes.
    """

    name: str
    version: int
    digest: str
    signers: tuple[str, ...]
    files: Mapping[str, memoryview] = field(repr=False)

    def wipe(self) -> None:
        """Overwrite the plaintext with zeros."""
        for content in self.files.values():
            cipher.wipe(content)

    def __enter__(self) -> OpenedArtifact:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.wipe()


def seal_folder(
    folder: Path,
    output: Path,
    *,
    name: str,
    version: int,
    signing_keys: Sequence[SigningKey],
    recipients: Sequence[RecipientPublicKey],
    created: datetime,
    random: Callable[[int], bytes] = os.urandom,
    part_bytes: int = cipher.PART_BYTES,
    progress: Progress = lambda _: None,
) -> SealedFacts:
    """Sign and encrypt a folder of model files into one file, which appears whole or not at all.

    Args:
        version: positive; a server refuses to go back.
        created: an aware time.
        progress: is told how many bytes of plaintext were worked on; in all, twice the folder's size.

    Raises:
        ConfigurationError: if the folder, the keys or the name cannot be used, or the output cannot be written.
        ManifestMismatchError: if a file changes while it is sealed, or the model does not pass the scan.
    """
    if not signing_keys:
        raise ConfigurationError("an artifact needs at least one signing key")
    if version < 1:
        raise ConfigurationError("a version is a positive integer")
    manifest = hash_folder(folder, progress)
    header = Header(name, version, created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), manifest, part_bytes)
    header_bytes = header.to_bytes()
    Header.from_bytes(header_bytes)
    header_digest = hashlib.sha256(header_bytes).digest()
    data_key = random(cipher.KEY_BYTES)
    with _replacing(output) as stream:
        stream.write(MAGIC)
        write_block(stream, header_bytes, MAX_HEADER_BYTES)
        digests = _encrypt_parts(folder, header, header_digest, data_key, stream, progress)
        admission = _admission(header, header_digest, digests)
        trailer = Trailer(
            digests,
            tuple(
                {
                    "model": sign_statement(model_statement(name, manifest), key),
                    "admission": sign_statement(admission.to_statement(), key),
                }
                for key in signing_keys
            ),
            wrap_for(data_key, header_digest, recipients),
        )
        write_block(stream, trailer.to_bytes(), MAX_TRAILER_BYTES)
    signers = tuple(sorted(key.public_key.fingerprint for key in signing_keys))
    return SealedFacts(name, version, header.created, manifest.digest, signers, manifest)


def open_sealed(
    path: Path,
    *,
    name: str | None,
    minimum_version: int,
    trust: Trust,
    recipient_key: RecipientKey,
    progress: Progress = lambda _: None,
) -> OpenedArtifact:
    """Verify and decrypt an artifact into memory.

    Args:
        name: what it must be called, or None if any name will do.
        minimum_version: the rollback floor.
        progress: is told how many bytes of ciphertext were worked on.

    Raises:
        IntegrityError: of the class that fits, its sentence beginning with the step that failed.
        ConfigurationError: if the file cannot be read.
    """
    with _reading(path) as stream:
        container, header_digest = _step_1_container(stream)
        header, trailer = container.header, container.trailer
        signers = _step_2_signatures(container, header_digest, trust)
        with _step("step 3 (data key)"):
            data_key = unwrap_with(trailer.recipients, header_digest, recipient_key)
        with _step("step 4 (key commitment)"):
            verify_commitment(trailer.recipients, header_digest, data_key)
        stream.seek(container.body_offset)
        files = _allocate(header)
        opened = OpenedArtifact(header.name, header.version, header.manifest.digest, signers, files)
        try:
            with _step("step 5 (decryption)"):
                _decrypt_parts(stream, header, trailer, header_digest, data_key, files, progress)
            with _step("step 6 (file digests)"):
                _verify_digests(header, files)
            with _step("step 7 (name and version)"):
                _verify_identity(header, name, minimum_version)
            with _step("step 8 (model scan)"):
                scan_model(files)
        except BaseException:
            opened.wipe()
            raise
    return opened


def verify_sealed(path: Path, *, trust: Trust, progress: Progress = lambda _: None) -> SealedFacts:
    """Verify all that can be without a recipient key: form, signatures, and every byte of ciphertext.

    Raises:
        IntegrityError: of the class that fits, its sentence beginning with the step that failed.
        ConfigurationError: if the file cannot be read.
    """
    with _reading(path) as stream:
        container, header_digest = _step_1_container(stream)
        header, trailer = container.header, container.trailer
        signers = _step_2_signatures(container, header_digest, trust)
        stream.seek(container.body_offset)
        with _step("step 5 (ciphertext)"):
            for part, expected in zip(header.parts(), trailer.ciphertext_sha256, strict=True):
                ciphertext = stream.read(cipher.ciphertext_bytes(part.plaintext_bytes))
                if hashlib.sha256(ciphertext).hexdigest() != expected:
                    raise ManifestMismatchError(f"part {part.index} of {part.path} is not what was signed")
                progress(len(ciphertext))
    return SealedFacts(header.name, header.version, header.created, header.manifest.digest, signers, header.manifest)


def inspect_sealed(path: Path) -> UnverifiedContainer:
    """Return what a file says of itself; nothing of it is verified.

    Raises:
        ManifestMismatchError: if it has not the form of an artifact.
        ConfigurationError: if the file cannot be read.
    """
    with _reading(path) as stream:
        return _step_1_container(stream)[0]


def _step_1_container(stream: BinaryIO) -> tuple[UnverifiedContainer, bytes]:
    with _step("step 1 (header and limits)"):
        container = read_container(stream)
    return container, hashlib.sha256(container.header_bytes).digest()


def _step_2_signatures(container: UnverifiedContainer, header_digest: bytes, trust: Trust) -> tuple[str, ...]:
    header, trailer = container.header, container.trailer
    with _step("step 2 (signatures)"):
        admission = _admission(header, header_digest, trailer.ciphertext_sha256)
        return verify_signed_by(trailer.signatures, trust, admission, header.manifest)


def _admission(header: Header, header_digest: bytes, ciphertext_sha256: Sequence[str]) -> Admission:
    ciphertext = hashlib.sha256(b"".join(map(bytes.fromhex, ciphertext_sha256))).hexdigest()
    return Admission(header.name, header.version, header_digest.hex(), ciphertext, header.manifest.root)


def _encrypt_parts(
    folder: Path, header: Header, header_digest: bytes, data_key: bytes, output: BinaryIO, progress: Progress
) -> tuple[str, ...]:
    digests = []
    plaintext_of: dict[str, hashlib._Hash] = {}
    for part in header.parts():
        with (folder / part.path).open("rb") as stream:
            stream.seek(part.offset)
            plaintext = stream.read(part.plaintext_bytes)
        plaintext_of.setdefault(part.path, hashlib.sha256()).update(plaintext)
        ciphertext = cipher.encrypt(data_key, part.context(header_digest), plaintext)
        digests.append(hashlib.sha256(ciphertext).hexdigest())
        output.write(ciphertext)
        progress(len(plaintext))
    for entry in header.manifest.files:
        if plaintext_of[entry.path].hexdigest() != entry.sha256:
            raise ManifestMismatchError(f"{entry.path} changed while it was sealed: seal again")
    return tuple(digests)


def _allocate(header: Header) -> dict[str, memoryview]:
    # Anonymous maps: never a file, zero pages until written; an empty map does not exist.
    return {
        entry.path: memoryview(mmap.mmap(-1, entry.size)) if entry.size else memoryview(bytearray())
        for entry in header.manifest.files
    }


def _decrypt_parts(
    stream: BinaryIO,
    header: Header,
    trailer: Trailer,
    header_digest: bytes,
    data_key: bytes,
    files: Mapping[str, memoryview],
    progress: Progress,
) -> None:
    for part, expected in zip(header.parts(), trailer.ciphertext_sha256, strict=True):
        ciphertext = stream.read(cipher.ciphertext_bytes(part.plaintext_bytes))
        buffer = files[part.path][part.offset : part.offset + part.plaintext_bytes]
        if cipher.decrypt_into(data_key, part.context(header_digest), ciphertext, buffer) != expected:
            raise ManifestMismatchError(f"part {part.index} of {part.path} is not what was signed")
        progress(len(ciphertext))


def _verify_digests(header: Header, files: Mapping[str, memoryview]) -> None:
    for entry in header.manifest.files:
        if hashlib.sha256(files[entry.path]).hexdigest() != entry.sha256:
            raise ManifestMismatchError(f"{entry.path} is not what was signed")


def _verify_identity(header: Header, name: str | None, minimum_version: int) -> None:
    if name is not None and header.name != name:
        raise ManifestMismatchError(f"it is '{header.name}', and '{name}' is wanted")
    if header.version < minimum_version:
        raise RollbackError(f"it is version {header.version}, and {minimum_version} is the lowest that may be served")


@contextmanager
def _step(step: str) -> Iterator[None]:
    """Put the step in front of an integrity error's sentence, its class unchanged."""
    try:
        yield
    except IntegrityError as error:
        raise type(error)(f"{step}: {error}") from None


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise ConfigurationError(f"cannot read the artifact {path}: {error.strerror}") from None
    except IntegrityError as error:
        raise type(error)(f"{path.name}: {error}") from None


@contextmanager
def _replacing(output: Path) -> Iterator[BinaryIO]:
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
