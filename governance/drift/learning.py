"""Learning the reference profile of a model from the inputs and outputs of its validation data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from governance.drift.measures import PREDICTION_MEASURES, Array, columns_of, is_scores, measures_of
from governance.drift.profile import (
    MAX_SUBJECTS,
    MISSING,
    NOT_IN_NAMES,
    SIDES,
    VERSION,
    ModelTensors,
    ReferenceProfile,
    Side,
    SignedProfile,
    Subject,
    values_of,
)
from governance.errors import ConfigurationError

BINS = 10
LEAST_ITEMS = 100
MAX_COLUMNS = 64


def learn(card: Mapping[str, Any], inputs: ModelTensors, outputs: ModelTensors) -> ReferenceProfile:
    """Return the reference profile of a model.

    Args:
        card: Card of the model with `inputs` and `outputs` (each with `name`, `datatype`, `shape`) and, for a
            classifier, `classes`.
        inputs: Input tensors of the validation data by name, batch first.
        outputs: The model's answers to them by name, batch first.

    Raises:
        ConfigurationError: if there are fewer than `LEAST_ITEMS` items, a tensor of the card is missing, or no tensor
            can be measured.
    """
    sides: dict[str, ModelTensors] = {"input": inputs, "output": outputs}
    counts = {len(array) for tensors in sides.values() for array in tensors.values()}
    if len(counts) != 1 or min(counts) < LEAST_ITEMS:
        raise ConfigurationError(f"a profile needs at least {LEAST_ITEMS} items, the same number in each tensor")
    softmax, made = False, []
    for side in SIDES:
        tensors = sides[side]
        for spec in card[f"{side}s"]:
            if spec["name"] not in tensors:
                raise ConfigurationError(f"the card has the {side} '{spec['name']}', which is missing")
            scores = side == "output" and is_scores(spec, card)
            softmax = softmax or (scores and not _are_probabilities(tensors[spec["name"]]))
            made += _drafts(spec, side, scores, alone=len(card[f"{side}s"]) == 1)
    cache: dict[tuple[str, str, int], dict[str, Array]] = {}
    with np.errstate(all="ignore"):
        subjects = [
            _learned(draft, values_of(draft, sides[draft.side][draft.tensor], softmax, cache), card)
            for draft in made[:MAX_SUBJECTS]
        ]
    if not any(sum(subject.counts) for subject in subjects):
        raise ConfigurationError("no tensor of this model can be measured for drift")
    made_of = _with_own_names([subject for subject in subjects if sum(subject.counts)])
    profile = ReferenceProfile(VERSION, counts.pop(), softmax, made_of)
    SignedProfile.parse(profile.encode()).profile.verify(card)
    return profile


def _with_own_names(subjects: Sequence[Subject]) -> list[Subject]:
    """Return the subjects with unique names that are valid metric labels; columns can have any name."""
    seen: set[str] = set()
    named = []
    for number, subject in enumerate(subjects):
        name = NOT_IN_NAMES.sub("_", subject.name)[:72]
        name = name if name not in seen and name[0] != " " else f"{number}-{name}"
        seen.add(name)
        named.append(msgspec.structs.replace(subject, name=name))
    return named


def _drafts(spec: Mapping[str, Any], side: Side, scores: bool, *, alone: bool) -> list[Subject]:
    tensor, found = spec["name"], measures_of(spec)
    if scores:
        found = PREDICTION_MEASURES
    elif "value" in found:
        names = spec.get("columns") or ()
        return [
            Subject(_column_name(tensor, names, number, spec), side, tensor, "value", [0], 0, column=number)
            for number in range(min(columns_of(spec), MAX_COLUMNS))
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
    """Return edges of bins with equally many values; each is halfway between two values, so no value is on an edge."""
    unique = np.unique(values)
    if len(unique) <= BINS:
        places = np.arange(1, len(unique))
    else:
        quantiles = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
        places = np.unique(np.searchsorted(unique, quantiles, side="left"))
        places = places[places > 0]
    edges = (unique[places - 1] + unique[places]) / 2
    return [float(edge) for edge in np.unique(edges)]


def _are_probabilities(scores: Array) -> bool:
    known = scores[np.isfinite(scores).all(axis=1)]
    return bool(len(known) and known.min() >= 0 and np.abs(known.sum(axis=1, dtype=np.float64) - 1).max() < 0.01)
