"""Where plaintext lives: anonymous memory that is never a file, sealed once it is verified, shared with workers.

On Linux it is a memfd: other processes reach it only through an inherited descriptor, and after `seal` nobody can
change, grow or shrink it (fcntl(2), F_SEAL_FUTURE_WRITE; the owner's own mapping stays, to wipe it). Elsewhere it is
an anonymous map, private to its process.
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
    """The plaintext of one artifact's files, each at a page's border."""

    def __init__(self, layout: Layout, map_: mmap.mmap | None, descriptor: int | None, *, writable: bool) -> None:
        self.layout = layout
        self.descriptor = descriptor
        self._map, self._writable = map_, writable

    @classmethod
    def allocate(cls, sizes: Mapping[str, int]) -> PlaintextMemory:
        """Reserve memory for files of these sizes; pages are taken when they are written."""
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
        """Map a sealed memory that another process made, for reading.

        Raises:
            ManifestMismatchError: if the descriptor is not a sealed memfd of this layout's size.
        """
        total = sum(-(-size // mmap.PAGESIZE) * mmap.PAGESIZE for _, size in layout.values())
        try:
            if fcntl.fcntl(descriptor, _F_GET_SEALS) & _SEALS != _SEALS or os.fstat(descriptor).st_size != total:
                raise ManifestMismatchError("the shared memory is not sealed, or has another size")
            map_ = mmap.mmap(descriptor, total, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            raise ManifestMismatchError("the shared memory is not there") from None
        return cls(layout, _undumped(map_), descriptor, writable=False)

    @property
    def size(self) -> int:
        return 0 if self._map is None else len(self._map)

    def write(self, path: str, offset: int, data: memoryview) -> None:
        """Write a piece of a file. Through the descriptor it takes no page fault."""
        start = self.layout[path][0] + offset
        if self.descriptor is None:
            if self._map is not None:
                self._map[start : start + len(data)] = data
            return
        while len(data):
            written = os.pwrite(self.descriptor, data, start)
            data, start = data[written:], start + written

    def view(self, path: str) -> memoryview:
        """Return a file's content, read-only, where it lies."""
        start, size = self.layout[path]
        if self._map is None:
            return memoryview(b"")
        return memoryview(self._map)[start : start + size].toreadonly()

    def seal(self) -> None:
        """Let nobody change it any more; keep it from being swapped out, if the machine swaps."""
        if self.descriptor is not None:
            fcntl.fcntl(self.descriptor, _F_ADD_SEALS, _SEALS)

    def lock(self) -> bool:
        """Keep it out of swap, and say whether that is so: there is no swap, or mlock(2) succeeded."""
        if self._map is None or not self._writable or not swap_is_on():
            return True
        library = ctypes.CDLL(None, use_errno=True)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        return bool(library.mlock(ctypes.c_void_p(address), ctypes.c_size_t(len(self._map))) == 0)

    def wipe(self) -> None:
        """Overwrite it with zeros, if this process made it."""
        if self._map is None or not self._writable:
            return
        for start in range(0, len(self._map), len(_ZEROS)):
            end = min(start + len(_ZEROS), len(self._map))
            self._map[start:end] = _ZEROS[: end - start]

    def inheritable(self) -> int | None:
        """Let child processes inherit the memory, and return its descriptor, if it has one."""
        if self.descriptor is not None:
            os.set_inheritable(self.descriptor, True)
        return self.descriptor

    def close(self) -> None:
        """Let go of the descriptor; views stay valid until they are dropped."""
        if self.descriptor is not None and self._writable:
            os.close(self.descriptor)
        self.descriptor = None


def swap_is_on(table: Path = Path("/proc/swaps")) -> bool:
    """Say whether the machine may swap memory out; if that cannot be read, it may."""
    try:
        return len(table.read_text(encoding="ascii").splitlines()) > 1
    except OSError:
        return True


def _undumped(map_: mmap.mmap) -> mmap.mmap:
    """Keep the memory out of core dumps, where the system can."""
    if hasattr(mmap, "MADV_DONTDUMP"):
        map_.madvise(mmap.MADV_DONTDUMP)
    return map_
