"""Windows: counts over the most recent items, and their snapshots in files.

A window contains only counts, in constant memory. Windows over the same profile can be added, so all workers of a
service are judged together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from governance.drift.profile import Count, SignedProfile
from governance.drift.statistics import Counts
from governance.errors import ConfigurationError

PARTS = 10
MAX_SNAPSHOT_BYTES = 16 * 2**20


class WindowPart(msgspec.Struct, forbid_unknown_fields=True):
    """One of up to `PARTS` consecutive parts of a window.

    Attributes:
        started: Time of its first item (Unix seconds).
        items: Number of items.
        counts: Counts of all subjects, shape (width,).
    """

    started: Annotated[float, Meta(ge=0, lt=2**40)]
    items: Count
    counts: list[Count]


class ModelSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The window of one model in one worker.

    Attributes:
        profile: Digest of the profile that the counts belong to.
        states: State of each subject: 0 steady, 1 watch, 2 drifted.
        parts: Parts of the window, oldest first.
    """

    profile: str
    states: list[Annotated[int, Meta(ge=0, le=2)]]
    parts: Annotated[list[WindowPart], Meta(max_length=PARTS)]


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The windows of one worker, as written to its file.

    Attributes:
        version: Version of the format.
        written: Time of the snapshot (Unix seconds).
        models: Windows by model.
    """

    version: Literal[1]
    written: Annotated[float, Meta(ge=0, lt=2**40)]
    models: Annotated[dict[str, ModelSnapshot], Meta(max_length=1024)]

    def encode(self) -> bytes:
        """Return the content of the file (JSON)."""
        return msgspec.json.encode(self)

    @classmethod
    def parse(cls, content: bytes) -> Snapshot:
        """Parse the content of a snapshot file.

        Raises:
            ConfigurationError: if it is not a snapshot.
        """
        try:
            return _decoder.decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ConfigurationError("this is not a snapshot of drift windows") from None


_decoder = msgspec.json.Decoder(Snapshot)


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """Counts of a window.

    Attributes:
        items: Number of items.
        counts: Counts of all subjects, shape (width,).
    """

    items: int
    counts: Counts


class Window:
    """Counts of the last `items` items that are not older than `seconds`.

    The window has ten parts, and the oldest is dropped when a new one begins. So it covers nine tenths of `items` or
    more; a part can exceed its tenth by the items that are counted together (`sampling.MAX_WAITING_ROWS`).

    Args:
        reference: The profile whose bins are counted.
        items: Number of items.
        seconds: Greatest age of a part.
    """

    def __init__(self, reference: SignedProfile, items: int, seconds: float) -> None:
        self.reference = reference
        self.part_items, self._part_seconds, self._seconds = max(1, items // PARTS), seconds / PARTS, seconds
        self._parts: deque[WindowPart] = deque(maxlen=PARTS)
        self._sums: deque[Counts] = deque(maxlen=PARTS)

    def add(self, counts: Counts, items: int, now: float) -> None:
        """Add the counts of a batch.

        Args:
            counts: Counts of all subjects, shape (width,).
            items: Number of items.
            now: Unix seconds.
        """
        last = self._parts[-1] if self._parts else None
        if last is None or last.items >= self.part_items or now - last.started >= self._part_seconds:
            self._parts.append(WindowPart(now, 0, []))
            self._sums.append(np.zeros_like(counts))
        self._parts[-1].items += items
        self._sums[-1] += counts

    def parts(self) -> list[WindowPart]:
        """Return a copy of the parts with their counts, oldest first."""
        return [
            WindowPart(part.started, part.items, sums.tolist())
            for part, sums in zip(self._parts, self._sums, strict=True)
        ]

    def restore(self, snapshot: ModelSnapshot) -> None:
        """Take over the parts of an earlier process, if they belong to this profile."""
        self._parts.clear()
        self._sums.clear()
        for part in fitting_parts(snapshot, self.reference):
            self._parts.append(WindowPart(part.started, part.items, []))
            self._sums.append(np.array(part.counts, np.int64))

    def counted(self, now: float) -> WindowCounts:
        """Return the counts of the parts that are not too old at `now` (Unix seconds)."""
        return self.merged_with([ModelSnapshot(self.reference.digest, [], self.parts())], now)

    def merged_with(self, snapshots: Iterable[ModelSnapshot], now: float) -> WindowCounts:
        """Return the sum of the given windows without parts that are too old; this window is not added by itself."""
        return merged(self.reference, snapshots, now, self._seconds)


def fitting_parts(snapshot: ModelSnapshot, reference: SignedProfile) -> Sequence[WindowPart]:
    """Return the parts of a snapshot, or none if they were counted against another profile."""
    width = reference.profile.width
    if snapshot.profile != reference.digest or any(len(part.counts) != width for part in snapshot.parts):
        return ()
    return snapshot.parts


def merged(reference: SignedProfile, snapshots: Iterable[ModelSnapshot], now: float, seconds: float) -> WindowCounts:
    """Return the sum of windows.

    Args:
        reference: The profile; windows of other profiles are skipped.
        snapshots: The windows.
        now: Unix seconds.
        seconds: Parts that began longer ago are skipped.
    """
    items, counts = 0, np.zeros(reference.profile.width, np.int64)
    for snapshot in snapshots:
        for part in fitting_parts(snapshot, reference):
            if now - seconds < part.started:
                items += part.items
                counts += np.array(part.counts, np.int64)
    return WindowCounts(items, counts)
