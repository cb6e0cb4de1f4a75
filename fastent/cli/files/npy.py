"""NumPy's files as tables: each array is a column, whose rows lie along its first axis."""

from __future__ import annotations

import math
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy_format

from fastent.arrow._bits import dtype_of, numbers
from fastent.arrow._results import of_numbers
from fastent.cli.errors import DataError, UseError
from fastent.cli.files.base import EVERY, File, Settings, boundary
from fastent.cli.npy import read_header


@dataclass(frozen=True)
class _Array:
    """What the header of an array says."""

    name: str
    entry: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    """Where the numbers begin."""
    turned: bool
    """Whether the first axis is the one that varies fastest."""

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def field(self) -> pa.Field:
        type = pa.from_numpy_dtype(self.dtype.newbyteorder("="))
        for size in reversed(self.shape[1:]):
            type = pa.list_(type, size)
        return pa.field(self.name, type)


class _ArraysReader(ABC):
    """Arrays as columns."""

    kind = ""

    def __init__(self, file: File, settings: Settings) -> None:
        self._file, self._settings = file, settings
        with boundary(file.path, self.kind):
            self._arrays = self._look()
            self.schema: pa.Schema = pa.schema([array.field for array in self._arrays.values()])
        self._columns: Sequence[str] = list(self._arrays)
        self.rows: int | None = None

    @abstractmethod
    def _look(self) -> dict[str, _Array]:
        """Return what the headers say, by the names of the arrays."""

    @abstractmethod
    def _open(self, array: _Array) -> IO[bytes]:
        """Return the bytes of an array, from its header on."""

    def _header(self, name: str, entry: str, file: IO[bytes], size: int) -> _Array:
        """Return what a header says, if the numbers that it claims are there."""
        shape, dtype, turned = read_header(file)
        where = f"{self._file.path}" if entry == "" else f"{self._file.path}: {name}"
        if dtype.hasobject:
            raise DataError(f"{where}: holds Python objects (a pickle), which are never loaded")
        if dtype.kind not in "biuf":
            raise DataError(f"{where}: is of dtype {dtype}, not numbers")
        start = file.tell()
        expected = start + math.prod(shape) * dtype.itemsize
        if expected != size:
            raise DataError(
                f"{where}: damaged: its header asks for {expected} bytes, there are {size}"
            )
        if not shape:
            raise DataError(f"{where}: holds a single number, not rows")
        return _Array(name, entry, shape, dtype, start, turned and len(shape) > 1)

    def use(self, columns: Sequence[str], counts: Collection[str]) -> None:
        """Hear which columns will be read: they must be of one length."""
        self._columns = columns
        chosen = [self._arrays[name] for name in columns]
        if len({array.shape[0] for array in chosen}) > 1:
            shapes = ", ".join(f"{array.name} of shape {array.shape}" for array in chosen)
            raise DataError(f"{self._file.path}: arrays do not match: {shapes}")
        self.rows = chosen[0].shape[0] if chosen else 0

    def row_bytes(self) -> float:
        """Return the bytes of a row."""
        return float(sum(self._arrays[name].row_bytes for name in self._columns))

    def largest(self) -> tuple[str, float]:
        """Return the bytes of arrays in Fortran's order, which are loaded as a whole."""
        turned = [self._arrays[name] for name in self._columns if self._arrays[name].turned]
        total = sum(array.row_bytes * array.shape[0] for array in turned)
        return "an array in Fortran's order", 2.0 * total

    def stretches(self, rows: int) -> list[int]:
        """Return nothing: a zip is unpacked from its beginning."""
        return []

    def batches(self, rows: int, stretches: slice = EVERY) -> Iterator[pa.RecordBatch]:
        """Yield batches."""
        arrays = [self._arrays[name] for name in self._columns]
        schema = pa.schema([array.field for array in arrays])
        starts = range(0, self.rows or 0, rows)[stretches]
        sources = [_blocks(array, self._open(array), starts) for array in arrays]
        for parts in zip(*sources, strict=True):
            yield pa.RecordBatch.from_arrays(list(map(_column, parts)), schema=schema)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _blocks(array: _Array, file: IO[bytes], starts: range) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the rows of an array block by block."""
    first = 0 if array.turned else starts.start * array.row_bytes
    file.seek(array.start + first)
    whole = None
    if array.turned:
        flat = np.frombuffer(_exactly(file, array.row_bytes * array.shape[0]), array.dtype)
        whole = flat.reshape(array.shape[::-1]).T
    for start in starts:
        count = min(starts.step, array.shape[0] - start)
        if whole is not None:
            block = whole[start : start + count]
        else:
            flat = np.frombuffer(_exactly(file, count * array.row_bytes), array.dtype)
            block = flat.reshape(count, *array.shape[1:])
        yield np.ascontiguousarray(block, array.dtype.newbyteorder("="))
    if whole is None and starts.stop >= array.shape[0] and file.read(1):
        raise ValueError("there is more than its header says")


def _exactly(file: IO[bytes], size: int) -> bytearray:
    """Return so many bytes."""
    found = bytearray(size)
    view, done = memoryview(found), 0
    while done < size:
        count = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            raise ValueError(f"it ends after {done} of {size} bytes")
        done += count
    return found


def _column(values: np.ndarray[Any, Any]) -> pa.Array:
    """Return rows as an Arrow array that shares their memory."""
    column = of_numbers(values.reshape(-1), None)
    for axis in range(values.ndim - 1, 0, -1):
        size = values.shape[axis]
        type = pa.list_(column.type, size)
        count = math.prod(values.shape[:axis])
        column = pa.Array.from_buffers(type, count, [None], children=[column])
    return column


class NpyReader(_ArraysReader):
    """A ``.npy`` file, as a table of one column."""

    kind = ".npy"

    def _look(self) -> dict[str, _Array]:
        name = self._file.path.stem
        return {name: self._header(name, "", self._file.file, self._file.size or 0)}

    def _open(self, array: _Array) -> IO[bytes]:
        return self._file.file

    @property
    def flat(self) -> bool:
        """Whether the array has one axis: a row, or a number a row, which measures decide."""
        return all(len(array.shape) == 1 for array in self._arrays.values())

    def make_one_row(self) -> None:
        """Take an array of one axis for one row."""
        self._arrays = {n: replace(a, shape=(1, *a.shape)) for n, a in self._arrays.items()}
        self.schema = pa.schema([array.field for array in self._arrays.values()])

    def stretches(self, rows: int) -> list[int]:
        """Return the rows of each batch, where they lie one after the other."""
        count = self.rows or 0
        if any(self._arrays[name].turned for name in self._columns):
            return [count]
        return [min(rows, count - start) for start in range(0, count, rows)]


class NpzReader(_ArraysReader):
    """A ``.npz`` file. Its arrays are unpacked block by block, so bombs take no memory."""

    kind = ".npz"

    def _look(self) -> dict[str, _Array]:
        self._zip = zipfile.ZipFile(self._file.file)
        found = {}
        for info in self._zip.infolist():
            if info.filename.endswith(".npy"):
                name = info.filename.removesuffix(".npy")
                with self._zip.open(info) as file:
                    found[name] = self._header(name, info.filename, file, info.file_size)
        if not found:
            raise DataError(f"{self._file.path}: holds no arrays")
        return found

    def _open(self, array: _Array) -> IO[bytes]:
        return self._zip.open(array.entry)


class _Spools:
    """Columns of results, each written to a nameless file until all are there."""

    def __init__(self, file: IO[bytes], schema: pa.Schema, results: Collection[str] = ()) -> None:
        self._file, self._schema = file, schema
        for field in schema:
            if not _plain(field.type):
                raise UseError(
                    f"column '{field.name}' is {field.type}, which {self.kind} has no place for: "
                    f"say --format parquet or arrow"
                )
        self._spools: list[IO[bytes]] = []
        self._rows = 0
        folder = Path(str(file.name)).parent
        self._spools = [tempfile.TemporaryFile(dir=folder) for _ in schema]  # noqa: SIM115

    kind = ""

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows."""
        for spool, field, column in zip(self._spools, self._schema, batch.columns, strict=True):
            inner = column
            while pa.types.is_fixed_size_list(inner.type) and not inner.null_count:
                inner = inner.flatten()
            if inner.null_count:
                raise DataError(
                    f"column '{field.name}' has nulls, which {self.kind} has no place for: "
                    f"say --format parquet, arrow or csv"
                )
            spool.write(np.ascontiguousarray(numbers(inner)).data)
        self._rows += batch.num_rows

    def _copy(self, place: int, target: IO[bytes]) -> None:
        """Write an array with its header."""
        type, shape = self._schema.field(place).type, [self._rows]
        while pa.types.is_fixed_size_list(type):
            shape.append(type.list_size)
            type = type.value_type
        dtype = dtype_of(type)
        header = {
            "descr": npy_format.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": tuple(shape),
        }
        npy_format.write_array_header_1_0(target, header)
        spool = self._spools[place]
        spool.seek(0)
        while part := spool.read(1 << 20):
            target.write(part)

    def abandon(self) -> None:
        """Drop what was written."""
        for spool in self._spools:
            spool.close()


def _plain(type: pa.DataType) -> bool:
    """Whether an array of NumPy can hold it."""
    while pa.types.is_fixed_size_list(type):
        type = type.value_type
    return bool(
        pa.types.is_integer(type) or pa.types.is_floating(type) or pa.types.is_boolean(type)
    )


class NpyTable(_Spools):
    """A ``.npy`` file of one column."""

    kind = ".npy"

    def __init__(self, file: IO[bytes], schema: pa.Schema, results: Collection[str] = ()) -> None:
        if len(schema) != 1:
            raise UseError(
                f"a .npy file holds one array, and there are {', '.join(schema.names)}: "
                f"say --format npz"
            )
        super().__init__(file, schema, results)

    def finish(self) -> None:
        """Write the array."""
        self._copy(0, self._file)
        self.abandon()


class NpzTable(_Spools):
    """A ``.npz`` file of all columns."""

    kind = ".npz"

    def finish(self) -> None:
        """Write the arrays."""
        with zipfile.ZipFile(self._file, "w", zipfile.ZIP_STORED, allowZip64=True) as target:
            for place, name in enumerate(self._schema.names):
                # A fixed date: the same results are the same bytes.
                entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
                with target.open(entry, "w", force_zip64=True) as file:
                    self._copy(place, file)
        self.abandon()
