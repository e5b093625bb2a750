"""Risk measures of a table: k-anonymity, l-diversity, t-closeness, and how likely a person is re-identified.

Sources: Sweeney 2002 (k-anonymity); Machanavajjhala et al. 2007 (l-diversity); Li, Li and Venkatasubramanian 2007
(t-closeness); Nergiz, Atzori and Clifton 2007 (delta-presence); El Emam and Dankar 2008, and ARX (attacker models).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from governance.errors import BadRequestError
from governance.privacy.datasets.risk.columns import Codes, EncodedColumn, number_of

# Least class sizes of the histogram's bars: 1, 2, 3-4, 5-9, and so on.
BARS = (1, 2, 3, 5, 10, 20, 50, 100, 1_000, 10_000)
# A row whose re-identification risk is above this is at risk: 1 in 5, so a class of fewer than five rows.
AT_RISK = 0.2


def classes_of(columns: Sequence[EncodedColumn]) -> tuple[Codes, Codes]:
    """Return the equivalence class of each row, and the size of each class.

    Rows are in one class if they are equal in all these columns: `(34, F), (36, M), (34, F)` gives `[0, 1, 0]` and
    `[2, 1]`.
    """
    rows = len(columns[0].codes) if columns else 0
    ids = np.zeros(rows, np.int64)
    for column in columns:
        _, ids = np.unique(ids * max(len(column.values), 1) + column.codes, return_inverse=True)
    return ids, np.bincount(ids) if rows else np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Diversity:
    """How much the classes disclose about one sensitive column.

    Attributes:
        column: Name of the column.
        distinct_l: The smallest number of different values in a class (distinct l-diversity).
        entropy_l: exp of the lowest entropy of a class (entropy l-diversity); l equally frequent values give l.
        t: The largest earth mover's distance of a class's distribution from that of the table, 0 to 1 (t-closeness).
        distance: "ordered" for numbers, "equal" for categories.
        homogeneous: Share of the rows whose class has only one value: the class discloses the value.
    """

    column: str
    distinct_l: int
    entropy_l: float
    t: float
    distance: str
    homogeneous: float


@dataclass(frozen=True, slots=True)
class Population:
    """Risks against a larger table of which this one is a part.

    Attributes:
        rows: Rows of the larger table.
        journalist_highest: Highest risk of a row, 1 / size of its class in the larger table.
        marketer: Average risk: the share of rows that are re-identified when all are guessed.
        delta_lowest: Lowest share of a class of the larger table that is in this one (delta-presence).
        delta_highest: Highest such share.
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
        quasi: Names of the quasi-identifiers.
        rows: Number of rows.
        classes: Number of equivalence classes.
        k: Size of the smallest class.
        unique: Share of the rows that are alone in their class.
        prosecutor_highest: 1 / k: the highest risk of a person who is known to be in the table.
        marketer: classes / rows: the share of rows that are re-identified when all are guessed.
        at_risk: Share of the rows whose own risk is above `AT_RISK`.
        histogram: For each bar the least and the greatest class size, the number of classes, and their rows.
        sensitive: Measures of each sensitive column.
        population: Risks against a larger table; None if there is none.
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


def measure(
    quasi: Sequence[EncodedColumn],
    sensitive: Sequence[EncodedColumn],
    population: Sequence[EncodedColumn] | None = None,
) -> Risk:
    """Measure a table.

    Args:
        quasi: The quasi-identifiers.
        sensitive: The sensitive columns.
        population: The quasi-identifiers, in the same order, of a larger table that this one is a part of.

    Raises:
        BadRequestError: If there is no row or no quasi-identifier, or the population does not contain the table.
    """
    if not quasi or not len(quasi[0].codes):
        raise BadRequestError("measuring risk needs at least one row and one quasi-identifier")
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


def diversity(ids: Codes, sizes: Codes, column: EncodedColumn) -> Diversity:
    """Measure one sensitive column.

    Args:
        ids: The class of each row.
        sizes: The size of each class.
        column: The sensitive column.
    """
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


def _in_order(values: Sequence[Any]) -> tuple[Codes, bool]:
    """Return the rank of each value, and whether all are numbers, so that ranks have a meaning."""
    numbers = [number_of(value) for value in values]
    if any(number is None for number in numbers):
        return np.arange(len(values), dtype=np.int64), False
    _, ranks = np.unique(np.array(numbers, np.float64), return_inverse=True)
    return ranks.astype(np.int64), True


def _equal(of: Codes, value: Codes, share: Any, whole: Any, classes: int) -> Any:
    """Return half the sum of absolute differences for each class, as the sum of positive differences.

    Both are equal, since the differences of two distributions add up to 0. A positive difference is at a value that
    the class has, so only those are needed.
    """
    return np.bincount(of, np.maximum(share - whole[value], 0), minlength=classes)


def _ordered(of: Codes, value: Codes, share: Any, whole: Any, classes: int) -> Any:
    """Return the sum of |cumulated differences| / (m - 1) for each class (Li et al., section 4).

    From one value of a class to its next one, the class's cumulated share is a constant c, while the table's grows.
    Below the rank where they cross, c is greater, above it the table's is; prefix sums give both parts at once.
    """
    # Values written in two ways, such as 1 and 1.0, share a rank, so there may be fewer ranks than values.
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


def _against(quasi: Sequence[EncodedColumn], population: Sequence[EncodedColumn]) -> Population:
    """Compare the classes of a table with those of the population."""
    joined = []
    for ours, theirs in zip(quasi, population, strict=True):
        places = {value: place for place, value in enumerate(ours.values)}
        table = np.array([places.setdefault(value, len(places)) for value in theirs.values], np.int64)
        joined.append(EncodedColumn(ours.name, list(places), np.concatenate([ours.codes, table[theirs.codes]])))
    ids, sizes = classes_of(joined)
    rows = len(quasi[0].codes)
    part = np.bincount(ids[:rows], minlength=len(sizes))
    whole = sizes - part
    if (part > whole).any():
        raise BadRequestError("the population has fewer rows of a class than the file, so it does not contain the file")
    inside = part > 0
    return Population(
        int(whole.sum()),
        float((1 / whole[inside]).max()),
        float((part[inside] / whole[inside]).sum() / rows),
        float((part / whole).min()),
        float((part[inside] / whole[inside]).max()),
    )
