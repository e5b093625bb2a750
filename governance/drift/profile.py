"""The reference profile: how inputs and answers were distributed when the model was validated; sealed with the model.

It holds counts in bins, and no value. It is JSON of a closed form, read strictly and within limits: what is signed by
people we trust may still be a mistake.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta

from governance.drift import measures
from governance.drift.measures import CHANNELS, GROUP_OF, IMAGE_MEASURES, IMAGE_RANKS, PREDICTION_MEASURES, Array
from governance.drift.statistics import Counts
from governance.errors import ConfigurationError, ManifestMismatchError

VERSION: Final = 1
BINS = 10
LEAST_ITEMS = 100
MAX_BYTES = 4 * 2**20
MAX_SUBJECTS, MAX_BINS, MAX_COLUMNS = 256, 1024, 64
MISSING, OUTSIDE = -2, -1
BEYOND = 1e-6  # of the range: what rounding may do

_NAME = r"^[\w.:()/%+-][\w .:()/%+-]{0,79}\Z"
_NOT_IN_NAMES = re.compile(r"[^\w .:()/%+-]")
Side = Literal["input", "output"]
SIDES: tuple[Side, ...] = ("input", "output")
SubjectName = Annotated[str, Meta(pattern=_NAME)]
Count = Annotated[int, Meta(ge=0, le=2**48)]
ModelTensors = Mapping[str, Array]


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that is watched.

    Numbers fall into bins: below the first of `edges`, between two, and from the last on; classes have one bin each, by
    `labels`. `low` and `high` are the least and the greatest value that validation saw.
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
        """Whether it is the predicted class."""
        return self.measure == "class"

    def count(self, values: Array) -> Counts:
        """Return how many of these values fall into each bin, are missing, and lie outside the range."""
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
    """All subjects of one model. `softmax`: the scores in its answers are no probabilities yet."""

    version: Literal[1]
    items: Annotated[int, Meta(ge=1, le=2**48)]
    softmax: bool
    subjects: Annotated[list[Subject], Meta(min_length=1, max_length=MAX_SUBJECTS)]

    def tensors(self, side: str) -> tuple[str, ...]:
        """Return the names of the tensors that are looked at, each once."""
        return tuple(dict.fromkeys(subject.tensor for subject in self.subjects if subject.side == side))

    @property
    def width(self) -> int:
        """How many counts there are for all subjects together."""
        return sum(len(subject.counts) + 2 for subject in self.subjects)

    def split(self, counts: Counts) -> Iterable[tuple[Subject, Counts]]:
        """Return each subject with its part of the counts: bins, missing, outside."""
        start = 0
        for subject in self.subjects:
            end = start + len(subject.counts) + 2
            yield subject, counts[start:end]
            start = end

    def count(self, inputs: ModelTensors, outputs: ModelTensors) -> Counts:
        """Return the counts of all subjects for one batch, behind each other.

        Args:
            inputs: input tensors by name, the batch first; tensors that the profile does not have are skipped.
            outputs: output tensors by name, in the same way.
        """
        sides = {"input": inputs, "output": outputs}
        cache: dict[tuple[str, str, int], dict[str, Array]] = {}
        parts = []
        with np.errstate(all="ignore"):
            for subject in self.subjects:
                array = sides[subject.side][subject.tensor]
                parts.append(subject.count(_values(subject, array, self.softmax, cache)))
        return np.concatenate(parts)

    def encode(self) -> bytes:
        """Return the file's content."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    def verify(self, card: Mapping[str, Any]) -> None:
        """Compare with the model's card.

        Raises:
            ManifestMismatchError: if it speaks of a tensor, a column or a class that the model has not.
        """
        specs = {
            (side, item["name"]): item for side in ("input", "output") for item in card.get(f"{side}s") or () if item
        }
        for subject in self.subjects:
            spec = specs.get((subject.side, subject.tensor))
            if spec is None:
                raise _mismatch(f"'{subject.name}' is of the {subject.side} '{subject.tensor[:80]}', and there is none")
            if subject.measure not in _measures_of(spec) or subject.column >= _columns(spec):
                raise _mismatch(f"'{subject.name}' does not fit the {subject.side} '{subject.tensor[:80]}'")
            if subject.is_class and (subject.labels != list(card.get("classes", ())) or not _is_scores(spec, card)):
                raise _mismatch("its classes are not those of the card")


@dataclass(frozen=True, slots=True)
class SignedProfile:
    """A profile as it was signed, and the digest by which windows name it."""

    profile: ReferenceProfile
    digest: str

    @classmethod
    def parse(cls, content: bytes) -> SignedProfile:
        """Read `profile.json`.

        Raises:
            ManifestMismatchError: if it is no profile of this version, with what is wrong.
        """
        if len(content) > MAX_BYTES:
            raise _mismatch(f"it is larger than {MAX_BYTES} bytes")
        try:
            profile = _decoder.decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
            raise _mismatch(f"{reason}; make it anew with the version of training that fits") from None
        names = [subject.name for subject in profile.subjects]
        if len(set(names)) != len(names):
            raise _mismatch("two subjects have one name")
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
        raise _mismatch(f"'{subject.name}' has a range or edges that are no numbers")
    if any(later <= earlier for earlier, later in pairwise(subject.edges)):
        raise _mismatch(f"the edges of '{subject.name}' do not rise")
    if subject.is_class and (subject.edges or len(set(subject.labels)) != bins):
        raise _mismatch(f"'{subject.name}' has edges, or a label twice")
    if (subject.measure in PREDICTION_MEASURES) and subject.side != "output":
        raise _mismatch(f"'{subject.name}' is no input")


def learn(card: Mapping[str, Any], inputs: ModelTensors, outputs: ModelTensors) -> ReferenceProfile:
    """Make the profile of a model from its validation part.

    Args:
        card: the model's card: its `inputs`, `outputs` (name, datatype, shape) and, if it classifies, its `classes`.
        inputs: what went into the model, by name, the batch first.
        outputs: what came out, by name, the batch first.

    Raises:
        ConfigurationError: if there are under 100 items, one of the card's tensors is missing, or nothing to watch.
    """
    sides: dict[str, ModelTensors] = {"input": inputs, "output": outputs}
    counts = {len(array) for tensors in sides.values() for array in tensors.values()}
    if len(counts) != 1 or min(counts) < LEAST_ITEMS:
        raise ConfigurationError(f"a profile needs at least {LEAST_ITEMS} items, as many in each tensor")
    softmax, made = False, []
    for side in SIDES:
        tensors = sides[side]
        for spec in card[f"{side}s"]:
            if spec["name"] not in tensors:
                raise ConfigurationError(f"the card speaks of the {side} '{spec['name']}', and it is not given")
            scores = side == "output" and _is_scores(spec, card)
            softmax = softmax or (scores and not _are_probabilities(tensors[spec["name"]]))
            made += _drafts(spec, side, scores, alone=len(card[f"{side}s"]) == 1)
    cache: dict[tuple[str, str, int], dict[str, Array]] = {}
    with np.errstate(all="ignore"):
        subjects = [
            _learned(draft, _values(draft, sides[draft.side][draft.tensor], softmax, cache), card)
            for draft in made[:MAX_SUBJECTS]
        ]
    if not any(sum(subject.counts) for subject in subjects):
        raise ConfigurationError("nothing in this model's tensors can be watched for drift")
    made_of = _with_own_names([subject for subject in subjects if sum(subject.counts)])
    profile = ReferenceProfile(VERSION, counts.pop(), softmax, made_of)
    SignedProfile.parse(profile.encode()).profile.verify(card)
    return profile


def _with_own_names(subjects: Sequence[Subject]) -> list[Subject]:
    """Make names that may be labels of metrics, each once: columns are called anything."""
    seen: set[str] = set()
    named = []
    for number, subject in enumerate(subjects):
        name = _NOT_IN_NAMES.sub("_", subject.name)[:72]
        name = name if name not in seen and name[0] != " " else f"{number}-{name}"
        seen.add(name)
        named.append(msgspec.structs.replace(subject, name=name))
    return named


def _drafts(spec: Mapping[str, Any], side: Side, scores: bool, *, alone: bool) -> list[Subject]:
    tensor, found = spec["name"], _measures_of(spec)
    if scores:
        found = PREDICTION_MEASURES
    elif "value" in found:
        names = spec.get("columns") or ()
        return [
            Subject(_column_name(tensor, names, number, spec), side, tensor, "value", [0], 0, column=number)
            for number in range(min(_columns(spec), MAX_COLUMNS))
        ]
    plain = scores or alone
    return [Subject(m if plain else f"{tensor}.{m}", side, tensor, m, [0], 0) for m in found]  # type: ignore[arg-type]


def _column_name(tensor: str, names: Sequence[str], number: int, spec: Mapping[str, Any]) -> str:
    if len(spec["shape"]) == 1:
        return str(tensor)
    return f"{tensor}.{names[number]}" if number < len(names) else f"{tensor}-{number}"


def _learned(draft: Subject, values: Array, card: Mapping[str, Any]) -> Subject:
    there = values[np.isfinite(values)]
    if draft.is_class:
        changed: dict[str, Any] = {"labels": list(card["classes"]), "counts": [0] * len(card["classes"])}
    elif len(there):
        edges = _edges(there)
        low, high = float(there.min()), float(there.max())
        changed = {"edges": edges, "counts": [0] * (len(edges) + 1), "low": low, "high": high}
    else:
        return draft
    empty = msgspec.structs.replace(draft, **changed)
    counted = empty.count(values).tolist()
    return msgspec.structs.replace(empty, counts=counted[:MISSING], missing=counted[MISSING])


def _edges(values: Array) -> list[float]:
    """Return edges that put as many values into each bin, halfway between two values, so that none lies on an edge."""
    unique = np.unique(values)
    if len(unique) <= BINS:
        places = np.arange(1, len(unique))
    else:
        quantiles = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
        places = np.unique(np.searchsorted(unique, quantiles, side="left"))
        places = places[places > 0]
    edges = (unique[places - 1] + unique[places]) / 2
    return [float(edge) for edge in np.unique(edges)]


def _values(
    subject: Subject, array: Array, softmax: bool, cache: dict[tuple[str, str, int], dict[str, Array]]
) -> Array:
    """Return one number for each item; what one look gives for several subjects is computed once."""
    if subject.measure == "value":
        return measures.column(array, subject.column)
    group = GROUP_OF[subject.measure]
    key = (subject.side, subject.tensor, id(group))
    if key not in cache:
        cache[key] = group(array, softmax)
    return cache[key][subject.measure]


def _measures_of(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what can be measured of a tensor of this type and shape, the batch first."""
    shape, datatype = spec["shape"], spec["datatype"]
    if not shape or shape[0] != -1:
        return ()
    if datatype == "BYTES":
        return ("length",)
    if len(shape) in IMAGE_RANKS and (len(shape) == 3 or shape[1] in CHANNELS or shape[3] in CHANNELS):
        return IMAGE_MEASURES
    if len(shape) == 1:
        return ("value",)
    if len(shape) == 2 and shape[1] > 0:
        return ("value", *(PREDICTION_MEASURES if shape[1] > 1 else ()))
    return ()


def _columns(spec: Mapping[str, Any]) -> int:
    return int(spec["shape"][1]) if len(spec["shape"]) == 2 and spec["datatype"] != "BYTES" else 1


def _is_scores(spec: Mapping[str, Any], card: Mapping[str, Any]) -> bool:
    classes = card.get("classes") or ()
    return len(classes) > 1 and list(spec["shape"]) == [-1, len(classes)] and spec["datatype"].startswith("FP")


def _are_probabilities(scores: Array) -> bool:
    known = scores[np.isfinite(scores).all(axis=1)]
    return bool(len(known) and known.min() >= 0 and np.abs(known.sum(axis=1, dtype=np.float64) - 1).max() < 0.01)


def _mismatch(reason: str) -> ManifestMismatchError:
    return ManifestMismatchError(f"profile.json cannot be what drift is measured against: {reason}")
