"""Small files that several processes share: detecting a change, limited reading, atomic replacement, locking."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from governance.errors import ConfigurationError

Fingerprint = tuple[int, int, int]


def fingerprint(path: Path) -> Fingerprint | None:
    """Return the modification time (ns), inode and size of a file, or None if it cannot be accessed.

    Two different fingerprints mean that the file was changed or replaced.
    """
    try:
        return fingerprint_of(path.stat())
    except OSError:
        return None


def fingerprint_of(status: os.stat_result) -> Fingerprint:
    """Return the fingerprint of an open file from its `os.fstat` result."""
    return status.st_mtime_ns, status.st_ino, status.st_size


def read_limited(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes.

    Raises:
        ConfigurationError: if it cannot be read, or is larger than `limit`.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > limit:
        raise ConfigurationError(f"{path} is larger than {limit} bytes")
    return content


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file atomically: a reader sees the old content or the new content, never a part.

    The content is written to a temporary file in the same folder (mode 0600), synced to the disk, and renamed.

    Raises:
        OSError: if it cannot be written; the old file then stays, and the temporary file is removed.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock (flock) on the file `PATH.lock`, so that cooperating processes wait.

    Raises:
        OSError: if the lock file cannot be created or locked.
    """
    lock = path.with_name(path.name + ".lock")
    with open(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
