"""A file that is there as a whole or not at all: written without a name, and named when it is complete."""

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
    """Give a file to write; it gets its name when the block ends without an error, and never before.

    Where the system can (Linux), the file has no name until then, so that not even a killed process leaves a part.
    Elsewhere it is called `.NAME.….part` beside its place, and removed if anything goes wrong.

    Args:
        force: whether it may take the place of a file that is there.

    Raises:
        ConfigurationError: if a file is there and may not be replaced, or cannot be written.
    """
    if path.is_dir() or (not force and path.exists()):
        raise ConfigurationError(f"{path} exists already: name another file, or say --force to replace it")
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
                # With a folder's descriptor this is linkat(2), which alone follows the link in /proc.
                os.link(f"/proc/self/fd/{file.fileno()}", part, src_dir_fd=file.fileno(), follow_symlinks=True)
        _name(part, path, force)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _nameless(folder: Path) -> BinaryIO | None:
    """Open a file without a name, or return None where there is no such thing (open(2), O_TMPFILE)."""
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
        # A link fails where a file has come to be meanwhile; a rename would replace it.
        try:
            path.hardlink_to(part)
        except FileExistsError:
            raise ConfigurationError(f"{path} exists already: another program has written it meanwhile") from None
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
