"""What the processes of one service know of each other: whether one still takes requests, whether one still runs.

The main process makes a small memory file, and its children inherit it. Each worker holds locks on it, which the kernel
releases when the process ends, however it ends (fcntl(2), advisory record locks).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import MutableMapping

PRESENCE = "_BENTO_GOVERNANCE_PRESENCE"
TAKES_REQUESTS, RUNS = 0, 1


class Presence:
    """The locks of one process.

    Args:
        descriptor: the inherited memory file; None if there is none, and then this process knows of no other.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @property
    def knows_others(self) -> bool:
        """Whether this process can see the others."""
        return self._descriptor is not None

    @classmethod
    def create(cls, environment: MutableMapping[str, str] = os.environ) -> None:
        """Make the memory file in the main process, for the processes that are started later."""
        if PRESENCE not in environment and hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("governance-presence", 0)
            environment[PRESENCE] = f"{os.getpid()}:{descriptor}"

    @classmethod
    def inherited(cls, environment: MutableMapping[str, str] = os.environ) -> Presence:
        """Return the presence of a worker; a value that another process than its parent left is ignored."""
        parent, _, descriptor = environment.get(PRESENCE, "").partition(":")
        return cls(int(descriptor) if parent == str(os.getppid()) and descriptor.isdigit() else None)

    def enter(self) -> None:
        """Say that this process runs and takes requests."""
        if self._descriptor is not None:
            for place in (TAKES_REQUESTS, RUNS):
                fcntl.lockf(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, place)

    def leave(self, place: int) -> None:
        """Say that this process does not take requests any more (`TAKES_REQUESTS`), or is about to end (`RUNS`)."""
        if self._descriptor is not None:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, place)

    def is_last(self, place: int) -> bool:
        """Return whether no other process of the service is there."""
        if self._descriptor is None:
            return False
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except OSError:
            return False
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, place)
        return True
