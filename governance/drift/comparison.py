"""Whether a model still sees what it was validated on: steady, watch, drifted, and why.

A subject is raised only if a difference is both large (it matters) and unlikely by chance (it is there). Either alone
rings all the time: with many items every trifle is certain, with few items chance makes great differences. It is
lowered only when the difference is well below what raised it, so that it does not flutter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from governance.drift.profile import MISSING, OUTSIDE, SignedProfile, Subject
from governance.drift.statistics import Counts, chi2_p, ks, ks_p, poisson_p, psi
from governance.drift.window import Counted

STEADY, WATCH, DRIFTED = 0, 1, 2
STATES = ("steady", "watch", "drifted")

# From which size on a difference is one to watch, and one that counts as drift. PSI: Siddiqi 2006 (0.1 and 0.25). The
# others are ours: a tenth and a fifth of all items moved past some value, one and two items in twenty off the range.
LARGE: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"psi": (0.1, 0.25), "ks": (0.1, 0.2), "out of range": (0.05, 0.1), "missing": (0.02, 0.05)}
)
# What is raised stays so until the difference is under this part of what raised it.
RELEASE = 0.8
# A share that no reference item had may still be this many items' worth: the range is only where n items happened to
# end, and so many lie beyond it but once in ten thousand profiles (the share beyond is Beta(2, n - 1)).
UNSEEN_ITEMS = 12


@dataclass(frozen=True, slots=True)
class SubjectDrift:
    """What is to be said of one subject. `ks` is None for classes; all numbers are neutral while items are too few."""

    subject: Subject
    state: int
    psi: float = 0.0
    ks: float | None = None
    chi2_p: float = 1.0
    out_of_range: float = 0.0
    missing: float = 0.0
    reasons: tuple[str, ...] = ()

    def to_row(self) -> dict[str, Any]:
        """Return it for JSON."""
        row = {
            "subject": self.subject.name,
            "state": STATES[self.state],
            "psi": round(self.psi, 6),
            "ks": None if self.ks is None else round(self.ks, 6),
            "chi2_p": self.chi2_p,
            "out_of_range_ratio": round(self.out_of_range, 6),
            "missing_ratio": round(self.missing, 6),
        }
        return {**row, "reasons": list(self.reasons)}


@dataclass(frozen=True, slots=True)
class ModelDrift:
    """What is to be said of one model: the state of its worst subject, and whether items are `enough` to speak."""

    items: int
    enough: bool
    readings: tuple[SubjectDrift, ...]

    @property
    def state(self) -> int:
        """The worst of all subjects' states."""
        return max((reading.state for reading in self.readings), default=STEADY)

    def to_row(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "state": STATES[self.state],
            "enough_items": self.enough,
            "items": self.items,
            "subjects": [reading.to_row() for reading in self.readings],
        }


class DriftTest:
    """Judges one model again and again, and remembers what it said.

    Args:
        least_items: nothing is said of fewer.
        false_alarms: how likely chance alone may raise anything in one look, all subjects and tests together (each of
            them gets its share: Bonferroni).
    """

    def __init__(self, reference: SignedProfile, least_items: int, false_alarms: float) -> None:
        self._profile, self._least = reference.profile, least_items
        self._chance = false_alarms / (len(LARGE) * len(self._profile.subjects))
        self.states: list[int] = [STEADY] * len(self._profile.subjects)

    def remember(self, states: Iterable[Sequence[int]]) -> None:
        """Go on from what others, or an earlier process, said last: the worst of each subject."""
        for said in states:
            if len(said) == len(self.states):
                self.states = [max(pair) for pair in zip(self.states, said, strict=True)]

    def judge(self, counted: Counted) -> ModelDrift:
        """Compare a window with the profile."""
        enough = counted.items >= self._least
        if not enough:
            self.states = [STEADY] * len(self.states)
            return ModelDrift(counted.items, False, tuple(_nothing(subject) for subject in self._profile.subjects))
        pairs = zip(self._profile.split(counted.counts), self.states, strict=True)
        readings = tuple(self._reading(subject, counts, before) for (subject, counts), before in pairs)
        self.states = [reading.state for reading in readings]
        return ModelDrift(counted.items, True, readings)

    def _reading(self, subject: Subject, now: Counts, before: int) -> SubjectDrift:
        reference, there = _counts(subject), int(now[:MISSING].sum())
        outside, missing = int(now[OUTSIDE]), int(now[MISSING])
        shares = outside / max(there, 1), missing / max(there + missing, 1)
        known = int(reference.sum())
        tests = [
            (
                "out of range",
                shares[0],
                poisson_p(outside, _expected(0, known, there)),
                f"{shares[0]:.1%} lie outside the range of validation",
            ),
            (
                "missing",
                shares[1] - subject.missing / (known + subject.missing),
                poisson_p(missing, _expected(subject.missing, known + subject.missing, there + missing)),
                f"{shares[1]:.1%} are missing",
            ),
        ]
        index, distance, p = 0.0, None if subject.is_class else 0.0, 1.0
        if there:
            index, p = psi(reference, now[:MISSING]), chi2_p(reference, now[:MISSING])
            tests.append(("psi", index, p, f"the population stability index is {index:.2f}"))
            if not subject.is_class:
                distance = ks(reference, now[:MISSING])
                chance = ks_p(distance, known, there)
                tests.append(("ks", distance, chance, f"up to {distance:.0%} of the items moved past one value"))
        levels = [(self._level(*LARGE[name], size, p_, before), why) for name, size, p_, why in tests]
        state = max(level for level, _ in levels)
        reasons = tuple(why for level, why in levels if level == state) if state else ()
        return SubjectDrift(subject, state, index, distance, p, *shares, reasons)

    def _level(self, watch: float, drifted: float, size: float, p: float, before: int) -> int:
        level = (size >= drifted) + (size >= watch) if p <= self._chance else STEADY
        held = (size >= RELEASE * drifted) + (size >= RELEASE * watch)
        return int(max(level, min(before, held)))


def _counts(subject: Subject) -> Counts:
    return np.array(subject.counts, np.int64)


def _nothing(subject: Subject) -> SubjectDrift:
    return SubjectDrift(subject, STEADY, ks=None if subject.is_class else 0.0)


def _expected(found: int, of: int, items: int) -> float:
    return items * (found + UNSEEN_ITEMS) / (of + 1)
