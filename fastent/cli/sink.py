"""Where the results of a table go: to a file, written by a thread of its own, and to a summary."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from fastent.arrow._bits import numbers
from fastent.cli.errors import DataError
from fastent.cli.files import Format
from fastent.cli.inputs import STREAM
from fastent.cli.measures import Measure
from fastent.cli.output import Output
from fastent.cli.pipeline import WriteBehind
from fastent.cli.summary import Block


class Sink:
    """The output file of a job, written by a thread of its own."""

    def __init__(
        self, path: Path, format: Format, schema: pa.Schema, results: Collection[str]
    ) -> None:
        self._path, self._format, self._schema, self._results = path, format, schema, results
        self._output = Output(path) if path != STREAM else None
        self._writer: Any = None
        self._behind: WriteBehind[pa.RecordBatch] | None = None

    def __enter__(self) -> Sink:
        """Make the file."""
        if self._output is not None:
            self._output.__enter__()
        try:
            with self._named():
                self._file = self._open()
                self._writer = self._format.create(self._file, self._schema, self._results)
                self._behind = WriteBehind(self._writer.write)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def _open(self) -> IO[bytes]:
        if self._output is not None:
            return self._output.file
        return open(1, "wb", closefd=False)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Name the output in errors of the system."""
        try:
            yield
        except OSError as error:
            raise DataError(f"{self._path}: {error.strerror or error}") from error

    def put(self, batch: pa.RecordBatch) -> None:
        """Hand over results."""
        if self._behind is not None and batch.num_rows:
            with self._named():
                self._behind.put(batch)

    def finish(self) -> None:
        """Write what is left."""
        with self._named():
            if self._behind is not None:
                self._behind.finish()
            self._writer.finish()
            self._file.flush()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        """Put the file in its place, or drop it."""
        if kind is not None:
            if self._behind is not None:
                self._behind.stop()
            if self._writer is not None:
                with contextlib.suppress(Exception):
                    self._writer.abandon()
        if self._output is not None:
            with self._named():
                self._output.__exit__(kind, error, trace)


def summarised(measure: Measure, results: pa.RecordBatch) -> Block:
    """Return what the summary tells of, and how many rows are null."""
    first = results.column(0)
    if first.null_count:
        results = results.filter(first.is_valid())
    return Block(_told(measure, results), first.null_count)


def _told(measure: Measure, results: pa.RecordBatch) -> Any:
    """Return what the summary tells of rows none of which is null."""
    if measure.fields:
        return {n: _numbers(c) for n, c in zip(results.schema.names, results.columns, strict=True)}
    column = results.column(0)
    if measure.spreads and pa.types.is_list(column.type):
        lengths = np.diff(numbers(column.offsets))
        values = numbers(column.flatten())
        starts = np.cumsum(lengths) - lengths
        full = lengths > 0
        largest = np.full(len(lengths), -math.inf, values.dtype)
        if full.any():
            largest[full] = np.maximum.reduceat(values, starts[full])
        return largest
    values = _numbers(column)
    return values.max(axis=-1, initial=-math.inf) if measure.spreads else values


def _numbers(column: pa.Array) -> Any:
    """Return a column without nulls as an array."""
    shape = [len(column)]
    while pa.types.is_fixed_size_list(column.type) or pa.types.is_list(column.type):
        if pa.types.is_fixed_size_list(column.type):
            shape.append(column.type.list_size)
        else:
            shape = []
        column = column.flatten()
    values = numbers(column)
    return values.reshape(shape) if shape else values
