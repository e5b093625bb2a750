"""What a model saw lately: counts over the last items, in parts that leave one by one; and their snapshots.

A window holds counts and nothing else, in constant memory. Windows over one profile add up, so the workers of a
service are one window.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from governance.drift.measures import IMAGE_MEASURES, Array, lengths, thin
from governance.drift.profile import Count, ModelTensors, ReferenceProfile, SignedProfile
from governance.drift.statistics import Counts
from governance.errors import ConfigurationError

PARTS = 10
SAMPLE = 16
MAX_WAITING_ROWS, MAX_WAITING_BYTES = 64, 2**20
MAX_SNAPSHOT_BYTES = 16 * 2**20


class WindowPart(msgspec.Struct, forbid_unknown_fields=True):
    """A stretch of the window: when it began (Unix seconds), how many items it holds, and their counts."""

    started: Annotated[float, Meta(ge=0, lt=2**40)]
    items: Count
    counts: list[Count]


class ModelSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model in one worker: the digest of the profile that the counts belong to, and the state of each subject."""

    profile: str
    states: list[Annotated[int, Meta(ge=0, le=2)]]
    parts: Annotated[list[WindowPart], Meta(max_length=PARTS)]


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One worker's windows at one time (Unix seconds): all that ever lies on a disk."""

    version: Literal[1]
    written: Annotated[float, Meta(ge=0, lt=2**40)]
    models: Annotated[dict[str, ModelSnapshot], Meta(max_length=1024)]

    def encode(self) -> bytes:
        """Return the file's content."""
        return msgspec.json.encode(self)

    @classmethod
    def parse(cls, content: bytes) -> Snapshot:
        """Read one.

        Raises:
            ConfigurationError: if it is none.
        """
        try:
            return _decoder.decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ConfigurationError("this is no snapshot of drift windows") from None


_decoder = msgspec.json.Decoder(Snapshot)


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts over a window, and how many items they are of."""

    items: int
    counts: Counts


class Window:
    """The last `items` items, but none older than `seconds`.

    The oldest of ten parts leaves as a new one begins, and items come in batches: the window holds nine tenths
    of `items` at least, and up to 64 more than its share in each part.
    """

    def __init__(self, reference: SignedProfile, items: int, seconds: float) -> None:
        self.reference = reference
        self.part_items, self._part_seconds, self._seconds = max(1, items // PARTS), seconds / PARTS, seconds
        self._parts: deque[WindowPart] = deque(maxlen=PARTS)
        self._sums: deque[Counts] = deque(maxlen=PARTS)

    def add(self, counts: Counts, items: int, now: float) -> None:
        """Add a batch's counts.

        Args:
            now: Unix time in seconds.
        """
        last = self._parts[-1] if self._parts else None
        if last is None or last.items >= self.part_items or now - last.started >= self._part_seconds:
            self._parts.append(WindowPart(now, 0, []))
            self._sums.append(np.zeros_like(counts))
        self._parts[-1].items += items
        self._sums[-1] += counts

    def parts(self) -> list[WindowPart]:
        """Return a copy of what is in it."""
        return [
            WindowPart(part.started, part.items, sums.tolist())
            for part, sums in zip(self._parts, self._sums, strict=True)
        ]

    def restore(self, snapshot: ModelSnapshot) -> None:
        """Go on where an earlier process ended, if its counts are of this profile."""
        self._parts.clear()
        self._sums.clear()
        for part in fitting_parts(snapshot, self.reference):
            self._parts.append(WindowPart(part.started, part.items, []))
            self._sums.append(np.array(part.counts, np.int64))

    def counted(self, now: float) -> Counted:
        """Return the counts, without what is too old."""
        return self.merged_with([ModelSnapshot(self.reference.digest, [], self.parts())], now)

    def merged_with(self, snapshots: Iterable[ModelSnapshot], now: float) -> Counted:
        """Return the counts of such windows together, this one's among them or not, without what is too old."""
        return merged(self.reference, snapshots, now, self._seconds)


def fitting_parts(snapshot: ModelSnapshot, reference: SignedProfile) -> Sequence[WindowPart]:
    """Return the parts that were counted against this very profile; of another one's, none."""
    width = reference.profile.width
    if snapshot.profile != reference.digest or any(len(part.counts) != width for part in snapshot.parts):
        return ()
    return snapshot.parts


def merged(reference: SignedProfile, snapshots: Iterable[ModelSnapshot], now: float, seconds: float) -> Counted:
    """Add windows up.

    Args:
        now: Unix time in seconds.
        seconds: what began longer ago does not count.
    """
    items, counts = 0, np.zeros(reference.profile.width, np.int64)
    for snapshot in snapshots:
        for part in fitting_parts(snapshot, reference):
            if now - seconds < part.started:
                items += part.items
                counts += np.array(part.counts, np.int64)
    return Counted(items, counts)


class Waiting:
    """Items that wait to be counted many at once, which costs a few microseconds each instead of some hundred.

    They are copies, in memory alone, of at most 64 items or 1 MiB; of a batch over 16, so many are chosen by
    chance, and one caller's large batch does not fill the window. Of text, the lengths are kept and nothing else.
    """

    def __init__(self, profile: ReferenceProfile, most: int, choose: np.random.Generator) -> None:
        self._looks = [_look(profile, side, name) for side in ("input", "output") for name in profile.tensors(side)]
        self._profile, self._choose = profile, choose
        self._most = max(1, min(most, MAX_WAITING_ROWS))
        self._kept: list[tuple[Array, ...]] = []
        self._rows = self._bytes = 0

    def add(self, inputs: ModelTensors, outputs: ModelTensors) -> bool:
        """Keep a batch, or a sample of it; return whether it is time to count."""
        arrays = [(inputs if look.side == "input" else outputs)[look.tensor] for look in self._looks]
        rows = len(arrays[0])
        if rows == 0:
            return False
        most = min(SAMPLE, self._most)
        chosen: Any = None if rows <= most else self._choose.choice(rows, most, replace=False, shuffle=False)
        kept: list[Array] = []
        for look, array in zip(self._looks, arrays, strict=True):
            seen = look.see(array)
            # A copy: what is looked at belongs to the request, which is over soon.
            seen = seen.copy() if chosen is None else seen[chosen]
            kept.append(lengths(seen) if seen.dtype.kind in "OUS" else seen)
        self._kept.append(tuple(kept))
        self._bytes += sum(array.nbytes for array in kept)
        self._rows += min(rows, most)
        return self._rows >= self._most or self._bytes >= MAX_WAITING_BYTES

    def take(self) -> list[Counted]:
        """Count what waits, and let it go."""
        kept, self._kept, self._rows, self._bytes = self._kept, [], 0, 0
        groups: dict[tuple[tuple[int, ...], ...], list[tuple[Array, ...]]] = {}
        for arrays in kept:
            groups.setdefault(tuple(array.shape[1:] for array in arrays), []).append(arrays)
        return [self._count(group) for group in groups.values()]

    def _count(self, group: list[tuple[Array, ...]]) -> Counted:
        arrays = [np.concatenate(same) for same in zip(*group, strict=True)]
        sides: dict[str, dict[str, Array]] = {"input": {}, "output": {}}
        for look, array in zip(self._looks, arrays, strict=True):
            sides[look.side][look.tensor] = array
        return Counted(len(arrays[0]), self._profile.count(sides["input"], sides["output"]))


@dataclass(frozen=True, slots=True)
class _Look:
    """What of a tensor is looked at: an image through a grid, of a vector the columns up to the last one watched."""

    side: str
    tensor: str
    see: Callable[[Array], Array]


def _look(profile: ReferenceProfile, side: str, tensor: str) -> _Look:
    subjects = [subject for subject in profile.subjects if (subject.side, subject.tensor) == (side, tensor)]
    if any(subject.measure in IMAGE_MEASURES for subject in subjects):
        return _Look(side, tensor, thin)
    if all(subject.measure == "value" for subject in subjects):
        end = max(subject.column for subject in subjects) + 1
        return _Look(side, tensor, lambda array: array if array.ndim == 1 else array[:, :end])
    return _Look(side, tensor, lambda array: array)
