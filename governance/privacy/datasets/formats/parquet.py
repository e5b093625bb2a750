"""Parquet, by pyarrow: read batch by batch and written with the same types, but without the old file's metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from governance.errors import BadRequestError, ConfigurationError
from governance.privacy.datasets.formats.batch import BATCH_ROWS, Advance, Format, ReadOptions

MAX_FOOTER_STRING, MAX_FOOTER_ITEMS = 16 * 2**20, 1_000_000
# Of one column in one row group, unpacked.
MAX_COLUMN_BYTES = 2**31


def arrow() -> Any:
    """Return the module pyarrow, imported when the first Parquet file is opened.

    Raises:
        ConfigurationError: If it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigurationError("Parquet needs a package: pip install 'bento-governance[datasets]'") from None
    return pyarrow


@contextmanager
def _readable() -> Iterator[None]:
    """Turn pyarrow's errors into BadRequestError, without their text, which may quote the file."""
    try:
        yield
    except (arrow().ArrowException, OSError, OverflowError, ValueError) as error:
        kind = type(error).__name__
        raise BadRequestError(f"it cannot be read as Parquet ({kind}): damaged, cut short, or another format") from None


@dataclass(frozen=True, slots=True)
class ParquetBatch:
    """Rows of typed columns; see `RowBatch`.

    Attributes:
        first: Number of the first row.
        table: The pyarrow record batch.
    """

    first: int
    table: Any

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows)

    @property
    def names(self) -> Sequence[str]:
        """Names of the columns."""
        return tuple(self.table.schema.names)

    def values(self, name: str) -> list[Any]:
        """Return a column as Python values.

        Equal texts of a dictionary column are one object: a small file that repeats a long text does not fill the
        memory.

        Raises:
            BadRequestError: If the column is damaged.
        """
        column = self.table.column(name)
        pa = arrow()
        if pa.types.is_dictionary(column.type):
            with _readable():
                values, places = column.dictionary.to_pylist(), column.indices.to_pylist()
                return [None if place is None else values[place] for place in places]
        with _readable():
            return list(column.to_pylist())


class ParquetReader:
    """Reads a Parquet file; see `TableReader`.

    Raises:
        BadRequestError: If it is not Parquet, has two columns of one name, or unpacks to more than `MAX_COLUMN_BYTES`
            in one column of one row group.
        ConfigurationError: If pyarrow is not installed.
    """

    format: Format = "parquet"
    is_typed = True
    notes: Sequence[str] = ()

    def __init__(self, stream: BinaryIO, options: ReadOptions, advance: Advance) -> None:
        pa = arrow()
        if not stream.seekable():
            raise BadRequestError("Parquet is read from its end: name a file, not a pipe")
        limits = {
            "thrift_string_size_limit": MAX_FOOTER_STRING,
            "thrift_container_size_limit": MAX_FOOTER_ITEMS,
            "memory_map": False,
        }
        with _readable():
            file = pa.parquet.ParquetFile(stream, **limits)
            self._schema = file.schema_arrow
            texts = [item.name for item in self._schema if _is_text(item.type)]
            # Texts are read as dictionaries, so that a small file that repeats a long text does not fill the memory.
            self._file = pa.parquet.ParquetFile(stream, read_dictionary=texts, metadata=file.metadata, **limits)
        self.names: tuple[str, ...] = tuple(self._schema.names)
        self.total, self._advance = int(file.metadata.num_rows), advance
        if len(set(self.names)) != len(self.names):
            raise BadRequestError("two columns have the same name: rename one")
        self._refuse_bombs(file.metadata)

    def _refuse_bombs(self, metadata: Any) -> None:
        for group in range(metadata.num_row_groups):
            described = metadata.row_group(group)
            for place in range(described.num_columns):
                if described.column(place).total_uncompressed_size > MAX_COLUMN_BYTES:
                    raise BadRequestError(
                        f"row group {group + 1} unpacks to more than {MAX_COLUMN_BYTES} bytes in column {place + 1}: "
                        "write it in smaller row groups"
                    )

    def types(self) -> dict[str, Any]:
        """Return the pyarrow type of each column; for dictionary columns, the type of their values."""
        return {item.name: _value_type(item.type) for item in self._schema}

    def batches(self, only: Sequence[str] | None = None) -> Iterator[ParquetBatch]:
        """Yield all rows.

        Raises:
            BadRequestError: If the file is damaged.
        """
        first = 1
        with _readable():
            source = self._file.iter_batches(BATCH_ROWS, columns=None if only is None else list(only))
        while True:
            with _readable():
                table = next(source, None)
            if table is None:
                return
            yield ParquetBatch(first, table)
            first += table.num_rows
            self._advance(table.num_rows)

    def writer(self, target: BinaryIO, dropped: Sequence[str], as_text: Sequence[str]) -> ParquetWriter:
        """Return a writer of the same types; columns of `as_text` become strings."""
        pa = arrow()
        fields = [
            pa.field(item.name, pa.string() if item.name in as_text else _value_type(item.type), item.nullable)
            for item in self._schema
            if item.name not in dropped
        ]
        return ParquetWriter(target, pa.schema(fields))

    def again(self, options: ReadOptions) -> ReadOptions:
        """Return options for Parquet."""
        return replace(options, format=self.format)


class ParquetWriter:
    """Writes batches, several of them as one row group; see `TableWriter`."""

    def __init__(self, target: BinaryIO, schema: Any) -> None:
        self._schema = schema
        self._writer = arrow().parquet.ParquetWriter(target, schema, compression="zstd")
        self._held: list[Any] = []

    def write(
        self, batch: ParquetBatch, changed: Mapping[str, Sequence[Any]], rows: Sequence[int] | None = None
    ) -> None:
        """Write the rows of a batch.

        Raises:
            BadRequestError: If a changed value does not fit the column's type.
        """
        pa = arrow()
        arrays = []
        for field in self._schema:
            try:
                if field.name in changed:
                    array = pa.array(list(changed[field.name]), field.type)
                else:
                    array = batch.table.column(field.name)
                    array = array if array.type == field.type else array.cast(field.type)
            except (pa.ArrowException, TypeError, OverflowError):
                raise BadRequestError(
                    f"column '{field.name[:80]}', rows {batch.first} to {batch.first + batch.rows - 1}: "
                    f"a changed value does not fit its type, {field.type}"
                ) from None
            arrays.append(array if rows is None else array.take(pa.array(rows, pa.int64())))
        self._held.append(pa.record_batch(arrays, schema=self._schema))
        if len(self._held) >= 16:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            self._writer.write_table(arrow().Table.from_batches(self._held, self._schema))
            self._held = []

    def close(self) -> None:
        """Write the last rows and the footer."""
        self._flush()
        self._writer.close()


def _value_type(kind: Any) -> Any:
    return kind.value_type if arrow().types.is_dictionary(kind) else kind


def _is_text(kind: Any) -> bool:
    types = arrow().types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind))
