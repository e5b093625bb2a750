"""Small files that several processes read and change: whether one changed, and how to replace it whole."""

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
    """Return what changes when the file does (time, inode, size), or None if it is not there."""
    try:
        return fingerprint_of(path.stat())
    except OSError:
        return None


def fingerprint_of(status: os.stat_result) -> Fingerprint:
    """Return the same for a file that is open."""
    return status.st_mtime_ns, status.st_ino, status.st_size


def read_limited(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes.

    Raises:
        ConfigurationError: if it cannot be read, or is larger.
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
    """Write a file whole, for its owner alone: who reads it meets the old one or the new one.

    Raises:
        OSError: if it cannot be written.
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
    """Keep other processes from changing a file meanwhile; the lock lies beside it.

    Raises:
        OSError: if the lock cannot be made.
    """
    lock = path.with_name(path.name + ".lock")
    with open(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
