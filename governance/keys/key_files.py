"""Files with keys: a private key is refused if group or others have any access to its file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from governance.errors import ConfigurationError, KeyUnavailableError
from governance.keys.development import without_marker

MAX_KEY_BYTES = 64 * 1024


def read_private(path: str) -> bytes:
    """Return the content of a file with a private key.

    Raises:
        ConfigurationError: if group or others have access to the file, it belongs to another user, it is not a regular
            file, or it is too large.
        KeyUnavailableError: if it cannot be read.
    """
    try:
        # The same descriptor is checked and read: the path could name another file the second time.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeyUnavailableError(
            f"the key {path} does not exist: correct the path, or make it with `bento-governance key create`"
        ) from None
    except OSError as error:
        raise KeyUnavailableError(f"cannot read the key {path}: {error.strerror}") from None
    with _closing(descriptor):
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(f"the key {path} is not a regular file")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise ConfigurationError(f"the key {path} is open to others (mode {mode:04o}): chmod 600 {path}")
        if status.st_uid not in (os.geteuid(), 0):
            raise ConfigurationError(f"the key {path} belongs to another user")
        return _limited(os.read(descriptor, MAX_KEY_BYTES + 1), path)


def read_public(path: Path) -> bytes:
    """Return the content of a file with a public key or certificate.

    Raises:
        ConfigurationError: if it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as stream:
            return _limited(stream.read(MAX_KEY_BYTES + 1), str(path))
    except FileNotFoundError:
        raise ConfigurationError(
            f"the public key {path} does not exist: copy it here; `bento-governance key create` wrote it next to the "
            "private key"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"cannot read the public key {path}: {error.strerror}") from None


def write_new(path: Path, content: bytes, *, mode: int) -> None:
    """Write a new file with exactly this mode and sync it to the disk; an existing file is never overwritten.

    Raises:
        ConfigurationError: if the file exists or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with open(descriptor, "wb") as stream:
            os.fchmod(descriptor, mode)
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists, and a key is never overwritten") from None
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


def _limited(content: bytes, path: str) -> bytes:
    if len(content) > MAX_KEY_BYTES:
        raise ConfigurationError(f"{path} is too large for a key")
    return without_marker(content)
