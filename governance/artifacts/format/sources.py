"""What is sealed: files as lists of segments, so that a file may be assembled while it is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from governance.canonical import safe_relative_path
from governance.errors import BadRequestError, ConfigurationError

MAX_FILES = 1024
READ_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Segment:
    """`length` bytes of a file from `offset` on, or of bytes in memory."""

    source: Path | bytes
    offset: int
    length: int

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in blocks of at most 1 MiB.

        Raises:
            ConfigurationError: if the file cannot be read or has become shorter.
        """
        if isinstance(self.source, bytes):
            for start in range(self.offset, self.offset + self.length, READ_BYTES):
                yield self.source[start : min(start + READ_BYTES, self.offset + self.length)]
            return
        try:
            with self.source.open("rb") as stream:
                stream.seek(self.offset)
                left = self.length
                while left:
                    block = stream.read(min(READ_BYTES, left))
                    if not block:
                        raise ConfigurationError(f"{self.source} became shorter while it was read")
                    left -= len(block)
                    yield block
        except OSError as error:
            raise ConfigurationError(f"cannot read {self.source}: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the model: a safe relative path, and the segments that it consists of."""

    path: str
    segments: tuple[Segment, ...]

    @property
    def size(self) -> int:
        return sum(segment.length for segment in self.segments)

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in blocks of at most 1 MiB."""
        for segment in self.segments:
            yield from segment.blocks()

    def content(self) -> bytes:
        """Return the whole content; for files that are known to be small."""
        return b"".join(self.blocks())


def bytes_source(path: str, content: bytes) -> SourceFile:
    """Return a file whose content is in memory."""
    return SourceFile(path, (Segment(content, 0, len(content)),))


def read_folder(folder: Path) -> tuple[SourceFile, ...]:
    """List every file below a folder, in the order of their paths.

    Raises:
        ConfigurationError: if there is none or too many, or one has an unsafe name, is a link or no regular file.
    """
    files = []
    for path in sorted(_walk(folder)):
        try:
            name = safe_relative_path(path)
        except BadRequestError as error:
            raise ConfigurationError(f"{folder}: {error}") from None
        files.append(SourceFile(name, (Segment(folder / name, 0, (folder / name).stat().st_size),)))
    if not 1 <= len(files) <= MAX_FILES:
        raise ConfigurationError(f"{folder} must hold 1 to {MAX_FILES} files, and holds {len(files)}")
    return tuple(files)


def _walk(folder: Path) -> Iterable[str]:
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder")
    for root, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            path = Path(root, name)
            mode = path.lstat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise ConfigurationError(f"{path} is a link or a special file: an artifact takes regular files alone")
            if stat.S_ISREG(mode):
                yield path.relative_to(folder).as_posix()
