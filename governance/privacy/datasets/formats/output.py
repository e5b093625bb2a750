"""Files that are complete or absent: written without a name, and named when they are complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from governance.errors import ConfigurationError


@contextmanager
def complete_or_absent(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """Open a file to write, which gets its name only when the `with` block ends without an error.

    On Linux the file has no name until then, so that even a killed process leaves nothing behind. On other systems it
    is called `.NAME.….part` in the same folder, and is removed if the block raises.

    Args:
        path: The name that the file gets.
        force: Whether it replaces an existing file.

    Raises:
        ConfigurationError: If the file exists and must not be replaced, or cannot be written.
    """
    if path.is_dir() or (not force and path.exists()):
        raise ConfigurationError(f"{path} exists already: name another file, or use --force to replace it")
    part = path.with_name(f".{path.name[:80]}.{secrets.token_hex(6)}.part")
    try:
        file = _nameless(path.parent) or part.open("x+b")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if not part.exists():
                # A folder's descriptor makes Python call linkat(2), which can follow the link in /proc; link(2) cannot.
                os.link(f"/proc/self/fd/{file.fileno()}", part, src_dir_fd=file.fileno(), follow_symlinks=True)
        _name(part, path, force)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _nameless(folder: Path) -> BinaryIO | None:
    """Open a file without a name (open(2), O_TMPFILE), or return None if the system or file system cannot."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.fdopen(os.open(folder, flag | os.O_RDWR, 0o666), "w+b")
    except OSError:
        return None


def _name(part: Path, path: Path, force: bool) -> None:
    if force:
        part.replace(path)
    else:
        # hardlink_to fails if the file exists by now; a rename would replace it.
        try:
            path.hardlink_to(part)
        except FileExistsError:
            raise ConfigurationError(f"{path} exists already: another program has written it in the meantime") from None
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
