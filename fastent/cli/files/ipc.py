"""Arrow's own formats: the file, which Feather is too, and the stream."""

from __future__ import annotations

import io
import struct
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from typing import IO, Any

import pyarrow as pa

from fastent.cli.errors import DataError
from fastent.cli.files.base import EVERY, File, Settings, boundary, fields_of, in_slices, width_of
from fastent.cli.urls import open_for_arrow

_MAGIC = b"ARROW1\0\0"
_RECORD_BATCH = 3


class _ArrowReader(ABC):
    """What the file and the stream have in common."""

    kind = "Arrow"

    def __init__(self, file: File, settings: Settings) -> None:
        self._file = file
        self.rows: int | None = None
        self._largest = 0
        self._lengths: list[int] = []
        with boundary(file.path, self.kind):
            if file.size is not None:
                self._look()
            self.schema: pa.Schema = self._open(None).schema
        self._columns: Sequence[str] = self.schema.names

    def _look(self) -> None:
        """Count the rows, and find the largest batch, without reading any."""
        self.rows = 0
        for rows, body in batch_sizes(self._file.file):
            self.rows += rows
            self._lengths.append(rows)
            self._largest = max(self._largest, body)
        self._file.file.seek(0)

    @abstractmethod
    def _open(self, columns: Sequence[int] | None) -> Any:
        """Return PyArrow's reader, of some columns or of all."""

    def use(self, columns: Sequence[str], counts: Collection[str]) -> None:
        """Hear which columns will be read."""
        self._columns = columns

    def row_bytes(self) -> float:
        """Return the bytes of a row by its types, else by the size of the file."""
        widths = [width_of(field.type) for field in fields_of(self.schema, self._columns)]
        if None not in widths:
            return sum(width for width in widths if width)
        return (self._file.size or 1 << 16) / max(1, self.rows or 1)

    def largest(self) -> tuple[str, float]:
        """Return the largest record batch, of which two may be in memory."""
        return "a record batch", 2.0 * self._largest

    def stretches(self, rows: int) -> list[int]:
        """Return nothing: a stream is read from its beginning."""
        return []

    def batches(self, rows: int, stretches: slice = EVERY) -> Iterator[pa.RecordBatch]:
        """Yield batches."""
        places = [self.schema.get_field_index(name) for name in self._columns]
        for batch in self._batches(self._open(places), stretches):
            yield from in_slices(batch, rows)

    @abstractmethod
    def _batches(self, reader: Any, stretches: slice) -> Iterator[pa.RecordBatch]:
        """Yield the record batches of the file as they are."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Reader(_ArrowReader):
    """An Arrow file."""

    def _open(self, columns: Sequence[int] | None) -> Any:
        source = open_for_arrow(self._file.path)
        if source.read(4) == b"FEA1":
            raise DataError(
                f"{self._file.path}: is of the first version of Feather: write it with version 2"
            )
        options = pa.ipc.IpcReadOptions(included_fields=columns, use_threads=False)
        return pa.ipc.open_file(source, options=options)

    def stretches(self, rows: int) -> list[int]:
        """Return the rows of the record batches."""
        return self._lengths

    def _batches(self, reader: Any, stretches: slice) -> Iterator[pa.RecordBatch]:
        for place in range(reader.num_record_batches)[stretches]:
            yield reader.get_batch(place)


class StreamReader(_ArrowReader):
    """An Arrow stream, in a file or from standard input."""

    kind = "Arrow stream"

    def __init__(self, file: File, settings: Settings) -> None:
        self._reader: Any = None
        super().__init__(file, settings)

    def _open(self, columns: Sequence[int] | None) -> Any:
        if self._reader is None:
            # A stream can be opened once, and before its columns are known.
            options = pa.ipc.IpcReadOptions(use_threads=False)
            source = self._file.file if self._file.size is None else open_for_arrow(self._file.path)
            self._reader = pa.ipc.open_stream(source, options=options)
        return self._reader

    def _batches(self, reader: Any, stretches: slice) -> Iterator[pa.RecordBatch]:
        for batch in reader:
            yield batch.select(list(self._columns))


def batch_sizes(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Yield rows and bytes of the record batches of an Arrow file or stream.

    A message is a mark of four bytes, the length of its metadata, these, and a body. The metadata
    are a flatbuffer: ``Message {version, header_type, header, bodyLength}``, whose header is
    ``RecordBatch {length, ...}``.
    """
    if file.read(len(_MAGIC)) != _MAGIC:
        file.seek(0)
    while True:
        start = file.read(8)
        if len(start) < 8:
            return
        mark, length = struct.unpack("<Ii", start)
        if mark != 0xFFFFFFFF or length <= 0:
            return
        metadata = file.read(length)
        message = struct.unpack_from("<I", metadata)[0]
        body = _number(metadata, message, 3, "<q")
        if _number(metadata, message, 1, "<B") == _RECORD_BATCH:
            header = _place(metadata, message, 2)
            header += struct.unpack_from("<I", metadata, header)[0]
            yield _number(metadata, header, 0, "<q"), body
        file.seek(body, io.SEEK_CUR)


def _place(buffer: bytes, table: int, field: int) -> int:
    """Return where a field of a flatbuffer's table lies, 0 if it has its default."""
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    size = struct.unpack_from("<H", buffer, vtable)[0]
    entry = 4 + 2 * field
    offset = struct.unpack_from("<H", buffer, vtable + entry)[0] if entry < size else 0
    return table + offset if offset else 0


def _number(buffer: bytes, table: int, field: int, kind: str) -> int:
    """Return a number of a flatbuffer's table."""
    place = _place(buffer, table, field)
    return int(struct.unpack_from(kind, buffer, place)[0]) if place else 0


class Writer:
    """An Arrow file."""

    new = staticmethod(pa.ipc.new_file)

    def __init__(self, file: IO[bytes], schema: pa.Schema, results: Collection[str] = ()) -> None:
        self._writer = self.new(file, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch."""
        self._writer.write_batch(batch)

    def finish(self) -> None:
        """Write the end."""
        self._writer.close()

    def abandon(self) -> None:
        """Do nothing: a writer that is forgotten writes nothing."""


class StreamWriter(Writer):
    """An Arrow stream."""

    new = staticmethod(pa.ipc.new_stream)
