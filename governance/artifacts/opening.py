"""Opening of a sealed file into memory, in numbered steps; or verification without decrypting it.

Steps (FORMAT.md, "Opening"): (1) header and limits, (2) signatures, (3) data key, (4) key commitment, (5) decryption of
every part, (6) digest of every file, (7) name, version and rollback floor, (8) scan of the model. Plaintext is in
anonymous memory only, and is returned only after the last step.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from governance.artifacts.format import cipher
from governance.artifacts.format.container import Header, SealedPart, UnverifiedContainer, read_container
from governance.artifacts.format.manifest import Progress
from governance.artifacts.format.recipients import unwrap_with, verify_commitment
from governance.artifacts.memory import PlaintextMemory
from governance.artifacts.scan.limits import DEFAULT_SCAN_LIMITS, ScanLimits
from governance.artifacts.scan.scan import admit, scanned_memory
from governance.artifacts.scan.trial import EmptyAxes
from governance.artifacts.seal import SealedFacts, admission_of
from governance.artifacts.trust.trust import Trust, verify_signed_by
from governance.errors import (
    ConfigurationError,
    IntegrityError,
    ManifestMismatchError,
    RollbackError,
)
from governance.keys import Unwrapper

DECRYPTING_THREADS = 2


@dataclass(slots=True)
class OpenedArtifact:
    """A verified artifact in memory; as a context manager, it wipes the memory at the end.

    Attributes:
        name: Name of the model.
        version: Version of the model.
        digest: `sha256:` and the root of the manifest; it identifies the model.
        signers: Signers, as in `SealedFacts`.
        memory: The memory with the plaintext.
        empty_axes: For each graph and input the axes that may have size 0; see `ScanReport`.
    """

    name: str
    version: int
    digest: str
    signers: tuple[str, ...]
    memory: PlaintextMemory = field(repr=False)
    empty_axes: Mapping[str, EmptyAxes] = field(default_factory=dict)

    @property
    def files(self) -> Mapping[str, memoryview]:
        """Read-only view of the plaintext of each file, by path; not valid after `wipe`."""
        return {path: self.memory.view(path) for path in self.memory.layout}

    def wipe(self) -> None:
        """Overwrite the plaintext with zeros, if this process decrypted it, and close the memory."""
        self.memory.wipe()
        self.memory.close()

    def to_record(self) -> dict[str, Any] | None:
        """Return JSON values with which a child process can `adopt` the plaintext; None if it cannot be shared."""
        descriptor = self.memory.inheritable()
        if descriptor is None:
            return None
        return {
            "descriptor": descriptor,
            "name": self.name,
            "version": self.version,
            "digest": self.digest,
            "signers": list(self.signers),
            "layout": {path: list(place) for path, place in self.memory.layout.items()},
            "empty_axes": {
                path: {name: list(axes) for name, axes in found.items()} for path, found in self.empty_axes.items()
            },
        }

    @classmethod
    def adopt(cls, record: Mapping[str, Any]) -> OpenedArtifact:
        """Return an artifact that the parent process has verified.

        Args:
            record: Result of `to_record` in the parent process.

        Raises:
            ManifestMismatchError: if the memory does not exist, or is not sealed.
        """
        layout = {path: (offset, size) for path, (offset, size) in record["layout"].items()}
        memory = PlaintextMemory.adopt(record["descriptor"], layout)
        empty_axes = {
            path: {name: tuple(axes) for name, axes in found.items()} for path, found in record["empty_axes"].items()
        }
        return cls(record["name"], record["version"], record["digest"], tuple(record["signers"]), memory, empty_axes)

    def __enter__(self) -> OpenedArtifact:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.wipe()


def open_sealed(
    path: Path,
    *,
    name: str | None,
    minimum_version: int,
    trust: Trust,
    recipient_key: Unwrapper,
    limits: ScanLimits = DEFAULT_SCAN_LIMITS,
    progress: Progress = lambda _: None,
) -> OpenedArtifact:
    """Verify and decrypt an artifact into memory.

    Args:
        path: The sealed file.
        name: Required name, or None for any name.
        minimum_version: Lowest accepted version (the rollback floor).
        trust: Whose signatures count.
        recipient_key: Private key of a recipient.
        limits: Limits of the scan that the model must pass.
        progress: Is called with the number of bytes of plaintext verified.

    Raises:
        IntegrityError: of a class for the reason; the message begins with the step that failed.
        KeyUnavailableError: if a key service cannot be reached for the data key.
        ConfigurationError: if the file cannot be read.
    """
    with open_artifact(path) as stream:
        container = _step_1_container(stream)
        header, digest = container.header, container.header_sha256
        signers = _step_2_signatures(container, trust)
        data_key = steps_3_and_4_data_key(container, recipient_key)
        memory = PlaintextMemory.allocate({entry.path: entry.size for entry in header.manifest.files})
        opened = OpenedArtifact(header.name, header.version, header.manifest.digest, signers, memory)
        try:
            with _step("step 5 (decryption)"):
                hashes = _decrypt_parts(stream.fileno(), container, digest, data_key, memory, progress)
            with _step("step 6 (file digests)"):
                _verify_digests(header, hashes)
            memory.seal()
            with _step("step 7 (name and version)"):
                _verify_identity(header, name, minimum_version)
            with _step("step 8 (model scan)"):
                opened.empty_axes = admit(scanned_memory(opened.files), limits)
        except BaseException:
            opened.wipe()
            raise
    return opened


def verify_sealed(path: Path, *, trust: Trust, progress: Progress = lambda _: None) -> SealedFacts:
    """Verify what can be verified without a recipient key: form, signatures, and every byte of ciphertext.

    Args:
        path: The sealed file.
        trust: Whose signatures count.
        progress: Is called with the number of bytes of ciphertext verified.

    Raises:
        IntegrityError: of a class for the reason; the message begins with the step that failed.
        ConfigurationError: if the file cannot be read.
    """
    with open_artifact(path) as stream:
        container = _step_1_container(stream)
        header = container.header
        signers = _step_2_signatures(container, trust)
        with _step("step 5 (ciphertext)"):
            for (part, offset), expected in zip(
                container.part_offsets(), container.trailer.ciphertext_sha256, strict=True
            ):
                sha256 = hashlib.sha256()
                for block in _blocks(stream.fileno(), offset, cipher.ciphertext_bytes(part.plaintext_bytes)):
                    sha256.update(block)
                    progress(len(block))
                if sha256.hexdigest() != expected:
                    raise ManifestMismatchError(f"part {part.index} of {part.path} is not what was signed")
    return SealedFacts(header.name, header.version, header.created, header.manifest.digest, signers, header.manifest)


def inspect_sealed(path: Path) -> UnverifiedContainer:
    """Return header and trailer of a file; nothing is verified.

    Raises:
        ManifestMismatchError: if the file does not have the form of an artifact.
        ConfigurationError: if the file cannot be read.
    """
    with open_artifact(path) as stream:
        return _step_1_container(stream)


def _step_1_container(stream: BinaryIO) -> UnverifiedContainer:
    with _step("step 1 (header and limits)"):
        return read_container(stream)


def _step_2_signatures(container: UnverifiedContainer, trust: Trust) -> tuple[str, ...]:
    header, trailer = container.header, container.trailer
    with _step("step 2 (signatures)"):
        expected = admission_of(header, container.header_sha256, trailer.ciphertext_sha256)
        return verify_signed_by(trailer.signatures, trust, expected, header.manifest)


def steps_3_and_4_data_key(container: UnverifiedContainer, recipient_key: Unwrapper) -> bytes:
    """Unwrap the data key, and verify the trailer's MAC with it.

    Raises:
        DecryptionError: if the data key is not wrapped for this recipient, or the trailer was changed.
        KeyUnavailableError: if a key service cannot be reached.
    """
    with _step("step 3 (data key)"):
        data_key = unwrap_with(container.trailer.recipients, container.header_sha256, recipient_key)
    with _step("step 4 (key commitment)"):
        verify_commitment(container.trailer, container.header_sha256, data_key)
    return data_key


def _decrypt_parts(
    descriptor: int,
    container: UnverifiedContainer,
    header_digest: bytes,
    data_key: bytes,
    memory: PlaintextMemory,
    progress: Progress,
) -> Mapping[str, str]:
    """Decrypt the parts in threads into memory, and return the SHA-256 of each file (hex) by path.

    Each file is hashed in order while later parts are still being decrypted.
    """

    def decrypt(part: SealedPart, offset: int) -> None:
        cipher.decrypt(
            data_key,
            part.context(header_digest),
            _blocks(descriptor, offset, cipher.ciphertext_bytes(part.plaintext_bytes)),
            part.plaintext_bytes,
            lambda position, piece: memory.write(part.path, part.offset + position, piece),
        )

    digests = {entry.path: hashlib.sha256() for entry in container.header.manifest.files}
    with ThreadPoolExecutor(DECRYPTING_THREADS, "decrypt") as pool:
        pending: list[tuple[SealedPart, Future[None]]] = [
            (part, pool.submit(decrypt, part, offset)) for part, offset in container.part_offsets()
        ]
        try:
            for part, done in pending:
                done.result()
                end = part.offset + part.plaintext_bytes
                digests[part.path].update(memory.view(part.path)[part.offset : end])
                progress(part.plaintext_bytes)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {path: digest.hexdigest() for path, digest in digests.items()}


def _blocks(descriptor: int, offset: int, length: int) -> Iterator[memoryview]:
    """Yield a range of the file in blocks; all blocks use the same buffer."""
    buffer = memoryview(bytearray(min(cipher.BLOCK_BYTES, length)))
    end = offset + length
    while offset < end:
        count = os.preadv(descriptor, [buffer[: min(len(buffer), end - offset)]], offset)
        if not count:
            raise ManifestMismatchError("the file became shorter while it was read")
        offset += count
        yield buffer[:count]


def _verify_digests(header: Header, digests: Mapping[str, str]) -> None:
    for entry in header.manifest.files:
        if digests[entry.path] != entry.sha256:
            raise ManifestMismatchError(f"{entry.path} is not what was signed")


def _verify_identity(header: Header, name: str | None, minimum_version: int) -> None:
    if name is not None and header.name != name:
        raise ManifestMismatchError(f"it is the model '{header.name}', not '{name}'")
    if header.version < minimum_version:
        raise RollbackError(f"it is version {header.version}; the lowest that may be served is {minimum_version}")


@contextmanager
def _step(step: str) -> Iterator[None]:
    """Add the step to the beginning of an integrity error's message; the class stays the same."""
    try:
        yield
    except IntegrityError as error:
        raise type(error)(f"{step}: {error}") from None


@contextmanager
def open_artifact(path: Path) -> Iterator[BinaryIO]:
    """Open an artifact for reading; the message of an integrity error in the body begins with the file's name.

    Raises:
        ConfigurationError: if the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise ConfigurationError(f"cannot read the artifact {path}: {error.strerror}") from None
    except IntegrityError as error:
        raise type(error)(f"{path.name}: {error}") from None
