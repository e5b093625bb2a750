"""The drift state of a model (steady, watch, drifted) and the reasons, from its recent counts and its profile.

A state is raised only if a difference is both large and unlikely by chance. Either condition alone fires all the time:
with many items every small difference is significant, with few items chance causes large differences. A state is
lowered only when the difference is well below the threshold that raised it (hysteresis), so that it does not alternate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from governance.drift.profile import MISSING, OUTSIDE, SignedProfile, Subject
from governance.drift.statistics import Counts, chi2_p, ks, ks_p, poisson_p, psi
from governance.drift.window import WindowCounts

STEADY, WATCH, DRIFTED = 0, 1, 2
STATES = ("steady", "watch", "drifted")

# Thresholds of `watch` and `drifted`. PSI: Siddiqi 2006 (0.1 and 0.25). The others are our choice: 10 % and 20 % of the
# items moved past some value; 5 % and 10 % out of range; 2 % and 5 % missing.
LARGE: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"psi": (0.1, 0.25), "ks": (0.1, 0.2), "out of range": (0.05, 0.1), "missing": (0.02, 0.05)}
)
# A raised state is kept until the difference is below this share of the threshold.
RELEASE = 0.8
# The range is that of n validation items; the share of the distribution beyond it is Beta(2, n - 1). Except in one of
# ten thousand profiles, that share is below 12 / (n + 1): at most this number of items beyond the range is expected.
UNSEEN_ITEMS = 12


@dataclass(frozen=True, slots=True)
class SubjectDrift:
    """Result for one subject.

    Attributes:
        subject: The subject.
        state: 0 steady, 1 watch, 2 drifted.
        psi: Population stability index; 0 with too few items, as all numbers below.
        ks: Kolmogorov-Smirnov distance, or None for classes.
        chi2_p: p-value of the chi-squared test; 1 with too few items.
        out_of_range: Share of values outside the range of the validation data.
        missing: Share of items without a value.
        reasons: Reasons of the state, in words.
    """

    subject: Subject
    state: int
    psi: float = 0.0
    ks: float | None = None
    chi2_p: float = 1.0
    out_of_range: float = 0.0
    missing: float = 0.0
    reasons: tuple[str, ...] = ()

    def to_row(self) -> dict[str, Any]:
        """Return the result as a row for JSON."""
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
    """Result for one model.

    Attributes:
        items: Number of items in the window.
        enough: Whether there are enough items to compare.
        subjects: Result for each subject, in the order of the profile.
    """

    items: int
    enough: bool
    subjects: tuple[SubjectDrift, ...]

    @property
    def state(self) -> int:
        """The highest state of all subjects."""
        return max((subject.state for subject in self.subjects), default=STEADY)

    def to_row(self) -> dict[str, Any]:
        """Return the result as a row for JSON."""
        return {
            "state": STATES[self.state],
            "enough_items": self.enough,
            "items": self.items,
            "subjects": [subject.to_row() for subject in self.subjects],
        }


class DriftTest:
    """Compares the windows of one model with its profile, and stores the last state of each subject.

    Attributes:
        states: Last state of each subject.

    Args:
        reference: The profile.
        least_items: Number of items below which nothing is compared.
        false_alarms: Probability that chance alone raises any state in one comparison, for all subjects and tests
            together; each test gets an equal share (Bonferroni correction).
    """

    def __init__(self, reference: SignedProfile, least_items: int, false_alarms: float) -> None:
        self._profile, self._least = reference.profile, least_items
        self._chance = false_alarms / (len(LARGE) * len(self._profile.subjects))
        self.states: list[int] = [STEADY] * len(self._profile.subjects)

    def restore(self, states: Iterable[Sequence[int]]) -> None:
        """Raise the stored states to the highest that other workers or an earlier process stored.

        Args:
            states: States of all subjects, one sequence per source; one of another length is ignored.
        """
        for others in states:
            if len(others) == len(self.states):
                self.states = [max(pair) for pair in zip(self.states, others, strict=True)]

    def compare(self, counted: WindowCounts) -> ModelDrift:
        """Compare a window with the profile; with too few items, all states become steady."""
        enough = counted.items >= self._least
        if not enough:
            self.states = [STEADY] * len(self.states)
            return ModelDrift(counted.items, False, tuple(map(_steady, self._profile.subjects)))
        pairs = zip(self._profile.split(counted.counts), self.states, strict=True)
        results = tuple(self._compare_subject(subject, counts, before) for (subject, counts), before in pairs)
        self.states = [result.state for result in results]
        return ModelDrift(counted.items, True, results)

    def _compare_subject(self, subject: Subject, now: Counts, before: int) -> SubjectDrift:
        reference, there = _counts(subject), int(now[:MISSING].sum())
        outside, missing = int(now[OUTSIDE]), int(now[MISSING])
        shares = outside / max(there, 1), missing / max(there + missing, 1)
        known = int(reference.sum())
        tests = [
            (
                "out of range",
                shares[0],
                poisson_p(outside, _expected(0, known, there)),
                f"{shares[0]:.1%} are outside the range of the validation data",
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


def _steady(subject: Subject) -> SubjectDrift:
    return SubjectDrift(subject, STEADY, ks=None if subject.is_class else 0.0)


def _expected(found: int, of: int, items: int) -> float:
    """Return an upper bound of the expected number among `items`, given `found` among `of` validation items."""
    return items * (found + UNSEEN_ITEMS) / (of + 1)
