"""Memory for the plaintext of models: never a file on a disk, read-only after verification, shared with workers.

On Linux it is a memfd: another process can access it only through an inherited descriptor, and after `seal` it cannot
be changed, grown or shrunk (fcntl(2), F_SEAL_FUTURE_WRITE); only the existing mapping of the owner stays writable, to
overwrite it. On other systems it is an anonymous mapping, private to its process.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
from collections.abc import Mapping
from pathlib import Path

from governance.errors import ManifestMismatchError

_F_ADD_SEALS, _F_GET_SEALS = 1033, 1034
_SEALS = 0x0002 | 0x0004 | 0x0010  # SHRINK, GROW, FUTURE_WRITE
_ZEROS = bytes(2**20)

Layout = Mapping[str, tuple[int, int]]
"""Offset and size in bytes of each file, by path."""


class PlaintextMemory:
    """The plaintext of the files of one artifact; each file begins at a page boundary.

    Use `allocate` or `adopt` to make one.

    Attributes:
        layout: Offset and size in bytes of each file, by path.
        descriptor: Descriptor of the memfd, or None.
    """

    def __init__(self, layout: Layout, map_: mmap.mmap | None, descriptor: int | None, *, writable: bool) -> None:
        self.layout = layout
        self.descriptor = descriptor
        self._map, self._writable = map_, writable

    @classmethod
    def allocate(cls, sizes: Mapping[str, int]) -> PlaintextMemory:
        """Reserve memory for files; physical pages are used only when they are written.

        Args:
            sizes: Size in bytes of each file, by path.
        """
        layout, total = {}, 0
        for path, size in sizes.items():
            layout[path] = (total, size)
            total += -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        if not total:
            return cls(layout, None, None, writable=True)
        if not hasattr(os, "memfd_create"):
            return cls(layout, _undumped(mmap.mmap(-1, total)), None, writable=True)
        descriptor = os.memfd_create("governance-plaintext", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, total)
        return cls(layout, _undumped(mmap.mmap(descriptor, total)), descriptor, writable=True)

    @classmethod
    def adopt(cls, descriptor: int, layout: Layout) -> PlaintextMemory:
        """Map the sealed memory of another process read-only.

        Args:
            descriptor: Inherited descriptor of the memfd.
            layout: Offset and size in bytes of each file, by path.

        Raises:
            ManifestMismatchError: if the descriptor is not a sealed memfd of the layout's size.
        """
        total = sum(-(-size // mmap.PAGESIZE) * mmap.PAGESIZE for _, size in layout.values())
        try:
            if fcntl.fcntl(descriptor, _F_GET_SEALS) & _SEALS != _SEALS or os.fstat(descriptor).st_size != total:
                raise ManifestMismatchError("the shared memory is not sealed, or has another size")
            map_ = mmap.mmap(descriptor, total, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            raise ManifestMismatchError("the shared memory does not exist") from None
        return cls(layout, _undumped(map_), descriptor, writable=False)

    @property
    def size(self) -> int:
        """Total size in bytes."""
        return 0 if self._map is None else len(self._map)

    def write(self, path: str, offset: int, data: memoryview) -> None:
        """Write a piece of a file.

        It is written through the descriptor, which avoids a page fault for each new page.

        Args:
            path: Path of the file.
            offset: Offset in the file.
            data: The piece.
        """
        start = self.layout[path][0] + offset
        if self.descriptor is None:
            if self._map is not None:
                self._map[start : start + len(data)] = data
            return
        while len(data):
            written = os.pwrite(self.descriptor, data, start)
            data, start = data[written:], start + written

    def view(self, path: str) -> memoryview:
        """Return the content of a file as a read-only view, without a copy."""
        start, size = self.layout[path]
        if self._map is None:
            return memoryview(b"")
        return memoryview(self._map)[start : start + size].toreadonly()

    def seal(self) -> None:
        """Make the memory read-only for all processes; only `wipe` of this process can still write."""
        if self.descriptor is not None:
            fcntl.fcntl(self.descriptor, _F_ADD_SEALS, _SEALS)

    def lock(self) -> bool:
        """Lock the memory against swapping; return whether that is certain (no swap, or mlock(2) succeeded)."""
        if self._map is None or not self._writable or not swap_is_on():
            return True
        library = ctypes.CDLL(None, use_errno=True)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        return bool(library.mlock(ctypes.c_void_p(address), ctypes.c_size_t(len(self._map))) == 0)

    def wipe(self) -> None:
        """Overwrite the memory with zeros, if this process allocated it."""
        if self._map is None or not self._writable:
            return
        for start in range(0, len(self._map), len(_ZEROS)):
            end = min(start + len(_ZEROS), len(self._map))
            self._map[start:end] = _ZEROS[: end - start]

    def inheritable(self) -> int | None:
        """Make the descriptor inheritable by child processes and return it, or None if there is none."""
        if self.descriptor is not None:
            os.set_inheritable(self.descriptor, True)
        return self.descriptor

    def close(self) -> None:
        """Close the descriptor; views stay valid until they are dropped."""
        if self.descriptor is not None and self._writable:
            os.close(self.descriptor)
        self.descriptor = None


def swap_is_on(table: Path = Path("/proc/swaps")) -> bool:
    """Return whether the machine has swap; True if that cannot be read."""
    try:
        return len(table.read_text(encoding="ascii").splitlines()) > 1
    except OSError:
        return True


def _undumped(map_: mmap.mmap) -> mmap.mmap:
    """Exclude the memory from core dumps, if the system supports it."""
    if hasattr(mmap, "MADV_DONTDUMP"):
        map_.madvise(mmap.MADV_DONTDUMP)
    return map_
