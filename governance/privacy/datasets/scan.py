"""Scanning: every column of every batch is searched, nothing is changed; or a sample of rows, drawn evenly."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from governance.errors import BadRequestError
from governance.privacy.datasets.cells import Named, leaves, text_of
from governance.privacy.datasets.findings import HIDDEN, Looker, Tally
from governance.privacy.datasets.formats.batch import Absent, Batch

Rows = dict[str, list[Any]]


def scan(batches: Iterable[Batch], looker: Looker, tally: Tally, only: Sequence[str] | None = None) -> None:
    """Search all rows.

    Args:
        only: these columns; None for all.
    """
    for batch in batches:
        names = [name for name in batch.names if only is None or name in only]
        _look(((name, batch.values(name)) for name in names), batch.rows, looker, tally)


def scan_sample(
    batches: Iterable[Batch], size: int, looker: Looker, tally: Tally, only: Sequence[str] | None = None
) -> int:
    """Read all rows and search so many of them, each as likely as any other (Vitter's algorithm R, 1985).

    Returns:
        how many rows there are.
    """
    draw = random.Random(0)  # noqa: S311 — the same file gives the same sample; nothing is secret about it
    kept: list[dict[str, Any]] = []
    count = 0
    for batch in batches:
        names = [name for name in batch.names if only is None or name in only]
        columns = [batch.values(name) for name in names]
        for row in range(batch.rows):
            place = count if count < size else draw.randrange(count + 1)
            if place < size:
                drawn = {name: column[row] for name, column in zip(names, columns, strict=True)}
                kept[place : place + 1] = [drawn]
            count += 1
    every = dict.fromkeys(name for row in kept for name in row)
    _look(((name, [row.get(name, Absent) for row in kept]) for name in every), len(kept), looker, tally)
    return count


def _look(columns: Iterable[tuple[str, list[Any]]], rows: int, looker: Looker, tally: Tally) -> None:
    def hidden(name: str) -> str:
        return HIDDEN if looker.is_personal(name) else name

    for name, values in columns:
        for path, places in places_of(hidden(name), values, hidden).items():
            tally.add(path, places, looker.look(path, places))
    tally.rows += rows


def places_of(name: str, values: list[Any], named: Named) -> dict[str, dict[str, list[int]]]:
    """Return for each path below a column its texts, and the rows in which each stands."""
    found: dict[str, dict[str, list[int]]] = {name: {}}
    for row, value in enumerate(values):
        if isinstance(value, dict | list):
            for path, container, key in leaves(values, row, name, named):
                _put(found.setdefault(path, {}), container[key], row)
        else:
            _put(found[name], value, row)
    return found


def _put(places: dict[str, list[int]], value: Any, row: int) -> None:
    text = text_of(value)
    if not text:
        return
    rows = places.get(text)
    if rows is None:
        places[text] = [row]
    else:
        rows.append(row)


def verified_columns(names: Sequence[str] | None, wanted: Sequence[str]) -> None:
    """Refuse columns that the file has not.

    Raises:
        BadRequestError: with the first one, and those that there are.
    """
    for name in wanted:
        if names is not None and name not in names:
            there = ", ".join(item[:40] for item in names[:20])
            raise BadRequestError(f"there is no column '{name[:80]}'; there are: {there}")


def each_checked(batches: Iterable[Batch], wanted: Sequence[str]) -> Iterator[Batch]:
    """Yield batches whose rows all have these columns.

    Raises:
        BadRequestError: with the first row that has not.
    """
    for batch in batches:
        for name in wanted:
            for row, value in enumerate(batch.values(name)):
                if value is Absent:
                    raise BadRequestError(f"row {batch.first + row} has no '{name[:80]}'")
        yield batch
