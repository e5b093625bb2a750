"""Opening a file: its format is chosen by name or option, and errors say which file they are about."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import BinaryIO, cast, get_args

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.datasets.formats.batch import Advance, Format, ReadOptions, TableReader
from governance.privacy.datasets.formats.delimited import CsvReader
from governance.privacy.datasets.formats.json_lines import JsonReader
from governance.privacy.datasets.formats.parquet import ParquetReader
from governance.privacy.datasets.formats.text import TextReader

# Is called with the name of a stage, how much of the file was read in it, and how much there is (0 if unknown).
StageProgress = Callable[[str, int, int], None]

FORMATS: tuple[Format, ...] = get_args(Format)
STANDARD_INPUT = Path("-")
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
# Binary and other formats: read as text, they would seem to hold little personal data.
_NOT_READ = frozenset({
    ".xlsx", ".xls", ".ods", ".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".pdf", ".docx", ".json", ".png", ".jpg",
    ".jpeg", ".feather", ".arrow", ".avro", ".orc", ".sav", ".dta", ".sas7bdat", ".pkl", ".npy", ".npz",
})  # fmt: skip


def format_of(path: Path) -> Format:
    """Return the format of a file by its suffix; text if the suffix is unknown.

    Raises:
        ConfigurationError: If the suffix belongs to a format that cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in _NOT_READ:
        raise ConfigurationError(
            f"{path}: files with the suffix {suffix} cannot be read: write it as CSV, JSON lines, Parquet or text, or "
            "name its format with --format if it is one of them"
        )
    return _SUFFIXES.get(suffix, "text")


def open_binary(path: Path) -> BinaryIO:
    """Open a file to read, or standard input for `-`, unbuffered, so that lines of a pipe are read as they come.

    Raises:
        ConfigurationError: If it cannot be opened.
    """
    try:
        opened = FileIO(0, closefd=False) if path == STANDARD_INPUT else FileIO(path)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    return cast(BinaryIO, opened)


def open_reader(stream: BinaryIO, options: ReadOptions, advance: Advance) -> TableReader:
    """Return the reader of an opened file.

    Args:
        stream: The unbuffered file, at its beginning.
        options: How it is read; without a format, it is text.
        advance: Is called with the number of bytes (Parquet: rows) that were just read.

    Raises:
        BadRequestError: If it is not such a file.
        ConfigurationError: If a package or an encoding is missing.
    """
    if options.format == "parquet":
        return ParquetReader(stream, options, advance)
    if options.format == "jsonl":
        return JsonReader(stream, options, advance)
    # A pipe cannot be read ahead: there a byte order mark is not seen.
    start = os.pread(stream.fileno(), 4, 0) if stream.seekable() else b""
    reader = CsvReader if options.format == "csv" else TextReader
    return reader(stream, options, advance, start)


def ignore_progress(stage: str, done: int, total: int) -> None:
    """Do nothing: the default where a function takes a `StageProgress`."""


@contextmanager
def open_table(
    path: Path, options: ReadOptions, stage: str = "Reading", progress: StageProgress = ignore_progress
) -> Iterator[TableReader]:
    """Open a file, or standard input for `-`; errors while it is open say which file they are about.

    Args:
        path: The file.
        options: How it is read.
        stage: What the file is read for, for the progress: `Scanning`.
        progress: Is called with 0 when the file is open, and after each block (Parquet: batch of rows).

    Raises:
        BadRequestError: If it cannot be read as this format.
        ConfigurationError: If it cannot be opened, or its suffix belongs to a format that cannot be read.
    """
    options = replace(options, format=options.format or format_of(path))
    done, total = 0, -1

    def advance(amount: int) -> None:
        nonlocal done
        done += amount
        # The reader of CSV reads the first lines before the total is known.
        if total >= 0:
            progress(stage, done, total)

    with open_binary(path) as stream:
        try:
            reader = open_reader(stream, options, advance)
            total = reader.total
            progress(stage, 0, total)
            advance(0)
            yield reader
        except IsADirectoryError:
            raise ConfigurationError(f"cannot read {path}: it is a folder") from None
        except BadRequestError as error:
            raise type(error)(f"{path}: {error}") from None
