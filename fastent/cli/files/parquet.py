"""Parquet: read batch by batch, whatever the size of its row groups."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from fastent.cli.files.base import EVERY, File, Settings, boundary, width_of
from fastent.cli.urls import open_for_arrow

READ_BYTES = 1 << 20
RUN_BATCHES = 8
"""Row groups are read together until they make about so many batches."""
_VALUE_BYTES = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}
_LISTS = (
    pa.ListArray,
    pa.LargeListArray,
    pa.ListViewArray,
    pa.LargeListViewArray,
    pa.FixedSizeListArray,
)
_TEXTS = (pa.StringArray, pa.LargeStringArray, pa.BinaryArray, pa.LargeBinaryArray)


class Reader:
    """A Parquet file."""

    def __init__(self, file: File, settings: Settings) -> None:
        self._file, self._memory = file, settings.memory
        with boundary(file.path, "Parquet"):
            self._source = open_for_arrow(file.path)
            self._parquet = pq.ParquetFile(self._source)
            self.schema: pa.Schema = self._parquet.schema_arrow
            self.rows: int | None = self._parquet.metadata.num_rows
        self._columns: Sequence[str] = self.schema.names

    def use(self, columns: Sequence[str], counts: Collection[str]) -> None:
        """Hear which columns will be read."""
        self._columns = columns

    def row_bytes(self) -> float:
        """Return the bytes of a row in the row group where it has most."""
        metadata, most = self._parquet.metadata, 0.0
        for group, chunks in self._chunks():
            rows = max(1, metadata.row_group(group).num_rows)
            most = max(most, sum(map(_decoded_bytes, chunks)) / rows)
        return most

    def largest(self) -> tuple[str, float]:
        """Return the row group with the largest pages, of which one a column is in memory."""
        name, most = "row group 0", 0.0
        for group, chunks in self._chunks():
            pages = sum(self._page_bytes(chunk) for chunk in chunks)
            if pages > most:
                name, most = f"row group {group}", pages
        return name, most

    def _runs(self, rows: int) -> list[tuple[list[int], int]]:
        """Return row groups that are read together, as small ones are, and their rows."""
        metadata = self._parquet.metadata
        runs: list[tuple[list[int], int]] = []
        for group in range(metadata.num_row_groups):
            count = metadata.row_group(group).num_rows
            if runs and runs[-1][1] < RUN_BATCHES * rows:
                groups, before = runs[-1]
                groups.append(group)
                runs[-1] = (groups, before + count)
            else:
                runs.append(([group], count))
        return runs

    def stretches(self, rows: int) -> list[int]:
        """Return the rows of row groups, small ones together."""
        return [count for _, count in self._runs(rows)]

    def batches(self, rows: int, stretches: slice = EVERY) -> Iterator[pa.RecordBatch]:
        """Yield batches."""
        columns = list(self._columns)
        # PyArrow reads ahead whole row groups unless told not to. Each column has a buffer.
        share = self._memory // (16 * max(1, len(columns)))
        size = max(1 << 14, min(READ_BYTES, share))
        whole = pq.ParquetFile(
            self._source, metadata=self._parquet.metadata, pre_buffer=False, buffer_size=size
        )
        for groups, _ in self._runs(rows)[stretches]:
            yield from whole.iter_batches(rows, groups, columns, use_threads=False)

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        self._file.close()

    def _chunks(self) -> Iterator[tuple[int, list[pq.ColumnChunkMetaData]]]:
        """Yield for each row group its parts of the columns that are read."""
        metadata, wanted = self._parquet.metadata, set(self._columns)
        for group in range(metadata.num_row_groups):
            row_group = metadata.row_group(group)
            chunks = [row_group.column(place) for place in range(row_group.num_columns)]
            yield group, [c for c in chunks if c.path_in_schema.split(".")[0] in wanted]

    def _page_bytes(self, chunk: pq.ColumnChunkMetaData) -> float:
        """Return the bytes of a page, compressed and not: of the first, which stands for others.

        Its header begins, in Thrift's compact form, with three numbers: type and both sizes.
        """
        total = 0.0
        for offset in (chunk.dictionary_page_offset, chunk.data_page_offset):
            if offset:
                place = self._file.file.tell()
                self._file.file.seek(offset)
                header = self._file.file.read(32)
                self._file.file.seek(place)
                numbers = _first_numbers(header)
                total += sum(numbers[1:3])
        return min(total, 2.0 * float(chunk.total_uncompressed_size))


def _decoded_bytes(chunk: pq.ColumnChunkMetaData) -> float:
    """Return the bytes of a column's values when they are decoded."""
    values = chunk.num_values * _VALUE_BYTES.get(chunk.physical_type, 0)
    return float(max(values, chunk.total_uncompressed_size))


def _first_numbers(header: bytes) -> list[int]:
    """Return the 32-bit numbers that a compact Thrift structure begins with."""
    numbers: list[int] = []
    place = 0
    while len(numbers) < 3 and place < len(header) and header[place] == 0x15:
        place, value, shift = place + 1, 0, 0
        while place < len(header):
            byte = header[place]
            value, shift, place = value | (byte & 0x7F) << shift, shift + 7, place + 1
            if byte < 0x80:
                break
        numbers.append((value >> 1) ^ -(value & 1))
    return numbers


class Writer:
    """A Parquet file, with check sums, in row groups of about the same size.

    Hardly two results are the same number: to look for those takes twice the time of writing.
    """

    def __init__(self, file: IO[bytes], schema: pa.Schema, results: Collection[str] = ()) -> None:
        self._writer = pq.ParquetWriter(
            file, schema, write_page_checksum=True, use_dictionary=_others(schema, results)
        )
        self._waiting: list[pa.RecordBatch] = []
        self._rows, self._bytes = 0, 0.0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows; small batches wait until there are enough for a row group."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        self._bytes += sum(map(_value_bytes, batch.columns))
        if self._rows >= ROW_GROUP_ROWS or self._bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting)
            self._waiting, self._rows, self._bytes = [], 0, 0.0
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def finish(self) -> None:
        """Write what waits, and the footer."""
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Keep the writer from ending the file when it is forgotten."""
        self._writer.is_open = False


def _others(schema: pa.Schema, results: Collection[str]) -> list[str]:
    """Return the paths of all columns but those of results."""
    empty = pa.BufferOutputStream()
    pq.ParquetWriter(empty, schema).close()
    columns = pq.ParquetFile(empty.getvalue()).schema
    paths = [columns.column(place).path for place in range(len(columns.names))]
    return [path for path in paths if not any(f"{path}.".startswith(f"{n}.") for n in results)]


ROW_GROUP_ROWS = 1 << 18
ROW_GROUP_BYTES = 16 << 20
"""Where a row group ends, so that it is written while more is read, not at the end of the file."""


def _value_bytes(values: pa.Array) -> float:
    """Return the bytes of the values, however their buffers came to be: where row groups end."""
    type, count = values.type, len(values)
    width = width_of(type)
    if width is not None:
        return count * width
    if isinstance(type, pa.BaseExtensionType):
        return _value_bytes(values.storage)
    if pa.types.is_struct(type):
        return sum(_value_bytes(values.field(place)) for place in range(type.num_fields))
    if pa.types.is_map(type):
        values = values.cast(pa.list_(pa.struct([type.key_field, type.item_field])))
    elif pa.types.is_string_view(type) or pa.types.is_binary_view(type):
        values = values.cast(pa.large_binary())
    if isinstance(values, _LISTS):
        return 4 * count + _value_bytes(values.flatten())
    if isinstance(values, _TEXTS):
        import pyarrow.compute as pc  # 8 MiB that most files do without

        return 4 * count + float(pc.sum(pc.binary_length(values)).as_py() or 0)
    return float(4 * count + values.nbytes)
