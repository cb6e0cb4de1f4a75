"""CSV: a line of names, then lines of numbers, read block by block."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from fastent.cli.errors import DataError, UseError
from fastent.cli.files.base import EVERY, File, Settings, boundary, in_slices

BLOCK_BYTES = 1 << 20
NULLS = ["", "NA", "N/A", "null", "NULL"]
"""What stands for a value that is missing. NaN is a number."""


class Reader:
    """A CSV file, or one from standard input."""

    def __init__(self, file: File, settings: Settings) -> None:
        self._file, self._settings = file, settings
        self._block = min(BLOCK_BYTES, max(settings.memory // 256, 1 << 12))
        self._types: dict[str, pa.DataType] = {}
        self._narrow = False
        with boundary(file.path, "CSV"):
            # The first block is read twice: once for names and types.
            self._first = _read_block(file.file, self._block)
            if not self._first:
                raise DataError(f"{file.path}: is empty")
            if file.size is not None:
                self._check_lines(file.size)
            self._blank = self._blank_lines()
            self._header = self._has_header()
            self._sample = self._sampled()
            if self._sample.num_columns == 1:
                # Where there is one column, its null is a line without anything.
                self._narrow = True
                self._sample = self._sampled()
        self.schema: pa.Schema = self._sample.schema
        self._columns: Sequence[str] = self.schema.names
        self.rows = self._about_rows()

    def _check_lines(self, size: int) -> None:
        """Raise if a line is longer than a block: if half of one, somewhere, has no line's end."""
        file, step = self._file.file, self._block // 2
        place = file.tell()
        for start in range(0, size - step, step):
            file.seek(start)
            seen = 0
            while seen < step:
                part = file.read(min(4096, step - seen))
                if not part or b"\n" in part:
                    break
                seen += len(part)
            else:
                raise self._too_long()
        file.seek(place)

    def _too_long(self) -> DataError:
        return DataError(
            f"{self._file.path}: has a line of more than {self._block // 2:,} bytes, which needs "
            f"more memory than there is: raise --memory, or write it as Parquet"
        )

    def _blank_lines(self) -> int:
        """Return how many lines at the beginning are blank."""
        blank = len(self._first) - len(self._first.lstrip(b"\r\n"))
        return self._first.count(b"\n", 0, blank)

    def _has_header(self) -> bool:
        """Return whether the first line has names: unless all of it are numbers."""
        if self._settings.header is not None:
            return self._settings.header
        line = self._first.lstrip(b"\r\n").split(b"\n", 1)[0].decode("utf-8", "replace")
        words = [word.strip().strip('"') for word in line.split(",")]
        counted = [[str(first + place) for place in range(len(words))] for first in (0, 1)]
        if words in counted and words != ["1"]:  # classes from 0 on, or from 1 on
            raise UseError(
                f"{self._file.path}: its first line, {line.strip()[:40]}, may be names or numbers: "
                f"say --header or --no-header"
            )
        return not all(_is_number(word) for word in words)

    def _sampled(self) -> pa.Table:
        """Return the whole lines of the first block."""
        whole = self._first
        if len(whole) == self._block and b"\n" in whole:
            whole = whole[: whole.rindex(b"\n") + 1]
        options = self._options(None)
        return csv.read_csv(io.BytesIO(whole), **options)

    def _options(self, columns: Sequence[str] | None) -> dict[str, Any]:
        convert = csv.ConvertOptions(
            null_values=NULLS, include_columns=columns, column_types=self._types
        )
        read = csv.ReadOptions(
            use_threads=False,
            block_size=self._block,
            autogenerate_column_names=not self._header,
            skip_rows=self._blank if self._header else 0,
        )
        parse = csv.ParseOptions(ignore_empty_lines=not self._narrow)
        return {"read_options": read, "convert_options": convert, "parse_options": parse}

    def use(self, columns: Sequence[str], counts: Collection[str]) -> None:
        """Hear which columns will be read; choose their types from what the first block shows.

        A block of probabilities may hold 0 and 1 alone, so these do not make integers, except of
        class indices.
        """
        self._columns = columns
        self._types = {name: self.schema.field(name).type for name in columns}
        for name in columns:
            values = self._sample.column(name)
            if name in counts or not pa.types.is_integer(values.type):
                continue
            if len(values) == values.null_count or pc.max(values).as_py() <= 1:
                self._types[name] = pa.float64()
        self.schema = pa.schema(
            [pa.field(f.name, self._types.get(f.name, f.type)) for f in self.schema]
        )

    def keep_text(self, columns: Sequence[str]) -> None:
        """Read columns as the text that they are: what is kept beside the results."""
        self._types |= {name: pa.string() for name in columns}
        self.schema = pa.schema(
            [pa.field(f.name, self._types.get(f.name, f.type)) for f in self.schema]
        )

    def _about_rows(self) -> int | None:
        size = self._file.size
        if size is None:
            return None
        if len(self._first) >= size:
            return int(self._sample.num_rows)
        return int(max(1, self._sample.num_rows) * size // max(1, len(self._first)))

    def row_bytes(self) -> float:
        """Return the bytes of a row of the first block."""
        kept = self._sample.select(list(self._columns))
        return float(max(8 * len(self._columns), kept.nbytes / max(1, kept.num_rows)))

    def largest(self) -> tuple[str, float]:
        """Return what a block takes, and those that are read ahead."""
        return "a block of lines", 8.0 * self._block

    def stretches(self, rows: int) -> list[int]:
        """Return nothing: where a line begins is known to who has read all before."""
        return []

    def batches(self, rows: int, stretches: slice = EVERY) -> Iterator[pa.RecordBatch]:
        """Yield batches."""
        source = _Rest(self._first, self._file.file)
        self._first = b""
        try:
            for batch in csv.open_csv(source, **self._options(list(self._columns))):
                yield from in_slices(batch, rows)
        except pa.ArrowInvalid as error:
            if "straddling" in str(error):
                raise self._too_long() from error
            raise DataError(f"{self._file.path}: {_explain(str(error))}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _read_block(file: IO[bytes], size: int) -> bytes:
    """Return the first bytes of a file; a pipe gives them in parts."""
    parts, missing = [], size
    while missing and (part := file.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


class _Rest(io.RawIOBase):
    """A file from its beginning, of which some was read already."""

    def __init__(self, first: bytes, file: IO[bytes]) -> None:
        self._first, self._file = first, file

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes."""
        if self._first:
            part, self._first = self._first[:size], self._first[size:]
            return part
        return self._file.read(size)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _explain(message: str) -> str:
    """Return what a line of PyArrow says, with what to do."""
    line = message.splitlines()[0].removeprefix("CSV parse error: ")
    if "conversion error" in line:
        return f"{line}: such a column has to hold numbers of one kind from its first line on"
    return f"not a readable CSV file ({line})"


class Writer:
    """A CSV file with a line of names."""

    def __init__(self, file: IO[bytes], schema: pa.Schema, results: Collection[str] = ()) -> None:
        for field in schema:
            if pa.types.is_nested(field.type):
                raise UseError(
                    f"column '{field.name}' is {field.type}, which CSV has no place for: "
                    f"say --format parquet or arrow"
                )
        self._file, self._writer = file, csv.CSVWriter(file, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Append lines. Where there is one column a null is "": most readers drop blank lines."""
        if batch.num_columns == 1 and batch.column(0).null_count:
            words = batch.column(0).cast(pa.string()).fill_null('""')
            lines = pa.ListArray.from_arrays([0, len(words)], words)
            self._file.write(pc.binary_join(lines, "\n")[0].as_buffer())
            self._file.write(b"\n")
        else:
            self._writer.write_batch(batch)

    def finish(self) -> None:
        """Write what waits."""
        self._writer.close()

    def abandon(self) -> None:
        """Do nothing: a writer that is forgotten writes nothing."""
