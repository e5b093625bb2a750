"""The manifest: the files of a model with their sizes and SHA-256 digests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from governance.artifacts.format.sources import MAX_FILES, SourceFile
from governance.canonical import DIGEST_PREFIX, safe_relative_path
from governance.errors import BadRequestError, ManifestMismatchError

MAX_FILE_BYTES = 2**40

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file.

    Attributes:
        path: Safe relative path.
        size: Size in bytes.
        sha256: SHA-256 of the content, in hex.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a model.

    Attributes:
        files: The files, sorted by path.
    """

    files: tuple[FileEntry, ...]

    @property
    def root(self) -> str:
        """SHA-256 over the digests of the files in order, in hex: the subject of an OpenSSF model signature."""
        return hashlib.sha256(b"".join(bytes.fromhex(entry.sha256) for entry in self.files)).hexdigest()

    @property
    def digest(self) -> str:
        """The root with its prefix `sha256:`; it identifies the model in logs, metrics and bills of materials."""
        return DIGEST_PREFIX + self.root

    def to_json(self) -> list[dict[str, object]]:
        """Return the file table of a header."""
        return [{"path": entry.path, "size": entry.size, "sha256": entry.sha256} for entry in self.files]

    @classmethod
    def from_json(cls, value: object) -> Manifest:
        """Parse the file table of a header.

        Raises:
            ManifestMismatchError: if a path is unsafe or duplicate, the paths are not sorted, or a size or field is
                wrong.
        """
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_FILES:
            raise ManifestMismatchError(f"the file table must list 1 to {MAX_FILES} files")
        files = tuple(_entry(item) for item in value)
        paths = [entry.path for entry in files]
        if paths != sorted(set(paths)):
            raise ManifestMismatchError("the file table is not sorted by path, or lists a path twice")
        return cls(files)


def _entry(item: object) -> FileEntry:
    if not isinstance(item, dict) or set(item) != {"path", "size", "sha256"}:
        raise ManifestMismatchError("an entry of the file table must have exactly path, size and sha256")
    path, size, digest = item["path"], item["size"], item["sha256"]
    if not isinstance(path, str) or not is_sha256(digest):
        raise ManifestMismatchError("an entry of the file table has a wrong path or digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_FILE_BYTES:
        raise ManifestMismatchError("an entry of the file table has a size out of bounds")
    try:
        return FileEntry(safe_relative_path(path), size, digest)
    except BadRequestError as error:
        raise ManifestMismatchError(str(error)) from None


def is_sha256(value: object) -> bool:
    """Return whether a value is a text of 64 lower-case hex digits."""
    return isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef")


def hash_sources(files: Iterable[SourceFile], progress: Progress = lambda _: None) -> Manifest:
    """Read and hash every file.

    Args:
        files: The files.
        progress: Is called with the number of bytes of each block.

    Raises:
        ConfigurationError: if one cannot be read.
    """
    return Manifest(tuple(_hash(file, progress) for file in sorted(files, key=lambda file: file.path)))


def _hash(file: SourceFile, progress: Progress) -> FileEntry:
    digest, size = hashlib.sha256(), 0
    for block in file.blocks():
        digest.update(block)
        size += len(block)
        progress(len(block))
    return FileEntry(file.path, size, digest.hexdigest())
