"""Tables as blocks of rows: Parquet, Arrow IPC and CSV, through the layouts of `fastent.arrow`."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fastent._arrays import Array
from fastent.arrow._columns import choose_columns
from fastent.arrow._layouts import Layout, is_list, is_number, layout_of_column, storage_of
from fastent.arrow._measures import find_measure
from fastent.arrow._readers import NullEntryError, Ragged
from fastent.report._sources import BLOCK_BYTES, NO_LABEL

BATCH_ROWS = 16_384


class TableSource:
    """A file of columns."""

    def __init__(
        self, path: Path, kind: str, columns: str | None, labels: str | None, logits: bool
    ) -> None:
        self.path, self._kind = path, kind
        self._wanted, self._labels, self._logits = columns, labels, logits
        self._schema = pa.schema([])
        with closing(self._open(None)) as batches:
            first = next(batches, None)
        if first is not None:
            self._schema = first.schema
        try:
            _ = self._schema.names
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: the names of its columns are not UTF-8") from error
        self._widths = {} if first is None else _widths(first)

    def __contains__(self, name: str | None) -> bool:
        return name in self._schema.names

    def _open(self, names: Sequence[str] | None) -> Generator[pa.RecordBatch, None, None]:
        """Yield the file batch by batch, one without rows at the end; errors name the file."""
        try:
            yield from self._batches(names)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.filename:
                raise
            raise ValueError(f"{self.path}: {str(error).splitlines()[0]}") from error

    def _batches(self, names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """Yield the batches as the readers of each kind give them."""
        if self._kind == "parquet":
            import pyarrow.parquet as pq

            # settings under which the reader hoards nothing
            with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=1 << 20) as file:
                columns = None if names is None else list(names)
                yield from file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False)
                yield pa.RecordBatch.from_pylist([], file.schema_arrow)
        elif self._kind == "csv":
            from pyarrow import csv

            wanted = csv.ConvertOptions(include_columns=None if names is None else list(names))
            blocks = csv.ReadOptions(block_size=BLOCK_BYTES // 2)
            # where there is one column, its null is a line without anything
            lines = csv.ParseOptions(ignore_empty_lines=len(self._schema) != 1)
            with csv.open_csv(self.path, blocks, lines, wanted) as reader:
                yield from reader
                yield pa.RecordBatch.from_pylist([], reader.schema)
        else:
            with pa.memory_map(str(self.path)) as data:
                try:
                    file = pa.ipc.open_file(data)
                    batches: Any = (file.get_batch(i) for i in range(file.num_record_batches))
                except pa.ArrowInvalid:
                    data.seek(0)
                    file = batches = pa.ipc.open_stream(data)
                yield from batches
                yield pa.RecordBatch.from_pylist([], file.schema)

    def rows(self) -> Iterator[Array]:
        """Yield blocks of the rows, NaN where one is null."""
        operands = [self._wanted]
        if self._labels in self:
            operands = [self._labels, self._wanted]
            name = "softmax_cross_entropy" if self._logits else "log_loss"
        else:
            name = "softmax_entropy" if self._logits else "entropy"
        try:
            layout = choose_columns(self._schema, find_measure(name), operands, {})[-1]
        except (ValueError, TypeError) as error:
            raise type(error)(f"{self.path}: {error}") from None
        yield from self._blocks(layout)

    def labels(self) -> Iterator[Array]:
        """Yield blocks of class indices, NO_LABEL where one is null."""
        name = self._labels if self._labels in self else None
        if name is None:
            whole = [field.name for field in self._schema if _is_index(field.type)]
            if len(whole) != 1:
                raise ValueError(
                    f"{self.path}: labels are one column of integers, and "
                    f"{', '.join(whole) or 'none'} could be meant"
                )
            name = whole[0]
        field = self._schema.field(name)
        if not _is_index(field.type):
            raise TypeError(f"{self.path}: column {name!r} is {field.type}: labels are integers")
        for block in self._blocks(layout_of_column("labels", field)):
            yield np.where(np.isnan(block), NO_LABEL, block).astype(np.int64)

    def names(self) -> list[str]:
        """Return the columns of numbers, and the entries of lists."""
        found = []
        for field in self._schema:
            if len(self._schema.get_all_field_indices(field.name)) > 1:
                raise ValueError(f"{self.path}: several columns are called {field.name!r}")
            if is_number(field.type):
                found.append(field.name)
            found += [f"{field.name}[{i}]" for i in range(self._widths.get(field.name, 0))]
        return found

    def numbers(self, names: Sequence[str]) -> Iterator[Array]:
        """Yield blocks of these columns."""
        whole = list(dict.fromkeys(n if n in self else n.rpartition("[")[0] for n in names))
        layouts = [layout_of_column("column", self._schema.field(name)) for name in whole]
        place = {name: i for i, name in enumerate(names)}
        for batch in self._open(whole):
            out = np.full((batch.num_rows, len(names)), np.nan)
            for name, layout in zip(whole, layouts, strict=True):
                for start, block in self._of_batch(layout, batch):
                    part = out[start : start + len(block)]
                    if block.ndim == 1:
                        part[:, place[name]] = block
                        continue
                    for i in range(block.shape[1]):
                        if f"{name}[{i}]" in place:
                            part[:, place[f"{name}[{i}]"]] = block[:, i]
            yield out

    def _blocks(self, layout: Layout) -> Iterator[Array]:
        done = 0
        for batch in self._open(layout.columns):
            for _, block in self._of_batch(layout, batch, done):
                yield block
            done += batch.num_rows

    def _of_batch(
        self, layout: Layout, batch: pa.RecordBatch, done: int = 0
    ) -> Iterator[tuple[int, Array]]:
        """Yield the rows of a batch where they begin, NaN where they are null."""
        arrays = layout.fetch(batch)
        mask = layout.present(arrays)
        step = int(max(1, BLOCK_BYTES // max(1.0, layout.row_bytes(arrays))))
        reader = layout.reader(arrays, "null", step)
        for start in range(0, batch.num_rows, step):
            stop = min(start + step, batch.num_rows)
            kept = None if mask is None else mask[start:stop]
            places = None if kept is None or kept.all() else np.flatnonzero(kept)
            try:
                part = reader.rows(start, stop, places)
            except NullEntryError as null:
                row = done + start + (null.row if places is None else int(places[null.row]))
                raise ValueError(f"{self.path}: {null.what}, row {row}, is null") from None
            if isinstance(part, Ragged):
                part = self._equal(layout, part, done + start)
            if part.ndim > 2:
                part = part.reshape(len(part), -1)
            if places is not None:
                whole = np.full((stop - start, *part.shape[1:]), np.nan)
                whole[places] = part
                part = whole
            yield start, part

    def _equal(self, layout: Layout, part: Ragged, row: int) -> Array:
        """Return lists of one length as a 2-D array."""
        width = self._widths.get(layout.columns[0], 0)
        lengths = np.diff(part.offsets)
        if (lengths != width).any():
            bad = int(np.argmax(lengths != width))
            raise ValueError(
                f"{self.path}: {layout.title}, about row {row + bad}: a list of {lengths[bad]} "
                f"where others have {width}: a report is about rows of one length"
            )
        return part.values.reshape(-1, width)


def _widths(batch: pa.RecordBatch) -> dict[str, int]:
    """Return how long the lists of numbers of each column are; the first there is tells."""
    widths = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        type = storage_of(field.type)
        if not is_list(type) and not pa.types.is_fixed_size_list(type):
            continue
        if not is_number(type.value_type):
            continue
        if pa.types.is_fixed_size_list(type):
            widths[field.name] = type.list_size
            continue
        lengths = pc.list_value_length(column).drop_null()
        widths[field.name] = lengths[0].as_py() if len(lengths) else 0
    return widths


def _is_index(type: pa.DataType) -> bool:
    return bool(is_number(type) and not pa.types.is_floating(storage_of(type)))
