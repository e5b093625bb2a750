"""Which format a file has, by its name or as asked, and its opening."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from governance.errors import ConfigurationError
from governance.privacy.datasets.formats.batch import Asked, Reader
from governance.privacy.datasets.formats.delimited import CsvReader
from governance.privacy.datasets.formats.parquet import ParquetReader
from governance.privacy.datasets.formats.plain import JsonReader, TextReader

FORMATS = ("text", "jsonl", "csv", "parquet")
_SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
# These are no text, and reading them as one would find little and promise much.
_NOT_READ = frozenset({
    ".xlsx", ".xls", ".ods", ".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".pdf", ".docx", ".json", ".png", ".jpg",
    ".jpeg", ".feather", ".arrow", ".avro", ".orc", ".sav", ".dta", ".sas7bdat", ".pkl", ".npy", ".npz",
})  # fmt: skip


def format_of(path: Path, asked: str | None) -> str:
    """Return the format of a file: as asked, else by its suffix, else text.

    Raises:
        ConfigurationError: for a suffix of which it is known that it is none of them.
    """
    suffix = path.suffix.lower()
    if asked is None and suffix in _NOT_READ:
        raise ConfigurationError(
            f"{path} is called {suffix}, which is not read: write it as CSV, JSON lines, Parquet or text, "
            "or say --format if it is one of them"
        )
    return asked or _SUFFIXES.get(suffix, "text")


def open_reader(stream: BinaryIO, kind: str, asked: Asked) -> Reader:
    """Return the reader of an opened file.

    Raises:
        BadRequestError: if it is no such file.
        ConfigurationError: if a package or an encoding is missing.
    """
    if kind == "parquet":
        return ParquetReader(stream, asked)
    if kind == "jsonl":
        return JsonReader(stream, asked)
    # Read beside the stream's place, which no pipe can.
    start = os.pread(stream.fileno(), 4, 0) if stream.seekable() else b""
    return CsvReader(stream, asked, start) if kind == "csv" else TextReader(stream, asked, start)
