"""The reference profile: distributions of inputs and answers in the validation data, sealed with the model.

It contains counts in bins and no value of the data. `profile.json` is parsed strictly and within limits: a signature
says who made a file, not that it is correct.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta

from governance.drift import measures
from governance.drift.measures import GROUP_OF, PREDICTION_MEASURES, Array, columns_of, is_scores, measures_of
from governance.drift.statistics import Counts
from governance.errors import ManifestMismatchError

VERSION: Final = 1
MAX_BYTES = 4 * 2**20
MAX_SUBJECTS, MAX_BINS = 256, 1024
MISSING, OUTSIDE = -2, -1
# Tolerance at the ends of the range for rounding, as a share of the range.
BEYOND = 1e-6

_NAME = r"^[\w.:()/%+-][\w .:()/%+-]{0,79}\Z"
NOT_IN_NAMES = re.compile(r"[^\w .:()/%+-]")
Side = Literal["input", "output"]
SIDES: tuple[Side, ...] = ("input", "output")
SubjectName = Annotated[str, Meta(pattern=_NAME)]
Count = Annotated[int, Meta(ge=0, le=2**48)]
ModelTensors = Mapping[str, Array]


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One distribution that is compared: a measure of a tensor.

    Attributes:
        name: Unique name; it is a metric label.
        side: `input` or `output`.
        tensor: Name of the tensor.
        measure: What is measured; see `measures`.
        counts: Number of validation items in each bin.
        missing: Number of validation items without a value.
        edges: Borders of the bins of numbers: below the first, between two, from the last on. Empty for classes.
        labels: Names of the classes, one bin each. Empty for numbers.
        low: Least value in the validation data.
        high: Greatest value in the validation data.
        column: Column of the tensor for the measure `value`.
    """

    name: SubjectName
    side: Side
    tensor: Annotated[str, Meta(min_length=1, max_length=256)]
    measure: Literal[
        "brightness",
        "contrast",
        "sharpness",
        "orientation",
        "length",
        "value",
        "class",
        "confidence",
        "entropy",
    ]
    counts: Annotated[list[Count], Meta(min_length=1, max_length=MAX_BINS)]
    missing: Count
    edges: list[float] = []
    labels: Annotated[list[Annotated[str, Meta(max_length=256)]], Meta(max_length=MAX_BINS)] = []
    low: float = 0.0
    high: float = 0.0
    column: Annotated[int, Meta(ge=0, lt=2**31)] = 0

    @property
    def is_class(self) -> bool:
        """Whether the measure is the predicted class."""
        return self.measure == "class"

    def count(self, values: Array) -> Counts:
        """Return the counts of values: one per bin, then those missing (`MISSING`) and out of range (`OUTSIDE`).

        Args:
            values: Shape (n,); NaN means missing.

        Returns:
            Shape (bins + 2,).
        """
        result = np.zeros(len(self.counts) + 2, np.int64)
        there = values[~np.isnan(values)]
        result[MISSING] = len(values) - len(there)
        if self.is_class:
            places = there.astype(np.int64)
        else:
            places = np.searchsorted(self.edges, there, side="right")
            slack = BEYOND * max(self.high - self.low, abs(self.high), abs(self.low))
            result[OUTSIDE] = ((there < self.low - slack) | (there > self.high + slack)).sum()
        result[: len(self.counts)] = np.bincount(places, minlength=len(self.counts))
        return result


class ReferenceProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reference profile of one model.

    Attributes:
        version: Version of the format.
        items: Number of validation items.
        softmax: Whether the scores in the model's answers are logits, to which softmax must be applied.
        subjects: The distributions.
    """

    version: Literal[1]
    items: Annotated[int, Meta(ge=1, le=2**48)]
    softmax: bool
    subjects: Annotated[list[Subject], Meta(min_length=1, max_length=MAX_SUBJECTS)]

    def tensors(self, side: str) -> tuple[str, ...]:
        """Return the names of the tensors of one side (`input` or `output`) that are measured, each once."""
        return tuple(dict.fromkeys(subject.tensor for subject in self.subjects if subject.side == side))

    @property
    def width(self) -> int:
        """Number of counts of all subjects together."""
        return sum(len(subject.counts) + 2 for subject in self.subjects)

    def split(self, counts: Counts) -> Iterable[tuple[Subject, Counts]]:
        """Return each subject with its counts (bins, missing, outside).

        Args:
            counts: Counts of all subjects in a row, shape (width,).
        """
        start = 0
        for subject in self.subjects:
            end = start + len(subject.counts) + 2
            yield subject, counts[start:end]
            start = end

    def count(self, inputs: ModelTensors, outputs: ModelTensors) -> Counts:
        """Return the counts of all subjects for one batch, in a row: shape (width,).

        Args:
            inputs: Input tensors by name, batch first; tensors that the profile does not name are ignored.
            outputs: Output tensors by name, likewise.
        """
        sides = {"input": inputs, "output": outputs}
        cache: dict[tuple[str, str, int], dict[str, Array]] = {}
        parts = []
        with np.errstate(all="ignore"):
            for subject in self.subjects:
                array = sides[subject.side][subject.tensor]
                parts.append(subject.count(values_of(subject, array, self.softmax, cache)))
        return np.concatenate(parts)

    def encode(self) -> bytes:
        """Return the content of `profile.json`."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    def verify(self, card: Mapping[str, Any]) -> None:
        """Check that the profile fits the model's card.

        Raises:
            ManifestMismatchError: if it names a tensor, a column or a class that the model does not have.
        """
        specs = {
            (side, item["name"]): item for side in ("input", "output") for item in card.get(f"{side}s") or () if item
        }
        for subject in self.subjects:
            spec = specs.get((subject.side, subject.tensor))
            if spec is None:
                raise _mismatch(
                    f"'{subject.name}' measures the {subject.side} '{subject.tensor[:80]}'; the card has none"
                )
            if subject.measure not in measures_of(spec) or subject.column >= columns_of(spec):
                raise _mismatch(f"'{subject.name}' does not fit the {subject.side} '{subject.tensor[:80]}'")
            if subject.is_class and (subject.labels != list(card.get("classes", ())) or not is_scores(spec, card)):
                raise _mismatch("its classes differ from those of the card")


@dataclass(frozen=True, slots=True)
class SignedProfile:
    """A profile as it was signed.

    Attributes:
        profile: The profile.
        digest: SHA-256 of the file in hex; counts belong to exactly one digest.
    """

    profile: ReferenceProfile
    digest: str

    @classmethod
    def parse(cls, content: bytes) -> SignedProfile:
        """Parse the content of `profile.json`.

        Raises:
            ManifestMismatchError: if it is not a valid profile of this version; the message says why.
        """
        if len(content) > MAX_BYTES:
            raise _mismatch(f"it is larger than {MAX_BYTES} bytes")
        try:
            profile = _decoder.decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
            raise _mismatch(f"{reason}; create it again with a matching version of training") from None
        names = [subject.name for subject in profile.subjects]
        if len(set(names)) != len(names):
            raise _mismatch("two subjects have the same name")
        for subject in profile.subjects:
            _verify_subject(subject, profile.items)
        return cls(profile, hashlib.sha256(content).hexdigest())


_decoder = msgspec.json.Decoder(ReferenceProfile)


def _verify_subject(subject: Subject, items: int) -> None:
    bins = len(subject.labels) if subject.is_class else len(subject.edges) + 1
    if len(subject.counts) != bins:
        raise _mismatch(f"'{subject.name}' has {len(subject.counts)} counts for {bins} bins")
    if sum(subject.counts) + subject.missing != items:
        raise _mismatch(f"the counts of '{subject.name}' are not {items} items")
    if not sum(subject.counts):
        raise _mismatch(f"'{subject.name}' was missing in every item")
    numbers = [*subject.edges, subject.low, subject.high]
    if not all(map(math.isfinite, numbers)) or subject.low > subject.high:
        raise _mismatch(f"'{subject.name}' has a range or edges that are not numbers")
    if any(later <= earlier for earlier, later in pairwise(subject.edges)):
        raise _mismatch(f"the edges of '{subject.name}' do not increase")
    if subject.is_class and (subject.edges or len(set(subject.labels)) != bins):
        raise _mismatch(f"'{subject.name}' has edges, or a duplicate label")
    if (subject.measure in PREDICTION_MEASURES) and subject.side != "output":
        raise _mismatch(f"'{subject.name}' cannot be measured of an input")


def values_of(
    subject: Subject, array: Array, softmax: bool, cache: dict[tuple[str, str, int], dict[str, Array]]
) -> Array:
    """Return the measured value of each item, shape (n,).

    Args:
        subject: What is measured.
        array: The tensor, batch first.
        softmax: Whether scores are logits.
        cache: Results by side, tensor and group of measures: measures of one group are computed together.
    """
    if subject.measure == "value":
        return measures.column(array, subject.column)
    group = GROUP_OF[subject.measure]
    key = (subject.side, subject.tensor, id(group))
    if key not in cache:
        cache[key] = group(array, softmax)
    return cache[key][subject.measure]


def _mismatch(reason: str) -> ManifestMismatchError:
    return ManifestMismatchError(f"profile.json cannot be used: {reason}")
