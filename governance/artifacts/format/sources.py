"""Files to be sealed, as lists of segments: a file can be composed of pieces of others while it is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from governance.canonical import safe_relative_path
from governance.errors import BadRequestError, ConfigurationError

# The files of a folder that a server reads; others are external data of the graph, or for readers.
GRAPH_FILE, CARD_FILE, PROFILE_FILE = "model.onnx", "card.json", "profile.json"
MAX_FILES = 1024
READ_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Segment:
    """A range of bytes of a file or of memory.

    Attributes:
        source: Path of the file, or the bytes.
        offset: First byte.
        length: Number of bytes.
    """

    source: Path | bytes
    offset: int
    length: int

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in blocks of at most 1 MiB.

        Raises:
            ConfigurationError: if the file cannot be read, or became shorter.
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
    """One file of the model.

    Attributes:
        path: Safe relative path.
        segments: Its content, in order.
    """

    path: str
    segments: tuple[Segment, ...]

    @property
    def size(self) -> int:
        """Size in bytes."""
        return sum(segment.length for segment in self.segments)

    def blocks(self) -> Iterator[bytes]:
        """Yield the content in blocks of at most 1 MiB."""
        for segment in self.segments:
            yield from segment.blocks()

    def content(self) -> bytes:
        """Return the whole content in memory."""
        return b"".join(self.blocks())


def bytes_source(path: str, content: bytes) -> SourceFile:
    """Return a file whose content is in memory."""
    return SourceFile(path, (Segment(content, 0, len(content)),))


def read_folder(folder: Path) -> tuple[SourceFile, ...]:
    """Return every file below a folder, sorted by path.

    Raises:
        ConfigurationError: if there is no file or more than `MAX_FILES`, a name is unsafe, or one is a link or not a
            regular file.
    """
    files = []
    for path in sorted(_walk(folder)):
        try:
            name = safe_relative_path(path)
        except BadRequestError as error:
            raise ConfigurationError(f"{folder}: {error}") from None
        files.append(SourceFile(name, (Segment(folder / name, 0, (folder / name).stat().st_size),)))
    if not 1 <= len(files) <= MAX_FILES:
        raise ConfigurationError(f"{folder} must contain 1 to {MAX_FILES} files, and has {len(files)}")
    return tuple(files)


def _walk(folder: Path) -> Iterable[str]:
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder")
    for root, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            path = Path(root, name)
            mode = path.lstat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise ConfigurationError(f"{path} is a link or a special file: an artifact contains only regular files")
            if stat.S_ISREG(mode):
                yield path.relative_to(folder).as_posix()
