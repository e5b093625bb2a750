"""Risk measures of a table: k-anonymity, l-diversity, t-closeness, and how likely somebody is found again.

Sources: Sweeney 2002 (k-anonymity); Machanavajjhala et al. 2007 (l-diversity); Li, Li and Venkatasubramanian 2007
(t-closeness); Nergiz, Atzori and Clifton 2007 (delta-presence); El Emam and Dankar 2008, and ARX (attacker models).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance.errors import BadRequestError
from governance.privacy.datasets.formats.batch import Absent, Batch

Codes = np.ndarray[tuple[int], np.dtype[np.int64]]
# The bounds of the histogram's bars, in rows of one class: 1, 2, 3-4, 5-9, and so on.
BARS = (1, 2, 3, 5, 10, 20, 50, 100, 1_000, 10_000)
# Above this risk a row counts as one at risk: 1 in 5, a class of fewer than five rows.
AT_RISK = 0.2


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of a table: its distinct values, and for each row which of them it is. None is a value, too."""

    name: str
    values: list[Any]
    codes: Codes


class Encoder:
    """Makes coded columns of batches, in memory of a few bytes a row."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(dict.fromkeys(names))
        self._places: dict[str, dict[Any, int]] = {name: {} for name in self._names}
        self._codes: dict[str, list[Any]] = {name: [] for name in self._names}

    def add(self, batch: Batch, changed: Mapping[str, Sequence[Any]] | None = None) -> None:
        """Take the rows of a batch.

        Raises:
            BadRequestError: if a row has no such column, or a value is an object or a list.
        """
        for name in self._names:
            values = changed[name] if changed is not None and name in changed else batch.values(name)
            places = self._places[name]
            try:
                codes = [places.setdefault(value, len(places)) for value in without_gaps(values)]
            except TypeError:
                raise BadRequestError(f"column '{name[:80]}' holds objects or lists, which are not compared") from None
            if Absent in places:
                raise BadRequestError(f"rows {batch.first} to {batch.first + batch.rows - 1}: one has no '{name[:80]}'")
            self._codes[name].append(np.array(codes, np.int32))

    def columns(self) -> dict[str, Coded]:
        """Return the columns."""
        return {
            name: Coded(
                name,
                list(self._places[name]),
                np.concatenate([np.zeros(0, np.int32), *self._codes[name]]).astype(np.int64),
            )
            for name in self._names
        }


def without_gaps(values: Sequence[Any]) -> list[Any]:
    """Return a column in which everything that stands for no value is None: a NaN is not even equal to itself."""
    return [None if value != value or value == "" else value for value in values]  # noqa: PLR0124


def encode(batches: Iterable[Batch], names: Sequence[str]) -> dict[str, Coded]:
    """Return the columns of all rows."""
    encoder = Encoder(names)
    for batch in batches:
        encoder.add(batch)
    return encoder.columns()


def classes_of(columns: Sequence[Coded]) -> tuple[Codes, Codes]:
    """Return the equivalence class of each row, and how many rows each class has."""
    rows = len(columns[0].codes) if columns else 0
    ids = np.zeros(rows, np.int64)
    for column in columns:
        _, ids = np.unique(ids * max(len(column.values), 1) + column.codes, return_inverse=True)
    return ids, np.bincount(ids) if rows else np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Diversity:
    """How much the classes tell of one sensitive column.

    Attributes:
        distinct_l: the fewest different values in a class.
        entropy_l: exp of the lowest entropy of a class (a class of l equally frequent values has l).
        t: the largest distance of a class's distribution from that of the table (earth mover's).
        distance: "ordered" for numbers, "equal" for categories.
        homogeneous: the share of rows whose class has one value alone: whoever knows the class knows the value.
    """

    column: str
    distinct_l: int
    entropy_l: float
    t: float
    distance: str
    homogeneous: float


@dataclass(frozen=True, slots=True)
class Population:
    """What a larger table adds of which this one is a part.

    Attributes:
        journalist: the highest and the average risk against its classes.
        delta: the lowest and the highest share of a class of the population that is in this table.
    """

    rows: int
    journalist_highest: float
    marketer: float
    delta_lowest: float
    delta_highest: float


@dataclass(frozen=True, slots=True)
class Risk:
    """All measures of a table.

    Attributes:
        prosecutor_highest: 1 / k: of somebody known to be in the table.
        marketer: classes / rows: the share that is found when everybody is guessed.
        at_risk: the share of rows whose own risk is above `AT_RISK`.
        histogram: least and greatest size of classes, classes, rows.
    """

    quasi: tuple[str, ...]
    rows: int
    classes: int
    k: int
    unique: float
    prosecutor_highest: float
    marketer: float
    at_risk: float
    histogram: tuple[tuple[int, int, int, int], ...]
    sensitive: tuple[Diversity, ...]
    population: Population | None = None


def measure(quasi: Sequence[Coded], sensitive: Sequence[Coded], population: Sequence[Coded] | None = None) -> Risk:
    """Measure a table.

    Args:
        population: the same quasi-identifiers of a table that this one is a part of.

    Raises:
        BadRequestError: if there is no row or no quasi-identifier, or the population is smaller than its part.
    """
    if not quasi or not len(quasi[0].codes):
        raise BadRequestError("risk is measured of at least one row and one quasi-identifier")
    ids, sizes = classes_of(quasi)
    rows = len(ids)
    return Risk(
        tuple(column.name for column in quasi),
        rows,
        len(sizes),
        int(sizes.min()),
        float((sizes == 1).sum() / rows),
        float(1 / sizes.min()),
        float(len(sizes) / rows),
        float(sizes[sizes < 1 / AT_RISK].sum() / rows),
        _histogram(sizes),
        tuple(diversity(ids, sizes, column) for column in sensitive),
        None if population is None else _against(quasi, population),
    )


def _histogram(sizes: Codes) -> tuple[tuple[int, int, int, int], ...]:
    bars = []
    for least, following in zip(BARS, (*BARS[1:], None), strict=True):
        chosen = sizes[(sizes >= least) & (sizes < following if following is not None else True)]
        most = following - 1 if following is not None else int(max(sizes.max(), least))
        bars.append((least, most, len(chosen), int(chosen.sum())))
    while len(bars) > 1 and not bars[-1][2]:
        bars.pop()
    return tuple(bars)


def diversity(ids: Codes, sizes: Codes, column: Coded) -> Diversity:
    """Measure one sensitive column within given classes."""
    order, is_ordered = _in_order(column.values)
    codes, width = order[column.codes], len(column.values)
    pairs, counts = np.unique(ids * width + codes, return_counts=True)
    of, value = pairs // width, pairs % width
    distinct = np.bincount(of, minlength=len(sizes))
    # H = log n - sum(c log c) / n
    entropy = np.log(sizes) - np.bincount(of, counts * np.log(counts), minlength=len(sizes)) / sizes
    whole = np.bincount(codes, minlength=width) / len(codes)
    share = counts / sizes[of]
    distance = _ordered if is_ordered else _equal
    return Diversity(
        column.name,
        int(distinct.min()),
        float(math.exp(max(float(entropy.min()), 0.0))),
        float(distance(of, value, share, whole, len(sizes)).max()),
        "ordered" if is_ordered else "equal",
        float(sizes[distinct == 1].sum() / len(ids)),
    )


def number_of(value: Any) -> float | None:
    """Return a value as a number, or None; texts that are numbers are, as in CSV all are texts."""
    try:
        number = None if isinstance(value, bool) or value is None else float(value)
    except (TypeError, ValueError):
        return None
    return number if number is not None and math.isfinite(number) else None


def _in_order(values: Sequence[Any]) -> tuple[Codes, bool]:
    """Return the rank of each value, and whether all are numbers, so that ranks mean something."""
    numbers = [number_of(value) for value in values]
    if any(number is None for number in numbers):
        return np.arange(len(values), dtype=np.int64), False
    _, ranks = np.unique(np.array(numbers, np.float64), return_inverse=True)
    return ranks.astype(np.int64), True


def _equal(of: Codes, value: Codes, share: Any, whole: Any, classes: int) -> Any:
    """Half the sum of differences; those of values that a class has not come in by what it has too much of others."""
    return np.bincount(of, np.maximum(share - whole[value], 0), minlength=classes)


def _ordered(of: Codes, value: Codes, share: Any, whole: Any, classes: int) -> Any:
    """Sum of |cumulated differences| / (m - 1) (Li et al., section 4).

    A class's cumulated share is a constant c from one of its values to the next, and the table's goes up: below the
    place where they cross, c is the greater, above it the lesser, and prefix sums give both parts at once.
    """
    # Ranks that are shared by values written in two ways leave no gaps; those above the last one are empty.
    m = int(value.max()) + 1
    if m < 2:
        return np.zeros(classes)
    table = np.cumsum(whole[:m])
    sums = np.concatenate([[0.0], np.cumsum(table)])
    total = np.cumsum(share)
    first = np.flatnonzero(np.concatenate([[True], of[1:] != of[:-1]]))
    level = total - np.repeat(total[first] - share[first], np.diff(np.append(first, len(of))))
    end = np.append(value[1:], m)
    end[np.append(first[1:], len(of)) - 1] = m
    cross = np.clip(np.searchsorted(table, level), value, end)
    parts = (cross - value) * level - (sums[cross] - sums[value]) + (sums[end] - sums[cross]) - (end - cross) * level
    # Before a class's least value its cumulated share is 0.
    distances = np.bincount(of, parts, minlength=classes) + sums[value[first]]
    return distances / (m - 1)


def _against(quasi: Sequence[Coded], population: Sequence[Coded]) -> Population:
    """Compare classes with those of the population."""
    joined = []
    for ours, theirs in zip(quasi, population, strict=True):
        places = {value: place for place, value in enumerate(ours.values)}
        table = np.array([places.setdefault(value, len(places)) for value in theirs.values], np.int64)
        joined.append(Coded(ours.name, list(places), np.concatenate([ours.codes, table[theirs.codes]])))
    ids, sizes = classes_of(joined)
    rows = len(quasi[0].codes)
    part = np.bincount(ids[:rows], minlength=len(sizes))
    whole = sizes - part
    if (part > whole).any():
        raise BadRequestError("the population has fewer rows of a class than the file: it does not hold it")
    inside = part > 0
    return Population(
        int(whole.sum()),
        float((1 / whole[inside]).max()),
        float((part[inside] / whole[inside]).sum() / rows),
        float((part / whole).min()),
        float((part[inside] / whole[inside]).max()),
    )
