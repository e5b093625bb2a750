"""Facts of the plugin chain: what was changed in a request, and what was changed in its answer.

The privacy plugin provides both; the audit plugin and the metrics plugin read them. They hold counts and class names,
never a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Redactions:
    """Counts of what was changed in a request.

    Attributes:
        counts: Changed values of declared fields, by operator: `{"mask": 2}`.
        classes: Data classes of these values and of what was found in free text: `{"health"}`.
        entities: Changed findings in free text and images, by entity: `{"PERSON": 1}`.
    """

    counts: Mapping[str, int]
    classes: frozenset[str] = frozenset()
    entities: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Redactions) -> Redactions:
        """Return the sum, for two places of one request, such as its query and its body."""
        if not (other.counts or other.classes or other.entities):
            return self
        if not (self.counts or self.classes or self.entities):
            return other
        counts, entities = Counter(self.counts), Counter(self.entities)
        counts.update(other.counts)
        entities.update(other.entities)
        return Redactions(dict(counts), self.classes | other.classes, dict(entities))


@dataclass(frozen=True, slots=True)
class ReplyFindings:
    """Counts of the findings that were changed in the texts of an answer.

    Attributes:
        entities: Changed findings by entity. While an answer is streamed, the counts grow with each part that is sent.
    """

    entities: Mapping[str, int]
