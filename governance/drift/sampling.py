"""Samples of recent requests that wait to be counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance.drift.measures import IMAGE_MEASURES, Array, lengths, thin
from governance.drift.profile import ModelTensors, ReferenceProfile
from governance.drift.window import WindowCounts

SAMPLE = 16
# How long a rate of requests is measured before it is used.
PACE_SECONDS = 1.0
MAX_WAITING_ROWS, MAX_WAITING_BYTES = 64, 2**20


class SampleBuffer:
    """Copies of recent items in memory, counted together: a few microseconds per item instead of some hundred.

    At most `MAX_WAITING_ROWS` items or `MAX_WAITING_BYTES` wait. Of a batch with more than `SAMPLE` items, `SAMPLE` are
    chosen at random: one large batch must not fill the window. Of texts only the lengths are stored.

    Args:
        profile: The profile whose tensors are sampled.
        most: Number of items after which it is time to count.
        choose: Random generator of the samples.
    """

    def __init__(self, profile: ReferenceProfile, most: int, choose: np.random.Generator) -> None:
        self._views = [_view_of(profile, side, name) for side in ("input", "output") for name in profile.tensors(side)]
        self._profile, self._choose = profile, choose
        self._most = max(1, min(most, MAX_WAITING_ROWS))
        self._kept: list[tuple[Array, ...]] = []
        self._rows = self._bytes = 0

    def add(self, inputs: ModelTensors, outputs: ModelTensors) -> bool:
        """Store a batch, or a sample of it; return whether it is time to call `take`.

        Args:
            inputs: Input tensors by name, batch first.
            outputs: Output tensors by name, batch first.
        """
        arrays = [(inputs if view.side == "input" else outputs)[view.tensor] for view in self._views]
        rows = len(arrays[0])
        if rows == 0:
            return False
        most = min(SAMPLE, self._most)
        chosen: Any = None if rows <= most else self._choose.choice(rows, most, replace=False, shuffle=False)
        kept: list[Array] = []
        for view, array in zip(self._views, arrays, strict=True):
            part = view.part_of(array)
            # A copy: the memory of the tensor belongs to the request.
            part = part.copy() if chosen is None else part[chosen]
            kept.append(lengths(part) if part.dtype.kind in "OUS" else part)
        self._kept.append(tuple(kept))
        self._bytes += sum(array.nbytes for array in kept)
        self._rows += min(rows, most)
        return self._rows >= self._most or self._bytes >= MAX_WAITING_BYTES

    def take(self) -> list[WindowCounts]:
        """Count the stored items and drop them; items of different shapes are counted apart."""
        kept, self._kept, self._rows, self._bytes = self._kept, [], 0, 0
        groups: dict[tuple[tuple[int, ...], ...], list[tuple[Array, ...]]] = {}
        for arrays in kept:
            groups.setdefault(tuple(array.shape[1:] for array in arrays), []).append(arrays)
        return [self._count(group) for group in groups.values()]

    def _count(self, group: list[tuple[Array, ...]]) -> WindowCounts:
        arrays = [np.concatenate(same) for same in zip(*group, strict=True)]
        sides: dict[str, dict[str, Array]] = {"input": {}, "output": {}}
        for view, array in zip(self._views, arrays, strict=True):
            sides[view.side][view.tensor] = array
        return WindowCounts(len(arrays[0]), self._profile.count(sides["input"], sides["output"]))


class Pace:
    """Chooses at random which requests are counted: all while they are few, and about `per_second` of more.

    Args:
        per_second: Requests to count in a second.
        choose: Random generator of the choice.
        clock: Returns Unix seconds.
    """

    def __init__(self, per_second: float, choose: np.random.Generator, clock: Callable[[], float]) -> None:
        self._per_second, self._choose, self._clock = per_second, choose, clock
        self._since, self._seen, self._skip, self._share = clock(), 0, 0, 1.0

    def takes(self) -> bool:
        """Return whether this request is counted."""
        self._seen += 1
        now = self._clock()
        if not 0 <= now - self._since < PACE_SECONDS:
            rate = self._seen / max(now - self._since, PACE_SECONDS)
            self._share = min(1.0, self._per_second / rate)
            self._since, self._seen, self._skip = now, 0, 0
        if self._skip:
            self._skip -= 1
            return False
        if self._share < 1.0:
            # The number of requests until the next one, if each is chosen with the same probability.
            self._skip = int(self._choose.geometric(self._share)) - 1
        return True


@dataclass(frozen=True, slots=True)
class _View:
    """The part of a tensor that is copied: thinned images, the columns up to the last one that is measured, or all."""

    side: str
    tensor: str
    part_of: Callable[[Array], Array]


def _view_of(profile: ReferenceProfile, side: str, tensor: str) -> _View:
    subjects = [subject for subject in profile.subjects if (subject.side, subject.tensor) == (side, tensor)]
    if any(subject.measure in IMAGE_MEASURES for subject in subjects):
        return _View(side, tensor, thin)
    if all(subject.measure == "value" for subject in subjects):
        end = max(subject.column for subject in subjects) + 1
        return _View(side, tensor, lambda array: array if array.ndim == 1 else array[:, :end])
    return _View(side, tensor, lambda array: array)
