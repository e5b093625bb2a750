"""Hierarchies: how values of a quasi-identifier become coarser, level by level: 94107, 9410*, 941*, …, `*`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from governance.errors import ConfigurationError
from governance.privacy.change.numbers import bucket_floor
from governance.privacy.datasets.risk.columns import Codes, EncodedColumn, number_of

TOP = "*"
DATE_LEVELS = ("month", "year", "decade")
_DATE = re.compile(r"(\d{4})-(\d\d)(?:-\d\d(?:[T ].*)?)?")
_CODE = re.compile(r"(?=.*\d)[A-Za-z0-9\-]{2,12}")
_KINDS = ("buckets", "truncate", "dates", "table")

# Returns what a value becomes at one level.
Label = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class HierarchyLevel:
    """One level of a column.

    Attributes:
        name: Its name in reports, such as `ranges of 10`.
        labels: What each distinct value of the column becomes.
        codes: For each distinct value the number of its group; values of one group have one label.
        loss: For each distinct value the normalized certainty penalty (Xu et al. 2006): 0 if it is unchanged, 1 if it
            can be any value.
    """

    name: str
    labels: list[Any]
    codes: Codes
    loss: np.ndarray[Any, np.dtype[np.float64]]

    @property
    def groups(self) -> int:
        """The number of different labels."""
        return int(self.codes.max()) + 1 if len(self.codes) else 0


def levels_of(column: EncodedColumn, given: Mapping[str, Any] | None) -> list[HierarchyLevel]:
    """Return the levels of a column, from its own values to `*`.

    Args:
        column: The column.
        given: `{"buckets": [5, 10, 20]}`, `{"truncate": [4, 3]}` (characters that stay), `{"dates": ["month", "year"]}`
            or `{"table": {"nurse": ["care", "health"], …}}`; None to choose by the values.

    Raises:
        ConfigurationError: If `given` is not such a hierarchy or does not fit the values, or if a level separates
            values that the level below it has in one group.
    """
    steps = _automatic(column) if given is None else _given(column, given)
    levels = [_level(column, "as it is", lambda value: value)]
    for name, label in steps:
        level = _level(column, name, label)
        if not _is_coarser(levels[-1].codes, level.codes):
            raise ConfigurationError(
                f"the hierarchy of '{column.name[:80]}': '{name}' separates values that are equal at the level below"
            )
        if level.groups < levels[-1].groups:
            levels.append(level)
    if levels[-1].groups > 1:
        levels.append(_level(column, "one value for all", lambda _: TOP))
    return levels


def _level(column: EncodedColumn, name: str, label: Label) -> HierarchyLevel:
    labels = [label(value) if value is not None or name == "one value for all" else None for value in column.values]
    places: dict[Any, int] = {}
    codes = np.array([places.setdefault(item, len(places)) for item in labels], np.int64)
    return HierarchyLevel(name, labels, codes, _loss(column.values, codes))


def _loss(values: Sequence[Any], codes: Codes) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the loss of each value: the share of the range that its group spans, or of all values in its group."""
    numbers = [number_of(value) for value in values]
    if numbers and all(number is not None for number in numbers):
        array = np.array(numbers, np.float64)
        low, high = np.full(codes.max() + 1, np.inf), np.full(codes.max() + 1, -np.inf)
        np.minimum.at(low, codes, array)
        np.maximum.at(high, codes, array)
        return np.asarray((high - low)[codes] / max(float(array.max() - array.min()), 1e-300))
    return np.asarray((np.bincount(codes)[codes] - 1) / max(len(values) - 1, 1))


def _is_coarser(fine: Codes, coarse: Codes) -> bool:
    pairs = np.unique(np.stack([fine, coarse]), axis=1)
    return bool(pairs.shape[1] == len(np.unique(fine)))


def _automatic(column: EncodedColumn) -> list[tuple[str, Label]]:
    there = [value for value in column.values if value is not None]
    texts = [value for value in there if isinstance(value, str)]
    if len(texts) == len(there) and there:
        if all(_DATE.fullmatch(text) for text in texts):
            return _dates(DATE_LEVELS)
        # Texts of one length with digits are codes, such as ZIP codes: neighbours as numbers need not be near.
        is_code = all(_CODE.fullmatch(text) for text in texts) and len({len(text) for text in texts}) == 1
        if is_code and len(texts[0]) >= 4:
            return _truncations(range(len(texts[0]) - 1, 0, -1))
    if there and all(isinstance(value, date) for value in there):
        return _dates(DATE_LEVELS)
    numbers = [number_of(value) for value in there]
    if there and all(number is not None for number in numbers):
        known = [number for number in numbers if number is not None]
        return _buckets(_widths(max(known) - min(known), whole=all(map(float.is_integer, known))))
    return []


def _widths(span: float, *, whole: bool) -> list[float]:
    """Return up to five widths, each twice the one before; the first makes about twenty ranges of the span."""
    if span <= 0:
        return []
    power = 10.0 ** math.floor(math.log10(span / 20))
    first = power * next(step for step in (1, 2, 5, 10) if power * step * 20 >= span * 0.999)
    if whole:
        first = max(round(first), 2)
    return [first * 2**step for step in range(5) if first * 2**step < span]


def _given(column: EncodedColumn, given: Mapping[str, Any]) -> list[tuple[str, Label]]:
    name = column.name[:80]
    if not isinstance(given, dict) or len(given) != 1 or next(iter(given)) not in _KINDS:
        raise ConfigurationError(f"the hierarchy of '{name}' must be one of: {', '.join(_KINDS)}")
    [(kind, what)] = given.items()
    if kind == "table":
        return _table(column, what)
    if not isinstance(what, list) or not what:
        raise ConfigurationError(f"the hierarchy of '{name}': '{kind}' must be a list of levels, the finest first")
    if kind == "dates":
        if not all(item in DATE_LEVELS for item in what):
            raise ConfigurationError(f"the hierarchy of '{name}': the levels of dates are {', '.join(DATE_LEVELS)}")
        _fits(column, lambda value: isinstance(value, date) or bool(_DATE.fullmatch(str(value))), "dates as YYYY-MM-DD")
        return _dates(what)
    if not all(isinstance(item, int | float) and not isinstance(item, bool) and item > 0 for item in what):
        raise ConfigurationError(f"the hierarchy of '{name}': '{kind}' must be a list of numbers above 0")
    if kind == "truncate":
        return _truncations([int(item) for item in what])
    _fits(column, lambda value: number_of(value) is not None, "numbers")
    return _buckets([float(item) for item in what])


def _fits(column: EncodedColumn, fits: Callable[[Any], bool], what: str) -> None:
    if not all(value is None or fits(value) for value in column.values):
        raise ConfigurationError(f"column '{column.name[:80]}' has other values than {what}, which its hierarchy needs")


def _buckets(widths: Sequence[float]) -> list[tuple[str, Label]]:
    def step(width: float) -> tuple[str, Label]:
        def label(value: Any) -> str:
            low = bucket_floor(float(value), width)
            if width.is_integer() and float(value).is_integer():
                return f"{low:.15g}-{low + width - 1:.15g}"
            return f"[{low:.6g}, {low + width:.6g})"

        return f"ranges of {width:g}", label

    return [step(float(width)) for width in widths]


def _truncations(lengths: Sequence[int]) -> list[tuple[str, Label]]:
    def step(length: int) -> tuple[str, Label]:
        return (
            f"first {length} characters" if length > 1 else "first character",
            lambda value: f"{str(value)[:length]}{TOP}",
        )

    return [step(length) for length in lengths]


def _dates(names: Sequence[str]) -> list[tuple[str, Label]]:
    sizes = {"month": 7, "year": 4, "decade": 3}

    def step(name: str) -> tuple[str, Label]:
        end = "0s" if name == "decade" else ""
        return name, lambda value: f"{str(value)[: sizes[name]]}{end}"

    return [step(name) for name in names]


def _table(column: EncodedColumn, table: Any) -> list[tuple[str, Label]]:
    name = column.name[:80]
    if not isinstance(table, dict) or not all(
        isinstance(row, list) and all(isinstance(item, str) for item in row) for row in table.values()
    ):
        raise ConfigurationError(
            f"the hierarchy of '{name}': a table must have a list of coarser values for each value"
        )
    depths = {len(row) for row in table.values()}
    if len(depths) != 1:
        raise ConfigurationError(f"the hierarchy of '{name}': all lists of a table must have the same length")
    _fits(column, lambda value: str(value) in table, "values of the table")

    def step(place: int) -> tuple[str, Label]:
        return f"level {place + 1} of the table", lambda value: table[str(value)][place]

    return [step(place) for place in range(depths.pop())]
