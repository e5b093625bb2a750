"""Digits as a CSV file: a label and 784 pixels in each line, with or without a line of names."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.config import CLASSES, TrainingError
from training.data.digits import SIDE, BadDataError, LabelledImages, Part, some

COLUMNS = 1 + SIDE * SIDE
# A longer line is not a row of pixels.
MAX_LINE_CHARACTERS = 64 * 1024


def read_table(file: Path) -> Part:
    """Read a CSV file whose first column is the label, and whose others are the pixels row by row, 0 to 255.

    Args:
        file: encoded in UTF-8.

    Raises:
        BadDataError: if a cell is missing, not a number (NaN) or out of range, or a line has another number of cells.
            All such lines are counted, and the first are named with the reason.
        TrainingError: if the file cannot be read as text.
    """
    rows: list[NDArray[np.uint8]] = []
    lines: list[int] = []
    refused: dict[str, list[str]] = {}
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            for line, text in enumerate(iter(lambda: stream.readline(MAX_LINE_CHARACTERS), ""), 1):
                cells = next(csv.reader([text]), [])
                if not any(map(str.strip, cells)) or (line == 1 and _is_header(cells)):
                    continue
                row = _read(cells)
                if isinstance(row, str):
                    refused.setdefault(row, []).append(f"line {line}")
                else:
                    rows.append(row)
                    lines.append(line)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainingError(f"cannot read {file} as CSV in UTF-8: {error}") from None
    if refused:
        total = len(rows) + sum(map(len, refused.values()))
        problems = [f"{len(place):,} of {total:,} lines {why} ({some(place)})" for why, place in refused.items()]
        raise BadDataError(str(file), problems)
    table = np.stack(rows) if rows else np.zeros((0, COLUMNS), np.uint8)
    content = LabelledImages(table[:, 1:].reshape(-1, SIDE, SIDE), table[:, 0].astype(np.int64))
    return Part("", content, lambda index: f"line {lines[index]}")


def _is_header(cells: list[str]) -> bool:
    """Return whether no cell of a line is a number."""
    return not any(cell.strip().lstrip("+-").replace(".", "", 1).isdigit() for cell in cells)


def _read(cells: list[str]) -> NDArray[np.uint8] | str:
    """Return label and pixels, uint8 [785], or what is wrong and what to do, as the end of a sentence."""
    if len(cells) != COLUMNS:
        return f"have {len(cells)} cells and need {COLUMNS}, a label and {SIDE * SIDE} pixels: complete or remove them"
    if any(not cell.strip() for cell in cells):
        return "have empty cells: fill or remove them"
    try:
        values = np.array(cells, np.float64)
    except ValueError:
        return "have cells that are not numbers: correct or remove them"
    problem = _range_problem(values)
    return values.astype(np.uint8) if problem is None else problem


def _range_problem(values: NDArray[np.float64]) -> str | None:
    """Return why numbers are no label and pixels, and what to do, or None."""
    if not np.isfinite(values).all():
        return "have NaN or infinite cells: fill or remove them"
    if values[0] not in range(len(CLASSES)):
        return f"have a label that is not one of {CLASSES[0]} to {CLASSES[-1]}: correct or remove them"
    if (values[1:] != np.round(values[1:])).any():
        return "have fractions as pixels: multiply pixels from 0 to 1 by 255, and round"
    if values.min() < 0 or values.max() > 255:
        return "have pixels outside of 0 to 255: scale them"
    return None
